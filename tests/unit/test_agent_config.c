#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <glib/gstdio.h>

#include "agent/config.h"
#include "base/error.h"

#define HEAD "agent: host-1\nserver: http://127.0.0.1:5000/\nstate: state\ntargets:\n"
#define TARGET "  - {app: shop, environment: production, target: web-1, driver: dir, options: {root: /r}}\n"

static RpAgentConfig *
parse (const char *text, GError **error)
{
  return rp_agent_config_parse (text, strlen (text), "agent.yaml", "/base", error);
}

static void
test_reads_all (void **state)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (RpAgentConfig) config = parse (HEAD TARGET, &error);
  const RpTargetConfig *target;

  assert_null (error);
  assert_string_equal (config->agent, "host-1");
  assert_string_equal (config->server, "http://127.0.0.1:5000");
  assert_string_equal (config->registry, "127.0.0.1:5000");
  assert_string_equal (config->state, "/base/state");
  assert_int_equal (config->targets->len, 1);
  target = rp_agent_config_find (config, NULL, &error);
  assert_string_equal (target->name, "shop/production/web-1");
  assert_string_equal (target->state_dir, "/base/state/targets/shop/production/web-1");
  assert_string_equal (target->driver, "dir");
  assert_non_null (target->options);
}

/* Every complaint names the place: file, line and column, and what was expected. */
static const struct {
  const char *name;
  const char *text;
  const char *place;
  const char *says;
} bad[] = {
  { "no server", "agent: a\nstate: /s\ntargets:\n" TARGET, "agent.yaml:1:", "server" },
  { "no state", "agent: a\nserver: http://h:1\ntargets:\n" TARGET, "agent.yaml:1:", "state" },
  { "server without scheme", "agent: a\nserver: h:1\nstate: /s\ntargets:\n" TARGET,
    "agent.yaml:2:9:", "http://" },
  { "server without host", "agent: a\nserver: http:///x\nstate: /s\ntargets:\n" TARGET,
    "agent.yaml:2:9:", "URL" },
  { "unknown key", "agnet: a\nserver: http://h:1\nstate: /s\ntargets:\n" TARGET, "agent.yaml:1:1:",
    "agnet" },
  { "no targets", "agent: a\nserver: http://h:1\nstate: /s\n", "agent.yaml:1:", "targets" },
  { "empty targets", "agent: a\nserver: http://h:1\nstate: /s\ntargets: []\n", "agent.yaml:4:10:",
    "at least one" },
  { "slash in a name",
    HEAD "  - {app: shop/x, environment: p, target: t, driver: dir}\n", "agent.yaml:5:11:",
    "shop/x" },
  { "dots for a name", HEAD "  - {app: .., environment: p, target: t, driver: dir}\n",
    "agent.yaml:5:11:", "dot" },
  { "no driver", HEAD "  - {app: shop, environment: p, target: t}\n", "agent.yaml:5:", "driver" },
  { "twice", HEAD TARGET TARGET, "agent.yaml:6:", "twice" },
  { "broken", "agent: [\n", "agent.yaml:", "" },
  { "empty agent", "agent: ''\nserver: http://h:1\nstate: /s\ntargets:\n" TARGET,
    "agent.yaml:1:8:", "name" },
  { "ca_file that is a list", "ca_file: [a]\n" HEAD TARGET, "agent.yaml:1:10:", "ca_file" },
  { "empty state", "agent: a\nserver: http://h:1\nstate: ''\ntargets:\n" TARGET, "agent.yaml:3:8:",
    "directory" },
};

static void
test_names_the_place (void **state)
{
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (RpAgentConfig) config = parse (bad[i].text, &error);

      if (config != NULL || error == NULL)
        fail_msg ("%s: accepted", bad[i].name);
      if (rp_error_exit_status (error) != RP_EXIT_USAGE
          || !g_str_has_prefix (error->message, bad[i].place)
          || strstr (error->message, bad[i].says) == NULL)
        fail_msg ("%s: \"%s\"", bad[i].name, error->message);
    }
}

static void
test_finds_targets (void **state)
{
  static const char *text
      = HEAD "  - {app: shop, environment: production, target: web-1, driver: dir}\n"
             "  - {app: shop, environment: staging, target: web-1, driver: dir}\n"
             "  - {app: shop, environment: staging, target: web-2, driver: dir}\n";
  static const struct {
    const char *name;
    gint code; /* -1: found */
  } cases[] = { { "web-2", -1 },
                { "shop/staging/web-1", -1 },
                { "web-1", RP_ERROR_AMBIGUOUS },
                { "web-9", RP_ERROR_NOT_FOUND },
                { NULL, RP_ERROR_USAGE } };
  g_autoptr (GError) none = NULL;
  g_autoptr (RpAgentConfig) config = parse (text, &none);

  assert_non_null (config);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      const RpTargetConfig *target = rp_agent_config_find (config, cases[i].name, &error);

      assert_int_equal (target != NULL, cases[i].code == -1);
      if (target != NULL)
        continue;
      assert_int_equal (error->code, cases[i].code);
      assert_non_null (strstr (error->message, "shop/staging/web-2"));
    }
}

static const struct {
  const char *text;  /* of the file; NULL: there is none */
  const char *token; /* NULL: refused */
} token_files[] = {
  { "rpt_1\n", "rpt_1" }, { "  rpt_1", "rpt_1" },       { NULL, NULL },
  { "", NULL },           { "two\ntokens\n", NULL }, { "a header\r\nb", NULL },
};

/* As given, or beside the file; none unless it is asked for. */
static void
test_ca_file (void **state)
{
  static const struct {
    const char *text, *path;
  } cases[] = {
    { HEAD TARGET, NULL },
    { "ca_file: tls/ca.crt\n" HEAD TARGET, "/base/tls/ca.crt" },
    { "ca_file: /etc/repoint/ca.crt\n" HEAD TARGET, "/etc/repoint/ca.crt" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (RpAgentConfig) config = parse (cases[i].text, &error);
      assert_null (error);
      if (cases[i].path != NULL)
        assert_string_equal (config->ca_file, cases[i].path);
      else
        assert_null (config->ca_file);
    }
}

static void
test_token_file (void **state)
{
  g_autofree char *dir = g_dir_make_tmp ("repoint-token-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "token", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (token_files); i++)
    {
      g_autoptr (GError) error = NULL;
      static const char text[] = "token_file: token\n" HEAD TARGET;
      g_autoptr (RpAgentConfig) config
          = rp_agent_config_parse (text, strlen (text), "agent.yaml", dir, &error);
      assert_null (error);
      assert_string_equal (config->token_file, path);
      g_unlink (path);
      if (token_files[i].text != NULL)
        assert_true (g_file_set_contents (path, token_files[i].text, -1, NULL));
      assert_int_equal (rp_agent_config_read_token (config, &error), token_files[i].token != NULL);
      assert_int_equal (error == NULL, token_files[i].token != NULL);
      if (token_files[i].token != NULL)
        {
          g_autofree char *secret = rp_bearer_secret (config->bearer);
          assert_string_equal (secret, token_files[i].token);
        }
    }
  g_unlink (path);
  g_rmdir (dir);
}

/* What is written into the file counts from the next look on; what is no token does not. */
static void
test_token_is_read_again (void **state)
{
  static const struct
  {
    const char *text, *secret;
  } steps[] = { { "first\n", "first" },  { "second\n", "second" }, { "second\n", "second" },
                { NULL, "second" },       { "third", "third" },      { "two words", "third" },
                { "fourth\n", "fourth" }, { "", "fourth" } };
  g_autofree char *dir = g_dir_make_tmp ("repoint-token-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "token", NULL);
  g_autoptr (RpBearer) bearer = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *header = NULL;
      g_autofree char *expected = g_strconcat ("Authorization: Bearer ", steps[i].secret, NULL);

      if (steps[i].text == NULL)
        assert_int_equal (g_unlink (path), 0);
      else
        assert_true (g_file_set_contents (path, steps[i].text, -1, NULL));
      if (bearer == NULL)
        bearer = rp_bearer_open (path, &error);
      assert_null (error);
      header = rp_bearer_header (bearer);
      assert_string_equal (header, expected);
    }
  assert_null (rp_bearer_header (NULL));
  g_unlink (path);
  g_rmdir (dir);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_reads_all),
    cmocka_unit_test (test_ca_file),
    cmocka_unit_test (test_token_file),
    cmocka_unit_test (test_token_is_read_again),
    cmocka_unit_test (test_names_the_place),
    cmocka_unit_test (test_finds_targets),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
