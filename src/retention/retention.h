/* What is kept and what goes.  The facade that the server calls.
 *
 * Held is, with its whole closure and all that refers to it: what the window of an environment reaches,
 * what an agent says that runs, and what somebody placed a hold on.  A lifecycle policy (lifecycle.h) that
 * is attached to a pattern of repository names says what goes; a run applies it, and holds always win.
 * What goes loses its tags and its membership of the repository, each with the rule in the ledger.
 *   hold.placed {id, digest | app + release, because, until_us}     lifecycle.set {pattern, policy}
 *   hold.ended {id, because}                                        lifecycle.dropped {pattern}
 * All functions are thread-safe and block.  Results in JSON are the caller's, and as docs/openapi.yaml says.
 */
#pragma once

#include "release/release.h"

extern const RpProjector rp_retention_projector;

typedef struct RpRetention RpRetention;
/* Borrows it all. */
RpRetention *rp_retention_new (RpEngine *engine, RpRegistry *registry);
void rp_retention_free (RpRetention *retention);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpRetention, rp_retention_free)

/* The guard of the registry: refuses what is held, and by hand also what any release names that is
 * still whole. Borrows `retention`. */
RpRegistryGuard rp_retention_guard (RpRetention *retention);

/* ---- holds by hand ---- */
#define RP_HOLD_TEXT_MAX 500 /* bytes of a reason */

/* {"digest" or "app" and "release", "because", "until"?}: RP_ERROR_INVALID, RP_ERROR_NOT_FOUND. */
json_t *rp_hold_place (RpRetention *retention, const json_t *request, const char *actor,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* `because` may be NULL. RP_ERROR_NOT_FOUND if there is none such, or it ended already. */
json_t *rp_hold_end (RpRetention *retention, gint64 id, const char *because, const char *actor,
                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Those that count now, newest first; `all`: also those that ended or expired. */
json_t *rp_hold_list (RpRetention *retention, gboolean all, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* ---- policies ---- */

/* Attaches `document` to `pattern` in place of the one before; records nothing where nothing changes.
 * RP_ERROR_INVALID with the path of what is wrong in it. */
json_t *rp_attachment_set (RpRetention *retention, const char *pattern, const json_t *document,
                           const char *actor, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_attachment_drop (RpRetention *retention, const char *pattern, const char *actor,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* All, or the one that counts for `repository` (NULL: all). */
json_t *rp_attachment_list (RpRetention *retention, const char *repository, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* ---- what goes ---- */

/* What a run would do at `now_us`; of one repository, or of all (NULL). Changes nothing. */
json_t *rp_sweep_preview (RpRetention *retention, const char *repository, gint64 now_us,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Does it. Whatever keeps it from telling what is held stops it before anything goes. */
json_t *rp_sweep_run (RpRetention *retention, const char *repository, const char *actor,
                      gint64 now_us, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Why a manifest is kept, or when it goes and by what rule. `reference`: a prefix as rp_registry_find_digest() takes
 * it, `repository@` in front of one, or `repository:tag`, also of a tag that went with what it named. */
json_t *rp_sweep_why (RpRetention *retention, const char *reference, gint64 now_us, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* What holds the components of `release`, as rp_sweep_why() tells it of each. rp_retention_prepare() has to come before. */
json_t *rp_retention_holders (RpRetention *retention, const RpRelease *release);
/* RP_ERROR_PROTECTED if it cannot be told what something held needs. */
gboolean rp_retention_prepare (RpRetention *retention, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* [{"app", "environment", "advised": {"releases", "for_days"}, …}…]: how large windows should be, from how
 * far back people went, and what more days would cost. */
json_t *rp_window_advise (RpRetention *retention, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- pulls ---- */

/* Remembers in memory that a manifest was pulled: takes no time. */
void rp_pulls_note (RpRetention *retention, const char *repository, const RpDigest *digest,
                    gint64 now_us);
/* Writes down what was remembered, in one transaction. */
gboolean rp_pulls_flush (RpRetention *retention, GError **error) G_GNUC_WARN_UNUSED_RESULT;
