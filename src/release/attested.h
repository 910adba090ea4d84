/* The signatures among the gates: is each component of a release signed by one of the keys that an environment names? They
 * are read while a plan is made, outside of the transaction that decides.
 */
#pragma once

#include "release/gate.h"

/* `keys`: PEM texts, NULL-ended. What cannot be read is no signature. */
RpSignatureAnswer *rp_attested_look (RpEngine *engine, const RpRelease *release, char **keys);
void rp_signature_answer_free (RpSignatureAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpSignatureAnswer, rp_signature_answer_free)
