/* Bytes that are damaged here and may still lie on a host.  Agents connect to the server and never the other way round, so they are asked
 * in the answers to their polls, one host at a time; what one sends goes through the store, which verifies it.
 * In memory: the scrubber comes by again.  Thread-safe.
 *
 *   damaged → wished → asked of a target → given (blob.healed, by `agent:APP/ENV/TARGET`)
 *                 ↑            ├ lacking, or wrong bytes: not asked of it for an hour
 *                 └────────────┴ nothing began to come in half a minute: asked again, of whoever polls first
 */
#pragma once

#include "registry/heal.h"

typedef struct RpWishes RpWishes;

/* Borrows the registry. `wake` is called, with no lock held, when there is something to ask for. */
RpWishes *rp_wishes_new (RpRegistry *registry, void (*wake) (gpointer user_data), gpointer user_data);
void rp_wishes_free (RpWishes *wishes); /* NULL is fine */

/* Wishes for what it is asked to bring, and brings it only where the bytes came meanwhile. */
RpHealer rp_wishes_healer (RpWishes *wishes);

/* Is there any? */
gboolean rp_wishes_any (RpWishes *wishes);
/* What this target (`APP/ENV/TARGET`), which has artifacts of `repositories` (char *), is to be asked for at `now_us` (monotonic): an array of
 * digests, and it counts as asked; NULL: nothing. json_decref(). */
json_t *rp_wishes_ask (RpWishes *wishes, const char *target, const GPtrArray *repositories,
                       gint64 now_us);

/* The target begins to send what it was asked for: nobody else is asked until rp_wishes_end(). RP_ERROR_NOT_FOUND if it was not asked for
 * it, or it is not damaged any more. */
gboolean rp_wishes_begin (RpWishes *wishes, const char *target, const RpDigest *digest,
                          RpPatient *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_wishes_end (RpWishes *wishes, const RpDigest *digest);
/* The bytes are here. */
void rp_wishes_fulfil (RpWishes *wishes, const RpDigest *digest);
/* The target does not have them. */
void rp_wishes_lacking (RpWishes *wishes, const char *target, const RpDigest *digest, gint64 now_us);
