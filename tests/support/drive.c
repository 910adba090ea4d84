/* Drives one target from the command line, for tests of drivers against real engines:
 *
 *   drive DRIVER OPTIONS.yaml REGISTRY|- TARGET STATE_DIR STEP...
 *
 * STEP is `observe`, `probe`, `snapshot`, `prepare REPOSITORY@DIGEST`, `verify …`, `point …` or
 * `prune DIGEST,…|-`. Each step prints one line of JSON; the first that fails ends it with
 * status 1.  REGISTRY is host:port; with a `-` before it the target works offline.
 */
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "driver/driver.h"
#include "oci/reference.h"

#include <stdio.h>
#include <string.h>

#define OPTIONS_LIMIT (1024 * 1024)
#define KEEP_MAX      16

typedef gboolean (*WithArtifact) (RpTarget *target, const RpArtifact *artifact, GError **error);

static void
print_line (json_t *line)
{
  g_autofree char *text = rp_json_print (line);
  puts (text);
  fflush (stdout);
  json_decref (line);
}

static gboolean
observe (RpTarget *target, GError **error)
{
  g_auto (RpObservation) seen = { 0 };
  if (!rp_target_observe (target, &seen, error))
    return FALSE;
  char digest[RP_DIGEST_STRING_SIZE] = "";
  if (seen.has_digest)
    rp_digest_format (&seen.digest, digest);
  print_line (json_pack ("{s:b,s:s,s:b,s:s}", "running", seen.running, "digest", digest, "intact",
                         seen.intact, "detail", seen.detail ? seen.detail : ""));
  return TRUE;
}

static gboolean
snapshot (RpTarget *target, GError **error)
{
  json_t *facts = rp_target_snapshot (target, error);
  if (facts)
    print_line (facts);
  return facts != NULL;
}

static gboolean
prepare (RpTarget *target, const RpArtifact *artifact, GError **error)
{
  return rp_target_prepare (target, artifact, NULL, NULL, error);
}

static gboolean
with_artifact (RpTarget *target, WithArtifact call, const char *name, GError **error)
{
  g_auto (RpReference) reference = { 0 };
  if (!rp_reference_parse (name, &reference, error))
    return FALSE;
  const RpArtifact artifact = { reference.repository, reference.digest, name };
  if (!call (target, &artifact, error))
    return FALSE;
  print_line (json_pack ("{s:b}", "ok", 1));
  return TRUE;
}

static gboolean
prune (RpTarget *target, const char *list, GError **error)
{
  RpArtifact keep[KEEP_MAX] = { 0 };
  gsize n = 0;
  g_auto (GStrv) digests = g_strsplit (g_str_equal (list, "-") ? "" : list, ",", KEEP_MAX);
  for (; digests[n]; n++)
    {
      keep[n].repository = "any";
      keep[n].label = digests[n];
      if (!rp_digest_parse (digests[n], &keep[n].digest, error))
        return FALSE;
    }
  if (!rp_target_prune (target, keep, n, error))
    return FALSE;
  print_line (json_pack ("{s:b}", "ok", 1));
  return TRUE;
}

static gboolean
probe (RpTarget *target, GError **error)
{
  if (!rp_target_probe (target, error))
    return FALSE;
  print_line (json_pack ("{s:b}", "ok", 1));
  return TRUE;
}

/* Does the step at `*step` and moves on. */
static gboolean
do_step (RpTarget *target, char ***step, GError **error)
{
  static const struct {
    const char *name;
    gboolean (*alone) (RpTarget *, GError **);
    WithArtifact call;
  } steps[] = {
    { "observe", observe, NULL },         { "probe", probe, NULL },
    { "snapshot", snapshot, NULL },       { "prepare", NULL, prepare },
    { "verify", NULL, rp_target_verify }, { "point", NULL, rp_target_point },
  };
  const char *name = *(*step)++;
  for (gsize i = 0; i < G_N_ELEMENTS (steps); i++)
    if (g_str_equal (steps[i].name, name) && steps[i].alone)
      return steps[i].alone (target, error);
    else if (g_str_equal (steps[i].name, name) && **step)
      return with_artifact (target, steps[i].call, *(*step)++, error);
  if (g_str_equal (name, "prune") && **step)
    return prune (target, *(*step)++, error);
  g_set_error (error, RP_ERROR, RP_ERROR_USAGE, "no step %s, or it needs an argument", name);
  return FALSE;
}

static gboolean
drive (char **args, GError **error)
{
  gboolean offline = *args[2] == '-';
  const char *registry = args[2] + offline;
  g_autofree char *url = g_strconcat ("http://", registry, NULL);
  g_autofree char *store_dir = g_build_filename (args[4], "store", NULL);
  g_autoptr (RpStore) store = rp_store_open (store_dir, error);
  g_autoptr (RpOciClient) client = store ? rp_oci_client_new (url, error) : NULL;
  g_autoptr (GBytes) text = client ? rp_file_read (args[1], OPTIONS_LIMIT, error) : NULL;
  if (!text)
    return FALSE;
  g_autoptr (RpYaml) yaml
      = rp_yaml_parse (g_bytes_get_data (text, NULL), g_bytes_get_size (text), args[1], error);
  if (!yaml)
    return FALSE;
  const RpDriverContext context = { .name = args[3],
                                    .state_dir = args[4],
                                    .store = store,
                                    .client = offline ? NULL : client,
                                    .registry = registry };
  g_autoptr (RpTarget) target = rp_target_open (args[0], &context, rp_yaml_root (yaml), error);
  if (!target)
    return FALSE;
  for (char **step = args + 5; *step;)
    if (!do_step (target, &step, error))
      return FALSE;
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  if (argc < 7)
    {
      fputs ("usage: drive DRIVER OPTIONS.yaml [-]REGISTRY TARGET STATE_DIR STEP...\n", stderr);
      return RP_EXIT_USAGE;
    }
  if (drive (argv + 1, &error))
    return 0;
  print_line (json_pack ("{s:s,s:s}", "error", rp_error_name (error), "message", error->message));
  return 1;
}
