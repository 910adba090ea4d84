#include "oci/manifest.h"

#include "fuzz.h"

static void
check_descriptor (gpointer item, gpointer user_data)
{
  const RpDescriptor *descriptor = item;
  RpDigest again;
  g_autofree char *text = rp_digest_to_string (&descriptor->digest);
  g_assert (rp_digest_parse (text, &again, NULL) && rp_digest_equal (&again, &descriptor->digest));
  g_assert (descriptor->media_type != NULL);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static const char *const types[] = { NULL, RP_MEDIA_OCI_MANIFEST, RP_MEDIA_OCI_INDEX,
                                       RP_MEDIA_DOCKER_MANIFEST, RP_MEDIA_DOCKER_LIST,
                                       "application/json; charset=utf-8" };
  for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
    {
      GError *error = NULL;
      g_autoptr (RpManifest) manifest = rp_manifest_parse (data, size, types[i], &error);
      fuzz_check (manifest != NULL, &error);
      if (manifest != NULL)
        {
          g_assert (rp_media_type_is_manifest (manifest->media_type));
          g_ptr_array_foreach (manifest->descriptors, check_descriptor, NULL);
        }
    }
  return 0;
}
