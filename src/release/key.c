#include "release/key.h"

#include "base/error.h"

gboolean
rp_key_find (RpTxn *txn, const char *scope, const char *key, const char *content,
             gint64 *out_number, GError **error)
{
  *out_number = 0;
  if (key == NULL)
    return TRUE;
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT content, number FROM idempotency WHERE scope = $1 AND idem_key = $2",
      "ss", scope, key);
  if (rows == NULL)
    return FALSE;
  if (rp_rows_count (rows) == 0)
    return TRUE;
  if (g_strcmp0 (rp_rows_text (rows, 0, 0), content) != 0)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_CONFLICT,
                   "the Idempotency-Key \"%s\" was used for another request (%s: it made number"
                   " %" G_GINT64_FORMAT "); use a new key for a new request",
                   key, scope, rp_rows_int (rows, 0, 1));
      return FALSE;
    }
  *out_number = rp_rows_int (rows, 0, 1);
  return TRUE;
}

json_t *
rp_key_to_json (const char *scope, const char *key, const char *content)
{
  if (key == NULL)
    return NULL;
  json_t *json = json_object ();
  json_object_set_new (json, "scope", json_string (scope));
  json_object_set_new (json, "key", json_string (key));
  json_object_set_new (json, "content", json_string (content));
  return json;
}
