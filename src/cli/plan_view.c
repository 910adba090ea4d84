#include "cli/plan_view.h"

#include <string.h>

#include "cli/humane.h"

enum { FIELD_COLUMN = 11, ITEM_COLUMN = 16 };

typedef struct {
  const char *state;
  const char *label;
  RpStyle style;
  gboolean always; /* shown in a brief plan too */
} ItemState;

/* Worst first: the order in which they are printed. */
static const ItemState item_states[] = {
  { "blocked", "BLOCKED", RP_STYLE_BAD, TRUE },
  { "not-restored", "not restored", RP_STYLE_WARN, TRUE },
  { "unknown", "unknown", RP_STYLE_WARN, TRUE },
  { "restored", "restored", RP_STYLE_GOOD, FALSE },
};

static const ItemState *
find_state (const char *state)
{
  for (gsize i = 0; i < G_N_ELEMENTS (item_states); i++)
    if (g_strcmp0 (item_states[i].state, state) == 0)
      return &item_states[i];
  return &item_states[2]; /* a state of a newer server is something that we do not know */
}

static const char *
or_dash (const char *text)
{
  return text != NULL && *text != '\0' ? text : "-";
}

static void
field (const RpTerm *out, const char *name, const char *text)
{
  g_autofree char *shown = rp_humane_text (text);
  fprintf (out->stream, "  %-*s", FIELD_COLUMN - 2, name);
  rp_term_paragraph (out, FIELD_COLUMN, shown);
}

/* `1.2.0   commit 9f2c1ab3   build 398`, as far as known: of a Revision's "release" or of a Release. */
static char *
describe_release (const json_t *release)
{
  const json_t *source = json_object_get (release, "source");
  const json_t *holder = source != NULL ? source : release;
  const char *commit = rp_json_str (holder, "commit");
  const char *build = rp_json_str (holder, "build");
  GString *text = g_string_new (or_dash (rp_json_str (release, "version")));
  if (commit != NULL)
    {
      g_autofree char *brief = rp_humane_commit (commit);
      g_string_append_printf (text, "   commit %s", brief);
    }
  if (build != NULL)
    g_string_append_printf (text, "   build %s", build);
  return g_string_free (text, FALSE);
}

static void
print_from (const RpTerm *out, const json_t *from)
{
  if (!json_is_object (from))
    {
      field (out, "from", "nothing: the first release here");
      return;
    }
  g_autofree char *release = describe_release (json_object_get (from, "release"));
  g_autofree char *ago = rp_humane_ago (rp_json_str (from, "at"));
  g_autofree char *text = g_strdup_printf (
      "%s   revision %" G_GINT64_FORMAT ", made %s, %s", release, rp_json_int (from, "number"), ago,
      or_dash (rp_json_str (from, "outcome")));
  field (out, "from", text);
}

static void
print_to (const RpTerm *out, const json_t *plan, const json_t *restored)
{
  g_autofree char *release = describe_release (json_object_get (plan, "release"));
  g_autofree char *text = NULL;
  if (json_is_object (restored))
    {
      g_autofree char *ago = rp_humane_ago (rp_json_str (restored, "at"));
      g_autofree char *ran = rp_humane_duration (rp_json_int (restored, "ran_for_ms"));
      text = g_strdup_printf ("%s   as revision %" G_GINT64_FORMAT
                              ", which started %s and ran for %s",
                              release, rp_json_int (restored, "number"), ago, ran);
    }
  else
    text = g_strdup (release);
  field (out, "to", text);
}

static void
print_bytes (const RpTerm *out, const json_t *bytes)
{
  if (!json_is_object (bytes))
    return;
  g_autofree char *text = rp_humane_bytes (bytes);
  field (out, "bytes", text);
  gsize i;
  json_t *problem;
  json_array_foreach (json_object_get (bytes, "problems"), i, problem)
  {
    g_autofree char *other = json_is_string (problem) ? NULL : rp_json_print (problem);
    field (out, "problem", other != NULL ? other : json_string_value (problem));
  }
}

static void
print_skipped (const RpTerm *out, const json_t *skipped)
{
  gsize i;
  json_t *entry;
  json_array_foreach (skipped, i, entry)
  {
    g_autofree char *text = g_strdup_printf (
        "revision %" G_GINT64_FORMAT " (%s): %s", rp_json_int (entry, "revision"),
        or_dash (rp_json_str (entry, "version")), or_dash (rp_json_str (entry, "why")));
    field (out, "skipped", text);
  }
}

char *
rp_plan_gather_subjects (const json_t *items, gsize at)
{
  const json_t *item = json_array_get (items, at);
  const char *state = rp_json_str (item, "state");
  const char *reason = rp_json_str (item, "reason");
  g_autoptr (GString) subjects = g_string_new (NULL);
  gsize i;
  json_t *other;
  json_array_foreach (items, i, other)
  {
    if (g_strcmp0 (rp_json_str (other, "state"), state) != 0
        || g_strcmp0 (rp_json_str (other, "reason"), reason) != 0)
      continue;
    if (i < at)
      return NULL;
    g_string_append_printf (subjects, "%s%s", subjects->len > 0 ? ", " : "",
                            or_dash (rp_json_str (other, "subject")));
  }
  return g_string_free (g_steal_pointer (&subjects), FALSE);
}

static void
print_way_out (const RpTerm *out, const json_t *item, gboolean shared)
{
  const char *way_out = rp_json_str (item, "way_out");
  if (way_out == NULL)
    return;
  g_autofree char *way = shared
                             ? g_strdup_printf ("way out for %s: %s",
                                                or_dash (rp_json_str (item, "subject")), way_out)
                             : g_strconcat ("way out: ", way_out, NULL);
  fprintf (out->stream, "%*s", ITEM_COLUMN, "");
  rp_term_paragraph (out, ITEM_COLUMN, way);
}

/* The item at `at` together with those that say the same of something else; nothing if it was
 * printed with another. */
static void
print_item (const RpTerm *out, const ItemState *state, const json_t *items, gsize at,
            gboolean brief)
{
  const json_t *item = json_array_get (items, at);
  g_autofree char *subjects = rp_plan_gather_subjects (items, at);
  if (subjects == NULL)
    return;
  g_autofree char *reason = rp_humane_text (rp_json_str (item, "reason"));
  g_autofree char *text = g_strdup_printf ("%s: %s", subjects, reason);
  fputs ("  ", out->stream);
  rp_term_text (out, state->style, state->label);
  fprintf (out->stream, "%*s", ITEM_COLUMN - 2 - (int) strlen (state->label), "");
  rp_term_paragraph (out, ITEM_COLUMN, text);
  if (brief && state != &item_states[0])
    return;
  gboolean shared = g_strcmp0 (subjects, rp_json_str (item, "subject")) != 0;
  for (gsize i = at; i < json_array_size (items); i++)
    {
      const json_t *other = json_array_get (items, i);
      if (g_strcmp0 (rp_json_str (other, "state"), rp_json_str (item, "state")) == 0
          && g_strcmp0 (rp_json_str (other, "reason"), rp_json_str (item, "reason")) == 0)
        print_way_out (out, other, shared);
    }
}

/* Every gate and its state; what is closed stands among the items too, with its way out. */
static void
print_gates (const RpTerm *out, const json_t *gates)
{
  gsize i;
  json_t *gate;
  json_array_foreach (gates, i, gate)
  {
    g_autofree char *text
        = g_strdup_printf ("%s %s: %s", or_dash (rp_json_str (gate, "gate")),
                           or_dash (rp_json_str (gate, "state")), or_dash (rp_json_str (gate, "reason")));
    field (out, "gate", text);
  }
}

static void
print_items (const RpTerm *out, const json_t *items, gboolean brief)
{
  for (gsize state = 0; state < G_N_ELEMENTS (item_states); state++)
    {
      gsize i;
      json_t *item;
      if (brief && !item_states[state].always)
        continue;
      json_array_foreach (items, i, item)
      if (find_state (rp_json_str (item, "state")) == &item_states[state])
        print_item (out, &item_states[state], items, i, brief);
    }
}

void
rp_plan_print (RpCli *cli, const json_t *plan, const json_t *restored, gboolean brief)
{
  RpTerm out = cli->out;
  if (cli->json)
    rp_term_init (&out, stderr);
  g_autofree char *title
      = g_strdup_printf ("%s/%s: %s%s", or_dash (rp_json_str (plan, "app")),
                         or_dash (rp_json_str (plan, "environment")),
                         or_dash (rp_json_str (plan, "kind")),
                         rp_json_bool (plan, "blocked") ? " (blocked)" : "");
  rp_term_text (&out, RP_STYLE_BOLD, title);
  fputc ('\n', out.stream);
  print_from (&out, json_object_get (plan, "from"));
  print_to (&out, plan, restored);
  print_bytes (&out, json_object_get (plan, "bytes"));
  field (&out, "cause", or_dash (rp_json_str (plan, "cause")));
  if (rp_json_bool (plan, "already"))
    field (&out, "already", "it is current, healthy, and what every target runs: nothing will change; --again makes a"
                            " new revision of it");
  print_skipped (&out, json_object_get (plan, "skipped"));
  if (!brief)
    print_gates (&out, json_object_get (plan, "gates"));
  print_items (&out, json_object_get (plan, "items"), brief);
  fflush (out.stream);
}

gboolean
rp_plan_check (const json_t *plan, GError **error)
{
  if (!rp_json_bool (plan, "blocked"))
    return TRUE;
  gsize i;
  json_t *item;
  json_array_foreach (json_object_get (plan, "items"), i, item)
  {
    const char *way_out = rp_json_str (item, "way_out");
    if (g_strcmp0 (rp_json_str (item, "state"), "blocked") != 0)
      continue;
    g_set_error (error, RP_ERROR, RP_ERROR_BLOCKED, "blocked: %s: %s",
                 or_dash (rp_json_str (item, "subject")), or_dash (rp_json_str (item, "reason")));
    if (way_out != NULL)
      rp_cli_hint (error, "%s", way_out);
    return FALSE;
  }
  g_set_error_literal (error, RP_ERROR, RP_ERROR_BLOCKED, "the plan is blocked");
  return FALSE;
}
