#include "server/range.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static const guint64 sizes[] = { 0, 1, 2048, G_MAXUINT64 };
  g_autofree char *text = g_strndup ((const char *) data, size);
  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      RpByteRange range = { 0 };
      if (rp_range_parse (text, sizes[i], &range) == RP_RANGE_PART)
        g_assert (range.first <= range.last && range.last < sizes[i]);
    }
  RpByteRange chunk = { 0 };
  GError *error = NULL;
  gboolean ok = rp_content_range_parse (text, &chunk, &error);
  fuzz_check (ok, &error);
  g_assert (!ok || chunk.first <= chunk.last);
  return 0;
}
