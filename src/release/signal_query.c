#include "release/signal_query.h"

#include <string.h>

#include "base/error.h"
#include "release/json_out.h"

#define FOUND_MAX 20 /* bytes of what is wrong, shown */

static void
add_version (GString *out, const RpSignalQueryFacts *facts)
{
  g_string_append (out, facts->version); /* has nothing that ends a string of PromQL */
}

static void
add_revision (GString *out, const RpSignalQueryFacts *facts)
{
  g_string_append_printf (out, "%" G_GINT64_FORMAT, facts->revision);
}

/* At least a second: PromQL takes no range of nothing. */
static void
add_elapsed (GString *out, const RpSignalQueryFacts *facts)
{
  g_string_append_printf (out, "%" G_GINT64_FORMAT "s", MAX (1, facts->elapsed_us / G_USEC_PER_SEC));
}

static const struct
{
  const char *word;
  void (*add) (GString *out, const RpSignalQueryFacts *facts);
} words[] = { { "{{version}}", add_version }, { "{{revision}}", add_revision }, { "{{elapsed}}", add_elapsed } };

/* The index of the word that `text` begins with; the number of words if it is none. */
static gsize
find_word (const char *text)
{
  gsize i = 0;
  while (i < G_N_ELEMENTS (words) && !g_str_has_prefix (text, words[i].word))
    i++;
  return i;
}

gboolean
rp_signal_query_check (const char *query, GError **error)
{
  for (const char *p = strstr (query, "{{"); p != NULL; p = strstr (p + 2, "{{"))
    if (find_word (p) == G_N_ELEMENTS (words))
      {
        g_autofree char *found = rp_text_one_line (p, FOUND_MAX);
        g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                     "unknown %s; after {{ comes one of version, revision, elapsed, and }}", found);
        return FALSE;
      }
  return TRUE;
}

char *
rp_signal_query_fill (const char *query, const RpSignalQueryFacts *facts)
{
  GString *out = g_string_new (NULL);
  while (*query != '\0')
    {
      gsize i = find_word (query);
      if (i == G_N_ELEMENTS (words))
        {
          g_string_append_c (out, *query++);
          continue;
        }
      words[i].add (out, facts);
      query += strlen (words[i].word);
    }
  return g_string_free (out, FALSE);
}
