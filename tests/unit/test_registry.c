#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/connection.h"
#include "registry_house.h"

/* ---- harm ---- */

static void
flip_a_byte (Fixture *fixture, const RpDigest *digest)
{
  g_autofree char *path = blob_path (fixture, digest);
  char byte;
  int fd;

  assert_int_equal (chmod (path, 0600), 0);
  fd = open (path, O_RDWR | O_CLOEXEC);
  assert_true (fd >= 0);
  assert_int_equal (pread (fd, &byte, 1, 0), 1);
  byte ^= 1;
  assert_int_equal (pwrite (fd, &byte, 1, 0), 1);
  close (fd);
}

static void
cut_a_byte (Fixture *fixture, const RpDigest *digest)
{
  g_autofree char *path = blob_path (fixture, digest);
  struct stat info;

  assert_int_equal (chmod (path, 0600), 0);
  assert_int_equal (stat (path, &info), 0);
  assert_int_equal (truncate (path, info.st_size - 1), 0);
}

static void
lose (Fixture *fixture, const RpDigest *digest)
{
  g_autofree char *path = blob_path (fixture, digest);

  assert_int_equal (unlink (path), 0);
}

/* ---- blobs ---- */

static void
a_blob_belongs_to_its_repository (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  RpDigest digest = push_blob (fixture, "layer");
  guint64 size = 0;
  rp_autofd int fd = -1;

  check_ok (rp_registry_blob_stat (fixture->registry, REPO, &digest, &size, &error));
  assert_int_equal (size, 5);
  fd = rp_registry_blob_open (fixture->registry, REPO, &digest, &size, &error);
  check_ok (fd >= 0);
  check_fails (rp_registry_blob_stat (fixture->registry, OTHER, &digest, &size, &error),
               RP_ERROR_BLOB_UNKNOWN);
  check_fails (rp_registry_blob_open (fixture->registry, OTHER, &digest, &size, &error) >= 0,
               RP_ERROR_BLOB_UNKNOWN);
  check_fails (push_blob_to (fixture, "Not/A/Name", "layer", &error), RP_ERROR_NAME_INVALID);
}

static void
a_blob_is_recorded_once (void **state)
{
  Fixture *fixture = *state;

  push_blob (fixture, "layer");
  push_blob (fixture, "layer");
  assert_int_equal (count_events (fixture, "blob.added"), 1);
}

static void
a_wrong_digest_is_not_recorded (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  g_autoptr (RpUpload) upload = rp_upload_new (fixture->store, REPO, &error);
  RpDigest digest = digest_of ("something else");

  check_ok (rp_upload_append (upload, "layer", 5, &error));
  check_fails (rp_registry_blob_commit (fixture->registry, REPO, upload, &digest, ACTOR, &error),
               RP_ERROR_DIGEST_MISMATCH);
  assert_int_equal (count_events (fixture, NULL), 0);
}

static void
blobs_are_mounted_from_where_they_are (void **state)
{
  Fixture *fixture = *state;
  static const struct {
    const char *from;
    const char *text;
    gboolean mounted;
  } cases[] = { { REPO, "layer", TRUE },   { NULL, "layer", TRUE },   { "shop/none", "layer", FALSE },
                { REPO, "nobody", FALSE }, { NULL, "nobody", FALSE } };

  push_blob (fixture, "layer");
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *into = g_strdup_printf ("target/%zu", i);
      g_autoptr (GError) error = NULL;
      RpDigest digest = digest_of (cases[i].text);
      gboolean mounted = 2;
      guint64 size;

      check_ok (rp_registry_blob_mount (fixture->registry, into, cases[i].from, &digest, ACTOR,
                                        &mounted, &error));
      assert_int_equal (mounted, cases[i].mounted);
      assert_int_equal (rp_registry_blob_stat (fixture->registry, into, &digest, &size, NULL),
                        cases[i].mounted);
    }
  assert_int_equal (count_events (fixture, "blob.added"), 3);
}

/* ---- manifests ---- */

static void
a_manifest_comes_back_byte_for_byte (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  g_autofree char *compact = image_text ("layer");
  g_autofree char *text = g_strconcat ("\n  ", compact, "\n\n", NULL);
  char name[RP_DIGEST_STRING_SIZE];
  const char *references[] = { "1.0", name };
  RpDigest digest;

  push_blob (fixture, "{}");
  push_blob (fixture, "layer");
  digest = put (fixture, "1.0", text);
  rp_digest_format (&digest, name);
  for (gsize i = 0; i < G_N_ELEMENTS (references); i++)
    {
      g_auto (RpManifestInfo) info = { 0 };
      g_autoptr (GBytes) bytes = NULL;

      check_ok (rp_registry_manifest_get (fixture->registry, REPO, references[i], &info, &bytes,
                                          &error));
      assert_int_equal (g_bytes_get_size (bytes), strlen (text));
      assert_memory_equal (g_bytes_get_data (bytes, NULL), text, strlen (text));
      assert_string_equal (info.media_type, RP_MEDIA_OCI_MANIFEST);
      assert_int_equal (info.size_bytes, strlen (text));
      assert_true (rp_digest_equal (&info.digest, &digest));
    }
}

static void
unknown_manifests_are_told_with_what_there_is (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  g_auto (RpManifestInfo) info = { 0 };

  push_image (fixture, "1.0", "one");
  push_image (fixture, "1.1", "two");
  assert_false (rp_registry_manifest_get (fixture->registry, REPO, "9.9", &info, NULL, &error));
  check_contains (error->message, "no tag 9.9; its newest tags are 1.1, 1.0");
  g_clear_error (&error);
  check_fails (rp_registry_manifest_get (fixture->registry, OTHER, "1.0", &info, NULL, &error),
               RP_ERROR_MANIFEST_UNKNOWN);
  check_fails (rp_registry_manifest_get (fixture->registry, REPO, "-bad", &info, NULL, &error),
               RP_ERROR_MANIFEST_INVALID);
  check_fails (rp_registry_manifest_get (fixture->registry, REPO, "sha256:12", &info, NULL, &error),
               RP_ERROR_DIGEST_INVALID);
}

static const struct {
  const char *name;
  const char *format; /* %s: digest of the config `{}`, of the layer `layer`, of nothing */
  const char *reference;
  const char *media_type;
  int code; /* -1: good */
} manifests[] = {
#define CONFIG "\"config\":{\"mediaType\":\"application/x\",\"digest\":\"%1$s\",\"size\":2}"
#define LAYERS(type, digest, size)                                                                 \
  "\"layers\":[{\"mediaType\":\"" type "\",\"digest\":\"" digest "\",\"size\":" size "}]"
#define FOREIGN "application/vnd.oci.image.layer.nondistributable.v1.tar"
  { "plain", "{\"schemaVersion\":2," CONFIG "," LAYERS ("a/b", "%2$s", "5") "}", "a", NULL, -1 },
  { "no layers", "{\"schemaVersion\":2," CONFIG ",\"layers\":[]}", "b", NULL, -1 },
  { "unknown fields", "{\"schemaVersion\":2,\"x\":[1]," CONFIG ",\"layers\":[]}", "c", NULL, -1 },
  { "foreign layer", "{\"schemaVersion\":2," CONFIG "," LAYERS (FOREIGN, "%3$s", "5") "}", "d",
    NULL, -1 },
  { "empty index", "{\"schemaVersion\":2,\"manifests\":[]}", "e", RP_MEDIA_OCI_INDEX, -1 },
  { "docker", "{\"schemaVersion\":2," CONFIG "," LAYERS ("a/b", "%2$s", "5") "}", "f",
    RP_MEDIA_DOCKER_MANIFEST, RP_ERROR_MANIFEST_INVALID /* the same bytes as `plain` */ },
  { "docker, other bytes", "{\"schemaVersion\":2 ," CONFIG "," LAYERS ("a/b", "%2$s", "5") "}",
    "f", RP_MEDIA_DOCKER_MANIFEST, -1 },
  { "subject that nobody has",
    "{\"schemaVersion\":2," CONFIG ",\"subject\":{\"mediaType\":\"a/b\",\"digest\":\"%3$s\","
    "\"size\":1}}",
    "g", NULL, -1 },
  { "missing layer", "{\"schemaVersion\":2," CONFIG "," LAYERS ("a/b", "%3$s", "5") "}", "x", NULL,
    RP_ERROR_MANIFEST_BLOB_UNKNOWN },
  { "missing child",
    "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" RP_MEDIA_OCI_MANIFEST
    "\",\"digest\":\"%3$s\",\"size\":9}]}",
    "x", NULL, RP_ERROR_MANIFEST_BLOB_UNKNOWN },
  { "a layer is no child",
    "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" RP_MEDIA_OCI_MANIFEST
    "\",\"digest\":\"%2$s\",\"size\":5}]}",
    "x", NULL, RP_ERROR_MANIFEST_BLOB_UNKNOWN },
  { "wrong size", "{\"schemaVersion\":2," CONFIG "," LAYERS ("a/b", "%2$s", "6") "}", "x", NULL,
    RP_ERROR_SIZE_INVALID },
  { "not JSON", "{", "x", NULL, RP_ERROR_MANIFEST_INVALID },
  { "empty", "", "x", NULL, RP_ERROR_MANIFEST_INVALID },
  { "no config", "{\"schemaVersion\":2,\"layers\":[]}", "x", NULL, RP_ERROR_MANIFEST_INVALID },
  { "type of something else", "{\"schemaVersion\":2," CONFIG "}", "x", "text/plain",
    RP_ERROR_MANIFEST_INVALID },
  { "another digest", "{\"schemaVersion\":2," CONFIG "}",
    "sha256:0000000000000000000000000000000000000000000000000000000000000000", NULL,
    RP_ERROR_DIGEST_MISMATCH },
  { "no digest", "{\"schemaVersion\":2," CONFIG "}", "sha256:baddigeststring", NULL,
    RP_ERROR_DIGEST_INVALID },
  { "bad tag", "{\"schemaVersion\":2," CONFIG "}", "a b", NULL, RP_ERROR_MANIFEST_INVALID },
};

/* Fills the numbered places without handing a table's text to printf. */
static char *
expand (const char *format)
{
  static const char *const texts[] = { "{}", "layer", "nothing" };
  GString *out = g_string_new (format);

  for (int i = 0; i < 3; i++)
    {
      RpDigest digest = digest_of (texts[i]);
      char name[RP_DIGEST_STRING_SIZE], place[] = "%1$s";

      place[1] = (char)('1' + i);
      g_string_replace (out, place, rp_digest_format (&digest, name), 0);
    }
  return g_string_free (out, FALSE);
}

static void
good_manifests_are_taken_and_bad_ones_refused (void **state)
{
  Fixture *fixture = *state;

  push_blob (fixture, "{}");
  push_blob (fixture, "layer");
  for (gsize i = 0; i < G_N_ELEMENTS (manifests); i++)
    {
      g_autofree char *text = expand (manifests[i].format);
      g_autoptr (GError) error = NULL;
      gint64 before = count_events (fixture, NULL);
      gboolean ok = put_to (fixture, REPO, manifests[i].reference, manifests[i].media_type, text,
                            &error);

      if (ok != (manifests[i].code < 0) || (!ok && error->code != manifests[i].code))
        fail_msg ("%s: %s", manifests[i].name, error ? error->message : "was taken");
      assert_int_equal (count_events (fixture, NULL) - before, ok ? 2 : 0);
    }
}

static void
all_that_is_missing_is_named (void **state)
{
  Fixture *fixture = *state;
  g_autofree char *text = image_text ("layer");
  g_autoptr (GError) error = NULL;
  const char *const texts[] = { "{}", "layer" };

  assert_false (put_to (fixture, REPO, "1.0", NULL, text, &error));
  assert_int_equal (error->code, RP_ERROR_MANIFEST_BLOB_UNKNOWN);
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      RpDigest digest = digest_of (texts[i]);
      char name[RP_DIGEST_STRING_SIZE];

      check_contains (error->message, rp_digest_format (&digest, name));
    }
}

static void
blobs_of_another_repository_do_not_count (void **state)
{
  Fixture *fixture = *state;
  g_autofree char *text = image_text ("layer");
  g_autoptr (GError) error = NULL;

  push_image (fixture, "1.0", "layer");
  check_fails (put_to (fixture, OTHER, "1.0", NULL, text, &error), RP_ERROR_MANIFEST_BLOB_UNKNOWN);
}

static void
too_large_a_manifest_is_refused (void **state)
{
  Fixture *fixture = *state;
  g_autofree char *text = g_strnfill (RP_MANIFEST_LIMIT + 1, ' ');
  g_autoptr (GError) error = NULL;

  check_fails (put_to (fixture, REPO, "1.0", NULL, text, &error), RP_ERROR_TOO_LARGE);
}

/* ---- tags ---- */

static void
R01_a_tag_is_written_once (void **state)
{
  Fixture *fixture = *state;
  RpDigest first = push_image (fixture, "1.2", "one");
  g_autofree char *again = image_text ("one");
  g_autofree char *other = image_text ("two");
  g_autoptr (GError) error = NULL;
  char name[RP_DIGEST_STRING_SIZE];
  RpDigest second;
  g_auto (RpManifestInfo) info = { 0 };

  push_blob (fixture, "two");
  check_ok (put_to (fixture, REPO, "1.2", NULL, again, &error));
  assert_int_equal (count_events (fixture, "tag.created"), 1);

  assert_false (put_to (fixture, REPO, "1.2", NULL, other, &error));
  assert_int_equal (error->code, RP_ERROR_TAG_IMMUTABLE);
  second = digest_of (other);
  check_contains (error->message, "tag \"1.2\" of shop/web already names");
  check_contains (error->message, rp_digest_format (&first, name));
  check_contains (error->message, rp_digest_format (&second, name));
  check_contains (error->message, "by " ACTOR);
  check_contains (error->message, "push under a new tag, or deploy by digest");
  g_clear_error (&error);

  check_ok (rp_registry_manifest_get (fixture->registry, REPO, "1.2", &info, NULL, &error));
  assert_true (rp_digest_equal (&info.digest, &first));
  check_fails (
      rp_registry_manifest_get (fixture->registry, REPO, name, &info, NULL, &error),
      RP_ERROR_MANIFEST_UNKNOWN);
}

typedef struct {
  Fixture *fixture;
  char *text;
  int won;
  int refused;
} Pusher;

static gpointer
push_tags (gpointer data)
{
  Pusher *pusher = data;

  for (int i = 0; i < 20; i++)
    {
      g_autofree char *tag = g_strdup_printf ("race-%d", i);
      g_autoptr (GError) error = NULL;

      if (put_to (pusher->fixture, REPO, tag, NULL, pusher->text, &error))
        pusher->won++;
      else if (g_error_matches (error, RP_ERROR, RP_ERROR_TAG_IMMUTABLE))
        pusher->refused++;
      else
        g_error ("%s", error->message);
    }
  return NULL;
}

static void
of_two_who_push_one_tag_exactly_one_wins (void **state)
{
  Fixture *fixture = *state;
  Pusher pushers[4];
  GThread *threads[4];
  int won = 0, refused = 0;

  push_blob (fixture, "{}");
  for (int i = 0; i < 4; i++)
    {
      g_autofree char *layer = g_strdup_printf ("layer %d", i);

      push_blob (fixture, layer);
      pushers[i] = (Pusher){ .fixture = fixture, .text = image_text (layer) };
    }
  for (int i = 0; i < 4; i++)
    threads[i] = g_thread_new ("pusher", push_tags, &pushers[i]);
  for (int i = 0; i < 4; i++)
    {
      g_thread_join (threads[i]);
      won += pushers[i].won;
      refused += pushers[i].refused;
      g_free (pushers[i].text);
    }
  assert_int_equal (won, 20);
  assert_int_equal (refused, 60);
  assert_int_equal (count_events (fixture, "tag.created"), 20);
}

static void
lists_come_in_pages (void **state)
{
  Fixture *fixture = *state;
  static const char *const tags[] = { "b", "B", "a.1", "a", "_x" };
  static const struct {
    gint64 limit;
    const char *last;
    const char *names; /* ASCII order */
    gboolean more;
  } cases[] = {
    { -1, NULL, "B _x a a.1 b", FALSE }, { 2, NULL, "B _x", TRUE }, { 2, "_x", "a a.1", TRUE },
    { 2, "a.1", "b", FALSE },            { 5, NULL, "B _x a a.1 b", FALSE },
    { 0, NULL, "", FALSE },              { -1, "a0", "b", FALSE },  { 3, "zz", "", FALSE },
  };
  g_autoptr (GError) error = NULL;
  gboolean more;

  for (gsize i = 0; i < G_N_ELEMENTS (tags); i++)
    push_image (fixture, tags[i], "layer");
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (json_t) list = rp_registry_tags (fixture->registry, REPO, cases[i].limit,
                                                  cases[i].last, &more, &error);
      g_autoptr (GString) names = g_string_new (NULL);
      json_t *name;
      size_t k;

      check_ok (list != NULL);
      assert_string_equal (rp_json_str (list, "name"), REPO);
      json_array_foreach (json_object_get (list, "tags"), k, name)
        g_string_append_printf (names, "%s%s", k ? " " : "", json_string_value (name));
      assert_string_equal (names->str, cases[i].names);
      assert_int_equal (more, cases[i].more);
    }
  check_fails (rp_registry_tags (fixture->registry, OTHER, -1, NULL, &more, &error) != NULL,
               RP_ERROR_NAME_UNKNOWN);
}

static void
the_catalog_lists_repositories (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  g_autoptr (json_t) list = NULL;
  gboolean more = FALSE;

  check_ok (push_blob_to (fixture, "z/z", "layer", &error));
  check_ok (push_blob_to (fixture, "a/a", "layer", &error));
  list = rp_registry_catalog (fixture->registry, 1, NULL, &more, &error);
  check_ok (list != NULL);
  assert_true (more);
  assert_string_equal (
      json_string_value (json_array_get (json_object_get (list, "repositories"), 0)), "a/a");
}

/* ---- referrers ---- */

static RpDigest
push_referrer (Fixture *fixture, const char *tag, const RpDigest *subject, const char *type)
{
  g_autoptr (json_t) object = image ("layer");
  g_autofree char *text = NULL, *name = rp_digest_to_string (subject);

  json_object_set_new (object, "subject",
                       json_pack ("{s:s, s:s, s:i}", "mediaType", RP_MEDIA_OCI_MANIFEST, "digest",
                                  name, "size", 7));
  json_object_set_new (object, "artifactType", json_string (type));
  json_object_set_new (object, "annotations", json_pack ("{s:s}", "note", type));
  text = rp_json_print (object);
  return put (fixture, tag, text);
}

static void
referrers_are_found_by_subject_and_type (void **state)
{
  Fixture *fixture = *state;
  RpDigest subject = push_image (fixture, "1.0", "layer"), nobody = digest_of ("nobody");
  RpDigest signature = push_referrer (fixture, "s", &subject, "x/signature+v1");
  char name[RP_DIGEST_STRING_SIZE];
  const struct {
    const char *repository;
    const RpDigest *subject;
    const char *type;
    gsize count;
  } cases[] = { { REPO, &subject, NULL, 2 },          { REPO, &subject, "x/signature+v1", 1 },
                { REPO, &subject, "x/other", 0 },     { REPO, &nobody, NULL, 0 },
                { OTHER, &subject, NULL, 0 } };

  push_referrer (fixture, "t", &subject, "x/sbom");
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (json_t) index = rp_registry_referrers (
          fixture->registry, cases[i].repository, cases[i].subject, cases[i].type, &error);
      json_t *list = json_object_get (index, "manifests"), *first = json_array_get (list, 0);

      check_ok (index != NULL);
      assert_int_equal (rp_json_int (index, "schemaVersion"), 2);
      assert_string_equal (rp_json_str (index, "mediaType"), RP_MEDIA_OCI_INDEX);
      assert_int_equal (json_array_size (list), cases[i].count);
      if (cases[i].count == 0)
        continue;
      assert_string_equal (rp_json_str (first, "digest"), rp_digest_format (&signature, name));
      assert_string_equal (rp_json_str (first, "artifactType"), "x/signature+v1");
      assert_string_equal (rp_json_str (json_object_get (first, "annotations"), "note"),
                           "x/signature+v1");
    }
}

/* ---- policies and deletion ---- */

static void
configure (Fixture *fixture, const char *pattern, const char *member, const char *value)
{
  g_autoptr (GError) error = NULL;
  json_t *fields = json_pack ("{s:s}", member, value);
  json_t *policy = rp_registry_configure (fixture->registry, pattern, fields, ACTOR, &error);

  json_decref (fields);
  check_ok (policy != NULL);
  json_decref (policy);
}

static void
a_moved_tag_leaves_its_digest_and_its_history (void **state)
{
  Fixture *fixture = *state;
  RpDigest first = push_image (fixture, "latest", "one"), second;
  g_autoptr (GError) error = NULL;
  g_auto (RpManifestInfo) info = { 0 };
  char name[RP_DIGEST_STRING_SIZE];

  configure (fixture, "shop/*", "tag_mutability", "MUTABLE");
  second = push_image (fixture, "latest", "two");
  check_ok (rp_registry_manifest_get (fixture->registry, REPO, "latest", &info, NULL, &error));
  assert_true (rp_digest_equal (&info.digest, &second));
  rp_manifest_info_clear (&info);
  check_ok (rp_registry_manifest_get (fixture->registry, REPO, rp_digest_format (&first, name),
                                      &info, NULL, &error));
  assert_int_equal (count_events (fixture, "tag.created"), 1);
  assert_int_equal (count_events (fixture, "tag.moved"), 1);
}

static void
several_tags_are_given_in_one_step_or_none (void **state)
{
  Fixture *fixture = *state;
  const char *const tags[] = { "free", "taken", NULL };
  const char *const twice[] = { "again", "again", NULL };
  g_autofree char *text = image_text ("two");
  RpDigest digest = digest_of (text);
  g_auto (RpManifestInfo) info = { 0 };
  g_autoptr (GError) error = NULL;

  push_image (fixture, "taken", "one");
  push_blob (fixture, "two");
  check_fails (rp_registry_manifest_put_tags (fixture->registry, REPO, &digest, tags, NULL, text,
                                              strlen (text), ACTOR, &info, &error),
               RP_ERROR_TAG_IMMUTABLE);
  check_fails (rp_registry_manifest_get (fixture->registry, REPO, "free", &info, NULL, &error),
               RP_ERROR_MANIFEST_UNKNOWN);
  check_ok (rp_registry_manifest_put_tags (fixture->registry, REPO, &digest, twice, NULL, text,
                                           strlen (text), ACTOR, &info, &error));
  assert_int_equal (count_events (fixture, "tag.created"), 2);
}

/* Refuses one digest, and says once that it must learn first. */
typedef struct {
  RpDigest needed;
  int prepared;
  int checked;
  gboolean stale;
} Guard;

static gboolean
guard_prepare (gpointer user_data, GError **error)
{
  ((Guard *) user_data)->prepared++;
  return TRUE;
}

static gboolean
guard_check (RpTxn *txn, const RpDigest *digest, gboolean *out_fresh, json_t **out_holder,
             gpointer user_data, GError **error)
{
  Guard *guard = user_data;

  *out_fresh = guard->checked++ > 0 && !guard->stale;
  *out_holder = *out_fresh && rp_digest_equal (digest, &guard->needed)
                    ? json_pack ("{s:s}", "text", "the crown jewels")
                    : NULL;
  return TRUE;
}

static void
what_a_guard_needs_is_not_deleted (void **state)
{
  Fixture *fixture = *state;
  Guard guard = { .needed = push_image (fixture, "1.0", "layer") };
  RpDigest layer = digest_of ("layer");
  g_autoptr (GError) error = NULL;
  g_auto (RpManifestInfo) info = { 0 };
  json_t *detail = NULL;

  rp_registry_set_guard (fixture->registry,
                         &(RpRegistryGuard){ guard_prepare, guard_check, NULL, NULL, &guard });
  assert_false (rp_registry_manifest_delete (fixture->registry, REPO, &guard.needed, ACTOR, &detail,
                                             &error));
  assert_int_equal (error->code, RP_ERROR_PROTECTED);
  check_contains (error->message, "part of the crown jewels");
  assert_non_null (detail);
  json_decref (detail);
  g_clear_error (&error);
  assert_int_equal (guard.prepared, 2);
  check_ok (rp_registry_blob_delete (fixture->registry, REPO, &layer, ACTOR, &detail, &error));
  assert_null (detail);

  guard.stale = TRUE; /* never knows enough: better not */
  check_fails (rp_registry_manifest_delete (fixture->registry, REPO, &guard.needed, ACTOR, &detail,
                                            &error),
               RP_ERROR_BUSY);
  check_ok (rp_registry_tag_delete (fixture->registry, REPO, "1.0", ACTOR, &error));
  check_fails (rp_registry_manifest_get (fixture->registry, REPO, "1.0", &info, NULL, &error),
               RP_ERROR_MANIFEST_UNKNOWN);
}

static void
what_is_deleted_can_be_pushed_again (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  json_t *detail = NULL;

  for (int round = 0; round < 3; round++)
    {
      RpDigest root = push_image (fixture, "1.0", "layer"), layer = digest_of ("layer");
      g_autoptr (RpClosure) closure
          = rp_registry_closure (fixture->registry, REPO, &root, &error);
      g_auto (RpManifestInfo) info = { 0 };
      guint64 size;

      check_ok (closure != NULL);
      check_ok (rp_registry_manifest_delete (fixture->registry, REPO, &root, ACTOR, &detail,
                                             &error));
      check_ok (rp_registry_blob_delete (fixture->registry, REPO, &layer, ACTOR, &detail, &error));
      check_fails (rp_registry_manifest_get (fixture->registry, REPO, "1.0", &info, NULL, &error),
                   RP_ERROR_MANIFEST_UNKNOWN);
      check_fails (rp_registry_blob_stat (fixture->registry, REPO, &layer, &size, &error),
                   RP_ERROR_BLOB_UNKNOWN);
      check_fails (rp_registry_blob_delete (fixture->registry, REPO, &layer, ACTOR, &detail, &error),
                   RP_ERROR_BLOB_UNKNOWN);
    }
  assert_int_equal (count_events (fixture, "manifest.deleted"), 3);
  configure (fixture, REPO, "deletion", "deny");
  push_image (fixture, "1.0", "layer");
  check_fails (rp_registry_tag_delete (fixture->registry, REPO, "1.0", ACTOR, &error),
               RP_ERROR_UNSUPPORTED);
}

/* ---- digests by their beginning ---- */

/* Pushes images until two of their digests begin with the same four digits. */
static char *
push_a_collision (Fixture *fixture)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  push_blob (fixture, "{}");
  push_blob (fixture, "layer");
  for (int i = 0;; i++)
    {
      g_autoptr (json_t) object = image ("layer");
      g_autofree char *text = NULL, *name = NULL, *prefix = NULL;
      const char *other;
      RpDigest digest;

      json_object_set_new (object, "n", json_integer (i));
      text = rp_json_print (object);
      digest = digest_of (text);
      name = rp_digest_to_string (&digest);
      prefix = g_strndup (name + 7, 4);
      other = g_hash_table_lookup (seen, prefix);
      if (other)
        {
          put (fixture, "first", other);
          put (fixture, "second", text);
          return g_steal_pointer (&prefix);
        }
      g_hash_table_insert (seen, g_steal_pointer (&prefix), g_steal_pointer (&text));
    }
}

static void
R24_an_ambiguous_digest_prefix_is_refused (void **state)
{
  Fixture *fixture = *state;
  g_autofree char *prefix = push_a_collision (fixture);
  g_autofree char *full_prefix = g_strconcat ("sha256:", prefix, NULL);
  g_autoptr (GError) error = NULL;
  g_auto (RpManifestInfo) info = { 0 };
  char name[RP_DIGEST_STRING_SIZE];
  RpDigest found;

  assert_false (rp_registry_find_digest (fixture->registry, prefix, &found, &error));
  assert_int_equal (error->code, RP_ERROR_AMBIGUOUS);
  g_clear_error (&error);
  check_ok (rp_registry_manifest_get (fixture->registry, REPO, "second", &info, NULL, &error));
  rp_digest_format (&info.digest, name);
  assert_false (rp_registry_find_digest (fixture->registry, full_prefix, &found, &error));
  check_contains (error->message, name);
  check_contains (error->message, REPO);
  g_clear_error (&error);

  check_ok (rp_registry_find_digest (fixture->registry, name, &found, &error));
  assert_true (rp_digest_equal (&found, &info.digest));
  for (gsize i = 7; name[i]; i++)
    name[i] = g_ascii_toupper (name[i]);
  check_ok (rp_registry_find_digest (fixture->registry, name + 7, &found, &error));
  assert_true (rp_digest_equal (&found, &info.digest));
}

static void
other_digest_prefixes_are_told_apart (void **state)
{
  Fixture *fixture = *state;
  static const struct {
    const char *prefix;
    int code;
  } cases[] = { { "abc", RP_ERROR_INVALID },          { "", RP_ERROR_INVALID },
                { "wxyz", RP_ERROR_INVALID },         { "sha256:", RP_ERROR_INVALID },
                { "md5:abcdef", RP_ERROR_INVALID },   { "ab%d", RP_ERROR_INVALID },
                { "0123456789abcdef", RP_ERROR_NOT_FOUND } };
  RpDigest found;

  push_image (fixture, "1.0", "layer");
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      check_fails (rp_registry_find_digest (fixture->registry, cases[i].prefix, &found, &error),
                   cases[i].code);
    }
}

static void
where_tells_repositories_and_tags (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  RpDigest manifest = push_image (fixture, "1.0", "layer"), layer = digest_of ("layer");
  g_autofree char *text = image_text ("layer");
  g_autoptr (json_t) of_manifest = NULL, of_layer = NULL;
  json_t *place;

  put (fixture, "stable", text);
  check_ok (push_blob_to (fixture, OTHER, "layer", &error));
  of_manifest = rp_registry_where (fixture->registry, &manifest, &error);
  check_ok (of_manifest != NULL);
  assert_int_equal (json_array_size (of_manifest), 1);
  place = json_array_get (of_manifest, 0);
  assert_string_equal (rp_json_str (place, "repository"), REPO);
  assert_string_equal (rp_json_str (place, "media_type"), RP_MEDIA_OCI_MANIFEST);
  assert_int_equal (json_array_size (json_object_get (place, "tags")), 2);
  of_layer = rp_registry_where (fixture->registry, &layer, &error);
  check_ok (of_layer != NULL);
  assert_int_equal (json_array_size (of_layer), 2);
}

/* ---- the whole, and what can be wrong with it ---- */

/* An index of two images with a layer each: `one` and `two`, and their config. */
static RpDigest
push_index (Fixture *fixture)
{
  g_autofree char *one = image_text ("one"), *two = image_text ("two"), *text = NULL;
  g_autoptr (json_t) index = NULL;

  push_image (fixture, "one", "one");
  push_image (fixture, "two", "two");
  index = json_pack ("{s:i, s:s, s:[o,o]}", "schemaVersion", 2, "mediaType", RP_MEDIA_OCI_INDEX,
                     "manifests", descriptor (RP_MEDIA_OCI_MANIFEST, one),
                     descriptor (RP_MEDIA_OCI_MANIFEST, two));
  text = rp_json_print (index);
  return put (fixture, "index", text);
}

static void
a_closure_is_walked (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  RpDigest root = push_index (fixture), nobody = digest_of ("nobody");
  g_autoptr (RpClosure) closure = rp_registry_closure (fixture->registry, REPO, &root, &error);

  check_ok (closure != NULL);
  assert_int_equal (closure->items->len, 6);
  check_fails (rp_registry_closure (fixture->registry, REPO, &nobody, &error) != NULL,
               RP_ERROR_MANIFEST_UNKNOWN);
}

static void
verify_with (Fixture *fixture, const RpDigest *root, RpVerifyMode mode, RpVerifyReport *out)
{
  g_autoptr (GError) error = NULL;

  check_ok (rp_registry_verify (fixture->registry, REPO, root, mode, out, &error));
}

static void
a_whole_artifact_verifies (void **state)
{
  Fixture *fixture = *state;
  RpDigest root = push_index (fixture);
  RpVerifyMode modes[] = { RP_VERIFY_PRESENT, RP_VERIFY_HASH, RP_VERIFY_PRESENT };
  gint64 last = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (modes); i++)
    {
      g_auto (RpVerifyReport) report = { 0 };

      verify_with (fixture, &root, modes[i], &report);
      assert_int_equal (report.problems->len, 0);
      assert_int_equal (report.blobs, 6);
      assert_true (report.oldest_verified_at_us > 0);
      assert_true (report.oldest_verified_at_us >= last);
      last = report.oldest_verified_at_us;
    }
}

typedef void (*Harm) (Fixture *fixture, const RpDigest *digest);

/* R08: rotted bytes are found by hashing; R09: missing ones by looking. */
static const struct {
  const char *name;
  Harm harm;
  const char *victim; /* a blob; NULL: the manifest of the image `two` */
  RpVerifyMode mode;
  const char *problem; /* NULL: cannot be seen in this mode */
  gint64 events;
} harms[] = {
  { "R08 flipped layer, hashed", flip_a_byte, "two", RP_VERIFY_HASH, "damaged", 1 },
  { "R08 flipped layer, looked at", flip_a_byte, "two", RP_VERIFY_PRESENT, NULL, 0 },
  { "R08 flipped config", flip_a_byte, "{}", RP_VERIFY_HASH, "damaged", 1 },
  { "R08 flipped manifest", flip_a_byte, NULL, RP_VERIFY_PRESENT, "damaged", 1 },
  { "R08 cut layer", cut_a_byte, "two", RP_VERIFY_PRESENT, "damaged", 1 },
  { "R08 cut manifest", cut_a_byte, NULL, RP_VERIFY_HASH, "damaged", 1 },
  { "R09 missing layer", lose, "two", RP_VERIFY_PRESENT, "missing", 0 },
  { "R09 missing layer, hashed", lose, "two", RP_VERIFY_HASH, "missing", 0 },
  { "R09 missing config", lose, "{}", RP_VERIFY_PRESENT, "missing", 0 },
  { "R09 missing manifest", lose, NULL, RP_VERIFY_PRESENT, "missing", 0 },
};

static void
push_again (Fixture *fixture, const char *victim, const char *manifest)
{
  if (victim)
    push_blob (fixture, victim);
  else
    put (fixture, "two", manifest);
}

static void
check_harm (Fixture *fixture, gsize i)
{
  g_autofree char *manifest = image_text ("two");
  RpDigest root = push_index (fixture);
  RpDigest victim = digest_of (harms[i].victim ? harms[i].victim : manifest);
  g_auto (RpVerifyReport) report = { 0 }, healed = { 0 };
  char name[RP_DIGEST_STRING_SIZE];

  harms[i].harm (fixture, &victim);
  verify_with (fixture, &root, harms[i].mode, &report);
  if (report.problems->len != (harms[i].problem ? 1 : 0))
    fail_msg ("%s: %u problems", harms[i].name, report.problems->len);
  assert_int_equal (count_events (fixture, "blob.damaged"), harms[i].events);
  if (!harms[i].problem)
    return;
  check_contains (g_ptr_array_index (report.problems, 0), harms[i].problem);
  check_contains (g_ptr_array_index (report.problems, 0), rp_digest_format (&victim, name));

  push_again (fixture, harms[i].victim, manifest);
  verify_with (fixture, &root, RP_VERIFY_HASH, &healed);
  assert_int_equal (healed.problems->len, 0);
}

static void
R08_R09_rotted_and_missing_bytes_are_found_and_healed (void **state)
{
  for (gsize i = 0; i < G_N_ELEMENTS (harms); i++)
    {
      void *inner = NULL;

      setup (&inner);
      check_harm (inner, i);
      teardown (&inner);
    }
}

static void
every_problem_is_told_at_once (void **state)
{
  Fixture *fixture = *state;
  RpDigest root = push_index (fixture), one = digest_of ("one"), two = digest_of ("two");
  RpDigest config = digest_of ("{}");
  g_auto (RpVerifyReport) report = { 0 };

  lose (fixture, &one);
  flip_a_byte (fixture, &two);
  cut_a_byte (fixture, &config);
  verify_with (fixture, &root, RP_VERIFY_HASH, &report);
  assert_int_equal (report.problems->len, 3);
  assert_int_equal (report.oldest_verified_at_us, 0);
}

static void
damaged_bytes_are_never_served (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  RpDigest manifest = push_image (fixture, "1.0", "layer"), layer = digest_of ("layer");
  g_auto (RpManifestInfo) info = { 0 };
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *text = image_text ("layer");
  guint64 size;

  flip_a_byte (fixture, &manifest);
  check_fails (rp_registry_manifest_get (fixture->registry, REPO, "1.0", &info, &bytes, &error),
               RP_ERROR_CORRUPT);
  check_fails (rp_registry_manifest_get (fixture->registry, REPO, "1.0", &info, &bytes, &error),
               RP_ERROR_MANIFEST_UNKNOWN);
  check_fails (rp_registry_manifest_get (fixture->registry, REPO, "1.0", &info, NULL, &error),
               RP_ERROR_MANIFEST_UNKNOWN);
  assert_int_equal (count_events (fixture, "blob.damaged"), 1);

  cut_a_byte (fixture, &layer);
  check_fails (rp_registry_blob_open (fixture->registry, REPO, &layer, &size, &error) >= 0,
               RP_ERROR_BLOB_UNKNOWN);
  check_fails (rp_registry_blob_stat (fixture->registry, REPO, &layer, &size, &error),
               RP_ERROR_BLOB_UNKNOWN);
  check_fails (put_to (fixture, REPO, "1.0", NULL, text, &error), RP_ERROR_MANIFEST_BLOB_UNKNOWN);

  push_blob (fixture, "layer");
  check_ok (put_to (fixture, REPO, "1.0", NULL, text, &error));
  check_ok (rp_registry_manifest_get (fixture->registry, REPO, "1.0", &info, &bytes, &error));
  assert_int_equal (count_events (fixture, "blob.added"), 3);
  assert_int_equal (count_events (fixture, "manifest.added"), 2);
  assert_int_equal (count_events (fixture, "tag.created"), 1);
}

static void
a_rebuild_keeps_what_was_observed (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  RpDigest root = push_index (fixture);
  g_auto (RpVerifyReport) before = { 0 }, after = { 0 };
  RpLedgerReport report;

  verify_with (fixture, &root, RP_VERIFY_PRESENT, &before);
  check_ok (rp_ledger_rebuild (fixture->ledger, &report, &error));
  close_all (fixture);
  open_all (fixture);
  verify_with (fixture, &root, RP_VERIFY_PRESENT, &after);
  assert_int_equal (after.problems->len, 0);
  assert_true (before.oldest_verified_at_us > 0);
  assert_int_equal (after.oldest_verified_at_us, before.oldest_verified_at_us);
}

/* ---- threads ---- */

static gpointer
push_and_read (gpointer data)
{
  Fixture *fixture = data;

  for (int i = 0; i < 15; i++)
    {
      g_autofree char *text = g_strdup_printf ("blob %d of %p", i, (void *)g_thread_self ());
      g_autoptr (GError) error = NULL;
      RpDigest digest = digest_of (text);
      guint64 size;

      if (!push_blob_to (fixture, REPO, text, &error)
          || !push_blob_to (fixture, REPO, "shared", &error)
          || !rp_registry_blob_stat (fixture->registry, REPO, &digest, &size, &error))
        g_error ("%s", error->message);
    }
  return NULL;
}

static gpointer
damage_and_verify (gpointer data)
{
  Fixture *fixture = data;
  g_autofree char *manifest = image_text ("shared");
  RpDigest root = digest_of (manifest), shared = digest_of ("shared");
  g_autofree char *path = blob_path (fixture, &shared);

  for (int i = 0; i < 15; i++)
    {
      g_auto (RpVerifyReport) report = { 0 };
      g_autoptr (GError) error = NULL;

      /* Gone where it was quarantined and nobody has pushed it since. */
      if ((chmod (path, 0600) != 0 || truncate (path, 3) != 0) && errno != ENOENT)
        g_error ("truncate: %s", g_strerror (errno));
      if (!rp_registry_verify (fixture->registry, REPO, &root, RP_VERIFY_HASH, &report, &error))
        g_error ("%s", error->message);
    }
  return NULL;
}

/* A copy that was just pushed is never taken for the bad one that it replaced. */
static void
damage_and_pushes_do_not_get_in_each_others_way (void **state)
{
  Fixture *fixture = *state;
  GThread *threads[4];
  RpDigest root = push_image (fixture, "shared", "shared");
  g_auto (RpVerifyReport) report = { 0 };

  threads[0] = g_thread_new ("damage", damage_and_verify, fixture);
  for (int i = 1; i < 4; i++)
    threads[i] = g_thread_new ("push", push_and_read, fixture);
  for (int i = 0; i < 4; i++)
    g_thread_join (threads[i]);
  push_blob (fixture, "shared");
  verify_with (fixture, &root, RP_VERIFY_HASH, &report);
  assert_int_equal (report.problems->len, 0);
}

/* ---- opening ---- */

static gboolean
add_many (RpTxn *txn, gpointer user_data, GError **error)
{
  Fixture *fixture = user_data;

  for (int i = 0; i < 4000; i++)
    {
      g_autofree char *name = g_strdup_printf ("%d", i);
      RpDigest digest = digest_of (name);
      char text[RP_DIGEST_STRING_SIZE];
      g_autoptr (json_t) body = json_pack ("{s:s, s:s, s:i}", "repository", REPO, "digest",
                                           rp_digest_format (&digest, text), "size", 1);

      if (!rp_ledger_append (fixture->ledger, txn, ACTOR, "blob.added", body, NULL, error))
        return FALSE;
    }
  return TRUE;
}

/* Whatever there is: a start must not wait for it. */
static void
opening_does_not_read_the_memberships (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  int pages = 0, most = 0;

  check_ok (rp_db_write (fixture->db, add_many, fixture, &error));
  g_autofree char *path = g_build_filename (fixture->dir, "repoint.db", NULL);
  g_autoptr (RpConnection) connection = rp_connection_open (path, RP_CONNECTION_WRITE, &error);
  check_ok (connection != NULL);
  check_ok (rp_connection_script (connection, rp_registry_projector.schema, &error));
  assert_int_equal (
      sqlite3_db_status (connection->handle, SQLITE_DBSTATUS_CACHE_MISS, &pages, &most, FALSE), SQLITE_OK);
  assert_true (pages > 0);
  assert_true (pages < 40); /* the memberships alone fill hundreds */
}

#define WITH(test) cmocka_unit_test_setup_teardown (test, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    WITH (a_blob_belongs_to_its_repository),
    WITH (a_blob_is_recorded_once),
    WITH (a_wrong_digest_is_not_recorded),
    WITH (blobs_are_mounted_from_where_they_are),
    WITH (a_manifest_comes_back_byte_for_byte),
    WITH (unknown_manifests_are_told_with_what_there_is),
    WITH (good_manifests_are_taken_and_bad_ones_refused),
    WITH (all_that_is_missing_is_named),
    WITH (blobs_of_another_repository_do_not_count),
    WITH (too_large_a_manifest_is_refused),
    WITH (R01_a_tag_is_written_once),
    WITH (of_two_who_push_one_tag_exactly_one_wins),
    WITH (lists_come_in_pages),
    WITH (the_catalog_lists_repositories),
    WITH (referrers_are_found_by_subject_and_type),
    WITH (a_moved_tag_leaves_its_digest_and_its_history),
    WITH (several_tags_are_given_in_one_step_or_none),
    WITH (what_a_guard_needs_is_not_deleted),
    WITH (what_is_deleted_can_be_pushed_again),
    WITH (R24_an_ambiguous_digest_prefix_is_refused),
    WITH (other_digest_prefixes_are_told_apart),
    WITH (where_tells_repositories_and_tags),
    WITH (a_closure_is_walked),
    WITH (a_whole_artifact_verifies),
    WITH (opening_does_not_read_the_memberships),
    cmocka_unit_test (R08_R09_rotted_and_missing_bytes_are_found_and_healed),
    WITH (every_problem_is_told_at_once),
    WITH (damaged_bytes_are_never_served),
    WITH (a_rebuild_keeps_what_was_observed),
    WITH (damage_and_pushes_do_not_get_in_each_others_way),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
