#include "ledger/tlog_key.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "ledger/audit.h"

#define KEY_MAX 4096 /* bytes */

static char *
key_path (const char *data_dir, const char *name)
{
  return g_build_filename (data_dir, "keys", name, NULL);
}

/* RP_ERROR_NOT_FOUND if it is not there. */
static RpNoteSigner *
read_key (const char *data_dir, const char *name, GError **error)
{
  g_autofree char *path = key_path (data_dir, name);
  g_autoptr (GBytes) bytes = rp_file_read (path, KEY_MAX, error);
  g_autofree char *text = NULL;
  RpNoteSigner *signer;

  if (!bytes)
    return NULL;
  text = rp_file_text (bytes);
  signer = rp_note_signer_parse (g_strchomp (text), error);
  if (!signer)
    g_prefix_error (error, "%s: ", path);
  return signer;
}

static gboolean
write_key (const char *data_dir, const char *name, const RpNoteSigner *signer, GError **error)
{
  g_autofree char *directory = g_build_filename (data_dir, "keys", NULL);
  g_autofree char *path = key_path (data_dir, name);
  g_autofree char *text = rp_note_signer_format (signer);

  return rp_dir_make (directory, 0700, error)
         && rp_file_replace (path, text, strlen (text), 0600, error);
}

static gboolean
write_public (const char *data_dir, const RpNoteSigner *signer, GError **error)
{
  g_autofree char *path = key_path (data_dir, "ledger.pub");
  g_autofree char *key = rp_note_key_format (rp_note_signer_key (signer));
  g_autofree char *text = g_strconcat (key, "\n", NULL);
  g_autoptr (GBytes) there = rp_file_read (path, KEY_MAX, NULL);
  g_autoptr (GBytes) wanted = g_bytes_new_static (text, strlen (text));

  return (there && g_bytes_equal (there, wanted))
         || rp_file_replace (path, text, strlen (text), 0644, error);
}

/* The name is the origin of the log, for ever: nobody else's, and no address that could change. */
static RpNoteSigner *
make_key (const char *data_dir, GError **error)
{
  g_autoptr (RpNoteSigner) signer = NULL;
  g_autofree char *name = NULL;
  guint8 id[8];

  if (RAND_bytes (id, sizeof id) != 1)
    g_error ("libcrypto: no random bytes");
  name = g_strdup_printf ("repoint.ledger/%02x%02x%02x%02x%02x%02x%02x%02x", id[0], id[1], id[2], id[3],
                          id[4], id[5], id[6], id[7]);
  signer = rp_note_signer_new (name);
  return write_key (data_dir, "ledger.key", signer, error) ? g_steal_pointer (&signer) : NULL;
}

/* ---- rotation ---- */

typedef struct {
  RpLedger *ledger;
  const char *actor;
  json_t *body;
  gboolean found;
  const char *key;
} Job;

static gboolean
find_rotation (RpTxn *txn, gpointer user_data, GError **error)
{
  Job *job = user_data;
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT body FROM event WHERE kind = '" RP_EVENT_KEY_ROTATED "' ORDER BY seq DESC LIMIT 1", "");
  g_autoptr (json_t) body = NULL;

  if (!rows)
    return FALSE;
  if (rp_rows_count (rows) == 0)
    return TRUE;
  body = rp_json_parse (rp_rows_text (rows, 0, 0), strlen (rp_rows_text (rows, 0, 0)), "event body", error);
  job->found = body && g_strcmp0 (rp_json_str (body, "key"), job->key) == 0;
  return body != NULL;
}

static gboolean
put_next (const char *data_dir, GError **error)
{
  g_autofree char *next = key_path (data_dir, "ledger.key.next");
  g_autofree char *path = key_path (data_dir, "ledger.key");
  g_autofree char *directory = g_path_get_dirname (path);

  if (rename (next, path) != 0)
    return rp_error_set_errno (error, errno, "putting %s in place", next);
  return rp_dir_sync (directory, error);
}

/* The event decides: with it the next key is the key, without it there was no rotation. */
static gboolean
end_rotation (RpLedger *ledger, const char *data_dir, GError **error)
{
  g_autoptr (GError) inner = NULL;
  g_autoptr (RpNoteSigner) next = read_key (data_dir, "ledger.key.next", &inner);
  g_autofree char *key = next ? rp_note_key_format (rp_note_signer_key (next)) : NULL;
  g_autofree char *path = key_path (data_dir, "ledger.key.next");
  Job job = { .ledger = ledger, .key = key };

  if (!next && g_error_matches (inner, RP_ERROR, RP_ERROR_NOT_FOUND))
    return TRUE;
  if (next && !rp_db_read (rp_ledger_db (ledger), find_rotation, &job, error))
    return FALSE;
  if (job.found)
    return put_next (data_dir, error);
  if (unlink (path) != 0)
    return rp_error_set_errno (error, errno, "removing %s", path);
  return TRUE;
}

static gboolean
append_rotation (RpTxn *txn, gpointer user_data, GError **error)
{
  const Job *job = user_data;

  return rp_ledger_append (job->ledger, txn, job->actor, RP_EVENT_KEY_ROTATED, job->body, NULL, error);
}

static json_t *
describe_rotation (const RpNoteSigner *old, const RpNoteSigner *next, const char *because)
{
  g_autofree char *key = rp_note_key_format (rp_note_signer_key (next));
  g_autofree char *previous = rp_note_key_format (rp_note_signer_key (old));
  g_autofree char *text = rp_rotation_text (rp_note_signer_key (old)->name, key);
  g_autofree char *line = rp_note_sign (old, text);
  json_t *body = json_pack ("{s:s, s:s, s:s}", "key", key, "previous", previous, "signature",
                            g_strchomp (line));

  if (because)
    json_object_set_new (body, "because", json_string (because));
  return body;
}

RpNoteSigner *
rp_tlog_key_rotate (RpLedger *ledger, const char *data_dir, const RpNoteSigner *old, const char *actor,
                    const char *because, GError **error)
{
  g_autoptr (RpNoteSigner) next = rp_note_signer_new (rp_note_signer_key (old)->name);
  g_autoptr (json_t) body = describe_rotation (old, next, because);
  Job job = { .ledger = ledger, .actor = actor, .body = body };

  if (!write_key (data_dir, "ledger.key.next", next, error)
      || !rp_db_write (rp_ledger_db (ledger), append_rotation, &job, error)
      || !put_next (data_dir, error) || !write_public (data_dir, next, error))
    return NULL;
  return g_steal_pointer (&next);
}

RpNoteSigner *
rp_tlog_key_open (RpLedger *ledger, const char *data_dir, gboolean may_make, GError **error)
{
  g_autoptr (GError) inner = NULL;
  g_autoptr (RpNoteSigner) signer = NULL;

  if (!end_rotation (ledger, data_dir, error))
    return NULL;
  signer = read_key (data_dir, "ledger.key", &inner);
  if (!signer && may_make && g_error_matches (inner, RP_ERROR, RP_ERROR_NOT_FOUND))
    {
      g_clear_error (&inner);
      signer = make_key (data_dir, &inner);
    }
  if (!signer)
    {
      g_propagate_error (error, g_steal_pointer (&inner));
      return NULL;
    }
  return write_public (data_dir, signer, error) ? g_steal_pointer (&signer) : NULL;
}
