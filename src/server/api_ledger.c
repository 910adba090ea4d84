#include "base/error.h"
#include "base/json.h"
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
  json_object_set_new (json, "head", head);
  rp_respond_json (request, 200, json);
}

/* An empty body asks for nothing in particular. */
static gboolean
read_expected (RpRequest *request, json_t **out_body, gint64 *out_seq, const char **out_hash,
               GError **error)
{
  if (g_bytes_get_size (rp_request_body (request)) == 0)
    return TRUE;
  *out_body = rp_request_json (request, error);
  if (*out_body == NULL || !rp_json_opt_int (*out_body, "seq", "ledger head", out_seq, error)
      || !rp_json_opt_string (*out_body, "hash", "ledger head", out_hash, error))
    return FALSE;
  if ((*out_seq > 0) == (*out_hash != NULL))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               "ledger head: a kept head is its \"seq\" and its \"hash\" together");
  return FALSE;
}

gboolean
rp_api_ledger_verify (RpRequest *request, GError **error)
{
  g_autoptr (json_t) body = NULL;
  RpLedgerReport report = { 0 };
  gint64 seq = 0;
  const char *hash = NULL;
  if (!read_expected (request, &body, &seq, &hash, error)
      || !rp_ledger_verify (rp_request_services (request)->ledger, seq, hash, &report, error))
    return FALSE;
  respond_report (request, &report);
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
