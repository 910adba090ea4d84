/* Artifacts between registries and this machine. */
#include <errno.h>
#include <sys/stat.h>

#include "cli/artifact_files.h"
#include "cli/copy.h"
#include "cli/remote.h"
#include "cli/verbs.h"
#include "oci/platform.h"
#include "oci/push.h"

static gboolean unpack;
static gboolean no_referrers;
static char *platform;
static char *artifact_type;

static const GOptionEntry inspect_options[] = { RP_REMOTE_OPTIONS, G_OPTION_ENTRY_NULL };
static const GOptionEntry cp_options[] = {
  { "no-referrers", 0, 0, G_OPTION_ARG_NONE, &no_referrers,
    "Leave behind signatures, SBOMs and whatever else refers to it", NULL },
  RP_REMOTE_OPTIONS, G_OPTION_ENTRY_NULL
};
static const GOptionEntry pull_options[] = {
  { "unpack", 0, 0, G_OPTION_ARG_NONE, &unpack, "Write the files, not an OCI layout", NULL },
  { "platform", 0, 0, G_OPTION_ARG_STRING, &platform,
    "Only the image of an index for this platform, such as linux/arm64", "OS/ARCH" },
  RP_REMOTE_OPTIONS, G_OPTION_ENTRY_NULL
};
static const GOptionEntry push_options[] = {
  { "type", 0, 0, G_OPTION_ARG_STRING, &artifact_type,
    "Type of the artifact; default: " RP_ARTIFACT_TYPE, "MEDIATYPE" },
  RP_REMOTE_OPTIONS, G_OPTION_ENTRY_NULL
};

/* One line about what was done, or the JSON of it. */
static void
report (RpCli *cli, const char *what, const char *place, const RpDigest *digest)
{
  char text[RP_DIGEST_STRING_SIZE];
  (void) rp_digest_format (digest, text);
  if (!cli->json)
    {
      rp_cli_note (cli, "%s %s, %s", what, place, text);
      return;
    }
  g_autoptr (json_t) json = json_object ();
  json_object_set_new (json, what, json_string (place));
  json_object_set_new (json, "digest", json_string (text));
  rp_cli_print_json (cli, json);
}

/* ---- pull ---- */

/* Makes it where it is missing; what is in it already is nobody's to overwrite. */
static gboolean
make_empty_directory (const char *path, GError **error)
{
  if (mkdir (path, 0777) != 0 && errno != EEXIST)
    return rp_error_set_errno (error, errno, "making %s", path);
  g_autoptr (GDir) dir = g_dir_open (path, 0, error);
  if (dir == NULL)
    return FALSE;
  if (g_dir_read_name (dir) == NULL)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_CONFLICT,
               "%s is not empty; name a directory that is, or that does not exist yet", path);
  return FALSE;
}

static gboolean
pull (RpRemote *remote, const char *directory, RpDigest *out, GError **error)
{
  g_auto (RpScratch) scratch = { 0 };
  const char *wanted = platform != NULL ? platform : unpack ? rp_platform_host () : NULL;
  if (!rp_scratch_open (&scratch, directory, error)
      || !rp_oci_client_pull (remote->client, remote->repository, &remote->digest, wanted,
                              scratch.store, NULL, NULL, NULL, out, error))
    return FALSE;
  return unpack ? rp_artifact_unpack (scratch.store, out, directory, error)
                : rp_artifact_lay_out (scratch.store, out, remote->tag, directory, error);
}

static gboolean
pull_run (RpCli *cli, char **args, GError **error)
{
  RpDigest digest;
  g_auto (RpRemote) remote = { 0 };
  g_autofree char *directory = g_canonicalize_filename (args[1], NULL);
  if (!rp_remote_open (cli, args[0], &remote, error) || !rp_remote_resolve (&remote, error)
      || !make_empty_directory (directory, error) || !pull (&remote, directory, &digest, error))
    return FALSE;
  report (cli, "pulled", args[1], &digest);
  return TRUE;
}

/* ---- push ---- */

static GBytes *
load_local (const RpDigest *digest, const char *media_type, gpointer user_data, GError **error)
{
  (void) media_type;
  return rp_store_read (user_data, digest, RP_MANIFEST_LIMIT, error);
}

static int
open_local (const RpDigest *digest, guint64 size_bytes, gpointer user_data, GError **error)
{
  (void) size_bytes;
  return rp_store_open_blob (user_data, digest, NULL, error);
}

/* A digest in the reference is what the caller expects it to be. */
static gboolean
check_expected (const RpRemote *remote, const RpDigest *digest, GError **error)
{
  char expected[RP_DIGEST_STRING_SIZE], found[RP_DIGEST_STRING_SIZE];
  if (!remote->has_digest || rp_digest_equal (&remote->digest, digest))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_DIGEST_MISMATCH,
               "it is %s, but %s was asked for; nothing was pushed",
               rp_digest_format (digest, found), rp_digest_format (&remote->digest, expected));
  return FALSE;
}

static gboolean
push_run (RpCli *cli, char **args, GError **error)
{
  RpDigest digest;
  g_auto (RpRemote) remote = { 0 };
  g_auto (RpScratch) scratch = { 0 };
  const char *type = artifact_type != NULL ? artifact_type : RP_ARTIFACT_TYPE;
  if (!rp_remote_open (cli, args[0], &remote, error) || !rp_scratch_open (&scratch, NULL, error)
      || !rp_artifact_pack (scratch.store, args + 1, type, &digest, error)
      || !check_expected (&remote, &digest, error))
    return FALSE;
  const RpPush push = { .client = remote.client,
                        .repository = remote.repository,
                        .tag = remote.tag,
                        .load = load_local,
                        .open = open_local,
                        .user_data = scratch.store };
  if (!rp_oci_push (&push, &digest, error))
    return FALSE;
  g_autofree char *name = rp_remote_name (&remote);
  report (cli, "pushed", name, &digest);
  return TRUE;
}

/* ---- cp ---- */

static void
report_copy (RpCli *cli, const char *place, const RpDigest *digest, const RpCopyReport *copied)
{
  char text[RP_DIGEST_STRING_SIZE];
  for (guint i = 0; copied->warnings != NULL && i < copied->warnings->len; i++)
    fprintf (stderr, "warning: %s\n", (const char *) copied->warnings->pdata[i]);
  (void) rp_digest_format (digest, text);
  if (!cli->json)
    {
      rp_cli_note (cli, "copied %s, %s, with %u that refer to it", place, text, copied->referrers);
      return;
    }
  g_autoptr (json_t) json = json_object ();
  json_object_set_new (json, "copied", json_string (place));
  json_object_set_new (json, "digest", json_string (text));
  json_object_set_new (json, "referrers", json_integer (copied->referrers));
  rp_cli_print_json (cli, json);
}

static gboolean
cp_run (RpCli *cli, char **args, GError **error)
{
  g_auto (RpCopyReport) copied = { 0 };
  g_auto (RpCopy) copy = { 0 };
  g_auto (RpRemote) to = { 0 };
  if (!rp_remote_open (cli, args[1], &to, error) || !rp_copy_open (cli, args[0], &copy, error)
      || !check_expected (&to, &copy.from.digest, error)
      || !(no_referrers ? rp_copy_run (&copy, &to, &copy.from.digest, to.tag, error)
                        : rp_copy_with_referrers (&copy, &to, to.tag, &copied, error)))
    return FALSE;
  g_autofree char *name = rp_remote_name (&to);
  report_copy (cli, name, &copy.from.digest, &copied);
  return TRUE;
}

const RpVerb rp_artifact_verbs[] = {
  { "inspect", "Show what an artifact consists of and which releases hold it", "REF",
    inspect_options, rp_artifact_inspect_run, NULL },
  { "pull", "Fetch an artifact, verified, into a directory", "REF DIR", pull_options, pull_run,
    NULL },
  { "push", "Make an artifact of files and directories", "REF FILE...", push_options, push_run,
    NULL },
  { "cp", "Copy an artifact by digest between repositories and registries", "SRC DST", cp_options,
    cp_run, NULL },
  { NULL }
};
