#include "server/proxy.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "server/parts.h"
#include "server/proxy_priv.h"

#define FETCHES 8          /* at a time */
#define FLIGHTS_MAX 512    /* at a time, with those that wait for a thread */
#define FRESH_MAX 100000   /* tags that are remembered */
#define SILENCE_FIRST_US G_USEC_PER_SEC
#define SILENCE_DOUBLINGS 5

enum { FROM_HERE = RP_FLIGHT_FAILED + 1 };

typedef struct {
  gint64 at_us; /* monotonic */
  char *warning;
} Fresh;

static void
free_fresh (gpointer data)
{
  Fresh *fresh = data;

  g_free (fresh->warning);
  g_free (fresh);
}

static void
free_place (gpointer data)
{
  RpProxyPlace *place = data;

  rp_upstream_free (place->upstream);
  g_free (place->trouble);
  g_free (place);
}

/* ---- the table ---- */

static void fly (gpointer item);

static gboolean
add_place (RpProxy *proxy, const RpProxyRule *rule, GError **error)
{
  const RpUpstreamOptions options = { .url = rule->upstream,
                                      .credentials_file = rule->credentials_file,
                                      .ca_file = rule->ca_file,
                                      .cancelled = &proxy->cancelled };
  RpUpstream *upstream = rp_upstream_new (&options, error);
  RpProxyPlace *place;

  if (upstream == NULL)
    return FALSE;
  place = g_new0 (RpProxyPlace, 1);
  place->proxy = proxy;
  place->rule = rule;
  place->upstream = upstream;
  g_ptr_array_add (proxy->places, place);
  return TRUE;
}

RpProxy *
rp_proxy_new (RpServer *server, RpProxyRules *rules, GError **error)
{
  RpProxy *proxy = g_new0 (RpProxy, 1);
  guint count = rp_proxy_rules_count (rules);

  proxy->server = server;
  proxy->rules = rp_proxy_rules_ref (rules);
  g_mutex_init (&proxy->lock);
  proxy->places = g_ptr_array_new_with_free_func (free_place);
  proxy->flights = g_hash_table_new (g_str_hash, g_str_equal);
  proxy->fresh = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_fresh);
  proxy->fetchers = rp_workers_new ("fetcher", count > 0 ? FETCHES : 0, fly);
  for (guint i = 0; i < count; i++)
    if (!add_place (proxy, rp_proxy_rules_at (rules, i), error))
      {
        rp_proxy_free (proxy);
        return NULL;
      }
  return proxy;
}

void
rp_proxy_cancel (RpProxy *proxy)
{
  if (proxy != NULL)
    g_atomic_int_set (&proxy->cancelled, 1);
}

void
rp_proxy_stop (RpProxy *proxy)
{
  if (proxy == NULL)
    return;
  rp_proxy_cancel (proxy);
  rp_workers_stop (proxy->fetchers);
}

void
rp_proxy_free (RpProxy *proxy)
{
  if (proxy == NULL)
    return;
  rp_proxy_stop (proxy);
  rp_workers_free (proxy->fetchers);
  g_hash_table_unref (proxy->flights);
  g_hash_table_unref (proxy->fresh);
  g_ptr_array_unref (proxy->places);
  rp_proxy_rules_unref (proxy->rules);
  g_mutex_clear (&proxy->lock);
  g_free (proxy);
}

static RpProxyPlace *
find_place (const RpProxy *proxy, const char *repository)
{
  RpProxyPlace *best = NULL;

  for (guint i = 0; i < proxy->places->len; i++)
    {
      RpProxyPlace *place = g_ptr_array_index (proxy->places, i);

      if (rp_proxy_rule_fits (place->rule, repository)
          && (best == NULL
              || rp_proxy_rule_weight (place->rule) > rp_proxy_rule_weight (best->rule)))
        best = place;
    }
  return best;
}

gboolean
rp_proxy_is_proxied (const RpProxy *proxy, const char *repository)
{
  return find_place (proxy, repository) != NULL;
}

gboolean
rp_proxy_admits_push (const RpProxy *proxy, const char *repository, GError **error)
{
  const RpProxyPlace *place = find_place (proxy, repository);

  if (place == NULL || place->rule->push)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_DENIED,
               "repository %s is filled from %s and takes no pushes: push into another repository, "
               "or say `push: true` for the pattern %s in server.yaml",
               repository, place->rule->upstream, place->rule->pattern);
  return FALSE;
}

/* ---- containerd's names ---- */

static char *
name_here (const RpProxyPlace *place, const char *ns, const char *name)
{
  const char *below = rp_upstream_below (place->upstream, name);
  g_autofree char *here = NULL;

  if (below == NULL || !g_str_equal (rp_upstream_registry (place->upstream), ns))
    return NULL;
  here = g_strconcat (place->rule->strip, below, NULL);
  return rp_proxy_rule_fits (place->rule, here) ? g_steal_pointer (&here) : NULL;
}

static char **
name_param (RpRequest *request)
{
  for (guint i = 0; i < request->match.n_params; i++)
    if (strcmp (request->match.names[i], "name") == 0)
      return &request->match.values[i];
  return NULL;
}

void
rp_proxy_rename (RpRequest *request)
{
  const GPtrArray *places = request->server->proxy->places;
  const char *ns = places->len > 0 ? rp_request_query (request, "ns") : NULL;
  char **name = ns != NULL && rp_request_is_registry (request) ? name_param (request) : NULL;

  for (guint i = 0; name != NULL && i < places->len; i++)
    {
      char *here = name_here (g_ptr_array_index (places, i), ns, *name);

      if (here == NULL)
        continue;
      g_free (*name);
      *name = here;
      return;
    }
}

/* ---- on fetchers ---- */

static void
note_trouble (RpProxyPlace *place, const GError *error)
{
  guint doublings = MIN (place->troubles, SILENCE_DOUBLINGS);

  g_free (place->trouble);
  place->trouble = g_strdup (error->message);
  place->silent_until_us = rp_clock_monotonic_us () + (SILENCE_FIRST_US << doublings);
  place->troubles++;
}

/* Could upstream be asked? With the lock held. */
static void
note_result (RpFlight *flight, const RpProxyResult *result)
{
  RpProxyPlace *place = flight->place;
  RpProxy *proxy = place->proxy;
  Fresh *fresh;

  if (!result->fresh)
    return;
  g_clear_pointer (&place->trouble, g_free);
  place->troubles = 0;
  if (strchr (flight->reference, ':') != NULL)
    return;
  if (g_hash_table_size (proxy->fresh) >= FRESH_MAX)
    g_hash_table_remove_all (proxy->fresh);
  fresh = g_new0 (Fresh, 1);
  fresh->at_us = rp_clock_monotonic_us ();
  fresh->warning = g_strdup (result->warning);
  g_hash_table_replace (proxy->fresh,
                        g_strconcat (flight->repository, "\n", flight->reference, NULL), fresh);
}

static gboolean
is_trouble (const GError *error)
{
  return g_error_matches (error, RP_ERROR, RP_ERROR_UNREACHABLE)
         || g_error_matches (error, RP_ERROR, RP_ERROR_TIMEOUT)
         || g_error_matches (error, RP_ERROR, RP_ERROR_UNTRUSTED)
         || g_error_matches (error, RP_ERROR, RP_ERROR_UNAUTHORIZED)
         || g_error_matches (error, RP_ERROR, RP_ERROR_TOO_MANY);
}

static void
fly (gpointer item)
{
  RpFlight *flight = item;
  RpProxyPlace *place = flight->place;
  RpProxy *proxy = place->proxy;
  RpProxyResult result = { 0 };

  rp_proxy_fly (flight, &result);
  atomic_fetch_add (&proxy->asked, 1);
  if (result.error != NULL)
    {
      atomic_fetch_add (&proxy->failed, 1);
      rp_log_warning ("proxy", "%s %s: %s", flight->repository, flight->reference,
                      result.error->message);
    }
  g_mutex_lock (&proxy->lock);
  g_hash_table_remove (proxy->flights, flight->key);
  note_result (flight, &result);
  if (is_trouble (result.error))
    note_trouble (place, result.error);
  g_mutex_unlock (&proxy->lock);
  /* What is here is served all the same; else the error is the answer. */
  if (result.outcome == RP_FLIGHT_STALE)
    g_clear_error (&result.error);
  rp_flight_land (flight, result.outcome, result.warning, result.error);
  rp_flight_unref (flight);
}

/* ---- on event loops ---- */

static RpFlight *
begin_flight (RpRequest *request, RpProxyPlace *place, RpFlightKind kind, const char *key,
              const char *repository, const char *reference)
{
  RpFlight *flight = rp_flight_new (kind, key, repository, reference, rp_request_actor (request),
                                    place);

  if (g_hash_table_size (place->proxy->flights) < FLIGHTS_MAX
      && rp_workers_push (place->proxy->fetchers, flight))
    {
      g_hash_table_insert (place->proxy->flights, flight->key, flight);
      return rp_flight_ref (flight);
    }
  rp_flight_unref (flight);
  return NULL;
}

/* FALSE if too much is under way. */
static gboolean
detour (RpRequest *request, RpProxyPlace *place, RpFlightKind kind, const char *repository,
        const char *reference)
{
  static const char *const kinds[] = { "manifest", "blob", "size" };
  RpProxy *proxy = place->proxy;
  g_autofree char *key = g_strconcat (kinds[kind], "\n", repository, "\n", reference, NULL);
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&proxy->lock);
  RpFlight *flight = g_hash_table_lookup (proxy->flights, key);

  request->flight = flight != NULL
                        ? rp_flight_ref (flight)
                        : begin_flight (request, place, kind, key, repository, reference);
  request->detour = request->flight != NULL;
  return request->detour;
}

/* What is known of a tag, if that is not too old; with the lock held. */
static const Fresh *
find_fresh (const RpProxyPlace *place, const char *repository, const char *tag)
{
  g_autofree char *key = g_strconcat (repository, "\n", tag, NULL);
  const Fresh *fresh = g_hash_table_lookup (place->proxy->fresh, key);
  gint64 age_us = fresh != NULL ? rp_clock_monotonic_us () - fresh->at_us : 0;

  return fresh != NULL && age_us < place->rule->tags_ms * 1000 ? fresh : NULL;
}

static gboolean
is_to_be_asked (RpProxyPlace *place, const char *repository, const char *tag)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&place->proxy->lock);

  return find_fresh (place, repository, tag) == NULL
         && (place->trouble == NULL || rp_clock_monotonic_us () >= place->silent_until_us);
}

gboolean
rp_proxy_asks_first (RpRequest *request, const char *repository, const char *reference)
{
  RpProxyPlace *place = find_place (request->server->proxy, repository);

  return place != NULL && request->flight == NULL && strchr (reference, ':') == NULL
         && place->rule->tags_ms != RP_PROXY_TAGS_NEVER
         && is_to_be_asked (place, repository, reference)
         && detour (request, place, RP_FLIGHT_MANIFEST, repository, reference);
}

/* A gap upstream is one here; everything else that is wrong there is not the client's doing. */
static GError *
as_clients_see (const RpFlight *flight, const GError *error)
{
  const RpProxyPlace *place = flight->place;
  static const RpErrorCode passed[]
      = { RP_ERROR_MANIFEST_UNKNOWN, RP_ERROR_BLOB_UNKNOWN, RP_ERROR_TOO_MANY, RP_ERROR_BUSY,
          RP_ERROR_NO_SPACE,         RP_ERROR_TIMEOUT,      RP_ERROR_TAG_IMMUTABLE };
  RpErrorCode code = RP_ERROR_UNREACHABLE;

  for (gsize i = 0; i < G_N_ELEMENTS (passed); i++)
    if (g_error_matches (error, RP_ERROR, (gint) passed[i]))
      code = passed[i];
  return g_error_new (RP_ERROR, (gint) code, "%s %s is not kept here, and from %s it cannot be had: %s",
                      flight->repository, flight->reference, place->rule->upstream, error->message);
}

static void
ask_to_come_back (RpRequest *request, const RpFlight *flight)
{
  RpProxyPlace *place = flight->place;
  gint64 pause_s = rp_upstream_pause_s (place->upstream);
  g_autofree char *text = g_strdup_printf ("%" G_GINT64_FORMAT, MAX (pause_s, 1));

  rp_respond_header (request, "Retry-After", text);
}

static RpProxyWay
answer_of (RpRequest *request, GError *cause, guint64 *out_size, GError **error)
{
  RpFlight *flight = request->flight;

  if (rp_flight_flows (flight, out_size))
    {
      g_error_free (cause);
      return RP_PROXY_FLOWS;
    }
  if (flight->error == NULL)
    {
      g_propagate_error (error, cause);
      return RP_PROXY_NONE;
    }
  g_error_free (cause);
  g_propagate_error (error, as_clients_see (flight, flight->error));
  if (g_error_matches (flight->error, RP_ERROR, RP_ERROR_TOO_MANY))
    ask_to_come_back (request, flight);
  atomic_fetch_add (&request->server->proxy->served[RP_FLIGHT_FAILED], 1);
  return RP_PROXY_NONE;
}

/* Only what is missing can come; what is wrong with a name, say, is wrong upstream too. */
static gboolean
is_gap (const GError *cause)
{
  return g_error_matches (cause, RP_ERROR, RP_ERROR_MANIFEST_UNKNOWN)
         || g_error_matches (cause, RP_ERROR, RP_ERROR_BLOB_UNKNOWN)
         || g_error_matches (cause, RP_ERROR, RP_ERROR_NAME_UNKNOWN)
         || g_error_matches (cause, RP_ERROR, RP_ERROR_CORRUPT);
}

RpProxyWay
rp_proxy_missed (RpRequest *request, RpFlightKind kind, const char *repository,
                 const char *reference, GError *cause, guint64 *out_size, GError **error)
{
  RpProxyPlace *place = find_place (request->server->proxy, repository);

  if (place == NULL || !is_gap (cause))
    {
      g_propagate_error (error, cause);
      return RP_PROXY_NONE;
    }
  if (request->flight != NULL)
    return answer_of (request, cause, out_size, error);
  g_error_free (cause);
  if (detour (request, place, kind, repository, reference))
    return RP_PROXY_AWAY;
  g_set_error (error, RP_ERROR, RP_ERROR_BUSY,
               "%d questions to other registries are under way, and that is enough; ask again soon",
               FLIGHTS_MAX);
  return RP_PROXY_NONE;
}

/* Of a tag for which nobody was asked now: what is known of it. g_free(). */
static char *
warning_of_tag (RpProxyPlace *place, const char *repository, const char *tag, gboolean *out_stale)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&place->proxy->lock);
  const Fresh *fresh = find_fresh (place, repository, tag);

  *out_stale = fresh == NULL && place->trouble != NULL && place->rule->tags_ms >= 0;
  if (fresh != NULL)
    return g_strdup (fresh->warning);
  return *out_stale ? g_strdup_printf ("111 repoint \"%s\"", place->trouble) : NULL;
}

/* A header is one line, and a quoted string ends with the first quote. */
static void
warn (RpRequest *request, const char *warning)
{
  const char *open = strchr (warning, '"');
  g_autoptr (GString) line = g_string_new_len (warning, open - warning + 1);

  for (const char *p = open + 1; *p != '\0' && !(*p == '"' && p[1] == '\0'); p++)
    g_string_append_c (line, *p == '"' ? '\'' : g_ascii_isprint (*p) ? *p : ' ');
  g_string_append_c (line, '"');
  rp_respond_header (request, "Warning", line->str);
}

void
rp_proxy_served (RpRequest *request, const char *repository, const char *reference)
{
  RpProxy *proxy = request->server->proxy;
  RpProxyPlace *place = find_place (proxy, repository);
  g_autofree char *warning = NULL;
  gboolean stale = FALSE;
  guint outcome = FROM_HERE;

  if (place == NULL)
    return;
  if (request->flight != NULL)
    outcome = rp_flight_outcome (request->flight, &warning);
  else if (strchr (reference, ':') == NULL)
    warning = warning_of_tag (place, repository, reference, &stale);
  if (stale)
    outcome = RP_FLIGHT_STALE;
  atomic_fetch_add (&proxy->served[outcome], 1);
  if (warning != NULL)
    warn (request, warning);
}

void
rp_proxy_print (RpProxy *proxy, GString *out)
{
  static const char *const names[] = { "miss", "confirmed", "stale", "failed", "hit" };

  g_string_append (out, "# HELP repoint_proxy_requests_total Requests of repositories that are filled from "
                        "other registries, by what became of them.\n"
                        "# TYPE repoint_proxy_requests_total counter\n");
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_string_append_printf (out, "repoint_proxy_requests_total{result=\"%s\"} %llu\n", names[i],
                            atomic_load (&proxy->served[i]));
  g_string_append_printf (
      out,
      "# HELP repoint_proxy_asked_total Questions to other registries; who asks the same at the same time shares one.\n"
      "# TYPE repoint_proxy_asked_total counter\n"
      "repoint_proxy_asked_total %llu\n"
      "# HELP repoint_proxy_failed_total Questions that other registries did not answer, or not well.\n"
      "# TYPE repoint_proxy_failed_total counter\n"
      "repoint_proxy_failed_total %llu\n"
      "# HELP repoint_proxy_fetched_bytes_total Bytes that were fetched, verified and kept.\n"
      "# TYPE repoint_proxy_fetched_bytes_total counter\n"
      "repoint_proxy_fetched_bytes_total %llu\n",
      atomic_load (&proxy->asked), atomic_load (&proxy->failed), atomic_load (&proxy->fetched_bytes));
}
