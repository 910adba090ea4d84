/* Pushing to registries that fail, and in the order that leaves nothing half there. */
#include "check.h"

#include "http_peer.h"
#include "oci/push.h"

#include <jansson.h>

#define TYPE_CONFIG "application/vnd.oci.empty.v1+json"
#define TYPE_LAYER  "application/octet-stream"
#define LAYER_BYTES 50000

typedef struct
{
  const char *on; /* `PUT /v2/to/manifests`: the beginning of requests that it strikes */
  int status;     /* 0: no answer */
  int times;
  const char *headers;
} Fault;

typedef struct
{
  Peer *peer;
  Fault fault;
  GMutex lock;
  GHashTable *blobs;     /* digest */
  GHashTable *elsewhere; /* digest: to mount */
  GString *log;          /* `PUT manifests/1 201 ` … */
  gboolean absolute;     /* upload addresses with a host in them */
  RpStore *store;
  RpOciClient *client;
  RpDigest layer;
  RpDigest image;
  guint opened;
} World;

/* ---- the registry ---- */

static void
answer_upload (World *world, const PeerRequest *request, PeerReply *reply, char *headers,
               gsize room)
{
  const char *mount = strstr (request->path, "mount=");
  g_autofree char *digest = mount ? g_strndup (mount + 6, strcspn (mount + 6, "&")) : NULL;
  reply->status = 202;
  if (digest && g_hash_table_contains (world->elsewhere, digest))
    {
      reply->status = 201;
      g_hash_table_add (world->blobs, g_steal_pointer (&digest));
      return;
    }
  if (world->absolute)
    g_snprintf (headers, room, "Location: http://127.0.0.1:%u/up?session=1\r\n", world->peer->port);
  else
    g_snprintf (headers, room, "Location: /up\r\n");
  reply->headers = headers;
}

static void
answer_put (World *world, const PeerRequest *request, PeerReply *reply)
{
  RpDigest found = rp_digest_of (RP_DIGEST_SHA256, request->body->data, request->body->len);
  g_autofree char *text = rp_digest_to_string (&found);
  const char *claimed = strstr (request->path, "digest=");
  if (claimed == NULL)
    reply->status = 201; /* a manifest */
  else if (!g_str_equal (claimed + 7, text))
    reply->status = 400;
  else
    {
      reply->status = 201;
      g_hash_table_add (world->blobs, g_steal_pointer (&text));
    }
}

static void
answer (const PeerRequest *request, PeerReply *reply, gpointer user_data)
{
  static char headers[256]; /* one request at a time */
  World *world = user_data;
  g_autofree char *line = g_strconcat (request->method, " ", request->path, NULL);
  const char *last = strrchr (request->path, '/') + 1;
  g_mutex_lock (&world->lock);
  if (world->fault.times > 0 && g_str_has_prefix (line, world->fault.on))
    {
      world->fault.times--;
      reply->status = world->fault.status;
      reply->headers = world->fault.headers;
    }
  else if (g_str_equal (request->method, "HEAD"))
    reply->status = g_hash_table_contains (world->blobs, last) ? 200 : 404;
  else if (g_str_equal (request->method, "POST"))
    answer_upload (world, request, reply, headers, sizeof headers);
  else
    answer_put (world, request, reply);
  g_string_append_printf (world->log, "%s %.10s %d\n", request->method, last, reply->status);
  g_mutex_unlock (&world->lock);
}

/* ---- the world ---- */

static json_t *
describe (const RpDigest *digest, const char *type, json_int_t size)
{
  char text[RP_DIGEST_STRING_SIZE];
  return json_pack ("{s:s,s:s,s:I}", "mediaType", type, "digest", rp_digest_format (digest, text),
                    "size", size);
}

static RpDigest
put (World *world, const char *data, gsize size)
{
  GError *error = NULL;
  RpDigest digest = rp_digest_of (RP_DIGEST_SHA256, data, size);
  check_ok (rp_store_put (world->store, &digest, data, size, &error));
  return digest;
}

static int
set_up (void **state)
{
  World *world = g_new0 (World, 1);
  GError *error = NULL;
  g_autofree char *data = g_strnfill (LAYER_BYTES, 'x');
  g_mutex_init (&world->lock);
  world->log = g_string_new (NULL);
  world->blobs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  world->elsewhere = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  world->store = rp_store_open ("mem:", &error);
  check_ok (world->store != NULL);
  world->layer = put (world, data, LAYER_BYTES);
  RpDigest config = put (world, "{}", 2);
  json_t *manifest
      = json_pack ("{s:i,s:s,s:o,s:[o]}", "schemaVersion", 2, "mediaType", RP_MEDIA_OCI_MANIFEST,
                   "config", describe (&config, TYPE_CONFIG, 2), "layers",
                   describe (&world->layer, TYPE_LAYER, LAYER_BYTES));
  char *text = json_dumps (manifest, JSON_COMPACT);
  world->image = put (world, text, strlen (text));
  free (text);
  json_decref (manifest);
  world->peer = peer_start (NULL, answer, world);
  g_autofree char *url = g_strdup_printf ("http://127.0.0.1:%u", world->peer->port);
  world->client = rp_oci_client_new (url, &error);
  check_ok (world->client != NULL);
  rp_oci_client_set_retry (world->client, 1);
  *state = world;
  return 0;
}

static int
tear_down (void **state)
{
  World *world = *state;
  peer_stop (world->peer);
  rp_oci_client_free (world->client);
  rp_store_close (world->store);
  g_hash_table_unref (world->blobs);
  g_hash_table_unref (world->elsewhere);
  g_string_free (world->log, TRUE);
  g_mutex_clear (&world->lock);
  g_free (world);
  return 0;
}

static GBytes *
load (const RpDigest *digest, const char *media_type, gpointer user_data, GError **error)
{
  (void) media_type;
  return rp_store_read (((World *) user_data)->store, digest, RP_MANIFEST_LIMIT, error);
}

static int
open_blob (const RpDigest *digest, guint64 size_bytes, gpointer user_data, GError **error)
{
  World *world = user_data;
  (void) size_bytes;
  world->opened++;
  return rp_store_open_blob (world->store, digest, NULL, error);
}

static gboolean
push (World *world, const char *mount_from, GError **error)
{
  const RpPush job = { .client = world->client,
                       .repository = "to",
                       .tag = "1",
                       .mount_from = mount_from,
                       .load = load,
                       .open = open_blob,
                       .user_data = world };
  return rp_oci_push (&job, &world->image, error);
}

static void
reset (World *world)
{
  g_mutex_lock (&world->lock);
  g_hash_table_remove_all (world->blobs);
  g_hash_table_remove_all (world->elsewhere);
  g_string_truncate (world->log, 0);
  world->opened = 0;
  world->fault = (Fault){ 0 };
  g_mutex_unlock (&world->lock);
}

/* ---- tests ---- */

static void
test_order (void **state)
{
  World *world = *state;
  GError *error = NULL;
  char digest[RP_DIGEST_STRING_SIZE];
  check_ok (push (world, NULL, &error));
  g_autofree char *expected = g_strdup_printf (
      "HEAD sha256:441 404\nPOST  202\nPUT up?digest= 201\n"
      "HEAD %.10s 404\nPOST  202\nPUT up?digest= 201\nPUT 1 201\n",
      rp_digest_format (&world->layer, digest));
  assert_string_equal (world->log->str, expected);
}

static void
test_only_what_is_missing (void **state)
{
  World *world = *state;
  GError *error = NULL;
  check_ok (push (world, NULL, &error));
  assert_int_equal (world->opened, 2);
  world->opened = 0;
  g_string_truncate (world->log, 0);
  check_ok (push (world, NULL, &error));
  assert_int_equal (world->opened, 0);
  assert_null (strstr (world->log->str, "POST"));
  assert_true (g_str_has_suffix (world->log->str, "PUT 1 201\n"));
}

static void
test_mounts (void **state)
{
  World *world = *state;
  GError *error = NULL;
  g_hash_table_add (world->elsewhere, rp_digest_to_string (&world->layer));
  check_ok (push (world, "from", &error));
  assert_int_equal (world->opened, 1); /* the configuration is nowhere to be mounted from */
  assert_int_equal (g_hash_table_size (world->blobs), 2);
}

static void
test_faults (void **state)
{
  World *world = *state;
  static const struct
  {
    Fault fault;
    gboolean absolute;
    int code; /* -1: it succeeds all the same */
    const char *says;
  } table[] = {
    { .absolute = TRUE, .code = -1 },
    { { "HEAD", 503, 2, NULL }, FALSE, -1, NULL },
    { { "POST", 0, 1, NULL }, FALSE, -1, NULL },
    { { "PUT /up", 503, 1, NULL }, FALSE, -1, NULL },
    { { "PUT /up", 0, 2, NULL }, TRUE, -1, NULL },
    { { "PUT /v2/to/manifests", 502, 1, NULL }, FALSE, -1, NULL },
    { { "PUT /up", 503, 1000, NULL }, FALSE, RP_ERROR_BUSY, "503" },
    { { "POST", 202, 1, NULL }, FALSE, RP_ERROR_UNREACHABLE, "without a Location" },
    { { "POST", 201, 1, NULL }, FALSE, RP_ERROR_UNREACHABLE, "unexpected status 201" },
    { { "HEAD", 401, 1, NULL }, FALSE, RP_ERROR_UNAUTHORIZED, "pushing to to" },
    { { "PUT /v2/to/manifests", 201, 1, "Docker-Content-Digest: sha256:0\r\n" },
      FALSE, RP_ERROR_DIGEST_MISMATCH, "do not use what it has" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      GError *error = NULL;
      reset (world);
      world->fault = table[i].fault;
      world->absolute = table[i].absolute;
      gboolean ok = push (world, NULL, &error);
      if (table[i].code == -1)
        {
          if (!ok)
            fail_msg ("row %zu: %s", i, error->message);
          assert_int_equal (g_hash_table_size (world->blobs), 2);
          continue;
        }
      if (ok)
        fail_msg ("row %zu succeeded", i);
      check_contains (error->message, table[i].says);
      check_fails (FALSE, table[i].code);
    }
}

/* Nothing is tagged when a part of it is not there to be sent. */
static void
test_missing_here (void **state)
{
  World *world = *state;
  GError *error = NULL;
  check_ok (rp_store_quarantine (world->store, &world->layer, &error));
  check_fails (push (world, NULL, &error), RP_ERROR_BLOB_UNKNOWN);
  assert_null (strstr (world->log->str, "PUT 1"));
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, set_up, tear_down)
  const struct CMUnitTest tests[] = { TEST (test_order), TEST (test_only_what_is_missing),
                                      TEST (test_mounts), TEST (test_faults),
                                      TEST (test_missing_here) };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
