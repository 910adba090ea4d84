/* Lifecycle policies: which images of a repository go, and by which rule.  Pure: images, a policy and a
 * time in, a fate for each image out; no clock, no database.
 *
 * `rules` are those of Amazon ECR, written and understood as there (user guide, "Lifecycle policy
 * parameters" and "Examples of lifecycle policies"):
 *   - all rules are looked at as if alone, then applied from the lowest rulePriority on; an image goes by
 *     one rule or by none;
 *   - what matches the tags of a rule is out of reach of those after it, even where the rule spares it;
 *   - a rule still counts what an earlier one marked;
 *   - all entries of a list must match some tag of the image;
 *   - what an index that stays lists, stays; referrers stay and go with their subject.
 * There is one storage class here, the standard one: what a rule would archive stays, and nothing is ever
 * selected by a rule about the archive.
 *
 * `keep` says what ECR cannot: whatever matches one of its entries stays.  Holds win over everything.
 */
#pragma once

#include <glib.h>
#include <jansson.h>

#define RP_LIFECYCLE_RULES_MAX 50
#define RP_LIFECYCLE_KEEP_MAX 50
#define RP_LIFECYCLE_STARS_MAX 4 /* of one pattern */
#define RP_LIFECYCLE_ARCHIVED_DAYS_MIN 90
#define RP_DAY_US (86400 * (gint64) G_USEC_PER_SEC)

typedef enum { RP_TAGGED, RP_UNTAGGED, RP_TAG_ANY } RpTagStatus;
typedef enum {
  RP_COUNT_MORE_THAN,
  RP_SINCE_PUSHED,
  RP_SINCE_PULLED,
  RP_SINCE_TRANSITIONED
} RpCountType;

typedef struct {
  gint64 priority;
  char *description; /* or NULL */
  RpTagStatus tags;
  GStrv patterns; /* `*` for any run; from prefixes too; NULL unless RP_TAGGED */
  RpCountType count;
  gint64 number; /* images, or days */
  gboolean archived;    /* selects from the archive */
  gboolean transitions; /* to the archive, instead of expiring */
} RpLifecycleRule;

typedef enum {
  RP_KEEP_DEPLOYED_WITHIN,
  RP_KEEP_EVER_DEPLOYED,
  RP_KEEP_LAST_KNOWN_GOOD,
  RP_KEEP_PULLED_WITHIN
} RpKeepKind;

typedef struct {
  RpKeepKind kind;
  char *environment; /* pattern of `app/environment`; NULL: any */
  gint64 number;     /* microseconds, or releases */
  char *text;        /* `deployedWithin 90d (shop/production)` */
} RpKeep;

typedef struct {
  GPtrArray *rules; /* RpLifecycleRule, from the lowest priority number on */
  GPtrArray *keep;  /* RpKeep */
} RpLifecycle;

RpLifecycle *rp_lifecycle_new (void); /* with nothing in it */
/* RP_ERROR_INVALID begins with the path of what is wrong: `rules[1].selection.countNumber: …`. */
RpLifecycle *rp_lifecycle_parse (const json_t *document, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_lifecycle_free (RpLifecycle *policy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpLifecycle, rp_lifecycle_free)
/* `rule 10 (more than 5 images tagged v*)`; g_free(). */
char *rp_lifecycle_describe (const RpLifecycleRule *rule);

/* Where an image ran. */
typedef struct {
  char *environment;  /* `app/environment` */
  gint64 last_us;     /* when it was last the current one there; G_MAXINT64: it is */
  gint64 good_rank;   /* among the known good releases there, newest first from 0; -1: it is none */
} RpImageUse;

typedef struct {
  char *digest;
  gint64 seq; /* of the push: the order among those of one moment */
  gint64 pushed_us;
  gint64 pulled_us; /* 0: never */
  GPtrArray *tags;     /* char * */
  GPtrArray *children; /* char *: digests that an index lists; empty otherwise */
  char *subject;       /* or NULL */
  GArray *uses;        /* RpImageUse */
  gboolean held;
} RpImage;
RpImage *rp_image_new (const char *digest);
void rp_image_free (gpointer image);

typedef enum {
  RP_FATE_STAYS, /* no rule asks for it, or only a transition does */
  RP_FATE_GOES,
  RP_FATE_HELD,  /* a rule asked for it and a hold saved it */
  RP_FATE_KEPT,  /* ... an entry of `keep` did */
  RP_FATE_NEEDED /* ... an image that stays lists it */
} RpFateKind;

typedef struct {
  RpFateKind kind;
  const RpLifecycleRule *rule; /* that asks for it; NULL: none */
  const RpKeep *keep;          /* RP_FATE_KEPT */
  gint via; /* index of the image that lists it (RP_FATE_NEEDED), or of the subject that it goes with; -1 */
} RpFate;

/* When an image goes that stays today: by `rule` at `at_us`, or with the `pushes`-th push from now on of
 * another that the rule selects. `rule` NULL: no rule will ever let it go. */
typedef struct {
  const RpLifecycleRule *rule;
  gint64 at_us;  /* 0: it is no matter of time */
  gint64 pushes; /* 0: it is no matter of pushes */
} RpOutlook;
RpOutlook rp_lifecycle_foresee (const RpLifecycle *policy, const GPtrArray *images, guint index);

/* RpFate in the order of `images` (RpImage). Borrows from both. */
GArray *rp_lifecycle_evaluate (const RpLifecycle *policy, const GPtrArray *images, gint64 now_us);
