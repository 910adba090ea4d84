/* Asking one thing about one environment, those of an app, or all there are. */
#pragma once

#include "cli/cli.h"

/* One answer about one environment. */
typedef json_t *(*RpEnvironmentAsk) (RpCli *cli, const char *app, const char *env, GError **error);

/* The answers about what `where` names (APP/ENV, APP, or NULL for everything) as a list, which is shown, one by one by
 * `print`; with -o json as it is, or the one alone that was asked for. */
json_t *rp_environments_show (RpCli *cli, const char *where, RpEnvironmentAsk ask,
                              void (*print) (RpCli *cli, const json_t *answer), GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
