#include "ledger/checkpoint.h"

#include <string.h>

#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  GError *error = NULL;
  g_autoptr (RpNote) note = rp_note_parse (data, size, &error);
  g_auto (RpCheckpoint) checkpoint = { 0 };
  gboolean ok;

  fuzz_check (note != NULL, &error);
  if (note == NULL)
    return 0;
  g_autofree char *again = rp_note_format (note);
  g_assert_cmpmem (again, strlen (again), data, size);
  ok = rp_checkpoint_parse (note->text, &checkpoint, &error);
  fuzz_check (ok, &error);
  if (ok)
    g_assert (checkpoint.size >= 0 && checkpoint.origin != NULL);
  return 0;
}
