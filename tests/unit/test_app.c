/* repoint.yaml: what is taken, what is refused and where, and what a change of it changes. */
#include "shop.h"

#include "base/file.h"

static RpApp *
parse_file (const char *name, GError **error)
{
  GError *local = NULL;
  g_autofree char *path = g_build_filename (TEST_DATA_DIR, "app", name, NULL);
  g_autoptr (GBytes) bytes = rp_file_read (path, 1 << 20, &local);
  if (bytes == NULL)
    fail_msg ("%s", local->message);
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);
  return rp_app_parse (data, size, name, error);
}

static void
test_good (void **unused)
{
  GError *error = NULL;
  g_autoptr (RpApp) app = parse_file ("good.yaml", &error);
  check_ok (app != NULL);
  assert_string_equal (app->name, "shop");
  assert_string_equal (rp_app_component (app, "worker")->repository, "shop/worker");
  assert_int_equal (app->environments->len, 2);
  const RpEnvironment *staging = app->environments->pdata[0];
  assert_int_equal (staging->window, 3);
  assert_int_equal (staging->trial_ms, 60000);
  assert_int_equal (staging->progress_deadline_ms, 600000);
  assert_false (staging->rollback_on_failure);
  const RpEnvironment *production = app->environments->pdata[1];
  assert_int_equal (production->order, 2);
  assert_int_equal (production->window, 5);
  assert_int_equal (production->trial_ms, 30000);
  assert_int_equal (production->progress_deadline_ms, 120000);
  assert_true (production->rollback_on_failure);
  const RpTargetDecl *target = production->targets->pdata[1];
  assert_string_equal (target->name, "worker-1");
  assert_string_equal (target->component, "worker");
}

static void
test_windows (void **unused)
{
  static const struct
  {
    const char *text;
    gint64 releases, for_ms; /* releases 0: refused */
  } cases[] = {
    { "7", 7, 0 },
    { "{releases: 5}", 5, 0 },
    { "{for: 30d}", 1, 30 * 86400000LL },
    { "{releases: 5, for: 12h}", 5, 12 * 3600000LL },
    { "{for: 0s}", 0, 0 },
    { "{for: 9999d}", 0, 0 },
    { "{for: soon}", 0, 0 },
    { "{releases: 0}", 0, 0 },
    { "{days: 3}", 0, 0 },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = g_strdup_printf ("app: shop\ncomponents: {web: {repository: shop/web}}\n"
                                               "environments: [{name: p, window: %s}]\n",
                                               cases[i].text);
      g_autoptr (GError) error = NULL;
      g_autoptr (RpApp) app = rp_app_parse (text, strlen (text), "app.yaml", &error);
      if ((app != NULL) != (cases[i].releases > 0))
        fail_msg ("%s: %s", cases[i].text, error != NULL ? error->message : "taken");
      if (app == NULL)
        continue;
      const RpEnvironment *environment = app->environments->pdata[0];
      assert_int_equal (environment->window, cases[i].releases);
      assert_int_equal (environment->window_for_ms, cases[i].for_ms);
    }
}

/* `should-fail-X.yaml` with the message it must give; a test below finds files that are not listed.
 */
static const struct
{
  const char *file;
  const char *message;
} bad[] = {
  { "should-fail-components-list.yaml",
    "should-fail-components-list.yaml:3:3: components: expected a mapping of component names" },
  { "should-fail-duplicate-component.yaml",
    "should-fail-duplicate-component.yaml:4:3: components: expected each key once, found \"web\" "
    "again (see line 3)" },
  { "should-fail-duplicate-environment.yaml",
    "should-fail-duplicate-environment.yaml:5:11: environments[1].name: there is an environment "
    "staging already" },
  { "should-fail-duplicate-target.yaml",
    "should-fail-duplicate-target.yaml:7:16: environments[0].targets[1].name: there is a target "
    "web-1 in environment staging already" },
  { "should-fail-empty-components.yaml", "should-fail-empty-components.yaml:2:13: components: "
                                         "empty; an app has at least one component" },
  { "should-fail-empty.yaml",
    "should-fail-empty.yaml:1:1: expected a document, found nothing but white space and comments" },
  { "should-fail-environments-map.yaml",
    "should-fail-environments-map.yaml:4:3: environments: expected a list of environments in "
    "promotion order, `- name: staging`" },
  { "should-fail-name-begins-with-dash.yaml",
    "should-fail-name-begins-with-dash.yaml:1:6: app: \"-shop\" is no name of an app: use 1 to 63 "
    "of a-z, 0-9 and -, not - first" },
  { "should-fail-name.yaml", "should-fail-name.yaml:1:6: app: \"My Shop\" is no name of an app: "
                             "use 1 to 63 of a-z, 0-9 and -, not - first" },
  { "should-fail-no-app.yaml",
    "should-fail-no-app.yaml:1:1: expected the key \"app\", which is missing" },
  { "should-fail-no-components.yaml",
    "should-fail-no-components.yaml:1:1: components: missing; an app has at least one, as in "
    "`components: {web: {repository: shop/web}}`" },
  { "should-fail-on-failure.yaml", "should-fail-on-failure.yaml:5:17: environments[0].on_failure: "
                                   "expected one of stop, rollback, found \"retry\"" },
  { "should-fail-repository.yaml",
    "should-fail-repository.yaml:3:21: components.web.repository: repository name \"Shop/Web\" is "
    "not allowed: use lower-case letters and digits, joined by single '.', '_', '__' or '-', in "
    "parts divided by '/' (for example shop/web)" },
  { "should-fail-syntax.yaml",
    "should-fail-syntax.yaml:3:1: not valid YAML: expected a comma or the closing brace `}`, found "
    "\"environments: []\" (while parsing a flow mapping that began at line 2, column 13: did not "
    "find expected ',' or '}')" },
  { "should-fail-trial.yaml",
    "should-fail-trial.yaml:5:12: environments[0].trial: must be longer than nothing" },
  { "should-fail-unknown-component.yaml",
    "should-fail-unknown-component.yaml:7:40: environments[0].targets[0].component: unknown "
    "component \"wbe\"; declared are: web, worker" },
  { "should-fail-unknown-key.yaml",
    "should-fail-unknown-key.yaml:2:1: component: unknown key; did you mean \"components\"? Known "
    "here: app, components, environments" },
  { "should-fail-window-zero.yaml", "should-fail-window-zero.yaml:5:13: environments[0].window: "
                                    "expected a whole number from 1 to 100, found \"0\"" },
  { "should-fail-window.yaml", "should-fail-window.yaml:5:13: environments[0].window: expected a "
                               "whole number from 1 to 100, found \"three\"" },
};

static void
test_bad (void **unused)
{
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (RpApp) app = parse_file (bad[i].file, &error);
      if (app != NULL)
        fail_msg ("%s was taken", bad[i].file);
      assert_int_equal (error->code, RP_ERROR_INVALID);
      assert_string_equal (error->message, bad[i].message);
    }
}

static void
test_all_listed (void **unused)
{
  g_autofree char *path = g_build_filename (TEST_DATA_DIR, "app", NULL);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;
  gsize found = 0;
  assert_non_null (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    found += g_str_has_prefix (name, "should-fail-");
  assert_int_equal (found, G_N_ELEMENTS (bad));
}

static void
check_changes (const char *before, const char *after, const char *expected)
{
  GError *error = NULL;
  g_autoptr (RpApp) old
      = before == NULL ? NULL : rp_app_parse (before, strlen (before), "old", &error);
  g_autoptr (RpApp) new = rp_app_parse (after, strlen (after), "new", &error);
  check_ok (new != NULL && (before == NULL || old != NULL));
  g_autoptr (GPtrArray) changes = rp_app_diff (old, new);
  g_ptr_array_add (changes, NULL);
  g_autofree char *text = g_strjoinv ("\n", (char **) changes->pdata);
  assert_string_equal (text, expected);
}

#define APP     "app: shop\ncomponents: {web: {repository: shop/web}}\n"
#define STAGING APP "environments: [{name: staging, targets: [{name: web-1, component: web}]}]\n"

static void
test_diff (void **unused)
{
  static const struct
  {
    const char *before;
    const char *after;
    const char *changes;
  } table[] = {
    { STAGING, STAGING, "" },
    { NULL, STAGING,
      "app shop: created\ncomponent web: created (shop/web)\nenvironment staging: created\n"
      "target staging/web-1: created (component web)" },
    { STAGING, APP, "environment staging: removed; its history stays" },
    { STAGING, APP "environments: [{name: staging}]\n",
      "target staging/web-1: removed; its history stays" },
    { APP "environments: [{name: a}, {name: b}]\n",
      APP "environments: [{name: b, window: 7, on_failure: rollback, trial: 1s}, {name: a}]\n",
      "environment b: order 2 → 1\nenvironment b: window 3 → 7\n"
      "environment b: trial (ms) 60000 → 1000\nenvironment b: on_failure stop → rollback\n"
      "environment a: order 1 → 2" },
    { APP, "app: shop\ncomponents: {web: {repository: shop/www}, api: {repository: shop/api}}\n",
      "component web: repository shop/web → shop/www\ncomponent api: created (shop/api)" },
    { APP, "app: shop\ncomponents: {api: {repository: shop/api}}\n",
      "component api: created (shop/api)\ncomponent web: removed" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    check_changes (table[i].before, table[i].after, table[i].changes);
}

static gsize
apply_count (Shop *shop, const char *yaml, gint64 *out_seq)
{
  GError *error = NULL;
  GPtrArray *changes = NULL;
  g_autoptr (RpApp) app = rp_app_parse (yaml, strlen (yaml), "repoint.yaml", &error);
  check_ok (app != NULL);
  check_ok (rp_app_apply (shop->engine, app, "tester@host", &changes, out_seq, &error));
  gsize count = changes->len;
  g_ptr_array_unref (changes);
  return count;
}

/* The same again is no event; what is taken back comes back as it was left. */
static void
test_apply (void **unused)
{
  GError *error = NULL;
  gint64 first;
  gint64 second;
  Shop *shop = shop_open ();
  assert_int_equal (apply_count (shop, shop_yaml, &first), 0);
  assert_true (apply_count (shop, STAGING, &second) > 0);
  assert_true (second > first);
  assert_int_equal (apply_count (shop, STAGING, &first), 0);
  assert_int_equal (first, second);
  g_autoptr (RpApp) less = rp_app_describe (shop->engine, "shop", &error);
  check_ok (less != NULL);
  assert_int_equal (less->environments->len, 1);
  assert_true (apply_count (shop, shop_yaml, &second) > 0);
  g_autoptr (RpApp) again = rp_app_describe (shop->engine, "shop", &error);
  check_ok (again != NULL);
  assert_int_equal (again->environments->len, 2);
  check_fails (rp_app_describe (shop->engine, "shoo", &error) != NULL, RP_ERROR_NOT_FOUND);
  shop_close (shop);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_good), cmocka_unit_test (test_windows), cmocka_unit_test (test_bad),   cmocka_unit_test (test_all_listed),
    cmocka_unit_test (test_diff), cmocka_unit_test (test_apply),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
