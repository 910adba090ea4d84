/* How often requests may come, by what they are for and by who comes.  All off: nobody is counted, and
 * asking costs one look at an atomic.  Thread-safe.
 */
#pragma once

#include "base/bucket.h"

typedef enum {
  RP_LIMIT_PULL, /* reading the registry */
  RP_LIMIT_PUSH, /* changing it */
  RP_LIMIT_API,  /* all else */
  RP_LIMIT_CLASSES
} RpLimitClass;

typedef enum {
  RP_LIMIT_ADDRESS, /* a client's; with IPv6 its /64 */
  RP_LIMIT_ACCOUNT,
  RP_LIMIT_SUBJECTS
} RpLimitSubject;

typedef RpRate RpLimitRates[RP_LIMIT_CLASSES][RP_LIMIT_SUBJECTS];

/* `limit_pull_address`: the setting's name. */
const char *rp_limit_name (RpLimitClass kind, RpLimitSubject subject);

typedef struct RpLimits RpLimits;

RpLimits *rp_limits_new (void);
void rp_limits_free (RpLimits *limits);
/* Those that differ begin anew. */
void rp_limits_set (RpLimits *limits, const RpLimitRates rates);
gboolean rp_limits_is_on (const RpLimits *limits); /* any of them */

/* RP_ERROR_TOO_MANY, with `out_wait_s` set, if `name` comes too often. */
gboolean rp_limits_take (RpLimits *limits, RpLimitClass kind, RpLimitSubject subject,
                         const char *name, gint64 now_us, gint64 *out_wait_s, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* A token if there is one, for an answer that costs next to nothing; one that is refused is not counted. */
gboolean rp_limits_try (RpLimits *limits, RpLimitClass kind, RpLimitSubject subject,
                        const char *name, gint64 now_us);
/* How many were refused, in the text format of Prometheus. */
void rp_limits_print (RpLimits *limits, GString *out);
