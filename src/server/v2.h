/* The handlers of /v2/ and what they share. */
#pragma once

#include "server/request.h"

/* The repository of the path, checked. */
const char *rp_v2_repository (const RpRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same, if it may be pushed into: those that are filled from another registry mostly may not. */
const char *rp_v2_pushed_repository (const RpRequest *request, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_v2_digest_param (const RpRequest *request, RpDigest *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Sets a header whose value is a digest. */
void rp_v2_digest_header (RpRequest *request, const char *name, const RpDigest *digest);
/* `Location: /v2/REPOSITORY/KIND/REFERENCE`. */
void rp_v2_location (RpRequest *request, const char *repository, const char *kind,
                     const char *reference);
/* The ETag of content named by `digest`; TRUE if the client has just that (answer 304 then). */
gboolean rp_v2_not_modified (RpRequest *request, const RpDigest *digest, gboolean immutable);
/* `Link: <PATH?n=…&last=…>; rel="next"` for lists. */
void rp_v2_next_link (RpRequest *request, gint64 limit, const char *last);
/* The `n` argument; -1 if there is none. */
gboolean rp_v2_limit (const RpRequest *request, gint64 *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Answers with the error and more about it as its `detail`, which is taken over. */
void rp_v2_fail (RpRequest *request, const GError *error, json_t *detail);
/* The same where there is a detail; else hands `cause` on as the handler's error. Both are taken
 * over. What the handler returns. */
gboolean rp_v2_refused (RpRequest *request, GError *cause, json_t *detail, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* v2_blobs.c */
gboolean rp_v2_blob_get (RpRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_v2_blob_delete (RpRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* v2_uploads.c */
gboolean rp_v2_upload_post_begin (RpRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_v2_upload_post (RpRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_v2_upload_begin (RpRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_v2_upload_patch (RpRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_v2_upload_put (RpRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_v2_upload_get (RpRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_v2_upload_delete (RpRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* v2_token.c: the registry's token flow */
gboolean rp_v2_token_get (RpRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_v2_token_post (RpRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* v2_manifests.c */
gboolean rp_v2_manifest_get (RpRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_v2_manifest_put (RpRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_v2_manifest_delete (RpRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* v2_lists.c */
gboolean rp_v2_tags (RpRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_v2_catalog (RpRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_v2_referrers (RpRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
