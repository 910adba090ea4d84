#include "access/access.h"

#include <openssl/crypto.h>
#include <string.h>

#include "access/access_priv.h"
#include "access/federation.h"
#include "access/secret.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

static gboolean
read_directory (RpTxn *txn, gpointer user_data, GError **error)
{
  RpDirectory **out = user_data;

  *out = rp_directory_read (txn, error);
  return *out != NULL;
}

RpAccess *
rp_access_open (RpLedger *ledger, gboolean anonymous_pull, GError **error)
{
  g_autoptr (RpDirectory) directory = NULL;
  g_autoptr (RpAccess) access = g_new0 (RpAccess, 1);

  g_mutex_init (&access->changing);
  g_mutex_init (&access->lock);
  access->ledger = ledger;
  access->anonymous_pull = anonymous_pull;
  access->throttle = rp_throttle_new ();
  access->issuers = rp_issuers_new (NULL);
  if (!rp_secret_random (access->key, sizeof access->key, error)
      || !rp_db_read (rp_ledger_db (ledger), read_directory, &directory, error))
    return NULL;
  rp_access_set_directory (access, g_steal_pointer (&directory));
  return g_steal_pointer (&access);
}

void
rp_access_trust (RpAccess *access, const char *ca_file)
{
  rp_issuers_free (access->issuers);
  access->issuers = rp_issuers_new (ca_file);
}

void
rp_access_close (RpAccess *access)
{
  if (access == NULL)
    return;
  rp_directory_unref (access->directory);
  rp_throttle_free (access->throttle);
  rp_issuers_free (access->issuers);
  g_mutex_clear (&access->changing);
  g_mutex_clear (&access->lock);
  OPENSSL_cleanse (access->key, sizeof access->key);
  g_free (access);
}

RpDirectory *
rp_access_directory (RpAccess *access)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&access->lock);

  return rp_directory_ref (access->directory);
}

void
rp_access_set_directory (RpAccess *access, RpDirectory *directory)
{
  RpDirectory *before;

  g_mutex_lock (&access->lock);
  before = access->directory;
  access->directory = directory;
  g_atomic_int_set (&access->accounts, (gint) g_hash_table_size (directory->accounts));
  g_mutex_unlock (&access->lock);
  rp_directory_unref (before);
}

gboolean
rp_access_is_open (const RpAccess *access)
{
  return g_atomic_int_get (&access->accounts) == 0;
}

/* ---- identities ---- */

void
rp_identity_free (RpIdentity *identity)
{
  if (identity == NULL)
    return;
  g_free (identity->account);
  g_free (identity->token);
  g_free (identity->identities);
  rp_scopes_unref (identity->scopes);
  rp_scopes_unref (identity->limit);
  g_free (identity);
}

static RpIdentity *
identify (const RpAccount *account, RpCredential credential, const RpToken *token)
{
  RpIdentity *identity = g_new0 (RpIdentity, 1);

  identity->account = g_strdup (account->name);
  identity->credential = credential;
  identity->epoch = account->epoch;
  identity->scopes = rp_scopes_ref (account->scopes);
  if (token == NULL)
    return identity;
  identity->token = g_strdup (token->id);
  identity->token_since_us = token->at_us;
  identity->token_until_us = token->expires_us;
  if (token->limit != NULL)
    identity->limit = rp_scopes_ref (token->limit);
  return identity;
}

gboolean
rp_identity_may (const RpIdentity *identity, RpAction action, const char *subject)
{
  return rp_scopes_allow (identity->scopes, action, subject)
         && (identity->limit == NULL || rp_scopes_allow (identity->limit, action, subject));
}

json_t *
rp_identity_to_json (const RpIdentity *identity)
{
  json_t *json = json_object ();

  json_object_set_new (json, "account",
                       identity->account != NULL ? json_string (identity->account) : json_null ());
  json_object_set_new (json, "token",
                       identity->token != NULL ? json_string (identity->token) : json_null ());
  if (identity->identities != NULL)
    json_object_set_new (json, "identities", json_string (identity->identities));
  json_object_set_new (json, "allow", rp_scopes_to_json (identity->scopes));
  if (identity->limit != NULL)
    json_object_set_new (json, "limit", rp_scopes_to_json (identity->limit));
  return json;
}

RpIdentity *
rp_access_anonymous (RpAccess *access)
{
  RpIdentity *identity;
  g_autoptr (json_t) allow = NULL;

  if (!access->anonymous_pull)
    return NULL;
  allow = json_pack ("[s]", "pull:**");
  identity = g_new0 (RpIdentity, 1);
  identity->scopes = rp_scopes_from_json (allow, NULL);
  return identity;
}

/* ---- credentials ---- */

RpIdentity *
rp_access_by_password (RpAccess *access, const char *name, const char *password,
                       const char *origin, gint64 *out_wait_s, GError **error)
{
  g_autoptr (RpDirectory) directory = rp_access_directory (access);
  const RpAccount *account = rp_directory_account (directory, name);

  if (!rp_throttle_take (access->throttle, origin, rp_clock_monotonic_us (), out_wait_s))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_TOO_MANY,
                   "too many wrong passwords came from %s; try again in %" G_GINT64_FORMAT " s",
                   origin, *out_wait_s);
      return NULL;
    }
  if (!rp_password_verify (password, account != NULL ? account->password : NULL))
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_UNAUTHORIZED,
                           "the account or its password is wrong; an administrator can give a new "
                           "one with `repoint account passwd`");
      return NULL;
    }
  rp_throttle_give_back (access->throttle, origin);
  return identify (account, RP_CREDENTIAL_PASSWORD, NULL);
}

gboolean
rp_access_is_token (const char *text)
{
  return g_str_has_prefix (text, RP_TOKEN_PREFIX) || g_str_has_prefix (text, RP_SESSION_PREFIX);
}

static RpIdentity *
refuse_token (GError **error)
{
  g_set_error_literal (error, RP_ERROR, RP_ERROR_UNAUTHORIZED,
                       "the token is unknown, revoked or expired; log in again with `repoint login`, "
                       "or ask an administrator for another (`repoint token create`)");
  return NULL;
}

static gboolean
is_over (gint64 expires_us, gint64 now_us)
{
  return expires_us != 0 && now_us >= expires_us;
}

static RpIdentity *
by_token (const RpDirectory *directory, const char *text, gint64 now_us, GError **error)
{
  g_autofree char *id = NULL, *hash = NULL;
  const RpToken *token;

  if (!rp_token_split (text, &id, &hash))
    return refuse_token (error);
  token = g_hash_table_lookup (directory->tokens, id);
  if (token == NULL || !rp_secret_equal (token->hash, hash) || is_over (token->expires_us, now_us))
    return refuse_token (error);
  return identify (rp_directory_account (directory, token->account), RP_CREDENTIAL_TOKEN, token);
}

gboolean
rp_access_token_may (RpAccess *access, const char *id, gint64 now_us, RpAction action,
                     const char *subject, GError **error)
{
  g_autoptr (RpDirectory) directory = rp_access_directory (access);
  const RpToken *token = g_hash_table_lookup (directory->tokens, id);
  g_autoptr (RpIdentity) identity = NULL;

  if (token == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_UNAUTHORIZED, "token %s was revoked", id);
      return FALSE;
    }
  if (is_over (token->expires_us, now_us))
    {
      g_autofree char *at = rp_clock_format (token->expires_us);

      g_set_error (error, RP_ERROR, RP_ERROR_UNAUTHORIZED, "token %s of %s expired at %s", id,
                   token->account, at);
      return FALSE;
    }
  identity = identify (rp_directory_account (directory, token->account), RP_CREDENTIAL_TOKEN, token);
  if (rp_identity_may (identity, action, subject))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_DENIED, "token %s of %s may not do this any more: it lacks %s:%s",
               id, token->account, rp_action_name (action), subject);
  return FALSE;
}

/* The account must still have the secret that the ticket was given for. */
static RpIdentity *
by_ticket (RpAccess *access, const RpDirectory *directory, const char *text, gint64 now_us,
           gint64 grace_us, GError **error)
{
  g_auto (RpTicket) ticket = { 0 };
  const RpAccount *account;
  const RpToken *token = NULL;
  RpIdentity *identity;

  if (!rp_ticket_open (text, access->key, &ticket)
      || is_over (ticket.expires_us, ticket.session ? now_us : now_us - grace_us))
    return refuse_token (error);
  if (*ticket.account == '\0')
    {
      identity = rp_access_anonymous (access);
      return identity != NULL ? identity : refuse_token (error);
    }
  if (ticket.identities != NULL)
    {
      identity = rp_federation_by_ticket (directory, &ticket);
      return identity != NULL ? identity : refuse_token (error);
    }
  account = rp_directory_account (directory, ticket.account);
  if (account == NULL || account->epoch != ticket.epoch)
    return refuse_token (error);
  if (ticket.token != NULL)
    {
      token = g_hash_table_lookup (directory->tokens, ticket.token);
      if (token == NULL || is_over (token->expires_us, now_us))
        return refuse_token (error);
    }
  return identify (account, RP_CREDENTIAL_TICKET, token);
}

RpIdentity *
rp_access_by_bearer (RpAccess *access, const char *text, gint64 now_us, gint64 grace_us,
                     GError **error)
{
  g_autoptr (RpDirectory) directory = rp_access_directory (access);

  if (g_str_has_prefix (text, RP_TOKEN_PREFIX))
    return by_token (directory, text, now_us, error);
  return by_ticket (access, directory, text, now_us, grace_us, error);
}

char *
rp_access_ticket (RpAccess *access, const RpIdentity *identity, gint64 now_us)
{
  RpTicket ticket = { .account = identity->account != NULL ? identity->account : (char *) "",
                      .token = identity->token,
                      .identities = identity->identities,
                      .epoch = identity->epoch,
                      .expires_us = now_us + RP_TICKET_TTL_US };

  return rp_ticket_seal (&ticket, access->key);
}

char *
rp_access_session (RpAccess *access, const RpIdentity *identity, gint64 expires_us)
{
  RpTicket ticket = { .account = identity->account,
                      .identities = identity->identities,
                      .session = TRUE,
                      .epoch = identity->epoch,
                      .expires_us = expires_us };

  return rp_ticket_seal (&ticket, access->key);
}
