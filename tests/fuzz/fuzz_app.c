#include "base/json.h"
#include "release/app.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  GError *error = NULL;
  g_autoptr (RpApp) app = rp_app_parse (data, size, "repoint.yaml", &error);
  fuzz_check (app != NULL, &error);
  if (app == NULL)
    return 0;
  g_assert (app->name != NULL && app->components->len > 0);
  /* What is declared differs in nothing from itself, and can be written down. */
  g_autoptr (GPtrArray) changes = rp_app_diff (app, app);
  g_assert (changes->len == 0);
  g_autoptr (GPtrArray) all = rp_app_diff (NULL, app);
  g_assert (all->len > 0);
  g_autoptr (json_t) declared = rp_app_declaration_json (app);
  g_autofree char *text = rp_json_canonical (declared);
  g_assert (text != NULL);
  return 0;
}
