/* Keeps tags of other registries in step, as a file says. */
#include <signal.h>
#include <string.h>

#include "base/file.h"
#include "base/yaml.h"
#include "cli/keeping.h"
#include "cli/remote.h"
#include "cli/verbs.h"
#include "registry/policy.h"

#define FILE_LIMIT_BYTES    (1024 * 1024)
#define INTERVAL_MS_DEFAULT (15 * 60 * 1000)
#define SLICE_US            (200 * 1000) /* how soon a wait ends when it is told to */

static char *file;
static gboolean once;
static volatile sig_atomic_t stopping;

const GOptionEntry rp_mirror_options[] = {
  { "config", 'c', 0, G_OPTION_ARG_FILENAME, &file, "What to keep in step", "FILE" },
  { "once", 0, 0, G_OPTION_ARG_NONE, &once, "One round, then end; status 1 if anything failed",
    NULL },
  RP_REMOTE_OPTIONS, G_OPTION_ENTRY_NULL
};

/* One round over one source. */
typedef struct {
  RpCli *cli;
  RpRemote from;
  RpRemote to;
  char **patterns; /* or NULL: all */
  guint taken, same, failed;
} Source;

static void
source_clear (Source *source)
{
  rp_remote_clear (&source->from);
  rp_remote_clear (&source->to);
  g_strfreev (source->patterns);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Source, source_clear)

/* Tags of signatures come with what they sign. */
static gboolean
is_wanted (const Source *source, const char *tag)
{
  if (rp_tag_is_signature (tag))
    return FALSE;
  if (source->patterns == NULL)
    return TRUE;
  for (char **pattern = source->patterns; *pattern != NULL; pattern++)
    if (rp_pattern_match (*pattern, tag))
      return TRUE;
  return FALSE;
}

/* *out_free: nothing has that tag here yet. */
static gboolean
is_in_step (const Source *source, const char *tag, const RpDigest *digest, gboolean *out_free)
{
  RpDigest ours;
  *out_free = !rp_oci_client_resolve (source->to.client, source->to.repository, tag, &ours, NULL);
  return !*out_free && rp_digest_equal (&ours, digest);
}

static gboolean
keep (Source *source, const char *tag, const RpDigest *digest, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  g_autoptr (GError) failure = NULL;
  g_autofree char *reference
      = g_strconcat (source->from.registry, "/", source->from.repository, ":", tag, "@",
                     rp_digest_format (digest, text), NULL);
  g_autoptr (json_t) kept
      = rp_keeping_run (source->cli, reference, source->to.repository, tag, &failure);
  if (kept != NULL)
    return TRUE;
  if (!g_error_matches (failure, RP_ERROR, RP_ERROR_TAG_IMMUTABLE)
      && !g_error_matches (failure, RP_ERROR, RP_ERROR_DENIED))
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }
  fprintf (stderr,
           "warning: tag %s moved upstream, and here it is write-once: the new bytes are kept by digest, %s\n",
           tag, text);
  g_autoptr (json_t) untagged
      = rp_keeping_run (source->cli, reference, source->to.repository, NULL, error);
  return untagged != NULL;
}

static gboolean
step (Source *source, const char *tag, GError **error)
{
  RpDigest digest;
  gboolean is_free;
  if (!rp_oci_client_resolve (source->from.client, source->from.repository, tag, &digest, error))
    return FALSE;
  if (is_in_step (source, tag, &digest, &is_free))
    {
      source->same++;
      return TRUE;
    }
  if (!keep (source, tag, &digest, error))
    return FALSE;
  source->taken++;
  return TRUE;
}

static gboolean
open_source (RpCli *cli, const RpYamlNode *node, Source *source, GError **error)
{
  static const char *const keys[] = { "from", "as", "tags", NULL };
  const char *from, *as = NULL;
  g_autoptr (GError) failure = NULL;
  source->cli = cli;
  if (!rp_yaml_expect_map (node, keys, error) || !rp_yaml_need_string (node, "from", &from, error)
      || !rp_yaml_opt_string (node, "as", &as, error)
      || !rp_yaml_opt_strv (node, "tags", &source->patterns, error))
    return FALSE;
  if (!rp_remote_open_repository (cli, from, &source->from, &failure))
    return rp_yaml_error (rp_yaml_get (node, "from"), error, "%s", failure->message);
  if (source->from.is_ours)
    return rp_yaml_error (rp_yaml_get (node, "from"), error,
                          "`%s` is on this server; name what another registry has, with its host",
                          from);
  if (!rp_remote_open_repository (cli, as != NULL ? as : source->from.repository, &source->to,
                                  &failure))
    return rp_yaml_error (as != NULL ? rp_yaml_get (node, "as") : node, error, "%s",
                          failure->message);
  return TRUE;
}

/* FALSE only for a mistake in the file: what fails upstream is told, and the rest goes on. */
static gboolean
run_source (RpCli *cli, const RpYamlNode *node, guint *failed, GError **error)
{
  gsize i;
  json_t *tag;
  g_auto (Source) source = { 0 };
  g_autoptr (GError) failure = NULL;
  if (!open_source (cli, node, &source, error))
    return FALSE;
  g_autofree char *path = g_strconcat ("/v2/", source.from.repository, "/tags/list", NULL);
  g_autoptr (json_t) tags = rp_remote_list (&source.from, path, "tags", &failure);
  if (tags == NULL)
    {
      fprintf (stderr, "warning: %s/%s: %s\n", source.from.registry, source.from.repository,
               failure->message);
      ++*failed;
      return TRUE;
    }
  json_array_foreach (tags, i, tag)
  {
    g_autoptr (GError) problem = NULL;
    const char *name = json_string_value (tag);
    if (stopping || name == NULL || !is_wanted (&source, name) || step (&source, name, &problem))
      continue;
    source.failed++;
    fprintf (stderr, "warning: %s: %s\n", name, problem->message);
  }
  rp_cli_note (cli, "%s/%s: %u taken in, %u in step, %u failed", source.from.registry,
               source.from.repository, source.taken, source.same, source.failed);
  *failed += source.failed;
  return TRUE;
}

static gboolean
run_round (RpCli *cli, const RpYamlNode *root, guint *failed, GError **error)
{
  const RpYamlNode *list = rp_yaml_get (root, "sources");
  if (list == NULL || !rp_yaml_is_list (list) || rp_yaml_count (list) == 0)
    return rp_yaml_error (list != NULL ? list : root, error,
                          "expected `sources`, a list of at least one");
  *failed = 0;
  for (gsize i = 0; i < rp_yaml_count (list) && !stopping; i++)
    if (!run_source (cli, rp_yaml_at (list, i, NULL), failed, error))
      return FALSE;
  return TRUE;
}

static void
on_signal (int number)
{
  (void) number;
  stopping = 1;
}

static void
wait_for_next (gint64 interval_ms)
{
  for (gint64 left_us = interval_ms * 1000; left_us > 0 && !stopping; left_us -= SLICE_US)
    g_usleep (SLICE_US);
}

static RpYaml *
read_file (gint64 *out_interval_ms, GError **error)
{
  static const char *const keys[] = { "interval", "sources", NULL };
  if (file == NULL)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE, "missing option `--config FILE`");
      return NULL;
    }
  g_autoptr (GBytes) bytes = rp_file_read (file, FILE_LIMIT_BYTES, error);
  g_autoptr (RpYaml) yaml = bytes == NULL ? NULL
                                          : rp_yaml_parse (g_bytes_get_data (bytes, NULL),
                                                           g_bytes_get_size (bytes), file, error);
  *out_interval_ms = INTERVAL_MS_DEFAULT;
  if (yaml == NULL || !rp_yaml_expect_map (rp_yaml_root (yaml), keys, error)
      || !rp_yaml_opt_duration_ms (rp_yaml_root (yaml), "interval", out_interval_ms, error))
    return NULL;
  return g_steal_pointer (&yaml);
}

gboolean
rp_mirror_run (RpCli *cli, char **args, GError **error)
{
  gint64 interval_ms;
  guint failed = 0;
  (void) args;
  g_autoptr (RpYaml) yaml = read_file (&interval_ms, error);
  if (yaml == NULL || rp_cli_api (cli, error) == NULL)
    return FALSE;
  signal (SIGTERM, on_signal);
  signal (SIGINT, on_signal);
  do
    {
      if (!run_round (cli, rp_yaml_root (yaml), &failed, error))
        return FALSE;
      fflush (stdout);
      if (!once)
        wait_for_next (interval_ms);
    }
  while (!once && !stopping);
  if (!once || failed == 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_FAILED, "%u could not be brought in step", failed);
  return FALSE;
}
