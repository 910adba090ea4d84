#include "cli/move.h"
#include "cli/verbs.h"

const GOptionEntry rp_deploy_options[] = { RP_GATE_OPTIONS, RP_MOVE_OPTIONS, G_OPTION_ENTRY_NULL };

gboolean
rp_deploy_run (RpCli *cli, char **args, GError **error)
{
  RpMove move = { .kind = "deploy", .where = args[0], .release = args[1] };
  return rp_move_run (cli, &move, error);
}
