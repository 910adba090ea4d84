#include "release/provenance.h"

#include <string.h>

#include "base/json.h"
#include "release/json_out.h"

void
rp_provenance_free (gpointer data)
{
  RpProvenance *one = data;
  g_free (one->component);
  g_free (one->value);
  g_free (one->source);
  g_free (one->digest);
  g_free (one->attached);
  g_free (one);
}

void
rp_provenance_add_told (GPtrArray *provenance, RpClaimField field, const char *value)
{
  if (value == NULL)
    return;
  RpProvenance *one = g_new0 (RpProvenance, 1);
  one->field = field;
  one->trust = RP_TRUST_CALLER;
  one->value = g_strdup (value);
  one->source = g_strdup ("caller");
  g_ptr_array_add (provenance, one);
}

/* ---- judging ---- */

/* `0123… by slsa-v1/configSource (sha256:9f2c…)` */
static char *
describe (const RpProvenance *one)
{
  return g_strdup_printf ("%s by %s (%.19s)", one->value, one->source,
                          one->digest != NULL ? one->digest : "");
}

/* The most trusted about `field` in `component`; what was found first wins among equals. */
static const RpProvenance *
best_of (const GPtrArray *provenance, RpClaimField field, const char *component)
{
  const RpProvenance *best = NULL;
  for (guint i = 0; i < provenance->len; i++)
    {
      const RpProvenance *one = provenance->pdata[i];
      if (one->field == field && g_strcmp0 (one->component, component) == 0
          && (best == NULL || one->trust < best->trust))
        best = one;
    }
  return best;
}

/* Whether the same value of the same component came up before `index`. */
static gboolean
seen_before (const GPtrArray *provenance, guint index)
{
  const RpProvenance *one = provenance->pdata[index];
  for (guint i = 0; i < index; i++)
    {
      const RpProvenance *other = provenance->pdata[i];
      if (other->field == one->field && g_strcmp0 (other->component, one->component) == 0
          && g_str_equal (other->value, one->value))
        return TRUE;
    }
  return FALSE;
}

static void
judge_within (const GPtrArray *provenance, guint index, const RpProvenance *best,
              GPtrArray *disagreements)
{
  const RpProvenance *one = provenance->pdata[index];
  if (seen_before (provenance, index))
    return;
  const char *field = rp_claim_field_name (one->field);
  if (one->field == RP_CLAIM_COMMIT && rp_claim_commit_is_dirty (one->value))
    {
      g_autofree char *text = describe (one);
      g_ptr_array_add (disagreements,
                       g_strdup_printf ("component %s: the commit is %s: it was built with changes"
                                        " that no commit holds",
                                        one->component, text));
    }
  if (rp_claim_agrees (one->field, one->value, best->value))
    return;
  g_autofree char *is = describe (best);
  g_autofree char *but = describe (one);
  g_ptr_array_add (disagreements, g_strdup_printf ("component %s: the %s is %s, but %s",
                                                   one->component, field, is, but));
}

/* `other` is the most trusted of another component, or NULL. */
static void
judge_between (const RpProvenance *best, const RpProvenance *other, const char *told,
               GPtrArray *disagreements)
{
  g_autofree char *is = describe (best);
  const char *field = rp_claim_field_name (best->field);
  if (told != NULL && !rp_claim_agrees (best->field, told, best->value))
    g_ptr_array_add (disagreements,
                     g_strdup_printf ("the %s %s was given, but that of component %s is %s", field,
                                      told, best->component, is));
  if (other == NULL || rp_claim_agrees (best->field, best->value, other->value))
    return;
  g_autofree char *was = describe (other);
  g_ptr_array_add (disagreements,
                   g_strdup_printf ("the %s of component %s is %s, but that of component %s is %s",
                                    field, other->component, was, best->component, is));
}

/* The most trusted of values that agree. A commit may be shortened somewhere: the longest is the
 * whole. */
static gboolean
is_better (const RpProvenance *one, const RpProvenance *than)
{
  if (than == NULL)
    return TRUE;
  gsize length = strlen (one->value);
  if (one->field == RP_CLAIM_COMMIT && length != strlen (than->value))
    return length > strlen (than->value);
  return one->trust < than->trust;
}

char *
rp_provenance_judge (const GPtrArray *provenance, RpClaimField field, const char *told,
                     GPtrArray *disagreements)
{
  const RpProvenance *first = NULL;
  const RpProvenance *taken = NULL;
  guint before = disagreements->len;
  for (guint i = 0; i < provenance->len; i++)
    {
      const RpProvenance *one = provenance->pdata[i];
      if (one->field != field || one->component == NULL)
        continue;
      const RpProvenance *best = best_of (provenance, field, one->component);
      judge_within (provenance, i, best, disagreements);
      if (one == best)
        judge_between (best, first, told, disagreements);
      if (one == best && first == NULL)
        first = best;
      if (is_better (one, taken))
        taken = one;
    }
  if (told != NULL)
    return g_strdup (told);
  return taken == NULL || disagreements->len > before ? NULL : g_strdup (taken->value);
}

/* ---- out and in ---- */

static json_t *
one_to_json (const RpProvenance *one)
{
  json_t *json = json_object ();
  json_object_set_new (json, "component", rp_json_text_or_null (one->component));
  json_object_set_new (json, "field", json_string (rp_claim_field_name (one->field)));
  json_object_set_new (json, "value", json_string (one->value));
  json_object_set_new (json, "source", json_string (one->source));
  json_object_set_new (json, "digest", rp_json_text_or_null (one->digest));
  json_object_set_new (json, "attached", rp_json_text_or_null (one->attached));
  json_object_set_new (json, "trust", json_integer (one->trust));
  json_object_set_new (json, "signed", json_string (one->enveloped ? "unverified" : "unsigned"));
  return json;
}

json_t *
rp_provenance_to_json (const GPtrArray *provenance)
{
  json_t *array = json_array ();
  for (guint i = 0; i < provenance->len; i++)
    json_array_append_new (array, one_to_json (provenance->pdata[i]));
  return array;
}

gboolean
rp_provenance_project (RpTxn *txn, const char *app, gint64 number, const json_t *body,
                       GError **error)
{
  size_t i;
  json_t *one;
  json_array_foreach (json_object_get (body, "provenance"), i, one)
  {
    if (!rp_txn_exec (
            txn, error, NULL,
            "INSERT INTO release_provenance VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            "siisssssisi", app, number, (gint64) i + 1, rp_json_str (one, "component"),
            rp_json_str (one, "field"), rp_json_str (one, "value"), rp_json_str (one, "source"),
            rp_json_str (one, "digest"), rp_json_int (one, "trust"), rp_json_str (one, "attached"),
            (gint64) (g_strcmp0 (rp_json_str (one, "signed"), "unsigned") != 0)))
      return FALSE;
  }
  json_array_foreach (json_object_get (body, "disagreements"), i, one)
  {
    if (!rp_txn_exec (txn, error, NULL,
                      "INSERT INTO release_disagreement VALUES ($1, $2, $3, $4)", "siis", app,
                      number, (gint64) i + 1, json_string_value (one)))
      return FALSE;
  }
  return TRUE;
}

static void
add_row (const RpRows *rows, gsize row, GPtrArray *provenance)
{
  RpProvenance *one = g_new0 (RpProvenance, 1);
  g_ptr_array_add (provenance, one);
  one->component = g_strdup (rp_rows_text (rows, row, 0));
  (void) rp_claim_field_from_name (rp_rows_text (rows, row, 1), &one->field);
  one->value = g_strdup (rp_rows_text (rows, row, 2));
  one->source = g_strdup (rp_rows_text (rows, row, 3));
  one->digest = g_strdup (rp_rows_text (rows, row, 4));
  one->trust = (RpClaimTrust) rp_rows_int (rows, row, 5);
  one->attached = g_strdup (rp_rows_text (rows, row, 6));
  one->enveloped = rp_rows_int (rows, row, 7) != 0;
}

gboolean
rp_provenance_load (RpTxn *txn, RpRelease *release, GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error,
      "SELECT component, field, value, source, digest, trust, attached, enveloped"
      " FROM release_provenance WHERE app = $1 AND release = $2 ORDER BY ordinal",
      "si", release->app, release->number);
  g_autoptr (RpRows) lines
      = rp_txn_query (txn, error,
                      "SELECT line FROM release_disagreement WHERE app = $1 AND release = $2"
                      " ORDER BY ordinal",
                      "si", release->app, release->number);
  if (rows == NULL || lines == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    add_row (rows, i, release->provenance);
  for (gsize i = 0; i < rp_rows_count (lines); i++)
    g_ptr_array_add (release->disagreements, g_strdup (rp_rows_text (lines, i, 0)));
  return TRUE;
}

/* ---- for people ---- */

static char *
join (const GPtrArray *lines)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < lines->len; i++)
    g_string_append_printf (text, "%s%s", i == 0 ? "" : "; ", (const char *) lines->pdata[i]);
  return g_strdup (text->str);
}

char *
rp_provenance_summary (const RpRelease *release, gboolean *out_known)
{
  g_autoptr (GString) known = g_string_new (NULL);
  g_autoptr (GString) silent = g_string_new (NULL);
  *out_known = FALSE;
  if (release->disagreements->len > 0)
    return join (release->disagreements);
  for (guint i = 0; i < release->components->len; i++)
    {
      const RpReleaseComponent *component = release->components->pdata[i];
      const RpProvenance *best = best_of (release->provenance, RP_CLAIM_COMMIT, component->name);
      g_autofree char *text = best == NULL ? NULL : describe (best);
      if (best == NULL)
        g_string_append_printf (silent, "%s%s", silent->len > 0 ? ", " : "", component->name);
      else
        g_string_append_printf (known, "%scomponent %s was built from %s, %s",
                                known->len > 0 ? "; " : "", component->name, text,
                                best->enveloped ? "signature unverified" : "unsigned");
    }
  *out_known = silent->len == 0 && known->len > 0;
  if (silent->len > 0)
    g_string_append_printf (known, "%snothing in or on component %s says from which commit it was"
                                   " built%s%s",
                            known->len > 0 ? "; " : "", silent->str,
                            release->commit != NULL ? "; recorded is " : "",
                            release->commit != NULL ? release->commit : "");
  return g_strdup (known->str);
}
