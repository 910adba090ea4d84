#include "ledger/proof.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  GError *error = NULL;
  g_auto (RpProof) proof = { 0 };
  gboolean ok = rp_proof_parse (data, size, &proof, &error);

  fuzz_check (ok, &error);
  if (ok)
    fuzz_check (rp_proof_check (&proof, NULL, &error), &error);
  return 0;
}
