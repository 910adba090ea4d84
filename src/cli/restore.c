/* Gives an artifact back to the registry that lost it, byte for byte. */
#include <string.h>

#include "cli/copy.h"
#include "cli/verbs.h"

static char *destination;

const GOptionEntry rp_restore_options[] = {
  { "to", 0, 0, G_OPTION_ARG_STRING, &destination,
    "Push it there; default: to where it was copied in from", "HOST/REPOSITORY[:TAG]" },
  RP_REMOTE_OPTIONS, G_OPTION_ENTRY_NULL
};

/* {"repository", "digest"} of every component of a release. */
static json_t *
things_of_release (RpCli *cli, const char *app, const char *release, GError **error)
{
  g_autofree char *path = rp_api_path ("apps", app, "releases", release, NULL);
  g_autoptr (json_t) answer = rp_api_get (cli->api, path, 0, error);
  if (answer == NULL)
    return NULL;
  return json_incref (json_object_get (answer, "components"));
}

static json_t *
thing_of_digest (RpCli *cli, const char *text, GError **error)
{
  gsize i;
  json_t *place;
  g_autofree char *path = rp_api_path ("trace", text, NULL);
  g_autoptr (json_t) trace = rp_api_get (cli->api, path, 0, error);
  if (trace == NULL)
    return NULL;
  json_array_foreach (json_object_get (trace, "where"), i, place)
  {
    if (rp_json_str (place, "media_type") == NULL)
      continue;
    json_t *things = json_array ();
    json_object_set (place, "digest", json_object_get (trace, "digest"));
    json_array_append (things, place);
    return things;
  }
  g_set_error (error, RP_ERROR, RP_ERROR_MANIFEST_UNKNOWN,
               "%s is no artifact that a repository here has; name a manifest, or APP RELEASE", text);
  return NULL;
}

/* `HOST/REPOSITORY[:TAG]` as it was recorded, char *. */
static GPtrArray *
recorded_places (RpCli *cli, const json_t *thing, GError **error)
{
  g_autoptr (GPtrArray) places = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *path = rp_api_path ("origins", NULL);
  gsize i;
  json_t *origin;
  rp_api_query (&path, "digest", rp_json_str (thing, "digest"));
  g_autoptr (json_t) answer = rp_api_get (cli->api, path, 0, error);
  if (answer == NULL)
    return NULL;
  json_array_foreach (json_object_get (answer, "origins"), i, origin)
  {
    const json_t *upstream = json_object_get (origin, "upstream");
    const char *tag = rp_json_str (upstream, "tag");
    g_autofree char *place
        = g_strconcat (rp_json_str (upstream, "registry"), "/", rp_json_str (upstream, "repository"),
                       tag != NULL ? ":" : "", tag, NULL);
    if (!g_ptr_array_find_with_equal_func (places, place, g_str_equal, NULL))
      g_ptr_array_add (places, g_steal_pointer (&place));
  }
  if (places->len > 0)
    return g_steal_pointer (&places);
  g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
               "it is not recorded where %s was copied in from; say --to HOST/REPOSITORY[:TAG]",
               rp_json_str (thing, "digest"));
  return NULL;
}

/* A tag that was not asked for is set only where it is free: upstream may have gone on. */
static gboolean
check_tag (RpRemote *to, GError **error)
{
  RpDigest named;
  g_autoptr (GError) failure = NULL;
  if (to->tag == NULL || destination != NULL)
    return TRUE;
  if (rp_oci_client_resolve (to->client, to->repository, to->tag, &named, &failure))
    {
      if (!rp_digest_equal (&named, &to->digest))
        {
          fprintf (stderr, "warning: tag %s names something else there by now and stays so\n",
                   to->tag);
          g_clear_pointer (&to->tag, g_free);
        }
      return TRUE;
    }
  if (g_error_matches (failure, RP_ERROR, RP_ERROR_MANIFEST_UNKNOWN))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}

/* Every manifest is read back and hashed; blobs were answered for one by one when they were pushed. */
static gboolean
read_back (RpRemote *to, GError **error)
{
  RpDigest named;
  g_autoptr (RpClosure) closure = rp_closure_walk (&to->digest, NULL, rp_remote_load, to, error);
  if (closure == NULL)
    {
      g_prefix_error (error, "it was pushed, but does not come back: ");
      return FALSE;
    }
  if (to->tag == NULL)
    return TRUE;
  if (!rp_oci_client_resolve (to->client, to->repository, to->tag, &named, error))
    return FALSE;
  if (rp_digest_equal (&named, &to->digest))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_DIGEST_MISMATCH,
               "it was pushed, but tag %s of %s names something else", to->tag, to->repository);
  return FALSE;
}

static gboolean
open_both (RpCli *cli, const json_t *thing, const char *place, RpCopy *copy, RpRemote *to,
           GError **error)
{
  const char *digest = rp_json_str (thing, "digest");
  g_autofree char *from = g_strconcat (rp_json_str (thing, "repository"), "@", digest, NULL);
  g_autofree char *there = g_strconcat (place, "@", digest, NULL);
  if (!rp_copy_open (cli, from, copy, error) || !rp_remote_open (cli, there, to, error))
    return FALSE;
  if (!to->is_ours)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_USAGE, "%s is this server, which has it; name another",
               place);
  return FALSE;
}

static gboolean
restore (RpCli *cli, const json_t *thing, const char *place, json_t *done, GError **error)
{
  g_auto (RpCopy) copy = { 0 };
  g_auto (RpRemote) to = { 0 };
  g_auto (RpCopyReport) report = { 0 };
  if (!open_both (cli, thing, place, &copy, &to, error) || !check_tag (&to, error)
      || !rp_copy_with_referrers (&copy, &to, to.tag, &report, error) || !read_back (&to, error))
    {
      g_prefix_error (error, "restoring to %s: ", place);
      return FALSE;
    }
  for (guint i = 0; i < report.warnings->len; i++)
    fprintf (stderr, "warning: %s\n", (char *) report.warnings->pdata[i]);
  g_autofree char *name = rp_remote_name (&to);
  json_t *one = json_object ();
  json_object_set_new (one, "restored", json_string (name));
  json_object_set (one, "digest", json_object_get (thing, "digest"));
  json_object_set_new (one, "referrers", json_integer (report.referrers));
  json_array_append_new (done, one);
  if (!cli->json)
    rp_cli_note (cli, "restored %s, %s, with %u that refer to it", name,
                 rp_json_str (thing, "digest"), report.referrers);
  return TRUE;
}

static gboolean
restore_thing (RpCli *cli, const json_t *thing, json_t *done, GError **error)
{
  if (destination != NULL)
    return restore (cli, thing, destination, done, error);
  g_autoptr (GPtrArray) places = recorded_places (cli, thing, error);
  for (guint i = 0; places != NULL && i < places->len; i++)
    if (!restore (cli, thing, places->pdata[i], done, error))
      return FALSE;
  return places != NULL;
}

gboolean
rp_restore_run (RpCli *cli, char **args, GError **error)
{
  gsize i;
  json_t *thing;
  g_autoptr (json_t) done = json_array ();
  if (rp_cli_api (cli, error) == NULL)
    return FALSE;
  g_autoptr (json_t) things = args[1] != NULL
                                  ? things_of_release (cli, args[0], args[1], error)
                                  : thing_of_digest (cli, args[0], error);
  if (things == NULL)
    return FALSE;
  if (destination != NULL && json_array_size (things) > 1)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                   "release %s has %zu components, and --to names one place; restore each by its"
                   " digest",
                   args[1], json_array_size (things));
      return FALSE;
    }
  json_array_foreach (things, i, thing)
    if (!restore_thing (cli, thing, done, error))
      return FALSE;
  if (cli->json)
    {
      g_autoptr (json_t) answer = json_object ();
      json_object_set (answer, "restored", done);
      rp_cli_print_json (cli, answer);
    }
  return TRUE;
}
