/* Groups: accounts and identities under one name. */
#include <string.h>

#include "access/access_priv.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#define MEMBERS_MAX 200
#define GROUPS_MAX 1000

/* ---- changes ---- */

static int
compare_texts (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* Sorted, each once. */
static json_t *
clean_members (const json_t *members, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autoptr (json_t) array = json_array ();
  gsize i;
  json_t *member;

  json_array_foreach (members, i, member)
    g_ptr_array_add (names, (gpointer) (json_is_string (member) ? json_string_value (member) : ""));
  g_ptr_array_sort (names, compare_texts);
  for (guint at = 0; at < names->len; at++)
    {
      if (!rp_access_check_name ("member", names->pdata[at], error))
        return NULL;
      if (at == 0 || strcmp (names->pdata[at - 1], names->pdata[at]) != 0)
        json_array_append_new (array, json_string (names->pdata[at]));
    }
  if (json_array_size (array) > 0 && json_array_size (array) <= MEMBERS_MAX)
    return g_steal_pointer (&array);
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "members: expected 1 to %d names of accounts and identities",
               MEMBERS_MAX);
  return NULL;
}

static gboolean
check_set (const RpDirectory *directory, const json_t *body, GError **error)
{
  gsize i;
  json_t *member;

  if (g_hash_table_size (directory->groups) >= GROUPS_MAX
      && !g_hash_table_contains (directory->groups, rp_json_str (body, "group")))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_BLOCKED, "there are %d groups, more are not taken", GROUPS_MAX);
      return FALSE;
    }
  json_array_foreach (json_object_get (body, "members"), i, member)
  {
    const char *name = json_string_value (member);
    if (rp_directory_account (directory, name) != NULL || g_hash_table_contains (directory->federated, name))
      continue;
    g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
                 "there is neither an account nor an identity \"%s\"; `repoint account ls` and `repoint identity ls` list "
                 "those there are",
                 name);
    return FALSE;
  }
  return TRUE;
}

static gboolean
check_remove (const RpDirectory *directory, const json_t *body, GError **error)
{
  const char *name = rp_json_str (body, "group");

  if (g_hash_table_contains (directory->groups, name))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
               "there is no group \"%.64s\"; `repoint group ls` lists those there are", name);
  return FALSE;
}

gboolean
rp_access_group_set (RpAccess *access, const char *actor, const char *name, const json_t *members, GError **error)
{
  g_autoptr (json_t) body = NULL;
  json_t *list;

  if (!rp_access_check_name ("group", name, error))
    return FALSE;
  list = clean_members (members, error);
  if (list == NULL)
    return FALSE;
  body = json_pack ("{s:s, s:o}", "group", name, "members", list);
  RpAccessChange change = { access, actor, "group.set", body, check_set, NULL };
  return rp_access_make_change (&change, error);
}

gboolean
rp_access_group_remove (RpAccess *access, const char *actor, const char *name, GError **error)
{
  g_autoptr (json_t) body = json_pack ("{s:s}", "group", name);
  RpAccessChange change = { access, actor, "group.removed", body, check_remove, NULL };

  return rp_access_make_change (&change, error);
}

/* ---- looking ---- */

/* `a,b [subject]` are the identities a and b; what stands in brackets counts for nothing here. */
static char **
names_of (const char *account)
{
  const char *bracket = strstr (account, " [");
  g_autofree char *names = bracket != NULL ? g_strndup (account, (gsize) (bracket - account)) : g_strdup (account);

  return g_strsplit (names, ",", -1);
}

static gboolean
has_one_of (const RpGroup *group, char **names)
{
  for (guint i = 0; i < group->members->len; i++)
    if (g_strv_contains ((const char *const *) names, group->members->pdata[i]))
      return TRUE;
  return FALSE;
}

gboolean
rp_access_in_group (RpAccess *access, const char *account, const char *name)
{
  g_autoptr (RpDirectory) directory = rp_access_directory (access);
  g_auto (GStrv) names = names_of (account);
  const RpGroup *group = g_hash_table_lookup (directory->groups, name);

  return group != NULL && has_one_of (group, names);
}

json_t *
rp_access_groups_of (RpAccess *access, const char *account)
{
  g_autoptr (RpDirectory) directory = rp_access_directory (access);
  g_autoptr (GList) groups = rp_access_sorted_keys (directory->groups);
  g_auto (GStrv) names = names_of (account);
  json_t *array = json_array ();

  for (const GList *group = groups; group != NULL; group = group->next)
    if (has_one_of (g_hash_table_lookup (directory->groups, group->data), names))
      json_array_append_new (array, json_string (group->data));
  return array;
}

static json_t *
to_json (const RpGroup *group)
{
  g_autofree char *at = rp_clock_format (group->at_us);
  json_t *members = json_array ();

  for (guint i = 0; i < group->members->len; i++)
    json_array_append_new (members, json_string (group->members->pdata[i]));
  return json_pack ("{s:s, s:o, s:s}", "group", group->name, "members", members, "at", at);
}

json_t *
rp_access_groups (RpAccess *access)
{
  g_autoptr (RpDirectory) directory = rp_access_directory (access);
  g_autoptr (GList) names = rp_access_sorted_keys (directory->groups);
  json_t *array = json_array ();

  for (const GList *name = names; name != NULL; name = name->next)
    json_array_append_new (array, to_json (g_hash_table_lookup (directory->groups, name->data)));
  return json_pack ("{s:o}", "groups", array);
}
