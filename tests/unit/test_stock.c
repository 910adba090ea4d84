/* What is let go of on a host, and what is not: with a real store and a real journal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <glib/gstdio.h>
#include <sys/stat.h>

#include "agent/reserve.h"
#include "agent/stock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "oci/manifest.h"
#include "store/fault.h"

typedef struct {
  char *dir;
  RpAgentConfig *config;
  RpJournal *journal;
  RpStore *store;
  RpStock *stock;
} Host;

static int
set_up (void **data)
{
  static const char text[]
      = "agent: host-1\nserver: http://127.0.0.1:1\nstate: state\ntargets:\n"
        "  - {app: shop, environment: production, target: web-1, driver: fake, options: {}}\n"
        "  - {app: shop, environment: production, target: web-2, driver: fake, options: {}}\n";
  Host *host = g_new0 (Host, 1);
  g_autofree char *path = NULL;

  rp_log_set_level (RP_LOG_ERROR);
  host->dir = g_dir_make_tmp ("repoint-stock-XXXXXX", NULL);
  host->config = rp_agent_config_parse (text, strlen (text), "agent.yaml", host->dir, NULL);
  assert_true (rp_dir_make (host->config->state, 0700, NULL));
  host->journal = rp_journal_open (host->config->state, NULL);
  path = g_strconcat ("fault:0:failed:fs:", host->config->state, "/store", NULL);
  host->store = rp_store_open (path, NULL);
  assert_non_null (host->store);
  host->stock = rp_stock_new (host->config, host->journal, host->store);
  *data = host;
  return 0;
}

static int
tear_down (void **data)
{
  Host *host = *data;

  rp_stock_free (host->stock);
  rp_store_close (host->store);
  rp_journal_close (host->journal);
  rp_agent_config_free (host->config);
  assert_true (rp_dir_remove (host->dir, NULL));
  g_free (host->dir);
  g_free (host);
  return 0;
}

/* ---- what lies there ---- */

static RpDigest
put (Host *host, const char *text)
{
  RpDigest digest = rp_digest_of (RP_DIGEST_SHA256, text, strlen (text));

  assert_true (rp_store_put (host->store, &digest, text, strlen (text), NULL));
  return digest;
}

static json_t *
descriptor (const char *type, const RpDigest *digest, gsize size)
{
  char text[RP_DIGEST_STRING_SIZE];

  return json_pack ("{s:s, s:s, s:I}", "mediaType", type, "digest", rp_digest_format (digest, text),
                    "size", (json_int_t) size);
}

/* A manifest of one configuration, which all share, and one layer. */
static RpDigest
put_image (Host *host, const char *layer, RpDigest *out_layer)
{
  RpDigest config = put (host, "{}");
  g_autofree char *text = NULL;
  g_autoptr (json_t) manifest = NULL;

  *out_layer = put (host, layer);
  manifest = json_pack ("{s:i, s:s, s:o, s:[o]}", "schemaVersion", 2, "mediaType", RP_MEDIA_OCI_MANIFEST,
                        "config", descriptor ("application/vnd.oci.image.config.v1+json", &config, 2),
                        "layers", descriptor ("application/vnd.oci.image.layer.v1.tar", out_layer, strlen (layer)));
  text = rp_json_print (manifest);
  return put (host, text);
}

static RpDigest
put_index (Host *host, const RpDigest *child, const RpDigest *absent)
{
  g_autoptr (json_t) index
      = json_pack ("{s:i, s:s, s:[oo]}", "schemaVersion", 2, "mediaType", RP_MEDIA_OCI_INDEX, "manifests",
                   descriptor (RP_MEDIA_OCI_MANIFEST, child, 100), descriptor (RP_MEDIA_OCI_MANIFEST, absent, 100));
  g_autofree char *text = rp_json_print (index);

  return put (host, text);
}

static gboolean
is_there (const Host *host, const RpDigest *digest)
{
  RpBlobInfo info;

  return rp_store_stat (host->store, digest, &info, NULL);
}

static void
commit (Host *host, guint target, const RpTargetState *state)
{
  const RpTargetConfig *config = g_ptr_array_index (host->config->targets, target);

  assert_true (rp_journal_commit (host->journal, config->name, state, NULL, NULL, 0, NULL));
}

static RpEntry *
entry_of (gint64 revision, const RpDigest *digest)
{
  return rp_entry_new (revision, revision, "1", "shop/web", digest, TRUE, FALSE);
}

static void
sweep (Host *host)
{
  g_autoptr (GError) error = NULL;
  gboolean busy = TRUE;

  if (!rp_stock_sweep (host->stock, NULL, &busy, &error))
    fail_msg ("%s", error->message);
  assert_false (busy);
}

/* ---- the tests ---- */

static void
test_what_any_state_names_stays (void **data)
{
  Host *host = *data;
  g_autoptr (RpTargetState) one = rp_target_state_new ();
  g_autoptr (RpTargetState) two = rp_target_state_new ();
  RpEntry **places[] = { &one->pointer, &one->work, &one->confirmed, &one->previous, &one->undo.to, &two->confirmed };
  RpDigest images[G_N_ELEMENTS (places)], layers[G_N_ELEMENTS (places)];
  RpDigest in_window, window_layer, index, loose, loose_layer;
  RpDigest absent = rp_digest_of (RP_DIGEST_SHA256, "absent", 6);

  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    {
      g_autofree char *layer = g_strdup_printf ("layer %" G_GSIZE_FORMAT, i);
      images[i] = put_image (host, layer, &layers[i]);
      *places[i] = entry_of ((gint64) i + 1, &images[i]);
    }
  in_window = put_image (host, "in the window", &window_layer);
  index = put_index (host, &in_window, &absent);
  g_ptr_array_add (one->window, entry_of (20, &index));
  g_ptr_array_add (one->window, entry_of (19, &absent));
  loose = put_image (host, "loose", &loose_layer);
  commit (host, 0, one);
  commit (host, 1, two);
  sweep (host);
  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    assert_true (is_there (host, &images[i]) && is_there (host, &layers[i]));
  assert_true (is_there (host, &index) && is_there (host, &in_window) && is_there (host, &window_layer));
  assert_false (is_there (host, &loose));
  assert_false (is_there (host, &loose_layer));
}

static void
test_nothing_goes_while_something_is_laid_ready (void **data)
{
  Host *host = *data;
  RpDigest loose = put (host, "loose");
  gboolean busy = FALSE;
  gint cancelled = 1;

  rp_stock_use (host->stock);
  rp_stock_use (host->stock);
  rp_stock_unuse (host->stock);
  assert_true (rp_stock_sweep (host->stock, NULL, &busy, NULL));
  assert_true (busy && is_there (host, &loose));
  rp_stock_unuse (host->stock);
  assert_true (rp_stock_sweep (host->stock, &cancelled, &busy, NULL));
  assert_true (busy && is_there (host, &loose));
  sweep (host);
  assert_false (is_there (host, &loose));
}

static void
test_what_cannot_be_read_stops_it (void **data)
{
  Host *host = *data;
  g_autoptr (RpTargetState) state = rp_target_state_new ();
  g_autoptr (GError) error = NULL;
  RpDigest layer, image = put_image (host, "a layer", &layer);
  RpDigest loose = put (host, "loose");
  g_autofree char *hex = rp_digest_to_string (&image);
  g_autofree char *prefix = g_strndup (hex + 7, 2);
  g_autofree char *path = g_build_filename (host->config->state, "store", "blobs", "sha256", prefix, hex + 7, NULL);
  gboolean busy;

  state->confirmed = entry_of (1, &image);
  commit (host, 0, state);
  assert_int_equal (g_chmod (path, 0600), 0);
  assert_true (g_file_set_contents (path, "rotten", -1, NULL));
  assert_false (rp_stock_sweep (host->stock, NULL, &busy, &error));
  assert_true (g_error_matches (error, RP_ERROR, RP_ERROR_CORRUPT));
  assert_true (g_str_has_prefix (error->message, "nothing is let go of: "));
  assert_true (is_there (host, &loose) && is_there (host, &layer));
}

/* Killed between the rename and the unlink. */
static void
test_a_sweep_that_was_killed_is_gone_on_with (void **data)
{
  Host *host = *data;
  RpDigest loose = put (host, "loose");
  RpDigest again = put (host, "again");
  gboolean found = TRUE;

  assert_true (rp_store_condemn (host->store, &loose, NULL));
  assert_true (rp_store_condemn (host->store, &again, NULL));
  again = put (host, "again"); /* fetched again since */
  assert_true (is_there (host, &again));
  sweep (host);
  assert_true (rp_store_recall (host->store, &loose, &found, NULL));
  assert_false (found);
  assert_false (is_there (host, &again));
}

/* Whatever fails, and wherever: what is needed stays, and the next sweep does the rest. */
static void
test_R25_a_failure_at_every_operation (void **data)
{
  Host *host = *data;
  g_autoptr (RpTargetState) state = rp_target_state_new ();
  RpDigest layer, image = put_image (host, "needed", &layer);
  gboolean fired = TRUE;

  state->confirmed = entry_of (1, &image);
  commit (host, 0, state);
  for (guint n = 1; fired; n++)
    {
      RpDigest loose_layer, loose = put_image (host, "loose", &loose_layer);
      g_autoptr (GError) error = NULL;
      gboolean busy, ok;

      rp_store_fault_arm (host->store, n, RP_ERROR_FAILED);
      ok = rp_stock_sweep (host->stock, NULL, &busy, &error);
      fired = rp_store_fault_fired (host->store);
      assert_int_equal (fired, !ok);
      assert_int_equal (fired, error != NULL);
      rp_store_fault_arm (host->store, 0, RP_ERROR_FAILED);
      assert_true (is_there (host, &image) && is_there (host, &layer));
      sweep (host);
      assert_true (is_there (host, &image) && is_there (host, &layer));
      assert_false (is_there (host, &loose) || is_there (host, &loose_layer));
    }
}

static void
test_R20_a_full_disk_is_tidied_with_the_reserve (void **data)
{
  Host *host = *data;
  gboolean fired = TRUE;

  for (guint n = 1; fired; n++)
    {
      RpDigest loose = put (host, "loose");

      assert_true (rp_reserve_fill (host->config->state));
      rp_store_fault_arm (host->store, n, RP_ERROR_NO_SPACE);
      sweep (host);
      fired = rp_store_fault_fired (host->store);
      rp_store_fault_arm (host->store, 0, RP_ERROR_FAILED);
      assert_false (is_there (host, &loose));
      assert_int_equal (rp_reserve_release (host->config->state), !fired);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (test_what_any_state_names_stays, set_up, tear_down),
    cmocka_unit_test_setup_teardown (test_nothing_goes_while_something_is_laid_ready, set_up, tear_down),
    cmocka_unit_test_setup_teardown (test_what_cannot_be_read_stops_it, set_up, tear_down),
    cmocka_unit_test_setup_teardown (test_R25_a_failure_at_every_operation, set_up, tear_down),
    cmocka_unit_test_setup_teardown (test_R20_a_full_disk_is_tidied_with_the_reserve, set_up, tear_down),
    cmocka_unit_test_setup_teardown (test_a_sweep_that_was_killed_is_gone_on_with, set_up, tear_down),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
