/* The tables of this room, computed from events and nothing else.
 *
 *   account.created   → account
 *   account.changed   its scopes or its password → account
 *   account.removed   → account, and access_token without its tokens
 *   token.issued      → access_token
 *   token.revoked     → access_token without it
 *   identity.declared → identity, in place of one of the same name
 *   identity.removed  → identity without it
 *   group.set         → access_group and access_group_member, in place of one of the same name
 *   group.removed     → these without it
 *
 * Who is removed leaves all groups: whoever gets the name next must not stand in for them.
 *
 * Events and tables hold hashes of secrets, never a secret.
 */
#include <string.h>

#include "access/access.h"
#include "base/json.h"

static const char schema[]
    = "CREATE TABLE IF NOT EXISTS account ("
      " name TEXT NOT NULL PRIMARY KEY, robot BIGINT NOT NULL, password TEXT,"
      " scopes TEXT NOT NULL, epoch BIGINT NOT NULL, at_us BIGINT NOT NULL);"
      "CREATE TABLE IF NOT EXISTS access_token ("
      " id TEXT NOT NULL PRIMARY KEY, account TEXT NOT NULL, label TEXT NOT NULL,"
      " hash TEXT NOT NULL, scopes TEXT, expires_us BIGINT NOT NULL, at_us BIGINT NOT NULL);"
      "CREATE INDEX IF NOT EXISTS access_token_account ON access_token (account);"
      "CREATE TABLE IF NOT EXISTS identity ("
      " name TEXT NOT NULL PRIMARY KEY, issuer TEXT NOT NULL, audience TEXT NOT NULL,"
      " jwks_url TEXT, claims TEXT NOT NULL, scopes TEXT NOT NULL, epoch BIGINT NOT NULL,"
      " at_us BIGINT NOT NULL);"
      "CREATE TABLE IF NOT EXISTS access_group (name TEXT NOT NULL PRIMARY KEY, at_us BIGINT NOT NULL);"
      "CREATE TABLE IF NOT EXISTS access_group_member ("
      " group_name TEXT NOT NULL, member TEXT NOT NULL, PRIMARY KEY (group_name, member));";

static const char *const tables[] = { "account", "access_token", "identity", "access_group", "access_group_member",
                                       NULL };

static char *
scopes_text (const RpEvent *event)
{
  const json_t *allow = json_object_get (event->body, "allow");

  return json_is_array (allow) ? rp_json_canonical (allow) : NULL;
}

static gboolean
account_created (RpTxn *txn, const RpEvent *event, GError **error)
{
  g_autofree char *scopes = scopes_text (event);

  return rp_txn_exec (txn, error, NULL, "INSERT INTO account VALUES ($1, $2, $3, $4, $5, $6)",
                      "sissii", rp_json_str (event->body, "account"),
                      (gint64) rp_json_bool (event->body, "robot"),
                      rp_json_str (event->body, "password"), scopes, event->seq, event->at_us);
}

static gboolean
account_changed (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *account = rp_json_str (event->body, "account");
  const char *password = rp_json_str (event->body, "password");
  g_autofree char *scopes = scopes_text (event);

  if (scopes != NULL
      && !rp_txn_exec (txn, error, NULL, "UPDATE account SET scopes = $1 WHERE name = $2", "ss",
                       scopes, account))
    return FALSE;
  return password == NULL
         || rp_txn_exec (txn, error, NULL,
                         "UPDATE account SET password = $1, epoch = $2 WHERE name = $3", "sis",
                         password, event->seq, account);
}

static gboolean
leave_groups (RpTxn *txn, const char *member, GError **error)
{
  return rp_txn_exec (txn, error, NULL, "DELETE FROM access_group_member WHERE member = $1", "s", member);
}

static gboolean
account_removed (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *account = rp_json_str (event->body, "account");

  return rp_txn_exec (txn, error, NULL, "DELETE FROM access_token WHERE account = $1", "s", account)
         && rp_txn_exec (txn, error, NULL, "DELETE FROM account WHERE name = $1", "s", account)
         && leave_groups (txn, account, error);
}

static gboolean
token_issued (RpTxn *txn, const RpEvent *event, GError **error)
{
  g_autofree char *scopes = scopes_text (event);

  return rp_txn_exec (txn, error, NULL,
                      "INSERT INTO access_token VALUES ($1, $2, $3, $4, $5, $6, $7)", "sssssii",
                      rp_json_str (event->body, "token"), rp_json_str (event->body, "account"),
                      rp_json_str (event->body, "label"), rp_json_str (event->body, "hash"), scopes,
                      rp_json_int (event->body, "expires_us"), event->at_us);
}

static gboolean
token_revoked (RpTxn *txn, const RpEvent *event, GError **error)
{
  return rp_txn_exec (txn, error, NULL, "DELETE FROM access_token WHERE id = $1", "s",
                      rp_json_str (event->body, "token"));
}

static gboolean
drop_identity (RpTxn *txn, const char *name, GError **error)
{
  return rp_txn_exec (txn, error, NULL, "DELETE FROM identity WHERE name = $1", "s", name);
}

static gboolean
identity_removed (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *name = rp_json_str (event->body, "identity");

  return drop_identity (txn, name, error) && leave_groups (txn, name, error);
}

static gboolean
identity_declared (RpTxn *txn, const RpEvent *event, GError **error)
{
  g_autofree char *scopes = scopes_text (event);
  g_autofree char *claims = rp_json_canonical (json_object_get (event->body, "claims"));

  return drop_identity (txn, rp_json_str (event->body, "identity"), error)
         && rp_txn_exec (txn, error, NULL,
                         "INSERT INTO identity VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", "ssssssii",
                         rp_json_str (event->body, "identity"), rp_json_str (event->body, "issuer"),
                         rp_json_str (event->body, "audience"),
                         rp_json_str (event->body, "jwks_url"), claims, scopes, event->seq,
                         event->at_us);
}

static gboolean
group_removed (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *name = rp_json_str (event->body, "group");

  return rp_txn_exec (txn, error, NULL, "DELETE FROM access_group_member WHERE group_name = $1", "s", name)
         && rp_txn_exec (txn, error, NULL, "DELETE FROM access_group WHERE name = $1", "s", name);
}

static gboolean
group_set (RpTxn *txn, const RpEvent *event, GError **error)
{
  const char *name = rp_json_str (event->body, "group");
  gsize i;
  json_t *member;

  if (!group_removed (txn, event, error)
      || !rp_txn_exec (txn, error, NULL, "INSERT INTO access_group VALUES ($1, $2)", "si", name, event->at_us))
    return FALSE;
  json_array_foreach (json_object_get (event->body, "members"), i, member)
    if (!rp_txn_exec (txn, error, NULL, "INSERT INTO access_group_member VALUES ($1, $2)", "ss", name,
                      json_string_value (member)))
      return FALSE;
  return TRUE;
}

static const struct {
  const char *kind;
  gboolean (*apply) (RpTxn *txn, const RpEvent *event, GError **error);
} kinds[] = {
  { "account.created", account_created }, { "account.changed", account_changed },
  { "account.removed", account_removed }, { "token.issued", token_issued },
  { "token.revoked", token_revoked },
  { "identity.declared", identity_declared }, { "identity.removed", identity_removed },
  { "group.set", group_set }, { "group.removed", group_removed },
};

static gboolean
apply (RpTxn *txn, const RpEvent *event, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (kinds[i].kind, event->kind) == 0)
      return kinds[i].apply (txn, event, error);
  return TRUE;
}

const RpProjector rp_access_projector
    = { .name = "access", .schema = schema, .tables = tables, .apply = apply };
