/* What `retention` shows to people; each takes an answer of the API. */
#pragma once

#include "cli/cli.h"

void rp_view_policy (RpCli *cli, const json_t *policy);
void rp_view_policies (RpCli *cli, const json_t *answer);
void rp_view_hold (RpCli *cli, const json_t *hold);
void rp_view_holds (RpCli *cli, const json_t *answer);
void rp_view_preview (RpCli *cli, const json_t *answer);
void rp_view_run (RpCli *cli, const json_t *answer);
void rp_view_why (RpCli *cli, const json_t *answer);
void rp_view_advice (RpCli *cli, const json_t *answer);
