/* A container engine for tests: the subset of the Docker Engine API that a target needs, with state, on a unix socket.
 * What it "pulls" must be a manifest in the registry peer. */
#pragma once

#include "registry_peer.h"

typedef struct {
  Peer *peer;
  Registry *registry;
  GMutex lock;
  json_t *containers; /* name → {Id, Name, State, Config, HostConfig, Image} */
  json_t *images;     /* reference → id */
  gboolean registry_down;
  const char *start_fails; /* digest whose container does not start */
  guint pulls, creates, next_id;
} Engine;

static inline gboolean
engine_reply (PeerReply *reply, int status, json_t *body)
{
  char *text = json_dumps (body, JSON_COMPACT);
  reply->status = status;
  reply->headers = "Content-Type: application/json\r\n";
  reply->body = g_bytes_new_with_free_func (text, strlen (text), free, text);
  json_decref (body);
  return TRUE;
}

static inline gboolean
engine_say (PeerReply *reply, int status, const char *message)
{
  return engine_reply (reply, status, json_pack ("{s:s}", "message", message));
}

/* By name or id. */
static inline json_t *
engine_find (Engine *engine, const char *which)
{
  const char *name;
  json_t *container;
  json_object_foreach (engine->containers, name, container)
    if (g_str_equal (name, which)
        || g_str_equal (json_string_value (json_object_get (container, "Id")), which))
      return container;
  return NULL;
}

static inline const char *
engine_state (const json_t *container)
{
  return json_string_value (json_object_get (json_object_get (container, "State"), "Status"));
}

static inline void
engine_set_state (json_t *container, const char *status)
{
  gboolean running = g_str_equal (status, "running");
  json_object_set_new (container, "State",
                       json_pack ("{s:s,s:b,s:b,s:s}", "Status", status, "Running", running,
                                  "Restarting", 0, "StartedAt", "2020-01-01T00:00:00.5Z"));
}

static inline gboolean
engine_images (Engine *engine, const char *method, const char *rest, PeerReply *reply)
{
  const char *reference;
  json_t *id;
  g_autofree char *which = g_strdup (rest);
  if (g_str_has_suffix (which, "/json"))
    which[strlen (which) - 5] = '\0';
  json_object_foreach (engine->images, reference, id)
    {
      if (!g_str_equal (reference, which) && !g_str_equal (json_string_value (id) + 7, which))
        continue;
      if (g_str_equal (method, "GET"))
        return engine_reply (reply, 200,
                             json_pack ("{s:s,s:[s]}", "Id", json_string_value (id), "RepoDigests",
                                        reference));
      const char *name;
      json_t *container;
      json_object_foreach (engine->containers, name, container)
        if (strstr (json_string_value (id),
                    json_string_value (json_object_get (container, "Image"))))
          return engine_say (reply, 409, "image is in use by a container");
      json_object_del (engine->images, which);
      return engine_reply (reply, 200, json_array ());
    }
  return engine_say (reply, 404, "no such image");
}

/* Always 200: whether it went well is in the stream. */
static inline void
engine_pull (Engine *engine, const char *reference, PeerReply *reply)
{
  const char *at = strchr (reference, '@');
  g_autofree char *path = g_strconcat ("/v2/" REPOSITORY "/manifests/", at ? at + 1 : "", NULL);
  gboolean found = !engine->registry_down
                   && g_hash_table_contains (engine->registry->things, path);
  engine->pulls++;
  reply->status = 200;
  const char *story = found ? "{\"status\":\"Pulling\"}\r\n{\"id\":\"aa\",\"progressDetail\":"
                              "{\"current\":5,\"total\":10}}\r\n{\"status\":\"done\"}\r\n"
                            : "{\"status\":\"Pulling\"}\n{\"error\":\"manifest unknown\"}";
  reply->body = g_bytes_new (story, strlen (story));
  if (!found)
    return;
  RpDigest id = rp_digest_of (RP_DIGEST_SHA256, reference, strlen (reference));
  g_autofree char *text = rp_digest_to_string (&id);
  json_object_set_new (engine->images, reference, json_string (text));
}

static inline gboolean
engine_create (Engine *engine, const char *name, const PeerRequest *request, PeerReply *reply)
{
  if (engine_find (engine, name))
    return engine_say (reply, 409, "the name is already in use");
  json_t *config = json_loads ((const char *) request->body->data, 0, NULL);
  const char *image = json_string_value (json_object_get (config, "Image"));
  const char *id = json_string_value (json_object_get (engine->images, image));
  if (!id)
    {
      json_decref (config);
      return engine_say (reply, 404, "no such image");
    }
  g_autofree char *own = g_strdup_printf ("%064x", ++engine->next_id);
  g_autofree char *slashed = g_strconcat ("/", name, NULL);
  json_t *container = json_pack ("{s:s,s:s,s:s,s:o,s:i}", "Id", own, "Name", slashed, "Image",
                                 id + strlen ("sha256:"), "Config", config, "RestartCount", 0);
  engine_set_state (container, "created");
  json_object_set_new (engine->containers, name, container);
  engine->creates++;
  return engine_reply (reply, 201, json_pack ("{s:s}", "Id", own));
}

static inline gboolean
engine_list (Engine *engine, const char *filters, PeerReply *reply)
{
  json_t *list = json_array (), *filter = json_loads (filters, 0, NULL);
  const char *wanted = json_string_value (json_array_get (json_object_get (filter, "label"), 0));
  const char *name;
  json_t *container;
  json_object_foreach (engine->containers, name, container)
    {
      json_t *labels = json_object_get (json_object_get (container, "Config"), "Labels");
      g_autofree char *label = g_strdup_printf (
          "repoint.target=%s", json_string_value (json_object_get (labels, "repoint.target")));
      if (g_str_equal (label, wanted))
        json_array_append_new (
            list, json_pack ("{s:O,s:[O],s:s,s:s,s:O}", "Id", json_object_get (container, "Id"),
                             "Names", json_object_get (container, "Name"), "State",
                             engine_state (container), "Status", "Up or not", "Labels", labels));
    }
  json_decref (filter);
  return engine_reply (reply, 200, list);
}

static inline gboolean
engine_act (Engine *engine, const char *method, const char *which, const char *action,
            PeerReply *reply)
{
  json_t *container = engine_find (engine, which);
  if (!container)
    return engine_say (reply, 404, "no such container");
  gboolean running = g_str_equal (engine_state (container), "running");
  if (g_str_equal (method, "GET"))
    return engine_reply (reply, 200, json_incref (container));
  if (g_str_equal (method, "DELETE"))
    {
      if (running)
        return engine_say (reply, 409, "it is running");
      g_autofree char *name
          = g_strdup (json_string_value (json_object_get (container, "Name")) + 1);
      json_object_del (engine->containers, name);
      reply->status = 204;
      return TRUE;
    }
  gboolean start = g_str_equal (action, "start");
  const char *image = json_string_value (
      json_object_get (json_object_get (container, "Config"), "Image"));
  if (start && engine->start_fails && strstr (image, engine->start_fails))
    return engine_say (reply, 500, "exec format error");
  reply->status = start == running ? 304 : 204;
  engine_set_state (container, start ? "running" : "exited");
  return TRUE;
}

static inline gboolean
engine_containers (Engine *engine, const PeerRequest *request, const char *rest, const char *query,
                   PeerReply *reply)
{
  if (g_str_equal (rest, "json"))
    return engine_list (engine, query + strlen ("all=true&filters="), reply);
  if (g_str_equal (rest, "create"))
    return engine_create (engine, query + strlen ("name="), request, reply);
  g_auto (GStrv) parts = g_strsplit (rest, "/", 2);
  return engine_act (engine, request->method, parts[0], parts[1], reply);
}

static inline void
engine_handle (const PeerRequest *request, PeerReply *reply, gpointer user_data)
{
  Engine *engine = user_data;
  g_autofree char *path = g_uri_unescape_string (request->path, NULL);
  char *query = strchr (path, '?');
  if (query)
    *query++ = '\0';
  g_mutex_lock (&engine->lock);
  if (g_str_equal (path, "/version"))
    engine_reply (reply, 200, json_pack ("{s:s,s:s}", "ApiVersion", "1.44", "MinAPIVersion", "1.24"));
  else if (g_str_equal (path, "/v1.41/images/create"))
    engine_pull (engine, query + strlen ("fromImage="), reply);
  else if (g_str_has_prefix (path, "/v1.41/images/"))
    engine_images (engine, request->method, path + strlen ("/v1.41/images/"), reply);
  else if (g_str_has_prefix (path, "/v1.41/containers/"))
    engine_containers (engine, request, path + strlen ("/v1.41/containers/"), query, reply);
  else
    engine_say (reply, 404, "page not found");
  g_mutex_unlock (&engine->lock);
}

static inline Engine *
engine_start (const char *socket_path, Registry *registry)
{
  Engine *engine = g_new0 (Engine, 1);
  g_mutex_init (&engine->lock);
  engine->registry = registry;
  engine->containers = json_object ();
  engine->images = json_object ();
  engine->peer = peer_start (socket_path, engine_handle, engine);
  return engine;
}

static inline void
engine_stop (Engine *engine)
{
  if (engine->peer)
    peer_stop (engine->peer);
  json_decref (engine->containers);
  json_decref (engine->images);
  g_mutex_clear (&engine->lock);
  g_free (engine);
}
