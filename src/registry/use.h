/* How many bytes a repository has, and quotas on that.  Each digest that a repository has, as a blob or as a
 * manifest, counts once; in another repository it counts again.  A policy (policy.h) with a quota limits what the
 * repositories that match its pattern have together. Where several patterns match, each of their quotas holds: a
 * more particular policy is no way around one.
 */
#pragma once

#include "registry/registry.h"

/* For the projection: the quota of the pattern is `limit_bytes` from now on, or (NULL) there is none. */
gboolean rp_use_limit (RpTxn *txn, const char *pattern, const gint64 *limit_bytes, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* In the transaction that is about to give the repository `digest`, of `size_bytes`: RP_ERROR_QUOTA if it would have
 * more than a quota allows. What it has already is never refused. */
gboolean rp_use_check (RpTxn *txn, const char *repository, const RpDigest *digest,
                       guint64 size_bytes, GError **error) G_GNUC_WARN_UNUSED_RESULT;
