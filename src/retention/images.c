/* The images of a repository with all that a policy may ask about them. */
#include "base/error.h"
#include "registry/policy.h"
#include "release/environment.h"
#include "retention/retention_priv.h"
#include "retention/root.h"

typedef struct {
  const char *repository;
  GPtrArray *images;
  GHashTable *by_digest; /* char * → RpImage, both borrowed */
  GPtrArray *indexes;    /* RpImage, borrowed */
  gint64 seq;
} Load;

static gboolean
load_manifests (RpTxn *txn, Load *load, GError **error)
{
  static const char sql[] = "SELECT digest, at_us, seq, subject, media_type FROM manifest"
                            " WHERE repository = $1";
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "s", load->repository);

  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      RpImage *image = rp_image_new (rp_rows_text (rows, i, 0));

      image->pushed_us = rp_rows_int (rows, i, 1);
      image->seq = rp_rows_int (rows, i, 2);
      image->subject = g_strdup (rp_rows_text (rows, i, 3));
      load->seq = MAX (load->seq, image->seq);
      g_ptr_array_add (load->images, image);
      g_hash_table_insert (load->by_digest, image->digest, image);
      if (rp_media_type_is_index (rp_rows_text (rows, i, 4)))
        g_ptr_array_add (load->indexes, image);
    }
  return TRUE;
}

static gboolean
load_tags (RpTxn *txn, Load *load, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT name, digest, seq FROM tag WHERE repository = $1 ORDER BY name", "s",
                      load->repository);

  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      RpImage *image = g_hash_table_lookup (load->by_digest, rp_rows_text (rows, i, 1));

      load->seq = MAX (load->seq, rp_rows_int (rows, i, 2));
      if (image != NULL)
        g_ptr_array_add (image->tags, g_strdup (rp_rows_text (rows, i, 0)));
    }
  return TRUE;
}

/* What signers push under a tag that is made of a digest refers to that, though it does not say so. */
static void
find_signature (RpImage *image)
{
  char *subject = NULL;

  for (guint i = 0; i < image->tags->len; i++)
    {
      g_free (subject);
      subject = rp_signature_subject (image->tags->pdata[i]);
      if (subject == NULL)
        return;
    }
  if (image->subject == NULL)
    image->subject = subject;
  else
    g_free (subject);
}

static gboolean
load_pulls (RpTxn *txn, Load *load, GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT digest, at_us FROM pulled WHERE repository = $1", "s", load->repository);

  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      RpImage *image = g_hash_table_lookup (load->by_digest, rp_rows_text (rows, i, 0));
      if (image != NULL)
        image->pulled_us = rp_rows_int (rows, i, 1);
    }
  return TRUE;
}

/* ---- deployments ---- */

/* release → its rank among the known good ones, plus 1. */
static GHashTable *
load_ranks (RpTxn *txn, const char *app, const char *environment, GError **error)
{
  g_autoptr (GArray) history = rp_revision_load_history (txn, app, environment, error);
  g_auto (RpKnownGood) known = { 0 };
  GHashTable *ranks;
  gint rank = 0;

  if (history == NULL)
    return NULL;
  ranks = g_hash_table_new (g_direct_hash, g_direct_equal);
  rp_known_good_select ((const RpHistoryRow *) (gconstpointer) history->data, history->len,
                        G_MAXINT64, &known);
  for (guint i = 0; i < known.window->len; i++)
    {
      const RpWindowEntry *entry = &g_array_index (known.window, RpWindowEntry, i);
      if (entry->good)
        g_hash_table_insert (ranks, GSIZE_TO_POINTER ((gsize) entry->release),
                             GINT_TO_POINTER (++rank));
    }
  return ranks;
}

static void
add_use (Load *load, const RpRows *rows, gsize i, const char *environment, GHashTable *ranks)
{
  RpImage *image = g_hash_table_lookup (load->by_digest, rp_rows_text (rows, i, 0));
  gsize release = (gsize) rp_rows_int (rows, i, 3);
  RpImageUse use = { g_strdup (environment), G_MAXINT64,
                     GPOINTER_TO_INT (g_hash_table_lookup (ranks, GSIZE_TO_POINTER (release))) - 1 };

  if (!rp_rows_is_null (rows, i, 4))
    use.last_us = rp_rows_int (rows, i, 4);
  if (image != NULL)
    g_array_append_val (image->uses, use);
  else
    g_free (use.environment);
}

static gboolean
load_uses (RpTxn *txn, Load *load, GError **error)
{
  static const char sql[]
      = "SELECT DISTINCT c.digest, v.app, v.environment, v.release,"
        " (SELECT n.at_us FROM revision n WHERE n.app = v.app AND n.environment = v.environment"
        "  AND n.number = v.number + 1)"
        " FROM manifest m JOIN release_component c ON c.digest = m.digest"
        " JOIN revision v ON v.app = c.app AND v.release = c.release WHERE m.repository = $1"
        " ORDER BY v.app, v.environment";
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "s", load->repository);
  g_autoptr (GHashTable) ranks = NULL;
  g_autofree char *last = NULL;

  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      const char *app = rp_rows_text (rows, i, 1), *environment = rp_rows_text (rows, i, 2);
      char *name = g_strconcat (app, "/", environment, NULL);

      if (g_strcmp0 (name, last) != 0)
        {
          g_clear_pointer (&ranks, g_hash_table_unref);
          ranks = load_ranks (txn, app, environment, error);
        }
      g_free (last);
      last = name;
      if (ranks == NULL)
        return FALSE;
      add_use (load, rows, i, name, ranks);
    }
  return TRUE;
}

static gboolean
load_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Load *load = user_data;

  if (!load_manifests (txn, load, error) || !load_tags (txn, load, error)
      || !load_pulls (txn, load, error) || !load_uses (txn, load, error))
    return FALSE;
  for (guint i = 0; i < load->images->len; i++)
    find_signature (load->images->pdata[i]);
  return TRUE;
}

/* ---- children ---- */

static RpManifest *
read_index (RpRetention *retention, const char *repository, const char *digest, GError **error)
{
  g_auto (RpManifestInfo) info = { 0 };
  g_autoptr (GBytes) bytes = NULL;
  gsize size;
  const void *data;

  if (!rp_registry_manifest_get (retention->registry, repository, digest, &info, &bytes, error))
    return NULL;
  data = g_bytes_get_data (bytes, &size);
  return rp_manifest_parse (data, size, info.media_type, error);
}

/* One that cannot be read may list anything: nothing can be told then. */
static gboolean
load_children (RpRetention *retention, const char *repository, RpImage *image, GError **error)
{
  g_autoptr (RpManifest) index = read_index (retention, repository, image->digest, error);
  char text[RP_DIGEST_STRING_SIZE];

  if (index == NULL)
    {
      g_prefix_error (error, "nothing goes from %s while it cannot be told what index %s lists: ",
                      repository, image->digest);
      return FALSE;
    }
  for (guint i = 0; i < index->descriptors->len; i++)
    {
      const RpDescriptor *child = index->descriptors->pdata[i];
      if (child->role == RP_DESCRIPTOR_MANIFEST)
        g_ptr_array_add (image->children, g_strdup (rp_digest_format (&child->digest, text)));
    }
  return TRUE;
}

GPtrArray *
rp_images_load (RpRetention *retention, const char *repository, gint64 *out_seq, GError **error)
{
  g_autoptr (GPtrArray) images = g_ptr_array_new_with_free_func (rp_image_free);
  g_autoptr (GHashTable) by_digest = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) indexes = g_ptr_array_new ();
  Load load = { repository, images, by_digest, indexes, 0 };

  if (!rp_db_read (retention->db, load_in_txn, &load, error))
    return NULL;
  for (guint i = 0; i < indexes->len; i++)
    if (!load_children (retention, repository, indexes->pdata[i], error))
      return NULL;
  *out_seq = load.seq;
  return g_steal_pointer (&images);
}
