#include "cli/environments.h"

#include <string.h>

static gboolean
add (RpCli *cli, const char *app, const char *env, RpEnvironmentAsk ask, json_t *all, GError **error)
{
  json_t *answer = ask (cli, app, env, error);
  if (answer == NULL)
    return FALSE;
  json_array_append_new (all, answer);
  return TRUE;
}

static gboolean
add_app (RpCli *cli, const json_t *app, RpEnvironmentAsk ask, json_t *all, GError **error)
{
  gsize i;
  json_t *environment;
  json_array_foreach (json_object_get (app, "environments"), i, environment)
  if (!add (cli, rp_json_str (app, "name"), rp_json_str (environment, "name"), ask, all, error))
    return FALSE;
  return TRUE;
}

static json_t *
ask_all (RpCli *cli, const char *where, RpEnvironmentAsk ask, GError **error)
{
  g_autoptr (json_t) all = json_array ();
  if (where != NULL && strchr (where, '/') != NULL)
    {
      g_autofree char *app = NULL;
      g_autofree char *env = NULL;
      gboolean ok = rp_cli_parse_env (where, &app, &env, error) && add (cli, app, env, ask, all, error);
      return ok ? g_steal_pointer (&all) : NULL;
    }
  g_autofree char *path = rp_api_path ("apps", where, NULL);
  g_autoptr (json_t) answer = rp_api_get (cli->api, path, 0, error);
  if (answer == NULL)
    return NULL;
  if (where != NULL)
    return add_app (cli, answer, ask, all, error) ? g_steal_pointer (&all) : NULL;
  gsize i;
  json_t *app;
  json_array_foreach (json_object_get (answer, "apps"), i, app)
  if (!add_app (cli, app, ask, all, error))
    return NULL;
  return g_steal_pointer (&all);
}

json_t *
rp_environments_show (RpCli *cli, const char *where, RpEnvironmentAsk ask,
                      void (*print) (RpCli *cli, const json_t *answer), GError **error)
{
  json_t *all = rp_cli_api (cli, error) == NULL ? NULL : ask_all (cli, where, ask, error);
  gboolean single = where != NULL && strchr (where, '/') != NULL;
  gsize i;
  json_t *one;
  if (all == NULL)
    return NULL;
  if (cli->json)
    rp_cli_print_json (cli, single ? json_array_get (all, 0) : all);
  else if (json_array_size (all) == 0)
    rp_cli_note (cli, "no environments yet; declare one with `repoint apply -f repoint.yaml`");
  else
    json_array_foreach (all, i, one) print (cli, one);
  return all;
}
