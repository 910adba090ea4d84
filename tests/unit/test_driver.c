/* One suite over every driver: what the agent may rely on, whatever a target is.  Then what is
 * particular to one. */
#include "driver/driver.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "engine_peer.h"
#include "registry_peer.h"
#include "tar.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define N_RELEASES 3
#define TARGET     "shop/production/web-1"

typedef struct Fixture Fixture;

typedef struct {
  const char *driver;
  char *(*options) (Fixture *fixture);
  void (*cut_off) (Fixture *fixture); /* the network goes */
  void (*tamper) (Fixture *fixture);  /* somebody changes what runs by hand */
} Kind;

struct Fixture {
  const Kind *kind;
  char *base, *root, *socket;
  Registry *registry;
  Engine *engine;
  RpStore *store;
  RpOciClient *client;
  RpDriverContext context;
  RpYaml *yaml;
  RpTarget *target;
  RpArtifact releases[N_RELEASES];
  gint cancelled;
};

/* ---- the kinds ---- */

static char *
dir_options (Fixture *fixture)
{
  return g_strdup_printf ("root: %s\n", fixture->root);
}

static char *
container_options (Fixture *fixture)
{
  return g_strdup_printf ("socket: %s\n"
                          "network: bridge\n"
                          "ports: [\"127.0.0.1:8080:80\", \"53:53/udp\"]\n"
                          "env: {B: two, A: one}\n"
                          "volumes: [\"/srv:/srv:ro\"]\n"
                          "command: [serve, --verbose]\n"
                          "stop_timeout: 3s\n"
                          "labels: {team: shop}\n"
                          "ulimits: {nofile: \"1024:2048\"}\n",
                          fixture->socket);
}

static void
registry_cut_off (Fixture *fixture)
{
  peer_stop (g_steal_pointer (&fixture->registry->peer));
  fixture->engine->registry_down = TRUE;
}

static void
dir_tamper (Fixture *fixture)
{
  g_autofree char *file = g_build_filename (fixture->root, "current", "index.html", NULL);
  g_chmod (file, 0644);
  g_assert (g_file_set_contents (file, "by hand", -1, NULL));
}

static void
container_tamper (Fixture *fixture)
{
  const char *name;
  json_t *container;
  json_object_foreach (fixture->engine->containers, name, container)
      engine_set_state (container, "exited");
}

static const Kind kinds[] = {
  { "dir", dir_options, registry_cut_off, dir_tamper },
  { "container", container_options, registry_cut_off, container_tamper },
};

/* ---- the fixture ---- */

static void
open_target (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *options = fixture->kind->options (fixture);
  fixture->yaml = rp_yaml_parse (options, strlen (options), "agent.yaml", &error);
  if (fixture->yaml)
    fixture->target = rp_target_open (fixture->kind->driver, &fixture->context,
                                      rp_yaml_root (fixture->yaml), &error);
  if (!fixture->target)
    fail_msg ("%s", error->message);
}

static void
close_target (Fixture *fixture)
{
  g_clear_pointer (&fixture->target, rp_target_close);
  g_clear_pointer (&fixture->yaml, rp_yaml_free);
}

static RpArtifact
publish (Fixture *fixture, const TarEntry *entries, const char *filter, const char *label)
{
  g_autoptr (GBytes) tar = tar_make (entries, filter);
  GBytes *const layers[] = { tar };
  return (RpArtifact){ REPOSITORY, registry_put_image (fixture->registry, layers, 1, NULL), label };
}

static void
publish_releases (Fixture *fixture)
{
  static const char *const labels[N_RELEASES] = { "shop 1", "shop 2", "shop 3" };
  static const char *const filters[N_RELEASES] = { NULL, "gzip", "zstd" };
  for (gsize i = 0; i < N_RELEASES; i++)
    {
      const TarEntry entries[] = { { 'f', "index.html", labels[i], 0, 0 },
                                   { 'f', "bin/serve", "#!/bin/sh\n", 0755, 0 },
                                   TAR_END };
      fixture->releases[i] = publish (fixture, entries, filters[i], labels[i]);
    }
}

static Fixture *
fixture_new (const Kind *kind)
{
  Fixture *fixture = g_new0 (Fixture, 1);
  fixture->kind = kind;
  fixture->base = g_dir_make_tmp ("repoint-driver-XXXXXX", NULL);
  fixture->root = g_build_filename (fixture->base, "root", NULL);
  fixture->socket = g_build_filename (fixture->base, "engine.sock", NULL);
  fixture->registry = registry_start ();
  fixture->engine = engine_start (fixture->socket, fixture->registry);
  fixture->store = rp_store_open ("mem:", NULL);
  fixture->client = rp_oci_client_new (fixture->registry->url, NULL);
  rp_oci_client_set_retry (fixture->client, 1);
  fixture->context = (RpDriverContext){ .name = TARGET,
                                        .state_dir = fixture->base,
                                        .store = fixture->store,
                                        .client = fixture->client,
                                        .registry = fixture->registry->host,
                                        .cancelled = &fixture->cancelled };
  publish_releases (fixture);
  open_target (fixture);
  return fixture;
}

static int
set_up (void **state)
{
  *state = fixture_new (*state);
  return 0;
}

static int
tear_down (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  close_target (fixture);
  rp_oci_client_free (fixture->client);
  rp_store_close (fixture->store);
  engine_stop (fixture->engine);
  registry_stop (fixture->registry);
  umount2 (fixture->root, MNT_DETACH);
  if (!rp_dir_remove (fixture->base, &error))
    fail_msg ("%s", error->message);
  g_free (fixture->base);
  g_free (fixture->root);
  g_free (fixture->socket);
  g_free (fixture);
  return 0;
}

static void
prepare (Fixture *fixture, int release)
{
  g_autoptr (GError) error = NULL;
  if (!rp_target_prepare (fixture->target, &fixture->releases[release], NULL, NULL, &error))
    fail_msg ("%s", error->message);
}

static void
point (Fixture *fixture, int release)
{
  g_autoptr (GError) error = NULL;
  if (!rp_target_point (fixture->target, &fixture->releases[release], &error))
    fail_msg ("%s", error->message);
}

static gboolean
is_ready (Fixture *fixture, int release)
{
  g_autoptr (GError) error = NULL;
  gboolean ready = rp_target_verify (fixture->target, &fixture->releases[release], &error);
  assert_true (ready == !error);
  return ready;
}

/* `release` -1: nothing runs. */
static void
assert_runs (Fixture *fixture, int release)
{
  g_auto (RpObservation) seen = { 0 };
  g_autoptr (GError) error = NULL;
  if (!rp_target_observe (fixture->target, &seen, &error))
    fail_msg ("%s", error->message);
  if (release < 0)
    {
      assert_false (seen.running);
      return;
    }
  if (!seen.running || !seen.has_digest || !seen.intact
      || !rp_digest_equal (&seen.digest, &fixture->releases[release].digest))
    fail_msg ("release %d does not run: %s", release, seen.detail ? seen.detail : "(nothing)");
  if (!rp_target_probe (fixture->target, &error))
    fail_msg ("%s", error->message);
}

static void
assert_error (GError *error, RpErrorCode code, const char *says)
{
  if (!g_error_matches (error, RP_ERROR, (int)code) || !strstr (error->message, says))
    fail_msg ("%s: \"%s\" does not say \"%s\"", rp_error_name (error), error->message, says);
}

/* ---- conformance: for every driver ---- */

static void
nothing_at_first (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) unready = NULL;
  g_autoptr (GError) unpointed = NULL;
  g_autoptr (GError) unhealthy = NULL;
  assert_runs (fixture, -1);
  assert_false (rp_target_verify (fixture->target, &fixture->releases[0], &unready));
  assert_error (unready, RP_ERROR_NOT_FOUND, "shop 1");
  assert_false (rp_target_point (fixture->target, &fixture->releases[0], &unpointed));
  assert_error (unpointed, RP_ERROR_NOT_FOUND, "shop 1");
  assert_false (rp_target_probe (fixture->target, &unhealthy));
  assert_error (unhealthy, RP_ERROR_UNHEALTHY, "");
  assert_true (rp_target_prune (fixture->target, NULL, 0, NULL));
  assert_runs (fixture, -1);
}

static void
prepare_runs_nothing (void **state)
{
  Fixture *fixture = *state;
  prepare (fixture, 0);
  assert_true (is_ready (fixture, 0));
  assert_false (is_ready (fixture, 1));
  assert_runs (fixture, -1);
}

static void
point_runs_it (void **state)
{
  Fixture *fixture = *state;
  prepare (fixture, 0);
  point (fixture, 0);
  assert_runs (fixture, 0);
  assert_true (is_ready (fixture, 0));
}

static void
every_step_may_be_repeated (void **state)
{
  Fixture *fixture = *state;
  for (int i = 0; i < N_RELEASES; i++)
    for (int again = 0; again < 2; again++)
      {
        prepare (fixture, i);
        point (fixture, i);
        assert_runs (fixture, i);
      }
  prepare (fixture, 0);
  assert_runs (fixture, N_RELEASES - 1);
}

static void
going_back_needs_no_network (void **state)
{
  Fixture *fixture = *state;
  prepare (fixture, 0);
  prepare (fixture, 1);
  point (fixture, 0);
  point (fixture, 1);
  fixture->kind->cut_off (fixture);
  assert_true (is_ready (fixture, 0));
  point (fixture, 0);
  assert_runs (fixture, 0);
  prepare (fixture, 1); /* and what is here need not be fetched */
  point (fixture, 1);
  assert_runs (fixture, 1);

  close_target (fixture);
  fixture->context.client = NULL; /* not even somebody to ask */
  open_target (fixture);
  prepare (fixture, 0);
  point (fixture, 0);
  assert_runs (fixture, 0);
}

static void
back_and_forth (void **state)
{
  static const int order[] = { 0, 1, 0, 2, 1, 2, 0, 0, 1 };
  Fixture *fixture = *state;
  for (int i = 0; i < N_RELEASES; i++)
    prepare (fixture, i);
  for (gsize i = 0; i < G_N_ELEMENTS (order); i++)
    {
      point (fixture, order[i]);
      assert_runs (fixture, order[i]);
      for (int release = 0; release < N_RELEASES; release++)
        assert_true (is_ready (fixture, release));
    }
}

static void
what_cannot_be_had_disturbs_nothing (void **state)
{
  Fixture *fixture = *state;
  prepare (fixture, 0);
  point (fixture, 0);
  RpArtifact unknown = { REPOSITORY, rp_digest_of (RP_DIGEST_SHA256, "?", 1), "shop ?" };
  RpArtifact bad_name = { "Shop/../web", unknown.digest, "shop ?" };
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) named = NULL;
  assert_false (rp_target_prepare (fixture->target, &unknown, NULL, NULL, &error));
  assert_non_null (strstr (error->message, REPOSITORY));
  assert_false (rp_target_verify (fixture->target, &unknown, NULL));
  assert_false (rp_target_point (fixture->target, &unknown, NULL));
  assert_false (rp_target_prepare (fixture->target, &bad_name, NULL, NULL, &named));
  assert_error (named, RP_ERROR_NAME_INVALID, "repository");
  assert_runs (fixture, 0);
}

static void
prune_keeps_what_is_kept_and_what_runs (void **state)
{
  Fixture *fixture = *state;
  for (int i = 0; i < N_RELEASES; i++)
    prepare (fixture, i);
  point (fixture, 0);
  point (fixture, 1);
  assert_true (rp_target_prune (fixture->target, &fixture->releases[0], 1, NULL));
  assert_true (is_ready (fixture, 0));
  assert_true (is_ready (fixture, 1)); /* runs */
  assert_false (is_ready (fixture, 2));
  assert_runs (fixture, 1);
  point (fixture, 0);
  assert_true (rp_target_prune (fixture->target, NULL, 0, NULL));
  assert_false (is_ready (fixture, 1));
  assert_runs (fixture, 0);
  prepare (fixture, 2); /* and it can come back */
  point (fixture, 2);
  assert_runs (fixture, 2);
}

static void
truth_is_looked_at_not_remembered (void **state)
{
  Fixture *fixture = *state;
  prepare (fixture, 1);
  point (fixture, 1);
  close_target (fixture);
  open_target (fixture);
  assert_runs (fixture, 1);
  assert_true (is_ready (fixture, 1));
}

static void
change_by_hand_is_seen_and_healed (void **state)
{
  Fixture *fixture = *state;
  g_auto (RpObservation) seen = { 0 };
  prepare (fixture, 0);
  point (fixture, 0);
  fixture->kind->tamper (fixture);
  assert_true (rp_target_observe (fixture->target, &seen, NULL));
  assert_false (seen.running && seen.intact);
  assert_non_null (seen.detail);
  prepare (fixture, 0);
  point (fixture, 0);
  assert_runs (fixture, 0);
}

static void
cancelled (void **state)
{
  Fixture *fixture = *state;
  g_atomic_int_set (&fixture->cancelled, 1);
  g_autoptr (GError) error = NULL;
  assert_false (rp_target_prepare (fixture->target, &fixture->releases[0], NULL, NULL, &error));
  g_atomic_int_set (&fixture->cancelled, 0);
  assert_false (is_ready (fixture, 0));
  prepare (fixture, 0);
}

static void
options_are_checked (void **state)
{
  Fixture *fixture = *state;
  const char *text = "root: /tmp\nsocket: /x\nprobbe: 1\n";
  g_autoptr (RpYaml) yaml = rp_yaml_parse (text, strlen (text), "agent.yaml", NULL);
  g_autoptr (GError) error = NULL;
  assert_null (
      rp_target_open (fixture->kind->driver, &fixture->context, rp_yaml_root (yaml), &error));
  assert_error (error, RP_ERROR_INVALID, "agent.yaml:");
}

static void
snapshot_is_an_object (void **state)
{
  Fixture *fixture = *state;
  prepare (fixture, 0);
  point (fixture, 0);
  g_autoptr (json_t) facts = rp_target_snapshot (fixture->target, NULL);
  assert_true (json_is_object (facts));
}

static void
unknown_driver (void **state)
{
  g_autoptr (GError) error = NULL;
  assert_null (rp_driver_find ("kubernete", &error));
  assert_error (error, RP_ERROR_INVALID, "dir, container");
}

/* ---- dir ---- */

static char *
inside (Fixture *fixture, const char *path)
{
  return g_build_filename (fixture->root, path, NULL);
}

static char *
read_inside (Fixture *fixture, const char *path)
{
  g_autofree char *full = inside (fixture, path);
  char *text = NULL;
  g_file_get_contents (full, &text, NULL, NULL);
  return text;
}

static guint
count_names (Fixture *fixture, const char *part)
{
  guint n = 0;
  g_autofree char *releases = inside (fixture, "releases");
  g_autoptr (GDir) dir = g_dir_open (releases, 0, NULL);
  for (const char *name = dir ? g_dir_read_name (dir) : NULL; name; name = g_dir_read_name (dir))
    n += strstr (name, part) != NULL;
  return n;
}

static void
dir_holds_the_files (void **state)
{
  Fixture *fixture = *state;
  for (int i = 0; i < N_RELEASES; i++)
    {
      struct stat st;
      prepare (fixture, i);
      point (fixture, i);
      g_autofree char *text = read_inside (fixture, "current/index.html");
      assert_string_equal (text, fixture->releases[i].label);
      g_autofree char *file = inside (fixture, "current/bin/serve");
      assert_int_equal (stat (file, &st), 0);
      assert_int_equal (st.st_mode & 07777, 0555);
      g_autofree char *dir = inside (fixture, "current/bin");
      assert_int_equal (stat (dir, &st), 0);
      assert_int_equal (st.st_mode & 07777, 0555);
    }
  assert_int_equal (count_names (fixture, ".tmp-"), 0);
}

static void
reopen_with (Fixture *fixture, const char *more)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strdup_printf ("root: %s\n%s\n", fixture->root, more);
  close_target (fixture);
  fixture->yaml = rp_yaml_parse (text, strlen (text), "agent.yaml", &error);
  if (fixture->yaml)
    fixture->target
        = rp_target_open ("dir", &fixture->context, rp_yaml_root (fixture->yaml), &error);
  if (!fixture->target)
    fail_msg ("%s", error->message);
}

static void
dir_reload_knows_what_runs (void **state)
{
  Fixture *fixture = *state;
  g_autofree char *log = g_build_filename (fixture->base, "log", NULL);
  g_autofree char *more = g_strdup_printf (
      "reload: [/bin/sh, -c, 'echo $REPOINT_TARGET $REPOINT_DIGEST $REPOINT_CURRENT > %s']", log);
  reopen_with (fixture, more);
  prepare (fixture, 1);
  point (fixture, 1);
  g_autofree char *real_root = realpath (fixture->root, NULL);
  g_autofree char *digest = rp_digest_to_string (&fixture->releases[1].digest);
  g_autofree char *expected = g_strdup_printf (TARGET " %s %s/releases/sha256-%s\n", digest,
                                               real_root, digest + strlen ("sha256:"));
  g_autofree char *text = NULL;
  g_assert (g_file_get_contents (log, &text, NULL, NULL));
  assert_string_equal (text, expected);
}

static void
dir_reload_fails (void **state)
{
  Fixture *fixture = *state;
  static const struct {
    const char *more, *says;
    RpErrorCode code;
  } cases[] = {
    { "reload: [/bin/sh, -c, 'echo no such unit >&2; exit 7']",
      "ended with status 7; it printed: no such unit", RP_ERROR_FAILED },
    { "reload: [/bin/sh, -c, 'echo stuck; sleep 600 & sleep 600']\nreload_timeout: 100ms",
      "it printed: stuck", RP_ERROR_TIMEOUT },
    { "reload: [/bin/sh, -c, 'kill -9 $$']", "signal 9", RP_ERROR_FAILED },
    { "reload: [/no/such/program]", "/no/such/program", RP_ERROR_FAILED },
  };
  prepare (fixture, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      reopen_with (fixture, cases[i].more);
      assert_false (rp_target_point (fixture->target, &fixture->releases[0], &error));
      assert_error (error, cases[i].code, cases[i].says);
      assert_non_null (strstr (error->message, "now points to shop 1, but the reload failed"));
    }
  reopen_with (fixture, "reload: ['true']");
  point (fixture, 0);
}

static void
dir_probes (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GBytes) well = g_bytes_new_static ("all is well", 11);
  registry_set (fixture->registry, "/health", "text/plain", well);
  g_autofree char *url = g_strconcat (fixture->registry->url, "/health", NULL);
  static const struct {
    const char *probe, *says; /* %s: the URL; NULL: healthy */
  } cases[] = {
    { "probe: {http: \"%s\"}", NULL },
    { "probe: {http: \"%s\", expect: 200, contains: \"is well\"}", NULL },
    { "probe: {http: \"%s\", contains: \"is bad\"}", "without \"is bad\": all is well" },
    { "probe: {http: \"%s\", expect: 204}", "answered 200, expected 204" },
    { "probe: {http: \"%s-not\"}", "answered 404, expected 200 to 299" },
    { "probe: {http: \"http://127.0.0.1:1/#%s\", timeout: 1s}", "does not answer" },
    { "probe: {command: [\"true\", \"%s\"]}", NULL },
    { "probe: {command: [/bin/sh, -c, \"echo '%s' is down; exit 1\"]}", "is down" },
    { "probe: {command: [/bin/sh, -c, \"sleep 600; echo %s\"], timeout: 50ms}",
      "did not end within 50 ms" },
  };
  prepare (fixture, 0);
  point (fixture, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_auto (GStrv) parts = g_strsplit (cases[i].probe, "%s", 2);
      g_autofree char *more = g_strconcat (parts[0], url, parts[1], NULL);
      g_autoptr (GError) error = NULL;
      reopen_with (fixture, more);
      gboolean healthy = rp_target_probe (fixture->target, &error);
      if (!cases[i].says && !healthy)
        fail_msg ("%s", error->message);
      if (cases[i].says)
        assert_error (error, RP_ERROR_UNHEALTHY, cases[i].says);
    }
}

static void
dir_bad_archive_leaves_nothing (void **state)
{
  Fixture *fixture = *state;
  static const TarEntry entries[]
      = { { 'f', "good", "x", 0, 0 }, { 'l', "etc", "/etc", 0, 0 }, TAR_END };
  RpArtifact bad = publish (fixture, entries, "gzip", "shop bad");
  g_autoptr (GError) error = NULL;
  prepare (fixture, 0);
  point (fixture, 0);
  guint before = count_names (fixture, "");
  assert_false (rp_target_prepare (fixture->target, &bad, NULL, NULL, &error));
  assert_error (error, RP_ERROR_INVALID, "unpacking shop bad: layer 1 (sha256:");
  assert_non_null (
      strstr (error->message, "entry \"etc\" is a symbolic link to the absolute path"));
  assert_int_equal (count_names (fixture, ""), before);
  assert_runs (fixture, 0);
}

static void
dir_limits (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  reopen_with (fixture, "max_entries: 1");
  assert_false (rp_target_prepare (fixture->target, &fixture->releases[0], NULL, NULL, &error));
  assert_error (error, RP_ERROR_TOO_LARGE, "max_entries");
}

static void
dir_changes_are_named (void **state)
{
  Fixture *fixture = *state;
  prepare (fixture, 0);
  prepare (fixture, 1);
  point (fixture, 0);
  g_autofree char *digest = rp_digest_to_string (&fixture->releases[1].digest);
  g_autofree char *name = g_strdup_printf ("releases/sha256-%s", digest + strlen ("sha256:"));
  g_autofree char *release = inside (fixture, name);
  g_autofree char *file = g_build_filename (release, "bin/serve", NULL);
  g_autofree char *dir = g_build_filename (release, "bin", NULL);
  g_autofree char *extra = g_build_filename (release, "bin/extra", NULL);
  g_chmod (dir, 0755);
  g_unlink (file);
  g_assert (g_file_set_contents (extra, "x", -1, NULL));
  g_chmod (dir, 0555);
  g_autoptr (GError) error = NULL;
  assert_false (rp_target_point (fixture->target, &fixture->releases[1], &error));
  assert_error (error, RP_ERROR_CORRUPT, "missing bin/serve");
  assert_non_null (strstr (error->message, "extra bin/extra"));
  assert_runs (fixture, 0); /* wrong bytes never run */
  prepare (fixture, 1);
  point (fixture, 1);
  assert_runs (fixture, 1);
}

static void
dir_foreign_current (void **state)
{
  Fixture *fixture = *state;
  g_autofree char *current = inside (fixture, "current");
  prepare (fixture, 0);
  g_assert (symlink ("/somewhere/else", current) == 0);
  g_auto (RpObservation) seen = { 0 };
  assert_true (rp_target_observe (fixture->target, &seen, NULL));
  assert_true (seen.running && !seen.has_digest && !seen.intact);
  assert_non_null (strstr (seen.detail, "/somewhere/else"));
  point (fixture, 0);
  assert_runs (fixture, 0);

  g_unlink (current);
  g_assert (g_mkdir (current, 0755) == 0);
  rp_observation_clear (&seen);
  assert_true (rp_target_observe (fixture->target, &seen, NULL));
  assert_true (seen.running && !seen.intact);
  g_autoptr (GError) error = NULL;
  assert_false (rp_target_point (fixture->target, &fixture->releases[0], &error));
  assert_error (error, RP_ERROR_CONFLICT, "move it away");
}

/* A link of another spelling to the release that runs: it must not be pruned away. */
static void
dir_prune_spares_what_a_foreign_link_runs (void **state)
{
  Fixture *fixture = *state;
  prepare (fixture, 0);
  point (fixture, 0);
  g_autofree char *current = inside (fixture, "current");
  g_autofree char *real = realpath (current, NULL);
  g_unlink (current);
  g_assert (symlink (real, current) == 0);
  assert_true (rp_target_prune (fixture->target, NULL, 0, NULL));
  assert_true (is_ready (fixture, 0));
}

/* What a crash may leave at any point is cleaned away or completed by the next call. */
static void
dir_leftovers_of_a_crash (void **state)
{
  Fixture *fixture = *state;
  prepare (fixture, 0);
  point (fixture, 0);
  g_autofree char *half = inside (fixture, "releases/.tmp-abc/deep");
  g_autofree char *record
      = inside (fixture, "releases/sha256-"
                         "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.tree");
  g_assert (g_mkdir_with_parents (half, 0755) == 0);
  g_assert (g_file_set_contents (record, "x", -1, NULL));
  prepare (fixture, 1);
  assert_int_equal (count_names (fixture, ".tmp-"), 0);
  assert_int_equal (count_names (fixture, ".tree"), 2);
  assert_int_equal (count_names (fixture, ".link"), 2);

  /* Spares lost: the switch falls back to making a link. */
  g_autofree char *releases = inside (fixture, "releases");
  g_autoptr (GDir) dir = g_dir_open (releases, 0, NULL);
  for (const char *name = g_dir_read_name (dir); name; name = g_dir_read_name (dir))
    if (strstr (name, ".link"))
      {
        g_autofree char *path = g_build_filename (releases, name, NULL);
        g_unlink (path);
      }
  point (fixture, 1);
  assert_runs (fixture, 1);
}

static void
fill_up (const char *dir)
{
  g_autofree char *block = g_strnfill (4096, 'x');
  for (int i = 0;; i++)
    {
      g_autofree char *path = g_strdup_printf ("%s/filler-%d", dir, i);
      int fd = open (path, O_WRONLY | O_CREAT | O_EXCL, 0600);
      if (fd < 0)
        return; /* no inode left */
      while (write (fd, block, 4096) > 0)
        ;
      close (fd);
    }
}

/* R20: no block and no inode left. Nothing new comes in, what is there can be gone back to. */
static void
R20_full_disk (void **state)
{
  Fixture *fixture = *state;
  g_assert (g_mkdir (fixture->root, 0755) == 0);
  if (mount ("none", fixture->root, "tmpfs", 0, "size=512k,nr_inodes=40") != 0)
    {
      print_message ("no right to mount a tmpfs\n");
      skip ();
    }
  prepare (fixture, 0);
  prepare (fixture, 1);
  point (fixture, 0);
  point (fixture, 1);
  fill_up (fixture->root);
  g_autofree char *probe = inside (fixture, "one-more");
  assert_int_equal (symlink ("x", probe), -1); /* really full */

  guint before = count_names (fixture, "");
  g_autoptr (GError) error = NULL;
  assert_false (rp_target_prepare (fixture->target, &fixture->releases[2], NULL, NULL, &error));
  assert_error (error, RP_ERROR_NO_SPACE, "shop 3");
  assert_int_equal (count_names (fixture, ""), before);
  for (int i = 0; i < 5; i++)
    {
      prepare (fixture, i % 2);
      point (fixture, i % 2);
      assert_runs (fixture, i % 2);
    }
  assert_true (rp_target_prune (fixture->target, &fixture->releases[0], 1, NULL));
  assert_false (is_ready (fixture, 1));
}

/* Blocks run out in the middle of unpacking. */
static void
R20_disk_fills_while_unpacking (void **state)
{
  Fixture *fixture = *state;
  g_assert (g_mkdir (fixture->root, 0755) == 0);
  if (mount ("none", fixture->root, "tmpfs", 0, "size=256k") != 0)
    {
      print_message ("no right to mount a tmpfs\n");
      skip ();
    }
  g_autofree char *text = g_strnfill (400 * 1024, 'x');
  const TarEntry entries[] = { { 'f', "big", text, 0, 0 }, TAR_END };
  RpArtifact big = publish (fixture, entries, "gzip", "shop big");
  prepare (fixture, 0);
  point (fixture, 0);
  guint before = count_names (fixture, "");
  g_autoptr (GError) error = NULL;
  assert_false (rp_target_prepare (fixture->target, &big, NULL, NULL, &error));
  assert_error (error, RP_ERROR_NO_SPACE, "entry \"big\"");
  assert_int_equal (count_names (fixture, ""), before);
  prepare (fixture, 1); /* the room is free again */
  point (fixture, 1);
  assert_runs (fixture, 1);
}

/* ---- container ---- */

static json_t *
the_container (Fixture *fixture)
{
  const char *name;
  json_t *container;
  json_object_foreach (fixture->engine->containers, name, container) return container;
  return NULL;
}

static void
container_is_made_by_digest (void **state)
{
  Fixture *fixture = *state;
  prepare (fixture, 0);
  json_t *container = the_container (fixture);
  json_t *config = json_object_get (container, "Config");
  g_autofree char *digest = rp_digest_to_string (&fixture->releases[0].digest);
  g_autofree char *image
      = g_strdup_printf ("%s/" REPOSITORY "@%s", fixture->registry->host, digest);
  g_autofree char *repository = g_strdup_printf ("%s/" REPOSITORY, fixture->registry->host);
  g_autofree char *prefix = g_strdup_printf ("/repoint-shop-production-web-1-%.12s-", digest + 7);
  const char *name = json_string_value (json_object_get (container, "Name"));
  assert_true (g_str_has_prefix (name, prefix));
  assert_int_equal (strlen (name), strlen (prefix) + 6);
  g_autoptr (json_t) expected = json_pack (
      "{s:s, s:[s,s], s:[s,s], s:i, s:{s:{},s:{}},"
      " s:{s:s,s:s,s:s,s:s,s:s},"
      " s:{s:s, s:{s:s}, s:[s], s:[{s:s,s:i,s:i}],"
      "    s:{s:[{s:s,s:s}], s:[{s:s,s:s}]}}}",
      "Image", image, "Env", "A=one", "B=two", "Cmd", "serve", "--verbose", "StopTimeout", 3,
      "ExposedPorts", "80/tcp", "53/udp", "Labels", "team", "shop", "repoint.target", TARGET,
      "repoint.digest", digest, "repoint.repository", repository, "repoint.options",
      name + strlen (prefix), "HostConfig", "NetworkMode", "bridge", "RestartPolicy", "Name",
      "unless-stopped", "Binds", "/srv:/srv:ro", "Ulimits", "Name", "nofile", "Soft", 1024, "Hard",
      2048, "PortBindings", "80/tcp", "HostIp", "127.0.0.1", "HostPort", "8080", "53/udp", "HostIp",
      "", "HostPort", "53");
  assert_non_null (expected);
  if (!json_equal (config, expected))
    fail_msg ("%s", json_dumps (config, JSON_INDENT (1) | JSON_SORT_KEYS));
}

static void
container_going_back_makes_nothing (void **state)
{
  Fixture *fixture = *state;
  prepare (fixture, 0);
  prepare (fixture, 1);
  point (fixture, 0);
  point (fixture, 1);
  guint pulls = fixture->engine->pulls, creates = fixture->engine->creates;
  assert_int_equal (pulls, 2);
  assert_int_equal (creates, 2);
  prepare (fixture, 0);
  point (fixture, 0);
  assert_int_equal (fixture->engine->pulls, pulls);
  assert_int_equal (fixture->engine->creates, creates);
}

static void
container_pull_error_is_in_the_stream (void **state)
{
  Fixture *fixture = *state;
  fixture->engine->registry_down = TRUE;
  g_autoptr (GError) error = NULL;
  assert_false (rp_target_prepare (fixture->target, &fixture->releases[0], NULL, NULL, &error));
  assert_error (error, RP_ERROR_FAILED, "manifest unknown");
}

static void
container_old_one_comes_back_if_the_new_does_not_start (void **state)
{
  Fixture *fixture = *state;
  g_autofree char *digest = rp_digest_to_string (&fixture->releases[1].digest);
  g_autoptr (GError) error = NULL;
  prepare (fixture, 0);
  prepare (fixture, 1);
  point (fixture, 0);
  fixture->engine->start_fails = digest;
  assert_false (rp_target_point (fixture->target, &fixture->releases[1], &error));
  assert_error (error, RP_ERROR_FAILED, "exec format error");
  assert_non_null (strstr (error->message, "what ran before was started again"));
  assert_runs (fixture, 0);
}

static void
container_of_a_stranger_is_left_alone (void **state)
{
  Fixture *fixture = *state;
  prepare (fixture, 0);
  json_t *container = the_container (fixture);
  json_t *labels = json_object_get (json_object_get (container, "Config"), "Labels");
  json_object_set_new (labels, "repoint.target", json_string ("other"));
  g_autoptr (GError) error = NULL;
  assert_false (rp_target_prepare (fixture->target, &fixture->releases[0], NULL, NULL, &error));
  assert_error (error, RP_ERROR_CONFLICT, "not ours");
  assert_false (rp_target_point (fixture->target, &fixture->releases[0], NULL));
  assert_true (rp_target_prune (fixture->target, NULL, 0, NULL));
  assert_ptr_equal (the_container (fixture), container);
}

static void
container_with_other_image_is_not_ready (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  prepare (fixture, 0);
  point (fixture, 0);
  json_object_set_new (the_container (fixture), "Image", json_string ("0123"));
  assert_false (rp_target_verify (fixture->target, &fixture->releases[0], &error));
  assert_error (error, RP_ERROR_CORRUPT, "another image");
  g_auto (RpObservation) seen = { 0 };
  assert_true (rp_target_observe (fixture->target, &seen, NULL));
  assert_true (seen.running && !seen.has_digest && !seen.intact);
}

static void
container_new_options_make_a_new_container (void **state)
{
  Fixture *fixture = *state;
  prepare (fixture, 0);
  point (fixture, 0);
  g_autofree char *text = g_strdup_printf ("socket: %s\nenv: {A: two}\n", fixture->socket);
  close_target (fixture);
  fixture->yaml = rp_yaml_parse (text, strlen (text), "agent.yaml", NULL);
  fixture->target
      = rp_target_open ("container", &fixture->context, rp_yaml_root (fixture->yaml), NULL);
  g_auto (RpObservation) seen = { 0 };
  assert_true (rp_target_observe (fixture->target, &seen, NULL));
  assert_true (seen.running && seen.has_digest && !seen.intact);
  assert_non_null (strstr (seen.detail, "other options"));
  prepare (fixture, 0);
  point (fixture, 0);
  assert_runs (fixture, 0);
  assert_int_equal (json_object_size (fixture->engine->containers), 2);
  assert_true (rp_target_prune (fixture->target, fixture->releases, 1, NULL));
  assert_int_equal (json_object_size (fixture->engine->containers), 1);
  assert_int_equal (json_object_size (fixture->engine->images), 1);
}

static void
container_engine_gone (void **state)
{
  Fixture *fixture = *state;
  g_auto (RpObservation) seen = { 0 };
  g_autoptr (GError) error = NULL;
  peer_stop (g_steal_pointer (&fixture->engine->peer));
  assert_false (rp_target_observe (fixture->target, &seen, &error));
  assert_error (error, RP_ERROR_UNREACHABLE, fixture->socket);
}

static void
container_flapping_is_unhealthy (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  prepare (fixture, 0);
  point (fixture, 0);
  json_t *container = the_container (fixture);
  json_object_set_new (container, "RestartCount", json_integer (4));
  assert_true (rp_target_probe (fixture->target, NULL)); /* long ago */
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *text = g_date_time_format_iso8601 (now);
  json_object_set_new (json_object_get (container, "State"), "StartedAt", json_string (text));
  assert_false (rp_target_probe (fixture->target, &error));
  assert_error (error, RP_ERROR_UNHEALTHY, "restarted 4 times");
}

static void
container_bad_options (void **state)
{
  Fixture *fixture = *state;
  static const struct {
    const char *text, *says;
  } cases[] = {
    { "ports: [\"80\"]", "agent.yaml:1:" },
    { "ports: [\"1:2:3:4\"]", "HOST_PORT" },
    { "ports: [\"0:80\"]", "HOST_PORT" },
    { "ports: [\"80:80/sctp\"]", "HOST_PORT" },
    { "env: [a]", "mapping" },
    { "env: {\"A=B\": c}", "environment variable" },
    { "labels: {repoint.digest: x}", "repoint's own" },
    { "ulimits: {nofile: many}", "SOFT:HARD" },
    { "restart: sometimes", "restart" },
    { "probe: {file: x}", "expected {http" },
    { "probe: {http: \"ftp://x\"}", "http://" },
    { "probe: {command: []}", "program" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (RpYaml) yaml
          = rp_yaml_parse (cases[i].text, strlen (cases[i].text), "agent.yaml", NULL);
      assert_null (rp_target_open ("container", &fixture->context, rp_yaml_root (yaml), &error));
      assert_error (error, RP_ERROR_INVALID, cases[i].says);
    }
}

#define EVERY(function)                                                                            \
  { #function "/dir", function, set_up, tear_down, (void *)&kinds[0] },                            \
  {                                                                                                \
    #function "/container", function, set_up, tear_down, (void *)&kinds[1]                         \
  }
#define DIR_ONLY(function)       { #function, function, set_up, tear_down, (void *)&kinds[0] }
#define CONTAINER_ONLY(function) { #function, function, set_up, tear_down, (void *)&kinds[1] }

int
main (void)
{
  const struct CMUnitTest tests[] = {
    EVERY (nothing_at_first),
    EVERY (prepare_runs_nothing),
    EVERY (point_runs_it),
    EVERY (every_step_may_be_repeated),
    EVERY (going_back_needs_no_network),
    EVERY (back_and_forth),
    EVERY (what_cannot_be_had_disturbs_nothing),
    EVERY (prune_keeps_what_is_kept_and_what_runs),
    EVERY (truth_is_looked_at_not_remembered),
    EVERY (change_by_hand_is_seen_and_healed),
    EVERY (cancelled),
    EVERY (options_are_checked),
    EVERY (snapshot_is_an_object),
    cmocka_unit_test (unknown_driver),
    DIR_ONLY (dir_holds_the_files),
    DIR_ONLY (dir_reload_knows_what_runs),
    DIR_ONLY (dir_reload_fails),
    DIR_ONLY (dir_probes),
    DIR_ONLY (dir_bad_archive_leaves_nothing),
    DIR_ONLY (dir_limits),
    DIR_ONLY (dir_changes_are_named),
    DIR_ONLY (dir_foreign_current),
    DIR_ONLY (dir_prune_spares_what_a_foreign_link_runs),
    DIR_ONLY (dir_leftovers_of_a_crash),
    DIR_ONLY (R20_full_disk),
    DIR_ONLY (R20_disk_fills_while_unpacking),
    CONTAINER_ONLY (container_is_made_by_digest),
    CONTAINER_ONLY (container_going_back_makes_nothing),
    CONTAINER_ONLY (container_pull_error_is_in_the_stream),
    CONTAINER_ONLY (container_old_one_comes_back_if_the_new_does_not_start),
    CONTAINER_ONLY (container_of_a_stranger_is_left_alone),
    CONTAINER_ONLY (container_with_other_image_is_not_ready),
    CONTAINER_ONLY (container_new_options_make_a_new_container),
    CONTAINER_ONLY (container_engine_gone),
    CONTAINER_ONLY (container_flapping_is_unhealthy),
    CONTAINER_ONLY (container_bad_options),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
