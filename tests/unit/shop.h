/* A shop to try the engine on: mem store, :memory: database, registry, engine, images made on the
 * spot. */
#pragma once

#include "check.h"

#include "base/json.h"
#include "release/app.h"
#include "release/engine.h"
#include "release/hold.h"
#include "release/move.h"
#include "release/plan.h"
#include "release/report.h"

typedef struct
{
  RpDb *db;
  RpLedger *ledger;
  RpStore *store;
  RpRegistry *registry;
  RpEngine *engine;
  guint reports;
} Shop;

static const RpProjector *const shop_projectors[]
    = { &rp_registry_projector, &rp_release_projector, NULL };

/* One component `web`, two environments; `targets` of each. */
static const char shop_yaml[] = "app: shop\n"
                                "components:\n"
                                "  web: {repository: shop/web}\n"
                                "environments:\n"
                                "  - name: staging\n"
                                "    targets: [{name: web-1, component: web}]\n"
                                "  - name: production\n"
                                "    window: 2\n"
                                "    on_failure: rollback\n"
                                "    targets: [{name: web-1, component: web}]\n";

static inline void
shop_apply (Shop *shop, const char *yaml)
{
  GError *error = NULL;
  GPtrArray *changes = NULL;
  gint64 seq;
  RpApp *app = rp_app_parse (yaml, strlen (yaml), "repoint.yaml", &error);
  check_ok (app != NULL);
  check_ok (rp_app_apply (shop->engine, app, "tester@host", &changes, &seq, &error));
  g_ptr_array_unref (changes);
  rp_app_free (app);
}

static inline Shop *
shop_open_at (const char *database)
{
  GError *error = NULL;
  Shop *shop = g_new0 (Shop, 1);
  shop->store = rp_store_open ("mem:", &error);
  check_ok (shop->store != NULL);
  shop->db = rp_db_open (database, &error);
  check_ok (shop->db != NULL);
  shop->ledger = rp_ledger_open (shop->db, shop_projectors, &error);
  check_ok (shop->ledger != NULL);
  shop->registry = rp_registry_new (shop->store, shop->ledger);
  shop->engine = rp_engine_new (shop->registry, shop->ledger);
  shop_apply (shop, shop_yaml);
  return shop;
}

static inline Shop *
shop_open (void)
{
  return shop_open_at (":memory:");
}

/* Every test ends by proving the ledger and its projections. */
static inline void
shop_close (Shop *shop)
{
  GError *error = NULL;
  RpLedgerReport report;
  check_ok (rp_ledger_verify (shop->ledger, 0, NULL, &report, &error));
  rp_engine_free (shop->engine);
  rp_registry_free (shop->registry);
  rp_ledger_close (shop->ledger);
  rp_db_close (shop->db);
  rp_store_close (shop->store);
  g_free (shop);
}

static inline RpDigest
shop_push_blob (Shop *shop, const char *repository, const char *text)
{
  GError *error = NULL;
  RpDigest digest = rp_digest_of (RP_DIGEST_SHA256, text, strlen (text));
  RpUpload *upload = rp_upload_new (shop->store, repository, &error);
  check_ok (upload != NULL);
  check_ok (rp_upload_append (upload, text, strlen (text), &error));
  check_ok (
      rp_registry_blob_commit (shop->registry, repository, upload, &digest, "tester@host", &error));
  rp_upload_close (upload);
  return digest;
}

/* An image whose one layer is `content`, under `tag`. */
static inline RpDigest
shop_push (Shop *shop, const char *repository, const char *tag, const char *content)
{
  GError *error = NULL;
  RpManifestInfo info = { 0 };
  char config_digest[RP_DIGEST_STRING_SIZE];
  char layer_digest[RP_DIGEST_STRING_SIZE];
  RpDigest config = shop_push_blob (shop, repository, "{}");
  RpDigest layer = shop_push_blob (shop, repository, content);
  json_t *manifest = json_pack (
      "{sisss{sssssI}s[{sssssI}]}", "schemaVersion", 2, "mediaType", RP_MEDIA_OCI_MANIFEST,
      "config", "mediaType", "application/vnd.oci.image.config.v1+json", "digest",
      rp_digest_format (&config, config_digest), "size", (json_int_t)2, "layers", "mediaType",
      "application/vnd.oci.image.layer.v1.tar", "digest", rp_digest_format (&layer, layer_digest),
      "size", (json_int_t) strlen (content));
  char *text = json_dumps (manifest, JSON_COMPACT);
  json_decref (manifest);
  check_ok (rp_registry_manifest_put (shop->registry, repository, tag, RP_MEDIA_OCI_MANIFEST, text,
                                      strlen (text), "tester@host", &info, &error));
  RpDigest digest = info.digest;
  rp_manifest_info_clear (&info);
  free (text);
  return digest;
}

static inline RpRelease *
shop_try_release (Shop *shop, const char *version, const char *commit, const char *reference,
                  gboolean *out_created, GError **error)
{
  GArray *components = g_array_new (FALSE, FALSE, sizeof (RpWantedComponent));
  RpWantedComponent web = { "web", reference };
  g_array_append_val (components, web);
  RpReleaseRequest request = { .app = "shop",
                               .version = version,
                               .commit = commit,
                               .components = components,
                               .actor = "tester@host" };
  RpRelease *release = rp_release_create (shop->engine, &request, out_created, error);
  g_array_unref (components);
  return release;
}

/* Pushes an image of its own and makes it a release. */
static inline gint64
shop_release (Shop *shop, const char *version)
{
  GError *error = NULL;
  gboolean created;
  char *commit = g_strconcat ("c0ffee-", version, NULL);
  (void) shop_push (shop, "shop/web", version, version);
  RpRelease *release = shop_try_release (shop, version, commit, version, &created, &error);
  check_ok (release != NULL);
  gint64 number = release->number;
  rp_release_free (release);
  g_free (commit);
  return number;
}

static inline RpRevision *
shop_try_move (Shop *shop, const char *environment, RpRevisionKind kind, const char *release,
               gint64 to_revision, gint64 expected, GError **error)
{
  gboolean created;
  RpMoveRequest request = { .app = "shop",
                            .environment = environment,
                            .kind = kind,
                            .release = release,
                            .to_revision = to_revision,
                            .expected_revision = expected,
                            .actor = "tester@host" };
  return rp_revision_move (shop->engine, &request, &created, error);
}

/* The number of the new revision. */
static inline gint64
shop_move (Shop *shop, const char *environment, RpRevisionKind kind, const char *release)
{
  GError *error = NULL;
  RpRevision *revision
      = shop_try_move (shop, environment, kind, release, 0, RP_ANY_REVISION, &error);
  check_ok (revision != NULL);
  gint64 number = revision->number;
  rp_revision_free (revision);
  return number;
}

/* What a rollback left is held; somebody says that it may go again. */
static inline void
shop_unhold (Shop *shop, const char *environment, const char *release)
{
  GError *error = NULL;
  RpReleaseHoldRequest request
      = { "shop", environment, release, "it was something else", "tester@host" };
  RpReleaseHold *hold = rp_release_hold_lift (shop->engine, &request, &error);
  check_ok (hold != NULL);
  rp_release_hold_free (hold);
}

static inline RpReport
shop_make_report (Shop *shop, const char *environment, gint64 revision, RpTargetPhase phase)
{
  static char ids[64][32]; /* a report stays good for as many more */
  char *id = ids[++shop->reports % G_N_ELEMENTS (ids)];
  g_snprintf (id, sizeof ids[0], "host-1:%u", shop->reports);
  return (RpReport){ .app = "shop",
                     .environment = environment,
                     .target = "web-1",
                     .id = id,
                     .agent = "host-1",
                     .driver = "dir",
                     .revision = revision,
                     .phase = phase,
                     .message = rp_target_phase_name (phase),
                     .at = "2026-11-24T14:05:09.123Z" };
}

static inline void
shop_take (Shop *shop, const RpReport *report)
{
  GError *error = NULL;
  gint64 seq;
  gint64 pointer;
  check_ok (rp_report_take (shop->engine, report, &seq, &pointer, &error));
}

static inline void
shop_report (Shop *shop, const char *environment, gint64 revision, RpTargetPhase phase)
{
  RpReport report = shop_make_report (shop, environment, revision, phase);
  shop_take (shop, &report);
}

/* Deploys and has its target confirm. */
static inline gint64
shop_run (Shop *shop, const char *environment, const char *release)
{
  gint64 number = shop_move (shop, environment, RP_KIND_DEPLOY, release);
  shop_report (shop, environment, number, RP_PHASE_CONFIRMED);
  return number;
}

static inline RpRevision *
shop_revision (Shop *shop, const char *environment, gint64 number)
{
  GError *error = NULL;
  RpRevision *revision = rp_revision_get (shop->engine, "shop", environment, number, &error);
  check_ok (revision != NULL);
  return revision;
}
