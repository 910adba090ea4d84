#include "server/release_info.h"

#include "release/pointed.h"

typedef struct
{
  const RpRequest *request;
  GString *out;
} Print;

/* Nothing is escaped: names, versions and commits have none of the characters for which the text format wants it. */
static void
print_one (const RpPointed *pointed, gpointer user_data)
{
  const Print *print = user_data;

  if (rp_request_may (print->request, RP_ACTION_READ, pointed->app))
    g_string_append_printf (print->out,
                            "repoint_release_info{app=\"%s\",environment=\"%s\",component=\"%s\",release=\"%s\","
                            "commit=\"%s\",digest=\"%s\",revision=\"%" G_GINT64_FORMAT "\"} 1\n",
                            pointed->app, pointed->environment, pointed->component, pointed->version,
                            pointed->commit != NULL ? pointed->commit : "", pointed->digest,
                            pointed->revision);
}

gboolean
rp_release_info_print (const RpRequest *request, GString *out, GError **error)
{
  Print print = { request, out };

  g_string_append (out, "# HELP repoint_release_info What each environment is pointed at, component by component; always 1.\n"
                        "# TYPE repoint_release_info gauge\n");
  return rp_pointed_each (rp_request_services (request)->engine, print_one, &print, error);
}
