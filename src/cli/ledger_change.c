#include <string.h>

#include "base/file.h"
#include "cli/ledger_source.h"
#include "cli/ledger_verbs.h"

static struct {
  char *because;
  char *witness;
} options;

const GOptionEntry rp_ledger_redact_options[] = {
  { "reason", 0, 0, G_OPTION_ARG_FILENAME, &options.because, "Why, for the record", "TEXT" },
  { "because", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME, &options.because, "The same", "TEXT" },
  G_OPTION_ENTRY_NULL
};
const GOptionEntry rp_ledger_rotate_options[] = {
  { "because", 0, 0, G_OPTION_ARG_FILENAME, &options.because, "Why, for the record", "TEXT" },
  G_OPTION_ENTRY_NULL
};
const GOptionEntry rp_ledger_cosign_options[] = {
  { "witness", 0, 0, G_OPTION_ARG_FILENAME, &options.witness, "The witness's public key, or a file that has it", "KEY" },
  G_OPTION_ENTRY_NULL
};

static json_t *
post (RpCli *cli, const char *path, const json_t *body, GError **error)
{
  RpApi *api = rp_cli_api (cli, error);
  return api != NULL ? rp_api_post (api, path, body, error) : NULL;
}

/* Asks the server, with the reason, which must be there. */
static json_t *
post_because (RpCli *cli, const char *path, const char *option, GError **error)
{
  if (options.because == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE, "%s: say why, for whoever reads the record later", option);
      return NULL;
    }
  g_autoptr (json_t) body = json_pack ("{s:s}", "because", options.because);
  if (body == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE, "%s: it is not valid UTF-8", option);
      return NULL;
    }
  return post (cli, path, body, error);
}

gboolean
rp_ledger_redact_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *path = rp_api_path ("ledger", "events", args[0], "redact", NULL);
  g_autoptr (json_t) told = post_because (cli, path, "--reason", error);
  if (told == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, told);
  else
    rp_cli_note (cli, "the cause of event %s is gone, and its hash is left; older exports and backups still have it",
                 args[0]);
  return TRUE;
}

gboolean
rp_ledger_key_run (RpCli *cli, char **args, GError **error)
{
  (void) args;
  RpApi *api = rp_cli_api (cli, error);
  g_autoptr (GBytes) bytes = api != NULL ? rp_api_get_bytes (api, "/tlog/key", error) : NULL;
  if (bytes == NULL)
    return FALSE;
  g_autofree char *text = rp_file_text (bytes);
  g_autoptr (RpNoteKey) key = rp_note_key_parse (g_strchomp (text), error);
  if (key == NULL)
    return FALSE;
  if (cli->json)
    {
      g_autoptr (json_t) json = json_pack ("{s:s, s:s}", "origin", key->name, "key", text);
      rp_cli_print_json (cli, json);
    }
  else
    g_print ("%s\n", text);
  return TRUE;
}

gboolean
rp_ledger_rotate_run (RpCli *cli, char **args, GError **error)
{
  (void) args;
  g_autofree char *path = rp_api_path ("ledger", "key", NULL);
  g_autoptr (json_t) told = post_because (cli, path, "--because", error);
  if (told == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, told);
  else
    rp_cli_note (cli, "the ledger signs with %s from now on; who trusts the key before goes on, by the event",
                 rp_json_str (told, "key"));
  return TRUE;
}

gboolean
rp_ledger_cosign_run (RpCli *cli, char **args, GError **error)
{
  if (options.witness == NULL)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE, "--witness: whose signature is it?");
      return FALSE;
    }
  g_autoptr (RpNoteKey) key = rp_ledger_key_read (options.witness, error);
  g_autoptr (GBytes) bytes = key != NULL ? rp_file_read (args[0], RP_NOTE_MAX, error) : NULL;
  if (bytes == NULL)
    return FALSE;
  g_autofree char *witness = rp_note_key_format (key);
  g_autofree char *text = rp_file_text (bytes);
  g_autofree char *path = rp_api_path ("ledger", "cosignatures", NULL);
  g_autoptr (json_t) body = json_pack ("{s:s, s:s}", "witness", witness, "checkpoint", text);
  g_autoptr (json_t) told = post (cli, path, body, error);
  if (told == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, told);
  else
    rp_cli_note (cli, "the signature of %s is kept", key->name);
  return TRUE;
}
