#include "base/spelling.h"

#include <string.h>

enum { LONGEST_WORD = 64 };

/* Optimal string alignment distance; three rows of the table are enough. */
static int
distance (const char *a, const char *b)
{
  int a_length = (int)strlen (a), b_length = (int)strlen (b);
  int rows[3][LONGEST_WORD + 1];
  int *before = rows[0], *last = rows[1], *now = rows[2];
  for (int j = 0; j <= b_length; j++)
    {
      before[j] = 0;
      last[j] = j;
    }
  for (int i = 1; i <= a_length; i++)
    {
      now[0] = i;
      for (int j = 1; j <= b_length; j++)
        {
          int best = MIN (last[j], now[j - 1]) + 1;
          best = MIN (best, last[j - 1] + (a[i - 1] != b[j - 1]));
          if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
            best = MIN (best, before[j - 2] + 1);
          now[j] = best;
        }
      int *oldest = before;
      before = last;
      last = now;
      now = oldest;
    }
  return last[b_length];
}

const char *
rp_spelling_nearest (const char *word, const char *const *known)
{
  gsize length = strlen (word);
  if (length > LONGEST_WORD)
    return NULL;
  const char *nearest = NULL;
  int nearest_distance = (int)MAX (1, length / 3) + 1;
  for (; *known != NULL; known++)
    {
      int d = strlen (*known) > LONGEST_WORD ? LONGEST_WORD : distance (word, *known);
      if (d < nearest_distance && (gsize)d < length)
        {
          nearest = *known;
          nearest_distance = d;
        }
    }
  return nearest;
}

char *
rp_spelling_hint (const char *word, const char *const *known)
{
  g_autofree char *all = g_strjoinv (", ", (char **)known);
  const char *nearest = rp_spelling_nearest (word, known);

  return nearest == NULL ? g_strconcat ("known here: ", all, NULL)
                         : g_strdup_printf ("did you mean \"%s\"? Known here: %s", nearest, all);
}
