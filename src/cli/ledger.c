#include <string.h>

#include "base/file.h"
#include "cli/humane.h"
#include "cli/ledger_source.h"
#include "cli/ledger_verbs.h"
#include "cli/offline.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "ledger/proof.h"

static struct {
  char *data;
  char *head;
  char *from;
  char *against;
  char *key;
  char *proof;
  gboolean tables;
  char *kind;
  gint64 after;
  gint64 limit;
} options = { .limit = 50 };

static const GOptionEntry verify_options[] = {
  { "data", 0, 0, G_OPTION_ARG_FILENAME, &options.data,
    "Read this data directory instead of asking a server", "DIR" },
  { "head", 0, 0, G_OPTION_ARG_FILENAME, &options.head,
    "A head that was kept elsewhere: that event must still have that hash", "SEQ:HASH" },
  { "from", 0, 0, G_OPTION_ARG_FILENAME, &options.from, "Verify this exported folder, and ask no server", "DIR" },
  { "proof", 0, 0, G_OPTION_ARG_FILENAME, &options.proof,
    "Verify the proof in this file, and ask no server", "FILE" },
  { "key", 0, 0, G_OPTION_ARG_FILENAME, &options.key,
    "The public key that must have signed, or a file that has it", "KEY" },
  { "against", 0, 0, G_OPTION_ARG_FILENAME, &options.against,
    "With --data: compare with this folder, which was exported earlier", "DIR" },
  { "tables", 0, 0, G_OPTION_ARG_NONE, &options.tables,
    "Replay all events too, and compare every table row by row", NULL },
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
  json_t *json = json_pack ("{s:b, s:I, s:{s:I, s:s}}", "ok", 1, "events", (json_int_t) report->events, "head",
                            "seq", (json_int_t) report->head_seq, "hash", report->head_hash);
  json_object_set_new (json, "published", report->published >= 0 ? json_integer (report->published) : json_null ());
  return json;
}

/* The log beside the database, by the key beside it; or an older export, by the key that is given. */
static gboolean
open_audit (RpAudit **out, GError **error)
{
  g_autofree char *published = g_build_filename (options.data, "tlog", NULL);
  g_autofree char *kept = g_build_filename (options.data, "keys", "ledger.pub", NULL);
  const char *text = options.key != NULL ? options.key : options.against == NULL ? kept : NULL;
  g_autoptr (RpNoteKey) key = NULL;
  g_autoptr (GError) inner = NULL;
  if (text != NULL && (text != kept || g_file_test (kept, G_FILE_TEST_EXISTS))
      && (key = rp_ledger_key_read (text, error)) == NULL)
    return FALSE;
  *out = rp_audit_new (options.against != NULL ? options.against : published, key, &inner);
  if (*out != NULL || (options.against == NULL && g_error_matches (inner, RP_ERROR, RP_ERROR_NOT_FOUND)))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&inner));
  return FALSE;
}

static json_t *
verify_offline (const Head *head, GError **error)
{
  g_auto (RpOffline) offline = { 0 };
  g_autoptr (RpAudit) audit = NULL;
  RpLedgerReport report;
  if (!rp_offline_open (&offline, options.data, RP_OFFLINE_READ, error) || !open_audit (&audit, error))
    return NULL;
  const RpLedgerCheck check
      = { head->seq, *head->hash != '\0' ? head->hash : NULL, audit, options.tables };
  return rp_ledger_check (offline.ledger, &check, &report, error) ? report_to_json (&report) : NULL;
}

static RpNoteKey *
need_key (GError **error)
{
  if (options.key != NULL)
    return rp_ledger_key_read (options.key, error);
  g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE,
                       "--key: say whose signature you trust; `repoint ledger key` printed it");
  return NULL;
}

static json_t *
verify_exported (const Head *head, GError **error)
{
  g_autoptr (RpNoteKey) key = need_key (error);
  RpLedgerReport report;
  if (key == NULL
      || !rp_exported_check (options.from, key, head->seq, *head->hash != '\0' ? head->hash : NULL, &report, error))
    return NULL;
  return report_to_json (&report);
}

static gboolean
verify_proof (RpCli *cli, GError **error)
{
  g_autoptr (RpNoteKey) key = need_key (error);
  g_autoptr (GBytes) bytes = key != NULL ? rp_file_read (options.proof, 1 << 24, error) : NULL;
  g_auto (RpProof) proof = { 0 };
  if (bytes == NULL || !rp_proof_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &proof, error)
      || !rp_proof_check (&proof, key, error))
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, proof.event);
  else
    rp_cli_note (cli, "event %" G_GINT64_FORMAT " is in the ledger %s of %" G_GINT64_FORMAT " events", proof.index + 1,
                 proof.checkpoint.origin, proof.checkpoint.size);
  return TRUE;
}

static json_t *
verify_online (RpCli *cli, const Head *head, GError **error)
{
  RpApi *api = rp_cli_api (cli, error);
  if (api == NULL)
    return NULL;
  g_autoptr (json_t) body = json_pack ("{s:b}", "tables", options.tables);
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

/* What is not signed yet, nobody could tell from what an intruder added at the end. */
static void
print_published (RpCli *cli, const json_t *report)
{
  gint64 events = rp_json_int (report, "events"), published = rp_json_int (report, "published");
  if (!json_is_integer (json_object_get (report, "published")))
    rp_cli_note (cli, "nothing was published so far: only the chain was checked");
  else if (published < events)
    rp_cli_note (cli, "the last %" G_GINT64_FORMAT " of them are not published and signed yet", events - published);
}

static gboolean
verify_run (RpCli *cli, char **args, GError **error)
{
  (void) args;
  Head head;
  if (!parse_head (options.head, &head, error))
    return FALSE;
  if (options.proof != NULL)
    return verify_proof (cli, error);
  g_autoptr (json_t) report = options.from != NULL   ? verify_exported (&head, error)
                              : options.data != NULL ? verify_offline (&head, error)
                                                     : verify_online (cli, &head, error);
  if (report == NULL)
    return FALSE;
  print_report (cli, "verified", report);
  if (!cli->json)
    print_published (cli, report);
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
  { "export", "Copy the published ledger and its events into a folder", "DIR", rp_ledger_export_options,
    rp_ledger_export_run, NULL },
  { "prove", "Prove that an event is in the ledger", "SEQ", rp_ledger_prove_options, rp_ledger_prove_run, NULL },
  { "consistency", "Prove that a newer ledger begins with an older one", "OLD NEW", rp_ledger_consistency_options,
    rp_ledger_consistency_run, NULL },
  { "redact", "Take the cause out of an event, and leave its hash", "SEQ", rp_ledger_redact_options,
    rp_ledger_redact_run, NULL },
  { "key", "Print the public key of the ledger", "", NULL, rp_ledger_key_run, NULL },
  { "rotate-key", "Sign with a new key from now on", "", rp_ledger_rotate_options, rp_ledger_rotate_run, NULL },
  { "cosign", "Add a witness's signature to a checkpoint", "FILE", rp_ledger_cosign_options, rp_ledger_cosign_run,
    NULL },
  { "rebuild", "Recreate the tables from history", "", rebuild_options, rebuild_run, NULL },
  { "log", "List what happened, oldest first", "", log_options, log_run, NULL },
  { NULL }
};
