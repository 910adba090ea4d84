#include "cli/move.h"
#include "cli/verbs.h"

static struct {
  gint64 to_revision;
  char *promote_from;
  gboolean promote;
  gboolean undo;
} options;

const GOptionEntry rp_plan_options[] = {
  { "undo", 0, 0, G_OPTION_ARG_NONE, &options.undo,
    "Going back to the last known good release (default without RELEASE)", NULL },
  { "to-revision", 0, 0, G_OPTION_ARG_INT64, &options.to_revision,
    "Going back to revision N", "N" },
  { "promote", 0, 0, G_OPTION_ARG_NONE, &options.promote,
    "Promoting from the environment before", NULL },
  { "from", 0, 0, G_OPTION_ARG_FILENAME, &options.promote_from, "Promoting from ENV", "ENV" },
  G_OPTION_ENTRY_NULL
};

gboolean
rp_plan_run (RpCli *cli, char **args, GError **error)
{
  gboolean promote = options.promote || options.promote_from != NULL;
  int ways = (args[1] != NULL) + (options.to_revision != 0) + options.undo + promote;
  if (ways > 1)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE,
                           "RELEASE, --undo, --to-revision and --promote exclude each other");
      return FALSE;
    }
  if (options.to_revision < 0)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE,
                           "--to-revision: revisions count from 1");
      return FALSE;
    }
  RpMove move = { .where = args[0],
                  .release = args[1],
                  .from = options.promote_from,
                  .to_revision = options.to_revision };
  move.kind = promote ? "promote" : args[1] != NULL ? "deploy" : "rollback";
  rp_move_options.dry_run = TRUE;
  return rp_move_run (cli, &move, error);
}
