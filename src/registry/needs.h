/* The part of the registry's projection that tells what nothing needs.  Private to this room.
 *
 *   edge       manifest → what it names, for each manifest that is in any repository or that one of
 *              those names
 *   opaque     manifests whose edges are not known yet (recorded before events said them): as long
 *              as there is one, nothing is loose for certain
 *   loose      what no manifest names and no repository has as a manifest, since when
 *   condemned  what was loose for long: its bytes are, or will be, out of sight
 *
 * Each event touches only what it names, so the cost follows what changes and not what there is.
 */
#pragma once

#include "ledger/ledger.h"

#define RP_NEEDS_SCHEMA \
  "CREATE TABLE IF NOT EXISTS edge (" \
  "  manifest TEXT NOT NULL," \
  "  digest TEXT NOT NULL," \
  "  PRIMARY KEY (manifest, digest)) WITHOUT ROWID;" \
  "CREATE INDEX IF NOT EXISTS edge_digest ON edge (digest);" \
  "CREATE TABLE IF NOT EXISTS opaque (" \
  "  manifest TEXT PRIMARY KEY) WITHOUT ROWID;" \
  "CREATE TABLE IF NOT EXISTS loose (" \
  "  digest TEXT PRIMARY KEY," \
  "  since_us INTEGER NOT NULL) WITHOUT ROWID;" \
  "CREATE INDEX IF NOT EXISTS loose_since ON loose (since_us, digest);" \
  "CREATE TABLE IF NOT EXISTS condemned (" \
  "  digest TEXT PRIMARY KEY," \
  "  size INTEGER NOT NULL," \
  "  rule TEXT NOT NULL," \
  "  seq INTEGER NOT NULL," \
  "  at_us INTEGER NOT NULL) WITHOUT ROWID;" \
  "CREATE INDEX IF NOT EXISTS condemned_at ON condemned (at_us, digest);"

/* From the apply functions of the events of that name, after the membership has changed. */
gboolean rp_needs_blob_added (RpTxn *txn, const RpEvent *event, const char *digest, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_needs_manifest_added (RpTxn *txn, const RpEvent *event, const char *digest,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_needs_manifest_deleted (RpTxn *txn, const RpEvent *event, const char *digest,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* manifest.read, blob.found, blob.condemned, blob.rescued, blob.unlinked. */
gboolean rp_needs_manifest_read (RpTxn *txn, const RpEvent *event, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_needs_blob_found (RpTxn *txn, const RpEvent *event, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_needs_blob_condemned (RpTxn *txn, const RpEvent *event, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_needs_blob_rescued (RpTxn *txn, const RpEvent *event, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_needs_blob_unlinked (RpTxn *txn, const RpEvent *event, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
