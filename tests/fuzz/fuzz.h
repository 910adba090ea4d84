/* A fuzz target is one LLVMFuzzerTestOneInput() a file.  With -Dfuzzing=true it becomes a libFuzzer program,
 * otherwise replay.c runs it over its corpus as an ordinary test.
 */
#pragma once

#include <glib.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* A parser keeps the error contract: an error exactly if there is no result, and an error says something. */
static inline void
fuzz_check (gboolean ok, GError **error)
{
  g_assert (ok == (*error == NULL));
  g_assert (ok || ((*error)->message != NULL && (*error)->message[0] != '\0'));
  g_assert (ok || g_utf8_validate ((*error)->message, -1, NULL));
  g_clear_error (error);
}
