#include "cli/move.h"
#include "cli/verbs.h"

static char *from;

const GOptionEntry rp_promote_options[] = {
  { "from", 0, 0, G_OPTION_ARG_FILENAME, &from,
    "Environment to take the release from; default: the one before", "ENV" },
  RP_GATE_OPTIONS,
  RP_MOVE_OPTIONS,
  G_OPTION_ENTRY_NULL
};

gboolean
rp_promote_run (RpCli *cli, char **args, GError **error)
{
  RpMove move = { .kind = "promote", .where = args[0], .from = from };
  return rp_move_run (cli, &move, error);
}
