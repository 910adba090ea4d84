#include "server/wishes.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#define ASKED_US (30 * (gint64) G_USEC_PER_SEC) /* an answer may be lost */
#define LACKING_US (3600 * (gint64) G_USEC_PER_SEC)
#define ASK_MAX 20 /* digests in one answer */

typedef struct {
  GPtrArray *repositories; /* char *: where it is known */
  GHashTable *not_before;  /* target → gint64 *: monotonic; those that were asked */
  gint64 asked_until_us;
  guint coming; /* requests that bring it */
} Wish;

struct RpWishes {
  RpRegistry *registry;
  void (*wake) (gpointer user_data);
  gpointer user_data;
  GMutex lock;
  GHashTable *wishes; /* RpDigest → Wish */
};

static void
wish_free (gpointer data)
{
  Wish *wish = data;

  g_ptr_array_unref (wish->repositories);
  g_hash_table_unref (wish->not_before);
  g_free (wish);
}

RpWishes *
rp_wishes_new (RpRegistry *registry, void (*wake) (gpointer user_data), gpointer user_data)
{
  RpWishes *wishes = g_new0 (RpWishes, 1);

  wishes->registry = registry;
  wishes->wake = wake;
  wishes->user_data = user_data;
  g_mutex_init (&wishes->lock);
  wishes->wishes = g_hash_table_new_full (rp_digest_hash, rp_digest_equal, g_free, wish_free);
  return wishes;
}

void
rp_wishes_free (RpWishes *wishes)
{
  if (wishes == NULL)
    return;
  g_hash_table_unref (wishes->wishes);
  g_mutex_clear (&wishes->lock);
  g_free (wishes);
}

/* ---- wishing ---- */

static Wish *
wish_new (const json_t *places)
{
  Wish *wish = g_new0 (Wish, 1);
  gsize i;
  json_t *place;

  wish->repositories = g_ptr_array_new_with_free_func (g_free);
  wish->not_before = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  json_array_foreach ((json_t *) places, i, place)
    g_ptr_array_add (wish->repositories, g_strdup (rp_json_str (place, "repository")));
  return wish;
}

static gboolean
bring (const RpPatient *patient, RpStore *into, gboolean *out_brought, gpointer data,
       GError **error)
{
  RpWishes *wishes = data;
  g_autoptr (json_t) places = NULL;

  /* An agent gave it, and we were killed before that was recorded. */
  *out_brought = rp_store_verify (into, &patient->digest, NULL);
  if (*out_brought)
    return TRUE;
  places = rp_registry_where (wishes->registry, &patient->digest, error);
  if (places == NULL)
    return FALSE;
  g_mutex_lock (&wishes->lock);
  if (!g_hash_table_contains (wishes->wishes, &patient->digest))
    g_hash_table_insert (wishes->wishes, rp_digest_copy (&patient->digest), wish_new (places));
  g_mutex_unlock (&wishes->lock);
  wishes->wake (wishes->user_data);
  return TRUE;
}

RpHealer
rp_wishes_healer (RpWishes *wishes)
{
  return (RpHealer){ .name = "agent", .bring = bring, .user_data = wishes };
}

gboolean
rp_wishes_any (RpWishes *wishes)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&wishes->lock);

  return g_hash_table_size (wishes->wishes) > 0;
}

/* ---- asking ---- */

static gboolean
may_have (const Wish *wish, const GPtrArray *repositories)
{
  for (guint i = 0; i < repositories->len; i++)
    if (g_ptr_array_find_with_equal_func (wish->repositories, repositories->pdata[i], g_str_equal, NULL))
      return TRUE;
  return FALSE;
}

static void
put_off (Wish *wish, const char *target, gint64 until_us)
{
  gint64 *not_before = g_new (gint64, 1);

  *not_before = until_us;
  g_hash_table_replace (wish->not_before, g_strdup (target), not_before);
}

static gboolean
is_due (const Wish *wish, const char *target, gint64 now_us)
{
  const gint64 *not_before = g_hash_table_lookup (wish->not_before, target);

  return wish->coming == 0 && now_us >= wish->asked_until_us
         && (not_before == NULL || now_us >= *not_before);
}

json_t *
rp_wishes_ask (RpWishes *wishes, const char *target, const GPtrArray *repositories, gint64 now_us)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&wishes->lock);
  json_t *asked = NULL;
  GHashTableIter iter;
  gpointer digest, value;

  g_hash_table_iter_init (&iter, wishes->wishes);
  while (json_array_size (asked) < ASK_MAX && g_hash_table_iter_next (&iter, &digest, &value))
    {
      char text[RP_DIGEST_STRING_SIZE];
      Wish *wish = value;

      if (!is_due (wish, target, now_us) || !may_have (wish, repositories))
        continue;
      if (asked == NULL)
        asked = json_array ();
      json_array_append_new (asked, json_string (rp_digest_format (digest, text)));
      wish->asked_until_us = now_us + ASKED_US;
      put_off (wish, target, wish->asked_until_us);
    }
  return asked;
}

/* ---- answers ---- */

gboolean
rp_wishes_begin (RpWishes *wishes, const char *target, const RpDigest *digest, RpPatient *out,
                 GError **error)
{
  gboolean damaged = FALSE;
  gboolean asked;
  Wish *wish;

  if (!rp_registry_find_patient (wishes->registry, digest, out, &damaged, error))
    return FALSE;
  if (!damaged)
    rp_wishes_fulfil (wishes, digest); /* by somebody else */
  g_mutex_lock (&wishes->lock);
  wish = g_hash_table_lookup (wishes->wishes, digest);
  asked = wish != NULL && g_hash_table_contains (wish->not_before, target);
  if (asked)
    wish->coming++;
  else
    g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
                 "%s is not asked for these bytes (any more): an agent sends what the answer to its poll wants, "
                 "and nothing else", target);
  g_mutex_unlock (&wishes->lock);
  return asked;
}

void
rp_wishes_end (RpWishes *wishes, const RpDigest *digest)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&wishes->lock);
  Wish *wish = g_hash_table_lookup (wishes->wishes, digest);

  if (wish != NULL && wish->coming > 0 && --wish->coming == 0)
    wish->asked_until_us = 0;
}

void
rp_wishes_fulfil (RpWishes *wishes, const RpDigest *digest)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&wishes->lock);

  g_hash_table_remove (wishes->wishes, digest);
}

void
rp_wishes_lacking (RpWishes *wishes, const char *target, const RpDigest *digest, gint64 now_us)
{
  Wish *wish;

  g_mutex_lock (&wishes->lock);
  wish = g_hash_table_lookup (wishes->wishes, digest);
  if (wish != NULL && g_hash_table_contains (wish->not_before, target))
    {
      put_off (wish, target, now_us + LACKING_US);
      wish->asked_until_us = 0;
    }
  g_mutex_unlock (&wishes->lock);
  if (wish != NULL)
    wishes->wake (wishes->user_data);
}
