#include "check.h"

#include "cli/verbs.h"
#include "server/settings.h"

/* Two sources of truth: the flags of serve and the keys of the file. */
static void
every_flag_has_a_key_and_every_key_a_flag (void **state)
{
  guint flags = 1 /* --ca-file, which every verb has */, keys = 0;

  for (const GOptionEntry *entry = rp_serve_options; entry->long_name != NULL; entry++)
    {
      if (strcmp (entry->long_name, "config") == 0)
        continue;
      flags++;
      const RpSetting *setting = rp_setting_find (entry->long_name);
      if (setting == NULL)
        fail_msg ("--%s has no key", entry->long_name);
      assert_int_equal ((entry->flags & G_OPTION_FLAG_NO_ARG) != 0,
                        setting->kind == RP_SETTING_TRUTH);
    }
  for (const RpSetting *setting = rp_settings; setting->key != NULL; setting++)
    keys++;
  assert_int_equal (flags, keys);
}

static void
every_key_is_in_the_manual (void **state)
{
  g_autofree char *page = NULL;

  assert_true (g_file_get_contents (TEST_DATA_DIR "/../../../docs/man/server.yaml.5.scd", &page,
                                    NULL, NULL));
  for (const RpSetting *setting = rp_settings; setting->key != NULL; setting++)
    {
      g_autofree char *heading = g_strdup_printf ("\n*%s*\n\t", setting->key);
      const char *at = strstr (page, heading);
      if (at == NULL)
        fail_msg ("server.yaml(5) does not have %s", setting->key);
      const char *end = strstr (at + 2, "\n\n");
      g_autofree char *entry = g_strndup (at, (gsize) (end - at));
      assert_int_equal (strstr (entry, "*Reloads.*") != NULL, setting->reloads);
    }
}

static void
only_what_reloads_moves (void **state)
{
  g_auto (RpServerOptions) options = { 0 };
  g_auto (RpServerOptions) next = { 0 };
  g_autoptr (GPtrArray) changed = g_ptr_array_new ();
  g_autoptr (GPtrArray) fixed = g_ptr_array_new ();
  GError *error = NULL;

  rp_settings_init (&options);
  rp_settings_init (&next);
  check_ok (rp_setting_set (rp_setting_find ("upload-expiry"), "90m", &next, &error));
  check_ok (rp_setting_set (rp_setting_find ("listen"), "[::1]:1", &next, &error));
  rp_settings_reload (&options, &next, changed, fixed);
  assert_int_equal (options.upload_expiry_ms, 90 * 60 * 1000);
  assert_string_equal (options.listen, RP_SERVER_LISTEN_DEFAULT);
  assert_int_equal (changed->len, 1);
  assert_int_equal (fixed->len, 1);
  assert_string_equal (fixed->pdata[0], "listen");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (every_flag_has_a_key_and_every_key_a_flag),
    cmocka_unit_test (every_key_is_in_the_manual),
    cmocka_unit_test (only_what_reloads_moves),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
