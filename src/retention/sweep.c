#include "retention/sweep.h"

#include "base/error.h"
#include "base/json.h"
#include "oci/reference.h"

void
rp_sweep_free (RpSweep *sweep)
{
  if (sweep == NULL)
    return;
  g_clear_pointer (&sweep->fates, g_array_unref);
  g_clear_pointer (&sweep->images, g_ptr_array_unref);
  rp_lifecycle_free (sweep->policy);
  g_free (sweep->pattern);
  g_free (sweep->repository);
  g_free (sweep);
}

static gboolean
find_policy (RpTxn *txn, gpointer user_data, GError **error)
{
  RpSweep *sweep = user_data;
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, "SELECT name FROM repository WHERE name = $1",
                                          "s", sweep->repository);

  if (rows == NULL)
    return FALSE;
  if (rp_rows_count (rows) > 0)
    return rp_attachment_find (txn, sweep->repository, &sweep->pattern, &sweep->policy, error);
  g_set_error (error, RP_ERROR, RP_ERROR_NAME_UNKNOWN,
               "there is no repository %s; `repoint repo ls` lists them", sweep->repository);
  return FALSE;
}

RpSweep *
rp_sweep_look (RpRetention *retention, const char *repository, gint64 now_us, GError **error)
{
  g_autoptr (RpSweep) sweep = g_new0 (RpSweep, 1);

  sweep->repository = g_strdup (repository);
  if (!rp_repository_check (repository, error)
      || !rp_db_read (retention->db, find_policy, sweep, error))
    return NULL;
  if (sweep->policy == NULL)
    return g_steal_pointer (&sweep);
  sweep->images = rp_images_load (retention, repository, &sweep->seq, error);
  if (sweep->images == NULL)
    return NULL;
  for (guint i = 0; i < sweep->images->len; i++)
    {
      RpImage *image = sweep->images->pdata[i];
      image->held = rp_held_has (retention->held, image->digest, NULL);
    }
  sweep->fates = rp_lifecycle_evaluate (sweep->policy, sweep->images, now_us);
  return g_steal_pointer (&sweep);
}

static const RpImage *
image_at (const RpSweep *sweep, guint i)
{
  return sweep->images->pdata[i];
}

static const RpFate *
fate_at (const RpSweep *sweep, guint i)
{
  return &g_array_index (sweep->fates, RpFate, i);
}

/* ---- order ---- */

/* What comes before what: an image that goes before those that it lists, and before those that went with it. */
typedef struct {
  const RpSweep *sweep;
  GHashTable *by_digest; /* index + 1 */
  guint *depths;
  guint *waits; /* for so many others to be placed */
} Order;

typedef void (*EachFunc) (Order *order, guint from, guint to, GArray *placed);

static void
count_wait (Order *order, guint from, guint to, GArray *placed)
{
  order->waits[to]++;
}

static void
push_down (Order *order, guint from, guint to, GArray *placed)
{
  order->depths[to] = MAX (order->depths[to], order->depths[from] + 1);
  if (--order->waits[to] == 0)
    g_array_append_val (placed, to);
}

/* Among those that go. Nothing can list itself, or what lists it: a digest would have to be known before its bytes are. */
static void
each_later (Order *order, guint i, const gint *first, const gint *after, EachFunc func,
            GArray *placed)
{
  const RpImage *image = image_at (order->sweep, i);

  for (guint k = 0; k < image->children->len; k++)
    {
      guint child = GPOINTER_TO_UINT (g_hash_table_lookup (order->by_digest, image->children->pdata[k]));
      if (child > 0 && child - 1 != i && fate_at (order->sweep, child - 1)->kind == RP_FATE_GOES)
        func (order, i, child - 1, placed);
    }
  for (gint follower = first[i]; follower >= 0; follower = after[follower])
    func (order, i, (guint) follower, placed);
}

static void
place (Order *order, const GArray *going)
{
  guint count = order->sweep->images->len;
  g_autofree gint *first = g_new (gint, count + 1); /* of those that went with it, or -1 */
  g_autofree gint *after = g_new (gint, count + 1);
  g_autoptr (GArray) placed = g_array_new (FALSE, FALSE, sizeof (guint));

  for (guint i = 0; i < count; i++)
    first[i] = -1;
  for (guint k = 0; k < going->len; k++)
    {
      guint i = g_array_index (going, guint, k);
      gint via = fate_at (order->sweep, i)->via;
      if (via < 0)
        continue;
      after[i] = first[via];
      first[via] = (gint) i;
    }
  for (guint k = 0; k < going->len; k++)
    each_later (order, g_array_index (going, guint, k), first, after, count_wait, NULL);
  for (guint k = 0; k < going->len; k++)
    if (order->waits[g_array_index (going, guint, k)] == 0)
      g_array_append_val (placed, g_array_index (going, guint, k));
  for (guint k = 0; k < placed->len; k++)
    each_later (order, g_array_index (placed, guint, k), first, after, push_down, placed);
}

static gint
by_depth (gconstpointer a, gconstpointer b, gpointer data)
{
  const guint *depths = data, left = *(const guint *) a, right = *(const guint *) b;

  if (depths[left] != depths[right])
    return depths[left] < depths[right] ? -1 : 1;
  return left < right ? -1 : left > right;
}

GArray *
rp_sweep_order (const RpSweep *sweep)
{
  g_autoptr (GHashTable) by_digest = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree guint *depths = g_new0 (guint, sweep->images->len + 1);
  g_autofree guint *waits = g_new0 (guint, sweep->images->len + 1);
  GArray *going = g_array_new (FALSE, FALSE, sizeof (guint));
  Order order = { sweep, by_digest, depths, waits };

  for (guint i = 0; i < sweep->images->len; i++)
    {
      g_hash_table_insert (by_digest, image_at (sweep, i)->digest, GUINT_TO_POINTER (i + 1));
      if (fate_at (sweep, i)->kind == RP_FATE_GOES)
        g_array_append_val (going, i);
    }
  place (&order, going);
  g_array_sort_with_data (going, by_depth, depths);
  return going;
}

/* ---- words ---- */

json_t *
rp_sweep_rule (const RpSweep *sweep, guint index)
{
  const RpFate *fate = fate_at (sweep, index);
  g_autofree char *text = rp_lifecycle_describe (fate->rule);
  json_t *json = json_object ();

  json_object_set_new (json, "pattern", json_string (sweep->pattern));
  json_object_set_new (json, "priority", json_integer (fate->rule->priority));
  json_object_set_new (json, "text", json_string (text));
  if (fate->rule->description != NULL)
    json_object_set_new (json, "description", json_string (fate->rule->description));
  if (fate->kind == RP_FATE_GOES && fate->via >= 0)
    json_object_set_new (json, "subject", json_string (image_at (sweep, (guint) fate->via)->digest));
  return json;
}

json_t *
rp_sweep_image (const RpSweep *sweep, guint index)
{
  const RpImage *image = image_at (sweep, index);
  json_t *json = json_object ();
  json_t *tags = json_array ();

  for (guint i = 0; i < image->tags->len; i++)
    json_array_append_new (tags, json_string (image->tags->pdata[i]));
  json_object_set_new (json, "digest", json_string (image->digest));
  json_object_set_new (json, "tags", tags);
  json_object_set_new (json, "pushed_at", rp_time_or_null (image->pushed_us));
  json_object_set_new (json, "rule", rp_sweep_rule (sweep, index));
  return json;
}

json_t *
rp_sweep_saved (RpRetention *retention, const RpSweep *sweep, guint index)
{
  static const char *const by[]
      = { [RP_FATE_HELD] = "hold", [RP_FATE_KEPT] = "keep", [RP_FATE_NEEDED] = "listed" };
  const RpFate *fate = fate_at (sweep, index);
  json_t *json = rp_sweep_image (sweep, index);
  g_autoptr (json_t) reasons = rp_held_reasons (retention->held, image_at (sweep, index)->digest);
  g_autofree char *text = NULL;

  if (fate->kind == RP_FATE_HELD)
    text = g_strdup (rp_json_str (json_array_get (reasons, 0), "text"));
  else if (fate->kind == RP_FATE_KEPT)
    text = g_strdup (fate->keep->text);
  else
    text = g_strdup_printf ("it is listed by %s, which stays",
                            image_at (sweep, (guint) fate->via)->digest);
  json_object_set_new (json, "by", json_string (by[fate->kind]));
  json_object_set_new (json, "text", json_string (text != NULL ? text : "it is held"));
  json_object_set (json, "reasons", reasons);
  return json;
}

/* ---- warnings ---- */

static void
count_window (GHashTable *counts, const json_t *reasons)
{
  const json_t *reason;
  gsize i;

  json_array_foreach (reasons, i, reason)
  {
    const char *kind = rp_json_str (reason, "kind");
    char *name;

    if (g_strcmp0 (kind, "window") != 0 || !rp_json_bool (reason, "direct"))
      continue;
    name = g_strdup_printf ("%s/%s", rp_json_str (reason, "app"), rp_json_str (reason, "environment"));
    g_hash_table_insert (counts, name,
                         GINT_TO_POINTER (GPOINTER_TO_INT (g_hash_table_lookup (counts, name)) + 1));
  }
}

json_t *
rp_sweep_warnings (RpRetention *retention, const RpSweep *sweep)
{
  g_autoptr (GHashTable) counts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  json_t *warnings = json_array ();
  g_autoptr (GList) names = NULL;

  for (guint i = 0; i < sweep->images->len; i++)
    if (fate_at (sweep, i)->kind == RP_FATE_HELD)
      {
        g_autoptr (json_t) reasons = rp_held_reasons (retention->held, image_at (sweep, i)->digest);
        count_window (counts, reasons);
      }
  names = g_list_sort (g_hash_table_get_keys (counts), (GCompareFunc) g_strcmp0);
  for (GList *at = names; at != NULL; at = at->next)
    {
      gint count = GPOINTER_TO_INT (g_hash_table_lookup (counts, at->data));
      g_autofree char *text = g_strdup_printf (
          "the window of %s reaches %d %s that the policy of %s would not keep; the hold keeps %s, "
          "but the policy says less than you need",
          (char *) at->data, count, count == 1 ? "image" : "images", sweep->pattern,
          count == 1 ? "it" : "them");
      json_array_append_new (warnings, json_string (text));
    }
  return warnings;
}
