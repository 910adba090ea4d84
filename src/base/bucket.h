/* How often somebody may come: token buckets, one a name, all of one rate.  A bucket holds as many tokens as
 * the rate has in its period, and fills evenly: `600/m` lets 600 come at once, and then ten a second.
 *
 * Time comes in from outside.  Memory is bounded: names that could take a whole bucket are forgotten, and
 * all of them are where that does not make room.  Thread-safe.
 */
#pragma once

#include <glib.h>

typedef struct {
  gint64 tokens; /* 0: as often as one likes */
  gint64 per_us;
} RpRate;

#define RP_RATE_TOKENS_MAX 1000000

/* `off`, or a number from 1 to RP_RATE_TOKENS_MAX and a period: `50/s`, `600/m`, `10000/h`. FALSE: something
 * else, and `out` is as it was. */
gboolean rp_rate_parse (const char *text, RpRate *out);
/* `600 a minute`. g_free() it. */
char *rp_rate_describe (const RpRate *rate);

typedef struct RpBuckets RpBuckets;

RpBuckets *rp_buckets_new (void);
void rp_buckets_free (RpBuckets *buckets); /* NULL is fine */
/* Another rate begins with full buckets; the same one changes nothing. */
void rp_buckets_set_rate (RpBuckets *buckets, const RpRate *rate);
RpRate rp_buckets_rate (RpBuckets *buckets);
/* Is there a rate? Takes no lock. */
gboolean rp_buckets_is_on (const RpBuckets *buckets);
/* Takes a token: 0. Or takes none, and says in how many microseconds there is one. `now_us` is monotonic. */
gint64 rp_buckets_take (RpBuckets *buckets, const char *name, gint64 now_us);
guint rp_buckets_count (RpBuckets *buckets); /* names that are remembered */
