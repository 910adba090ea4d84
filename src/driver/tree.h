/* What a release directory holds, name by name, written down when it is made and compared ever after.
 *
 * A record is a text file (docs/format-tree.md):
 *
 *   repoint-tree 1 sha256:<of all bytes after this line>
 *   digest sha256:<the artifact>
 *   d <mode> <path>
 *   f <mode> <size> <mtime ns> <sha256 hex> <path>
 *   l <target> <path>
 *
 * Fields are divided by tabs; in paths and targets everything but printable ASCII, and `\` and `"`, is escaped as in
 * C.  Entries are in the order of the walk: a directory, then its entries in byte order.
 */
#pragma once

#include "base/digest.h"

#define RP_TREE_RECORD_LIMIT (512 * 1024 * 1024) /* bytes */

/* Takes all write bits, and from files the set-id bits; RP_ERROR_INVALID if there is anything but files,
 * directories and symbolic links. */
gboolean rp_tree_seal (const char *root, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Hashes every file below `root` and writes the record of it, durably. */
gboolean rp_tree_record (const char *root, const RpDigest *artifact, const char *record_path,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef enum {
  RP_TREE_LOOK, /* names, kinds, modes, sizes, times, link targets */
  RP_TREE_HASH  /* names, kinds, modes, sizes, link targets and every byte */
} RpTreeDepth;

/* RP_ERROR_CORRUPT names what is missing, extra or changed (the first ten, and how many there are), or says that the record
 * itself is missing, damaged or about another artifact. */
gboolean rp_tree_check (const char *root, const RpDigest *artifact, const char *record_path,
                        RpTreeDepth depth, GError **error) G_GNUC_WARN_UNUSED_RESULT;
