#include "oci/auth.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "oci/challenge.h"
#include "oci/credential.h"

#define TIMEOUT_MS 30000
#define TICKET_LIFE_DEFAULT_S 60 /* token.md, "expires_in" */
#define TICKET_MARGIN_S 5        /* is no longer used this long before its end */

typedef struct {
  char *header;
  gint64 until_us; /* monotonic */
} Ticket;

struct RpAuth {
  RpHttpClient *http;
  char *token_header; /* or NULL */
  RpBearer *bearer;   /* or NULL */
  char *registry;     /* whose credentials may be looked for, or NULL */
  gboolean one_file;  /* ... in `file` and nowhere else */
  char *file;         /* or NULL */
  GMutex lock;        /* over what follows; held while logging in, so that threads do it once */
  GHashTable *tickets; /* scope → Ticket */
};

static void
ticket_free (gpointer data)
{
  Ticket *ticket = data;
  g_free (ticket->header);
  g_free (ticket);
}

RpAuth *
rp_auth_new (RpHttpClient *http)
{
  RpAuth *auth = g_new0 (RpAuth, 1);
  auth->http = http;
  auth->tickets = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, ticket_free);
  g_mutex_init (&auth->lock);
  return auth;
}

void
rp_auth_free (RpAuth *auth)
{
  if (auth == NULL)
    return;
  g_hash_table_unref (auth->tickets);
  g_mutex_clear (&auth->lock);
  g_free (auth->token_header);
  g_free (auth->registry);
  g_free (auth->file);
  g_free (auth);
}

void
rp_auth_set_token (RpAuth *auth, const char *token)
{
  g_free (auth->token_header);
  auth->token_header
      = token != NULL ? g_strconcat ("Authorization: Bearer ", token, NULL) : NULL;
}

void
rp_auth_set_bearer (RpAuth *auth, RpBearer *bearer)
{
  auth->bearer = bearer;
}

void
rp_auth_set_login (RpAuth *auth, const char *registry)
{
  g_free (auth->registry);
  auth->registry = g_strdup (registry);
}

void
rp_auth_set_login_file (RpAuth *auth, const char *registry, const char *file)
{
  rp_auth_set_login (auth, registry);
  g_free (auth->file);
  auth->file = g_strdup (file);
  auth->one_file = TRUE;
}

/* ---- tickets ---- */

static char *
scope_of (const char *repository, gboolean push)
{
  return repository == NULL ? g_strdup ("")
                            : g_strconcat ("repository:", repository, push ? ":pull,push" : ":pull",
                                           NULL);
}

static char *
known_header (RpAuth *auth, const char *scope)
{
  if (auth->token_header != NULL)
    return g_strdup (auth->token_header);
  if (auth->bearer != NULL)
    return rp_bearer_header (auth->bearer);
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&auth->lock);
  const Ticket *ticket = g_hash_table_lookup (auth->tickets, scope);
  return ticket != NULL && rp_clock_monotonic_us () < ticket->until_us ? g_strdup (ticket->header)
                                                                      : NULL;
}

static void
keep_ticket (RpAuth *auth, const char *scope, char *header, gint64 life_s)
{
  Ticket *ticket = g_new0 (Ticket, 1);
  ticket->header = header;
  ticket->until_us
      = rp_clock_monotonic_us () + MAX (life_s - TICKET_MARGIN_S, 1) * G_USEC_PER_SEC;
  g_hash_table_replace (auth->tickets, g_strdup (scope), ticket);
}

static char *
basic_header (const RpCredential *credential)
{
  g_autofree char *both = g_strconcat (credential->user, ":", credential->secret, NULL);
  g_autofree char *packed = g_base64_encode ((const guchar *) both, strlen (both));
  return g_strconcat ("Authorization: Basic ", packed, NULL);
}

static void
add_field (GString *form, const char *name, const char *value)
{
  g_autofree char *escaped = g_uri_escape_string (value, NULL, FALSE);
  g_string_append_printf (form, "%s%s=%s", form->len > 0 ? "&" : "", name, escaped);
}

/* {"token" or "access_token", "expires_in"?} */
static gboolean
read_ticket (RpAuth *auth, const RpHttpResponse *response, const char *realm, const char *scope,
             GError **error)
{
  if (!rp_http_response_check (response, realm, error))
    return FALSE;
  g_autoptr (json_t) answer
      = rp_json_parse (response->body->data, response->body->len, realm, error);
  if (answer == NULL)
    return FALSE;
  const char *token = rp_json_str (answer, "token");
  if (token == NULL)
    token = rp_json_str (answer, "access_token");
  if (token == NULL || *token == '\0' || strpbrk (token, "\r\n") != NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_UNAUTHORIZED, "%s answered without a token", realm);
      return FALSE;
    }
  gint64 life_s = rp_json_int (answer, "expires_in");
  keep_ticket (auth, scope, g_strconcat ("Authorization: Bearer ", token, NULL),
               life_s > 0 ? MIN (life_s, G_MAXINT32) : TICKET_LIFE_DEFAULT_S);
  return TRUE;
}

/* GET with Basic, or POST of a form with an identity token. */
static RpHttpResponse *
ask_realm (RpAuth *auth, const RpChallenge *challenge, const char *scope,
           const RpCredential *credential, GError **error)
{
  gboolean by_token = credential->secret != NULL && credential->user == NULL;
  g_autoptr (GString) form = g_string_new (NULL);
  g_autofree char *basic = credential->user != NULL ? basic_header (credential) : NULL;
  if (challenge->service != NULL)
    add_field (form, "service", challenge->service);
  if (*scope != '\0')
    add_field (form, "scope", scope);
  if (by_token)
    {
      static const char *const headers[]
          = { "Content-Type: application/x-www-form-urlencoded", NULL };
      add_field (form, "grant_type", "refresh_token");
      add_field (form, "client_id", "repoint");
      add_field (form, "refresh_token", credential->secret);
      const RpHttpRequest request = { .method = "POST", .url = challenge->realm, .headers = headers,
                                      .body = form->str, .body_size = form->len,
                                      .timeout_ms = TIMEOUT_MS };
      return rp_http_send (auth->http, &request, error);
    }
  const char *const headers[] = { basic, NULL };
  g_autofree char *url = g_strconcat (
      challenge->realm, strchr (challenge->realm, '?') != NULL ? "&" : "?", form->str, NULL);
  const RpHttpRequest request
      = { .method = "GET", .url = url, .headers = headers, .timeout_ms = TIMEOUT_MS };
  return rp_http_send (auth->http, &request, error);
}

/* A secret that a registry gets in an encrypted connection is not sent on in the clear. */
static gboolean
check_realm (const char *registry_url, const char *realm, GError **error)
{
  gboolean secure = g_str_has_prefix (registry_url, "https://");
  if (g_str_has_prefix (realm, "https://") || (!secure && g_str_has_prefix (realm, "http://")))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_UNAUTHORIZED,
               "%s wants the password sent to \"%.200s\", which is not encrypted; it was not",
               registry_url, realm);
  return FALSE;
}

/* With the lock held. */
static gboolean
log_in (RpAuth *auth, const RpChallenge *challenge, const char *url, const char *scope,
        const RpCredential *credential, GError **error)
{
  if (challenge->realm == NULL && credential->user != NULL)
    {
      keep_ticket (auth, scope, basic_header (credential), G_MAXINT32);
      return TRUE;
    }
  if (challenge->realm == NULL)
    return TRUE; /* nothing to answer with: the 401 says it */
  if (!check_realm (url, challenge->realm, error))
    return FALSE;
  g_autoptr (RpHttpResponse) response = ask_realm (auth, challenge, scope, credential, error);
  return response != NULL && read_ticket (auth, response, challenge->realm, scope, error);
}

/* ---- requests ---- */

static RpHttpResponse *
send_with (RpAuth *auth, const RpHttpRequest *request, const char *header, GError **error)
{
  RpHttpRequest copy = *request;
  g_autoptr (GPtrArray) headers = g_ptr_array_new ();
  for (const char *const *line = request->headers; line != NULL && *line != NULL; line++)
    g_ptr_array_add (headers, (gpointer) *line);
  if (header != NULL)
    g_ptr_array_add (headers, (gpointer) header);
  g_ptr_array_add (headers, NULL);
  copy.headers = (const char *const *) headers->pdata;
  return rp_http_send (auth->http, &copy, error);
}

static gboolean
explain_refusal (const RpAuth *auth, const RpCredential *credential, const char *why,
                 GError **error)
{
  g_autofree char *what
      = credential->secret == NULL
            ? g_strdup ("it wants a login, and there is none for it")
            : g_strdup_printf ("it refused the credentials%s%s from %s (wrong, or expired)",
                               credential->user != NULL ? " of " : "",
                               credential->user != NULL ? credential->user : "",
                               credential->source);
  g_autofree char *advice
      = auth->one_file ? g_strdup ("credentials of the server are in a credentials_file of server.yaml")
                       : g_strdup_printf ("log in with `docker login %s` or `podman login %s`",
                                          auth->registry, auth->registry);
  g_set_error (error, RP_ERROR, RP_ERROR_UNAUTHORIZED, "%s: %s%s%s; %s", auth->registry, what,
               why != NULL ? ": " : "", why != NULL ? why : "", advice);
  return FALSE;
}

static gboolean
find_credential (const RpAuth *auth, const char *repository, RpCredential *out, GError **error)
{
  const char *name = repository != NULL ? repository : "";
  if (!auth->one_file)
    return rp_credential_find (auth->registry, name, out, error);
  return auth->file == NULL
         || rp_credential_find_in (auth->file, auth->registry, name, out, error);
}

/* Answers the challenge of `refusal` and sends again; the second answer counts. */
static RpHttpResponse *
send_as_user (RpAuth *auth, const RpHttpRequest *request, const char *repository, const char *scope,
              const RpHttpResponse *refusal, GError **error)
{
  g_auto (RpCredential) credential = { 0 };
  g_auto (RpChallenge) challenge = { 0 };
  g_autoptr (GError) failure = NULL;
  g_mutex_lock (&auth->lock);
  g_hash_table_remove (auth->tickets, scope);
  rp_challenge_parse (rp_http_response_header (refusal, "www-authenticate"), &challenge);
  gboolean ok = find_credential (auth, repository, &credential, &failure);
  if (ok)
    ok = log_in (auth, &challenge, request->url, scope, &credential, &failure);
  g_mutex_unlock (&auth->lock);
  if (!ok && g_error_matches (failure, RP_ERROR, RP_ERROR_UNAUTHORIZED))
    {
      explain_refusal (auth, &credential, failure->message, error);
      return NULL;
    }
  if (!ok)
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return NULL;
    }
  g_autofree char *header = known_header (auth, scope);
  g_autoptr (RpHttpResponse) response = send_with (auth, request, header, error);
  if (response == NULL || response->status != 401)
    return g_steal_pointer (&response);
  explain_refusal (auth, &credential, NULL, error);
  return NULL;
}

RpHttpResponse *
rp_auth_send (RpAuth *auth, const RpHttpRequest *request, const char *repository, gboolean push,
              GError **error)
{
  g_autofree char *scope = scope_of (repository, push);
  g_autofree char *header = known_header (auth, scope);
  g_autoptr (RpHttpResponse) response = send_with (auth, request, header, error);
  if (response == NULL || response->status != 401 || auth->registry == NULL)
    return g_steal_pointer (&response);
  if (request->source == NULL)
    return send_as_user (auth, request, repository, scope, response, error);
  g_mutex_lock (&auth->lock);
  g_hash_table_remove (auth->tickets, scope);
  g_mutex_unlock (&auth->lock);
  return g_steal_pointer (&response);
}
