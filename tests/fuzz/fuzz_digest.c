#include "base/digest.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  RpDigest digest;
  GError *error = NULL;
  gboolean ok = rp_digest_parse (text, &digest, &error);
  fuzz_check (ok, &error);
  if (!ok)
    return 0;
  /* There is one way to write a digest. */
  char printed[RP_DIGEST_STRING_SIZE];
  g_assert_cmpstr (rp_digest_format (&digest, printed), ==, text);
  return 0;
}
