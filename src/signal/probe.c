#include "signal/probe.h"

#include "base/error.h"

#define ANSWER_MAX (1024 * 1024) /* bytes; nothing of it is looked at */

static gboolean
drop (const void *data, gsize size, gpointer user_data, GError **error)
{
  (void) data;
  (void) size;
  (void) user_data;
  (void) error;
  return TRUE;
}

RpSampleOutcome
rp_signal_probe (RpHttpClient *client, const RpSignalRule *rule, const gint *cancelled, char **out_detail)
{
  g_autoptr (GError) error = NULL;
  RpHttpRequest request = { .method = "GET", .url = rule->url, .sink = drop, .limit_bytes = ANSWER_MAX,
                            .timeout_ms = rule->timeout_ms, .stay = TRUE,
                            .cancelled = cancelled };
  g_autoptr (RpHttpResponse) response = rp_http_send (client, &request, &error);
  if (response == NULL)
    {
      *out_detail = g_strdup (error->message);
      return rule->no_answer_is_bad ? RP_SAMPLE_BAD : RP_SAMPLE_INCONCLUSIVE;
    }
  *out_detail = g_strdup_printf ("it answered with status %d", response->status);
  gboolean good = rule->status != 0 ? response->status == rule->status
                                    : response->status >= 200 && response->status < 300;
  return good ? RP_SAMPLE_OK : RP_SAMPLE_BAD;
}
