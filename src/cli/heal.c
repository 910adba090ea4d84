/* Brings the bytes of a blob or manifest back that are damaged or missing here, from where they were copied in. */
#include <string.h>
#include <unistd.h>

#include "cli/remote.h"
#include "cli/verbs.h"
#include "oci/push.h"

const GOptionEntry rp_heal_options[] = { RP_REMOTE_OPTIONS, G_OPTION_ENTRY_NULL };

/* A digest in a repository of ours. */
typedef struct {
  RpRemote ours;
  RpScratch scratch;
  RpDigest digest;
  gboolean is_manifest;
  guint64 size_bytes;
} Patient;

static void
patient_clear (Patient *patient)
{
  rp_remote_clear (&patient->ours);
  rp_scratch_clear (&patient->scratch);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Patient, patient_clear)

static gboolean
open_patient (RpCli *cli, const char *digest, const json_t *place, Patient *out, GError **error)
{
  g_auto (Patient) patient = { 0 };
  g_autofree char *reference
      = g_strconcat (rp_json_str (place, "repository"), "@", digest, NULL);
  if (!rp_remote_open (cli, reference, &patient.ours, error)
      || !rp_scratch_open (&patient.scratch, NULL, error))
    return FALSE;
  patient.digest = patient.ours.digest;
  patient.is_manifest = rp_json_str (place, "media_type") != NULL;
  patient.size_bytes = (guint64) rp_json_int (place, "size");
  *out = patient;
  patient = (Patient){ 0 };
  return TRUE;
}

/* The verified bytes from `remote` into the scratch. */
static gboolean
fetch (const Patient *patient, const RpRemote *remote, GError **error)
{
  if (!patient->is_manifest)
    return rp_oci_client_fetch (remote->client, remote->repository, &patient->digest,
                                patient->size_bytes, patient->scratch.store, error);
  gsize size;
  g_autoptr (GBytes) bytes
      = rp_oci_client_manifest (remote->client, remote->repository, &patient->digest, error);
  const void *data = bytes != NULL ? g_bytes_get_data (bytes, &size) : NULL;
  return bytes != NULL
         && rp_store_put (patient->scratch.store, &patient->digest, data, size, error);
}

static int
open_scratch (const RpDigest *digest, guint64 size_bytes, gpointer user_data, GError **error)
{
  const Patient *patient = user_data;
  (void) size_bytes;
  return rp_store_open_blob (patient->scratch.store, digest, NULL, error);
}

static gboolean
give (Patient *patient, GError **error)
{
  const RpPush push = { .client = patient->ours.client,
                        .repository = patient->ours.repository,
                        .open = open_scratch,
                        .user_data = patient };
  if (!patient->is_manifest)
    return rp_oci_push_blob (&push, &patient->digest, patient->size_bytes, error);
  char text[RP_DIGEST_STRING_SIZE];
  g_autoptr (GBytes) bytes
      = rp_store_read (patient->scratch.store, &patient->digest, RP_MANIFEST_LIMIT, error);
  return bytes != NULL
         && rp_oci_push_manifest (patient->ours.client, patient->ours.repository,
                                  rp_digest_format (&patient->digest, text), bytes,
                                  &patient->digest, error);
}

/* Does what the server sends hash right? */
static gboolean
is_whole (const Patient *patient)
{
  g_autoptr (GError) ignored = NULL;
  return fetch (patient, &patient->ours, &ignored);
}

/* From one upstream; what went wrong there is a line in `problems`. */
static gboolean
try_upstream (RpCli *cli, Patient *patient, const json_t *upstream, GString *problems)
{
  char digest[RP_DIGEST_STRING_SIZE];
  g_auto (RpRemote) remote = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *reference = g_strconcat (
      rp_json_str (upstream, "registry"), "/", rp_json_str (upstream, "repository"), "@",
      rp_digest_format (&patient->digest, digest), NULL);
  if (rp_remote_open (cli, reference, &remote, &error) && fetch (patient, &remote, &error)
      && give (patient, &error))
    {
      rp_cli_note (cli, "healed from %s/%s", remote.registry, remote.repository);
      return TRUE;
    }
  g_string_append_printf (problems, "%s%s", problems->len > 0 ? "; " : "", error->message);
  return FALSE;
}

/* All that was copied in from anywhere into the repository may have it. */
static gboolean
heal (RpCli *cli, Patient *patient, const json_t *origins, GError **error)
{
  gsize i;
  json_t *origin;
  g_autoptr (GString) problems = g_string_new (NULL);
  g_autoptr (GHashTable) tried = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  json_array_foreach (origins, i, origin)
  {
    const json_t *upstream = json_object_get (origin, "upstream");
    if (g_strcmp0 (rp_json_str (origin, "repository"), patient->ours.repository) != 0
        || !g_hash_table_add (tried, g_strconcat (rp_json_str (upstream, "registry"), "/",
                                                  rp_json_str (upstream, "repository"), NULL)))
      continue;
    if (try_upstream (cli, patient, upstream, problems))
      return TRUE;
  }
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
               "its bytes are damaged or missing in %s, and %s%s; push it again from a machine that has it",
               patient->ours.repository,
               problems->len > 0 ? "upstream could not help: "
                                 : "nothing in that repository was copied in from another registry",
               problems->str);
  return FALSE;
}

gboolean
rp_heal_run (RpCli *cli, char **args, GError **error)
{
  gsize i;
  json_t *place;
  if (rp_cli_api (cli, error) == NULL)
    return FALSE;
  g_autofree char *trace_path = rp_api_path ("trace", args[0], NULL);
  g_autofree char *origins_path = rp_api_path ("origins", NULL);
  g_autoptr (json_t) trace = rp_api_get (cli->api, trace_path, 0, error);
  g_autoptr (json_t) answer
      = trace == NULL ? NULL : rp_api_get (cli->api, origins_path, 0, error);
  if (answer == NULL)
    return FALSE;
  const char *digest = rp_json_str (trace, "digest");
  json_array_foreach (json_object_get (trace, "where"), i, place)
  {
    g_auto (Patient) patient = { 0 };
    g_autoptr (GError) failure = NULL;
    if (!open_patient (cli, digest, place, &patient, error))
      return FALSE;
    if (is_whole (&patient))
      {
        rp_cli_note (cli, "%s of %s is whole", digest, patient.ours.repository);
        return TRUE;
      }
    gboolean last = i + 1 == json_array_size (json_object_get (trace, "where"));
    if (heal (cli, &patient, json_object_get (answer, "origins"), &failure))
      return TRUE;
    if (last)
      {
        g_propagate_error (error, g_steal_pointer (&failure));
        return FALSE;
      }
  }
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND, "no repository here has %s", digest);
  return FALSE;
}
