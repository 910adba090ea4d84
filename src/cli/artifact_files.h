/* Artifacts on this machine: made of files, laid out as an OCI image layout, unpacked again. */
#pragma once

#include "oci/closure.h"
#include "store/store.h"

#define RP_ARTIFACT_TYPE "application/vnd.repoint.files.v1"

/* Makes an artifact of `paths` in `store`: a file becomes a layer as it is, a directory a layer that is
 * a tar of what is in it, without times and owners, so that the same files have the same
 * digest everywhere.  The title of a layer is the last part of its path; two of one name are
 * RP_ERROR_INVALID. */
gboolean rp_artifact_pack (RpStore *store, char **paths, const char *artifact_type,
                           RpDigest *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The closure of `root` as an OCI image layout in `directory`, which must exist and may hold nothing of
 * one; `name` (a tag) or NULL. */
gboolean rp_artifact_lay_out (RpStore *store, const RpDigest *root, const char *name,
                              const char *directory, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The layers of the manifest by their titles: files as they are, tars as directories. Nothing that
 * is there is overwritten, no title leads out of `directory`. */
gboolean rp_artifact_unpack (RpStore *store, const RpDigest *manifest, const char *directory,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
