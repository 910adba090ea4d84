#include "oci/reference.h"

#include "fuzz.h"

static void
check_names (const char *text)
{
  GError *error = NULL;
  gboolean ok = rp_repository_check (text, &error);
  fuzz_check (ok, &error);
  g_assert (!ok || strlen (text) <= RP_REPOSITORY_MAX);
  error = NULL;
  ok = rp_tag_check (text, &error);
  fuzz_check (ok, &error);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  GError *error = NULL;
  g_auto (RpReference) reference = { 0 };
  gboolean ok = rp_reference_parse (text, &reference, &error);
  fuzz_check (ok, &error);
  check_names (text);
  if (!ok)
    return 0;
  /* What it prints is read back as the same. */
  g_autofree char *printed = rp_reference_to_string (&reference);
  g_auto (RpReference) again = { 0 };
  g_assert (rp_reference_parse (printed, &again, NULL));
  g_assert_cmpstr (reference.registry, ==, again.registry);
  g_assert_cmpstr (reference.repository, ==, again.repository);
  g_assert_cmpstr (reference.tag, ==, again.tag);
  g_assert (reference.tag != NULL || reference.has_digest);
  g_assert (reference.has_digest == again.has_digest);
  g_assert (!reference.has_digest || rp_digest_equal (&reference.digest, &again.digest));
  return 0;
}
