#include "server/entrance.h"

#include "base/log.h"
#include "server/activation.h"

static void
clear_listener (gpointer data)
{
  rp_listener_clear (data);
}

GArray *
rp_entrance_bind (const char *listen, GError **error)
{
  g_autoptr (GArray) listeners = g_array_new (FALSE, FALSE, sizeof (RpListener));
  RpListener listener = { .fd = -1 };

  g_array_set_clear_func (listeners, clear_listener);
  if (!rp_activation_take (listeners, error))
    return NULL;
  if (listeners->len > 0)
    {
      rp_log_info ("server", "%u sockets of the service manager are served; `listen` is not used",
                   listeners->len);
      return g_steal_pointer (&listeners);
    }
  if (!rp_listener_bind (listen, &listener, error))
    return NULL;
  g_array_append_val (listeners, listener);
  return g_steal_pointer (&listeners);
}

gboolean
rp_entrance_open (GArray *listeners, gboolean allow_anonymous, GError **error)
{
  for (guint i = 0; i < listeners->len; i++)
    if (!rp_listener_start (&g_array_index (listeners, RpListener, i), allow_anonymous, error))
      return FALSE;
  return TRUE;
}

static const RpListener *
first_with_port (const GArray *listeners)
{
  for (guint i = 0; i < listeners->len; i++)
    if (g_array_index (listeners, RpListener, i).port > 0)
      return &g_array_index (listeners, RpListener, i);
  return NULL;
}

guint16
rp_entrance_port (const GArray *listeners)
{
  const RpListener *listener = first_with_port (listeners);

  return listener != NULL ? listener->port : 0;
}

char *
rp_entrance_url (const GArray *listeners, gboolean tls)
{
  const RpListener *listener = first_with_port (listeners);
  const char *scheme = tls ? "https" : "http";

  if (listener == NULL)
    return g_strconcat (scheme, "://localhost", NULL);
  return g_strdup_printf ("%s://%s:%u", scheme, listener->host, listener->port);
}
