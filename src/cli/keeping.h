/* Keeping what another registry has: the command line copies, with this user's credentials, into the server, which so needs none
 * of its own, and tells it where the bytes are from. */
#pragma once

#include "cli/cli.h"

/* Copies `upstream` (a reference with a host) with its referrers into `repository` (NULL: one of the same name), under `tag`
 * (may be NULL), and records the origin. {"repository", "digest", "upstream": {"registry", "repository", "tag"},
 * "referrers", "recorded", "warnings"}. */
json_t *rp_keeping_run (RpCli *cli, const char *upstream, const char *repository, const char *tag,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Keeps those of `components` (NAME → REF) that another registry has in the repository that `app` declares for each,
 * and puts `REPOSITORY[:TAG]@DIGEST` in their place. */
gboolean rp_keeping_components (RpCli *cli, const char *app, json_t *components,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* `ghcr.io/shop/web:1.2` of an origin as the API has it. g_free(). */
char *rp_keeping_upstream_name (const json_t *origin);
/* Asks upstream, with this user's credentials. Sets "upstream_has": true, or false with "problem". */
gboolean rp_keeping_ask (RpCli *cli, json_t *origin);
