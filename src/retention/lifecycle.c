#include "retention/lifecycle.h"

#include "registry/policy.h"

static void
rule_free (gpointer data)
{
  RpLifecycleRule *rule = data;

  g_free (rule->description);
  g_strfreev (rule->patterns);
  g_free (rule);
}

static void
keep_free (gpointer data)
{
  RpKeep *keep = data;

  g_free (keep->environment);
  g_free (keep->text);
  g_free (keep);
}

RpLifecycle *
rp_lifecycle_new (void)
{
  RpLifecycle *policy = g_new0 (RpLifecycle, 1);

  policy->rules = g_ptr_array_new_with_free_func (rule_free);
  policy->keep = g_ptr_array_new_with_free_func (keep_free);
  return policy;
}

void
rp_lifecycle_free (RpLifecycle *policy)
{
  if (policy == NULL)
    return;
  g_ptr_array_unref (policy->rules);
  g_ptr_array_unref (policy->keep);
  g_free (policy);
}

static void
use_clear (gpointer data)
{
  RpImageUse *use = data;
  g_free (use->environment);
}

RpImage *
rp_image_new (const char *digest)
{
  RpImage *image = g_new0 (RpImage, 1);

  image->digest = g_strdup (digest);
  image->tags = g_ptr_array_new_with_free_func (g_free);
  image->children = g_ptr_array_new_with_free_func (g_free);
  image->uses = g_array_new (FALSE, FALSE, sizeof (RpImageUse));
  g_array_set_clear_func (image->uses, use_clear);
  return image;
}

void
rp_image_free (gpointer data)
{
  RpImage *image = data;

  g_free (image->digest);
  g_free (image->subject);
  g_ptr_array_unref (image->tags);
  g_ptr_array_unref (image->children);
  g_array_unref (image->uses);
  g_free (image);
}

char *
rp_lifecycle_describe (const RpLifecycleRule *rule)
{
  static const char *const since[] = { [RP_SINCE_PUSHED] = "pushed",
                                       [RP_SINCE_PULLED] = "not pulled for",
                                       [RP_SINCE_TRANSITIONED] = "archived" };
  g_autofree char *list = rule->patterns != NULL ? g_strjoinv (" and ", rule->patterns) : NULL;
  const char *what = rule->tags == RP_UNTAGGED ? "untagged" : rule->tags == RP_TAGGED ? "tagged " : "of any tag";

  if (rule->count == RP_COUNT_MORE_THAN)
    return g_strdup_printf ("rule %" G_GINT64_FORMAT " (more than %" G_GINT64_FORMAT " %s %s%s)",
                            rule->priority, rule->number, rule->number == 1 ? "image" : "images",
                            what, list != NULL ? list : "");
  return g_strdup_printf ("rule %" G_GINT64_FORMAT " (%s %s%" G_GINT64_FORMAT " %s%s, %s%s)",
                          rule->priority, since[rule->count],
                          rule->count == RP_SINCE_PULLED ? "" : "more than ", rule->number,
                          rule->number == 1 ? "day" : "days",
                          rule->count == RP_SINCE_PULLED ? "" : " ago", what,
                          list != NULL ? list : "");
}

/* ---- what a rule selects ---- */

static gboolean
matches_tag (const RpImage *image, const char *pattern)
{
  for (guint i = 0; i < image->tags->len; i++)
    if (rp_pattern_match (pattern, image->tags->pdata[i]))
      return TRUE;
  return FALSE;
}

static gboolean
is_selected (const RpLifecycleRule *rule, const RpImage *image)
{
  if (rule->archived)
    return FALSE;
  if (rule->tags != RP_TAGGED)
    return rule->tags == RP_TAG_ANY || image->tags->len == 0;
  for (guint i = 0; rule->patterns[i] != NULL; i++)
    if (!matches_tag (image, rule->patterns[i]))
      return FALSE;
  return TRUE;
}

typedef struct {
  const GPtrArray *images;
  GHashTable *by_digest; /* char * → index + 1 */
  GArray *fates;
  gboolean *shielded; /* matched the tags of an earlier rule */
  gint64 now_us;
} Evaluation;

static const RpImage *
image_at (const Evaluation *all, guint i)
{
  return all->images->pdata[i];
}

static RpFate *
fate_at (const Evaluation *all, guint i)
{
  return &g_array_index (all->fates, RpFate, i);
}

/* -1: it is not in this repository. */
static gint
find_image (const Evaluation *all, const char *digest)
{
  return digest != NULL ? GPOINTER_TO_INT (g_hash_table_lookup (all->by_digest, digest)) - 1 : -1;
}

/* A referrer of something that is here is not looked at by itself: it goes with its subject. */
static gboolean
follows (const Evaluation *all, guint i)
{
  gint subject = find_image (all, image_at (all, i)->subject);
  return subject >= 0 && (guint) subject != i;
}

static gint
newest_first (gconstpointer a, gconstpointer b, gpointer data)
{
  const Evaluation *all = data;
  const RpImage *left = image_at (all, *(const guint *) a);
  const RpImage *right = image_at (all, *(const guint *) b);

  if (left->pushed_us != right->pushed_us)
    return left->pushed_us > right->pushed_us ? -1 : 1;
  return left->seq > right->seq ? -1 : left->seq < right->seq;
}

static gboolean
is_old (const Evaluation *all, const RpLifecycleRule *rule, const RpImage *image)
{
  gint64 since_us = image->pushed_us;

  if (rule->count == RP_SINCE_PULLED && image->pulled_us > 0)
    since_us = image->pulled_us;
  return rule->number <= (all->now_us - since_us) / RP_DAY_US
         && since_us + rule->number * RP_DAY_US < all->now_us;
}

static void
apply_rule (Evaluation *all, const RpLifecycleRule *rule)
{
  g_autoptr (GArray) chosen = g_array_new (FALSE, FALSE, sizeof (guint));

  for (guint i = 0; i < all->images->len; i++)
    if (is_selected (rule, image_at (all, i)) && !follows (all, i))
      g_array_append_val (chosen, i);
  g_array_sort_with_data (chosen, newest_first, all);
  for (guint rank = 0; rank < chosen->len; rank++)
    {
      guint i = g_array_index (chosen, guint, rank);
      gboolean acts = rule->count == RP_COUNT_MORE_THAN ? (gint64) rank >= rule->number
                                                        : is_old (all, rule, image_at (all, i));

      if (acts && !all->shielded[i])
        {
          fate_at (all, i)->rule = rule;
          fate_at (all, i)->kind = rule->transitions ? RP_FATE_STAYS : RP_FATE_GOES;
        }
      all->shielded[i] = TRUE;
    }
}

/* ---- what is spared all the same ---- */

static gboolean
keeps_use (const RpKeep *keep, const RpImageUse *use, gint64 now_us)
{
  if (keep->environment != NULL && !rp_pattern_match (keep->environment, use->environment))
    return FALSE;
  if (keep->kind == RP_KEEP_EVER_DEPLOYED)
    return TRUE;
  if (keep->kind == RP_KEEP_LAST_KNOWN_GOOD)
    return use->good_rank >= 0 && use->good_rank < keep->number;
  return use->last_us >= now_us - keep->number;
}

static gboolean
keeps (const RpKeep *keep, const RpImage *image, gint64 now_us)
{
  if (keep->kind == RP_KEEP_PULLED_WITHIN)
    return image->pulled_us > 0 && image->pulled_us >= now_us - keep->number;
  for (guint i = 0; i < image->uses->len; i++)
    if (keeps_use (keep, &g_array_index (image->uses, RpImageUse, i), now_us))
      return TRUE;
  return FALSE;
}

static void
spare_kept (Evaluation *all, const RpLifecycle *policy, guint i)
{
  const RpImage *image = image_at (all, i);
  RpFate *fate = fate_at (all, i);

  if (image->held)
    fate->kind = RP_FATE_HELD;
  for (guint k = 0; fate->kind == RP_FATE_GOES && k < policy->keep->len; k++)
    if (keeps (policy->keep->pdata[k], image, all->now_us))
      {
        fate->kind = RP_FATE_KEPT;
        fate->keep = policy->keep->pdata[k];
      }
}

static void
spare_children (Evaluation *all, guint i, GArray *next)
{
  const RpImage *image = image_at (all, i);

  for (guint k = 0; k < image->children->len; k++)
    {
      gint child = find_image (all, image->children->pdata[k]);

      if (child < 0 || fate_at (all, (guint) child)->kind != RP_FATE_GOES)
        continue;
      fate_at (all, (guint) child)->kind = RP_FATE_NEEDED;
      fate_at (all, (guint) child)->via = (gint) i;
      g_array_append_val (next, child);
    }
}

/* What stays, and then what was spared for it: each is looked at once, however deep indexes list each other. */
static void
spare_what_is_listed (Evaluation *all)
{
  g_autoptr (GArray) next = g_array_new (FALSE, FALSE, sizeof (guint));

  for (guint i = 0; i < all->images->len; i++)
    if (fate_at (all, i)->kind != RP_FATE_GOES)
      g_array_append_val (next, i);
  for (guint k = 0; k < next->len; k++)
    spare_children (all, g_array_index (next, guint, k), next);
}

/* Its subject goes, and nothing speaks for it itself. */
static gboolean
join_subject (Evaluation *all, const RpLifecycle *policy, guint i, guint subject)
{
  RpFate *fate = fate_at (all, i);

  if (fate->rule != NULL || i == subject)
    return FALSE;
  *fate = (RpFate){ RP_FATE_GOES, fate_at (all, subject)->rule, NULL, (gint) subject };
  spare_kept (all, policy, i);
  return fate->kind == RP_FATE_GOES;
}

/* Referrers of referrers too, each looked at once.  What one of them lists (a bundle) it has spared before. */
static void
take_referrers (Evaluation *all, const RpLifecycle *policy)
{
  guint count = all->images->len;
  g_autofree gint *first = g_new (gint, count + 1); /* of an image: its first referrer, or -1 */
  g_autofree gint *after = g_new (gint, count + 1); /* of a referrer: the next of the same subject */
  g_autoptr (GArray) next = g_array_new (FALSE, FALSE, sizeof (guint));

  for (guint i = 0; i < count; i++)
    {
      first[i] = -1;
      if (fate_at (all, i)->kind == RP_FATE_GOES)
        g_array_append_val (next, i);
    }
  for (guint i = count; i > 0; i--)
    {
      gint subject = find_image (all, image_at (all, i - 1)->subject);
      if (subject < 0)
        continue;
      after[i - 1] = first[subject];
      first[subject] = (gint) i - 1;
    }
  for (guint k = 0; k < next->len; k++)
    {
      guint subject = g_array_index (next, guint, k);
      for (gint i = first[subject]; i >= 0; i = after[i])
        if (join_subject (all, policy, (guint) i, subject))
          g_array_append_val (next, i);
    }
}

GArray *
rp_lifecycle_evaluate (const RpLifecycle *policy, const GPtrArray *images, gint64 now_us)
{
  g_autoptr (GHashTable) by_digest = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree gboolean *shielded = g_new0 (gboolean, images->len + 1);
  GArray *fates = g_array_sized_new (FALSE, TRUE, sizeof (RpFate), images->len);
  Evaluation all = { images, by_digest, fates, shielded, now_us };

  g_array_set_size (fates, images->len);
  for (guint i = 0; i < images->len; i++)
    {
      g_hash_table_insert (by_digest, image_at (&all, i)->digest, GINT_TO_POINTER (i + 1));
      fate_at (&all, i)->via = -1;
    }
  for (guint r = 0; r < policy->rules->len; r++)
    apply_rule (&all, policy->rules->pdata[r]);
  for (guint i = 0; i < images->len; i++)
    if (fate_at (&all, i)->kind == RP_FATE_GOES)
      spare_kept (&all, policy, i);
  spare_what_is_listed (&all);
  take_referrers (&all, policy);
  return fates;
}

/* ---- the outlook ---- */

static gint64
count_newer (Evaluation *all, const RpLifecycleRule *rule, guint index)
{
  gint64 newer = 0;

  for (guint i = 0; i < all->images->len; i++)
    if (i != index && is_selected (rule, image_at (all, i)) && !follows (all, i)
        && newest_first (&i, &index, all) < 0)
      newer++;
  return newer;
}

RpOutlook
rp_lifecycle_foresee (const RpLifecycle *policy, const GPtrArray *images, guint index)
{
  g_autoptr (GHashTable) by_digest = g_hash_table_new (g_str_hash, g_str_equal);
  Evaluation all = { images, by_digest, NULL, NULL, 0 };
  const RpImage *image = image_at (&all, index);

  for (guint i = 0; i < images->len; i++)
    g_hash_table_insert (by_digest, image_at (&all, i)->digest, GINT_TO_POINTER (i + 1));
  for (guint r = 0; r < policy->rules->len && !follows (&all, index); r++)
    {
      const RpLifecycleRule *rule = policy->rules->pdata[r];

      if (!is_selected (rule, image))
        continue;
      if (rule->transitions)
        break;
      if (rule->count == RP_COUNT_MORE_THAN)
        return (RpOutlook){ rule, 0, MAX (1, rule->number - count_newer (&all, rule, index)) };
      return (RpOutlook){ rule, image->pushed_us + rule->number * RP_DAY_US, 0 };
    }
  return (RpOutlook){ NULL, 0, 0 };
}
