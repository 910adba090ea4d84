/* The document of a lifecycle policy.  What is right and wrong in a rule is what ECR takes and refuses. */
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/yaml.h"
#include "retention/lifecycle.h"

#define NUMBER_MAX 1000000
#define TEXT_MAX 1024

static gboolean invalid (GError **error, const char *where, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

static gboolean
invalid (GError **error, const char *where, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "%s: %s", where, text);
  return FALSE;
}

/* Only the members of `known` (NULL-ended). */
static gboolean
check_members (const json_t *object, const char *const *known, const char *where, GError **error)
{
  const char *member;
  json_t *value;

  if (!json_is_object (object))
    return invalid (error, where, "expected an object");
  json_object_foreach ((json_t *) object, member, value)
  {
    g_autofree char *list = g_strjoinv (", ", (char **) known);
    if (!g_strv_contains (known, member))
      return invalid (error, where, "there is no member \"%.100s\"; there are: %s", member, list);
  }
  return TRUE;
}

static gboolean
read_word (const json_t *object, const char *member, const char *where, const char *const *words,
           gint *out, GError **error)
{
  g_autofree char *place = g_strconcat (where, ".", member, NULL);
  g_autofree char *list = g_strjoinv (", ", (char **) words);
  const json_t *value = json_object_get (object, member);

  if (value == NULL)
    return invalid (error, place, "is missing; one of: %s", list);
  for (gint i = 0; words[i] != NULL; i++)
    if (g_strcmp0 (json_string_value (value), words[i]) == 0)
      {
        *out = i;
        return TRUE;
      }
  return invalid (error, place, "must be one of: %s", list);
}

static gboolean
read_number (const json_t *object, const char *member, const char *where, gint64 min, gint64 *out,
             GError **error)
{
  g_autofree char *place = g_strconcat (where, ".", member, NULL);
  const json_t *value = json_object_get (object, member);

  if (!json_is_integer (value))
    return invalid (error, place, value == NULL ? "is missing" : "expected a whole number");
  *out = json_integer_value (value);
  if (*out < min || *out > NUMBER_MAX)
    return invalid (error, place, "must be %" G_GINT64_FORMAT " to %d", min, NUMBER_MAX);
  return TRUE;
}

/* ---- tags ---- */

static gboolean
check_pattern (const char *text, gboolean is_prefix, const char *where, GError **error)
{
  guint stars = 0;

  if (text == NULL || *text == '\0' || strlen (text) > 128)
    return invalid (error, where, "expected a text of 1 to 128 characters");
  for (const char *at = text; *at != '\0'; at++)
    if (*at == '*')
      stars++;
    else if (!g_ascii_isalnum (*at) && strchr ("._-", *at) == NULL)
      return invalid (error, where, "\"%.128s\" has a character that no tag can have", text);
  if (is_prefix && stars > 0)
    return invalid (error, where, "a prefix has no `*`; use tagPatternList for \"%.128s\"", text);
  return stars <= RP_LIFECYCLE_STARS_MAX
         || invalid (error, where, "\"%.128s\" has %u `*`; at most %d are allowed", text, stars,
                     RP_LIFECYCLE_STARS_MAX);
}

static gboolean
read_list (const json_t *list, gboolean is_prefix, const char *where, RpLifecycleRule *rule,
           GError **error)
{
  g_autoptr (GPtrArray) patterns = g_ptr_array_new_with_free_func (g_free);

  if (!json_is_array (list) || json_array_size (list) == 0)
    return invalid (error, where, "expected a list with at least one entry");
  for (gsize i = 0; i < json_array_size (list); i++)
    {
      const char *text = json_string_value (json_array_get (list, i));
      g_autofree char *place = g_strdup_printf ("%s[%zu]", where, i);

      if (!check_pattern (text, is_prefix, place, error))
        return FALSE;
      g_ptr_array_add (patterns, is_prefix ? g_strconcat (text, "*", NULL) : g_strdup (text));
    }
  g_ptr_array_add (patterns, NULL);
  rule->patterns = (char **) g_ptr_array_free (g_steal_pointer (&patterns), FALSE);
  return TRUE;
}

static gboolean
read_tags (const json_t *selection, const char *where, RpLifecycleRule *rule, GError **error)
{
  static const char *const statuses[] = { "tagged", "untagged", "any", NULL };
  const json_t *patterns = json_object_get (selection, "tagPatternList");
  const json_t *prefixes = json_object_get (selection, "tagPrefixList");
  const char *member = patterns != NULL ? "tagPatternList" : "tagPrefixList";
  g_autofree char *place = g_strconcat (where, ".", member, NULL);
  gint status = 0;

  if (!read_word (selection, "tagStatus", where, statuses, &status, error))
    return FALSE;
  rule->tags = (RpTagStatus) status;
  if (patterns != NULL && prefixes != NULL)
    return invalid (error, where, "tagPatternList and tagPrefixList cannot both be given");
  if (rule->tags != RP_TAGGED)
    return (patterns == NULL && prefixes == NULL)
           || invalid (error, place, "goes with tagStatus \"tagged\" alone");
  if (patterns == NULL && prefixes == NULL)
    return invalid (error, where,
                    "tagStatus \"tagged\" needs tagPatternList or tagPrefixList (\"*\": all tags)");
  return read_list (patterns != NULL ? patterns : prefixes, patterns == NULL, place, rule, error);
}

/* ---- counts ---- */

static gboolean
check_unit (const json_t *selection, const char *where, const RpLifecycleRule *rule, GError **error)
{
  static const char *const units[] = { "days", NULL };
  g_autofree char *place = g_strconcat (where, ".countUnit", NULL);
  gint unit;

  if (rule->count != RP_COUNT_MORE_THAN)
    return read_word (selection, "countUnit", where, units, &unit, error);
  return json_object_get (selection, "countUnit") == NULL
         || invalid (error, place, "does not go with imageCountMoreThan");
}

static gboolean
read_storage (const json_t *selection, const char *where, RpLifecycleRule *rule, GError **error)
{
  static const char *const classes[] = { "standard", "archive", NULL };
  g_autofree char *place = g_strconcat (where, ".storageClass", NULL);
  gint class = 0;

  if (json_object_get (selection, "storageClass") != NULL
      && !read_word (selection, "storageClass", where, classes, &class, error))
    return FALSE;
  rule->archived = class == 1;
  if (rule->archived == (rule->count == RP_SINCE_TRANSITIONED))
    return TRUE;
  return rule->archived
             ? invalid (error, place, "\"archive\" goes with sinceImageTransitioned alone")
             : invalid (error, place, "must be \"archive\" with sinceImageTransitioned");
}

static gboolean
read_selection (const json_t *selection, const char *where, RpLifecycleRule *rule, GError **error)
{
  static const char *const members[] = { "tagStatus", "tagPatternList", "tagPrefixList",
                                         "storageClass", "countType", "countUnit", "countNumber",
                                         NULL };
  static const char *const counts[] = { "imageCountMoreThan", "sinceImagePushed",
                                        "sinceImagePulled", "sinceImageTransitioned", NULL };
  gint count = 0;

  if (selection == NULL)
    return invalid (error, where, "is missing");
  if (!check_members (selection, members, where, error)
      || !read_tags (selection, where, rule, error)
      || !read_word (selection, "countType", where, counts, &count, error))
    return FALSE;
  rule->count = (RpCountType) count;
  return check_unit (selection, where, rule, error)
         && read_number (selection, "countNumber", where,
                         rule->count == RP_SINCE_TRANSITIONED ? RP_LIFECYCLE_ARCHIVED_DAYS_MIN : 1,
                         &rule->number, error)
         && read_storage (selection, where, rule, error);
}

/* ---- actions ---- */

static gboolean
check_target (const json_t *action, const char *where, const RpLifecycleRule *rule, GError **error)
{
  static const char *const targets[] = { "archive", NULL };
  g_autofree char *place = g_strconcat (where, ".targetStorageClass", NULL);
  gint target;

  if (rule->transitions)
    return read_word (action, "targetStorageClass", where, targets, &target, error);
  return json_object_get (action, "targetStorageClass") == NULL
         || invalid (error, place, "goes with type \"transition\" alone");
}

static gboolean
read_action (const json_t *action, const char *where, RpLifecycleRule *rule, GError **error)
{
  static const char *const members[] = { "type", "targetStorageClass", NULL };
  static const char *const types[] = { "expire", "transition", NULL };
  g_autofree char *place = g_strconcat (where, ".type", NULL);
  gint type = 0;

  if (action == NULL)
    return invalid (error, where, "is missing");
  if (!check_members (action, members, where, error)
      || !read_word (action, "type", where, types, &type, error))
    return FALSE;
  rule->transitions = type == 1;
  if (!check_target (action, where, rule, error))
    return FALSE;
  if (rule->count == RP_SINCE_PULLED && !rule->transitions)
    return invalid (error, place, "sinceImagePulled goes with \"transition\" alone");
  return rule->count != RP_SINCE_TRANSITIONED || !rule->transitions
         || invalid (error, place, "sinceImageTransitioned goes with \"expire\" alone");
}

/* ---- rules ---- */

static gboolean
read_rule (const json_t *json, const char *where, RpLifecycle *policy, GError **error)
{
  static const char *const members[]
      = { "rulePriority", "description", "selection", "action", NULL };
  RpLifecycleRule *rule = g_new0 (RpLifecycleRule, 1);
  g_autofree char *selection = g_strconcat (where, ".selection", NULL);
  g_autofree char *action = g_strconcat (where, ".action", NULL);
  g_autofree char *description = g_strconcat (where, ".description", NULL);
  const json_t *text = json_object_get (json, "description");

  g_ptr_array_add (policy->rules, rule);
  if (!check_members (json, members, where, error)
      || !read_number (json, "rulePriority", where, 1, &rule->priority, error))
    return FALSE;
  if (text != NULL && (!json_is_string (text) || json_string_length (text) > TEXT_MAX))
    return invalid (error, description, "expected a text of at most %d bytes", TEXT_MAX);
  rule->description = g_strdup (json_string_value (text));
  return read_selection (json_object_get (json, "selection"), selection, rule, error)
         && read_action (json_object_get (json, "action"), action, rule, error);
}

static gboolean
same_patterns (const RpLifecycleRule *a, const RpLifecycleRule *b)
{
  if (a->tags != RP_TAGGED || b->tags != RP_TAGGED
      || g_strv_length (a->patterns) != g_strv_length (b->patterns))
    return FALSE;
  for (guint i = 0; a->patterns[i] != NULL; i++)
    if (!g_strv_contains ((const char *const *) b->patterns, a->patterns[i]))
      return FALSE;
  return TRUE;
}

static gboolean
check_pair (const RpLifecycleRule *a, const RpLifecycleRule *b, const char *where, GError **error)
{
  if (a->priority == b->priority)
    return invalid (error, where, "rulePriority %" G_GINT64_FORMAT " is taken by another rule",
                    b->priority);
  if (a->archived != b->archived)
    return TRUE;
  if (a->tags == RP_UNTAGGED && b->tags == RP_UNTAGGED && a->transitions == b->transitions)
    return invalid (error, where, "there is a rule for untagged images already");
  if (a->tags == RP_TAG_ANY && b->tags == RP_TAG_ANY && a->transitions == b->transitions)
    return invalid (error, where, "there is a rule for tagStatus \"any\" already");
  return !same_patterns (a, b) || a->transitions != b->transitions
         || invalid (error, where, "there is a rule for the same tags already");
}

/* `any` is what is left when all others were asked. */
static gboolean
check_any_is_last (const RpLifecycleRule *any, const RpLifecycleRule *other, const char *where,
                   GError **error)
{
  return any->tags != RP_TAG_ANY || other->tags == RP_TAG_ANY || any->archived != other->archived
         || any->priority > other->priority
         || invalid (error, where,
                     "a rule for tagStatus \"any\" must have the highest rulePriority, and "
                     "%" G_GINT64_FORMAT " is higher",
                     other->priority);
}

/* In the order of the document, so that the path is right. */
static gboolean
check_together (const RpLifecycle *policy, GError **error)
{
  for (guint i = 0; i < policy->rules->len; i++)
    {
      g_autofree char *where = g_strdup_printf ("rules[%u]", i);

      for (guint k = 0; k < policy->rules->len; k++)
        if ((k < i && !check_pair (policy->rules->pdata[k], policy->rules->pdata[i], where, error))
            || !check_any_is_last (policy->rules->pdata[i], policy->rules->pdata[k], where, error))
          return FALSE;
    }
  return TRUE;
}

static gint
by_priority (gconstpointer a, gconstpointer b)
{
  const RpLifecycleRule *left = *(RpLifecycleRule *const *) a, *right = *(RpLifecycleRule *const *) b;
  return left->priority < right->priority ? -1 : left->priority > right->priority;
}

static gboolean
read_rules (const json_t *rules, RpLifecycle *policy, GError **error)
{
  if (!json_is_array (rules))
    return invalid (error, "rules", "expected a list");
  if (json_array_size (rules) > RP_LIFECYCLE_RULES_MAX)
    return invalid (error, "rules", "%zu rules; at most %d are allowed", json_array_size (rules),
                    RP_LIFECYCLE_RULES_MAX);
  for (gsize i = 0; i < json_array_size (rules); i++)
    {
      g_autofree char *where = g_strdup_printf ("rules[%zu]", i);
      if (!read_rule (json_array_get (rules, i), where, policy, error))
        return FALSE;
    }
  if (!check_together (policy, error))
    return FALSE;
  g_ptr_array_sort (policy->rules, by_priority);
  return TRUE;
}

/* ---- keep ---- */

static const char *const keep_names[] = { [RP_KEEP_DEPLOYED_WITHIN] = "deployedWithin",
                                          [RP_KEEP_EVER_DEPLOYED] = "everDeployedTo",
                                          [RP_KEEP_LAST_KNOWN_GOOD] = "lastKnownGood",
                                          [RP_KEEP_PULLED_WITHIN] = "pulledWithin" };

static gboolean
read_keep_value (const json_t *value, const char *where, RpKeep *keep, GError **error)
{
  const char *text = json_string_value (value);
  gint64 ms;

  if (keep->kind == RP_KEEP_LAST_KNOWN_GOOD)
    {
      keep->number = json_integer_value (value);
      keep->text = g_strdup_printf ("lastKnownGood %" G_GINT64_FORMAT, keep->number);
      return (json_is_integer (value) && keep->number >= 1 && keep->number <= NUMBER_MAX)
             || invalid (error, where, "expected a number of releases from 1 on");
    }
  if (text == NULL || *text == '\0')
    return invalid (error, where, "expected a text");
  keep->text = g_strdup_printf ("%s %s", keep_names[keep->kind], text);
  if (keep->kind == RP_KEEP_EVER_DEPLOYED)
    {
      keep->environment = g_strdup (text);
      return strchr (text, '/') != NULL || strcmp (text, "*") == 0
             || invalid (error, where, "expected APP/ENVIRONMENT, `*` for any run of characters");
    }
  if (!rp_duration_parse_ms (text, &ms) || ms <= 0 || ms > NUMBER_MAX * (RP_DAY_US / 1000))
    return invalid (error, where, "expected a duration such as 90d, found \"%.40s\"", text);
  keep->number = ms * 1000;
  return TRUE;
}

static gboolean
read_keep_environment (const json_t *json, const char *where, RpKeep *keep, GError **error)
{
  const json_t *value = json_object_get (json, "environment");
  g_autofree char *place = g_strconcat (where, ".environment", NULL);
  const char *text = json_string_value (value);
  char *whole;

  if (value == NULL)
    return TRUE;
  if (keep->kind == RP_KEEP_EVER_DEPLOYED || keep->kind == RP_KEEP_PULLED_WITHIN)
    return invalid (error, place, "goes with deployedWithin and lastKnownGood alone");
  if (text == NULL || *text == '\0')
    return invalid (error, place, "expected APP/ENVIRONMENT, `*` for any run of characters");
  keep->environment = g_strdup (text);
  whole = g_strdup_printf ("%s (%s)", keep->text, text);
  g_free (keep->text);
  keep->text = whole;
  return TRUE;
}

static gboolean
read_keep (const json_t *json, const char *where, RpLifecycle *policy, GError **error)
{
  static const char *const members[] = { "deployedWithin", "everDeployedTo", "lastKnownGood",
                                         "pulledWithin", "environment", NULL };
  RpKeep *keep = g_new0 (RpKeep, 1);
  guint found = 0;

  g_ptr_array_add (policy->keep, keep);
  if (!check_members (json, members, where, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (keep_names); i++)
    if (json_object_get (json, keep_names[i]) != NULL)
      {
        keep->kind = (RpKeepKind) i;
        found++;
      }
  if (found != 1)
    return invalid (error, where,
                    "expected exactly one of deployedWithin, everDeployedTo, lastKnownGood, "
                    "pulledWithin");
  g_autofree char *place = g_strconcat (where, ".", keep_names[keep->kind], NULL);
  return read_keep_value (json_object_get (json, keep_names[keep->kind]), place, keep, error)
         && read_keep_environment (json, where, keep, error);
}

static gboolean
read_keeps (const json_t *list, RpLifecycle *policy, GError **error)
{
  if (list == NULL)
    return TRUE;
  if (!json_is_array (list) || json_array_size (list) > RP_LIFECYCLE_KEEP_MAX)
    return invalid (error, "keep", "expected a list of at most %d entries", RP_LIFECYCLE_KEEP_MAX);
  for (gsize i = 0; i < json_array_size (list); i++)
    {
      g_autofree char *where = g_strdup_printf ("keep[%zu]", i);
      if (!read_keep (json_array_get (list, i), where, policy, error))
        return FALSE;
    }
  return TRUE;
}

RpLifecycle *
rp_lifecycle_parse (const json_t *document, GError **error)
{
  static const char *const members[] = { "rules", "keep", NULL };
  g_autoptr (RpLifecycle) policy = rp_lifecycle_new ();

  if (!check_members (document, members, "policy", error)
      || !read_rules (json_object_get (document, "rules"), policy, error)
      || !read_keeps (json_object_get (document, "keep"), policy, error))
    return NULL;
  return g_steal_pointer (&policy);
}
