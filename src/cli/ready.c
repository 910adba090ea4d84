#include <string.h>

#include "cli/environments.h"
#include "cli/humane.h"
#include "cli/keeping.h"
#include "cli/plan_view.h"
#include "cli/remote.h"
#include "cli/table.h"
#include "cli/verbs.h"

#define GONE_SHOWN 5

static gboolean verify;
static gboolean upstream;

const GOptionEntry rp_ready_options[] = {
  { "verify", 0, 0, G_OPTION_ARG_NONE, &verify,
    "Hash every byte now instead of saying when it was last hashed", NULL },
  { "upstream", 0, 0, G_OPTION_ARG_NONE, &upstream,
    "Ask the registries that components were copied in from whether they still have them", NULL },
  RP_REMOTE_OPTIONS, G_OPTION_ENTRY_NULL
};

/* Each upstream is asked about a digest once, however many revisions have it. */
static void
ask_upstreams (RpCli *cli, const json_t *ready)
{
  g_autoptr (GHashTable) asked = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  gsize i, k;
  json_t *revision, *origin;
  json_array_foreach (json_object_get (ready, "revisions"), i, revision)
  json_array_foreach (json_object_get (revision, "origins"), k, origin)
  {
    g_autofree char *name = rp_keeping_upstream_name (origin);
    g_autofree char *key = g_strconcat (name, "@", rp_json_str (origin, "digest"), NULL);
    const json_t *known = g_hash_table_lookup (asked, key);
    if (known == NULL)
      {
        (void) rp_keeping_ask (cli, origin);
        g_hash_table_insert (asked, g_steal_pointer (&key), origin);
        continue;
      }
    json_object_set (origin, "upstream_has", json_object_get (known, "upstream_has"));
    json_object_set (origin, "problem", json_object_get (known, "problem"));
  }
}

static json_t *
fetch_ready (RpCli *cli, const char *app, const char *env, GError **error)
{
  g_autofree char *path = rp_api_path ("apps", app, "environments", env, "ready", NULL);
  rp_api_query (&path, "verify", verify ? "hash" : "recorded");
  json_t *ready = rp_api_get (cli->api, path, 0, error);
  if (ready != NULL && upstream)
    ask_upstreams (cli, ready);
  return ready;
}

static const char *
mark (const json_t *revision)
{
  if (rp_json_bool (revision, "current"))
    return "current";
  return rp_json_bool (revision, "undo_target") ? "undo target" : NULL;
}

/* `window, running, hold 3`. */
static char *
holders (const json_t *revision)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  const json_t *held = json_object_get (revision, "held");
  gsize i;
  json_t *reason;
  if (json_is_null (held))
    return g_strdup ("unknown");
  json_array_foreach (held, i, reason)
  {
    gint64 id = rp_json_int (reason, "id");
    char *one = id > 0 ? g_strdup_printf ("hold %" G_GINT64_FORMAT, id)
                       : g_strdup (rp_json_str (reason, "kind"));
    if (g_hash_table_contains (seen, one))
      {
        g_free (one);
        continue;
      }
    g_string_append_printf (text, "%s%s", text->len > 0 ? ", " : "", one);
    g_hash_table_add (seen, one);
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
add_revision (RpTable *table, const json_t *revision)
{
  const json_t *release = json_object_get (revision, "release");
  const json_t *bytes = json_object_get (revision, "bytes");
  gboolean ready = rp_json_bool (revision, "ready");
  const char *verified_at = rp_json_str (bytes, "verified_at");
  rp_table_add_int (table, rp_json_int (revision, "number"));
  rp_table_add (table, RP_STYLE_BOLD, rp_json_str (release, "version"));
  rp_table_add (table, RP_STYLE_PLAIN, mark (revision));
  rp_table_add (table, ready ? RP_STYLE_GOOD : RP_STYLE_BAD, ready ? "yes" : "NO");
  rp_table_take (table, RP_STYLE_PLAIN, rp_humane_size (rp_json_int (bytes, "size_bytes")));
  rp_table_take (table, RP_STYLE_PLAIN,
                 verified_at != NULL ? rp_humane_ago (verified_at) : g_strdup ("never"));
  rp_table_take (table, RP_STYLE_PLAIN, rp_humane_list (json_object_get (revision, "local_on")));
  rp_table_take (table, RP_STYLE_PLAIN, rp_humane_list (json_object_get (revision, "not_local_on")));
  rp_table_take (table, RP_STYLE_PLAIN, holders (revision));
}

/* What is to be said of revisions, each text once with all the revisions that it holds for. */
typedef struct {
  GPtrArray *texts;    /* in order */
  GHashTable *numbers; /* text → GString `4, 1` */
} Remarks;

static void
string_free (gpointer string)
{
  g_string_free (string, TRUE);
}

static void
add_remark (Remarks *remarks, gint64 number, const char *subject, const char *text,
            const char *way_out)
{
  char *remark = g_strdup_printf ("%s: %s%s%s", subject, text, way_out != NULL ? "; way out: " : "",
                                  way_out != NULL ? way_out : "");
  GString *numbers = g_hash_table_lookup (remarks->numbers, remark);
  if (numbers != NULL)
    {
      g_string_append_printf (numbers, ", %" G_GINT64_FORMAT, number);
      g_free (remark);
      return;
    }
  numbers = g_string_new (NULL);
  g_string_append_printf (numbers, "%" G_GINT64_FORMAT, number);
  g_hash_table_insert (remarks->numbers, remark, numbers);
  g_ptr_array_add (remarks->texts, remark);
}

/* That it came from elsewhere, and whether it could be had there again: what is here does not need it. */
static void
collect_origins (Remarks *remarks, const json_t *revision)
{
  gsize i;
  json_t *origin;
  json_array_foreach (json_object_get (revision, "origins"), i, origin)
  {
    const json_t *has = json_object_get (origin, "upstream_has");
    const char *problem = rp_json_str (origin, "problem");
    g_autofree char *name = rp_keeping_upstream_name (origin);
    g_autofree char *text
        = g_strdup_printf ("kept here from %s%s%s%s", name,
                           has == NULL            ? ""
                           : json_is_true (has) ? ", which has it still"
                                                  : ", which does not give it now (",
                           problem != NULL ? problem : "",
                           problem != NULL ? "); going back does not need it" : "");
    add_remark (remarks, rp_json_int (revision, "number"), rp_json_str (origin, "component"), text, NULL);
  }
}

static void
collect_remarks (Remarks *remarks, const json_t *revision)
{
  gint64 number = rp_json_int (revision, "number");
  gsize i;
  json_t *problem, *item;
  json_array_foreach (json_object_get (json_object_get (revision, "bytes"), "problems"), i, problem)
  {
    g_autofree char *other = json_is_string (problem) ? NULL : rp_json_print (problem);
    add_remark (remarks, number, "bytes", other != NULL ? other : json_string_value (problem),
                NULL);
  }
  collect_origins (remarks, revision);
  const json_t *items = json_object_get (revision, "items");
  json_array_foreach (items, i, item)
  {
    const char *state = rp_json_str (item, "state");
    g_autofree char *subjects = rp_plan_gather_subjects (items, i);
    if (subjects == NULL || g_strcmp0 (state, "restored") == 0)
      continue;
    /* What never comes back is the same every day, and of several things each has a way out of its
     * own: `repoint plan` says what to do about them. */
    gboolean everyday = g_strcmp0 (state, "not-restored") == 0
                        || g_strcmp0 (subjects, rp_json_str (item, "subject")) != 0;
    add_remark (remarks, number, subjects, rp_json_str (item, "reason"),
                everyday ? NULL : rp_json_str (item, "way_out"));
  }
}

static void
print_remarks (RpCli *cli, const json_t *revisions)
{
  g_autoptr (GPtrArray) texts = g_ptr_array_new ();
  g_autoptr (GHashTable) numbers
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, string_free);
  Remarks remarks = { texts, numbers };
  gsize i;
  json_t *revision;
  json_array_foreach (revisions, i, revision) collect_remarks (&remarks, revision);
  for (guint t = 0; t < texts->len; t++)
    {
      const GString *list = g_hash_table_lookup (numbers, texts->pdata[t]);
      g_autofree char *remark = rp_humane_text (texts->pdata[t]);
      g_autofree char *line
          = g_strdup_printf ("revision%s %s: %s", strchr (list->str, ',') != NULL ? "s" : "",
                             list->str, remark);
      fputs ("  ", cli->out.stream);
      rp_term_paragraph (&cli->out, 2, line);
    }
}

static void
print_takes (RpCli *cli, const json_t *takes)
{
  if (json_is_object (takes))
    fprintf (cli->out.stream, "; going back takes %.1f s (median of %" G_GINT64_FORMAT " measured)\n",
             (double) rp_json_int (takes, "median_ms") / 1000, rp_json_int (takes, "moves"));
  else
    fputs ("; going back was never measured: it would be the first time\n", cli->out.stream);
}

/* Whether the hosts would get what they have to pull. */
static void
print_credentials (RpCli *cli, const json_t *credentials)
{
  gsize i;
  json_t *one;
  json_array_foreach (credentials, i, one)
  {
    const char *tried_at = rp_json_str (one, "tried_at");
    g_autofree char *ago = tried_at != NULL ? rp_humane_ago (tried_at) : NULL;
    g_autofree char *message = rp_humane_text (rp_json_str (one, "message"));
    g_autofree char *line = g_strdup_printf (
        "credentials of %s: %s%s%s%s", rp_json_str (one, "target"), message, ago != NULL ? " (tried " : "",
        ago != NULL ? ago : "", ago != NULL ? ")" : "");
    fputs ("  ", cli->out.stream);
    rp_term_paragraph (&cli->out, 2, line);
  }
}

/* What this environment ran once and that no window reached: named here, so that nobody counts on it. */
static void
print_gone (RpCli *cli, const json_t *gone)
{
  gsize total = json_array_size (gone);
  for (gsize i = 0; i < MIN (total, GONE_SHOWN); i++)
    {
      const json_t *one = json_array_get (gone, i);
      const json_t *went = json_array_get (json_object_get (one, "departures"), 0);
      const char *rule = rp_json_str (went, "rule");
      gboolean can_restore = rp_json_bool (one, "restorable");
      g_autofree char *ago = went != NULL ? rp_humane_ago (rp_json_str (went, "at")) : NULL;
      g_autofree char *line = g_strdup_printf (
          "%s: %s (revision %" G_GINT64_FORMAT ")%s%s%s%s%s%s%s",
          can_restore ? "must be restored to come back" : "cannot come back",
          rp_json_str (json_object_get (one, "release"), "version"), rp_json_int (one, "revision"),
          ago != NULL ? ", which went " : ", which is not here any more", ago != NULL ? ago : "",
          ago != NULL ? " by " : "", ago == NULL ? "" : rule != NULL ? rule : "hand",
          can_restore ? "; way out: `repoint retention restore " : "",
          can_restore ? rp_json_str (went, "digest") : "", can_restore ? "`" : "");
      fputs ("  ", cli->out.stream);
      rp_term_paragraph (&cli->out, 2, line);
    }
  if (total > GONE_SHOWN)
    fprintf (cli->out.stream, "  cannot come back: %zu more; `-o json` lists them\n", total - GONE_SHOWN);
}

/* Where the server, which looks by itself, found the same. */
static void
print_since (RpCli *cli, const json_t *ready)
{
  const json_t *recorded = json_object_get (ready, "recorded");
  if (!json_is_object (recorded) || rp_json_bool (recorded, "ready") != rp_json_bool (ready, "ready"))
    return;
  g_autofree char *ago = rp_humane_ago (rp_json_str (recorded, "since"));
  fprintf (cli->out.stream, " (since %s)", ago);
}

static void
print_ready (RpCli *cli, const json_t *ready)
{
  gboolean green = rp_json_bool (ready, "ready");
  const json_t *revisions = json_object_get (ready, "revisions");
  g_autofree char *where = g_strdup_printf ("%s/%s", rp_json_str (ready, "app"),
                                            rp_json_str (ready, "environment"));
  rp_term_text (&cli->out, RP_STYLE_BOLD, where);
  fputs (": ", cli->out.stream);
  rp_term_text (&cli->out, green ? RP_STYLE_GOOD : RP_STYLE_BAD, green ? "ready" : "NOT READY");
  print_since (cli, ready);
  fprintf (cli->out.stream, ", window of %" G_GINT64_FORMAT, rp_json_int (ready, "window"));
  print_takes (cli, json_object_get (ready, "takes"));
  g_autoptr (RpTable) table = rp_table_new (
      ">REVISION|~RELEASE|MARK|READY|BYTES|VERIFIED|~LOCAL ON|~NOT LOCAL ON|?HELD BY");
  gsize i;
  json_t *revision;
  json_array_foreach (revisions, i, revision) add_revision (table, revision);
  if (i > 0)
    rp_table_print (table, &cli->out, 2);
  print_remarks (cli, revisions);
  print_credentials (cli, json_object_get (ready, "credentials"));
  print_gone (cli, json_object_get (ready, "gone"));
}

static gboolean
check_all (const json_t *all, GError **error)
{
  g_autoptr (GString) red = g_string_new (NULL);
  const char *reason = NULL;
  gsize i;
  json_t *ready;
  json_array_foreach (all, i, ready)
  {
    if (rp_json_bool (ready, "ready"))
      continue;
    g_string_append_printf (red, "%s%s/%s", red->len > 0 ? ", " : "", rp_json_str (ready, "app"),
                            rp_json_str (ready, "environment"));
    if (reason == NULL)
      reason = json_string_value (json_array_get (json_object_get (ready, "reasons"), 0));
  }
  if (red->len == 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT, "not ready: %s%s%s", red->str,
               reason != NULL ? ": " : "", reason != NULL ? reason : "");
  return FALSE;
}

gboolean
rp_ready_run (RpCli *cli, char **args, GError **error)
{
  g_autoptr (json_t) all = rp_environments_show (cli, args[0], fetch_ready, print_ready, error);
  return all != NULL && check_all (all, error);
}
