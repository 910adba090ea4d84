/* Health, metrics and a front page for whoever comes by with a browser. */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "server/parts.h"
#include "server/release_info.h"
#include "server/request.h"
#include "server/signal_info.h"
#include "server/tlog_files.h"

#define BLOB_COUNT_AGE_US (60 * G_USEC_PER_SEC)

static void
respond_text (RpRequest *request, const char *content_type, char *text)
{
  g_autoptr (GBytes) bytes = g_bytes_new_take (text, strlen (text));

  rp_respond_bytes (request, 200, content_type, bytes);
}

/* The process answers. */
static gboolean
handle_health (RpRequest *request, GError **error)
{
  respond_text (request, "text/plain; charset=utf-8", g_strdup ("ok\n"));
  return TRUE;
}

/* It could also do its work: the database answers and it is not about to go. */
static gboolean
handle_ready (RpRequest *request, GError **error)
{
  g_autoptr (json_t) list = NULL;
  json_t *json;

  if (g_atomic_int_get (&rp_request_server (request)->stopping))
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_BUSY, "the server is stopping");
      return FALSE;
    }
  list = rp_ledger_list (rp_request_services (request)->ledger, 0, 1, NULL, error);
  if (list == NULL)
    return FALSE;
  json = json_pack ("{s:b}", "ready", 1);
  /* Still ready: what is there is served, and pointers move. Taking it out would cost that too. */
  if (g_atomic_int_get (&rp_request_server (request)->spare.low))
    json_object_set_new (json, "pushes_refused", json_string ("the disk is nearly full"));
  rp_respond_json (request, 200, json);
  return TRUE;
}

typedef struct {
  guint64 blobs;
  guint64 size_bytes;
} BlobCount;

static gboolean
count_blob (const RpDigest *digest, const RpBlobInfo *info, gpointer user_data, GError **error)
{
  BlobCount *count = user_data;

  count->blobs++;
  count->size_bytes += info->size_bytes;
  return TRUE;
}

/* Walks the store, which takes a while where there is much in it, so not at every scrape. */
static gboolean
count_blobs (RpStore *store, BlobCount *out, GError **error)
{
  static GMutex lock;
  static gint64 counted_at_us;
  static RpStore *counted_store;
  static BlobCount known;
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&lock);
  gint64 now_us = rp_clock_monotonic_us ();

  if (counted_store != store || now_us - counted_at_us > BLOB_COUNT_AGE_US)
    {
      BlobCount count = { 0 };
      if (!rp_store_each (store, count_blob, &count, error))
        return FALSE;
      known = count;
      counted_store = store;
      counted_at_us = now_us;
    }
  *out = known;
  return TRUE;
}

static void
print_gauge (GString *out, const char *name, const char *help, guint64 value)
{
  g_string_append_printf (out, "# HELP %s %s\n# TYPE %s gauge\n%s %" G_GUINT64_FORMAT "\n", name,
                          help, name, name, value);
}

static gboolean
print_disk (RpServer *server, GString *out, GError **error)
{
  guint64 available, total;
  gint64 reserve;

  g_mutex_lock (&server->tick_lock);
  reserve = server->reserve;
  g_mutex_unlock (&server->tick_lock);
  if (!rp_store_space (server->services.store, &available, &total, error))
    return FALSE;
  print_gauge (out, "repoint_disk_free_bytes", "What is free where the blobs lie.", available);
  print_gauge (out, "repoint_disk_floor_bytes", "Below that much pushes are refused.",
               rp_floor_of (reserve, total));
  print_gauge (out, "repoint_pushes_refused", "1 while the disk is too full for pushes.",
               (guint64) g_atomic_int_get (&server->spare.low));
  return TRUE;
}

static gboolean
handle_metrics (RpRequest *request, GError **error)
{
  RpServer *server = rp_request_server (request);
  g_autoptr (GString) out = g_string_new (NULL);
  BlobCount count;

  if (!count_blobs (server->services.store, &count, error))
    return FALSE;
  rp_metrics_print (server->metrics, out);
  rp_limits_print (server->limits, out);
  rp_crowd_print (server->crowd, out);
  rp_read_check_print (server->read_check, out);
  rp_seclusion_print (&server->seclusion, out);
  rp_proxy_print (server->proxy, out);
  rp_sentry_print (server->sentry, request, out);
  print_gauge (out, "repoint_http_in_flight", "Requests being answered.",
               rp_http_in_flight (server->http));
  print_gauge (out, "repoint_http_waiting", "Long polls that wait for news.",
               rp_waiters_count (server->waiters));
  print_gauge (out, "repoint_uploads_receiving", "Uploads whose bytes are coming in.",
               rp_http_receiving (server->http));
  print_gauge (out, "repoint_blobs", "Blobs in the store, counted once a minute.", count.blobs);
  print_gauge (out, "repoint_blob_bytes", "Bytes of blobs in the store, counted once a minute.",
               count.size_bytes);
  print_gauge (out, "repoint_ledger_seq", "Sequence number of the last ledger event.",
               (guint64) rp_server_ledger_seq (server));
  if (server->services.tlog != NULL)
    print_gauge (out, "repoint_ledger_published", "Events in the last checkpoint that was signed.",
                 (guint64) rp_tlog_size (server->services.tlog));
  if (!rp_release_info_print (request, out, error) || !rp_signal_info_print (request, out, error)
      || !print_disk (server, out, error))
    return FALSE;
  g_string_append_printf (out,
                          "# HELP repoint_log_dropped_total Lines of logs that could not be written.\n"
                          "# TYPE repoint_log_dropped_total counter\n"
                          "repoint_log_dropped_total{log=\"access\"} %" G_GUINT64_FORMAT "\n"
                          "repoint_log_dropped_total{log=\"server\"} %" G_GUINT64_FORMAT "\n",
                          rp_access_log_dropped (server->access_log), rp_log_dropped ());
  if (!rp_collector_print (server->services.collector, out, error)
      || !rp_scrubber_print (server->services.scrubber, out, error))
    return FALSE;
  respond_text (request, "text/plain; version=0.0.4; charset=utf-8",
                g_string_free (g_steal_pointer (&out), FALSE));
  return TRUE;
}

static gboolean
handle_front (RpRequest *request, GError **error)
{
  respond_text (request, "text/plain; charset=utf-8",
                g_strdup ("repoint " RP_VERSION "\n"
                          "\n"
                          "An OCI registry, a release ledger and the engine that points "
                          "environments at releases.\n"
                          "\n"
                          "  /v2/          the registry (OCI distribution-spec 1.1)\n"
                          "  /api/v1/apps  apps, releases, environments, revisions (JSON)\n"
                          "  /tlog/        the ledger, published (C2SP tlog-tiles)\n"
                          "  /metrics      counters for Prometheus\n"
                          "  /healthz      the process answers\n"
                          "  /readyz       it can do its work\n"));
  return TRUE;
}

const RpRoute rp_system_routes[] = {
  { "GET", "/", RP_ROUTE_READ, RP_NEED_ACCOUNT, handle_front, "What this is" },
  { "GET", "/healthz", RP_ROUTE_READ, RP_NEED_NOTHING, handle_health, "The process answers" },
  { "GET", "/readyz", RP_ROUTE_READ, RP_NEED_NOTHING, handle_ready, "The server can do its work" },
  { "GET", "/tlog/checkpoint", RP_ROUTE_SLOW, RP_NEED_ACCOUNT, rp_tlog_handle_checkpoint,
    "The signed head of the ledger" },
  { "GET", "/tlog/cosigned", RP_ROUTE_SLOW, RP_NEED_ACCOUNT, rp_tlog_handle_cosigned,
    "The last head that witnesses signed too" },
  { "GET", "/tlog/key", RP_ROUTE_SLOW, RP_NEED_ACCOUNT, rp_tlog_handle_key,
    "The public key of the ledger" },
  { "GET", "/tlog/tile/{path}", RP_ROUTE_SLOW, RP_NEED_ACCOUNT, rp_tlog_handle_tile,
    "A tile of the ledger's tree, or a bundle of its entries" },
  { "GET", "/metrics", RP_ROUTE_SLOW, RP_NEED_ACCOUNT, handle_metrics, "Counters for Prometheus" },
  { NULL },
};
