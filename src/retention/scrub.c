/* Reading some blobs again, and what follows for each. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "registry/heal.h"
#include "retention/reread.h"
#include "retention/scrubber_priv.h"

#define WRITE_EVERY_US (5 * (gint64) G_USEC_PER_SEC) /* a crash makes that to be read twice */

void
rp_scrub_init (RpScrub *scrub, RpScrubber *scrubber, gboolean paced)
{
  *scrub = (RpScrub){ .scrubber = scrubber, .paced = paced };
  scrub->piece = g_malloc (RP_REREAD_PIECE_BYTES);
}

void
rp_scrub_clear (RpScrub *scrub)
{
  g_clear_pointer (&scrub->piece, g_free);
  g_clear_pointer (&scrub->damaged, json_decref);
  g_clear_pointer (&scrub->healed, json_decref);
}

/* Waits as long as the pace says, unless it is to end. */
static gboolean
keep_pace (gsize read_bytes, gpointer user_data, GError **error)
{
  RpScrub *scrub = user_data;
  RpScrubber *scrubber = scrub->scrubber;
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&scrubber->lock);
  gint64 until_us;

  scrub->count.size_bytes += read_bytes;
  scrubber->total.size_bytes += read_bytes;
  scrub->flow.bytes_per_second = scrub->paced ? scrubber->pace.bytes_per_second : 0;
  until_us = rp_flow_take (&scrub->flow, read_bytes, rp_clock_monotonic_us ());
  while (!scrubber->stop && rp_clock_monotonic_us () < until_us)
    g_cond_wait_until (&scrubber->cond, &scrubber->lock, until_us);
  if (scrubber->stop)
    g_set_error_literal (error, RP_ERROR, RP_ERROR_BUSY, "the server is stopping");
  return !scrubber->stop;
}

/* ---- what is damaged ---- */

static void
add_digest (json_t *list, const char *text)
{
  if (list)
    json_array_append_new (list, json_string (text));
}

static char *
where_it_lies (RpRegistry *registry, const RpDigest *digest)
{
  g_autoptr (GString) names = g_string_new (NULL);
  g_autoptr (json_t) places = rp_registry_where (registry, digest, NULL);
  gsize i;
  json_t *place;

  json_array_foreach (places, i, place)
  {
    g_string_append_printf (names, "%s%s", i > 0 ? ", " : "", rp_json_str (place, "repository"));
  }
  return g_string_free (g_steal_pointer (&names), FALSE);
}

static gboolean
heal (RpScrub *scrub, const RpDigest *digest, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  const char *by = NULL;

  if (!rp_registry_heal (scrub->scrubber->registry, digest, &by, error))
    return FALSE;
  if (by)
    {
      scrub->count.healed++;
      add_digest (scrub->healed, rp_digest_format (digest, text));
    }
  return TRUE;
}

static gboolean
handle_damage (RpScrub *scrub, const RpDigest *digest, GError **error)
{
  RpRegistry *registry = scrub->scrubber->registry;
  char text[RP_DIGEST_STRING_SIZE];
  gboolean damaged = FALSE;

  if (!rp_registry_suspect (registry, digest, &damaged, error))
    return FALSE;
  if (!damaged)
    return TRUE; /* somebody pushed the true bytes meanwhile, or nothing needs them */
  g_autofree char *places = where_it_lies (registry, digest);
  rp_digest_format (digest, text);
  scrub->count.damaged++;
  add_digest (scrub->damaged, text);
  rp_log_error ("scrubber",
                "%s of %s is damaged and is not served any more: push the true bytes again; "
                "`repoint trace %s` says who needs it",
                text, places, text);
  return heal (scrub, digest, error);
}

/* ---- one after another ---- */

typedef struct {
  RpDigest digest;
  RpRereadVerdict verdict;
  gint64 at_us;
  gboolean was_damaged; /* by the records, and is right */
} Seen;

static gboolean
look_up_damage (RpTxn *txn, const char *digest, gboolean *out, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, "SELECT 1 FROM damaged WHERE digest = $1", "s", digest);

  if (!rows)
    return FALSE;
  *out = rp_rows_count (rows) > 0;
  return TRUE;
}

/* A blob that is not there, and that nothing needs, was never verified. */
static gboolean
note_all (RpTxn *txn, gpointer user_data, GError **error)
{
  static const char right[] = "INSERT INTO verified (digest, at_us, ok) VALUES ($1, $2, 1) "
                              "ON CONFLICT (digest) DO UPDATE SET at_us = $2, ok = 1";
  static const char gone[] = "DELETE FROM verified WHERE digest = $1 AND ok = 1 AND at_us < $2";
  GArray *seen = user_data;

  for (guint i = 0; i < seen->len; i++)
    {
      Seen *one = &g_array_index (seen, Seen, i);
      char text[RP_DIGEST_STRING_SIZE];

      rp_digest_format (&one->digest, text);
      if (one->verdict == RP_REREAD_RIGHT && !look_up_damage (txn, text, &one->was_damaged, error))
        return FALSE;
      if (one->verdict != RP_REREAD_WRONG
          && !rp_txn_exec (txn, error, NULL, one->verdict == RP_REREAD_RIGHT ? right : gone, "si",
                           text, one->at_us))
        return FALSE;
    }
  return TRUE;
}

static gboolean
look_at (RpScrub *scrub, Seen *seen, GError **error)
{
  RpScrubber *scrubber = scrub->scrubber;

  seen->at_us = rp_clock_now_us ();
  if (!rp_reread (rp_registry_store (scrubber->registry), &seen->digest, scrub->piece, keep_pace,
                  scrub, &seen->verdict, error))
    return FALSE;
  scrub->count.blobs++;
  return seen->verdict == RP_REREAD_RIGHT || handle_damage (scrub, &seen->digest, error);
}

static gboolean
is_stopping (RpScrubber *scrubber)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&scrubber->lock);

  return scrubber->stop;
}

static void
add_total (RpScrubber *scrubber, const RpScrubCount *before, const RpScrubCount *now)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&scrubber->lock);

  scrubber->total.blobs += now->blobs - before->blobs;
  scrubber->total.damaged += now->damaged - before->damaged;
  scrubber->total.healed += now->healed - before->healed;
  scrubber->total.failed += now->failed - before->failed;
}

/* It was damaged, and is whole again. */
static gboolean
forgive (RpScrub *scrub, const RpDigest *digest, GError **error)
{
  const guint64 before = scrub->count.healed;
  char text[RP_DIGEST_STRING_SIZE];

  if (!heal (scrub, digest, error))
    return FALSE;
  if (scrub->count.healed > before)
    add_digest (scrub->damaged, rp_digest_format (digest, text));
  return TRUE;
}

/* What was found until now, in one transaction. */
static gboolean
write_down (RpScrub *scrub, GArray *all, GError **error)
{
  if (all->len > 0
      && !rp_db_write (rp_registry_db (scrub->scrubber->registry), note_all, all, error))
    return FALSE;
  for (guint i = 0; i < all->len; i++)
    if (g_array_index (all, Seen, i).was_damaged
        && !forgive (scrub, &g_array_index (all, Seen, i).digest, error))
      return FALSE;
  g_array_set_size (all, 0);
  return TRUE;
}

/* A blob that cannot be looked at keeps nobody from looking at the others. */
static gboolean
scrub_row (RpScrub *scrub, const char *text, GArray *all, GError **error)
{
  const RpScrubCount before = scrub->count;
  Seen seen = { .verdict = RP_REREAD_WRONG };
  g_autoptr (GError) local = NULL;

  if (!rp_digest_parse (text, &seen.digest, error))
    return FALSE;
  if (look_at (scrub, &seen, &local))
    g_array_append_val (all, seen);
  else if (is_stopping (scrub->scrubber))
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  else
    {
      scrub->count.failed++;
      rp_log_error ("scrubber", "%s could not be read again: %s", text, local->message);
    }
  add_total (scrub->scrubber, &before, &scrub->count);
  return TRUE;
}

gboolean
rp_scrub_rows (RpRows *rows, gpointer user_data, GError **error)
{
  RpScrub *scrub = user_data;
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (Seen));
  gint64 written_us = rp_clock_monotonic_us ();

  for (gsize row = 0; row < rp_rows_count (rows); row++)
    {
      if (!scrub_row (scrub, rp_rows_text (rows, row, 0), all, error))
        {
          (void) write_down (scrub, all, NULL); /* what was read before the server had to stop counts */
          return FALSE;
        }
      if (rp_clock_monotonic_us () - written_us > WRITE_EVERY_US)
        {
          if (!write_down (scrub, all, error))
            return FALSE;
          written_us = rp_clock_monotonic_us ();
        }
    }
  return write_down (scrub, all, error);
}
