/* Where the true bytes of a damaged blob may still be: whoever has a second copy registers as a healer.
 * Who finds damage asks them in turn; what one brings goes through the store, which verifies it as it
 * does a push, and is recorded:
 *   blob.healed {digest, by}
 */
#pragma once

#include "registry/registry.h"

typedef struct {
  RpDigest digest;
  guint64 size_bytes; /* as it is recorded */
  gboolean is_manifest;
} RpPatient;

typedef struct {
  const char *name; /* `upstream`: for the ledger and the log. Static */
  /* Sees to it that `into`, which is the registry's store, has the blob: rp_oci_client_fetch(), rp_upload_commit(),
   * rp_store_put(). No more than that: nothing is to be recorded. *out_brought FALSE and TRUE returned: it has no copy. May block,
   * called with no lock held and outside of any transaction, from several threads (the scrubber's, a
   * worker's), never twice at once for one digest by the same caller. */
  gboolean (*bring) (const RpPatient *patient, RpStore *into, gboolean *out_brought,
                     gpointer user_data, GError **error);
  gpointer user_data;
} RpHealer;

/* Before the registry is used; copied, asked in this order. */
void rp_registry_add_healer (RpRegistry *registry, const RpHealer *healer);

/* Looks again at a blob that seemed damaged or gone. Wrong or unreadable bytes are quarantined, and that, or
 * that the bytes of something needed are gone, is recorded (blob.damaged). *out_damaged: it waits for
 * its true bytes, since now or before. */
gboolean rp_registry_suspect (RpRegistry *registry, const RpDigest *digest, gboolean *out_damaged,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Is `digest` damaged, and what is it? *out is set where it is. */
gboolean rp_registry_find_patient (RpRegistry *registry, const RpDigest *digest, RpPatient *out,
                                   gboolean *out_damaged, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Somebody put the bytes of `patient` into the registry's store: records that they are there, and `by` whom. Nothing is
 * recorded of what is not damaged any more. RP_ERROR_CORRUPT if they are not of the size that is recorded. */
gboolean rp_registry_take_healed (RpRegistry *registry, const RpPatient *patient, const char *by,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What those who read came across since the last call: RpDigest that may be damaged or gone, each at most once in ten
 * minutes, for somebody to rp_registry_suspect() and heal. g_array_unref(). */
GArray *rp_registry_take_hurt (RpRegistry *registry);
/* `listener` is called when there is something to take: from any thread, with locks held, so it only wakes somebody. While nobody
 * uses the registry; NULL: nobody is woken. */
void rp_registry_on_hurt (RpRegistry *registry, void (*listener) (gpointer user_data),
                          gpointer user_data);

#define RP_HEALED_IN_PLACE "scrub"
/* If the true bytes of `digest`, which is damaged, lie in their place, records that, by RP_HEALED_IN_PLACE;
 * else asks healers until one brings them. *out_by is its name, NULL where none could
 * or there is nothing to heal (borrowed). A healer that fails is a line on the log and no error. Blocks
 * for as long as they do. */
gboolean rp_registry_heal (RpRegistry *registry, const RpDigest *digest, const char **out_by,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
