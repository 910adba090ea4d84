#include "agent/undo.h"

#include "base/error.h"

static gboolean
runs_now (const RpTargetState *state, const RpObservation *seen, const RpEntry *entry)
{
  if (seen != NULL)
    return seen->has_digest && rp_digest_equal (&seen->digest, &entry->digest);
  return state->has_expect && rp_digest_equal (&state->expect, &entry->digest);
}

/* NULL if `entry` is known good, else why it is not. */
static const char *
why_not_good (const RpTargetState *state, const RpEntry *entry, RpLearn known)
{
  switch (known)
    {
    case RP_LEARN_CONFIRMED:
      return NULL;
    case RP_LEARN_FAILED:
      return "it failed on this host";
    case RP_LEARN_UNDONE:
      return "it was undone on this host";
    default:
      break;
    }
  if (rp_entry_same (state->pointer, entry))
    return "it is what the server points to, and it never proved itself here";
  return entry->good ? NULL : "it never became healthy, or was rolled back from";
}

static void
skip (json_t *skipped, GString *text, const RpEntry *entry, const char *why)
{
  g_autofree char *what = rp_entry_describe (entry);

  json_array_append_new (skipped, json_pack ("{s:I, s:s, s:s}", "revision",
                                             (json_int_t) entry->revision, "version",
                                             entry->version, "why", why));
  g_string_append_printf (text, "%s%s: %s", text->len > 0 ? "; " : "", what, why);
}

/* TRUE with *out_ok: whether the entry serves; if not, it has been skipped with the reason. */
static gboolean
consider (const RpTargetState *state, const RpObservation *seen, const RpEntry *entry,
          gboolean named, const RpUndoFacts *facts, json_t *skipped, GString *text,
          gboolean *out_ok, GError **error)
{
  g_autoptr (GError) bytes = NULL;
  RpLearn known = RP_LEARN_NOTHING;
  const char *why = NULL;

  *out_ok = FALSE;
  if (!facts->known (entry, &known, facts->user_data, error))
    return FALSE;
  if (runs_now (state, seen, entry))
    why = "it is what runs now";
  else if (!named)
    why = why_not_good (state, entry, known);
  if (why != NULL)
    {
      skip (skipped, text, entry, why);
      return TRUE;
    }
  *out_ok = facts->verify (entry, facts->user_data, &bytes);
  if (!*out_ok)
    {
      g_autofree char *reason
          = g_strdup_printf ("its bytes do not lie intact on this host: %s", bytes->message);
      g_autofree char *valid = g_utf8_make_valid (reason, -1);

      skip (skipped, text, entry, valid);
    }
  return TRUE;
}

static gboolean
already_skipped (const GPtrArray *window, guint i)
{
  for (guint j = 0; j < i; j++)
    if (rp_entry_same (g_ptr_array_index (window, j), g_ptr_array_index (window, i)))
      return TRUE;
  return FALSE;
}

static void
refuse (gint64 to_revision, gboolean found, const GString *text, GError **error)
{
  if (to_revision != 0 && !found)
    g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
                 "revision %" G_GINT64_FORMAT " is not in the window that this host keeps; see "
                 "`repoint agent status` for what is",
                 to_revision);
  else if (text->len == 0)
    g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
                 "nothing to go back to: this host has not yet learned of any release (its agent never "
                 "reached the server)");
  else if (to_revision != 0)
    g_set_error (error, RP_ERROR, RP_ERROR_BLOCKED,
                 "cannot go back to that revision on this host; nothing was touched. %s", text->str);
  else
    g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
                 "nothing known good to go back to on this host; nothing was touched. Looked at: %s. "
                 "Name one with --to-revision if you know better",
                 text->str);
}

gboolean
rp_undo_choose (const RpTargetState *state, const RpObservation *seen, gint64 to_revision,
                const RpUndoFacts *facts, RpEntry **out, json_t **out_skipped, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  json_t *skipped = json_array ();
  gboolean found = FALSE;

  *out_skipped = skipped;
  for (guint i = 0; i < state->window->len; i++)
    {
      const RpEntry *entry = g_ptr_array_index (state->window, i);
      gboolean ok;

      if (to_revision != 0 ? entry->revision != to_revision : already_skipped (state->window, i))
        continue;
      found = TRUE;
      if (!consider (state, seen, entry, to_revision != 0, facts, skipped, text, &ok, error))
        return FALSE;
      if (!ok)
        continue;
      *out = rp_entry_ref (entry);
      return TRUE;
    }
  refuse (to_revision, found, text, error);
  return FALSE;
}
