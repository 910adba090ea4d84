#include <string.h>

#include "access/access.h"
#include "base/clock.h"
#include "cli/offline.h"
#include "cli/table.h"
#include "cli/verbs.h"

#define DEFAULT_EXPIRY "90d"

static struct {
  char *data;
  char *label;
  char *expires;
  char **allow;
} options;

static const GOptionEntry create_options[] = {
  { "label", 0, 0, G_OPTION_ARG_FILENAME, &options.label, "What it is for, for people", "TEXT" },
  { "expires", 0, 0, G_OPTION_ARG_FILENAME, &options.expires,
    "When it stops to count: 12h, 90d or never (default " DEFAULT_EXPIRY ")", "TIME" },
  { "allow", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.allow,
    "Only this of what the account may do, any number of times", "ACTION:PATTERN" },
  { "data", 0, 0, G_OPTION_ARG_FILENAME, &options.data,
    "Work on this data directory, which no server may have open", "DIR" },
  G_OPTION_ENTRY_NULL
};

/* 0: never. */
static gboolean
parse_expiry (const char *text, gint64 *out_s, GError **error)
{
  gint64 number;
  gsize length = strlen (text);
  g_autofree char *digits = g_strndup (text, length > 0 ? length - 1 : 0);
  char unit = length > 0 ? text[length - 1] : '\0';

  *out_s = 0;
  if (g_str_equal (text, "never"))
    return TRUE;
  if ((unit == 'h' || unit == 'd')
      && g_ascii_string_to_signed (digits, 10, 1, 36500, &number, NULL))
    {
      *out_s = number * (unit == 'h' ? 3600 : 24 * 3600);
      return TRUE;
    }
  g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
               "--expires `%s`: expected hours or days, such as 12h or 90d, or never", text);
  return FALSE;
}

static json_t *
limit_list (void)
{
  json_t *list = options.allow != NULL ? json_array () : NULL;

  for (char **scope = options.allow; scope != NULL && *scope != NULL; scope++)
    json_array_append_new (list, json_string (*scope));
  return list;
}

static json_t *
create_offline (const char *account, const char *label, gint64 seconds, GError **error)
{
  g_auto (RpOffline) offline = { 0 };
  g_autofree char *actor = rp_api_find_actor ();
  g_autoptr (RpAccess) access = NULL;
  g_autoptr (json_t) limit = limit_list ();
  gint64 expires_us = seconds > 0 ? rp_clock_now_us () + seconds * G_USEC_PER_SEC : 0;

  if (!rp_offline_open (&offline, options.data, RP_OFFLINE_WRITE, error))
    return NULL;
  access = rp_access_open (offline.ledger, FALSE, error);
  return access != NULL ? rp_access_token_issue (access, actor, account, label, limit, expires_us,
                                                 error)
                        : NULL;
}

static json_t *
create_online (RpCli *cli, const char *account, const char *label, gint64 seconds, GError **error)
{
  g_autoptr (json_t) body = json_object ();
  g_autofree char *path = rp_api_path ("tokens", NULL);
  json_t *limit = limit_list ();

  json_object_set_new (body, "account", json_string (account));
  json_object_set_new (body, "label", json_string (label));
  json_object_set_new (body, "expires_in_s", json_integer (seconds));
  if (limit != NULL)
    json_object_set_new (body, "allow", limit);
  return rp_cli_api (cli, error) != NULL ? rp_api_ask (cli->api, path, body, error) : NULL;
}

static gboolean
create_run (RpCli *cli, char **args, GError **error)
{
  const char *label = options.label != NULL ? options.label : "";
  g_autoptr (json_t) token = NULL;
  gint64 seconds;

  if (!parse_expiry (options.expires != NULL ? options.expires : DEFAULT_EXPIRY, &seconds, error))
    return FALSE;
  token = options.data != NULL ? create_offline (args[0], label, seconds, error)
                               : create_online (cli, args[0], label, seconds, error);
  if (token == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, token);
  else
    {
      fprintf (cli->out.stream, "%s\n", rp_json_str (token, "secret"));
      fprintf (stderr, "this is the only time that it is shown; revoke it with: repoint token "
                       "revoke %s\n",
               rp_json_str (token, "token"));
    }
  return TRUE;
}

static void
print_tokens (RpCli *cli, const json_t *answer)
{
  g_autoptr (RpTable) table = rp_table_new ("TOKEN|ACCOUNT|~LABEL|EXPIRES|~ONLY");
  gsize i;
  json_t *token;

  json_array_foreach (json_object_get (answer, "tokens"), i, token)
  {
    const char *expires = rp_json_str (token, "expires_at");
    const json_t *allow = json_object_get (token, "allow");
    rp_table_add (table, RP_STYLE_BOLD, rp_json_str (token, "token"));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (token, "account"));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (token, "label"));
    rp_table_add (table, RP_STYLE_PLAIN, expires != NULL ? expires : "never");
    rp_table_take (table, RP_STYLE_PLAIN, json_is_array (allow) ? rp_json_print (allow) : NULL);
  }
  if (i > 0)
    rp_table_print (table, &cli->out, 0);
  else
    rp_cli_note (cli, "no tokens");
}

static gboolean
ls_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *path = rp_api_path ("tokens", NULL);

  (void) args;
  return rp_cli_show (cli, path, print_tokens, error);
}

static gboolean
revoke_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *path = rp_api_path ("tokens", args[0], NULL);

  if (rp_cli_api (cli, error) == NULL || !rp_api_delete (cli->api, path, error))
    return FALSE;
  rp_cli_note (cli, "token %s revoked", args[0]);
  return TRUE;
}

const RpVerb rp_token_verbs[] = {
  { "create", "Make a token and show it, this once", "ACCOUNT", create_options, create_run, NULL },
  { "ls", "List tokens without their secrets", "", NULL, ls_run, NULL },
  { "revoke", "End a token", "TOKEN", NULL, revoke_run, NULL },
  { NULL }
};
