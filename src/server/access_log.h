/* One line a request.  Event loops only queue what to write; a thread of its own renders and writes it, so that a
 * slow or full disk costs lines, which are counted, and never a request.  Never a secret: neither queries nor
 * headers other than X-Request-Id get here.  Thread-safe.
 */
#pragma once

#include "base/log_line.h"

typedef struct RpAccessLog RpAccessLog;

/* What is known of a request that is over; copied. */
typedef struct {
  const char *method;
  const char *path; /* as it came, without the query */
  const char *client;
  const char *account; /* "" where there is none */
  const char *request_id;
  const char *agent; /* what the client calls itself, or "" */
  int status;        /* 0: the client left before the answer */
  gboolean cut;      /* ... or in the middle of it */
  guint64 received_bytes, sent_bytes;
  gint64 at_us;       /* when it ended */
  gint64 duration_us;
} RpAccessEntry;

/* Off until rp_access_log_open(). */
RpAccessLog *rp_access_log_new (void);
void rp_access_log_free (RpAccessLog *log); /* writes what is queued first */

/* `place`: a file, which is appended to and made with mode 0640, `-` for standard output, `off`. Opens it anew if
 * it is the same: after a rotation. If it cannot be opened, all stays as it was. */
gboolean rp_access_log_open (RpAccessLog *log, const char *place, RpLogFormat format, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

gboolean rp_access_log_is_on (const RpAccessLog *log);
/* Does not block on the file. */
void rp_access_log_add (RpAccessLog *log, const RpAccessEntry *entry);
/* Lines that were lost: to a full queue, or to a file that could not be written to. */
guint64 rp_access_log_dropped (const RpAccessLog *log);
