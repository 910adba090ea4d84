#include "server/sentry.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "release/ready_record.h"
#include "server/parts.h"

#define LOOK_EVERY_US G_USEC_PER_SEC
#define REST 9 /* times as long as a look took */
#define NEWS_MAX 1000

/* How an environment stood when it was looked at last. */
typedef struct {
  char *app;
  char *environment;
  gboolean ready;
  guint revisions;
  guint unready;
  gint64 verified_us; /* of its bytes those longest ago; 0: some never were */
  guint64 pass;
} Standing;

struct RpSentry {
  RpServer *server;
  gint64 every_us;
  gint64 seq;   /* the thread's own: what was in the ledger when it looked last */
  guint64 pass; /* the thread's own */
  GThread *thread;

  GMutex lock; /* of what follows */
  GCond cond;
  gboolean stop;
  GHashTable *standings; /* `app/environment` → Standing */
  gint64 passed_at_us;   /* wall clock: when all were looked at last; 0: not yet */
};

static void
standing_free (gpointer data)
{
  Standing *standing = data;

  g_free (standing->app);
  g_free (standing->environment);
  g_free (standing);
}

RpSentry *
rp_sentry_new (RpServer *server, gint64 every_ms)
{
  RpSentry *sentry = g_new0 (RpSentry, 1);

  sentry->server = server;
  sentry->every_us = every_ms * 1000;
  g_mutex_init (&sentry->lock);
  g_cond_init (&sentry->cond);
  sentry->standings = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, standing_free);
  return sentry;
}

/* ---- one environment ---- */

/* Nothing was ever deployed there: nothing is said of it. */
static void
keep_standing (RpSentry *sentry, const RpReadiness *readiness, gboolean ready)
{
  Standing *standing = g_new0 (Standing, 1);

  *standing = (Standing){ g_strdup (readiness->app), g_strdup (readiness->environment), ready,
                          readiness->revisions->len, 0, G_MAXINT64, sentry->pass };
  for (guint i = 0; i < readiness->revisions->len; i++)
    {
      const RpReadyRevision *revision = readiness->revisions->pdata[i];
      standing->unready += !revision->ready;
      standing->verified_us = MIN (standing->verified_us, revision->bytes.verified_at_us);
    }
  g_mutex_lock (&sentry->lock);
  g_hash_table_replace (sentry->standings,
                        g_strconcat (readiness->app, "/", readiness->environment, NULL), standing);
  g_mutex_unlock (&sentry->lock);
}

static void
tell_change (const RpReadiness *readiness, gboolean ready)
{
  if (ready)
    rp_log_info ("ready", "%s/%s is ready to go back", readiness->app, readiness->environment);
  else
    rp_log_warning ("ready", "%s/%s is NOT READY to go back any more: %s; `repoint ready %s/%s` tells all",
                    readiness->app, readiness->environment,
                    readiness->reasons->len > 0 ? (const char *) readiness->reasons->pdata[0]
                                                : "its hosts were refused",
                    readiness->app, readiness->environment);
}

/* What cannot be looked at now keeps the standing that it had. */
static void
look_at (RpSentry *sentry, const char *app, const char *environment)
{
  RpEngine *engine = sentry->server->services.engine;
  g_autoptr (GError) error = NULL;
  g_autoptr (RpReadiness) readiness
      = rp_readiness_compute (engine, app, environment, RP_VERIFY_PRESENT, &error);
  gboolean ready = FALSE, changed = FALSE;

  if (readiness == NULL || !rp_ready_record_note (engine, readiness, &ready, &changed, &error))
    {
      rp_log_error ("ready", "%s/%s could not be looked at: %s", app, environment, error->message);
      return;
    }
  if (changed)
    tell_change (readiness, ready);
  if (readiness->revisions->len > 0)
    keep_standing (sentry, readiness, ready);
}

/* ---- which ones ---- */

typedef struct {
  gint64 after, seq;
  gboolean all;
  gboolean broken; /* a revision could not run again: what is pushed may heal it */
  GHashTable *apps; /* names: something was deployed there */
  RpRows *environments;
} News;

/* What names no app concerns all of them: damage, what somebody may. */
static void
read_one (News *news, const char *text)
{
  g_autoptr (json_t) body = NULL;
  const char *app;

  body = rp_json_parse (text, strlen (text), "event", NULL);
  app = rp_json_str (body, "app");
  if (app != NULL)
    g_hash_table_add (news->apps, g_strdup (app));
  else
    news->all = TRUE;
}

static gboolean
read_news (RpTxn *txn, gpointer user_data, GError **error)
{
  static const char events[]
      = "SELECT body FROM event WHERE seq > $1 AND seq <= $2 AND (kind IN"
        " ('app.applied', 'revision.created', 'revision.finished', 'revision.stopped', 'manifest.deleted',"
        "  'blob.damaged', 'blob.healed', 'blob.rescued', 'blob.unlinked', 'token.revoked', 'account.changed',"
        "  'account.removed') OR ($4 = 1 AND kind IN ('blob.added', 'manifest.added'))) ORDER BY seq LIMIT $3";
  static const char environments[]
      = "SELECT app, name FROM environment WHERE present = 1 ORDER BY app, ordinal";
  News *news = user_data;

  if (!news->all)
    {
      g_autoptr (RpRows) rows
          = rp_txn_query (txn, error, events, "iiii", news->after, news->seq, (gint64) NEWS_MAX,
                          (gint64) news->broken);
      if (rows == NULL)
        return FALSE;
      news->all = rp_rows_count (rows) == NEWS_MAX;
      for (gsize i = 0; i < rp_rows_count (rows) && !news->all; i++)
        read_one (news, rp_rows_text (rows, i, 0));
    }
  if (!news->all && g_hash_table_size (news->apps) == 0)
    return TRUE;
  news->environments = rp_txn_query (txn, error, environments, "");
  return news->environments != NULL;
}

static gboolean
is_stopped (RpSentry *sentry)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&sentry->lock);

  return sentry->stop;
}

static gboolean
is_broken (RpSentry *sentry)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&sentry->lock);
  GHashTableIter iterator;
  gpointer value;

  g_hash_table_iter_init (&iterator, sentry->standings);
  while (g_hash_table_iter_next (&iterator, NULL, &value))
    if (((const Standing *) value)->unready > 0)
      return TRUE;
  return FALSE;
}

static gboolean
is_of_an_earlier_pass (gpointer key, gpointer value, gpointer user_data)
{
  return ((const Standing *) value)->pass < *(const guint64 *) user_data;
}

/* Those that are no longer declared have no standing any more. */
static void
end_pass (RpSentry *sentry)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&sentry->lock);

  g_hash_table_foreach_remove (sentry->standings, is_of_an_earlier_pass, &sentry->pass);
  sentry->passed_at_us = rp_clock_now_us ();
}

/* *all: whether all are to be looked at; and whether they were. FALSE: not now, try again. */
static gboolean
look (RpSentry *sentry, gboolean *all)
{
  g_autoptr (GHashTable) apps = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  News news = { sentry->seq, rp_server_ledger_seq (sentry->server), *all, is_broken (sentry), apps,
                NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (RpRows) rows = NULL;
  gboolean looked = (!news.all && news.seq == news.after)
                    || rp_db_read (sentry->server->db, read_news, &news, &error);

  rows = news.environments;
  if (!looked)
    {
      rp_log_error ("ready", "environments could not be looked at: %s", error->message);
      return FALSE;
    }
  *all = news.all;
  sentry->pass += news.all;
  for (gsize i = 0; rows != NULL && i < rp_rows_count (rows); i++)
    if (is_stopped (sentry))
      return FALSE;
    else if (news.all || g_hash_table_contains (apps, rp_rows_text (rows, i, 0)))
      look_at (sentry, rp_rows_text (rows, i, 0), rp_rows_text (rows, i, 1));
  sentry->seq = news.seq;
  if (news.all)
    end_pass (sentry);
  return TRUE;
}

/* ---- the thread ---- */

static gboolean
rest_until (RpSentry *sentry, gint64 until_us)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&sentry->lock);

  while (!sentry->stop && g_cond_wait_until (&sentry->cond, &sentry->lock, until_us))
    ;
  return !sentry->stop;
}

static gpointer
sentry_thread (gpointer data)
{
  RpSentry *sentry = data;
  gint64 start_us = rp_clock_monotonic_us (), all_due_us = start_us, end_us;

  do
    {
      gboolean all;

      start_us = rp_clock_monotonic_us ();
      all = start_us >= all_due_us;
      if (look (sentry, &all) && all)
        all_due_us = start_us + sentry->every_us;
      end_us = rp_clock_monotonic_us ();
    }
  while (rest_until (sentry, end_us + MAX (LOOK_EVERY_US, REST * (end_us - start_us))));
  return NULL;
}

void
rp_sentry_start (RpSentry *sentry)
{
  sentry->thread = g_thread_new ("sentry", sentry_thread, sentry);
}

void
rp_sentry_stop (RpSentry *sentry)
{
  if (sentry == NULL)
    return;
  g_mutex_lock (&sentry->lock);
  sentry->stop = TRUE;
  g_cond_signal (&sentry->cond);
  g_mutex_unlock (&sentry->lock);
  if (sentry->thread != NULL)
    g_thread_join (g_steal_pointer (&sentry->thread));
}

void
rp_sentry_free (RpSentry *sentry)
{
  if (sentry == NULL)
    return;
  rp_sentry_stop (sentry);
  g_hash_table_unref (sentry->standings);
  g_mutex_clear (&sentry->lock);
  g_cond_clear (&sentry->cond);
  g_free (sentry);
}

/* ---- metrics ---- */

static gint
by_name (gconstpointer a, gconstpointer b)
{
  const Standing *left = *(Standing *const *) a, *right = *(Standing *const *) b;
  gint order = strcmp (left->app, right->app);

  return order != 0 ? order : strcmp (left->environment, right->environment);
}

typedef enum { READY, WHOLE, BROKEN, VERIFIED } Column;

static gint64
value_of (const Standing *standing, Column column)
{
  switch (column)
    {
    case READY:
      return standing->ready;
    case WHOLE:
      return standing->revisions - standing->unready;
    case BROKEN:
      return standing->unready;
    case VERIFIED:
      break;
    }
  return standing->verified_us / G_USEC_PER_SEC;
}

static void
print_column (GString *out, const GPtrArray *standings, Column column, const char *name,
              const char *more)
{
  for (guint i = 0; i < standings->len; i++)
    {
      const Standing *standing = standings->pdata[i];
      g_string_append_printf (out, "%s{app=\"%s\",environment=\"%s\"%s} %" G_GINT64_FORMAT "\n", name,
                              standing->app, standing->environment, more, value_of (standing, column));
    }
}

static void
print_all (GString *out, const GPtrArray *standings)
{
  g_string_append (out, "# HELP repoint_ready Could the environment go back now, to each release of its window?\n"
                        "# TYPE repoint_ready gauge\n");
  print_column (out, standings, READY, "repoint_ready", "");
  g_string_append (out, "# HELP repoint_ready_revisions Revisions of the window by whether they could run again.\n"
                        "# TYPE repoint_ready_revisions gauge\n");
  print_column (out, standings, WHOLE, "repoint_ready_revisions", ",ready=\"yes\"");
  print_column (out, standings, BROKEN, "repoint_ready_revisions", ",ready=\"no\"");
  g_string_append (out, "# HELP repoint_ready_verified_timestamp_seconds When that byte of the window was last read and hashed for "
                        "which it is longest ago; 0: one never was.\n"
                        "# TYPE repoint_ready_verified_timestamp_seconds gauge\n");
  print_column (out, standings, VERIFIED, "repoint_ready_verified_timestamp_seconds", "");
}

void
rp_sentry_print (RpSentry *sentry, const RpRequest *request, GString *out)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&sentry->lock);
  g_autoptr (GPtrArray) visible = g_ptr_array_new ();
  GHashTableIter iterator;
  gpointer value;

  g_hash_table_iter_init (&iterator, sentry->standings);
  while (g_hash_table_iter_next (&iterator, NULL, &value))
    if (rp_request_may (request, RP_ACTION_READ, ((const Standing *) value)->app))
      g_ptr_array_add (visible, value);
  g_ptr_array_sort (visible, by_name);
  print_all (out, visible);
  g_string_append_printf (out,
                          "# HELP repoint_ready_checked_timestamp_seconds When all environments were looked at last; 0: not yet.\n"
                          "# TYPE repoint_ready_checked_timestamp_seconds gauge\n"
                          "repoint_ready_checked_timestamp_seconds %" G_GINT64_FORMAT "\n",
                          sentry->passed_at_us / G_USEC_PER_SEC);
}
