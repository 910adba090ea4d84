/* A release that is held back in an environment: no deploy and no promote points at it there until somebody
 * lifts the hold, with a reason.  A rollback places one on the release that it leaves, in the transaction that
 * moves the pointer, so that no pipeline brings it back; by hand one is placed before anything went wrong.
 * A rollback may go to a held release, and lifts nothing.
 */
#pragma once

#include "release/release.h"

typedef struct
{
  char *app;
  char *environment;
  gint64 release;
  char *version;
  gint64 revision; /* the rollback that placed it; 0: by hand */
  char *actor;
  char *because;
  gint64 at_us;
} RpReleaseHold;
void rp_release_hold_free (gpointer hold);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpReleaseHold, rp_release_hold_free)

/* RpReleaseHold of the app, newest first; `environment` NULL, `release` 0: of all. */
GPtrArray *rp_release_hold_load (RpTxn *txn, const char *app, const char *environment, gint64 release,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Fills `holds` of each of `releases` (RpRelease, of one app). */
gboolean rp_release_hold_fill (RpTxn *txn, GPtrArray *releases, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* All borrowed. */
typedef struct
{
  const char *app;
  const char *environment;
  const char *release; /* a ref */
  const char *because;
  const char *actor;
} RpReleaseHoldRequest;
/* One that is there already gets the new reason. */
RpReleaseHold *rp_release_hold_place (RpEngine *engine, const RpReleaseHoldRequest *request,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* What was lifted. RP_ERROR_NOT_FOUND if the release is not held there. */
RpReleaseHold *rp_release_hold_lift (RpEngine *engine, const RpReleaseHoldRequest *request,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
GPtrArray *rp_release_hold_list (RpEngine *engine, const char *app, const char *environment,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

json_t *rp_release_hold_to_json (const RpReleaseHold *hold);
json_t *rp_release_hold_list_to_json (const GPtrArray *holds); /* NULL: none */
