#include "registry/policy.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/size.h"

static const char *const mutabilities[] = {
  [RP_TAGS_IMMUTABLE] = "IMMUTABLE",
  [RP_TAGS_MUTABLE] = "MUTABLE",
  [RP_TAGS_IMMUTABLE_WITH_EXCLUSION] = "IMMUTABLE_WITH_EXCLUSION",
  [RP_TAGS_MUTABLE_WITH_EXCLUSION] = "MUTABLE_WITH_EXCLUSION",
};

void
rp_policy_clear (RpPolicy *policy)
{
  g_clear_pointer (&policy->pattern, g_free);
  g_clear_pointer (&policy->exclusions, g_strfreev);
}

/* ---- matching ---- */

gboolean
rp_pattern_match (const char *pattern, const char *text)
{
  const char *star = NULL, *resume = NULL;

  while (*text != '\0')
    {
      if (*pattern == '*')
        {
          star = pattern++;
          resume = text;
        }
      else if (*pattern == *text)
        {
          pattern++;
          text++;
        }
      else if (star != NULL)
        {
          pattern = star + 1;
          text = ++resume;
        }
      else
        return FALSE;
    }
  while (*pattern == '*')
    pattern++;
  return *pattern == '\0';
}

gboolean
rp_tag_is_signature (const char *tag)
{
  static const char *const endings[] = { "", ".sig", ".att", ".sbom" };
  gsize digits;

  if (!g_str_has_prefix (tag, "sha256-") && !g_str_has_prefix (tag, "sha512-"))
    return FALSE;
  tag += strlen ("sha256-");
  digits = strspn (tag, "0123456789abcdef");
  /* 128 digits do not fit into a tag: they are cut to 64. */
  if (digits != 64)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (endings); i++)
    if (strcmp (tag + digits, endings[i]) == 0)
      return TRUE;
  return FALSE;
}

char *
rp_signature_subject (const char *tag)
{
  char *text;

  if (!rp_tag_is_signature (tag) || !g_str_has_prefix (tag, "sha256-"))
    return NULL;
  text = g_strndup (tag, strlen ("sha256-") + 64);
  text[strlen ("sha256")] = ':';
  return text;
}

static gboolean
is_excluded (const RpPolicy *policy, const char *tag)
{
  for (guint i = 0; policy->exclusions != NULL && policy->exclusions[i] != NULL; i++)
    if (rp_pattern_match (policy->exclusions[i], tag))
      return TRUE;
  return FALSE;
}

gboolean
rp_policy_tag_may_move (const RpPolicy *policy, const char *tag)
{
  gboolean excluded = is_excluded (policy, tag);

  if (rp_tag_is_signature (tag))
    return TRUE;
  if (policy->mutability == RP_TAGS_MUTABLE)
    return TRUE;
  if (policy->mutability == RP_TAGS_MUTABLE_WITH_EXCLUSION)
    return !excluded;
  return policy->mutability == RP_TAGS_IMMUTABLE_WITH_EXCLUSION && excluded;
}

/* ---- JSON ---- */

static gboolean
invalid (GError **error, const char *what)
{
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "repository policy: %s", what);
  return FALSE;
}

/* A member that is one of two words: *out is whether it is the second. */
static gboolean
read_choice (const json_t *fields, const char *member, const char *no, const char *yes,
             gboolean *out, GError **error)
{
  const json_t *value = json_object_get (fields, member);
  const char *text = json_string_value (value);
  g_autofree char *what = NULL;

  if (value == NULL)
    return TRUE;
  *out = g_strcmp0 (text, yes) == 0;
  if (*out || g_strcmp0 (text, no) == 0)
    return TRUE;
  what = g_strdup_printf ("\"%s\" is \"%s\" or \"%s\"", member, no, yes);
  return invalid (error, what);
}

static gboolean
read_mutability (RpPolicy *policy, const json_t *fields, GError **error)
{
  const json_t *value = json_object_get (fields, "tag_mutability");

  if (value == NULL)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (mutabilities); i++)
    if (g_strcmp0 (json_string_value (value), mutabilities[i]) == 0)
      {
        policy->mutability = (RpTagMutability) i;
        return TRUE;
      }
  return invalid (error, "\"tag_mutability\" is IMMUTABLE, MUTABLE, IMMUTABLE_WITH_EXCLUSION or "
                         "MUTABLE_WITH_EXCLUSION");
}

static gboolean
is_filter (const char *text)
{
  gsize size = text ? strlen (text) : 0;

  return size >= 1 && size <= RP_POLICY_FILTER_MAX
         && strspn (text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._*-")
                == size;
}

static gboolean
read_exclusions (RpPolicy *policy, const json_t *fields, GError **error)
{
  const json_t *value = json_object_get (fields, "exclusions");
  g_auto (GStrv) filters = NULL;
  gsize count = json_array_size (value);

  if (value == NULL)
    return TRUE;
  if (!json_is_array (value) || count > RP_POLICY_EXCLUSIONS_MAX)
    return invalid (error, "\"exclusions\" is a list of at most 5 tag patterns");
  filters = g_new0 (char *, count + 1);
  for (gsize i = 0; i < count; i++)
    {
      const char *text = json_string_value (json_array_get (value, i));

      if (!is_filter (text))
        return invalid (error, "an exclusion is 1 to 128 of the characters of a tag, and * for "
                               "any run of them");
      filters[i] = g_strdup (text);
    }
  g_strfreev (policy->exclusions);
  policy->exclusions = count > 0 ? g_steal_pointer (&filters) : NULL;
  return TRUE;
}

static gboolean
takes_exclusions (RpTagMutability mutability)
{
  return mutability == RP_TAGS_IMMUTABLE_WITH_EXCLUSION
         || mutability == RP_TAGS_MUTABLE_WITH_EXCLUSION;
}

/* A mode without exclusions that is named alone leaves those of the mode before behind. */
static gboolean
settle_exclusions (RpPolicy *policy, const json_t *fields, GError **error)
{
  if (takes_exclusions (policy->mutability))
    return policy->exclusions != NULL
           || invalid (error, "a mode WITH_EXCLUSION needs 1 to 5 \"exclusions\"");
  if (json_array_size (json_object_get (fields, "exclusions")) > 0)
    return invalid (error, "\"exclusions\" belong to IMMUTABLE_WITH_EXCLUSION and "
                           "MUTABLE_WITH_EXCLUSION alone");
  g_clear_pointer (&policy->exclusions, g_strfreev);
  return TRUE;
}

static gboolean
check_members (const json_t *fields, GError **error)
{
  static const char *const known[]
      = { "tag_mutability", "exclusions", "sparse", "deletion", "burnt_tags", "quota_bytes",
          "pattern", NULL };
  const char *member;
  json_t *value;

  json_object_foreach ((json_t *) fields, member, value)
  {
    g_autofree char *what = NULL;

    if (g_strv_contains (known, member))
      continue;
    what = g_strdup_printf ("there is no member \"%.100s\"", member);
    return invalid (error, what);
  }
  return TRUE;
}

static gboolean
read_quota (RpPolicy *policy, const json_t *fields, GError **error)
{
  const json_t *value = json_object_get (fields, "quota_bytes");

  if (value == NULL)
    return TRUE;
  policy->quota_bytes = json_is_null (value) ? -1 : json_integer_value (value);
  return json_is_null (value)
         || (json_is_integer (value) && policy->quota_bytes >= 0
             && policy->quota_bytes <= RP_SIZE_MAX)
         || invalid (error, "\"quota_bytes\" is a whole number up to 2^53, or null for no quota");
}

gboolean
rp_policy_update (RpPolicy *policy, const json_t *fields, GError **error)
{
  return check_members (fields, error) && read_mutability (policy, fields, error)
         && read_exclusions (policy, fields, error) && settle_exclusions (policy, fields, error)
         && read_choice (fields, "sparse", "deny", "allow", &policy->allow_sparse, error)
         && read_choice (fields, "deletion", "deny", "allow", &policy->allow_deletion, error)
         && read_choice (fields, "burnt_tags", "off", "on", &policy->burnt_tags, error)
         && read_quota (policy, fields, error);
}

json_t *
rp_policy_to_json (const RpPolicy *policy)
{
  json_t *json = json_object ();
  json_t *exclusions = json_array ();

  for (guint i = 0; policy->exclusions != NULL && policy->exclusions[i] != NULL; i++)
    json_array_append_new (exclusions, json_string (policy->exclusions[i]));
  json_object_set_new (json, "pattern",
                       policy->pattern ? json_string (policy->pattern) : json_null ());
  json_object_set_new (json, "tag_mutability", json_string (mutabilities[policy->mutability]));
  json_object_set_new (json, "exclusions", exclusions);
  json_object_set_new (json, "sparse", json_string (policy->allow_sparse ? "allow" : "deny"));
  json_object_set_new (json, "deletion", json_string (policy->allow_deletion ? "allow" : "deny"));
  json_object_set_new (json, "burnt_tags", json_string (policy->burnt_tags ? "on" : "off"));
  json_object_set_new (json, "quota_bytes",
                       policy->quota_bytes < 0 ? json_null () : json_integer (policy->quota_bytes));
  return json;
}

/* ---- what is recorded ---- */

static void
set_default (RpPolicy *policy)
{
  *policy = (RpPolicy){ .mutability = RP_TAGS_IMMUTABLE, .allow_deletion = TRUE,
                        .quota_bytes = -1 };
}

/* A recorded policy was checked when it came in; what cannot be read is damage. */
static gboolean
read_policy (const char *pattern, const char *text, RpPolicy *out, GError **error)
{
  g_autoptr (json_t) fields = rp_json_parse (text, strlen (text), "policy", error);

  set_default (out);
  if (fields == NULL || !rp_policy_update (out, fields, error))
    {
      rp_policy_clear (out);
      return FALSE;
    }
  out->pattern = g_strdup (pattern);
  return TRUE;
}

/* The default, if `pattern` has none. */
static gboolean
find_exact (RpTxn *txn, const char *pattern, gboolean *out_known, RpPolicy *out, GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT content FROM repository_policy WHERE pattern = $1", "s", pattern);

  if (!rows)
    return FALSE;
  *out_known = rp_rows_count (rows) > 0;
  if (*out_known)
    return read_policy (pattern, rp_rows_text (rows, 0, 0), out, error);
  set_default (out);
  return TRUE;
}

/* Rows come with the most particular pattern first. */
gboolean
rp_policy_find (RpTxn *txn, const char *repository, RpPolicy *out, GError **error)
{
  static const char sql[]
      = "SELECT pattern, content FROM repository_policy "
        "ORDER BY length (replace (pattern, '*', '')) DESC, pattern";
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "");

  if (!rows)
    return FALSE;
  for (gsize row = 0; row < rp_rows_count (rows); row++)
    if (rp_pattern_match (rp_rows_text (rows, row, 0), repository))
      return read_policy (rp_rows_text (rows, row, 0), rp_rows_text (rows, row, 1), out, error);
  set_default (out);
  return TRUE;
}

typedef struct {
  RpLedger *ledger;
  const char *pattern; /* or a repository */
  const json_t *fields;
  const char *actor;
  json_t *result;
} PolicyJob;

static gboolean
list_policies (RpTxn *txn, gpointer user_data, GError **error)
{
  PolicyJob *job = user_data;
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT pattern, content FROM repository_policy ORDER BY pattern", "");

  if (!rows)
    return FALSE;
  for (gsize row = 0; row < rp_rows_count (rows); row++)
    {
      g_auto (RpPolicy) policy = { 0 };

      if (!read_policy (rp_rows_text (rows, row, 0), rp_rows_text (rows, row, 1), &policy, error))
        return FALSE;
      json_array_append_new (job->result, rp_policy_to_json (&policy));
    }
  return TRUE;
}

json_t *
rp_registry_policies (RpRegistry *registry, GError **error)
{
  g_autoptr (json_t) list = json_array ();
  PolicyJob job = { .result = list };

  if (!rp_db_read (rp_registry_db (registry), list_policies, &job, error))
    return NULL;
  return g_steal_pointer (&list);
}

static gboolean
find_effective (RpTxn *txn, gpointer user_data, GError **error)
{
  PolicyJob *job = user_data;
  g_auto (RpPolicy) policy = { 0 };

  if (!rp_policy_find (txn, job->pattern, &policy, error))
    return FALSE;
  job->result = rp_policy_to_json (&policy);
  return TRUE;
}

json_t *
rp_registry_policy_of (RpRegistry *registry, const char *repository, GError **error)
{
  PolicyJob job = { .pattern = repository };

  return rp_db_read (rp_registry_db (registry), find_effective, &job, error) ? job.result : NULL;
}

typedef struct {
  const char *repository;
  const char *tag;
  gboolean may_move;
} TagJob;

static gboolean
find_may_move (RpTxn *txn, gpointer user_data, GError **error)
{
  TagJob *job = user_data;
  g_auto (RpPolicy) policy = { 0 };

  if (!rp_policy_find (txn, job->repository, &policy, error))
    return FALSE;
  job->may_move = rp_policy_tag_may_move (&policy, job->tag);
  return TRUE;
}

gboolean
rp_registry_tag_may_move (RpRegistry *registry, const char *repository, const char *tag,
                          gboolean *out, GError **error)
{
  TagJob job = { repository, tag, FALSE };

  if (!rp_db_read (rp_registry_db (registry), find_may_move, &job, error))
    return FALSE;
  *out = job.may_move;
  return TRUE;
}

/* ---- changing ---- */

static gboolean
check_pattern (const char *pattern, GError **error)
{
  gsize size = strlen (pattern);

  if (size >= 1 && size <= RP_POLICY_PATTERN_MAX
      && strspn (pattern, "0123456789abcdefghijklmnopqrstuvwxyz._-/*") == size)
    return TRUE;
  return invalid (error, "a pattern is 1 to 255 of the characters of a repository name, and * for "
                         "any run of them: shop/web, shop/*, *");
}

static gboolean
configure (RpTxn *txn, gpointer user_data, GError **error)
{
  PolicyJob *job = user_data;
  g_auto (RpPolicy) policy = { 0 };
  g_autoptr (json_t) before = NULL;
  gboolean known;

  if (!find_exact (txn, job->pattern, &known, &policy, error))
    return FALSE;
  before = rp_policy_to_json (&policy);
  if (!rp_policy_update (&policy, job->fields, error))
    return FALSE;
  g_free (policy.pattern);
  policy.pattern = g_strdup (job->pattern);
  job->result = rp_policy_to_json (&policy);
  if (known && json_equal (before, job->result))
    return TRUE;
  return rp_ledger_append (job->ledger, txn, job->actor, "repository.configured", job->result,
                           NULL, error);
}

json_t *
rp_registry_configure (RpRegistry *registry, const char *pattern, const json_t *fields,
                       const char *actor, GError **error)
{
  PolicyJob job = { rp_registry_ledger (registry), pattern, fields, actor, NULL };

  if (!check_pattern (pattern, error))
    return NULL;
  if (rp_db_write (rp_registry_db (registry), configure, &job, error))
    return job.result;
  json_decref (job.result);
  return NULL;
}

static gboolean
unconfigure (RpTxn *txn, gpointer user_data, GError **error)
{
  PolicyJob *job = user_data;
  g_autoptr (json_t) body = json_pack ("{s:s}", "pattern", job->pattern);
  g_auto (RpPolicy) policy = { 0 };
  gboolean known;

  if (!find_exact (txn, job->pattern, &known, &policy, error))
    return FALSE;
  if (known)
    return rp_ledger_append (job->ledger, txn, job->actor, "repository.unconfigured", body, NULL,
                             error);
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
               "there is no policy for the pattern \"%.255s\"; `repoint repo show` lists those "
               "there are",
               job->pattern);
  return FALSE;
}

gboolean
rp_registry_unconfigure (RpRegistry *registry, const char *pattern, const char *actor,
                         GError **error)
{
  PolicyJob job = { rp_registry_ledger (registry), pattern, NULL, actor, NULL };

  return check_pattern (pattern, error)
         && rp_db_write (rp_registry_db (registry), unconfigure, &job, error);
}
