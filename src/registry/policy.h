/* What a repository allows: which tags may move, whether something may be missing, whether things
 * may be deleted.  A policy is set for a pattern of names and recorded as an event:
 *   repository.configured {pattern, tag_mutability, exclusions, sparse, deletion, burnt_tags,
 *                         quota_bytes}
 *   repository.unconfigured {pattern}
 * In patterns `*` stands for any run of characters, slashes too, and nothing else is special.  Of
 * the patterns that match a repository the one with the most other characters counts, and among
 * equals the first in ASCII order; where none matches, the default does: write-once tags, nothing
 * missing, deletion allowed, no burnt names.  Quotas alone are cumulative (use.h).
 */
#pragma once

#include <jansson.h>

#include "registry/registry.h"

#define RP_POLICY_EXCLUSIONS_MAX 5
#define RP_POLICY_PATTERN_MAX    255 /* bytes */
#define RP_POLICY_FILTER_MAX     128 /* bytes */

typedef enum {
  RP_TAGS_IMMUTABLE,
  RP_TAGS_MUTABLE,
  RP_TAGS_IMMUTABLE_WITH_EXCLUSION, /* what the exclusions match may move */
  RP_TAGS_MUTABLE_WITH_EXCLUSION    /* what the exclusions match may not */
} RpTagMutability;

typedef struct {
  char *pattern; /* NULL: the default */
  RpTagMutability mutability;
  GStrv exclusions; /* of the _WITH_EXCLUSION modes, else NULL */
  gboolean allow_sparse;
  gboolean allow_deletion;
  gboolean burnt_tags; /* a deleted tag can never name other bytes */
  gint64 quota_bytes;  /* -1: none */
} RpPolicy;

void rp_policy_clear (RpPolicy *policy);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpPolicy, rp_policy_clear)

/* Does all of `text` match? Linear in the product of the lengths at worst. */
gboolean rp_pattern_match (const char *pattern, const char *text);

/* Is it a tag that signers move whatever the policy says: sha256-<64 hex>, also with .sig, .att or
 * .sbom (and sha512-…)? */
gboolean rp_tag_is_signature (const char *tag);
/* The digest that such a tag is about (g_free()), else NULL; also where the tag has not all of the digest. */
char *rp_signature_subject (const char *tag);
/* The condition in SQL that all of them fulfil that have a subject. */
#define RP_SIGNATURE_TAGS_SQL(name) name " >= 'sha256-' AND " name " < 'sha256.'"

gboolean rp_policy_tag_may_move (const RpPolicy *policy, const char *tag);

/* `fields` changes `policy`, member by member; what it does not name stays as it is.
 * RP_ERROR_INVALID names the member that is wrong. */
gboolean rp_policy_update (RpPolicy *policy, const json_t *fields, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* {"pattern":… or null, "tag_mutability", "exclusions", "sparse", "deletion", "burnt_tags",
 * "quota_bytes": … or null}. */
json_t *rp_policy_to_json (const RpPolicy *policy);

/* What counts for `repository`, in a transaction of the caller. */
gboolean rp_policy_find (RpTxn *txn, const char *repository, RpPolicy *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
