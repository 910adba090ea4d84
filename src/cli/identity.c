#include "cli/humane.h"
#include "cli/table.h"
#include "cli/token_file.h"
#include "cli/verbs.h"

#include <string.h>

static struct {
  char *issuer, *audience, *jwks_url;
  char **claims, **allow;
} options;

static const GOptionEntry set_options[] = {
  { "issuer", 0, 0, G_OPTION_ARG_STRING, &options.issuer, "Who issues its tokens, exactly as they say (`iss`)", "URL" },
  { "audience", 0, 0, G_OPTION_ARG_STRING, &options.audience, "For whom they are made out (`aud`)", "TEXT" },
  { "jwks-url", 0, 0, G_OPTION_ARG_STRING, &options.jwks_url,
    "Where the issuer's keys are; default: where its discovery document says", "URL" },
  { "claim", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.claims,
    "What a token must say, any number of times: repository=org/shop, ref=refs/heads/*", "NAME=PATTERN" },
  { "allow", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.allow,
    "What it may do, any number of times: push:shop/web, release:shop, deploy:shop/*", "ACTION:PATTERN" },
  G_OPTION_ENTRY_NULL
};

/* Only the first `=` divides: subjects hold more of them. */
static json_t *
claims_object (GError **error)
{
  g_autoptr (json_t) object = json_object ();

  for (char **claim = options.claims; claim != NULL && *claim != NULL; claim++)
    {
      const char *equals = strchr (*claim, '=');
      g_autofree char *name = equals != NULL ? g_strndup (*claim, (gsize) (equals - *claim)) : NULL;
      if (name == NULL || *name == '\0' || json_object_get (object, name) != NULL)
        {
          g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                       "--claim %s: expected NAME=PATTERN, each name once", *claim);
          return NULL;
        }
      json_object_set_new (object, name, json_string (equals + 1));
    }
  return g_steal_pointer (&object);
}

static gboolean
set_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *path = rp_api_path ("identities", args[0], NULL);
  g_autoptr (json_t) body = json_object (), answer = NULL;
  json_t *claims = claims_object (error), *allow = json_array ();

  json_object_set_new (body, "allow", allow);
  if (claims == NULL)
    return FALSE;
  json_object_set_new (body, "claims", claims);
  if (options.issuer == NULL || options.audience == NULL)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE,
                           "identity set: --issuer and --audience are needed, as in --issuer "
                           "https://token.actions.githubusercontent.com --audience repoint.example.org");
      return FALSE;
    }
  for (char **scope = options.allow; scope != NULL && *scope != NULL; scope++)
    json_array_append_new (allow, json_string (*scope));
  json_object_set_new (body, "issuer", json_string (options.issuer));
  json_object_set_new (body, "audience", json_string (options.audience));
  if (options.jwks_url != NULL)
    json_object_set_new (body, "jwks_url", json_string (options.jwks_url));
  if (rp_cli_api (cli, error) == NULL)
    return FALSE;
  answer = rp_api_put (cli->api, path, body, error);
  if (answer == NULL)
    return FALSE;
  rp_cli_note (cli, "identity %s is declared; see what becomes of a token with: repoint identity test FILE", args[0]);
  return TRUE;
}

static gboolean
rm_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *path = rp_api_path ("identities", args[0], NULL);

  if (rp_cli_api (cli, error) == NULL || !rp_api_delete (cli->api, path, error))
    return FALSE;
  rp_cli_note (cli, "identity %s removed; its sessions have ended", args[0]);
  return TRUE;
}

/* ---- showing ---- */

static char *
join_claims (const json_t *claims)
{
  GString *text = g_string_new (NULL);
  const char *name;
  json_t *pattern;

  json_object_foreach ((json_t *) claims, name, pattern)
    g_string_append_printf (text, "%s%s=%s", text->len > 0 ? " " : "", name, json_string_value (pattern));
  return g_string_free (text, FALSE);
}

static void
print_identities (RpCli *cli, const json_t *answer)
{
  g_autoptr (RpTable) table = rp_table_new ("IDENTITY|ISSUER|?AUDIENCE|~CLAIMS|~MAY");
  gsize i;
  json_t *identity;

  json_array_foreach (json_object_get (answer, "identities"), i, identity)
  {
    rp_table_add (table, RP_STYLE_BOLD, rp_json_str (identity, "identity"));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (identity, "issuer"));
    rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (identity, "audience"));
    rp_table_take (table, RP_STYLE_PLAIN, join_claims (json_object_get (identity, "claims")));
    rp_table_take (table, RP_STYLE_PLAIN, rp_humane_list (json_object_get (identity, "allow")));
  }
  if (i > 0)
    rp_table_print (table, &cli->out, 0);
  else
    rp_cli_note (cli, "no identities: pipelines come with tokens of `repoint token create`");
}

static gboolean
ls_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *path = rp_api_path ("identities", NULL);

  (void) args;
  return rp_cli_show (cli, path, print_identities, error);
}

static void
print_trial (RpCli *cli, const json_t *trial)
{
  g_autofree char *allow = rp_humane_list (json_object_get (trial, "allow"));
  g_autoptr (RpTable) table = rp_table_new ("IDENTITY|FITS|~WHY");
  gsize i;
  json_t *identity;

  rp_cli_print_fact (cli, "account", rp_json_str (trial, "account"));
  rp_cli_print_fact (cli, "may", allow);
  json_array_foreach (json_object_get (trial, "identities"), i, identity)
  {
    gboolean fits = rp_json_bool (identity, "fits");
    rp_table_add (table, RP_STYLE_BOLD, rp_json_str (identity, "identity"));
    rp_table_add (table, fits ? RP_STYLE_PLAIN : RP_STYLE_BOLD, fits ? "yes" : "no");
    rp_table_add (table, RP_STYLE_PLAIN, fits ? "the audience and all claims fit" : rp_json_str (identity, "why"));
  }
  if (i > 0)
    rp_table_print (table, &cli->out, 0);
}

static gboolean
test_run (RpCli *cli, char **args, GError **error)
{
  g_autofree char *path = rp_api_path ("sessions", "try", NULL);
  g_autofree char *text = rp_token_file_read (args[0], error);
  g_autoptr (json_t) body = json_object (), trial = NULL;

  if (text == NULL || rp_cli_api (cli, error) == NULL)
    return FALSE;
  json_object_set_new (body, "token", json_string (text));
  trial = rp_api_ask (cli->api, path, body, error);
  if (trial == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, trial);
  else
    print_trial (cli, trial);
  if (rp_json_bool (trial, "taken"))
    return TRUE;
  g_set_error_literal (error, RP_ERROR, RP_ERROR_UNAUTHORIZED, rp_json_str (trial, "why"));
  return FALSE;
}

const RpVerb rp_identity_verbs[] = {
  { "ls", "List identities, what their tokens must say and what they may do", "", NULL, ls_run, NULL },
  { "set", "Declare an identity, or declare it anew", "NAME", set_options, set_run, NULL },
  { "rm", "Take no more of its tokens", "NAME", NULL, rm_run, NULL },
  { "test", "Say which identities a token fits, and why it does not fit others", "FILE", NULL, test_run, NULL },
  { NULL }
};
