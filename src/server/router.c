#include "server/router.h"

#include <string.h>

/* A template cut at its slashes.  One `{name}` of a /v2/ template, or `{path}` of a /tlog/ one, is greedy: it takes every
 * segment that what stands to its right does not need, since repository names have slashes and may
 * contain the very words of the templates (`a/blobs/uploads`). */
typedef struct {
  const RpRoute *route;
  char **segments;
  guint n_segments;
  gint greedy; /* index of the greedy segment, or -1 */
} Pattern;

struct RpRouter {
  GArray *patterns; /* Pattern */
};

void
rp_route_match_clear (RpRouteMatch *match)
{
  for (guint i = 0; i < match->n_params; i++)
    g_free (match->values[i]);
  g_free (match->allow);
  memset (match, 0, sizeof *match);
}

static gboolean
is_param (const char *segment)
{
  return segment[0] == '{';
}

static void
add_pattern (RpRouter *router, const RpRoute *route)
{
  Pattern pattern = { .route = route, .greedy = -1 };
  guint params = 0;

  pattern.segments = g_strsplit (route->template + 1, "/", -1);
  pattern.n_segments = g_strv_length (pattern.segments);
  for (guint i = 0; i < pattern.n_segments; i++)
    {
      char *segment = pattern.segments[i];
      if (!is_param (segment))
        continue;
      segment[strlen (segment) - 1] = '\0'; /* the name is segment + 1 from here on */
      params++;
      if ((strcmp (segment + 1, "name") == 0 && g_str_has_prefix (route->template, "/v2/"))
          || (strcmp (segment + 1, "path") == 0 && g_str_has_prefix (route->template, "/tlog/")))
        pattern.greedy = (gint) i;
    }
  g_assert (params <= RP_ROUTE_PARAMS_MAX);
  g_array_append_val (router->patterns, pattern);
}

static void
clear_pattern (gpointer data)
{
  g_strfreev (((Pattern *) data)->segments);
}

RpRouter *
rp_router_new (const RpRoute *const *tables)
{
  RpRouter *router = g_new0 (RpRouter, 1);

  router->patterns = g_array_new (FALSE, FALSE, sizeof (Pattern));
  g_array_set_clear_func (router->patterns, clear_pattern);
  for (; *tables != NULL; tables++)
    for (const RpRoute *route = *tables; route->method != NULL; route++)
      add_pattern (router, route);
  return router;
}

void
rp_router_free (RpRouter *router)
{
  if (router == NULL)
    return;
  g_array_unref (router->patterns);
  g_free (router);
}

/* Does the path have the pattern's shape?  *extra is how many segments more than one the greedy
 * one takes. */
static gboolean
shape_fits (const Pattern *pattern, char **path, guint n_path, guint *extra)
{
  if (pattern->greedy < 0 ? n_path != pattern->n_segments : n_path < pattern->n_segments)
    return FALSE;
  *extra = n_path - pattern->n_segments;
  for (guint i = 0; i < pattern->n_segments; i++)
    {
      guint at = i + ((gint) i > pattern->greedy && pattern->greedy >= 0 ? *extra : 0);
      if (is_param (pattern->segments[i]) ? path[at][0] == '\0'
                                          : strcmp (pattern->segments[i], path[at]) != 0)
        return FALSE;
    }
  return TRUE;
}

static char *
decode_param (char **path, guint at, guint count)
{
  g_autoptr (GString) joined = g_string_new (NULL);
  g_autofree char *text = NULL;

  for (guint i = 0; i < count; i++)
    {
      g_autofree char *part = g_uri_unescape_string (path[at + i], NULL);
      if (part == NULL)
        return NULL;
      g_string_append_printf (joined, i > 0 ? "/%s" : "%s", part);
    }
  text = g_string_free (g_steal_pointer (&joined), FALSE);
  return g_utf8_validate (text, -1, NULL) ? g_steal_pointer (&text) : NULL;
}

static gboolean
take_params (const Pattern *pattern, char **path, guint extra, RpRouteMatch *out)
{
  guint shift = 0;

  for (guint i = 0; i < pattern->n_segments; i++)
    {
      guint count = (gint) i == pattern->greedy ? extra + 1 : 1;
      if (is_param (pattern->segments[i]))
        {
          char *value = decode_param (path, i + shift, count);
          if (value == NULL)
            return FALSE;
          out->names[out->n_params] = pattern->segments[i] + 1;
          out->values[out->n_params++] = value;
        }
      shift += count - 1;
    }
  return TRUE;
}

static gboolean
method_fits (const RpRoute *route, const char *method)
{
  return strcmp (route->method, method) == 0
         || (strcmp (method, "HEAD") == 0 && strcmp (route->method, "GET") == 0);
}

static void
add_allowed (GString *allow, const char *method)
{
  g_autofree char *text = g_strdup (strcmp (method, "GET") == 0 ? "GET, HEAD" : method);

  if (strstr (allow->str, method) != NULL)
    return;
  if (allow->len > 0)
    g_string_append (allow, ", ");
  g_string_append (allow, text);
}

void
rp_router_match (const RpRouter *router, const char *method, const char *path, RpRouteMatch *out)
{
  g_autoptr (GString) allow = g_string_new (NULL);
  g_auto (GStrv) segments = NULL;
  guint n_segments;

  memset (out, 0, sizeof *out);
  if (path[0] != '/')
    return;
  segments = g_strsplit (path + 1, "/", -1);
  n_segments = g_strv_length (segments);
  for (guint i = 0; i < router->patterns->len; i++)
    {
      const Pattern *pattern = &g_array_index (router->patterns, Pattern, i);
      guint extra;
      if (!shape_fits (pattern, segments, n_segments, &extra))
        continue;
      if (!method_fits (pattern->route, method))
        add_allowed (allow, pattern->route->method);
      else if (take_params (pattern, segments, extra, out))
        {
          out->route = pattern->route;
          out->index = i;
          return;
        }
      else
        rp_route_match_clear (out);
    }
  if (allow->len > 0)
    out->allow = g_string_free (g_steal_pointer (&allow), FALSE);
}

guint
rp_router_count (const RpRouter *router)
{
  return router->patterns->len;
}

const RpRoute *
rp_router_at (const RpRouter *router, guint index)
{
  return g_array_index (router->patterns, Pattern, index).route;
}
