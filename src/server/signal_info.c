#include "server/signal_info.h"

#include "release/signal_watch.h"

gboolean
rp_signal_info_print (const RpRequest *request, GString *out, GError **error)
{
  static const RpSignalState states[]
      = { RP_SIGNAL_WATCHING, RP_SIGNAL_HELD, RP_SIGNAL_FAILED, RP_SIGNAL_UNKNOWN };
  g_autoptr (GPtrArray) watches
      = rp_signal_watch_list_current (rp_request_services (request)->engine, error);

  if (watches == NULL)
    return FALSE;
  g_string_append (out, "# HELP repoint_signals What the signals say of the current revision: 1 at its state.\n"
                        "# TYPE repoint_signals gauge\n");
  for (guint i = 0; i < watches->len; i++)
    {
      const RpSignalWatch *watch = watches->pdata[i];
      if (!rp_request_may (request, RP_ACTION_READ, watch->app))
        continue;
      for (gsize k = 0; k < G_N_ELEMENTS (states); k++)
        g_string_append_printf (out, "repoint_signals{app=\"%s\",environment=\"%s\",state=\"%s\"} %d\n", watch->app,
                                watch->environment, rp_signal_state_name (states[k]), watch->state == states[k]);
    }
  return TRUE;
}
