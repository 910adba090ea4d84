#include "agent/keeper.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define RECHECK_US ((gint64) 60 * 60 * G_USEC_PER_SEC) /* hash again what lies ready (promise 5) */
#define RETRY_MIN_US ((gint64) 10 * G_USEC_PER_SEC)
#define RETRY_MAX_US ((gint64) 600 * G_USEC_PER_SEC)

struct RpKeeper {
  RpKeeperOptions options;
  GHashTable *ready;   /* RpDigest → gint64 *: when it was last hashed right */
  GHashTable *checked; /* RpDigest set: hashed by this process */
  gboolean changed;
  guint next;       /* index into the window of this round */
  gboolean failed;  /* something in this round */
  gboolean pruned;  /* after this round */
  gboolean swept;   /* after that */
  gint64 round_not_before_us;
  gint64 retry_us;
};

RpKeeper *
rp_keeper_new (const RpKeeperOptions *options, GError **error)
{
  g_autoptr (RpKeeper) keeper = g_new0 (RpKeeper, 1);

  keeper->options = *options;
  keeper->retry_us = RETRY_MIN_US;
  keeper->changed = TRUE; /* the first round of a process is always told */
  keeper->checked = g_hash_table_new_full (rp_digest_hash, rp_digest_equal, g_free, NULL);
  keeper->ready = rp_journal_ready (options->journal, options->target, error);
  return keeper->ready == NULL ? NULL : g_steal_pointer (&keeper);
}

void
rp_keeper_free (RpKeeper *keeper)
{
  if (keeper == NULL)
    return;
  g_clear_pointer (&keeper->ready, g_hash_table_unref);
  g_hash_table_unref (keeper->checked);
  g_free (keeper);
}

gboolean
rp_keeper_is_ready (const RpKeeper *keeper, const RpDigest *digest)
{
  return g_hash_table_contains (keeper->ready, digest);
}

static int
compare_text (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

json_t *
rp_keeper_local (const RpKeeper *keeper)
{
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);
  json_t *local = json_array ();
  GHashTableIter iter;
  gpointer digest;

  g_hash_table_iter_init (&iter, keeper->ready);
  while (g_hash_table_iter_next (&iter, &digest, NULL))
    g_ptr_array_add (texts, rp_digest_to_string (digest));
  g_ptr_array_sort (texts, compare_text);
  for (guint i = 0; i < texts->len; i++)
    json_array_append_new (local, json_string (g_ptr_array_index (texts, i)));
  return local;
}

gboolean
rp_keeper_take_change (RpKeeper *keeper)
{
  gboolean changed = keeper->changed;

  keeper->changed = FALSE;
  return changed;
}

void
rp_keeper_mark (RpKeeper *keeper, const RpDigest *digest, gboolean ready)
{
  g_autoptr (GError) error = NULL;
  gint64 now_us = ready ? rp_clock_now_us () : 0;

  if (ready != rp_keeper_is_ready (keeper, digest))
    keeper->changed = TRUE;
  if (ready)
    {
      gint64 *verified_us = g_new (gint64, 1);

      *verified_us = now_us;
      g_hash_table_replace (keeper->ready, rp_digest_copy (digest), verified_us);
      g_hash_table_add (keeper->checked, rp_digest_copy (digest));
    }
  else
    g_hash_table_remove (keeper->ready, digest);
  /* The mark is a convenience for status; a full disk must not stop anything because of it. */
  if (!rp_journal_set_ready (keeper->options.journal, keeper->options.target, digest, now_us, &error))
    rp_log_debug (keeper->options.target, "%s", error->message);
}

static RpArtifact
artifact_of (const RpEntry *entry)
{
  RpArtifact artifact = { entry->repository, entry->digest, entry->version };

  return artifact;
}

gboolean
rp_keeper_verify (RpKeeper *keeper, const RpEntry *entry, GError **error)
{
  RpArtifact artifact = artifact_of (entry);
  gboolean ok = keeper->options.ops->verify (keeper->options.driver, &artifact, error);

  rp_keeper_mark (keeper, &entry->digest, ok);
  return ok;
}

gboolean
rp_keeper_prepare (RpKeeper *keeper, const RpEntry *entry, GError **error)
{
  RpArtifact artifact = artifact_of (entry);
  gboolean ok;

  rp_stock_use (keeper->options.stock);
  ok = keeper->options.ops->prepare (keeper->options.driver, &artifact, NULL, NULL, error);
  rp_stock_unuse (keeper->options.stock);
  if (ok)
    rp_keeper_mark (keeper, &entry->digest, TRUE);
  return ok;
}

/* ---- background ---- */

static gboolean
is_fresh (const RpKeeper *keeper, const RpEntry *entry, gint64 now_us)
{
  const gint64 *verified_us = g_hash_table_lookup (keeper->ready, &entry->digest);

  return verified_us != NULL && g_hash_table_contains (keeper->checked, &entry->digest)
         && now_us - *verified_us < RECHECK_US && *verified_us <= now_us;
}

static void
keep_one (RpKeeper *keeper, const RpEntry *entry, gboolean online)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *what = rp_entry_describe (entry);
  gboolean was_ready = rp_keeper_is_ready (keeper, &entry->digest);

  if (rp_keeper_verify (keeper, entry, &error))
    return;
  if (was_ready)
    rp_log_warning (keeper->options.target, "%s does not lie ready any more: %s", what, error->message);
  g_clear_error (&error);
  if (!online)
    {
      keeper->failed = TRUE;
      return;
    }
  if (rp_keeper_prepare (keeper, entry, &error))
    {
      rp_log_info (keeper->options.target, "%s of the window lies ready on this host", what);
      return;
    }
  keeper->failed = TRUE;
  rp_log_warning (keeper->options.target, "cannot keep %s of the window on this host: %s; trying again", what,
                  error->message);
}

static gboolean
is_kept (gpointer digest, gpointer value, gpointer data)
{
  const GArray *keep = data;

  for (guint i = 0; i < keep->len; i++)
    if (rp_digest_equal (&g_array_index (keep, RpArtifact, i).digest, digest))
      return TRUE;
  return FALSE;
}

static void
forget_others (RpKeeper *keeper, const GArray *keep)
{
  g_autoptr (GPtrArray) gone = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer digest;

  g_hash_table_iter_init (&iter, keeper->ready);
  while (g_hash_table_iter_next (&iter, &digest, NULL))
    if (!is_kept (digest, NULL, (gpointer) keep))
      g_ptr_array_add (gone, rp_digest_copy (digest));
  for (guint i = 0; i < gone->len; i++)
    rp_keeper_mark (keeper, g_ptr_array_index (gone, i), FALSE);
}

static void
prune (RpKeeper *keeper, const RpTargetState *state)
{
  g_autoptr (GPtrArray) needs = rp_target_state_needs (state);
  g_autoptr (GArray) keep = g_array_new (FALSE, FALSE, sizeof (RpArtifact));
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < needs->len; i++)
    {
      RpArtifact artifact = artifact_of (g_ptr_array_index (needs, i));

      g_array_append_val (keep, artifact);
    }
  if (keeper->options.ops->prune == NULL)
    return;
  if (keeper->options.ops->prune (keeper->options.driver, (const RpArtifact *) (void *) keep->data, keep->len,
                          &error))
    forget_others (keeper, keep);
  else
    rp_log_warning (keeper->options.target, "cannot let go of old releases: %s", error->message);
}

/* What the driver let go of may have been the last to need some blobs. */
static void
sweep (RpKeeper *keeper)
{
  g_autoptr (GError) error = NULL;
  gboolean busy = FALSE;

  if (!rp_stock_sweep (keeper->options.stock, keeper->options.cancelled, &busy, &error))
    rp_log_warning (keeper->options.target, "cannot tidy the local store: %s", error->message);
  keeper->swept = !busy;
  keeper->failed = keeper->failed || busy;
}

static void
end_round (RpKeeper *keeper, gint64 now_us)
{
  keeper->next = 0;
  keeper->round_not_before_us = now_us + (keeper->failed ? keeper->retry_us : RECHECK_US / 4);
  keeper->retry_us = keeper->failed ? MIN (keeper->retry_us * 2, RETRY_MAX_US) : RETRY_MIN_US;
  keeper->failed = FALSE;
}

void
rp_keeper_restart (RpKeeper *keeper)
{
  keeper->next = 0;
  keeper->failed = FALSE;
  keeper->pruned = FALSE;
  keeper->swept = FALSE;
  keeper->round_not_before_us = 0;
  keeper->retry_us = RETRY_MIN_US;
}

gboolean
rp_keeper_rests (const RpKeeper *keeper)
{
  return keeper->round_not_before_us > 0;
}

gboolean
rp_keeper_work (RpKeeper *keeper, const RpTargetState *state, gint64 now_us, gboolean online,
                gboolean may_prune)
{
  /* A round that is further away than any was ever set: the clock was put back. */
  if (now_us < keeper->round_not_before_us && keeper->round_not_before_us - now_us <= RECHECK_US)
    return FALSE;
  keeper->round_not_before_us = 0;
  while (keeper->next < state->window->len)
    {
      const RpEntry *entry = g_ptr_array_index (state->window, keeper->next++);

      if (is_fresh (keeper, entry, now_us))
        continue;
      keep_one (keeper, entry, online);
      return TRUE;
    }
  if (may_prune && !keeper->pruned)
    {
      keeper->pruned = TRUE;
      prune (keeper, state);
      return TRUE;
    }
  if (may_prune && !keeper->swept)
    sweep (keeper);
  end_round (keeper, now_us);
  return FALSE;
}
