#include "cli/retention_view.h"

#include "cli/humane.h"
#include "cli/table.h"

/* ---- policies ---- */

static char *
rule_tags (const json_t *selection)
{
  const json_t *list = json_object_get (selection, "tagPatternList");
  const json_t *prefixes = json_object_get (selection, "tagPrefixList");

  if (list == NULL && prefixes == NULL)
    return g_strdup (rp_json_str (selection, "tagStatus"));
  g_autofree char *text = rp_humane_list (list != NULL ? list : prefixes);
  return g_strdup_printf (list != NULL ? "%s" : "beginning with %s", text);
}

static char *
rule_count (const json_t *selection)
{
  gint64 number = rp_json_int (selection, "countNumber");
  const char *type = rp_json_str (selection, "countType");

  if (g_strcmp0 (type, "imageCountMoreThan") == 0)
    return g_strdup_printf ("more than %" G_GINT64_FORMAT, number);
  return g_strdup_printf ("%s %" G_GINT64_FORMAT " days", type, number);
}

static void
print_rules (RpCli *cli, const json_t *rules)
{
  g_autoptr (RpTable) table = rp_table_new (">RULE|~TAGS|LETS GO|~DESCRIPTION");
  const json_t *rule;
  gsize i;

  json_array_foreach (rules, i, rule)
  {
    const json_t *selection = json_object_get (rule, "selection");
    rp_table_add_int (table, rp_json_int (rule, "rulePriority"));
    rp_table_take (table, RP_STYLE_PLAIN, rule_tags (selection));
    rp_table_take (table, RP_STYLE_PLAIN, rule_count (selection));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (rule, "description"));
  }
  rp_table_print (table, &cli->out, 2);
}

static void
print_line (RpCli *cli, int indent, RpStyle style, const char *text)
{
  fprintf (cli->out.stream, "%*s", indent, "");
  rp_term_text (&cli->out, style, text);
  fputc ('\n', cli->out.stream);
}

static void
print_keep (RpCli *cli, const json_t *keep)
{
  const json_t *entry;
  gsize i;

  json_array_foreach (keep, i, entry)
  {
    g_autofree char *text = rp_json_print (entry);
    g_autofree char *line = g_strconcat ("keeps ", text, NULL);
    print_line (cli, 2, RP_STYLE_PLAIN, line);
  }
}

void
rp_view_policy (RpCli *cli, const json_t *policy)
{
  const json_t *document = json_object_get (policy, "policy"), *note;
  gsize i;

  print_line (cli, 0, RP_STYLE_BOLD, rp_json_str (policy, "pattern"));
  print_rules (cli, json_object_get (document, "rules"));
  print_keep (cli, json_object_get (document, "keep"));
  json_array_foreach (json_object_get (policy, "notes"), i, note)
      print_line (cli, 2, RP_STYLE_WARN, json_string_value (note));
}

void
rp_view_policies (RpCli *cli, const json_t *answer)
{
  const json_t *policies = json_object_get (answer, "policies"), *policy;
  gsize i;

  json_array_foreach (policies, i, policy) rp_view_policy (cli, policy);
  if (json_array_size (policies) == 0)
    rp_cli_note (cli, "no lifecycle policy: nothing goes by itself; `repoint retention set PATTERN "
                      "-f FILE` attaches one");
}

/* ---- holds ---- */

static const char *
hold_columns (void)
{
  return ">HOLD|STATE|~WHAT|~BECAUSE|BY|SINCE|UNTIL";
}

static void
add_hold (RpTable *table, const json_t *hold)
{
  const char *digest = rp_json_str (hold, "digest");
  gboolean held = g_strcmp0 (rp_json_str (hold, "state"), "held") == 0;

  rp_table_add_int (table, rp_json_int (hold, "id"));
  rp_table_add (table, held ? RP_STYLE_GOOD : RP_STYLE_DIM, rp_json_str (hold, "state"));
  rp_table_take (table, RP_STYLE_PLAIN,
                 digest != NULL ? rp_humane_digest (digest)
                                : g_strdup_printf ("%s %s", rp_json_str (hold, "app"),
                                                   rp_json_str (hold, "release")));
  rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (hold, "because"));
  rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (hold, "actor"));
  rp_table_take (table, RP_STYLE_PLAIN, rp_humane_ago (rp_json_str (hold, "at")));
  rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (hold, "until"));
}

void
rp_view_hold (RpCli *cli, const json_t *hold)
{
  g_autoptr (RpTable) table = rp_table_new (hold_columns ());

  add_hold (table, hold);
  rp_table_print (table, &cli->out, 0);
}

void
rp_view_holds (RpCli *cli, const json_t *answer)
{
  const json_t *holds = json_object_get (answer, "holds"), *hold;
  g_autoptr (RpTable) table = rp_table_new (hold_columns ());
  gsize i;

  json_array_foreach (holds, i, hold) add_hold (table, hold);
  if (json_array_size (holds) > 0)
    rp_table_print (table, &cli->out, 0);
  else
    rp_cli_note (cli, "no holds by hand; what windows reach and what runs is held anyway");
}

/* ---- what goes ---- */

static void
add_image (RpTable *table, const json_t *image, RpStyle style, const char *fate, const char *why)
{
  rp_table_add (table, style, fate);
  rp_table_take (table, RP_STYLE_PLAIN, rp_humane_digest (rp_json_str (image, "digest")));
  rp_table_take (table, RP_STYLE_PLAIN, rp_humane_list (json_object_get (image, "tags")));
  rp_table_take (table, RP_STYLE_PLAIN, rp_humane_ago (rp_json_str (image, "pushed_at")));
  rp_table_take (table, RP_STYLE_PLAIN, rp_humane_text (why));
}

static void
print_repository (RpCli *cli, const json_t *one, const char *goes)
{
  const json_t *gone = json_object_get (one, "goes"), *saved = json_object_get (one, "saved");
  g_autoptr (RpTable) table = rp_table_new ("FATE|DIGEST|~TAGS|PUSHED|~WHY");
  g_autofree char *size = rp_humane_size (rp_json_int (one, "bytes_freed"));
  const json_t *image;
  gsize i;

  rp_term_text (&cli->out, RP_STYLE_BOLD, rp_json_str (one, "repository"));
  fprintf (cli->out.stream, ", policy of %s: %zu of %" G_GINT64_FORMAT " images %s, %zu saved, %s\n",
           rp_json_str (one, "pattern"), json_array_size (gone), rp_json_int (one, "images"),
           g_str_equal (goes, "goes") ? "go" : "went", json_array_size (saved), size);
  json_array_foreach (gone, i, image)
      add_image (table, image, RP_STYLE_BAD, goes,
                 rp_json_str (json_object_get (image, "rule"), "text"));
  json_array_foreach (saved, i, image)
  {
    g_autofree char *why
        = g_strdup_printf ("%s, from %s", rp_json_str (image, "text"),
                           rp_json_str (json_object_get (image, "rule"), "text"));
    add_image (table, image, RP_STYLE_GOOD, "saved", why);
  }
  if (json_array_size (gone) + json_array_size (saved) > 0)
    rp_table_print (table, &cli->out, 2);
  json_array_foreach (json_object_get (one, "warnings"), i, image)
      print_line (cli, 2, RP_STYLE_WARN, json_string_value (image));
}

static void
print_all (RpCli *cli, const json_t *answer, const char *goes)
{
  const json_t *list = json_object_get (answer, "repositories"), *one;
  gsize i;

  json_array_foreach (list, i, one) print_repository (cli, one, goes);
  if (json_array_size (list) == 0)
    rp_cli_note (cli, "no lifecycle policy counts here, so nothing goes");
  json_array_foreach (json_object_get (answer, "problems"), i, one)
  {
    g_autofree char *text = g_strdup_printf ("%s keeps all it has: %s",
                                             rp_json_str (one, "repository"),
                                             rp_json_str (one, "text"));
    print_line (cli, 0, RP_STYLE_BAD, text);
  }
}

void
rp_view_preview (RpCli *cli, const json_t *answer)
{
  print_all (cli, answer, "goes");
}

void
rp_view_run (RpCli *cli, const json_t *answer)
{
  print_all (cli, answer, "gone");
}

/* ---- why ---- */

static char *
outlook_text (const json_t *place)
{
  const char *fate = rp_json_str (place, "fate"), *rule = rp_json_str (place, "rule");
  const char *goes_at = rp_json_str (place, "goes_at");
  gint64 pushes = rp_json_int (place, "goes_after_pushes");

  if (rp_json_str (place, "pattern") == NULL)
    return g_strdup ("stays: no lifecycle policy counts here");
  if (g_strcmp0 (fate, "goes") == 0)
    return g_strdup_printf ("goes with the next run, by %s", rule);
  if (rp_json_str (place, "saved_by") != NULL)
    return g_strdup_printf ("stays: %s; else it would go by %s", rp_json_str (place, "saved_by"),
                            rule);
  if (goes_at != NULL)
    return g_strdup_printf ("goes at %s by %s, unless it is held then", goes_at, rule);
  if (pushes > 0)
    return g_strdup_printf ("goes after %" G_GINT64_FORMAT " more %s, by %s, unless it is held then",
                            pushes, pushes == 1 ? "push" : "pushes", rule);
  return g_strdup ("stays: no rule asks for it");
}

static void
print_why (RpCli *cli, const json_t *answer)
{
  const char *component = rp_json_str (answer, "component");
  g_autofree char *title = component != NULL ? g_strdup_printf ("%s %s", component,
                                                                rp_json_str (answer, "digest"))
                                             : g_strdup (rp_json_str (answer, "digest"));
  const json_t *one;
  gsize i;

  print_line (cli, 0, RP_STYLE_BOLD, title);
  json_array_foreach (json_object_get (answer, "held"), i, one)
  {
    g_autofree char *text = g_strconcat ("held for ", rp_json_str (one, "text"),
                                         rp_json_bool (one, "direct") ? "" : ", of which it is a part",
                                         NULL);
    print_line (cli, 2, RP_STYLE_GOOD, text);
  }
  json_array_foreach (json_object_get (answer, "repositories"), i, one)
  {
    g_autofree char *tags = rp_humane_list (json_object_get (one, "tags"));
    g_autofree char *outlook = outlook_text (one);
    g_autofree char *text = g_strdup_printf ("%s [%s] %s", rp_json_str (one, "repository"), tags,
                                             outlook);
    print_line (cli, 2, RP_STYLE_PLAIN, text);
  }
  json_array_foreach (json_object_get (answer, "deleted"), i, one)
  {
    const char *rule = rp_json_str (one, "rule");
    g_autofree char *text = g_strdup_printf (
        "went from %s at %s by %s (%s)", rp_json_str (one, "repository"), rp_json_str (one, "at"),
        rule != NULL ? rule : "hand", rp_json_str (one, "actor"));
    print_line (cli, 2, RP_STYLE_BAD, text);
  }
}

void
rp_view_why (RpCli *cli, const json_t *answer)
{
  const json_t *components = json_object_get (answer, "components"), *one;
  gsize i;

  if (components == NULL)
    print_why (cli, answer);
  json_array_foreach (components, i, one) print_why (cli, one);
}

/* ---- advice ---- */

/* As repoint.yaml has it. */
static char *
advice_text (const json_t *advised, gboolean with_days)
{
  gint64 releases = rp_json_int (advised, "releases");

  if (!with_days)
    return g_strdup_printf ("%" G_GINT64_FORMAT, releases);
  return g_strdup_printf ("{releases: %" G_GINT64_FORMAT ", for: %" G_GINT64_FORMAT "d}", releases,
                          rp_json_int (advised, "for_days"));
}

static void
add_advice (RpTable *table, const json_t *one)
{
  const json_t *advised = json_object_get (one, "advised");
  const json_t *month = json_array_get (json_object_get (one, "costs"), 1);
  gboolean back = rp_json_int (one, "rollbacks") > 0;

  rp_table_take (table, RP_STYLE_BOLD,
                 g_strdup_printf ("%s/%s", rp_json_str (one, "app"),
                                  rp_json_str (one, "environment")));
  rp_table_add_int (table, rp_json_int (one, "window"));
  rp_table_add_int (table, rp_json_int (one, "rollbacks"));
  rp_table_take (table, RP_STYLE_PLAIN,
                 back ? g_strdup_printf ("%" G_GINT64_FORMAT " versions, left %" G_GINT64_FORMAT
                                         " h before",
                                         rp_json_int (one, "versions_back"),
                                         rp_json_int (one, "age_ms") / 3600000)
                      : g_strdup ("-"));
  rp_table_take (table, RP_STYLE_GOOD, advice_text (advised, back));
  rp_table_take (table, RP_STYLE_PLAIN, rp_humane_size (rp_json_int (month, "bytes")));
}

void
rp_view_advice (RpCli *cli, const json_t *answer)
{
  const json_t *list = json_object_get (answer, "environments"), *one;
  g_autoptr (RpTable) table
      = rp_table_new ("ENVIRONMENT|>WINDOW|>ROLLBACKS|~FURTHEST|~ADVISED|>30 MORE DAYS");
  gsize i;

  json_array_foreach (list, i, one) add_advice (table, one);
  if (json_array_size (list) > 0)
    rp_table_print (table, &cli->out, 0);
  else
    rp_cli_note (cli, "no environment is declared yet");
}
