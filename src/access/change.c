/* Changes to accounts and tokens, and lists of them.  Each change is checked against the accounts of
 * the transaction that records it. */
#include <string.h>

#include "access/access_priv.h"
#include "access/secret.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#define LABEL_MAX 128 /* bytes */

static gboolean
write_change (RpTxn *txn, gpointer user_data, GError **error)
{
  RpAccessChange *change = user_data;
  g_autoptr (RpDirectory) before = rp_directory_read (txn, error);

  if (before == NULL || !change->check (before, change->body, error)
      || !rp_ledger_append (change->access->ledger, txn, change->actor, change->kind, change->body,
                            NULL, error))
    return FALSE;
  change->after = rp_directory_read (txn, error);
  return change->after != NULL;
}

gboolean
rp_access_make_change (RpAccessChange *change, GError **error)
{
  RpAccess *access = change->access;
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&access->changing);

  if (!rp_db_write (rp_ledger_db (access->ledger), write_change, change, error))
    {
      rp_directory_unref (change->after);
      return FALSE;
    }
  rp_access_set_directory (access, change->after);
  return TRUE;
}

/* ---- accounts ---- */

gboolean
rp_access_check_name (const char *what, const char *name, GError **error)
{
  if (g_ascii_isalnum (*name) && strlen (name) <= RP_ACCOUNT_NAME_MAX
      && strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == strlen (name))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               "%s \"%.100s\": expected at most %d of a-z, 0-9, '.', '_' and '-', beginning "
               "with a letter or digit",
               what, name, RP_ACCOUNT_NAME_MAX);
  return FALSE;
}

static const RpAccount *
need_account (const RpDirectory *directory, const json_t *body, GError **error)
{
  const char *name = rp_json_str (body, "account");
  const RpAccount *account = rp_directory_account (directory, name);

  if (account == NULL)
    g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
                 "there is no account \"%.64s\"; `repoint account ls` lists those there are", name);
  return account;
}

static gboolean
administers (const json_t *allow)
{
  g_autoptr (RpScopes) scopes = rp_scopes_from_json (allow, NULL);

  return scopes != NULL && rp_scopes_allow (scopes, RP_ACTION_ADMINISTER, NULL);
}

static gboolean
check_add (const RpDirectory *directory, const json_t *body, GError **error)
{
  const char *name = rp_json_str (body, "account");
  gboolean first = g_hash_table_size (directory->accounts) == 0;

  if (rp_directory_account (directory, name) != NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_CONFLICT,
                   "there is an account \"%s\" already; `repoint account allow` changes what it may",
                   name);
      return FALSE;
    }
  if (g_hash_table_contains (directory->federated, name))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_CONFLICT,
                   "there is an identity \"%s\", and what is recorded must tell them apart: take another name", name);
      return FALSE;
    }
  if (!first
      || (administers (json_object_get (body, "allow")) && !rp_json_bool (body, "robot")))
    return TRUE;
  g_set_error_literal (error, RP_ERROR, RP_ERROR_BLOCKED,
                       "the first account switches authentication on, so it must be a person's and "
                       "be able to add others: --allow administer, and no --robot");
  return FALSE;
}

static gboolean
check_not_last (const RpDirectory *directory, const RpAccount *account, GError **error)
{
  if (!rp_scopes_allow (account->scopes, RP_ACTION_ADMINISTER, NULL)
      || rp_directory_administrators (directory) > 1)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_BLOCKED,
               "%s is the last account that may administer: without it nobody could change anything "
               "any more; give another one `administer` first",
               account->name);
  return FALSE;
}

static gboolean
check_allow (const RpDirectory *directory, const json_t *body, GError **error)
{
  const RpAccount *account = need_account (directory, body, error);

  return account != NULL
         && (administers (json_object_get (body, "allow"))
             || check_not_last (directory, account, error));
}

static gboolean
check_password (const RpDirectory *directory, const json_t *body, GError **error)
{
  const RpAccount *account = need_account (directory, body, error);

  if (account == NULL || !account->robot)
    return account != NULL;
  g_set_error (error, RP_ERROR, RP_ERROR_BLOCKED,
               "%s is a robot: it has tokens (`repoint token create %s`) and no password",
               account->name, account->name);
  return FALSE;
}

static gboolean
check_remove (const RpDirectory *directory, const json_t *body, GError **error)
{
  const RpAccount *account = need_account (directory, body, error);

  return account != NULL && check_not_last (directory, account, error);
}

json_t *
rp_access_clean_scopes (const json_t *allow, GError **error)
{
  g_autoptr (RpScopes) scopes = rp_scopes_from_json (allow, error);

  return scopes != NULL ? rp_scopes_to_json (scopes) : NULL;
}

static json_t *
body_for (const char *account)
{
  json_t *body = json_object ();

  json_object_set_new (body, "account", json_string (account));
  return body;
}

static gboolean
set_password (json_t *body, const char *password, GError **error)
{
  g_autofree char *hash = NULL;

  if (!rp_password_check (password, error))
    return FALSE;
  hash = rp_password_hash (password, error);
  if (hash == NULL)
    return FALSE;
  json_object_set_new (body, "password", json_string (hash));
  return TRUE;
}

gboolean
rp_access_account_add (RpAccess *access, const char *actor, const char *account, gboolean robot,
                       const char *password, const json_t *allow, GError **error)
{
  g_autoptr (json_t) body = NULL;
  json_t *scopes;

  if (!rp_access_check_name ("account", account, error))
    return FALSE;
  if (robot == (password != NULL))
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID,
                           "a robot has tokens and no password, a person needs a password");
      return FALSE;
    }
  body = body_for (account);
  scopes = rp_access_clean_scopes (allow, error);
  if (scopes == NULL)
    return FALSE;
  json_object_set_new (body, "allow", scopes);
  json_object_set_new (body, "robot", json_boolean (robot));
  if (password != NULL && !set_password (body, password, error))
    return FALSE;
  RpAccessChange change = { access, actor, "account.created", body, check_add, NULL };
  return rp_access_make_change (&change, error);
}

gboolean
rp_access_account_allow (RpAccess *access, const char *actor, const char *account,
                         const json_t *allow, GError **error)
{
  g_autoptr (json_t) body = body_for (account);
  json_t *scopes = rp_access_clean_scopes (allow, error);
  RpAccessChange change = { access, actor, "account.changed", body, check_allow, NULL };

  if (scopes == NULL)
    return FALSE;
  json_object_set_new (body, "allow", scopes);
  return rp_access_make_change (&change, error);
}

gboolean
rp_access_account_password (RpAccess *access, const char *actor, const char *account,
                            const char *password, GError **error)
{
  g_autoptr (json_t) body = body_for (account);
  RpAccessChange change = { access, actor, "account.changed", body, check_password, NULL };

  return set_password (body, password, error) && rp_access_make_change (&change, error);
}

gboolean
rp_access_account_remove (RpAccess *access, const char *actor, const char *account, GError **error)
{
  g_autoptr (json_t) body = body_for (account);
  RpAccessChange change = { access, actor, "account.removed", body, check_remove, NULL };

  return rp_access_make_change (&change, error);
}

/* ---- tokens ---- */

static gboolean
check_issue (const RpDirectory *directory, const json_t *body, GError **error)
{
  return need_account (directory, body, error) != NULL;
}

static gboolean
check_revoke (const RpDirectory *directory, const json_t *body, GError **error)
{
  const char *id = rp_json_str (body, "token");

  if (id != NULL && g_hash_table_contains (directory->tokens, id))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
               "there is no token \"%.64s\"; `repoint token ls` lists those there are", id);
  return FALSE;
}

static gboolean
label_ok (const char *label)
{
  if (strlen (label) > LABEL_MAX || !g_utf8_validate (label, -1, NULL))
    return FALSE;
  for (const char *at = label; *at != '\0'; at = g_utf8_next_char (at))
    if (!g_unichar_isprint (g_utf8_get_char (at)))
      return FALSE;
  return TRUE;
}

static json_t *
token_to_json (const RpToken *token)
{
  g_autofree char *at = rp_clock_format (token->at_us);
  g_autofree char *expires
      = token->expires_us != 0 ? rp_clock_format (token->expires_us) : NULL;
  json_t *json = json_object ();

  json_object_set_new (json, "token", json_string (token->id));
  json_object_set_new (json, "account", json_string (token->account));
  json_object_set_new (json, "label", json_string (token->label));
  json_object_set_new (json, "allow",
                       token->limit != NULL ? rp_scopes_to_json (token->limit) : json_null ());
  json_object_set_new (json, "expires_at", expires != NULL ? json_string (expires) : json_null ());
  json_object_set_new (json, "at", json_string (at));
  return json;
}

static json_t *
issued (RpAccess *access, const RpFreshToken *fresh)
{
  g_autoptr (RpDirectory) directory = rp_access_directory (access);
  const RpToken *token = g_hash_table_lookup (directory->tokens, fresh->id);
  json_t *json = token != NULL ? token_to_json (token) : json_object ();

  json_object_set_new (json, "secret", json_string (fresh->text));
  return json;
}

json_t *
rp_access_token_issue (RpAccess *access, const char *actor, const char *account,
                       const char *label, const json_t *limit, gint64 expires_us, GError **error)
{
  g_auto (RpFreshToken) fresh = { 0 };
  g_autoptr (json_t) body = body_for (account);
  json_t *scopes = NULL;
  RpAccessChange change = { access, actor, "token.issued", body, check_issue, NULL };

  if (!label_ok (label))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "label: expected at most %d bytes of printable text", LABEL_MAX);
      return NULL;
    }
  if (limit != NULL)
    {
      scopes = rp_access_clean_scopes (limit, error);
      if (scopes == NULL)
        return NULL;
      json_object_set_new (body, "allow", scopes);
    }
  if (!rp_token_make (&fresh, error))
    return NULL;
  json_object_set_new (body, "token", json_string (fresh.id));
  json_object_set_new (body, "hash", json_string (fresh.hash));
  json_object_set_new (body, "label", json_string (label));
  json_object_set_new (body, "expires_us", json_integer (expires_us));
  return rp_access_make_change (&change, error) ? issued (access, &fresh) : NULL;
}

gboolean
rp_access_token_revoke (RpAccess *access, const char *actor, const char *token, GError **error)
{
  g_autoptr (json_t) body = json_object ();
  RpAccessChange change = { access, actor, "token.revoked", body, check_revoke, NULL };

  json_object_set_new (body, "token", json_string (token));
  return rp_access_make_change (&change, error);
}

/* ---- looking ---- */

static json_t *
account_to_json (const RpAccount *account)
{
  g_autofree char *at = rp_clock_format (account->at_us);
  json_t *json = body_for (account->name);

  json_object_set_new (json, "robot", json_boolean (account->robot));
  json_object_set_new (json, "allow", rp_scopes_to_json (account->scopes));
  json_object_set_new (json, "at", json_string (at));
  return json;
}

GList *
rp_access_sorted_keys (GHashTable *table)
{
  return g_list_sort (g_hash_table_get_keys (table), (GCompareFunc) strcmp);
}

json_t *
rp_access_accounts (RpAccess *access)
{
  g_autoptr (RpDirectory) directory = rp_access_directory (access);
  g_autoptr (GList) names = rp_access_sorted_keys (directory->accounts);
  json_t *array = json_array ();

  for (const GList *name = names; name != NULL; name = name->next)
    json_array_append_new (array, account_to_json (rp_directory_account (directory, name->data)));
  return json_pack ("{s:o}", "accounts", array);
}

json_t *
rp_access_tokens (RpAccess *access, const char *account)
{
  g_autoptr (RpDirectory) directory = rp_access_directory (access);
  g_autoptr (GList) ids = rp_access_sorted_keys (directory->tokens);
  json_t *array = json_array ();

  for (const GList *id = ids; id != NULL; id = id->next)
    {
      const RpToken *token = g_hash_table_lookup (directory->tokens, id->data);
      if (account == NULL || strcmp (token->account, account) == 0)
        json_array_append_new (array, token_to_json (token));
    }
  return json_pack ("{s:o}", "tokens", array);
}

char *
rp_access_token_owner (RpAccess *access, const char *id)
{
  g_autoptr (RpDirectory) directory = rp_access_directory (access);
  const RpToken *token = g_hash_table_lookup (directory->tokens, id);

  return token != NULL ? g_strdup (token->account) : NULL;
}
