/* Targets that are containers of a Docker or Podman engine.
 *
 * Each release has a container of its own, made by `prepare` and kept, stopped, as long as the
 * release is in the window: going back is stopping one container and starting another, with no pull
 * and nothing created. What belongs to a target is known by labels, never by our memory.  An
 * engine's images cannot be re-hashed through its API; that the image has the digest is the
 * engine's own word (RepoDigests).
 */
#include "driver/container.h"

#include "base/error.h"
#include "driver/container_options.h"
#include "driver/docker.h"

#include <string.h>

#define NAME_DIGEST_CHARS 12
#define RESTART_ATTEMPTS  20
#define RESTART_PAUSE_US  (250 * 1000)
#define FLAPPING_US       (10 * G_USEC_PER_SEC)

typedef struct {
  const RpDriverContext *context;
  RpContainerOptions options;
  RpDocker *engine;
} Container;

static void
container_close (gpointer self)
{
  Container *container = self;
  rp_docker_free (container->engine);
  rp_container_options_clear (&container->options);
  g_free (container);
}

static gpointer
container_open (const RpDriverContext *context, const RpYamlNode *options, GError **error)
{
  Container *container = g_new0 (Container, 1);
  container->context = context;
  if (!rp_container_options_parse (options, context->name, &container->options, error))
    {
      g_free (container);
      return NULL;
    }
  container->engine = rp_docker_new (container->options.socket, context->cancelled);
  return container;
}

/* ---- names ---- */

static char *
image_repository (const Container *container, const RpArtifact *artifact)
{
  return g_strdup_printf ("%s/%s", container->context->registry, artifact->repository);
}

static char *
image_reference (const Container *container, const RpArtifact *artifact)
{
  char digest[RP_DIGEST_STRING_SIZE];
  return g_strdup_printf ("%s/%s@%s", container->context->registry, artifact->repository,
                          rp_digest_format (&artifact->digest, digest));
}

/* `repoint-shop-production-web-1-9f2c01ab34cd-1a2b3c` */
static char *
container_name (const Container *container, const RpArtifact *artifact)
{
  char digest[RP_DIGEST_STRING_SIZE];
  const char *hex = strchr (rp_digest_format (&artifact->digest, digest), ':') + 1;
  g_autofree char *target = g_strdup (container->context->name);
  g_strcanon (target, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_.", '-');
  return g_strdup_printf ("repoint-%s-%.*s-%s", target, NAME_DIGEST_CHARS, hex,
                          container->options.hash);
}

/* ---- what the engine says ---- */

/* TRUE if the image answers to the digest, whatever the repository it came by. */
static gboolean
has_digest (const json_t *image, const RpDigest *digest)
{
  char text[RP_DIGEST_STRING_SIZE];
  rp_digest_format (digest, text);
  const json_t *list = json_object_get (image, "RepoDigests");
  for (gsize i = 0; i < json_array_size (list); i++)
    {
      const char *name = json_string_value (json_array_get (list, i));
      const char *at = name ? strrchr (name, '@') : NULL;
      if (at && g_str_equal (at + 1, text))
        return TRUE;
    }
  return FALSE;
}

/* Docker and Podman differ in whether ids bear their algorithm. */
static gboolean
same_id (const char *a, const char *b)
{
  if (!a || !b)
    return FALSE;
  a += g_str_has_prefix (a, "sha256:") ? strlen ("sha256:") : 0;
  b += g_str_has_prefix (b, "sha256:") ? strlen ("sha256:") : 0;
  return *a && g_str_equal (a, b);
}

static const char *
label_of_listed (const json_t *listed, const char *name)
{
  const json_t *labels = json_object_get (listed, "Labels");
  return json_is_object (labels) ? rp_json_str (labels, name) : NULL;
}

static gboolean
is_running (const json_t *listed)
{
  static const char *const running[] = { "running", "restarting", "paused", "stopping", NULL };
  const char *state = rp_json_str (listed, "State");
  g_autofree char *lower = g_ascii_strdown (state ? state : "", -1);
  return g_strv_contains (running, lower);
}

static const char *
listed_id (const json_t *listed)
{
  const char *id = rp_json_str (listed, "Id");
  return id ? id : "";
}

/* The name without the slash that the API puts in front. */
static const char *
listed_name (const json_t *listed)
{
  const json_t *names = json_object_get (listed, "Names");
  const char *name = json_string_value (json_array_get (names, 0));
  return name ? name + (*name == '/') : listed_id (listed);
}

static json_t *
list_ours (Container *container, GError **error)
{
  return rp_docker_container_list (container->engine, RP_LABEL_TARGET, container->context->name,
                                   error);
}

/* ---- verify ---- */

static json_t *
find_image (Container *container, const RpArtifact *artifact, GError **error)
{
  g_autofree char *reference = image_reference (container, artifact);
  g_autoptr (json_t) image = rp_docker_image_inspect (container->engine, reference, error);
  if (!image || has_digest (image, &artifact->digest))
    return g_steal_pointer (&image);
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
               "the engine has an image for %s, but of another digest", reference);
  return NULL;
}

static gboolean
check_labels (const Container *container, const RpArtifact *artifact, const json_t *inspected,
              const char *name, GError **error)
{
  char digest[RP_DIGEST_STRING_SIZE];
  const struct {
    const char *label, *value;
  } expected[] = { { RP_LABEL_TARGET, container->context->name },
                   { RP_LABEL_DIGEST, rp_digest_format (&artifact->digest, digest) },
                   { RP_LABEL_OPTIONS, container->options.hash } };
  const json_t *labels = json_object_get (json_object_get (inspected, "Config"), "Labels");
  for (gsize i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      const char *found = json_is_object (labels) ? rp_json_str (labels, expected[i].label) : NULL;
      if (g_strcmp0 (found, expected[i].value) == 0)
        continue;
      g_set_error (
          error, RP_ERROR, RP_ERROR_CONFLICT,
          "there is a container %s that is not ours (label %s is %s, expected %s); rename or "
          "remove it",
          name, expected[i].label, found ? found : "absent", expected[i].value);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_container (Container *container, const RpArtifact *artifact, const json_t *image,
                 GError **error)
{
  g_autofree char *name = container_name (container, artifact);
  g_autoptr (json_t) inspected = rp_docker_container_inspect (container->engine, name, error);
  if (!inspected || !check_labels (container, artifact, inspected, name, error))
    return FALSE;
  if (same_id (rp_json_str (inspected, "Image"), rp_json_str (image, "Id")))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
               "container %s was made from another image than the one of its digest; remove it",
               name);
  return FALSE;
}

static gboolean
container_verify (gpointer self, const RpArtifact *artifact, GError **error)
{
  Container *container = self;
  g_autoptr (json_t) image = find_image (container, artifact, error);
  if (image && check_container (container, artifact, image, error))
    return TRUE;
  g_prefix_error (error, "%s is not ready on this host: ", artifact->label);
  return FALSE;
}

/* ---- prepare ---- */

static json_t *
bring_image (Container *container, const RpArtifact *artifact, RpProgress progress,
             gpointer user_data, GError **error)
{
  g_autoptr (GError) failure = NULL;
  g_autoptr (json_t) image = find_image (container, artifact, &failure);
  if (image)
    return g_steal_pointer (&image);
  if (!g_error_matches (failure, RP_ERROR, RP_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return NULL;
    }
  g_autofree char *reference = image_reference (container, artifact);
  if (!container->context->client)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_UNREACHABLE,
                   "%s is not on this host and there is no registry to pull it from", reference);
      return NULL;
    }
  g_autofree char *token = rp_bearer_secret (container->context->bearer);
  if (token != NULL)
    rp_docker_set_token (container->engine, container->context->registry, token);
  if (!rp_docker_image_pull (container->engine, reference, container->options.pull_timeout_ms,
                             progress, user_data, error))
    return NULL;
  return find_image (container, artifact, error);
}

/* The configured container with our labels and the image by digest. */
static json_t *
create_request (const Container *container, const RpArtifact *artifact)
{
  char digest[RP_DIGEST_STRING_SIZE];
  g_autofree char *reference = image_reference (container, artifact);
  g_autofree char *repository = image_repository (container, artifact);
  json_t *request = json_deep_copy (container->options.config);
  json_t *labels = json_deep_copy (container->options.labels);
  json_object_set_new (labels, RP_LABEL_TARGET, json_string (container->context->name));
  json_object_set_new (labels, RP_LABEL_DIGEST,
                       json_string (rp_digest_format (&artifact->digest, digest)));
  json_object_set_new (labels, RP_LABEL_REPOSITORY, json_string (repository));
  json_object_set_new (labels, RP_LABEL_OPTIONS, json_string (container->options.hash));
  json_object_set_new (request, "Labels", labels);
  json_object_set_new (request, "Image", json_string (reference));
  return request;
}

static gboolean
make_container (Container *container, const RpArtifact *artifact, GError **error)
{
  g_autofree char *name = container_name (container, artifact);
  g_autoptr (json_t) request = create_request (container, artifact);
  g_autoptr (GError) failure = NULL;
  if (rp_docker_container_create (container->engine, name, request, &failure)
      || g_error_matches (failure, RP_ERROR, RP_ERROR_CONFLICT))
    return TRUE; /* there: whether it is ours is checked next */
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}

static gboolean
container_prepare (gpointer self, const RpArtifact *artifact, RpProgress progress,
                   gpointer user_data, GError **error)
{
  Container *container = self;
  g_autoptr (json_t) image = bring_image (container, artifact, progress, user_data, error);
  if (!image)
    return FALSE;
  g_autoptr (GError) failure = NULL;
  if (check_container (container, artifact, image, &failure))
    return TRUE;
  if (!g_error_matches (failure, RP_ERROR, RP_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }
  return make_container (container, artifact, error)
         && check_container (container, artifact, image, error);
}

/* ---- point ---- */

/* Stops what runs of this target, except the container `name`. `stopped` gets their ids. */
static gboolean
stop_others (Container *container, const char *name, GPtrArray *stopped, GError **error)
{
  g_autoptr (json_t) list = list_ours (container, error);
  if (!list)
    return FALSE;
  for (gsize i = 0; i < json_array_size (list); i++)
    {
      const json_t *listed = json_array_get (list, i);
      if (!is_running (listed) || g_str_equal (listed_name (listed), name))
        continue;
      g_ptr_array_add (stopped, g_strdup (listed_id (listed)));
      if (!rp_docker_container_stop (container->engine, listed_id (listed),
                                     container->options.stop_timeout_ms, error))
        return FALSE;
    }
  return TRUE;
}

/* After a failed start Podman's monitor holds the published ports for a moment longer. */
static gboolean
start_patiently (Container *container, const char *id, GError **error)
{
  for (int attempt = 1;; attempt++)
    {
      g_autoptr (GError) failure = NULL;
      if (rp_docker_container_start (container->engine, id, &failure))
        return TRUE;
      if (attempt == RESTART_ATTEMPTS)
        {
          g_propagate_error (error, g_steal_pointer (&failure));
          return FALSE;
        }
      g_usleep (RESTART_PAUSE_US);
    }
}

/* The new one does not start: better the old one than nothing. */
static void
start_again (Container *container, GPtrArray *stopped, GError **error)
{
  for (guint i = 0; i < stopped->len; i++)
    {
      g_autoptr (GError) failure = NULL;
      if (start_patiently (container, g_ptr_array_index (stopped, i), &failure))
        g_prefix_error (error, "what ran before was started again: ");
      else
        g_prefix_error (error,
                        "what ran before does not start again either (%s): ", failure->message);
    }
}

static gboolean
container_point (gpointer self, const RpArtifact *artifact, GError **error)
{
  Container *container = self;
  g_autofree char *name = container_name (container, artifact);
  g_autoptr (GPtrArray) stopped = g_ptr_array_new_with_free_func (g_free);
  if (!container_verify (container, artifact, error)
      || !stop_others (container, name, stopped, error))
    return FALSE;
  if (rp_docker_container_start (container->engine, name, error))
    return TRUE;
  start_again (container, stopped, error);
  return FALSE;
}

/* ---- observe ---- */

/* Does the container really run the image that its label says? */
static gboolean
check_image_of (Container *container, const char *id, const RpDigest *digest, GError **error)
{
  g_autoptr (json_t) inspected = rp_docker_container_inspect (container->engine, id, error);
  if (!inspected)
    return FALSE;
  const char *image_id = rp_json_str (inspected, "Image");
  g_autoptr (json_t) image
      = rp_docker_image_inspect (container->engine, image_id ? image_id : "", error);
  if (!image)
    return FALSE;
  if (has_digest (image, digest))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT,
               "its image does not have the digest of its label");
  return FALSE;
}

static gboolean
observe_one (Container *container, const json_t *listed, RpObservation *out, GError **error)
{
  const char *label = label_of_listed (listed, RP_LABEL_DIGEST);
  g_autoptr (GError) failure = NULL;
  RpDigest digest;
  out->running = TRUE;
  if (!label || !rp_digest_parse (label, &digest, NULL))
    {
      out->detail
          = g_strdup_printf ("container %s has no digest in its labels", listed_name (listed));
      return TRUE;
    }
  if (!check_image_of (container, listed_id (listed), &digest, &failure))
    {
      if (g_error_matches (failure, RP_ERROR, RP_ERROR_UNREACHABLE)
          || g_error_matches (failure, RP_ERROR, RP_ERROR_TIMEOUT))
        {
          g_propagate_error (error, g_steal_pointer (&failure));
          return FALSE;
        }
      out->detail = g_strdup_printf ("container %s: %s", listed_name (listed), failure->message);
      return TRUE;
    }
  out->has_digest = TRUE;
  out->digest = digest;
  out->intact
      = g_strcmp0 (label_of_listed (listed, RP_LABEL_OPTIONS), container->options.hash) == 0;
  out->detail = g_strdup_printf ("container %s%s", listed_name (listed),
                                 out->intact ? "" : " runs with other options than configured");
  return TRUE;
}

/* `NAME: Exited (1) 3 seconds ago, …` */
static char *
describe_stopped (const json_t *list)
{
  GString *text = g_string_new ("no container of this target runs");
  for (gsize i = 0; i < json_array_size (list); i++)
    {
      const json_t *listed = json_array_get (list, i);
      const char *status = rp_json_str (listed, "Status");
      g_string_append_printf (text, "%s %s: %s", i == 0 ? ";" : ",", listed_name (listed),
                              status && *status ? status : "not running");
    }
  return g_string_free (text, FALSE);
}

static guint
count_running (const json_t *list, const json_t **out_first)
{
  guint n = 0;
  for (gsize i = 0; i < json_array_size (list); i++)
    {
      const json_t *listed = json_array_get (list, i);
      if (is_running (listed) && n++ == 0)
        *out_first = listed;
    }
  return n;
}

static gboolean
container_observe (gpointer self, RpObservation *out, GError **error)
{
  Container *container = self;
  const json_t *first = NULL;
  g_autoptr (json_t) list = list_ours (container, error);
  if (!list)
    return FALSE;
  guint n = count_running (list, &first);
  if (n == 0)
    {
      out->detail = describe_stopped (list);
      return TRUE;
    }
  if (!observe_one (container, first, out, error))
    return FALSE;
  if (n > 1)
    {
      g_free (out->detail);
      out->intact = FALSE;
      out->detail = g_strdup_printf ("%u containers of this target run at once, one of them %s", n,
                                     listed_name (first));
    }
  return TRUE;
}

/* ---- probe ---- */

static gboolean
is_flapping (const json_t *inspected, const json_t *state)
{
  const char *started = rp_json_str (state, "StartedAt");
  g_autoptr (GDateTime) at = started ? g_date_time_new_from_iso8601 (started, NULL) : NULL;
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  return rp_json_int (inspected, "RestartCount") > 0 && at
         && g_date_time_difference (now, at) < FLAPPING_US;
}

static gboolean
check_state (const json_t *inspected, const char *name, GError **error)
{
  const json_t *state = json_object_get (inspected, "State");
  if (!json_is_object (state) || !rp_json_bool (state, "Running")
      || rp_json_bool (state, "Restarting") || rp_json_bool (state, "Paused"))
    {
      const char *status = json_is_object (state) ? rp_json_str (state, "Status") : NULL;
      g_set_error (error, RP_ERROR, RP_ERROR_UNHEALTHY, "container %s is %s", name,
                   status ? status : "not running");
      return FALSE;
    }
  if (!is_flapping (inspected, state))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_UNHEALTHY,
               "container %s has been restarted %d times, the last time just now", name,
               (int)rp_json_int (inspected, "RestartCount"));
  return FALSE;
}

static gboolean
container_probe (gpointer self, GError **error)
{
  Container *container = self;
  const json_t *first = NULL;
  g_autoptr (json_t) list = list_ours (container, error);
  if (!list)
    return FALSE;
  if (count_running (list, &first) == 0)
    {
      g_autofree char *text = describe_stopped (list);
      g_set_error_literal (error, RP_ERROR, RP_ERROR_UNHEALTHY, text);
      return FALSE;
    }
  g_autoptr (json_t) inspected
      = rp_docker_container_inspect (container->engine, listed_id (first), error);
  if (!inspected || !check_state (inspected, listed_name (first), error))
    return FALSE;
  return !container->options.probe
         || rp_probe_run (container->options.probe, container->context->cancelled, error);
}

/* ---- prune ---- */

static gboolean
is_kept (const json_t *listed, const RpArtifact *keep, gsize n_keep)
{
  RpDigest digest;
  const char *label = label_of_listed (listed, RP_LABEL_DIGEST);
  if (!label || !rp_digest_parse (label, &digest, NULL))
    return FALSE;
  for (gsize i = 0; i < n_keep; i++)
    if (rp_digest_equal (&keep[i].digest, &digest))
      return TRUE;
  return FALSE;
}

/* Made with other options than those of today, and its successor is there. */
static gboolean
is_replaced (const Container *container, const json_t *list, const json_t *listed)
{
  const char *digest = label_of_listed (listed, RP_LABEL_DIGEST);
  if (g_strcmp0 (label_of_listed (listed, RP_LABEL_OPTIONS), container->options.hash) == 0)
    return FALSE;
  for (gsize i = 0; i < json_array_size (list); i++)
    {
      const json_t *other = json_array_get (list, i);
      if (g_strcmp0 (label_of_listed (other, RP_LABEL_DIGEST), digest) == 0
          && g_strcmp0 (label_of_listed (other, RP_LABEL_OPTIONS), container->options.hash) == 0)
        return TRUE;
    }
  return FALSE;
}

/* An image that another container uses stays, and that is no error. */
static gboolean
remove_image (Container *container, const json_t *listed, GError **error)
{
  const char *repository = label_of_listed (listed, RP_LABEL_REPOSITORY);
  const char *digest = label_of_listed (listed, RP_LABEL_DIGEST);
  g_autoptr (GError) failure = NULL;
  if (!repository || !digest)
    return TRUE;
  g_autofree char *reference = g_strdup_printf ("%s@%s", repository, digest);
  if (rp_docker_image_remove (container->engine, reference, &failure)
      || g_error_matches (failure, RP_ERROR, RP_ERROR_CONFLICT))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}

static gboolean
container_prune (gpointer self, const RpArtifact *keep, gsize n_keep, GError **error)
{
  Container *container = self;
  g_autoptr (json_t) list = list_ours (container, error);
  if (!list)
    return FALSE;
  for (gsize i = 0; i < json_array_size (list); i++)
    {
      const json_t *listed = json_array_get (list, i);
      gboolean kept = is_kept (listed, keep, n_keep);
      if (is_running (listed) || (kept && !is_replaced (container, list, listed)))
        continue;
      if (!rp_docker_container_remove (container->engine, listed_id (listed), error))
        return FALSE;
      if (!kept && !remove_image (container, listed, error))
        return FALSE;
    }
  return TRUE;
}

/* ---- snapshot ---- */

static json_t *
container_snapshot (gpointer self, GError **error)
{
  Container *container = self;
  const json_t *first = NULL;
  g_autoptr (json_t) list = list_ours (container, error);
  if (!list)
    return NULL;
  json_t *facts = json_object ();
  if (count_running (list, &first) > 0)
    {
      json_object_set_new (facts, "container", json_string (listed_name (first)));
      json_object_set_new (facts, "id", json_string (listed_id (first)));
    }
  json_object_set_new (facts, "options", json_string (container->options.hash));
  return facts;
}

const RpDriverOps rp_driver_container = {
  .name = "container",
  .summary = "a container of a Docker or Podman engine on this host",
  .open = container_open,
  .close = container_close,
  .observe = container_observe,
  .prepare = container_prepare,
  .verify = container_verify,
  .point = container_point,
  .probe = container_probe,
  .prune = container_prune,
  .snapshot = container_snapshot,
};
