#include "server/problem.h"

/* What is to be done about any error of its kind; the message may know better.  NULL: the message says all. */
static const char *const next_steps[RP_ERROR_N_CODES] = {
  [RP_ERROR_FAILED] = "Look at the log of the server for the id of this request (X-Request-Id).",
  [RP_ERROR_USAGE] = "Mend the request as the message says; docs/openapi.yaml describes it.",
  [RP_ERROR_INVALID] = "Mend the request as the message says; docs/openapi.yaml describes it.",
  [RP_ERROR_NOT_FOUND] = "Take a name or number that the message or a list of this API has.",
  [RP_ERROR_AMBIGUOUS] = "Name one of the candidates by more of it.",
  [RP_ERROR_CONFLICT] = "Look at what is recorded, and ask for that or under another name.",
  [RP_ERROR_MOVED] = "Look at what is current now, and decide again.",
  [RP_ERROR_STALE] = "Get the pointer again for its ETag, and decide again.",
  [RP_ERROR_BLOCKED] = "Ask for the plan: it lists what blocks it, and the way out of each.",
  [RP_ERROR_DENIED] = "Ask an administrator for what the message says is missing.",
  [RP_ERROR_UNAUTHORIZED] = "Send a token that counts: `repoint login` or `repoint token create`.",
  [RP_ERROR_UNSUPPORTED] = "Use a method that the header Allow lists.",
  [RP_ERROR_TOO_MANY] = "Wait as long as the header Retry-After says, and send it again.",
  [RP_ERROR_BUSY] = "Wait as long as the header Retry-After says, and send it again.",
  [RP_ERROR_MANIFEST_BLOB_UNKNOWN] = "Push what is missing again, or heal what is damaged.",
  [RP_ERROR_CORRUPT] = "Heal what is damaged: `repoint heal`, or push it again.",
  [RP_ERROR_NO_SPACE] = "Make room where the data lies; pointers still move.",
  [RP_ERROR_UNREACHABLE] = "Look whether what the message names is up, and send it again.",
  [RP_ERROR_TIMEOUT] = "Look whether what the message names is up, and send it again.",
};

static const char *
next_step (const GError *error)
{
  return error->domain == RP_ERROR ? next_steps[error->code] : next_steps[RP_ERROR_FAILED];
}

/* `not-found` → `Not found`. g_free(). */
static char *
title_of (const char *code)
{
  char *title = g_strdelimit (g_strdup (code), "-", ' ');
  *title = g_ascii_toupper (*title);
  return title;
}

json_t *
rp_problem_new (const GError *error, const char *message, json_t *detail)
{
  const char *code = rp_error_name (error);
  const char *next = next_step (error);
  g_autofree char *type = g_strconcat ("urn:repoint:error:", code, NULL);
  g_autofree char *title = title_of (code);
  json_t *json
      = json_pack ("{s:s, s:s, s:i, s:s, s:s, s:{s:s, s:s, s:o*}}", "type", type, "title", title,
                   "status", rp_error_http_status (error), "detail", message, "code", code, "error",
                   "code", code, "message", message, "detail", detail);
  if (next != NULL)
    json_object_set_new (json, "next", json_string (next));
  return json;
}
