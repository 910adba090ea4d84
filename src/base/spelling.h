/* "Did you mean …?" */
#pragma once

#include <glib.h>

/* The entry of the NULL-ended list that is nearest to `word` by insertions, deletions, replacements
 * and swaps of neighbours; NULL if none is near enough to be a likely slip. Borrowed from `known`. */
const char *rp_spelling_nearest (const char *word, const char *const *known);

/* `did you mean "x"? Known here: …`, or `known here: …`. g_free(). */
char *rp_spelling_hint (const char *word, const char *const *known);
