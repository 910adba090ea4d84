/* What targets run, for people: as `rollout status` shows it. */
#pragma once

#include "cli/cli.h"

/* A list of TargetState. Prints nothing if it is empty. */
void rp_target_view_print (RpCli *cli, const json_t *targets);
