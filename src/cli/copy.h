/* Copying artifacts between registries: byte for byte, what the other side has not fetched again, everything verified
 * before it is sent on. */
#pragma once

#include "cli/remote.h"

typedef struct {
  RpRemote from; /* opened and resolved */
  RpScratch scratch;
} RpCopy;
void rp_copy_clear (RpCopy *copy);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpCopy, rp_copy_clear)

/* `from` in a scratch of its own, resolved. */
gboolean rp_copy_open (RpCli *cli, const char *from, RpCopy *out,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The closure of `digest` of copy->from to the registry and repository of `to`, under `tag` or, with NULL, by digest
 * only. */
gboolean rp_copy_run (RpCopy *copy, const RpRemote *to, const RpDigest *digest, const char *tag,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What rp_copy_with_referrers() did. */
typedef struct {
  guint referrers;     /* signatures, SBOMs and the like that came with it */
  GPtrArray *warnings; /* char *: a line each */
} RpCopyReport;
void rp_copy_report_clear (RpCopyReport *report);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpCopyReport, rp_copy_report_clear)

/* As rp_copy_run(), and whatever refers to it or to a manifest below it, and to that in turn: by the referrers API, by
 * its fallback tag, and by cosign's tags (`sha256-….sig`), which stay tags. Where `to` has no referrers API, its fallback tags
 * are brought up to date. */
gboolean rp_copy_with_referrers (RpCopy *copy, const RpRemote *to, const char *tag,
                                 RpCopyReport *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
