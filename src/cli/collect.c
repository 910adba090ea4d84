/* `repoint retention collect` and `restore`: bytes that nothing needs, and their way back. */
#include "base/size.h"
#include "cli/humane.h"
#include "cli/table.h"
#include "cli/verbs.h"

static gboolean dry_run;
static char *until_free;

const GOptionEntry rp_collect_options[] = {
  { "dry-run", 0, 0, G_OPTION_ARG_NONE, &dry_run, "Say what would go and change nothing", NULL },
  { "until-free", 0, 0, G_OPTION_ARG_STRING, &until_free,
    "Also unlink what could still be restored, oldest first, until so much of the disk is free "
    "(500MB, 20GiB); what anything needs stays",
    "SIZE" },
  G_OPTION_ENTRY_NULL
};

static gboolean
parse_size (const char *text, gint64 *out, GError **error)
{
  if (rp_size_parse (text, out) && *out > 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
               "--until-free %s: expected a number of bytes from 1 on, with kB, MB, GB, TB, KiB, "
               "MiB, GiB or TiB behind it or nothing",
               text);
  return FALSE;
}

static void
add_row (RpTable *table, const json_t *answer, const char *member, const char *text)
{
  const json_t *count = json_object_get (answer, member);

  rp_table_add (table, RP_STYLE_PLAIN, text);
  rp_table_take (table, RP_STYLE_PLAIN,
                 g_strdup_printf ("%" G_GINT64_FORMAT, rp_json_int (count, "blobs")));
  rp_table_take (table, RP_STYLE_PLAIN, rp_humane_size (rp_json_int (count, "bytes")));
}

static void
print_answer (RpCli *cli, const json_t *answer)
{
  g_autoptr (RpTable) table = rp_table_new ("WHAT|BLOBS|BYTES");
  gboolean dry = rp_json_bool (answer, "dry");

  add_row (table, answer, "condemned", dry ? "would be condemned" : "condemned");
  add_row (table, answer, "unlinked", dry ? "would be unlinked" : "unlinked");
  add_row (table, answer, "waiting", "condemned, can be restored");
  add_row (table, answer, "in_use", "loose, used lately");
  add_row (table, answer, "held", "loose, held all the same");
  rp_table_print (table, &cli->out, 0);
}

/* What was asked for and could not be had is no success. */
static gboolean
check_free (const json_t *answer, gint64 wanted, GError **error)
{
  gint64 available = rp_json_int (answer, "free_bytes");
  g_autofree char *has = rp_humane_size (available);

  if (available >= wanted)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_NO_SPACE,
               "all that nothing needs is gone and %s are free, which is less than --until-free %s: "
               "what is left is needed, held or was used lately; give the server more disk, or let "
               "more go",
               has, until_free);
  return FALSE;
}

gboolean
rp_collect_run (RpCli *cli, char **args, GError **error)
{
  g_autoptr (json_t) body = json_object ();
  g_autofree char *path = rp_api_path ("retention", "collect", NULL);
  gint64 wanted = 0;

  (void) args;
  if ((until_free != NULL && !parse_size (until_free, &wanted, error))
      || rp_cli_api (cli, error) == NULL)
    return FALSE;
  if (dry_run)
    json_object_set_new (body, "dry", json_true ());
  if (wanted > 0)
    json_object_set_new (body, "until_free_bytes", json_integer (wanted));
  g_autoptr (json_t) answer = rp_api_post (cli->api, path, body, error);
  if (answer == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, answer);
  else
    print_answer (cli, answer);
  return check_free (answer, wanted, error);
}

static void
note_restored (RpCli *cli, const char *digest, const json_t *answer)
{
  const char *repository = rp_json_str (answer, "repository");
  const json_t *tags = json_object_get (answer, "tags"), *tag;
  g_autoptr (GString) names = g_string_new (NULL);
  size_t i;

  if (repository == NULL)
    {
      rp_cli_note (cli, "restored %s: it is served again, and goes again when nothing comes to need it", digest);
      return;
    }
  json_array_foreach (tags, i, tag)
    g_string_append_printf (names, "%s%s", i > 0 ? ", " : "", json_string_value (tag));
  rp_cli_note (cli, "restored %s to %s with all that it needs: %" G_GSIZE_FORMAT " blobs came back", digest, repository,
               json_array_size (json_object_get (answer, "restored")));
  if (names->len > 0)
    rp_cli_note (cli, "its tags are not set again, as they may name something else by now; they were: %s", names->str);
  rp_cli_note (cli, "whatever let it go may do so again: hold it with `repoint retention hold %s --because …`", digest);
}

gboolean
rp_collect_restore_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *path = rp_api_path ("retention", "condemned", args[0], "restore", NULL);
  g_autoptr (json_t) nothing = json_object ();

  if (rp_cli_api (cli, error) == NULL)
    return FALSE;
  g_autoptr (json_t) answer = rp_api_post (cli->api, path, nothing, error);
  if (answer == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, answer);
  else
    note_restored (cli, args[0], answer);
  return TRUE;
}
