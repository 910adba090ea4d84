/* Uploads that are open between two requests of a client.  The store can take up an upload by its
 * name alone but must then hash what is there again; keeping the handle for a while spares that.
 * Thread-safe.
 */
#pragma once

#include "store/store.h"

typedef struct RpSessions RpSessions;

RpSessions *rp_sessions_new (RpStore *store); /* borrowed */
void rp_sessions_free (RpSessions *sessions);

/* The upload is the caller's until it is put back, committed, cancelled or closed. Errors as
 * rp_upload_open(). */
RpUpload *rp_sessions_take (RpSessions *sessions, const char *repository, const char *id,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Takes it over. */
void rp_sessions_put (RpSessions *sessions, const char *repository, RpUpload *upload);
/* Lets go of what nobody has asked for in a while. */
void rp_sessions_expire (RpSessions *sessions);
guint rp_sessions_count (RpSessions *sessions);
