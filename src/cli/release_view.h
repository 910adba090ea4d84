/* A Release for people, and the request that records one: shared by `release` and `build`. */
#pragma once

#include "cli/cli.h"

/* `1.1 in production, rolled back from in revision 3 by ada 2 h ago: it is slow`. g_free(). */
char *rp_release_describe_hold (const json_t *hold);
void rp_release_print (RpCli *cli, const json_t *release);
/* What sources of the release disagree about, on standard error. */
void rp_release_warn (const json_t *release);

/* Options that describe where a release comes from, and its components. */
typedef struct {
  char *version;
  char **components; /* `web=1.2` */
  char *commit;
  char *build;
  char *run_url;
  char *source_repo;
} RpReleaseOptions;

extern RpReleaseOptions rp_release_options;

#define RP_RELEASE_OPTIONS                                                                         \
  { "commit", 0, 0, G_OPTION_ARG_FILENAME, &rp_release_options.commit,                             \
    "Commit that it was built from", "COMMIT" },                                                   \
  { "version", 0, 0, G_OPTION_ARG_FILENAME, &rp_release_options.version,                           \
    "Version for people; default: the commit, shortened", "VERSION" },                             \
  { "component", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &rp_release_options.components,                \
    "What a component is: a tag, a digest, REPOSITORY:TAG or HOST/REPOSITORY:TAG; once for each", "NAME=REF" },         \
  { "build", 0, 0, G_OPTION_ARG_FILENAME, &rp_release_options.build, "Build number", "N" },        \
  { "run-url", 0, 0, G_OPTION_ARG_FILENAME, &rp_release_options.run_url,                           \
    "Pipeline run that made it", "URL" },                                                          \
  { "source-repo", 0, 0, G_OPTION_ARG_FILENAME, &rp_release_options.source_repo,                   \
    "Source repository of the commit", "URL" }

/* Reads --component options: {"web":"1.2"}. RP_ERROR_USAGE for one that is no NAME=REF or is
 * given twice. */
json_t *rp_release_components (GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Records a release of `app` out of the options and `components` (NAME → REF), those that another registry has being
 * kept first (keeping.h), in place; *out_created is
 * FALSE if it had been recorded before. */
json_t *rp_release_post (RpCli *cli, const char *app, json_t *components, gboolean *out_created,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
