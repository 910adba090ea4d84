#include <string.h>

#include "cli/humane.h"
#include "cli/offline.h"
#include "cli/table.h"
#include "cli/verbs.h"

static struct {
  char *data;
  char *head;
  char *kind;
  gint64 after;
  gint64 limit;
} options = { .limit = 50 };

static const GOptionEntry verify_options[] = {
  { "data", 0, 0, G_OPTION_ARG_FILENAME, &options.data,
    "Read this data directory instead of asking a server", "DIR" },
  { "head", 0, 0, G_OPTION_ARG_FILENAME, &options.head,
    "A head that was kept elsewhere: that event must still have that hash", "SEQ:HASH" },
  G_OPTION_ENTRY_NULL
};

static const GOptionEntry rebuild_options[] = {
  { "data", 0, 0, G_OPTION_ARG_FILENAME, &options.data,
    "Work on this data directory, which no server may have open", "DIR" },
  G_OPTION_ENTRY_NULL
};

static const GOptionEntry log_options[] = {
  { "after", 0, 0, G_OPTION_ARG_INT64, &options.after, "Only events after number SEQ", "SEQ" },
  { "limit", 0, 0, G_OPTION_ARG_INT64, &options.limit, "At most N events (default 50)", "N" },
  { "kind", 0, 0, G_OPTION_ARG_FILENAME, &options.kind, "Only kinds that begin with KIND", "KIND" },
  G_OPTION_ENTRY_NULL
};

typedef struct {
  gint64 seq;
  char hash[65]; /* "" if none was given */
} Head;

static gboolean
parse_head (const char *text, Head *out, GError **error)
{
  *out = (Head){ 0 };
  if (text == NULL)
    return TRUE;
  char *end;
  gint64 seq = g_ascii_strtoll (text, &end, 10);
  if (seq > 0 && g_ascii_isdigit (*text) && *end == ':' && strlen (end + 1) == 64
      && strspn (end + 1, "0123456789abcdef") == 64)
    {
      out->seq = seq;
      g_strlcpy (out->hash, end + 1, sizeof out->hash);
      return TRUE;
    }
  g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
               "--head `%s`: expected SEQ:HASH as `repoint ledger verify` prints it", text);
  return FALSE;
}

/* The document that the API would answer with. */
static json_t *
report_to_json (const RpLedgerReport *report)
{
  return json_pack ("{s:b, s:I, s:{s:I, s:s}}", "ok", 1, "events", (json_int_t) report->events,
                    "head", "seq", (json_int_t) report->head_seq, "hash", report->head_hash);
}

static json_t *
verify_offline (const Head *head, GError **error)
{
  g_auto (RpOffline) offline = { 0 };
  RpLedgerReport report;
  if (!rp_offline_open (&offline, options.data, RP_OFFLINE_READ, error)
      || !rp_ledger_verify (offline.ledger, head->seq, *head->hash != '\0' ? head->hash : NULL,
                            &report, error))
    return NULL;
  return report_to_json (&report);
}

static json_t *
verify_online (RpCli *cli, const Head *head, GError **error)
{
  RpApi *api = rp_cli_api (cli, error);
  if (api == NULL)
    return NULL;
  g_autoptr (json_t) body = json_object ();
  if (head->seq > 0)
    {
      json_object_set_new (body, "seq", json_integer (head->seq));
      json_object_set_new (body, "hash", json_string (head->hash));
    }
  g_autofree char *path = rp_api_path ("ledger", "verify", NULL);
  return rp_api_post (api, path, body, error);
}

static void
print_report (RpCli *cli, const char *what, const json_t *report)
{
  const json_t *head = json_object_get (report, "head");
  if (cli->json)
    {
      rp_cli_print_json (cli, report);
      return;
    }
  rp_cli_note (cli, "%s %" G_GINT64_FORMAT " events", what, rp_json_int (report, "events"));
  if (rp_json_int (head, "seq") > 0)
    rp_cli_note (cli, "head %" G_GINT64_FORMAT ":%s", rp_json_int (head, "seq"),
                 rp_json_str (head, "hash"));
}

static gboolean
verify_run (RpCli *cli, char **args, GError **error)
{
  (void) args;
  Head head;
  if (!parse_head (options.head, &head, error))
    return FALSE;
  g_autoptr (json_t) report
      = options.data != NULL ? verify_offline (&head, error) : verify_online (cli, &head, error);
  if (report == NULL)
    return FALSE;
  print_report (cli, "verified", report);
  if (!cli->json && rp_json_int (json_object_get (report, "head"), "seq") > 0)
    rp_cli_note (cli, "keep the head elsewhere and give it back with --head: then nobody can cut "
                      "off or rewrite what is proved today");
  return TRUE;
}

static json_t *
rebuild_offline (GError **error)
{
  g_auto (RpOffline) offline = { 0 };
  RpLedgerReport report;
  if (!rp_offline_open (&offline, options.data, RP_OFFLINE_WRITE, error)
      || !rp_ledger_rebuild (offline.ledger, &report, error))
    return NULL;
  return report_to_json (&report);
}

static json_t *
rebuild_online (RpCli *cli, GError **error)
{
  RpApi *api = rp_cli_api (cli, error);
  if (api == NULL)
    return NULL;
  g_autoptr (json_t) body = json_object ();
  g_autofree char *path = rp_api_path ("ledger", "rebuild", NULL);
  return rp_api_post (api, path, body, error);
}

static gboolean
rebuild_run (RpCli *cli, char **args, GError **error)
{
  (void) args;
  g_autoptr (json_t) report
      = options.data != NULL ? rebuild_offline (error) : rebuild_online (cli, error);
  if (report == NULL)
    return FALSE;
  print_report (cli, "rebuilt from", report);
  return TRUE;
}

static void
print_log (RpCli *cli, const json_t *events)
{
  g_autoptr (RpTable) table = rp_table_new (">SEQ|AT|KIND|ACTOR|~BODY");
  gsize i;
  json_t *event;
  json_array_foreach (events, i, event)
  {
    rp_table_add_int (table, rp_json_int (event, "seq"));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (event, "at"));
    rp_table_add (table, RP_STYLE_BOLD, rp_json_str (event, "kind"));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (event, "actor"));
    rp_table_take (table, RP_STYLE_PLAIN, rp_json_print (json_object_get (event, "body")));
  }
  if (i > 0)
    rp_table_print (table, &cli->out, 0);
}

static gboolean
log_run (RpCli *cli, char **args, GError **error)
{
  (void) args;
  if (options.after < 0 || options.limit < 1)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE,
                           "--after and --limit: expected a positive number");
      return FALSE;
    }
  RpApi *api = rp_cli_api (cli, error);
  if (api == NULL)
    return FALSE;
  g_autofree char *path = rp_api_path ("ledger", NULL);
  rp_api_query_int (&path, "after", options.after);
  rp_api_query_int (&path, "limit", options.limit);
  if (options.kind != NULL)
    rp_api_query (&path, "kind", options.kind);
  g_autoptr (json_t) answer = rp_api_get (api, path, 0, error);
  if (answer == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, answer);
  else
    print_log (cli, json_object_get (answer, "events"));
  return TRUE;
}

const RpVerb rp_ledger_verbs[] = {
  { "verify", "Prove that history is complete and the tables follow from it", "", verify_options,
    verify_run, NULL },
  { "rebuild", "Recreate the tables from history", "", rebuild_options, rebuild_run, NULL },
  { "log", "List what happened, oldest first", "", log_options, log_run, NULL },
  { NULL }
};
