#include "ledger/checkpoint.h"

#include <string.h>

#include "base/error.h"

char *
rp_hash_to_base64 (const RpHash *hash)
{
  return g_base64_encode (hash->bytes, sizeof hash->bytes);
}

gboolean
rp_hash_from_base64 (const char *text, RpHash *out)
{
  gsize size = 0;
  g_autofree guint8 *bytes = g_base64_decode (text, &size);

  if (size != sizeof out->bytes)
    return FALSE;
  memcpy (out->bytes, bytes, size);
  return TRUE;
}

char *
rp_checkpoint_format (const char *origin, gint64 size, const RpHash *root)
{
  g_autofree char *text = rp_hash_to_base64 (root);

  return g_strdup_printf ("%s\n%" G_GINT64_FORMAT "\n%s\n", origin, size, text);
}

void
rp_checkpoint_clear (RpCheckpoint *checkpoint)
{
  g_clear_pointer (&checkpoint->origin, g_free);
}

gboolean
rp_checkpoint_parse (const char *text, RpCheckpoint *out, GError **error)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  guint64 size = 0;

  if (g_strv_length (lines) >= 4 && *lines[0] != '\0'
      && g_ascii_string_to_unsigned (lines[1], 10, 0, G_MAXINT64 / 2, &size, NULL)
      && (lines[1][0] != '0' || lines[1][1] == '\0') && rp_hash_from_base64 (lines[2], &out->root))
    {
      out->origin = g_strdup (lines[0]);
      out->size = (gint64) size;
      return TRUE;
    }
  g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID,
                       "it is no checkpoint: expected an origin, a size and a root hash");
  return FALSE;
}
