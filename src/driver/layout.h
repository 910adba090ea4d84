/* Places below the root of a `dir` target; nobody else knows them.
 *
 *   ROOT/current                          link → releases/sha256-<hex>
 *   ROOT/releases/sha256-<hex>/           one unpacked artifact, read-only
 *   ROOT/releases/sha256-<hex>.tree       its record (tree.h); there before the directory is
 *   ROOT/releases/sha256-<hex>.link[.N]   a spare: a link ready to become `current`
 *   ROOT/releases/.tmp-*                  being made or being removed
 *
 * A full disk may refuse even a new name, so switching makes none: `current` and a spare change places
 * (RENAME_EXCHANGE).  What a spare is good for is what it points to, not its name, for after a switch the spare's
 * name holds the link that was current.  Every prepared release has a link: a spare or `current`.
 */
#pragma once

#include "base/digest.h"

#define RP_LAYOUT_TMP ".tmp-"

char *rp_layout_releases (const char *root);                          /* g_free() each */
char *rp_layout_release (const char *root, const RpDigest *digest);
char *rp_layout_record (const char *root, const RpDigest *digest);
char *rp_layout_current (const char *root);

/* The digest in `sha256-<hex>`, the last part of a release's path. */
gboolean rp_layout_parse_name (const char *name, RpDigest *out);

typedef enum {
  RP_CURRENT_NONE,
  RP_CURRENT_RELEASE, /* a link of ours */
  RP_CURRENT_FOREIGN  /* a link to somewhere else, or no link */
} RpCurrent;
/* *out is set for RP_CURRENT_RELEASE, whether the release is there or not. `out_text` (may be NULL) says
 * what a foreign one is. */
gboolean rp_layout_read_current (const char *root, RpCurrent *out_kind, RpDigest *out,
                                 char **out_text, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* TRUE if `current`, whatever kind of link it is, leads to the release. */
gboolean rp_layout_is_current (const char *root, const RpDigest *digest);

/* Makes sure there is a spare for the release. Durable. */
gboolean rp_layout_make_spare (const char *root, const RpDigest *digest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Points `current` to the release, atomically and durably; allocates nothing if there is a spare.
 * RP_ERROR_CONFLICT if `current` is there and no link. */
gboolean rp_layout_switch (const char *root, const RpDigest *digest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Puts the finished directory `made` in the place of the release. Durable. What was there is
 * removed. */
gboolean rp_layout_put_release (const char *root, const RpDigest *digest, const char *made,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Removes the release, its record and its spares; after a crash half-way the release is not there. */
gboolean rp_layout_remove_release (const char *root, const RpDigest *digest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Removes what a crash left: half-made and half-removed directories, and spares and records of what is
 * not there. */
gboolean rp_layout_tidy (const char *root, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The releases there are: RpDigest. */
GArray *rp_layout_list (const char *root, GError **error) G_GNUC_WARN_UNUSED_RESULT;
