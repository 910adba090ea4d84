#include "ledger/note.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/digest.h"
#include "base/error.h"

#define ID_SIZE 4
#define KEY_SIZE 32
#define SIGNATURE_SIZE 64
#define TIME_SIZE 8
#define PRIVATE "PRIVATE+KEY+"
#define DASH "\xe2\x80\x94 " /* an em dash and a space */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EVP_MD_CTX, EVP_MD_CTX_free)

struct RpNoteSigner {
  RpNoteKey *key;
  guint8 seed[KEY_SIZE];
  EVP_PKEY *pair;
};

/* ---- keys ---- */

void
rp_note_key_free (RpNoteKey *key)
{
  if (!key)
    return;
  g_free (key->name);
  g_free (key);
}

static guint32
read_id (const guint8 *bytes)
{
  return (guint32) bytes[0] << 24 | (guint32) bytes[1] << 16 | (guint32) bytes[2] << 8 | bytes[3];
}

static guint32
id_of (const RpNoteKey *key)
{
  g_autoptr (GByteArray) all = g_byte_array_new ();
  guint8 kind = (guint8) key->kind;
  RpDigest digest;

  g_byte_array_append (all, (const guint8 *) key->name, (guint) strlen (key->name));
  g_byte_array_append (all, (const guint8 *) "\n", 1);
  g_byte_array_append (all, &kind, 1);
  g_byte_array_append (all, key->bytes, KEY_SIZE);
  digest = rp_digest_of (RP_DIGEST_SHA256, all->data, all->len);
  return read_id (digest.bytes);
}

static gboolean
is_name (const char *name)
{
  if (*name == '\0' || !g_utf8_validate (name, -1, NULL))
    return FALSE;
  for (const char *p = name; *p; p = g_utf8_next_char (p))
    if (*p == '+' || g_unichar_isspace (g_utf8_get_char (p)))
      return FALSE;
  return TRUE;
}

/* NAME+ID+BASE64: the last two have no plus in front of them but the separators'. */
static gboolean
split_key (const char *text, char **out_name, guint64 *out_id, guint8 **out_bytes, gsize *out_size)
{
  g_auto (GStrv) parts = g_strsplit (text, "+", 3);
  g_autofree guint8 *bytes = NULL;
  g_autofree char *proper = NULL;

  if (g_strv_length (parts) != 3 || !is_name (parts[0]) || strlen (parts[1]) != 8
      || !g_ascii_string_to_unsigned (parts[1], 16, 0, G_MAXUINT32, out_id, NULL))
    return FALSE;
  bytes = g_base64_decode (g_strchomp (parts[2]), out_size);
  proper = g_base64_encode (bytes, *out_size);
  if (*out_size != 1 + KEY_SIZE || strcmp (proper, parts[2]) != 0)
    return FALSE;
  *out_name = g_strdup (parts[0]);
  *out_bytes = g_steal_pointer (&bytes);
  return TRUE;
}

RpNoteKey *
rp_note_key_parse (const char *text, GError **error)
{
  g_autoptr (RpNoteKey) key = g_new0 (RpNoteKey, 1);
  g_autofree guint8 *bytes = NULL;
  guint64 id = 0;
  gsize size = 0;

  if (split_key (text, &key->name, &id, &bytes, &size)
      && (bytes[0] == RP_NOTE_KEY_LOG || bytes[0] == RP_NOTE_KEY_WITNESS))
    {
      key->kind = bytes[0] == RP_NOTE_KEY_LOG ? RP_NOTE_KEY_LOG : RP_NOTE_KEY_WITNESS;
      memcpy (key->bytes, bytes + 1, KEY_SIZE);
      key->id = id_of (key);
      if (key->id == id)
        return g_steal_pointer (&key);
    }
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               "`%.200s` is no public key: expected NAME+ID+KEY as `repoint ledger key` prints it",
               text);
  return NULL;
}

char *
rp_note_key_format (const RpNoteKey *key)
{
  guint8 bytes[1 + KEY_SIZE] = { (guint8) key->kind };
  g_autofree char *text = NULL;

  memcpy (bytes + 1, key->bytes, KEY_SIZE);
  text = g_base64_encode (bytes, sizeof bytes);
  return g_strdup_printf ("%s+%08x+%s", key->name, key->id, text);
}

/* ---- private keys ---- */

static RpNoteSigner *
make_signer (const char *name, const guint8 seed[KEY_SIZE])
{
  RpNoteSigner *signer = g_new0 (RpNoteSigner, 1);
  gsize size = KEY_SIZE;

  memcpy (signer->seed, seed, KEY_SIZE);
  signer->pair = EVP_PKEY_new_raw_private_key (EVP_PKEY_ED25519, NULL, seed, KEY_SIZE);
  signer->key = g_new0 (RpNoteKey, 1);
  signer->key->name = g_strdup (name);
  signer->key->kind = RP_NOTE_KEY_LOG;
  if (!signer->pair || EVP_PKEY_get_raw_public_key (signer->pair, signer->key->bytes, &size) != 1)
    g_error ("libcrypto: no Ed25519 key can be made");
  signer->key->id = id_of (signer->key);
  return signer;
}

RpNoteSigner *
rp_note_signer_new (const char *name)
{
  g_autoptr (EVP_PKEY) pair = EVP_PKEY_Q_keygen (NULL, NULL, "ED25519");
  guint8 seed[KEY_SIZE];
  gsize size = sizeof seed;
  RpNoteSigner *signer;

  g_assert (is_name (name));
  if (!pair || EVP_PKEY_get_raw_private_key (pair, seed, &size) != 1)
    g_error ("libcrypto: no Ed25519 key can be made");
  signer = make_signer (name, seed);
  OPENSSL_cleanse (seed, sizeof seed);
  return signer;
}

RpNoteSigner *
rp_note_signer_parse (const char *text, GError **error)
{
  g_autofree char *name = NULL;
  g_autofree guint8 *bytes = NULL;
  g_autoptr (RpNoteSigner) signer = NULL;
  guint64 id = 0;
  gsize size = 0;

  if (g_str_has_prefix (text, PRIVATE)
      && split_key (text + strlen (PRIVATE), &name, &id, &bytes, &size)
      && bytes[0] == RP_NOTE_KEY_LOG)
    {
      signer = make_signer (name, bytes + 1);
      OPENSSL_cleanse (bytes, size);
      if (signer->key->id == id)
        return g_steal_pointer (&signer);
    }
  g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID,
                       "it is no private key of a ledger: expected " PRIVATE "NAME+ID+KEY");
  return NULL;
}

char *
rp_note_signer_format (const RpNoteSigner *signer)
{
  guint8 bytes[1 + KEY_SIZE] = { RP_NOTE_KEY_LOG };
  g_autofree char *text = NULL;

  memcpy (bytes + 1, signer->seed, KEY_SIZE);
  text = g_base64_encode (bytes, sizeof bytes);
  OPENSSL_cleanse (bytes, sizeof bytes);
  return g_strdup_printf (PRIVATE "%s+%08x+%s\n", signer->key->name, signer->key->id, text);
}

const RpNoteKey *
rp_note_signer_key (const RpNoteSigner *signer)
{
  return signer->key;
}

void
rp_note_signer_free (RpNoteSigner *signer)
{
  if (!signer)
    return;
  rp_note_key_free (signer->key);
  EVP_PKEY_free (signer->pair);
  OPENSSL_cleanse (signer->seed, sizeof signer->seed);
  g_free (signer);
}

char *
rp_note_sign (const RpNoteSigner *signer, const char *text)
{
  g_autoptr (EVP_MD_CTX) context = EVP_MD_CTX_new ();
  guint8 bytes[ID_SIZE + SIGNATURE_SIZE];
  gsize size = SIGNATURE_SIZE;
  g_autofree char *encoded = NULL;
  guint32 id = signer->key->id;

  for (guint i = 0; i < ID_SIZE; i++)
    bytes[i] = (guint8) (id >> (8 * (ID_SIZE - 1 - i)));
  if (!context || EVP_DigestSignInit (context, NULL, NULL, NULL, signer->pair) != 1
      || EVP_DigestSign (context, bytes + ID_SIZE, &size, (const guint8 *) text, strlen (text)) != 1)
    g_error ("libcrypto: Ed25519 does not sign");
  encoded = g_base64_encode (bytes, sizeof bytes);
  return g_strdup_printf (DASH "%s %s\n", signer->key->name, encoded);
}

/* ---- notes ---- */

static void
signature_free (gpointer data)
{
  RpNoteSignature *signature = data;

  g_free (signature->name);
  g_free (signature->line);
  g_free (signature->bytes);
  g_free (signature);
}

void
rp_note_free (RpNote *note)
{
  if (!note)
    return;
  g_free (note->text);
  g_clear_pointer (&note->signatures, g_ptr_array_unref);
  g_free (note);
}

static gboolean
read_signature (const char *line, RpNote *note)
{
  g_auto (GStrv) words = NULL;
  g_autofree guint8 *bytes = NULL;
  RpNoteSignature *signature;
  gsize size = 0;

  if (!g_str_has_prefix (line, DASH))
    return FALSE;
  words = g_strsplit (line + strlen (DASH), " ", 3);
  if (g_strv_length (words) != 2 || !is_name (words[0]))
    return FALSE;
  bytes = g_base64_decode (words[1], &size);
  if (size <= ID_SIZE)
    return FALSE;
  signature = g_new0 (RpNoteSignature, 1);
  signature->name = g_strdup (words[0]);
  signature->line = g_strconcat (line, "\n", NULL);
  signature->id = read_id (bytes);
  signature->size = size - ID_SIZE;
  signature->bytes = g_memdup2 (bytes + ID_SIZE, signature->size);
  g_ptr_array_add (note->signatures, signature);
  return TRUE;
}

static gboolean
read_note (const char *whole, RpNote *note)
{
  const char *gap = g_strrstr (whole, "\n\n");
  g_auto (GStrv) lines = NULL;

  if (!gap || !g_str_has_suffix (whole, "\n"))
    return FALSE;
  note->text = g_strndup (whole, (gsize) (gap + 1 - whole));
  lines = g_strsplit (gap + 2, "\n", -1);
  for (char **line = lines; *line; line++)
    if (!(line[1] == NULL && **line == '\0') && !read_signature (*line, note))
      return FALSE;
  return note->signatures->len > 0;
}

RpNote *
rp_note_parse (const void *data, gsize size, GError **error)
{
  g_autoptr (RpNote) note = g_new0 (RpNote, 1);
  g_autofree char *whole = NULL;

  note->signatures = g_ptr_array_new_with_free_func (signature_free);
  if (size > 0 && size <= RP_NOTE_MAX && g_utf8_validate (data, (gssize) size, NULL))
    {
      whole = g_strndup (data, size);
      if (read_note (whole, note))
        return g_steal_pointer (&note);
    }
  g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID,
                       "it is no signed note: expected text, a blank line and signatures");
  return NULL;
}

char *
rp_note_format (const RpNote *note)
{
  g_autoptr (GString) whole = g_string_new (note->text);

  g_string_append_c (whole, '\n');
  for (guint i = 0; i < note->signatures->len; i++)
    g_string_append (whole, ((const RpNoteSignature *) g_ptr_array_index (note->signatures, i))->line);
  return g_string_free (g_steal_pointer (&whole), FALSE);
}

static gboolean
holds (const RpNoteKey *key, const void *text, gsize text_size, const guint8 *bytes)
{
  g_autoptr (EVP_PKEY) pair
      = EVP_PKEY_new_raw_public_key (EVP_PKEY_ED25519, NULL, key->bytes, KEY_SIZE);
  g_autoptr (EVP_MD_CTX) context = EVP_MD_CTX_new ();

  return pair && context && EVP_DigestVerifyInit (context, NULL, NULL, NULL, pair) == 1
         && EVP_DigestVerify (context, bytes, SIGNATURE_SIZE, text, text_size) == 1;
}

/* C2SP tlog-cosignature: eight bytes of time, which are signed before the text. */
static gboolean
holds_timed (const RpNoteKey *key, const char *text, const RpNoteSignature *signature)
{
  guint64 time = 0;
  g_autofree char *whole = NULL;

  if (signature->size != TIME_SIZE + SIGNATURE_SIZE)
    return FALSE;
  for (guint i = 0; i < TIME_SIZE; i++)
    time = time << 8 | signature->bytes[i];
  whole = g_strdup_printf ("cosignature/v1\ntime %" G_GUINT64_FORMAT "\n%s", time, text);
  return time <= G_MAXINT64 && holds (key, whole, strlen (whole), signature->bytes + TIME_SIZE);
}

const RpNoteSignature *
rp_note_verify (const RpNote *note, const RpNoteKey *key, GError **error)
{
  for (guint i = 0; i < note->signatures->len; i++)
    {
      const RpNoteSignature *signature = g_ptr_array_index (note->signatures, i);

      if (signature->id != key->id || strcmp (signature->name, key->name) != 0)
        continue;
      if (key->kind == RP_NOTE_KEY_WITNESS
              ? holds_timed (key, note->text, signature)
              : signature->size == SIGNATURE_SIZE
                    && holds (key, note->text, strlen (note->text), signature->bytes))
        return signature;
      g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
                   "the signature of %s is false: the text was changed after it was signed, or "
                   "somebody else signed it",
                   key->name);
      return NULL;
    }
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT, "it is not signed by the key %s+%08x", key->name,
               key->id);
  return NULL;
}
