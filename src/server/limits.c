#include "server/limits.h"

#include <stdatomic.h>
#include <string.h>

#include "base/error.h"

typedef struct {
  RpBuckets *buckets;
  atomic_ullong refused;
} Limit;

struct RpLimits {
  Limit all[RP_LIMIT_CLASSES][RP_LIMIT_SUBJECTS];
  gint on; /* atomic */
};

static const char *const names[RP_LIMIT_CLASSES][RP_LIMIT_SUBJECTS] = {
  [RP_LIMIT_PULL] = { "limit_pull_address", "limit_pull_account" },
  [RP_LIMIT_PUSH] = { "limit_push_address", "limit_push_account" },
  [RP_LIMIT_API] = { "limit_api_address", "limit_api_account" },
};
static const char *const asks[RP_LIMIT_CLASSES] = { "pulls", "pushes", "asks the API" };

const char *
rp_limit_name (RpLimitClass kind, RpLimitSubject subject)
{
  return names[kind][subject];
}

RpLimits *
rp_limits_new (void)
{
  RpLimits *limits = g_new0 (RpLimits, 1);

  for (guint kind = 0; kind < RP_LIMIT_CLASSES; kind++)
    for (guint subject = 0; subject < RP_LIMIT_SUBJECTS; subject++)
      limits->all[kind][subject].buckets = rp_buckets_new ();
  return limits;
}

void
rp_limits_free (RpLimits *limits)
{
  if (limits == NULL)
    return;
  for (guint kind = 0; kind < RP_LIMIT_CLASSES; kind++)
    for (guint subject = 0; subject < RP_LIMIT_SUBJECTS; subject++)
      rp_buckets_free (limits->all[kind][subject].buckets);
  g_free (limits);
}

void
rp_limits_set (RpLimits *limits, const RpLimitRates rates)
{
  gboolean on = FALSE;

  for (guint kind = 0; kind < RP_LIMIT_CLASSES; kind++)
    for (guint subject = 0; subject < RP_LIMIT_SUBJECTS; subject++)
      {
        rp_buckets_set_rate (limits->all[kind][subject].buckets, &rates[kind][subject]);
        on = on || rates[kind][subject].tokens > 0;
      }
  g_atomic_int_set (&limits->on, on);
}

gboolean
rp_limits_is_on (const RpLimits *limits)
{
  return g_atomic_int_get (&((RpLimits *) limits)->on);
}

gboolean
rp_limits_try (RpLimits *limits, RpLimitClass kind, RpLimitSubject subject, const char *name,
               gint64 now_us)
{
  return rp_buckets_take (limits->all[kind][subject].buckets, name, now_us) == 0;
}

gboolean
rp_limits_take (RpLimits *limits, RpLimitClass kind, RpLimitSubject subject, const char *name,
                gint64 now_us, gint64 *out_wait_s, GError **error)
{
  Limit *limit = &limits->all[kind][subject];
  gint64 wait_us = rp_buckets_take (limit->buckets, name, now_us);
  g_autofree char *rate = NULL;
  RpRate now;

  if (wait_us == 0)
    return TRUE;
  now = rp_buckets_rate (limit->buckets);
  rate = rp_rate_describe (&now);
  *out_wait_s = (wait_us + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC;
  atomic_fetch_add_explicit (&limit->refused, 1, memory_order_relaxed);
  g_set_error (error, RP_ERROR, RP_ERROR_TOO_MANY,
               "%s %s more often than %s, which is the limit here: come again in %" G_GINT64_FORMAT
               " s; who runs the server can raise %s",
               name, asks[kind], rate, *out_wait_s, names[kind][subject]);
  return FALSE;
}

void
rp_limits_print (RpLimits *limits, GString *out)
{
  g_string_append (out, "# HELP repoint_limit_refused_total Requests that came too often, by the limit's name.\n"
                        "# TYPE repoint_limit_refused_total counter\n");
  for (guint kind = 0; kind < RP_LIMIT_CLASSES; kind++)
    for (guint subject = 0; subject < RP_LIMIT_SUBJECTS; subject++)
      g_string_append_printf (out, "repoint_limit_refused_total{limit=\"%s\"} %llu\n",
                              names[kind][subject],
                              atomic_load_explicit (&limits->all[kind][subject].refused,
                                                    memory_order_relaxed));
}
