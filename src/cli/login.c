#include "access/secret.h"
#include "cli/token_file.h"
#include "cli/credentials.h"
#include "cli/password.h"
#include "cli/verbs.h"

#define LOGIN_SECONDS (30 * 24 * 3600)

static struct {
  char *user;
  char *oidc_token_file;
  gboolean password_stdin;
} options;

const GOptionEntry rp_login_options[] = {
  { "user", 'u', 0, G_OPTION_ARG_FILENAME, &options.user, "Account (default: your user name)",
    "NAME" },
  { "password-stdin", 0, 0, G_OPTION_ARG_NONE, &options.password_stdin,
    "Read the password, or a token, from standard input", NULL },
  { "oidc-token-file", 0, 0, G_OPTION_ARG_FILENAME, &options.oidc_token_file,
    "Trade the identity token in this file, or - for standard input, for a session of an hour", "FILE" },
  G_OPTION_ENTRY_NULL
};

const GOptionEntry rp_logout_options[] = { G_OPTION_ENTRY_NULL };

/* The token that the server made for a password. */
static json_t *
trade_password (RpApi *api, const char *account, const char *password, GError **error)
{
  g_autoptr (json_t) body = json_object ();
  g_autofree char *label = g_strconcat ("login from ", g_get_host_name (), NULL);
  g_autofree char *path = rp_api_path ("tokens", NULL);

  rp_api_set_password (api, account, password);
  json_object_set_new (body, "account", json_string (account));
  json_object_set_new (body, "label", json_string (label));
  json_object_set_new (body, "expires_in_s", json_integer (LOGIN_SECONDS));
  return rp_api_ask (api, path, body, error);
}

/* Whose it is, in the same shape. */
static json_t *
try_token (RpApi *api, const char *token, GError **error)
{
  g_autofree char *path = rp_api_path ("whoami", NULL);
  json_t *answer;

  rp_api_set_token (api, token);
  answer = rp_api_get (api, path, 0, error);
  if (answer == NULL)
    return NULL;
  if (rp_json_str (answer, "account") == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_BLOCKED,
                   "%s has no account yet and asks nobody who they are: nothing to log in to",
                   rp_api_base_url (api));
      json_decref (answer);
      return NULL;
    }
  json_object_set_new (answer, "secret", json_string (token));
  return answer;
}

static json_t *
trade_identity_token (RpApi *api, const char *path, GError **error)
{
  g_autoptr (json_t) body = json_object ();
  g_autofree char *sessions = rp_api_path ("sessions", NULL);
  g_autofree char *text = rp_token_file_read (path, error);

  if (text == NULL)
    return NULL;
  rp_api_set_token (api, text);
  return rp_api_ask (api, sessions, body, error);
}

/* The session or token of whoever proves who they are; with "account" and "secret". */
static json_t *
trade (RpApi *api, GError **error)
{
  const char *account = options.user != NULL ? options.user : g_get_user_name ();
  g_autofree char *secret = NULL;

  if (options.oidc_token_file != NULL)
    return trade_identity_token (api, options.oidc_token_file, error);
  secret = rp_password_ask ("Password or token", options.password_stdin, FALSE, error);
  if (secret == NULL)
    return NULL;
  return g_str_has_prefix (secret, RP_TOKEN_PREFIX) ? try_token (api, secret, error)
                                                    : trade_password (api, account, secret, error);
}

gboolean
rp_login_run (RpCli *cli, char **args, GError **error)
{
  g_autoptr (json_t) token = NULL;

  if (args[0] != NULL)
    cli->server = args[0];
  if (rp_cli_api (cli, error) == NULL)
    return FALSE;
  token = trade (cli->api, error);
  if (token == NULL
      || !rp_credentials_store (rp_api_base_url (cli->api), rp_json_str (token, "account"),
                                rp_json_str (token, "secret"), error))
    return FALSE;
  rp_cli_note (cli, "logged in to %s as %s", rp_api_base_url (cli->api),
               rp_json_str (token, "account"));
  return TRUE;
}

/* The token itself is revoked too, as far as the server can be told. */
static void
revoke_own (RpCli *cli)
{
  g_autofree char *whoami_path = rp_api_path ("whoami", NULL);
  g_autoptr (GError) failure = NULL;
  g_autoptr (json_t) who = rp_api_get (cli->api, whoami_path, 0, &failure);
  const char *id = rp_json_str (who, "token");
  g_autofree char *path = id != NULL ? rp_api_path ("tokens", id, NULL) : NULL;

  if (failure != NULL || (path != NULL && !rp_api_delete (cli->api, path, &failure)))
    rp_cli_note (cli, "the token could not be revoked: %s", failure->message);
}

gboolean
rp_logout_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *token = NULL;

  if (args[0] != NULL)
    cli->server = args[0];
  if (rp_cli_api (cli, error) == NULL
      || !rp_credentials_load (rp_api_base_url (cli->api), &token, error))
    return FALSE;
  if (token == NULL)
    {
      rp_cli_note (cli, "not logged in to %s", rp_api_base_url (cli->api));
      return TRUE;
    }
  rp_api_set_token (cli->api, token);
  revoke_own (cli);
  if (!rp_credentials_store (rp_api_base_url (cli->api), NULL, NULL, error))
    return FALSE;
  rp_cli_note (cli, "logged out of %s", rp_api_base_url (cli->api));
  return TRUE;
}
