#include "release/webhook.h"

#include <string.h>

#include "base/error.h"
#include "base/http.h"
#include "base/json.h"
#include "release/engine_priv.h"
#include "release/json_out.h"

#define ANSWER_MAX (64 * 1024) /* bytes */
#define REASON_MAX 500         /* bytes */

void
rp_webhook_answer_free (RpWebhookAnswer *answer)
{
  if (answer == NULL)
    return;
  g_free (answer->url);
  g_free (answer->reason);
  g_free (answer);
}

/* What it gets; `dry_run`: only to show its answer. g_free(). */
static char *
describe (const RpMoveRequest *request, const RpDecision *move)
{
  g_autoptr (json_t) body = json_object ();
  json_object_set_new (body, "app", json_string (request->app));
  json_object_set_new (body, "environment", json_string (request->environment));
  json_object_set_new (body, "kind", json_string (rp_kind_name (request->kind)));
  json_object_set_new (body, "from", rp_revision_to_json_or_null (move->environment->current));
  json_object_set_new (body, "release", rp_release_to_json (move->release));
  json_object_set_new (body, "cause", json_string (move->cause));
  json_object_set_new (body, "actor", json_string (request->actor));
  json_object_set_new (body, "dry_run", json_boolean (!request->executing));
  return rp_json_print (body);
}

static char *
read_answer (const RpHttpResponse *response, gboolean *out_allowed, GError **error)
{
  g_autoptr (json_t) json = NULL;
  gboolean allowed = FALSE;
  const char *reason = NULL;
  if (response->status != 200)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_FAILED, "it answered with status %d, which is no yes",
                   response->status);
      return NULL;
    }
  json = rp_json_parse (response->body->data, response->body->len, "answer", error);
  if (json == NULL || !rp_json_opt_bool (json, "allow", "answer", &allowed, error)
      || !rp_json_opt_string (json, "reason", "answer", &reason, error))
    return NULL;
  *out_allowed = allowed;
  return rp_text_one_line (reason != NULL ? reason : "no reason was given", REASON_MAX);
}

static char *
ask (RpEngine *engine, const RpMoveRequest *request, const RpDecision *move, gboolean *out_allowed,
     GError **error)
{
  static const char *const headers[]
      = { "Content-Type: application/json", "Accept: application/json", NULL };
  RpHttpOptions options = { .ca_file = engine->ca_file };
  g_autoptr (RpHttpClient) client = rp_http_client_new (&options);
  g_autofree char *body = describe (request, move);
  RpHttpRequest question = { .method = "POST", .url = move->webhook, .headers = headers,
                             .body = body, .body_size = strlen (body), .limit_bytes = ANSWER_MAX,
                             .timeout_ms = move->webhook_timeout_ms, .stay = TRUE };
  g_autoptr (RpHttpResponse) response = rp_http_send (client, &question, error);
  return response == NULL ? NULL : read_answer (response, out_allowed, error);
}

RpWebhookAnswer *
rp_webhook_ask (RpEngine *engine, const RpMoveRequest *request, const RpDecision *move)
{
  g_autoptr (GError) local = NULL;
  RpWebhookAnswer *answer = g_new0 (RpWebhookAnswer, 1);
  answer->url = g_strdup (move->webhook);
  answer->reason = ask (engine, request, move, &answer->allowed, &local);
  if (answer->reason == NULL)
    answer->reason = rp_text_one_line (local->message, REASON_MAX);
  return answer;
}
