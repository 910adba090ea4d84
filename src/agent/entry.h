/* A revision as the host knows it: what to run, and what it is called.  Immutable and reference
 * counted (thread-safe), so that states are copied cheaply and hold what they speak of.
 */
#pragma once

#include <jansson.h>

#include "base/digest.h"

typedef struct {
  gint64 revision; /* per environment, from 1 */
  gint64 release_number;
  char *version;    /* for people; "" if unknown */
  char *repository; /* `shop/web` */
  RpDigest digest;
  gboolean good;     /* the server says: may be an undo target */
  gboolean rollback; /* this revision itself is a rollback, by hand or by itself */
} RpEntry;

RpEntry *rp_entry_new (gint64 revision, gint64 release_number, const char *version,
                       const char *repository, const RpDigest *digest, gboolean good,
                       gboolean rollback);
RpEntry *rp_entry_ref (const RpEntry *entry); /* NULL gives NULL */
void rp_entry_unref (RpEntry *entry);         /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpEntry, rp_entry_unref)

/* Same digest; FALSE if either is NULL. */
gboolean rp_entry_same (const RpEntry *a, const RpEntry *b);

/* `1.2.0 (revision 5, sha256:9f2c41d0a7b3)`: for messages and log lines. g_free(). */
char *rp_entry_describe (const RpEntry *entry);
/* `sha256:9f2c41d0a7b3`. g_free(). */
char *rp_digest_brief (const RpDigest *digest);

json_t *rp_entry_to_json (const RpEntry *entry); /* NULL gives JSON null */
/* *out is NULL for JSON null. RP_ERROR_INVALID. */
gboolean rp_entry_from_json (const json_t *value, const char *where, RpEntry **out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* What the server answers for a pointer (GET …/pointer). */
typedef struct {
  gint64 seq;
  gint64 trial_ms;
  RpEntry *current;  /* NULL: the environment was never pointed anywhere */
  GPtrArray *window; /* RpEntry, newest first: all that must stay on this host */
  GArray *wanted;    /* RpDigest: blobs that are damaged at the server, which asks for them */
} RpPointer;

#define RP_WINDOW_LIMIT 1000 /* entries; more is RP_ERROR_TOO_LARGE */

RpPointer *rp_pointer_from_json (const json_t *document, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_pointer_free (RpPointer *pointer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpPointer, rp_pointer_free)
