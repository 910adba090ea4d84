#include "base/clock.h"
#include "cli/humane.h"
#include "cli/moment.h"
#include "cli/target_view.h"
#include "cli/verbs.h"

const GOptionEntry rp_at_options[] = { G_OPTION_ENTRY_NULL };

/* `healthy, rolled back by revision 4 since`: as it is known now. */
static char *
describe_end (const json_t *revision)
{
  gint64 rolled_back_by = rp_json_int (revision, "rolled_back_by");
  const char *outcome = rp_json_str (revision, "outcome");
  if (rolled_back_by == 0)
    return g_strdup (outcome);
  return g_strdup_printf ("%s, rolled back by revision %" G_GINT64_FORMAT " since", outcome,
                          rolled_back_by);
}

static void
print_past (RpCli *cli, const json_t *past)
{
  const json_t *revision = json_object_get (past, "revision");
  fprintf (cli->out.stream, "%s/%s at %s: ", rp_json_str (past, "app"),
           rp_json_str (past, "environment"), rp_json_str (past, "at"));
  if (!json_is_object (revision))
    {
      fputs ("nothing was deployed there yet\n", cli->out.stream);
      return;
    }
  g_autofree char *what = rp_humane_revision (revision);
  g_autofree char *end = describe_end (revision);
  g_autofree char *why
      = g_strdup_printf ("%s of %s by %s: %s", rp_json_str (revision, "kind"),
                         rp_json_str (revision, "at"), rp_json_str (revision, "actor"),
                         rp_json_str (revision, "cause"));
  rp_term_text (&cli->out, RP_STYLE_BOLD, what);
  fputs (", ", cli->out.stream);
  rp_term_text (&cli->out, rp_humane_outcome_style (rp_json_str (revision, "outcome")), end);
  fputs ("\n  ", cli->out.stream);
  rp_term_paragraph (&cli->out, 2, why);
  rp_target_view_print (cli, json_object_get (past, "targets"));
}

gboolean
rp_at_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *app = NULL;
  g_autofree char *env = NULL;
  gint64 at_us;
  if (!rp_cli_parse_env (args[0], &app, &env, error))
    return FALSE;
  g_autofree char *path = rp_api_path ("apps", app, "environments", env, "at", NULL);
  if (args[1] != NULL)
    {
      if (!rp_moment_parse (args[1], &at_us, error))
        return FALSE;
      g_autofree char *time = rp_clock_format (at_us);
      rp_api_query (&path, "time", time);
    }
  return rp_cli_show (cli, path, print_past, error);
}
