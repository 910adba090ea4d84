#include "access/access.h"
#include "cli/offline.h"
#include "cli/password.h"
#include "cli/table.h"
#include "cli/verbs.h"

static struct {
  char *data;
  char **allow;
  gboolean robot;
  gboolean password_stdin;
} options;

#define DATA_OPTION                                                                                \
  { "data", 0, 0, G_OPTION_ARG_FILENAME, &options.data,                                            \
    "Work on this data directory, which no server may have open", "DIR" }
#define PASSWORD_OPTION                                                                            \
  { "password-stdin", 0, 0, G_OPTION_ARG_NONE, &options.password_stdin,                            \
    "Read the new password from standard input", NULL }
#define ALLOW_OPTION                                                                               \
  { "allow", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.allow,                                    \
    "What it may do, any number of times: push:shop/web, pull:**, deploy:shop/*, administer",      \
    "ACTION:PATTERN" }

static const GOptionEntry add_options[] = {
  ALLOW_OPTION,
  { "robot", 0, 0, G_OPTION_ARG_NONE, &options.robot,
    "It is a machine: it gets tokens and has no password", NULL },
  PASSWORD_OPTION,
  DATA_OPTION,
  G_OPTION_ENTRY_NULL
};
static const GOptionEntry allow_options[] = { ALLOW_OPTION, G_OPTION_ENTRY_NULL };
static const GOptionEntry passwd_options[] = { PASSWORD_OPTION, DATA_OPTION, G_OPTION_ENTRY_NULL };

/* The accounts of a data directory without its server. */
static RpAccess *
open_offline (RpOffline *offline, RpOfflineUse use, GError **error)
{
  if (!rp_offline_open (offline, options.data, use, error))
    return NULL;
  return rp_access_open (offline->ledger, FALSE, error);
}

static json_t *
allow_list (void)
{
  json_t *list = json_array ();

  for (char **scope = options.allow; scope != NULL && *scope != NULL; scope++)
    json_array_append_new (list, json_string (*scope));
  return list;
}

static gboolean
add_offline (const char *name, const char *password, const json_t *allow, GError **error)
{
  g_auto (RpOffline) offline = { 0 };
  g_autofree char *actor = rp_api_find_actor ();
  g_autoptr (RpAccess) access = open_offline (&offline, RP_OFFLINE_MAKE, error);

  return access != NULL
         && rp_access_account_add (access, actor, name, options.robot, password, allow, error);
}

static gboolean
add_online (RpCli *cli, const char *name, const char *password, const json_t *allow, GError **error)
{
  g_autoptr (json_t) body = json_object ();
  g_autoptr (json_t) answer = NULL;
  g_autofree char *path = rp_api_path ("accounts", NULL);

  if (rp_cli_api (cli, error) == NULL)
    return FALSE;
  json_object_set_new (body, "account", json_string (name));
  json_object_set_new (body, "robot", json_boolean (options.robot));
  json_object_set (body, "allow", (json_t *) allow);
  if (password != NULL)
    json_object_set_new (body, "password", json_string (password));
  answer = rp_api_ask (cli->api, path, body, error);
  return answer != NULL;
}

static gboolean
add_run (RpCli *cli, char **args, GError **error)
{
  g_autoptr (json_t) allow = allow_list ();
  g_autofree char *password = NULL;

  if (!options.robot)
    {
      password = rp_password_ask ("New password", options.password_stdin, TRUE, error);
      if (password == NULL)
        return FALSE;
    }
  if (options.data != NULL ? !add_offline (args[0], password, allow, error)
                           : !add_online (cli, args[0], password, allow, error))
    return FALSE;
  rp_cli_note (cli, "account %s added; %s%s", args[0],
               options.robot ? "give it a token: repoint token create "
                             : "log in with: repoint login -u ",
               args[0]);
  return TRUE;
}

static char *
join_scopes (const json_t *allow)
{
  GString *text = g_string_new (NULL);
  gsize i;
  json_t *scope;

  json_array_foreach (allow, i, scope)
      g_string_append_printf (text, "%s%s", i > 0 ? " " : "", json_string_value (scope));
  return g_string_free (text, FALSE);
}

static void
print_accounts (RpCli *cli, const json_t *answer)
{
  g_autoptr (RpTable) table = rp_table_new ("ACCOUNT|KIND|~MAY|SINCE");
  gsize i;
  json_t *account;

  json_array_foreach (json_object_get (answer, "accounts"), i, account)
  {
    rp_table_add (table, RP_STYLE_BOLD, rp_json_str (account, "account"));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_bool (account, "robot") ? "robot" : "person");
    rp_table_take (table, RP_STYLE_PLAIN, join_scopes (json_object_get (account, "allow")));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (account, "at"));
  }
  if (i > 0)
    rp_table_print (table, &cli->out, 0);
  else
    rp_cli_note (cli, "no account: this server asks nobody who they are; the first `repoint account "
                      "add NAME --allow administer` changes that");
}

static gboolean
ls_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *path = rp_api_path ("accounts", NULL);

  (void) args;
  return rp_cli_show (cli, path, print_accounts, error);
}

static gboolean
change (RpCli *cli, const char *name, const char *what, const json_t *body, GError **error)
{
  g_autofree char *path = rp_api_path ("accounts", name, what, NULL);
  g_autoptr (json_t) answer = NULL;

  if (rp_cli_api (cli, error) == NULL)
    return FALSE;
  answer = rp_api_put (cli->api, path, body, error);
  return answer != NULL;
}

static gboolean
allow_run (RpCli *cli, char **args, GError **error)
{
  g_autoptr (json_t) body = json_object ();

  json_object_set_new (body, "allow", allow_list ());
  if (!change (cli, args[0], "allow", body, error))
    return FALSE;
  rp_cli_note (cli, "account %s may do what was given, and nothing else", args[0]);
  return TRUE;
}

static gboolean
rm_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *path = rp_api_path ("accounts", args[0], NULL);

  if (rp_cli_api (cli, error) == NULL || !rp_api_delete (cli->api, path, error))
    return FALSE;
  rp_cli_note (cli, "account %s removed with its tokens", args[0]);
  return TRUE;
}

static gboolean
passwd_offline (const char *name, const char *password, GError **error)
{
  g_auto (RpOffline) offline = { 0 };
  g_autofree char *actor = rp_api_find_actor ();
  g_autoptr (RpAccess) access = open_offline (&offline, RP_OFFLINE_WRITE, error);

  return access != NULL && rp_access_account_password (access, actor, name, password, error);
}

static gboolean
passwd_online (RpCli *cli, const char *name, const char *password, GError **error)
{
  g_autoptr (json_t) body = json_object ();
  g_autoptr (GError) failure = NULL;
  g_autofree char *old = NULL;

  json_object_set_new (body, "password", json_string (password));
  if (change (cli, name, "password", body, &failure))
    return TRUE;
  if (options.password_stdin
      || (!g_error_matches (failure, RP_ERROR, RP_ERROR_DENIED)
          && !g_error_matches (failure, RP_ERROR, RP_ERROR_UNAUTHORIZED)))
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }
  old = rp_password_ask ("Old password", FALSE, FALSE, error);
  if (old == NULL)
    return FALSE;
  rp_api_set_password (cli->api, name, old);
  return change (cli, name, "password", body, error);
}

static gboolean
passwd_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *password
      = rp_password_ask ("New password", options.password_stdin, TRUE, error);

  if (password == NULL
      || (options.data != NULL ? !passwd_offline (args[0], password, error)
                               : !passwd_online (cli, args[0], password, error)))
    return FALSE;
  rp_cli_note (cli, "account %s has a new password; its tokens stay as they are", args[0]);
  return TRUE;
}

const RpVerb rp_account_verbs[] = {
  { "add", "Add an account; the first one switches authentication on", "NAME", add_options,
    add_run, NULL },
  { "ls", "List accounts and what they may do", "", NULL, ls_run, NULL },
  { "allow", "Replace what an account may do", "NAME", allow_options, allow_run, NULL },
  { "passwd", "Give an account a new password", "NAME", passwd_options, passwd_run, NULL },
  { "rm", "Remove an account and its tokens", "NAME", NULL, rm_run, NULL },
  { NULL }
};
