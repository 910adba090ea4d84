/* What a document says about where an artifact came from: in-toto statements with SLSA provenance
 * (v1 and v0.2, as BuildKit and GitHub write them; bare, in a DSSE envelope or in a Sigstore bundle),
 * OCI annotations, labels in an image's configuration.  Parsers take bytes, keep nothing of them, and
 * are fuzzed.  They only report: nothing here is verified by a signature, and nothing is guessed.
 */
#pragma once

#include "base/digest.h"

#define RP_MEDIA_IN_TOTO "application/vnd.in-toto+json"
#define RP_MEDIA_DSSE    "application/vnd.dsse.envelope.v1+json"
#define RP_SLSA_PREFIX   "https://slsa.dev/provenance/" /* of predicate types */

#define RP_STATEMENT_LIMIT (8 * 1024 * 1024) /* bytes; larger is RP_ERROR_TOO_LARGE */
#define RP_CLAIM_VALUE_MAX 512               /* bytes */

typedef enum
{
  RP_CLAIM_REPOSITORY,
  RP_CLAIM_COMMIT,
  RP_CLAIM_VERSION,
  RP_CLAIM_CREATED,
  RP_CLAIM_N_FIELDS
} RpClaimField;
const char *rp_claim_field_name (RpClaimField field);
/* FALSE if there is no such field. */
gboolean rp_claim_field_from_name (const char *name, RpClaimField *out);

/* Most trusted first. */
typedef enum
{
  RP_TRUST_CONFIG_SOURCE = 1, /* what the builder fetched by itself */
  RP_TRUST_DEPENDENCY,        /* the same, in its list of what it used */
  RP_TRUST_VCS_HINT,          /* told to the builder by its client */
  RP_TRUST_ANNOTATION,
  RP_TRUST_LABEL, /* may be inherited from a base image */
  RP_TRUST_CALLER /* told to us; nothing holds it together with the bytes */
} RpClaimTrust;

typedef struct
{
  RpClaimField field;
  RpClaimTrust trust;
  gboolean enveloped; /* came with a signature, which nobody has verified */
  char *value;
  char *source; /* `slsa-v1/configSource`, `label/org.opencontainers.image.revision` */
} RpClaim;
void rp_claim_free (gpointer claim);

/* Adds what `data` claims about `subject` to `claims` (RpClaim).  Other predicates than SLSA
 * provenance claim nothing.  RP_ERROR_INVALID says what is wrong with the document, or that it is
 * about something else than `subject`; nothing is added then. */
gboolean rp_provenance_parse_statement (const void *data, gsize size, const RpDigest *subject,
                                        GPtrArray *claims, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* The labels of an image's configuration. */
gboolean rp_provenance_parse_config (const void *data, gsize size, GPtrArray *claims,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The annotations of a manifest or index, as RpManifest has them. */
gboolean rp_provenance_parse_annotations (const char *annotations_json, GPtrArray *claims,
                                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether two values of a field mean the same: one repository by several spellings of its address, a
 * commit and its beginning (seven characters at least). Pure. */
gboolean rp_claim_agrees (RpClaimField field, const char *a, const char *b);
/* `…-dirty`: built from a work tree that differs from the commit. */
gboolean rp_claim_commit_is_dirty (const char *commit);
