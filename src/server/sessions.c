#include "server/sessions.h"

#include "base/clock.h"

#define SESSIONS_MAX 256
#define IDLE_US (60 * G_USEC_PER_SEC)

typedef struct {
  RpUpload *upload;
  gint64 idle_since_us;
} Session;

struct RpSessions {
  RpStore *store;
  GMutex lock;
  GHashTable *idle; /* under lock: "repository\nid" → Session */
};

static void
free_session (gpointer data)
{
  Session *session = data;

  rp_upload_close (session->upload);
  g_free (session);
}

RpSessions *
rp_sessions_new (RpStore *store)
{
  RpSessions *sessions = g_new0 (RpSessions, 1);

  sessions->store = store;
  g_mutex_init (&sessions->lock);
  sessions->idle = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_session);
  return sessions;
}

void
rp_sessions_free (RpSessions *sessions)
{
  if (sessions == NULL)
    return;
  g_hash_table_unref (sessions->idle);
  g_mutex_clear (&sessions->lock);
  g_free (sessions);
}

RpUpload *
rp_sessions_take (RpSessions *sessions, const char *repository, const char *id, GError **error)
{
  g_autofree char *key = g_strconcat (repository, "\n", id, NULL);
  g_autofree char *stored_key = NULL;
  g_autofree Session *session = NULL;
  gboolean found;

  g_mutex_lock (&sessions->lock);
  found = g_hash_table_steal_extended (sessions->idle, key, (gpointer *) &stored_key,
                                       (gpointer *) &session);
  g_mutex_unlock (&sessions->lock);
  if (found)
    return session->upload;
  return rp_upload_open (sessions->store, repository, id, error);
}

static void
drop_oldest (GHashTable *idle)
{
  GHashTableIter iter;
  gpointer key, value, oldest = NULL;
  gint64 since_us = G_MAXINT64;

  g_hash_table_iter_init (&iter, idle);
  while (g_hash_table_iter_next (&iter, &key, &value))
    if (((Session *) value)->idle_since_us < since_us)
      {
        since_us = ((Session *) value)->idle_since_us;
        oldest = key;
      }
  if (oldest != NULL)
    g_hash_table_remove (idle, oldest);
}

void
rp_sessions_put (RpSessions *sessions, const char *repository, RpUpload *upload)
{
  Session *session = g_new0 (Session, 1);
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&sessions->lock);

  session->upload = upload;
  session->idle_since_us = rp_clock_monotonic_us ();
  if (g_hash_table_size (sessions->idle) >= SESSIONS_MAX)
    drop_oldest (sessions->idle);
  g_hash_table_insert (sessions->idle, g_strconcat (repository, "\n", rp_upload_id (upload), NULL),
                       session);
}

static gboolean
is_stale (gpointer key, gpointer value, gpointer user_data)
{
  return ((Session *) value)->idle_since_us < *(gint64 *) user_data;
}

void
rp_sessions_expire (RpSessions *sessions)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&sessions->lock);
  gint64 before_us = rp_clock_monotonic_us () - IDLE_US;

  g_hash_table_foreach_remove (sessions->idle, is_stale, &before_us);
}

guint
rp_sessions_count (RpSessions *sessions)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&sessions->lock);
  return g_hash_table_size (sessions->idle);
}
