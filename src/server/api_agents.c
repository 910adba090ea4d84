#include "base/clock.h"
#include "base/json.h"
#include "release/pointer.h"
#include "release/report.h"
#include "server/api.h"

/* What the agent of this target is to be asked for besides; NULL: nothing. */
static json_t *
wanted_of (const RpRequest *request, const RpPointerView *pointer)
{
  g_autoptr (GPtrArray) repositories = g_ptr_array_new ();
  g_autofree char *target = g_strdup_printf ("%s/%s/%s", rp_request_param (request, "app"),
                                             rp_request_param (request, "environment"),
                                             rp_request_param (request, "target"));

  for (guint i = 0; i < pointer->window->len; i++)
    {
      const RpPointerEntry *entry = pointer->window->pdata[i];
      g_ptr_array_add (repositories, entry->component->repository);
    }
  return rp_wishes_ask (rp_request_services (request)->wishes, target, repositories,
                        rp_clock_monotonic_us ());
}

gboolean
rp_api_pointer (RpRequest *request, GError **error)
{
  const char *app = rp_request_param (request, "app");
  const char *environment = rp_request_param (request, "environment");
  const char *target = rp_request_param (request, "target");
  const RpIdentity *identity = rp_request_identity (request);
  RpAgentWord word = { rp_request_query (request, "agent"), rp_request_query (request, "driver"),
                             rp_request_query (request, "platform") };
  RpEngine *engine = rp_request_services (request)->engine;
  gint64 after;
  gint64 wait_ms;
  RpPointerView *raw = NULL;
  if (!rp_request_waited (request)) /* else another poll may have said something newer */
    {
      word.pull = rp_request_query (request, "pull");
      word.token = identity != NULL ? identity->token : NULL;
    }
  if (!rp_api_poll (request, &after, &wait_ms, error))
    return FALSE;
  gboolean force = wait_ms == 0 || rp_request_expired (request);
  gboolean wishes = word.agent != NULL && rp_wishes_any (rp_request_services (request)->wishes);
  if (!rp_pointer_view_get (engine, app, environment, target, after, force || wishes, &raw, error))
    return FALSE;
  g_autoptr (RpPointerView) pointer = raw;
  if (word.agent != NULL) /* people who look are not agents */
    rp_target_seen (engine, app, environment, target, &word, rp_clock_now_us ());
  json_t *wanted = wishes ? wanted_of (request, pointer) : NULL;
  if (pointer == NULL || (!force && wanted == NULL && pointer->seq <= after))
    return rp_request_wait (request, wait_ms);
  json_t *json = rp_pointer_view_to_json (pointer);
  if (wanted != NULL)
    json_object_set_new (json, "wanted", wanted);
  rp_respond_json (request, 200, json);
  return TRUE;
}

static gboolean
read_undo (json_t *body, RpReport *out, GError **error)
{
  json_t *undo = json_object_get (body, "undo");
  if (undo == NULL || json_is_null (undo))
    return TRUE;
  out->undone = TRUE;
  return rp_json_need_object (body, "undo", "report", &undo, error)
         && rp_json_need_string (undo, "to_digest", "report.undo", &out->undo_to_digest, error)
         && rp_json_opt_int (undo, "to_revision", "report.undo", &out->undo_to_revision, error)
         && rp_json_need_int (undo, "from_revision", "report.undo", &out->undo_from_revision, error)
         && rp_json_opt_string (undo, "cause", "report.undo", &out->undo_cause, error)
         && rp_json_opt_string (undo, "actor", "report.undo", &out->undo_actor, error);
}

static gboolean
read_report (json_t *body, RpReport *out, GError **error)
{
  const char *state;
  if (!rp_json_need_string (body, "id", "report", &out->id, error)
      || !rp_json_need_string (body, "agent", "report", &out->agent, error)
      || !rp_json_need_string (body, "driver", "report", &out->driver, error)
      || !rp_json_opt_int (body, "revision", "report", &out->revision, error)
      || !rp_json_need_string (body, "state", "report", &state, error)
      || !rp_target_phase_parse (state, &out->phase, error)
      || !rp_json_opt_string (body, "observed_digest", "report", &out->observed_digest, error)
      || !rp_json_opt_string (body, "message", "report", &out->message, error)
      || !rp_json_opt_string (body, "at", "report", &out->at, error))
    return FALSE;
  json_t *local = json_object_get (body, "local");
  if (local != NULL && !json_is_null (local)
      && !rp_json_need_array (body, "local", "report", &out->local, error))
    return FALSE;
  return read_undo (body, out, error);
}

gboolean
rp_api_report (RpRequest *request, GError **error)
{
  gint64 seq;
  gint64 pointer_revision;
  g_autoptr (json_t) body = rp_request_json (request, error);
  RpReport report = { .app = rp_request_param (request, "app"),
                      .environment = rp_request_param (request, "environment"),
                      .target = rp_request_param (request, "target") };
  if (rp_request_identity (request) != NULL)
    report.account = rp_request_identity (request)->account;
  if (body == NULL || !read_report (body, &report, error)
      || !rp_report_take (rp_request_services (request)->engine, &report, &seq, &pointer_revision,
                          error))
    return FALSE;
  json_t *json = json_object ();
  json_object_set_new (json, "seq", json_integer (seq));
  json_object_set_new (json, "pointer_revision", json_integer (pointer_revision));
  rp_respond_json (request, 200, json);
  return TRUE;
}
