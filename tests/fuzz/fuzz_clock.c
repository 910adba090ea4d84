#include "base/clock.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  gint64 at = 0, again = 0;
  GError *error = NULL;
  gboolean ok = rp_clock_parse (text, &at, &error);
  fuzz_check (ok, &error);
  if (!ok)
    return 0;
  /* Printed to the millisecond and read back, it is the same moment. */
  g_autofree char *printed = rp_clock_format (at);
  g_assert (rp_clock_parse (printed, &again, NULL));
  g_assert (again <= at && at - again < 1000);
  return 0;
}
