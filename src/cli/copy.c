#include "cli/copy.h"

#include "oci/push.h"

#define PARALLEL 4 /* blobs at once: more makes registries answer 429 */

void
rp_copy_clear (RpCopy *copy)
{
  rp_remote_clear (&copy->from);
  rp_scratch_clear (&copy->scratch);
}

gboolean
rp_copy_open (RpCli *cli, const char *from, RpCopy *out, GError **error)
{
  g_auto (RpCopy) copy = { 0 };
  if (!rp_remote_open (cli, from, &copy.from, error) || !rp_remote_resolve (&copy.from, error)
      || !rp_scratch_open (&copy.scratch, NULL, error))
    return FALSE;
  *out = copy;
  copy = (RpCopy){ 0 };
  return TRUE;
}

static GBytes *
load_source (const RpDigest *digest, const char *media_type, gpointer user_data, GError **error)
{
  RpCopy *copy = user_data;
  return rp_remote_load (digest, media_type, &copy->from, error);
}

/* Only what the other side lacks is fetched, and verified before any of it is sent on. */
static int
open_source (const RpDigest *digest, guint64 size_bytes, gpointer user_data, GError **error)
{
  RpCopy *copy = user_data;
  if (!rp_oci_client_fetch (copy->from.client, copy->from.repository, digest, size_bytes,
                            copy->scratch.store, error))
    return -1;
  return rp_store_open_blob (copy->scratch.store, digest, NULL, error);
}

gboolean
rp_copy_run (RpCopy *copy, const RpRemote *to, const RpDigest *digest, const char *tag,
             GError **error)
{
  gboolean same = g_str_equal (copy->from.registry, to->registry);
  const RpPush push = { .client = to->client,
                        .repository = to->repository,
                        .tag = tag,
                        .mount_from = same ? copy->from.repository : NULL,
                        .parallel = PARALLEL,
                        .load = load_source,
                        .open = open_source,
                        .user_data = copy };
  return rp_oci_push (&push, digest, error);
}
