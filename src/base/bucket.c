/* A bucket is one number: the time at which it is full again.  A token moves it on by the rate's interval,
 * and there is none if that would move it further ahead of now than the period.  Nanoseconds, so that an
 * interval may be short.
 */
#include "base/bucket.h"

#include <string.h>

#define NAMES_MAX 65536
#define NS_PER_US 1000

static const struct {
  const char *letter;
  const char *word;
  gint64 us;
} periods[] = {
  { "s", "second", G_USEC_PER_SEC },
  { "m", "minute", 60 * (gint64) G_USEC_PER_SEC },
  { "h", "hour", 3600 * (gint64) G_USEC_PER_SEC },
};

gboolean
rp_rate_parse (const char *text, RpRate *out)
{
  const char *slash = strchr (text, '/');
  g_autofree char *number = NULL;
  guint64 tokens;

  if (strcmp (text, "off") == 0)
    {
      *out = (RpRate){ 0 };
      return TRUE;
    }
  if (slash == NULL)
    return FALSE;
  number = g_strndup (text, (gsize) (slash - text));
  if (!g_ascii_string_to_unsigned (number, 10, 1, RP_RATE_TOKENS_MAX, &tokens, NULL))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (periods); i++)
    if (strcmp (slash + 1, periods[i].letter) == 0)
      {
        *out = (RpRate){ .tokens = (gint64) tokens, .per_us = periods[i].us };
        return TRUE;
      }
  return FALSE;
}

char *
rp_rate_describe (const RpRate *rate)
{
  for (gsize i = 0; i < G_N_ELEMENTS (periods); i++)
    if (periods[i].us == rate->per_us)
      return g_strdup_printf ("%" G_GINT64_FORMAT " a %s", rate->tokens, periods[i].word);
  return g_strdup ("any number");
}

struct RpBuckets {
  GMutex lock;
  RpRate rate;       /* under lock */
  GHashTable *names; /* under lock: text → gint64, nanoseconds: full again */
  gint on;           /* atomic */
};

RpBuckets *
rp_buckets_new (void)
{
  RpBuckets *buckets = g_new0 (RpBuckets, 1);

  g_mutex_init (&buckets->lock);
  buckets->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return buckets;
}

void
rp_buckets_free (RpBuckets *buckets)
{
  if (buckets == NULL)
    return;
  g_hash_table_unref (buckets->names);
  g_mutex_clear (&buckets->lock);
  g_free (buckets);
}

void
rp_buckets_set_rate (RpBuckets *buckets, const RpRate *rate)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&buckets->lock);

  if (rate->tokens == buckets->rate.tokens && rate->per_us == buckets->rate.per_us)
    return;
  buckets->rate = *rate;
  g_hash_table_remove_all (buckets->names);
  g_atomic_int_set (&buckets->on, rate->tokens > 0);
}

RpRate
rp_buckets_rate (RpBuckets *buckets)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&buckets->lock);

  return buckets->rate;
}

gboolean
rp_buckets_is_on (const RpBuckets *buckets)
{
  return g_atomic_int_get (&((RpBuckets *) buckets)->on);
}

static gboolean
is_full (gpointer name, gpointer full_ns, gpointer now_ns)
{
  (void) name;
  return *(gint64 *) full_ns <= *(gint64 *) now_ns;
}

/* At least half of the room is free afterwards, so that this is seldom. */
static void
make_room (RpBuckets *buckets, gint64 now_ns)
{
  g_hash_table_foreach_remove (buckets->names, is_full, &now_ns);
  if (g_hash_table_size (buckets->names) > NAMES_MAX / 2)
    g_hash_table_remove_all (buckets->names);
}

static gint64 *
find (RpBuckets *buckets, const char *name, gint64 now_ns)
{
  gint64 *full_ns = g_hash_table_lookup (buckets->names, name);

  if (full_ns != NULL)
    return full_ns;
  if (g_hash_table_size (buckets->names) >= NAMES_MAX)
    make_room (buckets, now_ns);
  full_ns = g_new (gint64, 1);
  *full_ns = now_ns;
  g_hash_table_insert (buckets->names, g_strdup (name), full_ns);
  return full_ns;
}

gint64
rp_buckets_take (RpBuckets *buckets, const char *name, gint64 now_us)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&buckets->lock);
  const RpRate *rate = &buckets->rate;
  gint64 now_ns = now_us * NS_PER_US;
  gint64 interval_ns, next_ns, early_ns, *full_ns;

  if (rate->tokens == 0)
    return 0;
  interval_ns = rate->per_us * NS_PER_US / rate->tokens;
  full_ns = find (buckets, name, now_ns);
  next_ns = MAX (*full_ns, now_ns) + interval_ns;
  early_ns = next_ns - now_ns - rate->per_us * NS_PER_US;
  if (early_ns > 0)
    return (early_ns + NS_PER_US - 1) / NS_PER_US;
  *full_ns = next_ns;
  return 0;
}

guint
rp_buckets_count (RpBuckets *buckets)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&buckets->lock);

  return g_hash_table_size (buckets->names);
}
