#include "access/scope.h"

#include <string.h>

#include "base/error.h"

#define PATTERN_MAX 256 /* bytes */
#define STARS_MAX 3     /* of a pattern: matching takes a time of the length to the power of these */

typedef struct {
  RpAction action;
  char *pattern; /* NULL: administer */
} Scope;

struct RpScopes {
  gatomicrefcount refs;
  GArray *list; /* Scope */
};

static const struct {
  const char *name;
  const char *subject; /* NULL: takes none */
} actions[RP_ACTION_N] = {
  [RP_ACTION_PULL] = { "pull", "REPOSITORY" },
  [RP_ACTION_PUSH] = { "push", "REPOSITORY" },
  [RP_ACTION_DELETE] = { "delete", "REPOSITORY" },
  [RP_ACTION_READ] = { "read", "APP" },
  [RP_ACTION_RELEASE] = { "release", "APP" },
  [RP_ACTION_DEPLOY] = { "deploy", "APP/ENV" },
  [RP_ACTION_APPROVE] = { "approve", "APP/ENV" },
  [RP_ACTION_AGENT] = { "agent", "APP/ENV/TARGET" },
  [RP_ACTION_ADMINISTER] = { "administer", NULL },
};

const char *
rp_action_name (RpAction action)
{
  return actions[action].name;
}

/* ---- matching ---- */

gboolean
rp_pattern_matches (const char *pattern, const char *text)
{
  for (; *pattern != '\0' && *pattern != '*'; pattern++, text++)
    if (*pattern != *text)
      return FALSE;
  if (*pattern == '\0')
    return *text == '\0';
  gboolean deep = pattern[1] == '*';
  const char *rest = pattern + (deep ? 2 : 1);
  for (;; text++)
    {
      if (rp_pattern_matches (rest, text))
        return TRUE;
      if (*text == '\0' || (*text == '/' && !deep))
        return FALSE;
    }
}

/* `segments`: how many names, joined by slashes, a subject of this kind is; 0: any. */
static gboolean
matches_all (const char *pattern, guint segments)
{
  g_autoptr (GString) each = g_string_new ("*");

  if (strcmp (pattern, "**") == 0)
    return TRUE;
  for (guint i = 1; i < segments; i++)
    g_string_append (each, "/*");
  return segments > 0 && strcmp (pattern, each->str) == 0;
}

static gboolean
fits (const char *pattern, const char *subject, guint segments)
{
  return subject != NULL ? rp_pattern_matches (pattern, subject)
                         : matches_all (pattern, segments);
}

/* Whoever may deploy to some environment of an app, or approve what is, may read the app. */
static gboolean
fits_app_of (const char *pattern, const char *app)
{
  g_autofree char *head = g_strndup (pattern, strcspn (pattern, "/"));

  return fits (head, app, 1);
}

static gboolean
scope_allows (const Scope *scope, RpAction action, const char *subject)
{
  static const guint segments[RP_ACTION_N] = {
    [RP_ACTION_READ] = 1, [RP_ACTION_RELEASE] = 1, [RP_ACTION_DEPLOY] = 2, [RP_ACTION_APPROVE] = 2,
    [RP_ACTION_AGENT] = 3
  };

  if (scope->action == RP_ACTION_ADMINISTER)
    return TRUE;
  if (action == RP_ACTION_READ
      && (scope->action == RP_ACTION_DEPLOY || scope->action == RP_ACTION_APPROVE))
    return fits_app_of (scope->pattern, subject);
  if (scope->action == action || (action == RP_ACTION_PULL && scope->action == RP_ACTION_PUSH)
      || (action == RP_ACTION_READ && scope->action == RP_ACTION_RELEASE))
    return fits (scope->pattern, subject, segments[action]);
  return FALSE;
}

gboolean
rp_scopes_allow (const RpScopes *scopes, RpAction action, const char *subject)
{
  for (guint i = 0; i < scopes->list->len; i++)
    if (scope_allows (&g_array_index (scopes->list, Scope, i), action, subject))
      return TRUE;
  return FALSE;
}

/* ---- text ---- */

static gboolean
pattern_ok (const char *pattern)
{
  guint stars = 0;

  if (*pattern == '\0' || strlen (pattern) > PATTERN_MAX || strstr (pattern, "***") != NULL)
    return FALSE;
  for (const char *at = pattern; *at != '\0'; at++)
    {
      if (!g_ascii_isalnum (*at) && strchr ("._-/*", *at) == NULL)
        return FALSE;
      stars += *at == '*' && at[1] != '*';
    }
  return stars <= STARS_MAX;
}

static gboolean
refuse (const char *text, GError **error)
{
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               "\"%.300s\" is no scope: expected ACTION:PATTERN, as in push:shop/web, pull:shop/**, "
               "delete:shop/*, read:shop, release:shop, deploy:shop/production, approve:shop/production, "
               "agent:shop/production/* or administer; a pattern has at most %d wildcards",
               text, STARS_MAX);
  return FALSE;
}

static gboolean
parse_scope (const char *text, Scope *out, GError **error)
{
  gsize length = strcspn (text, ":");

  for (RpAction action = 0; action < RP_ACTION_N; action++)
    {
      if (strlen (actions[action].name) != length
          || strncmp (actions[action].name, text, length) != 0)
        continue;
      if ((text[length] == ':') != (actions[action].subject != NULL)
          || (text[length] == ':' && !pattern_ok (text + length + 1)))
        return refuse (text, error);
      out->action = action;
      out->pattern = text[length] == ':' ? g_strdup (text + length + 1) : NULL;
      return TRUE;
    }
  return refuse (text, error);
}

static void
clear_scope (gpointer data)
{
  g_free (((Scope *) data)->pattern);
}

static RpScopes *
new_scopes (void)
{
  RpScopes *scopes = g_new0 (RpScopes, 1);

  g_atomic_ref_count_init (&scopes->refs);
  scopes->list = g_array_new (FALSE, FALSE, sizeof (Scope));
  g_array_set_clear_func (scopes->list, clear_scope);
  return scopes;
}

RpScopes *
rp_scopes_join (const RpScopes *const *all, gsize n)
{
  RpScopes *scopes = new_scopes ();

  for (gsize i = 0; i < n; i++)
    for (guint j = 0; j < all[i]->list->len; j++)
      {
        Scope scope = g_array_index (all[i]->list, Scope, j);
        scope.pattern = g_strdup (scope.pattern);
        g_array_append_val (scopes->list, scope);
      }
  return scopes;
}

RpScopes *
rp_scopes_from_json (const json_t *array, GError **error)
{
  g_autoptr (RpScopes) scopes = new_scopes ();
  gsize i;
  json_t *text;

  if (!json_is_array (array) || json_array_size (array) > RP_SCOPES_MAX)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "allow: expected a list of at most %d scopes", RP_SCOPES_MAX);
      return NULL;
    }
  json_array_foreach (array, i, text)
  {
    Scope scope;
    if (!parse_scope (json_is_string (text) ? json_string_value (text) : "", &scope, error))
      return NULL;
    g_array_append_val (scopes->list, scope);
  }
  return g_steal_pointer (&scopes);
}

json_t *
rp_scopes_to_json (const RpScopes *scopes)
{
  json_t *array = json_array ();

  for (guint i = 0; i < scopes->list->len; i++)
    {
      const Scope *scope = &g_array_index (scopes->list, Scope, i);
      g_autofree char *text = scope->pattern == NULL
                                  ? g_strdup (actions[scope->action].name)
                                  : g_strconcat (actions[scope->action].name, ":", scope->pattern,
                                                 NULL);
      json_array_append_new (array, json_string (text));
    }
  return array;
}

RpScopes *
rp_scopes_ref (RpScopes *scopes)
{
  g_atomic_ref_count_inc (&scopes->refs);
  return scopes;
}

void
rp_scopes_unref (RpScopes *scopes)
{
  if (scopes == NULL || !g_atomic_ref_count_dec (&scopes->refs))
    return;
  g_array_unref (scopes->list);
  g_free (scopes);
}
