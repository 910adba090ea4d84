#include "access/issuer.h"

#include <string.h>

#include "base/error.h"
#include "base/http.h"

#define URL_MAX 1024               /* bytes */
#define ANSWER_MAX (256 * 1024)    /* bytes */
#define ANSWER_MS 5000             /* for each of two questions */
#define RETRY_US (200 * 1000)      /* after a connection that was refused or broke; once */
#define FRESH_US (3600 * (gint64) G_USEC_PER_SEC)
#define USABLE_US (24 * FRESH_US)
#define UNKNOWN_US (30 * (gint64) G_USEC_PER_SEC)   /* between two questions because of an unknown key */
#define AGAIN_US (5 * (gint64) G_USEC_PER_SEC)      /* after one that came to nothing, with no keys; */
#define REFRESH_AGAIN_US (30 * (gint64) G_USEC_PER_SEC) /* with some that still do */
#define WAITING_MAX 6 /* requests that wait for an answer; others must find a worker */

typedef struct {
  char *issuer;
  char *jwks_url; /* or NULL: by discovery */
  RpJwks *keys;   /* or NULL: none yet */
  gint64 keys_us; /* when they were had */
  gboolean asking;
  char *failure; /* what the last question came to, or NULL: keys */
  gint64 failure_us;
  gboolean unknown_asked;
  gint64 unknown_us; /* if so: when it was last asked because of an unknown key */
} Source;

struct RpIssuers {
  RpHttpClient *http;
  GMutex lock; /* of all below */
  GCond answered;
  guint waiting;
  GHashTable *sources; /* issuer, a line feed and jwks_url → Source; as many as were ever declared */
};

static void
free_source (gpointer data)
{
  Source *source = data;

  g_free (source->issuer);
  g_free (source->jwks_url);
  rp_jwks_unref (source->keys);
  g_free (source->failure);
  g_free (source);
}

RpIssuers *
rp_issuers_new (const char *ca_file)
{
  RpHttpOptions options = { .ca_file = ca_file };
  RpIssuers *issuers = g_new0 (RpIssuers, 1);

  issuers->http = rp_http_client_new (&options);
  g_mutex_init (&issuers->lock);
  g_cond_init (&issuers->answered);
  issuers->sources = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_source);
  return issuers;
}

void
rp_issuers_free (RpIssuers *issuers)
{
  if (issuers == NULL)
    return;
  rp_http_client_free (issuers->http);
  g_hash_table_unref (issuers->sources);
  g_mutex_clear (&issuers->lock);
  g_cond_clear (&issuers->answered);
  g_free (issuers);
}

gboolean
rp_issuers_check_url (const char *what, const char *url, GError **error)
{
  g_autoptr (GUri) uri = strlen (url) <= URL_MAX ? g_uri_parse (url, G_URI_FLAGS_NONE, NULL) : NULL;

  if (uri != NULL && g_uri_get_userinfo (uri) == NULL && g_uri_get_fragment (uri) == NULL
      && g_uri_get_host (uri) != NULL && *g_uri_get_host (uri) != '\0'
      && (strcmp (g_uri_get_scheme (uri), "https") == 0
          || (strcmp (g_uri_get_scheme (uri), "http") == 0 && rp_http_is_loopback (url))))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               "%s: expected https://HOST[:PORT][/PATH] (http on loopback only), since whoever can change its answers can "
               "sign tokens",
               what);
  return FALSE;
}

/* ---- asking ---- */

/* Asked again if the first connection came to nothing: a pipeline should not fail because an issuer's front was
   restarted at this moment, and after a failure nobody asks for AGAIN_US. */
static RpHttpResponse *
send_patiently (RpIssuers *issuers, const RpHttpRequest *request, GError **error)
{
  g_autoptr (GError) failure = NULL;
  RpHttpResponse *response = rp_http_send (issuers->http, request, &failure);

  if (response != NULL)
    return response;
  if (!g_error_matches (failure, RP_ERROR, RP_ERROR_UNREACHABLE))
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return NULL;
    }
  g_usleep (RETRY_US);
  return rp_http_send (issuers->http, request, error);
}

static RpHttpResponse *
ask (RpIssuers *issuers, const char *url, GError **error)
{
  static const char *const headers[] = { "Accept: application/json", NULL };
  RpHttpRequest request = { .method = "GET", .url = url, .headers = headers, .limit_bytes = ANSWER_MAX,
                            .timeout_ms = ANSWER_MS, .stay = TRUE };
  g_autoptr (RpHttpResponse) response = send_patiently (issuers, &request, error);

  if (response == NULL || response->status == 200)
    return g_steal_pointer (&response);
  g_set_error (error, RP_ERROR, RP_ERROR_UNREACHABLE, "%s answers with status %d", url, response->status);
  return NULL;
}

/* Where the keys are, as the issuer says. g_free(). */
static char *
discover (RpIssuers *issuers, const char *issuer, GError **error)
{
  gsize length = strlen (issuer);
  g_autofree char *base = g_strndup (issuer, length > 0 && issuer[length - 1] == '/' ? length - 1 : length);
  g_autofree char *url = g_strconcat (base, "/.well-known/openid-configuration", NULL);
  g_autoptr (RpHttpResponse) response = ask (issuers, url, error);
  g_autoptr (json_t) document = NULL;
  const char *named, *jwks_url;

  if (response == NULL)
    return NULL;
  document = rp_json_parse (response->body->data, response->body->len, url, error);
  if (document == NULL || !rp_json_need_string (document, "issuer", url, &named, error)
      || !rp_json_need_string (document, "jwks_uri", url, &jwks_url, error)
      || !rp_issuers_check_url ("jwks_uri", jwks_url, error))
    return NULL;
  if (strcmp (named, issuer) == 0 && (!rp_http_is_loopback (jwks_url) || rp_http_is_loopback (issuer)))
    return g_strdup (jwks_url);
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               "%s is of another issuer, or sends to this host for its keys", url);
  return NULL;
}

static RpJwks *
fetch (RpIssuers *issuers, const char *issuer, const char *jwks_url, GError **error)
{
  g_autofree char *found = jwks_url == NULL ? discover (issuers, issuer, error) : g_strdup (jwks_url);
  g_autoptr (RpHttpResponse) response = found != NULL ? ask (issuers, found, error) : NULL;

  return response != NULL ? rp_jwks_parse (response->body->data, response->body->len, error) : NULL;
}

/* Under the lock, which is not held while the issuer thinks. */
static void
refresh (RpIssuers *issuers, Source *source, gint64 mono_us)
{
  g_autoptr (GError) failure = NULL;
  RpJwks *keys;

  source->asking = TRUE;
  g_mutex_unlock (&issuers->lock);
  keys = fetch (issuers, source->issuer, source->jwks_url, &failure);
  g_mutex_lock (&issuers->lock);
  source->asking = FALSE;
  g_free (source->failure);
  source->failure = failure != NULL ? g_strdup (failure->message) : NULL;
  if (keys != NULL)
    {
      rp_jwks_unref (source->keys);
      source->keys = keys;
      source->keys_us = mono_us;
    }
  else
    source->failure_us = mono_us;
  g_cond_broadcast (&issuers->answered);
}

/* ---- keeping ---- */

static Source *
find_source (RpIssuers *issuers, const char *issuer, const char *jwks_url)
{
  g_autofree char *key = g_strconcat (issuer, "\n", jwks_url, NULL);
  Source *source = g_hash_table_lookup (issuers->sources, key);

  if (source != NULL)
    return source;
  source = g_new0 (Source, 1);
  source->issuer = g_strdup (issuer);
  source->jwks_url = g_strdup (jwks_url);
  g_hash_table_insert (issuers->sources, g_steal_pointer (&key), source);
  return source;
}

/* Under the lock. FALSE, at once, if too many wait already. */
static gboolean
wait_for_answer (RpIssuers *issuers, const Source *source, GError **error)
{
  if (issuers->waiting >= WAITING_MAX)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_BUSY,
                   "many wait for %s, which has not yet answered with its keys; try again in a few seconds",
                   source->issuer);
      return FALSE;
    }
  issuers->waiting++;
  while (source->asking)
    g_cond_wait (&issuers->answered, &issuers->lock);
  issuers->waiting--;
  return TRUE;
}

static gboolean
is_younger (const Source *source, gint64 limit_us, gint64 mono_us)
{
  return source->keys != NULL && mono_us - source->keys_us < limit_us;
}

static gboolean
may_refresh (const Source *source, gint64 mono_us)
{
  gint64 pause_us = is_younger (source, USABLE_US, mono_us) ? REFRESH_AGAIN_US : AGAIN_US;

  return !source->asking && (source->failure == NULL || mono_us - source->failure_us >= pause_us);
}

/* Under the lock. The keys that count now, the caller's reference. */
static RpJwks *
known_keys (RpIssuers *issuers, Source *source, gint64 mono_us, GError **error)
{
  if (!is_younger (source, FRESH_US, mono_us) && may_refresh (source, mono_us))
    refresh (issuers, source, mono_us);
  else if (!is_younger (source, USABLE_US, mono_us) && source->asking
           && !wait_for_answer (issuers, source, error))
    return NULL;
  if (is_younger (source, USABLE_US, mono_us))
    return rp_jwks_ref (source->keys);
  g_set_error (error, RP_ERROR, RP_ERROR_UNREACHABLE,
               "the keys of %s, which prove who comes, cannot be had: %s; it is asked again in a few seconds",
               source->issuer, source->failure != NULL ? source->failure : "it did not answer");
  return NULL;
}

/* Under the lock. Keys other than `seen`, in which one was missing; or NULL. */
static RpJwks *
newer_keys (RpIssuers *issuers, Source *source, const RpJwks *seen, gint64 mono_us)
{
  if (source->keys == seen && source->asking && !wait_for_answer (issuers, source, NULL))
    return NULL;
  if (source->keys == seen && !source->asking
      && (!source->unknown_asked || mono_us - source->unknown_us >= UNKNOWN_US))
    {
      source->unknown_asked = TRUE;
      source->unknown_us = mono_us;
      refresh (issuers, source, mono_us);
    }
  return source->keys != seen ? rp_jwks_ref (source->keys) : NULL;
}

static gboolean
refuse (RpJwkVerdict verdict, const RpJwt *jwt, GError **error)
{
  if (!rp_jwk_algorithm_ok (jwt->algorithm))
    g_set_error_literal (error, RP_ERROR, RP_ERROR_UNAUTHORIZED,
                         "the identity token is refused: its algorithm is not taken here (RS, PS and ES with 256, 384 or "
                         "512, and EdDSA are)");
  else if (verdict == RP_JWK_NO_KEY)
    g_set_error_literal (error, RP_ERROR, RP_ERROR_UNAUTHORIZED,
                         "the identity token is refused: no key of its issuer is the one that it names; if the keys were "
                         "changed just now, try again in half a minute");
  else
    g_set_error_literal (error, RP_ERROR, RP_ERROR_UNAUTHORIZED,
                         "the identity token is refused: its signature is not its issuer's");
  return FALSE;
}

gboolean
rp_issuers_verify (RpIssuers *issuers, const char *issuer, const char *jwks_url, const RpJwt *jwt,
                   gint64 mono_us, GError **error)
{
  g_autoptr (RpJwks) keys = NULL, newer = NULL;
  Source *source;
  RpJwkVerdict verdict;

  if (!rp_jwk_algorithm_ok (jwt->algorithm))
    return refuse (RP_JWK_BAD, jwt, error);
  g_mutex_lock (&issuers->lock);
  source = find_source (issuers, issuer, jwks_url);
  keys = known_keys (issuers, source, mono_us, error);
  g_mutex_unlock (&issuers->lock);
  if (keys == NULL)
    return FALSE;
  verdict = rp_jwks_verify (keys, jwt);
  if (verdict == RP_JWK_NO_KEY)
    {
      g_mutex_lock (&issuers->lock);
      newer = newer_keys (issuers, source, keys, mono_us);
      g_mutex_unlock (&issuers->lock);
      if (newer != NULL)
        verdict = rp_jwks_verify (newer, jwt);
    }
  return verdict == RP_JWK_GOOD || refuse (verdict, jwt, error);
}
