/* Where the parts of a release say they came from: every value with the document that says it, what
 * they disagree about, and the commit and repository that follow.  Nothing is guessed: what sources
 * disagree about stays unknown unless the caller says it, and is recorded either way.
 */
#pragma once

#include "oci/provenance.h"
#include "release/release.h"

struct RpProvenance
{
  char *component; /* NULL: said by the caller */
  RpClaimField field;
  RpClaimTrust trust;
  gboolean enveloped; /* there is a signature around it, which nobody has verified */
  char *value;
  char *source;   /* as RpClaim has it; `caller` */
  char *digest;   /* of the document that says so; NULL: the caller */
  char *attached; /* how the document hangs on the component: `index`, `referrer`, `own`; NULL */
};
void rp_provenance_free (gpointer provenance);

/* Adds what the artifact of `component` and what is attached to it say to `provenance`, the same
 * value of the same source once; documents that cannot be used become lines in `problems` (char *).
 * The closure must have been verified. An error is only what kept us from looking. Blocks. */
gboolean rp_provenance_gather (RpEngine *engine, const RpReleaseComponent *component,
                               GPtrArray *provenance, GPtrArray *problems,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Compares all that is said about `field` and adds a line to `disagreements` (char *) for each
 * contradiction: within a component, between components, and with what the caller `told` (or NULL).
 * Returns `told`, else what all agree on, else NULL; g_free(). Pure. */
char *rp_provenance_judge (const GPtrArray *provenance, RpClaimField field, const char *told,
                           GPtrArray *disagreements);
/* What the caller told, as one more of the sources. NULL `value`: nothing is added. */
void rp_provenance_add_told (GPtrArray *provenance, RpClaimField field, const char *value);

json_t *rp_provenance_to_json (const GPtrArray *provenance);
gboolean rp_provenance_load (RpTxn *txn, RpRelease *release,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* For the projection of release.created. */
gboolean rp_provenance_project (RpTxn *txn, const char *app, gint64 number, const json_t *body,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A sentence for a plan: what is known of the commit of `release`, or what is not; g_free(). */
char *rp_provenance_summary (const RpRelease *release, gboolean *out_known);
