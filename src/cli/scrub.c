/* `repoint scrub`: how far reading all bytes again is, and reading some of them now. */
#include "cli/humane.h"
#include "cli/table.h"
#include "cli/verbs.h"

static char *now;

const GOptionEntry rp_scrub_options[] = {
  { "now", 0, 0, G_OPTION_ARG_STRING, &now,
    "Read and hash at once all that a digest, a repository or the window of an environment needs",
    "DIGEST|REPO|APP/ENV" },
  G_OPTION_ENTRY_NULL
};

/* ---- now ---- */

static void
add_digests (RpTable *table, const json_t *digests, const char *what)
{
  gsize i;
  json_t *digest;
  json_array_foreach (digests, i, digest)
  {
    rp_table_add (table, RP_STYLE_PLAIN, json_string_value (digest));
    rp_table_add (table, RP_STYLE_PLAIN, what);
  }
}

static gboolean
check_whole (const json_t *answer, GError **error)
{
  gsize damaged = json_array_size (json_object_get (answer, "damaged"));
  gsize healed = json_array_size (json_object_get (answer, "healed"));
  gint64 failed = rp_json_int (answer, "failed");

  if (damaged == healed && failed == 0)
    return TRUE;
  if (damaged > healed)
    g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
                 "%" G_GSIZE_FORMAT " of what it needs is damaged and is not served any more: push it again "
                 "from a machine that has it; `repoint trace DIGEST` says where it lies",
                 damaged - healed);
  else
    g_set_error (error, RP_ERROR, RP_ERROR_FAILED,
                 "%" G_GINT64_FORMAT " of what it needs could not be read: the log of the server says why",
                 failed);
  return FALSE;
}

static gboolean
scrub_now (RpCli *cli, GError **error)
{
  g_autofree char *path = rp_api_path ("scrub", NULL);
  g_autoptr (json_t) body = json_object ();

  json_object_set_new (body, "what", json_string (now));
  g_autoptr (json_t) answer = rp_api_post (cli->api, path, body, error);
  if (answer == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, answer);
  else
    {
      g_autoptr (RpTable) table = rp_table_new ("DIGEST|WHAT");
      g_autofree char *size = rp_humane_size (rp_json_int (answer, "bytes"));
      add_digests (table, json_object_get (answer, "damaged"), "was damaged");
      add_digests (table, json_object_get (answer, "healed"), "is whole again");
      if (json_array_size (json_object_get (answer, "damaged")) > 0)
        rp_table_print (table, &cli->out, 0);
      rp_cli_note (cli, "read %" G_GINT64_FORMAT " blobs, %s", rp_json_int (answer, "blobs"), size);
    }
  return check_whole (answer, error);
}

/* ---- how far it is ---- */

static void
print_damaged (RpCli *cli, const json_t *list)
{
  g_autoptr (RpTable) table = rp_table_new ("DAMAGED|FOUND|WHEN");
  gsize i;
  json_t *one;

  if (json_array_size (list) == 0)
    return;
  json_array_foreach (list, i, one)
  {
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (one, "digest"));
    rp_table_take (table, RP_STYLE_PLAIN, rp_humane_text (rp_json_str (one, "found")));
    rp_table_take (table, RP_STYLE_PLAIN, rp_humane_ago (rp_json_str (one, "at")));
  }
  rp_table_print (table, &cli->out, 0);
}

static gboolean
show_status (RpCli *cli, GError **error)
{
  g_autofree char *path = rp_api_path ("scrub", NULL);
  g_autoptr (json_t) answer = rp_api_get (cli->api, path, 0, error);

  if (answer == NULL)
    return FALSE;
  if (cli->json)
    {
      rp_cli_print_json (cli, answer);
      return TRUE;
    }
  g_autofree char *every = rp_humane_duration (rp_json_int (answer, "every_s") * 1000);
  g_autofree char *oldest = rp_humane_verified (rp_json_str (answer, "oldest_verified_at"));
  print_damaged (cli, json_object_get (answer, "damaged"));
  rp_cli_note (cli,
               "%" G_GINT64_FORMAT " blobs, each read again every %s; %" G_GINT64_FORMAT
               " are due; the one longest ago: %s; %" G_GINT64_FORMAT " damaged",
               rp_json_int (answer, "blobs"), every, rp_json_int (answer, "due"), oldest,
               rp_json_int (answer, "damaged_total"));
  return TRUE;
}

gboolean
rp_scrub_run (RpCli *cli, char **args, GError **error)
{
  (void) args;
  if (rp_cli_api (cli, error) == NULL)
    return FALSE;
  return now != NULL ? scrub_now (cli, error) : show_status (cli, error);
}
