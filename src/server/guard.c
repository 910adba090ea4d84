#include "server/guard.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "oci/reference.h"
#include "release/environment.h"
#include "server/pace.h"
#include "server/parts.h"
#include "server/warning.h"

#define HEADER_MAX (12 * 1024) /* bytes of an Authorization header */
/* How long an upload may take whose ticket was good when it began. */
#define UPLOAD_GRACE_US (12 * 3600 * (gint64) G_USEC_PER_SEC)

#define ACTOR_MAX 256 /* bytes; what the ledger takes */

/* What a need asks for; `params` make the subject, joined by slashes. */
static const struct {
  RpAction action;
  const char *params[4]; /* NULL-ended */
  const char *registry;  /* the actions as the token flow calls them */
} needs[] = {
  [RP_NEED_PULL] = { RP_ACTION_PULL, { "name" }, "pull" },
  [RP_NEED_PUSH] = { RP_ACTION_PUSH, { "name" }, "pull,push" },
  [RP_NEED_UPLOAD] = { RP_ACTION_PUSH, { "name" }, "pull,push" },
  [RP_NEED_DELETE] = { RP_ACTION_DELETE, { "name" }, "delete" },
  [RP_NEED_READ] = { RP_ACTION_READ, { "app" }, NULL },
  [RP_NEED_RELEASE] = { RP_ACTION_RELEASE, { "app" }, NULL },
  [RP_NEED_DEPLOY] = { RP_ACTION_DEPLOY, { "app", "environment" }, NULL },
  [RP_NEED_APPROVE] = { RP_ACTION_APPROVE, { "app", "environment" }, NULL },
  [RP_NEED_AGENT] = { RP_ACTION_AGENT, { "app", "environment", "target" }, NULL },
  [RP_NEED_ADMINISTER] = { RP_ACTION_ADMINISTER, { NULL }, NULL },
};

static RpAccess *
access_of (const RpRequest *request)
{
  return rp_request_services (request)->access;
}

/* NULL: all there are. */
static char *
subject_of (const RpRequest *request)
{
  const char *const *params = needs[request->match.route->need].params;
  GString *subject;

  if (params[0] == NULL || rp_request_param (request, params[0]) == NULL)
    return NULL;
  subject = g_string_new (rp_request_param (request, params[0]));
  for (params++; *params != NULL; params++)
    g_string_append_printf (subject, "/%s", rp_request_param (request, *params));
  return g_string_free (subject, FALSE);
}

/* ---- refusing ---- */

/* Where the client found us, if that is a name that can stand in a header. */
static char *
realm_of (const RpRequest *request)
{
  const char *host = rp_request_header (request, "Host");
  const char *forwarded = rp_request_header (request, "X-Forwarded-Proto");
  gboolean https = request->server->tls != NULL || g_strcmp0 (forwarded, "https") == 0;
  const char *scheme = https ? "https://" : "http://";

  if (host == NULL || *host == '\0' || strlen (host) > 255)
    return g_strconcat (request->server->url, "/v2/token", NULL);
  for (const char *at = host; *at != '\0'; at++)
    if (!g_ascii_isalnum (*at) && strchr (".-_:[]", *at) == NULL)
      return g_strconcat (request->server->url, "/v2/token", NULL);
  return g_strconcat (scheme, host, "/v2/token", NULL);
}

static char *
registry_scope (const RpRequest *request)
{
  RpNeed need = request->match.route->need;
  const char *name = rp_request_param (request, "name");

  if (need == RP_NEED_PULL && name == NULL)
    return g_strdup ("registry:catalog:*");
  if (need >= G_N_ELEMENTS (needs) || needs[need].registry == NULL
      || !rp_repository_check (name, NULL))
    return NULL;
  return g_strconcat ("repository:", name, ":", needs[need].registry, NULL);
}

/* One challenge, and the word that names its kind only once: clients have been seen to take the last
 * such word for the kind. */
static void
challenge (RpRequest *request)
{
  g_autoptr (GString) text = g_string_new ("Bearer realm=\"");

  if (rp_request_is_registry (request))
    {
      g_autofree char *realm = realm_of (request);
      g_autofree char *scope = registry_scope (request);
      g_string_append_printf (text, "%s\",service=\"repoint\"", realm);
      if (scope != NULL)
        g_string_append_printf (text, ",scope=\"%s\"", scope);
    }
  else
    g_string_append (text, "repoint\"");
  rp_respond_header (request, "WWW-Authenticate", text->str);
}

static char *
describe_need (const RpRequest *request, const char *subject)
{
  RpAction action = needs[request->match.route->need].action;

  if (action == RP_ACTION_ADMINISTER)
    return g_strdup ("administer");
  return g_strconcat (rp_action_name (action), ":", subject != NULL ? subject : "**", NULL);
}

static void
refuse_unknown (RpRequest *request)
{
  challenge (request);
  g_set_error_literal (&request->refusal, RP_ERROR, RP_ERROR_UNAUTHORIZED,
                       "who asks must be known here: log in with `repoint login` (registry clients: "
                       "podman login, docker login, skopeo login), or set REPOINT_TOKEN; an "
                       "administrator can add an account with `repoint account add`");
}

static void
refuse_known (RpRequest *request, const char *subject)
{
  const RpIdentity *identity = request->identity;
  g_autofree char *scope = describe_need (request, subject);

  if (identity->account == NULL)
    {
      refuse_unknown (request);
      return;
    }
  if (identity->identities != NULL)
    {
      g_set_error (&request->refusal, RP_ERROR, RP_ERROR_DENIED,
                   "%s may not do this: it lacks %s; an administrator can give it with `repoint identity set`",
                   identity->account, scope);
      return;
    }
  if (identity->limit != NULL
      && rp_scopes_allow (identity->scopes, needs[request->match.route->need].action, subject))
    g_set_error (&request->refusal, RP_ERROR, RP_ERROR_DENIED,
                 "%s may do this, but not with token %s, which is limited: it lacks %s; make "
                 "another with `repoint token create`",
                 identity->account, identity->token, scope);
  else
    g_set_error (&request->refusal, RP_ERROR, RP_ERROR_DENIED,
                 "%s may not do this: it lacks %s; an administrator can give it with `repoint "
                 "account allow %s`",
                 identity->account, scope, identity->account);
}

/* ---- permission ---- */

/* An agent may pull what its targets run. */
static gboolean
agent_may_pull (const RpRequest *request, const char *repository)
{
  g_autoptr (GPtrArray) targets = NULL;

  if (repository == NULL)
    return FALSE;
  targets = rp_environment_targets_of (rp_request_services (request)->engine, repository, NULL);
  for (guint i = 0; targets != NULL && i < targets->len; i++)
    if (rp_identity_may (request->identity, RP_ACTION_AGENT, targets->pdata[i]))
      return TRUE;
  return FALSE;
}

gboolean
rp_request_may (const RpRequest *request, RpAction action, const char *subject)
{
  if (request->identity == NULL)
    return request->open;
  return rp_identity_may (request->identity, action, subject)
         || (action == RP_ACTION_PULL && request->identity->account != NULL
             && agent_may_pull (request, subject));
}

static void
check_permission (RpRequest *request)
{
  RpNeed need = request->match.route->need;
  g_autofree char *subject = NULL;

  if (need == RP_NEED_ACCOUNT)
    return;
  if (need <= RP_NEED_ACCOUNT || need >= G_N_ELEMENTS (needs))
    {
      g_set_error (&request->refusal, RP_ERROR, RP_ERROR_FAILED,
                   "%s does not say what it needs, which is a defect",
                   request->match.route->template);
      return;
    }
  subject = subject_of (request);
  if (!rp_request_may (request, needs[need].action, subject))
    refuse_known (request, subject);
}

/* ---- identity ---- */

static const char *
header_value (const RpRequest *request, const char *scheme)
{
  const char *header = rp_request_header (request, "Authorization");
  gsize length = strlen (scheme);

  if (header == NULL || strlen (header) > HEADER_MAX
      || g_ascii_strncasecmp (header, scheme, length) != 0 || header[length] != ' ')
    return NULL;
  header += length;
  return header + strspn (header, " ");
}

gboolean
rp_guard_basic (const RpRequest *request, char **out_account, char **out_password)
{
  const char *value = header_value (request, "Basic");
  g_autofree guint8 *data = NULL;
  g_autofree char *text = NULL;
  char *colon;
  gsize size;

  if (value == NULL || *value == '\0')
    return FALSE;
  data = g_base64_decode (value, &size);
  text = g_strndup ((const char *) data, size);
  colon = strchr (text, ':');
  if (colon == NULL || strlen (text) != size)
    return FALSE;
  *out_account = g_strndup (text, (gsize) (colon - text));
  *out_password = g_strdup (colon + 1);
  return TRUE;
}

RpIdentity *
rp_guard_identify (RpRequest *request, const char *account, const char *password, GError **error)
{
  g_autofree char *origin = NULL;
  gint64 wait_s = 0;
  RpIdentity *identity;

  if (rp_access_is_token (password))
    return rp_access_by_bearer (access_of (request), password, rp_clock_now_us (), 0, error);
  if (rp_access_is_identity_token (password))
    return rp_access_by_identity_token (access_of (request), password, rp_clock_now_us (), error);
  origin = rp_request_peer (request, TRUE);
  identity
      = rp_access_by_password (access_of (request), account, password, origin, &wait_s, error);
  if (wait_s > 0)
    {
      g_autofree char *text = g_strdup_printf ("%" G_GINT64_FORMAT, wait_s);
      rp_respond_header (request, "Retry-After", text);
    }
  return identity;
}

/* The account first, which is known; what the client says of itself behind it. */
static void
name_actor (RpRequest *request)
{
  const RpIdentity *identity = request->identity;
  const char *claimed = rp_request_claimed_actor (request);
  g_autofree char *peer = NULL;

  if (identity != NULL && identity->account != NULL)
    request->actor = claimed != NULL && strlen (identity->account) + strlen (claimed) + 3 <= ACTOR_MAX
                         ? g_strconcat (identity->account, " (", claimed, ")", NULL)
                         : g_strdup (identity->account);
  else if (identity == NULL && claimed != NULL)
    request->actor = g_strdup (claimed);
  else
    {
      peer = rp_request_peer (request, FALSE);
      request->actor = g_strconcat ("anonymous@", peer, NULL);
    }
}

/* Takes over what was found out. */
static void
admit (RpRequest *request, RpIdentity *identity, GError *error)
{
  request->identity = identity;
  name_actor (request);
  if (identity == NULL)
    {
      if (g_error_matches (error, RP_ERROR, RP_ERROR_UNAUTHORIZED))
        challenge (request);
      g_propagate_error (&request->refusal, error);
    }
  else if (rp_pace_account (request))
    {
      rp_warning_of_token (request);
      check_permission (request);
    }
}

static void
admit_bearer (RpRequest *request, const char *text)
{
  gint64 grace_us = request->match.route->need == RP_NEED_UPLOAD ? UPLOAD_GRACE_US : 0;
  GError *error = NULL;
  g_autoptr (RpIdentity) identity
      = rp_access_by_bearer (access_of (request), text, rp_clock_now_us (), grace_us, &error);

  if (identity != NULL && identity->credential == RP_CREDENTIAL_TICKET
      && !rp_request_is_registry (request))
    {
      g_clear_pointer (&identity, rp_identity_free);
      g_set_error_literal (&error, RP_ERROR, RP_ERROR_UNAUTHORIZED,
                           "a ticket of the registry is for the registry alone; use a token here");
    }
  admit (request, g_steal_pointer (&identity), error);
}

/* Nobody says who they are. */
static void
admit_anonymous (RpRequest *request)
{
  g_autoptr (RpIdentity) anonymous = rp_access_anonymous (access_of (request));

  /* An account is asked for even so at the front door: a client that is let in there without one
   * would never offer the one that it has. */
  if (anonymous != NULL && request->match.route->need != RP_NEED_ACCOUNT)
    {
      admit (request, g_steal_pointer (&anonymous), NULL);
      return;
    }
  name_actor (request);
  refuse_unknown (request);
}

static void
admit_basic (RpRequest *request, const char *account, const char *password)
{
  GError *error = NULL;
  RpIdentity *identity = rp_guard_identify (request, account, password, &error);

  admit (request, identity, error);
}

static void
admit_identity_token (RpRequest *request, const char *text)
{
  GError *error = NULL;
  RpIdentity *identity = rp_access_by_identity_token (access_of (request), text, rp_clock_now_us (), &error);

  admit (request, identity, error);
}

void
rp_guard_start (RpRequest *request)
{
  g_autofree char *account = NULL, *password = NULL;
  const char *bearer;

  request->open = rp_access_is_open (access_of (request));
  if (request->open || request->match.route->need == RP_NEED_NOTHING)
    {
      name_actor (request);
      return;
    }
  bearer = header_value (request, "Bearer");
  if (bearer != NULL && rp_access_is_identity_token (bearer))
    request->unguarded = TRUE; /* its issuer may have to be asked */
  else if (bearer != NULL)
    admit_bearer (request, bearer);
  else if (!rp_guard_basic (request, &account, &password))
    admit_anonymous (request);
  else if (rp_access_is_token (password))
    admit_basic (request, account, password);
  else
    request->unguarded = TRUE; /* a password takes its time, which the event loop has not */
}

gboolean
rp_guard_finish (RpRequest *request)
{
  g_autofree char *account = NULL, *password = NULL;
  const char *bearer;

  if (!request->unguarded)
    return TRUE;
  request->unguarded = FALSE;
  bearer = header_value (request, "Bearer");
  if (bearer != NULL)
    admit_identity_token (request, bearer);
  else if (rp_guard_basic (request, &account, &password))
    admit_basic (request, account, password);
  else
    refuse_unknown (request);
  return request->refusal == NULL;
}

const RpIdentity *
rp_request_identity (const RpRequest *request)
{
  return request->identity;
}
