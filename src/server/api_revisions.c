#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "release/gone.h"
#include "release/ready_record.h"
#include "release/target_view.h"
#include "server/api.h"
#include "server/etag.h"

/* ---- what is asked for ---- */

static gboolean
read_kind (json_t *body, RpRevisionKind *out, GError **error)
{
  const char *kind;
  if (!rp_json_need_string (body, "kind", "revision", &kind, error)
      || !rp_kind_parse (kind, out, error))
    return FALSE;
  if (*out != RP_KIND_AUTO_ROLLBACK)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               "auto-rollback is what repoint does by itself; ask for a rollback");
  return FALSE;
}

/* Items of a plan that the caller takes as they are. Missing or damaged bytes are not among what
 * can be accepted, so this is only checked for its form. */
static gboolean
check_accept (json_t *body, GError **error)
{
  json_t *accept = json_object_get (body, "accept");
  size_t i;
  json_t *subject;
  if (accept == NULL || json_is_null (accept))
    return TRUE;
  if (!rp_json_need_array (body, "accept", "revision", &accept, error))
    return FALSE;
  json_array_foreach (accept, i, subject)
  {
    if (!json_is_string (subject))
      {
        g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                     "revision.accept: expected subjects of plan items");
        return FALSE;
      }
  }
  return TRUE;
}

static gboolean
check_numbers (const RpMoveRequest *move, GError **error)
{
  if (move->to_revision >= 0 && move->expected_revision >= RP_ANY_REVISION)
    return TRUE;
  g_set_error (
      error, RP_ERROR, RP_ERROR_INVALID,
      "revision.to_revision and revision.expected_revision: numbers of revisions begin at 1");
  return FALSE;
}

/* Borrowed from `body`; g_free() the list. */
static gboolean
read_overrides (json_t *body, const char ***out, GError **error)
{
  json_t *list = json_object_get (body, "overrides");
  gsize i;
  json_t *name;
  *out = NULL;
  if (list == NULL || json_is_null (list))
    return TRUE;
  if (!rp_json_need_array (body, "overrides", "revision", &list, error))
    return FALSE;
  g_autofree const char **names = g_new0 (const char *, json_array_size (list) + 1);
  json_array_foreach (list, i, name)
  {
    names[i] = json_string_value (name);
    if (names[i] != NULL)
      continue;
    g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "revision.overrides: expected names of gates");
    return FALSE;
  }
  *out = g_steal_pointer (&names);
  return TRUE;
}

/* To look at a plan with them is allowed to all. */
static gboolean
may_override (RpRequest *request, const RpMoveRequest *move, GError **error)
{
  g_autofree char *subject = g_strconcat (move->app, "/", move->environment, NULL);
  if (move->overrides == NULL || move->overrides[0] == NULL
      || rp_request_may (request, RP_ACTION_APPROVE, subject))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_DENIED,
               "%s may not override a gate: that takes approve:%s, which an administrator can give",
               move->actor, subject);
  return FALSE;
}

/* If-Match says the same as `expected_revision`, for clients that know ETags. */
static gboolean
read_match (const RpRequest *request, RpMoveRequest *out, GError **error)
{
  const char *header = rp_request_header (request, "If-Match");
  gint64 revision;
  if (header == NULL)
    return TRUE;
  if (!rp_etag_parse_revision (header, &revision, error))
    return FALSE;
  if (out->expected_revision != RP_ANY_REVISION && out->expected_revision != revision)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "If-Match expects revision %" G_GINT64_FORMAT ", revision.expected_revision %" G_GINT64_FORMAT
                   "; give one of them",
                   revision, out->expected_revision);
      return FALSE;
    }
  out->expected_revision = revision;
  return TRUE;
}

static gboolean
read_move (RpRequest *request, json_t *body, RpMoveRequest *out, GError **error)
{
  *out = (RpMoveRequest){ .app = rp_request_param (request, "app"),
                          .environment = rp_request_param (request, "environment"),
                          .expected_revision = RP_ANY_REVISION,
                          .actor = rp_request_actor (request) };
  return read_kind (body, &out->kind, error)
         && rp_json_opt_string (body, "release", "revision", &out->release, error)
         && rp_json_opt_int (body, "to_revision", "revision", &out->to_revision, error)
         && rp_json_opt_string (body, "from", "revision", &out->from, error)
         && rp_json_opt_string (body, "cause", "revision", &out->cause, error)
         && rp_json_opt_bool (body, "again", "revision", &out->again, error)
         && rp_json_opt_int (body, "expected_revision", "revision", &out->expected_revision, error)
         && check_numbers (out, error) && read_match (request, out, error) && rp_api_check_cause (out->cause, "revision.cause", error)
         && check_accept (body, error);
}

/* ---- refusals that say more ---- */

static json_t *
detail_current (RpRequest *request, const RpMoveRequest *move)
{
  RpStatus *raw = NULL;
  if (!rp_status_get (rp_request_services (request)->engine, move->app, move->environment, 0, TRUE,
                      &raw, NULL))
    return json_object ();
  g_autoptr (RpStatus) status = raw;
  json_t *detail = json_object ();
  json_object_set_new (detail, "current", rp_revision_to_json_or_null (status->current));
  return detail;
}

static json_t *
detail_candidates (RpRequest *request, const RpMoveRequest *move)
{
  g_autoptr (GPtrArray) found = rp_release_candidates (rp_request_services (request)->engine,
                                                       move->app, move->release, NULL);
  json_t *detail = json_object ();
  json_object_set_new (detail, "candidates",
                       found != NULL ? rp_release_list_to_json (found) : json_array ());
  return detail;
}

/* The plan that is blocked; none if the refusal came before there was one. */
static json_t *
detail_plan (RpRequest *request, const RpMoveRequest *move)
{
  g_autoptr (RpPlan) plan
      = rp_plan_compute (rp_request_services (request)->engine, move, RP_VERIFY_PRESENT, NULL);
  json_t *detail = json_object ();
  if (plan != NULL)
    json_object_set_new (detail, "items", rp_items_to_json (plan->items));
  return detail;
}

static gboolean
refuse (RpRequest *request, const RpMoveRequest *move, GError *local, GError **error)
{
  if (g_error_matches (local, RP_ERROR, RP_ERROR_MOVED) && rp_request_header (request, "If-Match") != NULL)
    local->code = RP_ERROR_STALE; /* RFC 9110: a condition that does not hold is 412 */
  if (g_error_matches (local, RP_ERROR, RP_ERROR_MOVED) || g_error_matches (local, RP_ERROR, RP_ERROR_STALE))
    return rp_api_fail (request, local, detail_current (request, move));
  if (g_error_matches (local, RP_ERROR, RP_ERROR_BLOCKED))
    return rp_api_fail (request, local, detail_plan (request, move));
  if (g_error_matches (local, RP_ERROR, RP_ERROR_AMBIGUOUS) && move->release != NULL)
    return rp_api_fail (request, local, detail_candidates (request, move));
  g_propagate_error (error, g_error_copy (local));
  return FALSE;
}

/* ---- handlers ---- */

gboolean
rp_api_plan (RpRequest *request, GError **error)
{
  RpMoveRequest move;
  RpVerifyMode mode;
  g_autofree const char **overrides = NULL;
  g_autoptr (GError) local = NULL;
  g_autoptr (json_t) body = rp_request_json (request, error);
  if (body == NULL || !rp_api_verify (request, RP_VERIFY_HASH, &mode, error)
      || !read_move (request, body, &move, error) || !read_overrides (body, &overrides, error))
    return FALSE;
  move.overrides = overrides;
  g_autoptr (RpPlan) plan
      = rp_plan_compute (rp_request_services (request)->engine, &move, mode, &local);
  if (plan == NULL)
    return refuse (request, &move, local, error);
  rp_respond_json (request, 200, rp_plan_to_json (plan));
  return TRUE;
}

gboolean
rp_api_revision_create (RpRequest *request, GError **error)
{
  RpMoveRequest move;
  gboolean created;
  g_autofree char *hash = NULL;
  g_autofree const char **overrides = NULL;
  g_autoptr (GError) local = NULL;
  g_autoptr (json_t) body = rp_request_json (request, error);
  if (body == NULL || !read_move (request, body, &move, error)
      || !read_overrides (body, &overrides, error)
      || !rp_api_key (request, body, &move.idempotency_key, &hash, error))
    return FALSE;
  move.overrides = overrides;
  if (!may_override (request, &move, error))
    return FALSE;
  move.request_hash = hash;
  g_autoptr (RpRevision) revision
      = rp_revision_move (rp_request_services (request)->engine, &move, &created, &local);
  if (revision == NULL)
    return refuse (request, &move, local, error);
  g_autofree char *etag = rp_etag_of_revision (revision->number);
  if (created)
    rp_respond_header (request, "ETag", etag);
  rp_respond_json (request, created ? 201 : 200, rp_revision_to_json (revision));
  return TRUE;
}

gboolean
rp_api_revisions (RpRequest *request, GError **error)
{
  gint64 limit;
  gint64 before;
  if (!rp_api_page (request, &limit, &before, error))
    return FALSE;
  g_autoptr (GPtrArray) revisions
      = rp_revision_list (rp_request_services (request)->engine, rp_request_param (request, "app"),
                          rp_request_param (request, "environment"), limit, before, error);
  if (revisions == NULL)
    return FALSE;
  json_t *json = json_object ();
  json_object_set_new (json, "revisions", rp_revision_list_to_json (revisions));
  rp_respond_json (request, 200, json);
  return TRUE;
}

gboolean
rp_api_revision (RpRequest *request, GError **error)
{
  const char *text = rp_request_param (request, "number");
  guint64 number;
  if (!g_ascii_string_to_unsigned (text, 10, 1, G_MAXINT64, &number, NULL))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "\"%s\" is no number of a revision; they begin at 1", text);
      return FALSE;
    }
  g_autoptr (RpRevision) revision
      = rp_revision_get (rp_request_services (request)->engine, rp_request_param (request, "app"),
                         rp_request_param (request, "environment"), (gint64) number, error);
  if (revision == NULL)
    return FALSE;
  rp_respond_json (request, 200, rp_revision_to_json (revision));
  return TRUE;
}

/* The pointer alone: what it names is its version, whatever targets do. */
gboolean
rp_api_environment_pointer (RpRequest *request, GError **error)
{
  const char *known = rp_request_header (request, "If-None-Match");
  RpStatus *raw = NULL;
  if (!rp_status_get (rp_request_services (request)->engine, rp_request_param (request, "app"),
                      rp_request_param (request, "environment"), 0, TRUE, &raw, error))
    return FALSE;
  g_autoptr (RpStatus) status = raw;
  gint64 number = status->current == NULL ? 0 : status->current->number;
  g_autofree char *etag = rp_etag_of_revision (number);
  rp_respond_header (request, "ETag", etag);
  if (known != NULL && rp_etag_listed (known, etag))
    {
      rp_respond_empty (request, 304);
      return TRUE;
    }
  json_t *json = json_object ();
  json_object_set_new (json, "app", json_string (status->app));
  json_object_set_new (json, "environment", json_string (status->environment));
  json_object_set_new (json, "revision", number == 0 ? json_null () : json_integer (number));
  json_object_set_new (json, "release",
                       number == 0 ? json_null () : rp_release_summary_to_json (status->current->release));
  rp_respond_json (request, 200, json);
  return TRUE;
}

gboolean
rp_api_status (RpRequest *request, GError **error)
{
  gint64 after;
  gint64 wait_ms;
  RpStatus *raw = NULL;
  if (!rp_api_poll (request, &after, &wait_ms, error))
    return FALSE;
  gboolean force = wait_ms == 0 || rp_request_expired (request);
  if (!rp_status_get (rp_request_services (request)->engine, rp_request_param (request, "app"),
                      rp_request_param (request, "environment"), after, force, &raw, error))
    return FALSE;
  g_autoptr (RpStatus) status = raw;
  if (status == NULL)
    return rp_request_wait (request, wait_ms);
  rp_respond_json (request, 200, rp_status_to_json (status));
  return TRUE;
}

/* Adds to each revision what holds its bytes: "held", null where that cannot be told while something that is held is damaged. */
static void
add_holders (RpRetention *retention, const RpReadiness *readiness, json_t *json)
{
  g_autoptr (GError) error = NULL;
  gboolean known = rp_retention_prepare (retention, &error);
  size_t i;
  json_t *one;
  json_array_foreach (json_object_get (json, "revisions"), i, one)
  {
    const RpReadyRevision *revision = readiness->revisions->pdata[i];
    json_object_set_new (one, "held",
                         known ? rp_retention_holders (retention, revision->release) : json_null ());
  }
}

gboolean
rp_api_ready (RpRequest *request, GError **error)
{
  RpVerifyMode mode;
  if (!rp_api_verify (request, RP_VERIFY_PRESENT, &mode, error))
    return FALSE;
  g_autoptr (RpReadiness) readiness = rp_readiness_compute (
      rp_request_services (request)->engine, rp_request_param (request, "app"),
      rp_request_param (request, "environment"), mode, error);
  if (readiness == NULL)
    return FALSE;
  g_autoptr (json_t) gone = rp_gone_list (rp_request_services (request)->engine, readiness->app,
                                          readiness->environment, error);
  RpReadyRecord record;
  if (gone == NULL
      || !rp_ready_record_get (rp_request_services (request)->engine, readiness->app,
                               readiness->environment, &record, error))
    return FALSE;
  json_t *json = rp_readiness_to_json (readiness);
  add_holders (rp_request_services (request)->retention, readiness, json);
  json_object_set (json, "gone", gone);
  json_object_set_new (json, "recorded", rp_ready_record_to_json (&record));
  rp_respond_json (request, 200, json);
  return TRUE;
}
