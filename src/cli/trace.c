#include "cli/humane.h"
#include "cli/table.h"
#include "cli/verbs.h"

const GOptionEntry rp_trace_options[] = { G_OPTION_ENTRY_NULL };

/* Prints the table under `title`, or that there is nothing. */
static void
finish (RpCli *cli, const char *title, RpTable *table, gsize n_rows)
{
  fputc ('\n', cli->out.stream);
  rp_term_text (&cli->out, RP_STYLE_BOLD, title);
  fputs (n_rows > 0 ? "\n" : ": none\n", cli->out.stream);
  if (n_rows > 0)
    rp_table_print (table, &cli->out, 2);
}

static void
print_where (RpCli *cli, const json_t *where)
{
  g_autoptr (RpTable) table = rp_table_new ("REPOSITORY|~MEDIA TYPE|>SIZE|~TAGS|SINCE");
  gsize i;
  json_t *place;
  json_array_foreach (where, i, place)
  {
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (place, "repository"));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (place, "media_type"));
    rp_table_take (table, RP_STYLE_PLAIN, rp_humane_size (rp_json_int (place, "size")));
    rp_table_take (table, RP_STYLE_PLAIN, rp_humane_list (json_object_get (place, "tags")));
    rp_table_take (table, RP_STYLE_PLAIN, rp_humane_ago (rp_json_str (place, "at")));
  }
  finish (cli, "where it lies", table, i);
}

static void
print_releases (RpCli *cli, const json_t *releases)
{
  g_autoptr (RpTable) table = rp_table_new ("APP|>NUMBER|~VERSION|COMMIT|~BUILD|RECORDED|~ACTOR");
  gsize i;
  json_t *release;
  json_array_foreach (releases, i, release)
  {
    const json_t *source = json_object_get (release, "source");
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (release, "app"));
    rp_table_add_int (table, rp_json_int (release, "number"));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (release, "version"));
    rp_table_take (table, RP_STYLE_PLAIN, rp_humane_commit (rp_json_str (source, "commit")));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (source, "build"));
    rp_table_take (table, RP_STYLE_PLAIN, rp_humane_ago (rp_json_str (release, "at")));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (release, "actor"));
  }
  finish (cli, "releases that contain it", table, i);
}

static void
print_revisions (RpCli *cli, const char *title, const json_t *revisions)
{
  g_autoptr (RpTable) table
      = rp_table_new ("APP|ENVIRONMENT|>REVISION|~RELEASE|OUTCOME|WHEN|RAN FOR|~CAUSE");
  gsize i;
  json_t *revision;
  json_array_foreach (revisions, i, revision)
  {
    const char *outcome = rp_json_str (revision, "outcome");
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (revision, "app"));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (revision, "environment"));
    rp_table_add_int (table, rp_json_int (revision, "number"));
    rp_table_add (table, RP_STYLE_PLAIN,
                  rp_json_str (json_object_get (revision, "release"), "version"));
    rp_table_add (table, rp_humane_outcome_style (outcome), outcome);
    rp_table_take (table, RP_STYLE_PLAIN, rp_humane_ago (rp_json_str (revision, "at")));
    rp_table_take (table, RP_STYLE_PLAIN,
                   rp_humane_duration (rp_json_int (revision, "ran_for_ms")));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (revision, "cause"));
  }
  finish (cli, title, table, i);
}

static void
print_targets (RpCli *cli, const char *title, const json_t *targets)
{
  g_autoptr (RpTable) table = rp_table_new ("APP|ENVIRONMENT|TARGET|REPORTED");
  gsize i;
  json_t *target;
  json_array_foreach (targets, i, target)
  {
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (target, "app"));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (target, "environment"));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (target, "target"));
    rp_table_take (table, RP_STYLE_PLAIN, rp_humane_ago (rp_json_str (target, "at")));
  }
  finish (cli, title, table, i);
}

static void
print_title (RpCli *cli, const json_t *trace)
{
  g_autofree char *verified = rp_humane_verified (rp_json_str (trace, "verified_at"));
  g_autofree char *title = g_strdup_printf ("%s, a %s, %s", rp_json_str (trace, "digest"),
                                            rp_json_str (trace, "kind"), verified);
  rp_term_text (&cli->out, RP_STYLE_PLAIN, title);
  fputc ('\n', cli->out.stream);
}

/* All that ever had to do with it. */
static void
print_trace (RpCli *cli, const json_t *trace)
{
  print_title (cli, trace);
  print_where (cli, json_object_get (trace, "where"));
  print_releases (cli, json_object_get (trace, "releases"));
  print_revisions (cli, "revisions that ran it", json_object_get (trace, "revisions"));
  print_targets (cli, "targets that run it", json_object_get (trace, "targets"));
}

/* Where it is now, what runs first. */
static void
print_places (RpCli *cli, const json_t *trace)
{
  print_title (cli, trace);
  print_targets (cli, "targets that run it", json_object_get (trace, "targets"));
  print_revisions (cli, "environments that are pointed at it", json_object_get (trace, "current"));
  print_targets (cli, "targets whose hosts have its bytes", json_object_get (trace, "local"));
  print_where (cli, json_object_get (trace, "where"));
}

static gboolean
show (RpCli *cli, const char *digest, void (*print) (RpCli *cli, const json_t *trace), GError **error)
{
  if (*digest == '\0')
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE,
                           "the digest is empty: give at least 4 hex digits of it");
      return FALSE;
    }
  g_autofree char *path = rp_api_path ("trace", digest, NULL);
  return rp_cli_show (cli, path, print, error);
}

gboolean
rp_trace_run (RpCli *cli, char **args, GError **error)
{
  return show (cli, args[0], print_trace, error);
}

gboolean
rp_where_run (RpCli *cli, char **args, GError **error)
{
  return show (cli, args[0], print_places, error);
}
