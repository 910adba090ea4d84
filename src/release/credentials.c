#include "release/credentials.h"

#include "base/clock.h"
#include "release/engine_priv.h"
#include "release/json_out.h"
#include "release/target_view.h"

#define WAY_OUT                                                                                    \
  "give its agent another (`repoint token create`, `repoint account allow`), into its token_file, which it reads by " \
  "itself"

/* Is whoever the agent came as still let in? NULL, or why not. */
static char *
why_not_let_in (RpEngine *engine, const char *app, const char *environment,
                const RpTargetView *target)
{
  g_autofree char *subject = g_strdup_printf ("%s/%s/%s", app, environment, target->name);
  g_autoptr (GError) error = NULL;

  if (target->token == NULL || engine->access == NULL || rp_access_is_open (engine->access)
      || rp_access_token_may (engine->access, target->token, rp_clock_now_us (), RP_ACTION_AGENT,
                              subject, &error))
    return NULL;
  return g_strdup (error->message);
}

static json_t *
look_at (RpEngine *engine, const char *app, const char *environment, const RpTargetView *target,
         GPtrArray *reasons)
{
  g_autofree char *refused = why_not_let_in (engine, app, environment, target);
  gboolean tried = target->pull != NULL;
  const char *state = tried ? "work" : "untried";
  const char *message = tried ? "its host may pull every manifest of the window"
                              : "its agent has not tried them since this server was started";
  json_t *json = json_object ();

  if (refused == NULL && tried && !g_str_equal (target->pull, "ok"))
    refused = g_strdup (target->pull);
  if (refused != NULL)
    {
      state = "refused";
      message = refused;
      g_ptr_array_add (reasons, g_strdup_printf (RP_READY_REFUSED "%s: %s; " WAY_OUT, target->name, refused));
    }
  json_object_set_new (json, "target", json_string (target->name));
  json_object_set_new (json, "state", json_string (state));
  json_object_set_new (json, "message", json_string (message));
  json_object_set_new (json, "tried_at", rp_json_time_or_null (target->pull_at_us));
  return json;
}

json_t *
rp_credentials_look (RpEngine *engine, const char *app, const char *environment,
                     const GPtrArray *targets, GPtrArray *reasons)
{
  json_t *all = json_array ();

  for (guint i = 0; i < targets->len; i++)
    json_array_append_new (all, look_at (engine, app, environment, targets->pdata[i], reasons));
  return all;
}
