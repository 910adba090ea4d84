#include "ledger/seal.h"

#include <openssl/rand.h>
#include <string.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"

#define SALT_SIZE 16
#define DEPTH_MAX 8

const char rp_seal_schema[] = "CREATE TABLE IF NOT EXISTS event_text ("
                              "  seq INTEGER NOT NULL,"
                              "  field TEXT NOT NULL,"
                              "  salt BLOB NOT NULL,"
                              "  text TEXT NOT NULL,"
                              "  PRIMARY KEY (seq, field));";

/* What is done with one string, `cause` or `because`, of an object. */
typedef struct Walk Walk;
struct Walk {
  gboolean (*field) (Walk *walk, json_t *object, const char *key, const char *path, GError **error);
  RpTxn *txn;
  gint64 seq;
  RpSeals *seals;
  const json_t *about;
};

static const char *const keys[] = { "cause", "because", NULL };

static gboolean
walk_object (Walk *walk, json_t *object, const char *prefix, guint depth, GError **error)
{
  const char *key;
  json_t *value;

  for (gsize i = 0; keys[i]; i++)
    if (json_object_get (object, keys[i]))
      {
        g_autofree char *path = g_strconcat (prefix, keys[i], NULL);

        if (!walk->field (walk, object, keys[i], path, error))
          return FALSE;
      }
  json_object_foreach (object, key, value)
    if (json_is_object (value) && depth < DEPTH_MAX && !g_strv_contains (keys, key))
      {
        g_autofree char *inner = g_strconcat (prefix, key, ".", NULL);

        if (!walk_object (walk, value, inner, depth + 1, error))
          return FALSE;
      }
  return TRUE;
}

static void
to_hex (const guint8 *bytes, gsize size, char *out)
{
  for (gsize i = 0; i < size; i++)
    g_snprintf (out + 2 * i, 3, "%02x", bytes[i]);
}

static void
seal_of (const guint8 salt[SALT_SIZE], const char *text, char out[65])
{
  g_autoptr (RpHasher) hasher = rp_hasher_new (RP_DIGEST_SHA256);
  RpDigest digest;

  rp_hasher_update (hasher, salt, SALT_SIZE);
  rp_hasher_update (hasher, text, strlen (text));
  digest = rp_hasher_peek (hasher);
  to_hex (digest.bytes, 32, out);
}

/* ---- sealing ---- */

static gboolean
seal_field (Walk *walk, json_t *object, const char *key, const char *path, GError **error)
{
  g_autofree char *text = g_strdup (rp_json_str (object, key));
  guint8 salt[SALT_SIZE];
  char hex[65];

  if (!text || *text == '\0')
    return TRUE;
  if (RAND_bytes (salt, sizeof salt) != 1)
    g_error ("libcrypto: no random bytes");
  seal_of (salt, text, hex);
  json_object_set_new (object, key, json_pack ("{s:s}", "sha256", hex));
  return rp_txn_exec (walk->txn, error, NULL,
                      "INSERT INTO event_text (seq, field, salt, text) VALUES ($1, $2, $3, $4)"
                      /* What an intruder left there must not stop anybody. */
                      " ON CONFLICT (seq, field) DO UPDATE SET salt = excluded.salt, text = excluded.text",
                      "isbs", walk->seq, path, salt, sizeof salt, text);
}

static gboolean
count_field (Walk *walk, json_t *object, const char *key, const char *path, GError **error)
{
  walk->seals->plain++;
  return TRUE;
}

json_t *
rp_seal_body (RpTxn *txn, gint64 seq, json_t *body, GError **error)
{
  RpSeals seals = { 0 };
  Walk walk = { .field = count_field, .txn = txn, .seq = seq, .seals = &seals };
  g_autoptr (json_t) copy = NULL;

  if (!walk_object (&walk, body, "", 0, error))
    return NULL;
  if (seals.plain == 0) /* most events */
    return json_incref (body);
  walk.field = seal_field;
  copy = json_deep_copy (body);
  return walk_object (&walk, copy, "", 0, error) ? g_steal_pointer (&copy) : NULL;
}

/* ---- opening ---- */

static gboolean
changed (GError **error, const char *path)
{
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
               "the text of `%s` is not the one that the event was recorded with", path);
  return FALSE;
}

static void
tell_about (RpSeals *seals, const char *path, const char *hex, const guint8 *salt)
{
  json_t *one = json_pack ("{s:s}", "sha256", hex);
  char text[2 * SALT_SIZE + 1];

  if (!seals->about)
    seals->about = json_object ();
  if (salt)
    {
      to_hex (salt, SALT_SIZE, text);
      json_object_set_new (one, "salt", json_string (text));
    }
  json_object_set_new (seals->about, path, one);
}

static gboolean
open_field (Walk *walk, json_t *object, const char *key, const char *path, GError **error)
{
  const char *seal = rp_json_str (json_object_get (object, key), "sha256");
  g_autofree char *expected = g_strdup (seal);
  g_autoptr (RpRows) rows = NULL;
  const guint8 *salt = NULL;
  const char *text = NULL;
  gsize size = 0;
  char hex[65];

  if (!seal)
    {
      walk->seals->plain += json_is_string (json_object_get (object, key));
      return TRUE;
    }
  rows = rp_txn_query (walk->txn, error, "SELECT salt, text FROM event_text WHERE seq = $1 AND field = $2",
                       "is", walk->seq, path);
  if (!rows)
    return FALSE;
  if (rp_rows_count (rows) > 0)
    {
      salt = rp_rows_blob (rows, 0, 0, &size);
      text = rp_rows_text (rows, 0, 1);
      if (!salt || size != SALT_SIZE || !text)
        return changed (error, path);
      seal_of (salt, text, hex);
      if (strcmp (hex, expected) != 0)
        return changed (error, path);
    }
  walk->seals->open += text != NULL;
  walk->seals->redacted += text == NULL;
  tell_about (walk->seals, path, expected, salt);
  json_object_set_new (object, key, json_string (text ? text : RP_LEDGER_REDACTED));
  return TRUE;
}

gboolean
rp_seal_open (RpTxn *txn, gint64 seq, json_t *body, RpSeals *out, GError **error)
{
  Walk walk = { .field = open_field, .txn = txn, .seq = seq, .seals = out };

  return walk_object (&walk, body, "", 0, error);
}

void
rp_seals_clear (RpSeals *seals)
{
  g_clear_pointer (&seals->about, json_decref);
}

gboolean
rp_seal_is_likely (const char *body, gsize size)
{
  static const char mark[] = "\"sha256\":\""; /* a key, as canonical text has it */

  return g_strstr_len (body, (gssize) size, mark) != NULL;
}

/* ---- putting seals back ---- */

static gboolean
salt_of (const json_t *seal, guint8 out[SALT_SIZE])
{
  const char *hex = rp_json_str (seal, "salt");

  if (!hex || strlen (hex) != 2 * SALT_SIZE || strspn (hex, "0123456789abcdef") != 2 * SALT_SIZE)
    return FALSE;
  for (gsize i = 0; i < SALT_SIZE; i++)
    out[i] = (guint8) (g_ascii_xdigit_value (hex[2 * i]) << 4 | g_ascii_xdigit_value (hex[2 * i + 1]));
  return TRUE;
}

static gboolean
close_field (Walk *walk, json_t *object, const char *key, const char *path, GError **error)
{
  const json_t *seal = json_object_get (walk->about, path);
  const char *expected = rp_json_str (seal, "sha256");
  const char *text = rp_json_str (object, key);
  guint8 salt[SALT_SIZE];
  char hex[65];

  if (!seal)
    return TRUE;
  if (!expected || !text)
    return changed (error, path);
  if (salt_of (seal, salt))
    {
      seal_of (salt, text, hex);
      if (strcmp (hex, expected) != 0)
        return changed (error, path);
    }
  else if (strcmp (text, RP_LEDGER_REDACTED) != 0)
    return changed (error, path);
  json_object_set_new (object, key, json_pack ("{s:s}", "sha256", expected));
  return TRUE;
}

gboolean
rp_seal_again (json_t *body, const json_t *about, GError **error)
{
  Walk walk = { .field = close_field, .about = about };

  return about == NULL || walk_object (&walk, body, "", 0, error);
}
