#include "agent/report.h"

#include <string.h>

#include "base/clock.h"

char *
rp_report_text (const char *text)
{
  g_autofree char *valid = text != NULL ? g_utf8_make_valid (text, -1) : NULL;
  const char *end;

  if (valid == NULL || strlen (valid) <= RP_REPORT_TEXT_LIMIT)
    return g_steal_pointer (&valid);
  end = g_utf8_find_prev_char (valid, valid + RP_REPORT_TEXT_LIMIT);
  *(char *) end = '\0';
  return g_strconcat (valid, " … (cut)", NULL);
}

static json_t *
undo_body (const RpUndo *undo)
{
  char to[RP_DIGEST_STRING_SIZE];

  return json_pack ("{s:s, s:I, s:I, s:s?, s:s?}", "to_digest",
                    rp_digest_format (&undo->to->digest, to), "to_revision",
                    (json_int_t) undo->to->revision, "from_revision",
                    (json_int_t) undo->from_revision, "cause", undo->cause, "actor", undo->actor);
}

json_t *
rp_report_new (const RpAgentConfig *config, const RpTargetConfig *target, const char *state_name,
               gint64 revision, const RpObservation *seen, const char *message, json_t *local,
               const RpUndo *undo)
{
  char digest[RP_DIGEST_STRING_SIZE];
  g_autofree char *text = rp_report_text (message != NULL ? message : "");
  g_autofree char *at = rp_clock_format (rp_clock_now_us ());
  gboolean known = seen != NULL && seen->has_digest;
  json_t *body = json_pack (
      "{s:s, s:s, s:I, s:s, s:s?, s:s, s:s, s:o}", "agent", config->agent, "driver",
      target->driver, "revision", (json_int_t) revision, "state", state_name, "observed_digest",
      known ? rp_digest_format (&seen->digest, digest) : NULL, "message",
      text, "at", at, "local", local);

  g_assert (body != NULL);
  if (undo != NULL)
    json_object_set_new (body, "undo", undo_body (undo));
  return body;
}
