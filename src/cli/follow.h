/* Follows a rollout until its outcome is known, and what its signals say of it if that is wanted. */
#pragma once

#include "base/json.h"
#include "cli/cli.h"

#define RP_FOLLOW_FOREVER (-1)

/* Prints a line for every change, and on a terminal what is being waited for.  TRUE: revision
 * `number` became healthy.  Otherwise RP_ERROR_UNHEALTHY (it failed), RP_ERROR_ROLLED_BACK (and
 * the environment went back by itself), RP_ERROR_MOVED (somebody else moved the pointer before
 * it was known), RP_ERROR_TIMEOUT or RP_ERROR_UNREACHABLE (not known; the pointer has moved).
 * `signals`: a healthy revision that is watched is followed until there is a verdict; what could not be told is TRUE, and said. */
gboolean rp_follow (RpCli *cli, const char *app, const char *env, gint64 number, gboolean signals,
                    gint64 timeout_ms, GError **error) G_GNUC_WARN_UNUSED_RESULT;
