#include "server/server.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/notify.h"
#include "server/entrance.h"
#include "server/parts.h"
#include "server/settings.h"

#define WRITERS_DEFAULT 32 /* they mostly wait for the disk, and together they share a sync */
#define SLOW_DEFAULT 4
#define STOP_GRACE_US (10 * G_USEC_PER_SEC) /* for uploads that are coming in */

static const RpProjector *const projectors[]
    = { &rp_registry_projector, &rp_access_projector, &rp_release_projector,
        &rp_retention_projector, NULL };
static const RpRoute *const tables[]
    = { rp_system_routes, rp_registry_routes, rp_api_routes, NULL };

static void
on_commit (gint64 seq, gpointer user_data)
{
  RpServer *server = user_data;
  gint64 known = __atomic_load_n (&server->ledger_seq, __ATOMIC_RELAXED);

  while (known < seq
         && !__atomic_compare_exchange_n (&server->ledger_seq, &known, seq, FALSE,
                                          __ATOMIC_RELEASE, __ATOMIC_RELAXED))
    ;
  rp_waiters_notify (server->waiters);
  rp_publisher_notify (server->publisher);
}

/* ---- the once-a-second thread ---- */

static void
tick (RpServer *server, gint64 upload_expiry_ms, gint64 reserve)
{
  g_autoptr (GError) error = NULL;

  rp_spare_tick (&server->spare, server->services.store, server->data_dir, reserve);
  if (!rp_engine_tick (server->services.engine, rp_clock_now_us (), &error))
    rp_log_error ("server", "time could not be kept: %s", error->message);
  rp_http_sweep (server->http);
  if (server->tls != NULL)
    rp_tls_tick (server->tls);
  rp_janitor_tick (&server->janitor, server->services.store, upload_expiry_ms);
}

static gpointer
ticker_thread (gpointer data)
{
  RpServer *server = data;
  gint64 watchdog_us = rp_notify_watchdog_us ();
  gint64 pause_us = watchdog_us > 0 ? MIN (watchdog_us, G_USEC_PER_SEC) : G_USEC_PER_SEC;

  g_mutex_lock (&server->tick_lock);
  while (!server->tick_stop)
    {
      gint64 next_us = rp_clock_monotonic_us () + pause_us;
      gint64 upload_expiry_ms = server->upload_expiry_ms, reserve = server->reserve;
      g_mutex_unlock (&server->tick_lock);
      tick (server, upload_expiry_ms, reserve);
      if (watchdog_us > 0)
        rp_notify ("WATCHDOG=1");
      g_mutex_lock (&server->tick_lock);
      while (!server->tick_stop
             && g_cond_wait_until (&server->tick_cond, &server->tick_lock, next_us))
        ;
    }
  g_mutex_unlock (&server->tick_lock);
  return NULL;
}

static void
stop_ticker (RpServer *server)
{
  if (server->ticker == NULL)
    return;
  g_mutex_lock (&server->tick_lock);
  server->tick_stop = TRUE;
  g_cond_signal (&server->tick_cond);
  g_mutex_unlock (&server->tick_lock);
  g_thread_join (g_steal_pointer (&server->ticker));
}

/* ---- opening ---- */

static gboolean
lock_data (RpServer *server, const char *data_dir, GError **error)
{
  g_autofree char *path = g_build_filename (data_dir, "lock", NULL);

  server->lock = rp_lock_take (path, error);
  if (server->lock == NULL)
    g_prefix_error (error, "%s is in use by another server: ", data_dir);
  return server->lock != NULL;
}

static gboolean
read_head (RpServer *server, GError **error)
{
  g_autoptr (json_t) list = rp_ledger_list (server->services.ledger, 0, 1, NULL, error);

  if (list == NULL)
    return FALSE;
  server->ledger_seq = rp_json_int (json_object_get (list, "head"), "seq");
  return TRUE;
}

/* Without it the ledger is there as ever, and not published: a lost key must stand in no rollback's way. */
static void
open_log (RpServer *server, const char *data_dir)
{
  g_autoptr (GError) error = NULL;

  server->services.tlog = rp_tlog_open (server->services.ledger, data_dir, &error);
  if (server->services.tlog == NULL)
    rp_log_error ("ledger", "it is not published: %s", error->message);
  else
    server->publisher = rp_publisher_start (server->services.tlog);
}

/* The registry knows nothing of releases and holds; what they need it must not delete all the same. */
static void
guard_releases (const RpServices *services)
{
  const RpRegistryGuard guard = rp_retention_guard (services->retention);

  rp_registry_set_guard (services->registry, &guard);
}

static gboolean
open_domain (RpServer *server, const RpServerOptions *options, GError **error)
{
  RpServices *services = &server->services;
  g_autofree char *db_path = g_build_filename (options->data_dir, "repoint.db", NULL);

  services->store = rp_store_open (options->data_dir, error);
  if (services->store == NULL)
    return FALSE;
  server->db = rp_db_open (db_path, error);
  if (server->db == NULL)
    return FALSE;
  services->ledger = rp_ledger_open (server->db, projectors, error);
  if (services->ledger == NULL || !read_head (server, error))
    return FALSE;
  services->registry = rp_registry_new (services->store, services->ledger);
  services->engine = rp_engine_new (services->registry, services->ledger);
  services->retention = rp_retention_new (services->engine, services->registry);
  guard_releases (services);
  server->read_check = rp_read_check_new (services->registry);
  rp_read_check_set (server->read_check, options->verify_reads);
  services->collector = rp_collector_new (services->registry, &options->collect);
  services->scrubber = rp_scrubber_new (services->registry, services->engine, &options->scrub);
  services->access = rp_access_open (services->ledger, options->anonymous_pull, error);
  if (services->access == NULL)
    return FALSE;
  rp_access_trust (services->access, options->ca_file);
  rp_engine_trust (services->engine, options->ca_file);
  rp_engine_set_access (services->engine, services->access);
  return TRUE;
}

/* Each connection is a descriptor, and so is each blob that is being sent. */
static void
raise_descriptor_limit (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max)
    {
      limit.rlim_cur = limit.rlim_max;
      if (setrlimit (RLIMIT_NOFILE, &limit) != 0)
        rp_log_debug ("server", "descriptor limit: %s", strerror (errno));
    }
}

static gboolean
open_tls (RpServer *server, const RpServerOptions *options, GError **error)
{
  if (options->tls_cert == NULL && options->tls_key == NULL)
    return TRUE;
  if (options->tls_cert == NULL || options->tls_key == NULL)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE,
                           "TLS needs the certificate and its key: give both --tls-cert and --tls-key");
      return FALSE;
    }
  server->tls = rp_tls_open (options->tls_cert, options->tls_key, error);
  return server->tls != NULL;
}

/* Polls look again whether there is something to ask their agents for. */
static void
wake_polls (gpointer data)
{
  const RpServer *server = data;

  rp_waiters_notify (server->waiters);
}

/* Upstream is asked first: it answers at once. */
static void
add_healers (RpServer *server)
{
  RpServices *services = &server->services;
  RpHealer healer = rp_proxy_healer (server->proxy);

  rp_registry_add_healer (services->registry, &healer);
  services->wishes = rp_wishes_new (services->registry, wake_polls, server);
  healer = rp_wishes_healer (services->wishes);
  rp_registry_add_healer (services->registry, &healer);
}

static gboolean
start_serving (RpServer *server, const RpServerOptions *options, GArray *listeners, GError **error)
{
  guint threads = options->threads > 0 ? options->threads : g_get_num_processors ();
  gboolean allowed = options->allow_anonymous || !rp_access_is_open (server->services.access);

  if (!open_tls (server, options, error) || !rp_entrance_open (listeners, allowed, error))
    return FALSE;
  raise_descriptor_limit ();
  server->port = rp_entrance_port (listeners);
  server->url = rp_entrance_url (listeners, server->tls != NULL);
  server->router = rp_router_new (tables);
  server->metrics = rp_metrics_new (server->router);
  server->manifests = rp_manifest_cache_new ();
  server->writers = rp_workers_new (
      "writer", options->workers > 0 ? options->workers : WRITERS_DEFAULT, rp_http_work);
  server->slow = rp_workers_new ("slow", SLOW_DEFAULT, rp_http_work);
  server->waiters = rp_waiters_new (rp_http_wake);
  server->sentry = rp_sentry_new (server, options->ready_every_ms);
  server->proxy = rp_proxy_new (server, options->proxy, error);
  if (server->proxy == NULL)
    return FALSE;
  add_healers (server);
  open_log (server, options->data_dir);
  rp_ledger_set_listener (server->services.ledger, on_commit, server);
  if (!rp_http_start (server, listeners, threads, error))
    return FALSE;
  /* Before the first push. */
  rp_spare_tick (&server->spare, server->services.store, options->data_dir, options->reserve);
  server->ticker = g_thread_new ("ticker", ticker_thread, server);
  rp_collector_start (server->services.collector);
  rp_scrubber_start (server->services.scrubber);
  server->sweeper = rp_sweeper_start (server->services.retention, options->retention_every_ms);
  rp_sentry_start (server->sentry);
  server->watcher = rp_watcher_start (server->services.engine, options->ca_file);
  return TRUE;
}

static gboolean
write_port_file (const RpServer *server, const char *path, GError **error)
{
  g_autofree char *text = NULL;

  if (path == NULL)
    return TRUE;
  text = g_strdup_printf ("%u\n", server->port);
  return rp_file_replace (path, text, strlen (text), 0644, error);
}

static RpLogFormat
log_format (const RpServerOptions *options)
{
  RpLogFormat format = RP_LOG_TEXT;

  while (strcmp (rp_log_formats[format], options->log_format) != 0)
    format++;
  return format;
}

static gboolean
open_logs (RpServer *server, const RpServerOptions *options, GError **error)
{
  rp_log_set_format (log_format (options));
  return rp_access_log_open (server->access_log, options->access_log, log_format (options), error);
}

/* What rp_settings says reloads. */
static void
apply_reloadable (RpServer *server, const RpServerOptions *options)
{
  g_mutex_lock (&server->tick_lock);
  server->upload_expiry_ms = options->upload_expiry_ms;
  server->reserve = options->reserve;
  g_mutex_unlock (&server->tick_lock);
  if (server->read_check != NULL)
    rp_read_check_set (server->read_check, options->verify_reads);
  rp_limits_set (server->limits, options->rates);
  rp_crowd_set (server->crowd, options->connections, options->connections_address);
  if (server->services.scrubber != NULL)
    rp_scrubber_set_pace (server->services.scrubber, &options->scrub);
  rp_log_set_level (options->verbose ? RP_LOG_DEBUG : RP_LOG_INFO);
}

RpServer *
rp_server_open (const RpServerOptions *options, GError **error)
{
  g_autoptr (RpServer) server = g_new0 (RpServer, 1);
  g_autoptr (GArray) listeners = NULL;

  g_mutex_init (&server->tick_lock);
  g_cond_init (&server->tick_cond);
  server->data_dir = g_strdup (options->data_dir);
  server->access_log = rp_access_log_new ();
  server->limits = rp_limits_new ();
  server->crowd = rp_crowd_new ();
  apply_reloadable (server, options);
  rp_log_set_format (log_format (options));
  listeners = rp_entrance_bind (options->listen, error);
  if (listeners == NULL || !rp_seclude (options, &server->seclusion, error) || !open_logs (server, options, error)
      || !lock_data (server, options->data_dir, error) || !open_domain (server, options, error)
      || !start_serving (server, options, listeners, error)
      || !write_port_file (server, options->port_file, error))
    return NULL;
  return g_steal_pointer (&server);
}

guint16
rp_server_port (const RpServer *server)
{
  return server->port;
}

const char *
rp_server_url (const RpServer *server)
{
  return server->url;
}

/* ---- closing ---- */

/* Long polls are answered at once, what runs may finish, and an upload that takes too long is cut
 * off: it can be gone on with after the restart. */
static void
stop_serving (RpServer *server)
{
  gint64 give_up_us = rp_clock_monotonic_us () + STOP_GRACE_US;

  g_atomic_int_set (&server->stopping, 1);
  rp_http_quiesce (server->http);
  rp_waiters_expire_all (server->waiters);
  while (rp_http_in_flight (server->http) > 0 && rp_clock_monotonic_us () < give_up_us)
    {
      rp_http_sweep (server->http);
      g_usleep (5000);
    }
  rp_proxy_stop (server->proxy);
  rp_workers_stop (server->writers);
  rp_workers_stop (server->slow);
  while (rp_waiters_count (server->waiters) > 0)
    g_usleep (1000);
  rp_http_stop (server->http); /* its last requests still ask the server for it */
  server->http = NULL;
}

void
rp_server_close (RpServer *server)
{
  if (server == NULL)
    return;
  rp_proxy_cancel (server->proxy);
  rp_watcher_stop (g_steal_pointer (&server->watcher));
  rp_sentry_stop (server->sentry);
  rp_sweeper_stop (server->sweeper);
  rp_collector_stop (server->services.collector);
  rp_scrubber_stop (server->services.scrubber);
  stop_ticker (server);
  if (server->http != NULL)
    stop_serving (server);
  rp_tls_close (server->tls);
  if (server->services.ledger != NULL)
    rp_ledger_set_listener (server->services.ledger, NULL, NULL);
  rp_publisher_stop (server->publisher);
  rp_proxy_free (server->proxy);
  rp_wishes_free (server->services.wishes);
  rp_waiters_free (server->waiters);
  rp_workers_free (server->slow);
  rp_workers_free (server->writers);
  rp_manifest_cache_free (server->manifests);
  rp_read_check_free (server->read_check);
  rp_metrics_free (server->metrics);
  rp_sentry_free (server->sentry);
  rp_router_free (server->router);
  rp_scrubber_free (server->services.scrubber);
  rp_collector_free (server->services.collector);
  rp_access_close (server->services.access);
  rp_retention_free (server->services.retention);
  rp_engine_free (server->services.engine);
  rp_registry_free (server->services.registry);
  rp_tlog_close (server->services.tlog);
  rp_ledger_close (server->services.ledger);
  rp_db_close (server->db);
  rp_store_close (server->services.store);
  rp_access_log_free (server->access_log);
  rp_limits_free (server->limits);
  rp_crowd_free (server->crowd);
  rp_lock_release (server->lock);
  g_mutex_clear (&server->tick_lock);
  g_cond_clear (&server->tick_cond);
  rp_seclusion_clear (&server->seclusion);
  g_free (server->url);
  g_free (server->data_dir);
  g_free (server);
}

/* ---- running ---- */

/* Blocked before any thread is started, so that all threads have them blocked and only sigwait()
 * sees them. */
static void
block_signals (sigset_t *out)
{
  sigemptyset (out);
  sigaddset (out, SIGTERM);
  sigaddset (out, SIGINT);
  sigaddset (out, SIGHUP);
  sigaddset (out, SIGUSR1);
  pthread_sigmask (SIG_BLOCK, out, NULL);
  signal (SIGPIPE, SIG_IGN);
}

static void
read_again (RpServer *server)
{
  g_autoptr (GError) error = NULL;

  if (server->tls != NULL && !rp_tls_reload (server->tls, &error))
    rp_log_error ("tls", "the new pair is refused, the one before goes on: %s", error->message);
}

static char *
join_keys (GPtrArray *keys)
{
  g_ptr_array_add (keys, NULL);
  return g_strjoinv (", ", (char **) keys->pdata);
}

static void
reopen_logs (RpServer *server, const RpServerOptions *options)
{
  g_autoptr (GError) error = NULL;

  if (!open_logs (server, options, &error))
    rp_log_error ("server", "the access log stays where it was: %s%s", error->message,
                  server->seclusion.landlock_abi > 0 ? "; a confined server gets to a new place by a restart" : "");
}

static void
reload (RpServer *server, RpServerOptions *options, RpServerReread reread)
{
  g_autoptr (GPtrArray) changed = g_ptr_array_new ();
  g_autoptr (GPtrArray) fixed = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  g_auto (RpServerOptions) next = { 0 };
  g_autofree char *names = NULL, *late = NULL;

  if (!reread (&next, &error))
    {
      g_auto (GStrv) lines = g_strsplit (error->message, "\n", -1);
      for (char **line = lines; *line != NULL; line++)
        rp_log_error ("server", "SIGHUP: nothing is changed: %s", *line);
      reopen_logs (server, options);
      return;
    }
  rp_settings_reload (options, &next, changed, fixed);
  apply_reloadable (server, options);
  reopen_logs (server, options);
  names = join_keys (changed);
  late = join_keys (fixed);
  rp_log_info ("server", "SIGHUP: reloaded; changed: %s", *names != '\0' ? names : "nothing");
  if (*late != '\0')
    rp_log_warning ("server", "SIGHUP: other than when the server was started, and takes a restart: %s",
                    late);
}

static int
wait_for_end (RpServer *server, const sigset_t *signals, RpServerOptions *options,
              RpServerReread reread)
{
  int number = 0;

  while (TRUE)
    {
      if (sigwait (signals, &number) != 0)
        continue;
      if (number == SIGHUP)
        {
          rp_notify_reloading ();
          reload (server, options, reread);
          read_again (server);
          rp_notify ("READY=1\nSTATUS=answers on %s", server->url);
        }
      else if (number == SIGUSR1)
        reopen_logs (server, options);
      else
        return number;
    }
}

gboolean
rp_server_run (RpServerOptions *options, RpServerReread reread, GError **error)
{
  g_autoptr (RpServer) server = NULL;
  sigset_t signals;
  int number;

  block_signals (&signals);
  server = rp_server_open (options, error);
  if (server == NULL)
    return FALSE;
  rp_log_info ("server", "repoint " RP_VERSION " answers on %s, data in %s", server->url,
               options->data_dir);
  rp_notify ("READY=1\nSTATUS=answers on %s", server->url);
  number = wait_for_end (server, &signals, options, reread);
  rp_notify ("STOPPING=1\nSTATUS=finishing what runs");
  rp_log_info ("server", "%s: finishing what runs, then stopping", strsignal (number));
  g_clear_pointer (&server, rp_server_close);
  rp_log_info ("server", "stopped");
  return TRUE;
}
