#include "oci/provenance.h"

#include <string.h>

#include "fuzz.h"

static void
check_claims (GPtrArray *claims, gboolean ok)
{
  g_assert (ok || claims->len == 0);
  for (guint i = 0; i < claims->len; i++)
    {
      const RpClaim *claim = claims->pdata[i];
      g_assert (claim->value != NULL && strlen (claim->value) <= RP_CLAIM_VALUE_MAX);
      g_assert (g_utf8_validate (claim->value, -1, NULL));
      g_assert (claim->source != NULL);
      for (guint j = 0; j < MIN (claims->len, 16); j++)
        {
          const RpClaim *other = claims->pdata[j];
          g_assert (rp_claim_agrees (claim->field, claim->value, other->value)
                    == rp_claim_agrees (claim->field, other->value, claim->value));
        }
      g_assert (rp_claim_agrees (claim->field, claim->value, claim->value));
    }
  g_ptr_array_set_size (claims, 0);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  GError *error = NULL;
  g_autoptr (GPtrArray) claims = g_ptr_array_new_with_free_func (rp_claim_free);
  g_autofree char *text = g_strndup ((const char *) data, size);
  RpDigest subject = { .algorithm = RP_DIGEST_SHA256 };
  memset (subject.bytes, 0xaa, 32);
  gboolean ok = rp_provenance_parse_statement (data, size, &subject, claims, &error);
  fuzz_check (ok, &error);
  check_claims (claims, ok);
  ok = rp_provenance_parse_config (data, size, claims, &error);
  fuzz_check (ok, &error);
  check_claims (claims, ok);
  ok = rp_provenance_parse_annotations (text, claims, &error);
  fuzz_check (ok, &error);
  check_claims (claims, ok);
  return 0;
}
