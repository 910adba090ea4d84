/* A registry on a directory of its own, and what tests push into it. After each test its tables must be
 * what its events make. */
#pragma once

#include "check.h"

#include "base/file.h"
#include "base/json.h"
#include "registry/registry.h"

#define REPO  "shop/web"
#define OTHER "shop/worker"
#define ACTOR "ada@host"
#define LAYER "application/vnd.oci.image.layer.v1.tar"

typedef struct {
  char *dir;
  RpStore *store;
  RpDb *db;
  RpLedger *ledger;
  RpRegistry *registry;
  gboolean faulty; /* the store can be made to fail: store/fault.h */
} Fixture;

static const RpProjector *const projectors[] = { &rp_registry_projector, NULL };

static inline void
open_all (Fixture *fixture)
{
  g_autofree char *path = g_build_filename (fixture->dir, "repoint.db", NULL);
  g_autoptr (GError) error = NULL;

  g_autofree char *url = g_strconcat (fixture->faulty ? "fault:0:failed:" : "", "fs:", fixture->dir, NULL);
  fixture->store = rp_store_open (url, &error);
  check_ok (fixture->store != NULL);
  fixture->db = rp_db_open (path, &error);
  check_ok (fixture->db != NULL);
  fixture->ledger = rp_ledger_open (fixture->db, projectors, &error);
  check_ok (fixture->ledger != NULL);
  fixture->registry = rp_registry_new (fixture->store, fixture->ledger);
}

static inline void
close_all (Fixture *fixture)
{
  rp_registry_free (fixture->registry);
  rp_ledger_close (fixture->ledger);
  rp_db_close (fixture->db);
  rp_store_close (fixture->store);
}

static inline int
setup (void **state)
{
  Fixture *fixture = g_new0 (Fixture, 1);

  fixture->dir = g_dir_make_tmp ("repoint-registry-XXXXXX", NULL);
  open_all (fixture);
  *state = fixture;
  return 0;
}

/* Whatever a test did, the tables must be what the events make. */
static inline int
teardown (void **state)
{
  Fixture *fixture = *state;
  g_autoptr (GError) error = NULL;
  RpLedgerReport report;
  gboolean removed;

  check_ok (rp_ledger_verify (fixture->ledger, 0, NULL, &report, &error));
  close_all (fixture);
  removed = rp_dir_remove (fixture->dir, NULL);
  g_free (fixture->dir);
  g_free (fixture);
  return removed ? 0 : -1;
}

/* ---- pushing ---- */

static inline RpDigest
digest_of (const char *text)
{
  return rp_digest_of (RP_DIGEST_SHA256, text, strlen (text));
}

static inline gboolean
push_blob_to (Fixture *fixture, const char *repository, const char *text, GError **error)
{
  RpDigest digest = digest_of (text);
  g_autoptr (RpUpload) upload = rp_upload_new (fixture->store, repository, error);

  return upload && rp_upload_append (upload, text, strlen (text), error)
         && rp_registry_blob_commit (fixture->registry, repository, upload, &digest, ACTOR, error);
}

static inline RpDigest
push_blob (Fixture *fixture, const char *text)
{
  g_autoptr (GError) error = NULL;

  check_ok (push_blob_to (fixture, REPO, text, &error));
  return digest_of (text);
}

static inline json_t *
descriptor (const char *media_type, const char *text)
{
  RpDigest digest = digest_of (text);
  char name[RP_DIGEST_STRING_SIZE];

  return json_pack ("{s:s, s:s, s:I}", "mediaType", media_type, "digest",
                    rp_digest_format (&digest, name), "size", (json_int_t)strlen (text));
}

/* An image of config `{}` and one layer `layer`. */
static inline json_t *
image (const char *layer)
{
  return json_pack ("{s:i, s:s, s:o, s:[o]}", "schemaVersion", 2, "mediaType",
                    RP_MEDIA_OCI_MANIFEST, "config",
                    descriptor ("application/vnd.oci.image.config.v1+json", "{}"), "layers",
                    descriptor (LAYER, layer));
}

static inline char *
image_text (const char *layer)
{
  g_autoptr (json_t) object = image (layer);

  return rp_json_print (object);
}

static inline gboolean
put_to (Fixture *fixture, const char *repository, const char *reference, const char *media_type,
        const char *text, GError **error)
{
  g_auto (RpManifestInfo) info = { 0 };

  return rp_registry_manifest_put (fixture->registry, repository, reference, media_type, text,
                                   strlen (text), ACTOR, &info, error);
}

static inline RpDigest
put (Fixture *fixture, const char *tag, const char *text)
{
  g_autoptr (GError) error = NULL;

  check_ok (put_to (fixture, REPO, tag, NULL, text, &error));
  return digest_of (text);
}

/* Config, layer and manifest. */
static inline RpDigest
push_image (Fixture *fixture, const char *tag, const char *layer)
{
  g_autofree char *text = image_text (layer);

  push_blob (fixture, "{}");
  push_blob (fixture, layer);
  return put (fixture, tag, text);
}

static inline gint64
count_events (Fixture *fixture, const char *kind)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (json_t) list = rp_ledger_list (fixture->ledger, 0, 10000, kind, &error);

  check_ok (list != NULL);
  return (gint64)json_array_size (json_object_get (list, "events"));
}

static inline char *
blob_path (Fixture *fixture, const RpDigest *digest)
{
  g_autofree char *text = rp_digest_to_string (digest);
  g_autofree char *prefix = g_strndup (text + 7, 2);

  return g_build_filename (fixture->dir, "blobs", "sha256", prefix, text + 7, NULL);
}
