/* A release: the immutable record of one build of an app, component by component, by digest.  Made
 * once per (app, commit) and per (app, version).
 */
#pragma once

#include "release/engine.h"

typedef struct
{
  char *name;
  char *repository;
  RpDigest digest;
  char *media_type;
  guint64 size_bytes; /* of the whole closure */
  char *requested;    /* what was asked for, `shop/web:1.2`: for people */
} RpReleaseComponent;
void rp_release_component_free (gpointer component);

/* Who says what about where a component came from: release/provenance.h. */
typedef struct RpProvenance RpProvenance;

typedef struct
{
  char *app;
  gint64 number;
  char *version;
  GPtrArray *components;   /* RpReleaseComponent */
  char *source_repository; /* these four: or NULL */
  char *commit;
  char *build;
  char *run_url;
  GPtrArray *provenance;    /* RpProvenance */
  GPtrArray *disagreements; /* char *: a line each */
  GPtrArray *holds;         /* RpReleaseHold (release/hold.h): where it is held; NULL: not looked up */
  char *actor;
  gint64 at_us;
  gint64 seq;
} RpRelease;
RpRelease *rp_release_new (const char *app); /* with nothing in it */
RpRelease *rp_release_copy (const RpRelease *release);
void rp_release_free (RpRelease *release);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpRelease, rp_release_free)

/* NULL if the release has no such component. */
const RpReleaseComponent *rp_release_component (const RpRelease *release, const char *name);
char *rp_release_label (const RpRelease *release); /* `1.2.0 (release 3)`; g_free() */

typedef struct
{
  const char *name;
  const char *reference;
} RpWantedComponent;

/* What is asked for; all borrowed. */
typedef struct
{
  const char *app;
  const char *version; /* or NULL, as the next four */
  const char *source_repository;
  const char *commit;
  const char *build;
  const char *run_url;
  GArray *components; /* RpWantedComponent */
  const char *actor;
  const char *idempotency_key; /* or NULL */
  const char *request_hash;    /* of the request's content; needed with a key */
} RpReleaseRequest;

/* Resolves each reference once, hashes every byte of every closure, reads what the artifacts say about
 * where they came from and records the release.  A commit or repository that is not given is taken
 * from there if all sources agree; disagreement is recorded, not refused.  The one that is recorded already for this commit, version or key is returned with *out_created FALSE,
 * if it has the same digests; else RP_ERROR_CONFLICT says what is recorded.
 * RP_ERROR_MANIFEST_BLOB_UNKNOWN names what is missing or damaged. Blocks for as long as hashing
 * takes. */
RpRelease *rp_release_create (RpEngine *engine, const RpReleaseRequest *request,
                              gboolean *out_created, GError **error) G_GNUC_WARN_UNUSED_RESULT;

RpRelease *rp_release_load (RpTxn *txn, const char *app, gint64 number,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* In the transaction that points at it: are the manifests of all its components still in their
 * repositories? RP_ERROR_BLOCKED. */
gboolean rp_release_check_present (RpTxn *txn, const RpRelease *release,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* By version, number (`12`, `#12`), prefix of a commit or of a component's digest (four characters
 * at least). RP_ERROR_AMBIGUOUS lists the candidates, RP_ERROR_NOT_FOUND what there is. */
RpRelease *rp_release_find (RpTxn *txn, const char *app, const char *ref,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
RpRelease *rp_release_get (RpEngine *engine, const char *app, const char *ref,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* RpRelease that `ref` may mean, none or several: what an error about it lists. */
GPtrArray *rp_release_candidates (RpEngine *engine, const char *app, const char *ref,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* RpRelease, newest first; `before` 0 and `commit` NULL: all. */
GPtrArray *rp_release_list (RpEngine *engine, const char *app, gint64 limit, gint64 before,
                            const char *commit, GError **error) G_GNUC_WARN_UNUSED_RESULT;

json_t *rp_release_to_json (const RpRelease *release);
json_t *rp_release_list_to_json (const GPtrArray *releases);
json_t *rp_release_summary_to_json (const RpRelease *release); /* as a Revision shows it */
