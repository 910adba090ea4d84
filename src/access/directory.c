#include "access/directory.h"

#include <string.h>

#include "base/json.h"

static void
free_account (gpointer data)
{
  RpAccount *account = data;

  g_free (account->name);
  g_free (account->password);
  rp_scopes_unref (account->scopes);
  g_free (account);
}

static void
free_token (gpointer data)
{
  RpToken *token = data;

  g_free (token->id);
  g_free (token->account);
  g_free (token->label);
  g_free (token->hash);
  rp_scopes_unref (token->limit);
  g_free (token);
}

static void
free_federated (gpointer data)
{
  RpFederated *federated = data;

  g_free (federated->name);
  g_free (federated->issuer);
  g_free (federated->audience);
  g_free (federated->jwks_url);
  json_decref (federated->claims);
  rp_scopes_unref (federated->scopes);
  g_free (federated);
}

static void
free_group (gpointer data)
{
  RpGroup *group = data;

  g_free (group->name);
  g_ptr_array_unref (group->members);
  g_free (group);
}

static RpScopes *
parse_scopes (const char *text, GError **error)
{
  g_autoptr (json_t) array = rp_json_parse (text, strlen (text), "scopes", error);

  return array != NULL ? rp_scopes_from_json (array, error) : NULL;
}

static gboolean
read_accounts (RpDirectory *directory, RpTxn *txn, GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT name, robot, password, scopes, epoch, at_us FROM account", "");

  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      RpAccount *account = g_new0 (RpAccount, 1);
      account->name = g_strdup (rp_rows_text (rows, i, 0));
      account->robot = rp_rows_int (rows, i, 1) != 0;
      account->password = g_strdup (rp_rows_text (rows, i, 2));
      account->epoch = rp_rows_int (rows, i, 4);
      account->at_us = rp_rows_int (rows, i, 5);
      g_hash_table_insert (directory->accounts, account->name, account);
      account->scopes = parse_scopes (rp_rows_text (rows, i, 3), error);
      if (account->scopes == NULL)
        return FALSE;
    }
  return TRUE;
}

static gboolean
read_tokens (RpDirectory *directory, RpTxn *txn, GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error,
      "SELECT id, account, label, hash, scopes, expires_us, at_us FROM access_token", "");

  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      RpToken *token = g_new0 (RpToken, 1);
      token->id = g_strdup (rp_rows_text (rows, i, 0));
      token->account = g_strdup (rp_rows_text (rows, i, 1));
      token->label = g_strdup (rp_rows_text (rows, i, 2));
      token->hash = g_strdup (rp_rows_text (rows, i, 3));
      token->expires_us = rp_rows_int (rows, i, 5);
      token->at_us = rp_rows_int (rows, i, 6);
      g_hash_table_insert (directory->tokens, token->id, token);
      if (rp_rows_is_null (rows, i, 4))
        continue;
      token->limit = parse_scopes (rp_rows_text (rows, i, 4), error);
      if (token->limit == NULL)
        return FALSE;
    }
  return TRUE;
}

static gboolean
read_federated (RpDirectory *directory, RpTxn *txn, GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error,
      "SELECT name, issuer, audience, jwks_url, claims, scopes, epoch, at_us FROM identity", "");

  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      RpFederated *federated = g_new0 (RpFederated, 1);
      const char *claims = rp_rows_text (rows, i, 4);
      federated->name = g_strdup (rp_rows_text (rows, i, 0));
      federated->issuer = g_strdup (rp_rows_text (rows, i, 1));
      federated->audience = g_strdup (rp_rows_text (rows, i, 2));
      federated->jwks_url = g_strdup (rp_rows_text (rows, i, 3));
      federated->epoch = rp_rows_int (rows, i, 6);
      federated->at_us = rp_rows_int (rows, i, 7);
      g_hash_table_insert (directory->federated, federated->name, federated);
      federated->claims = rp_json_parse (claims, strlen (claims), "claims", error);
      if (federated->claims == NULL)
        return FALSE;
      federated->scopes = parse_scopes (rp_rows_text (rows, i, 5), error);
      if (federated->scopes == NULL)
        return FALSE;
    }
  return TRUE;
}

static gboolean
read_groups (RpDirectory *directory, RpTxn *txn, GError **error)
{
  g_autoptr (RpRows) groups = rp_txn_query (txn, error, "SELECT name, at_us FROM access_group", "");
  g_autoptr (RpRows) members = groups != NULL ? rp_txn_query (txn, error,
                                                              "SELECT group_name, member FROM access_group_member "
                                                              "ORDER BY group_name, member", "")
                                              : NULL;

  if (members == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (groups); i++)
    {
      RpGroup *group = g_new0 (RpGroup, 1);
      group->name = g_strdup (rp_rows_text (groups, i, 0));
      group->members = g_ptr_array_new_with_free_func (g_free);
      group->at_us = rp_rows_int (groups, i, 1);
      g_hash_table_insert (directory->groups, group->name, group);
    }
  for (gsize i = 0; i < rp_rows_count (members); i++)
    {
      RpGroup *group = g_hash_table_lookup (directory->groups, rp_rows_text (members, i, 0));
      if (group != NULL)
        g_ptr_array_add (group->members, g_strdup (rp_rows_text (members, i, 1)));
    }
  return TRUE;
}

RpDirectory *
rp_directory_read (RpTxn *txn, GError **error)
{
  g_autoptr (RpDirectory) directory = g_new0 (RpDirectory, 1);

  g_atomic_ref_count_init (&directory->refs);
  directory->accounts = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, free_account);
  directory->tokens = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, free_token);
  directory->federated = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, free_federated);
  directory->groups = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, free_group);
  if (!read_accounts (directory, txn, error) || !read_tokens (directory, txn, error)
      || !read_federated (directory, txn, error) || !read_groups (directory, txn, error))
    return NULL;
  return g_steal_pointer (&directory);
}

RpDirectory *
rp_directory_ref (RpDirectory *directory)
{
  g_atomic_ref_count_inc (&directory->refs);
  return directory;
}

void
rp_directory_unref (RpDirectory *directory)
{
  if (directory == NULL || !g_atomic_ref_count_dec (&directory->refs))
    return;
  g_hash_table_unref (directory->accounts);
  g_hash_table_unref (directory->tokens);
  g_hash_table_unref (directory->federated);
  g_hash_table_unref (directory->groups);
  g_free (directory);
}

const RpAccount *
rp_directory_account (const RpDirectory *directory, const char *name)
{
  return name != NULL ? g_hash_table_lookup (directory->accounts, name) : NULL;
}

guint
rp_directory_administrators (const RpDirectory *directory)
{
  GHashTableIter iter;
  gpointer value;
  guint count = 0;

  g_hash_table_iter_init (&iter, directory->accounts);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    count += rp_scopes_allow (((const RpAccount *) value)->scopes, RP_ACTION_ADMINISTER, NULL);
  return count;
}
