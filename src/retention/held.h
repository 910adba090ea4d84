/* What must be kept: every digest that the windows, the targets and the holds of people reach, and why.
 *
 * Roots are looked up in the database each time that something about them may have changed; the closure
 * of a root never changes and is learnt once, outside of any transaction, as that reads manifests.  What
 * refers to something held is held, with its own closure, and so on.  Thread-safe.
 */
#pragma once

#include "release/engine.h"

typedef struct RpHeld RpHeld;
RpHeld *rp_held_new (RpRegistry *registry); /* borrowed */
void rp_held_free (RpHeld *held);

/* Outside of any transaction: learns what it needs for the others.  RP_ERROR_PROTECTED if it cannot be
 * told what a root needs: then nothing may be deleted. */
gboolean rp_held_prepare (RpHeld *held, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* As RpRegistryGuard's check(). *out_holder has "text" and the members of a reason. */
gboolean rp_held_check (RpTxn *txn, RpHeld *held, const RpDigest *digest, gboolean *out_fresh,
                        json_t **out_holder, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* As of the last prepare(): [{"kind": "window"|"running"|"hold", "text", …}…], none if it is not held. */
json_t *rp_held_reasons (RpHeld *held, const char *digest);
/* As of the last prepare(): is it held, by a reason of this kind (NULL: by any)? */
gboolean rp_held_has (RpHeld *held, const char *digest, const char *kind);
