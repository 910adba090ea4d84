#include "base/json.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  GError *error = NULL;
  g_autoptr (json_t) value = rp_json_parse (data, size, "input", &error);
  fuzz_check (value != NULL, &error);
  if (value == NULL)
    return 0;
  /* The canonical form is a fixed point: it is what the ledger hashes. */
  g_autofree char *canonical = rp_json_canonical (value);
  g_autoptr (json_t) again = rp_json_parse (canonical, strlen (canonical), "canonical", NULL);
  g_assert (again != NULL);
  g_autofree char *second = rp_json_canonical (again);
  g_assert_cmpstr (canonical, ==, second);
  if (!json_is_object (value))
    return 0;
  const char *key = NULL;
  json_t *field = NULL;
  json_object_foreach (value, key, field)
    {
      const char *text = NULL;
      gint64 number = 0;
      GError *errors[2] = { NULL };
      fuzz_check (rp_json_need_string (value, key, "input", &text, &errors[0]), &errors[0]);
      fuzz_check (rp_json_opt_int (value, key, "input", &number, &errors[1]), &errors[1]);
    }
  return 0;
}
