#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "ledger/audit.h"
#include "server/api.h"

gboolean
rp_api_ledger (RpRequest *request, GError **error)
{
  gint64 limit;
  gint64 after;
  if (!rp_request_query_int (request, "after", 0, &after, error)
      || !rp_request_query_int (request, "limit", RP_API_LIST_DEFAULT, &limit, error))
    return FALSE;
  if (limit < 1 || limit > RP_API_LIST_MAX || after < 0)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "?limit= is 1 to %d and ?after= the sequence of an event, 0 for all",
                   RP_API_LIST_MAX);
      return FALSE;
    }
  json_t *list = rp_ledger_list (rp_request_services (request)->ledger, after, limit,
                                 rp_request_query (request, "kind"), error);
  if (list == NULL)
    return FALSE;
  rp_respond_json (request, 200, list);
  return TRUE;
}

static void
respond_report (RpRequest *request, const RpLedgerReport *report)
{
  json_t *head = json_object ();
  json_object_set_new (head, "seq", json_integer (report->head_seq));
  json_object_set_new (head, "hash", json_string (report->head_hash));
  json_t *json = json_object ();
  json_object_set_new (json, "ok", json_true ());
  json_object_set_new (json, "events", json_integer (report->events));
  json_object_set_new (json, "published", report->published >= 0 ? json_integer (report->published) : json_null ());
  json_object_set_new (json, "head", head);
  rp_respond_json (request, 200, json);
}

/* An empty body asks for nothing in particular. */
static gboolean
read_check (RpRequest *request, json_t **out_body, RpLedgerCheck *out, GError **error)
{
  static const char *const keys[] = { "seq", "hash", "tables", NULL };

  if (g_bytes_get_size (rp_request_body (request)) == 0)
    return TRUE;
  *out_body = rp_request_fields (request, keys, error);
  if (*out_body == NULL || !rp_json_opt_int (*out_body, "seq", "ledger head", &out->expected_seq, error)
      || !rp_json_opt_string (*out_body, "hash", "ledger head", &out->expected_hash, error)
      || !rp_json_opt_bool (*out_body, "tables", "ledger head", &out->tables, error))
    return FALSE;
  if ((out->expected_seq > 0) == (out->expected_hash != NULL))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               "ledger head: a kept head is its \"seq\" and its \"hash\" together");
  return FALSE;
}

/* What was published, to compare with; NULL without an error if nothing was. */
static gboolean
open_audit (RpRequest *request, RpAudit **out, GError **error)
{
  RpTlog *tlog = rp_request_services (request)->tlog;
  g_autofree char *text = tlog != NULL ? rp_tlog_public_key (tlog) : NULL;
  g_autoptr (RpNoteKey) key = text != NULL ? rp_note_key_parse (text, error) : NULL;
  g_autoptr (GError) inner = NULL;
  if (tlog == NULL)
    return TRUE;
  if (key == NULL)
    return FALSE;
  *out = rp_audit_new (rp_tlog_folder (tlog), key, &inner);
  if (*out != NULL || g_error_matches (inner, RP_ERROR, RP_ERROR_NOT_FOUND))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&inner));
  return FALSE;
}

gboolean
rp_api_ledger_verify (RpRequest *request, GError **error)
{
  g_autoptr (json_t) body = NULL;
  g_autoptr (RpAudit) audit = NULL;
  RpLedgerCheck check = { .tables = TRUE };
  RpLedgerReport report = { 0 };
  if (!read_check (request, &body, &check, error) || !open_audit (request, &audit, error))
    return FALSE;
  check.audit = audit;
  if (!rp_ledger_check (rp_request_services (request)->ledger, &check, &report, error))
    return FALSE;
  respond_report (request, &report);
  return TRUE;
}

/* ---- changing what is proved ---- */

gboolean
rp_api_ledger_redact (RpRequest *request, GError **error)
{
  static const char *const keys[] = { "because", NULL };
  g_autoptr (json_t) body = rp_request_fields (request, keys, error);
  const char *text = rp_request_param (request, "seq");
  const char *because;
  gint64 seq = 0;
  if (body == NULL || !rp_api_because (body, "redaction", &because, error))
    return FALSE;
  if (!g_ascii_string_to_signed (text, 10, 1, G_MAXINT64, &seq, NULL))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "`%s` is no number of an event: they count from 1", text);
      return FALSE;
    }
  json_t *told = rp_ledger_redact (rp_request_services (request)->ledger, seq, rp_request_actor (request),
                                   because, error);
  if (told == NULL)
    return FALSE;
  rp_respond_json (request, 200, told);
  return TRUE;
}

static RpTlog *
need_log (RpRequest *request, GError **error)
{
  RpTlog *tlog = rp_request_services (request)->tlog;
  if (tlog == NULL)
    g_set_error_literal (error, RP_ERROR, RP_ERROR_NOT_FOUND,
                         "the ledger is not published: the server's log says why");
  return tlog;
}

gboolean
rp_api_ledger_rotate (RpRequest *request, GError **error)
{
  static const char *const keys[] = { "because", NULL };
  g_autoptr (json_t) body = rp_request_fields (request, keys, error);
  RpTlog *tlog = body != NULL ? need_log (request, error) : NULL;
  const char *because;
  if (tlog == NULL || !rp_api_because (body, "rotation", &because, error))
    return FALSE;
  g_autofree char *key = rp_tlog_rotate (tlog, rp_request_actor (request), because, error);
  if (key == NULL)
    return FALSE;
  rp_respond_json (request, 200, json_pack ("{s:s}", "key", key));
  return TRUE;
}

gboolean
rp_api_ledger_cosign (RpRequest *request, GError **error)
{
  static const char *const keys[] = { "witness", "checkpoint", NULL };
  g_autoptr (json_t) body = rp_request_fields (request, keys, error);
  RpTlog *tlog = body != NULL ? need_log (request, error) : NULL;
  const char *witness, *checkpoint;
  if (tlog == NULL || !rp_json_need_string (body, "witness", "cosignature", &witness, error)
      || !rp_json_need_string (body, "checkpoint", "cosignature", &checkpoint, error)
      || !rp_tlog_cosign (tlog, checkpoint, strlen (checkpoint), witness, error))
    return FALSE;
  rp_respond_json (request, 200, json_pack ("{s:s}", "witness", witness));
  return TRUE;
}

gboolean
rp_api_ledger_rebuild (RpRequest *request, GError **error)
{
  RpLedgerReport report = { 0 };
  if (!rp_ledger_rebuild (rp_request_services (request)->ledger, &report, error))
    return FALSE;
  respond_report (request, &report);
  return TRUE;
}
