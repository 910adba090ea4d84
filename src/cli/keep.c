/* Copies in what another registry has, and shows what was copied in. */
#include <string.h>

#include "cli/humane.h"
#include "cli/keeping.h"
#include "cli/remote.h"
#include "cli/table.h"
#include "cli/verbs.h"

static char *destination;
static gboolean check;

const GOptionEntry rp_keep_options[] = {
  { "as", 0, 0, G_OPTION_ARG_STRING, &destination,
    "Keep it there; default: a repository of the same name, without a tag", "REPOSITORY[:TAG]" },
  RP_REMOTE_OPTIONS, G_OPTION_ENTRY_NULL
};
const GOptionEntry rp_kept_options[] = {
  { "check", 0, 0, G_OPTION_ARG_NONE, &check,
    "Ask each upstream, with your credentials, whether it still has it", NULL },
  RP_REMOTE_OPTIONS, G_OPTION_ENTRY_NULL
};

/* `shop/web:1` → `shop/web` and `1` */
static void
split (const char *text, char **out_repository, char **out_tag)
{
  const char *colon = text != NULL ? strrchr (text, ':') : NULL;
  *out_repository
      = colon != NULL ? g_strndup (text, (gsize) (colon - text)) : g_strdup (text);
  *out_tag = colon != NULL ? g_strdup (colon + 1) : NULL;
}

gboolean
rp_keep_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *repository = NULL;
  g_autofree char *tag = NULL;
  split (destination, &repository, &tag);
  g_autoptr (json_t) kept = rp_keeping_run (cli, args[0], repository, tag, error);
  gsize i;
  json_t *line;
  if (kept == NULL)
    return FALSE;
  json_array_foreach (json_object_get (kept, "warnings"), i, line)
    fprintf (stderr, "warning: %s\n", json_string_value (line));
  if (cli->json)
    {
      rp_cli_print_json (cli, kept);
      return TRUE;
    }
  rp_cli_note (cli, "kept as %s@%s, with %" G_GINT64_FORMAT " that refer to it%s",
               rp_json_str (kept, "repository"), rp_json_str (kept, "digest"),
               rp_json_int (kept, "referrers"),
               rp_json_bool (kept, "recorded") ? "" : "; it was known to be from there");
  return TRUE;
}

/* ---- kept ---- */

static void
print_origins (RpCli *cli, const json_t *origins)
{
  g_autoptr (RpTable) table = rp_table_new (check ? "~KEPT AS|~DIGEST|~FROM|SINCE|~UPSTREAM"
                                                  : "~KEPT AS|~DIGEST|~FROM|SINCE");
  gsize i;
  json_t *origin;
  json_array_foreach (origins, i, origin)
  {
    const char *problem = rp_json_str (origin, "problem");
    rp_table_add (table, RP_STYLE_BOLD, rp_json_str (origin, "repository"));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (origin, "digest"));
    rp_table_take (table, RP_STYLE_PLAIN, rp_keeping_upstream_name (origin));
    rp_table_take (table, RP_STYLE_PLAIN, rp_humane_ago (rp_json_str (origin, "at")));
    if (check)
      rp_table_add (table, problem != NULL ? RP_STYLE_BAD : RP_STYLE_PLAIN,
                    problem != NULL ? problem : "has it");
  }
  if (i == 0)
    rp_cli_note (cli, "nothing was copied in from another registry yet");
  else
    rp_table_print (table, &cli->out, 0);
}

gboolean
rp_kept_run (RpCli *cli, char **args, GError **error)
{
  guint lost = 0;
  gsize i;
  json_t *origin;
  (void) args;
  if (rp_cli_api (cli, error) == NULL)
    return FALSE;
  g_autofree char *path = rp_api_path ("origins", NULL);
  g_autoptr (json_t) answer = rp_api_get (cli->api, path, 0, error);
  if (answer == NULL)
    return FALSE;
  json_t *origins = json_object_get (answer, "origins");
  if (check)
    json_array_foreach (origins, i, origin)
      lost += !rp_keeping_ask (cli, origin);
  if (cli->json)
    rp_cli_print_json (cli, answer);
  else
    print_origins (cli, origins);
  if (lost == 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_FAILED,
               "%u of %zu could not be had from upstream now; they are kept here, and rollbacks do not need"
               " upstream",
               lost, json_array_size (origins));
  return FALSE;
}
