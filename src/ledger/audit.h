/* Holding a chain of events against a published log, event by event as it is walked: that each is the
 * one that was published, that the tree of all has the root that was signed, and by whose key.
 */
#pragma once

#include <jansson.h>

#include "ledger/folder.h"

typedef struct RpAudit RpAudit;

/* `folder`: a published log. `key`: the one that is trusted; NULL: whoever signed. RP_ERROR_NOT_FOUND if
 * nothing was published there. */
RpAudit *rp_audit_new (const char *folder, const RpNoteKey *key, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_audit_free (RpAudit *audit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpAudit, rp_audit_free)

/* Of each event in order, from 1 on. RP_ERROR_CORRUPT names the first that is not the published one. */
gboolean rp_audit_event (RpAudit *audit, gint64 seq, const guint8 hash[RP_HASH_SIZE], GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Of each `key.rotated`: trust goes on to its key if the trusted one signed that. */
void rp_audit_rotation (RpAudit *audit, const json_t *body);
/* After the last: nothing that was published is missing, and the signed root is that of the events. */
gboolean rp_audit_end (RpAudit *audit, GError **error) G_GNUC_WARN_UNUSED_RESULT;
const RpCheckpoint *rp_audit_checkpoint (const RpAudit *audit);

/* The key that `body`, of a `key.rotated`, hands over to, if `from` signed that; else NULL. The caller's. */
RpNoteKey *rp_rotation_follow (const RpNoteKey *from, const char *origin, const json_t *body);
/* What the old key signs to hand over to `key`. g_free(). */
char *rp_rotation_text (const char *origin, const char *key);
