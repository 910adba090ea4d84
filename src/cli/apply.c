#include <unistd.h>

#include "base/file.h"
#include "cli/verbs.h"

enum { LIMIT_BYTES = 1024 * 1024, CHUNK_BYTES = 64 * 1024 };

static char *file;

const GOptionEntry rp_apply_options[] = {
  { "file", 'f', 0, G_OPTION_ARG_FILENAME, &file, "Declaration to apply; `-`: standard input",
    "FILE" },
  G_OPTION_ENTRY_NULL
};

static GBytes *
read_stdin (GError **error)
{
  g_autoptr (GByteArray) all = g_byte_array_new ();
  g_autofree guint8 *chunk = g_malloc (CHUNK_BYTES);
  for (;;)
    {
      gssize n = read (STDIN_FILENO, chunk, CHUNK_BYTES);
      if (n == 0)
        return g_byte_array_free_to_bytes (g_steal_pointer (&all));
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        {
          rp_error_set_errno (error, errno, "standard input");
          return NULL;
        }
      g_byte_array_append (all, chunk, (guint) n);
      if (all->len > LIMIT_BYTES)
        {
          g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE,
                       "standard input: more than %d bytes is no declaration", LIMIT_BYTES);
          return NULL;
        }
    }
}

static void
print_changes (RpCli *cli, const json_t *answer)
{
  const char *app = rp_json_str (answer, "app");
  gsize i;
  json_t *change;
  json_array_foreach (json_object_get (answer, "changes"), i, change)
      rp_cli_note (cli, "%s: %s", app, json_string_value (change));
  if (i == 0)
    rp_cli_note (cli, "%s: nothing to change", app);
}

gboolean
rp_apply_run (RpCli *cli, char **args, GError **error)
{
  (void) args;
  RpApi *api = rp_cli_api (cli, error);
  if (api == NULL)
    return FALSE;
  if (file == NULL)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE, "missing option `-f FILE`");
      return FALSE;
    }
  gboolean from_stdin = g_str_equal (file, "-");
  g_autoptr (GBytes) yaml
      = from_stdin ? read_stdin (error) : rp_file_read (file, LIMIT_BYTES, error);
  if (yaml == NULL)
    return FALSE;
  g_autofree char *name = from_stdin ? g_strdup ("stdin") : g_filename_display_basename (file);
  g_autofree char *path = rp_api_path ("apply", NULL);
  rp_api_query (&path, "file", name);
  g_autoptr (json_t) answer
      = rp_api_post_bytes (api, path, "application/yaml", yaml, NULL, error);
  if (answer == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, answer);
  else
    print_changes (cli, answer);
  return TRUE;
}
