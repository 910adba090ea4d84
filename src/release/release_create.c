/* Making a release: resolve once, hash everything, record once. */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "oci/reference.h"
#include "release/app.h"
#include "release/engine_priv.h"
#include "release/json_out.h"
#include "release/key.h"
#include "release/provenance.h"

#define TEXT_MAX       512 /* bytes of a URL or build number */
#define NAME_MAX_BYTES 128
#define COMMIT_SHORT   7

typedef struct
{
  const RpReleaseRequest *request;
  RpEngine *engine;
  char *scope;
  RpApp *app;
  RpRelease *wanted; /* components are resolved; its commit and repository will be recorded */
  GPtrArray *closures; /* RpClosure of each component of `wanted`, once they are verified */
  RpRelease *result;
  gboolean created;
} Create;

static void
create_clear (Create *create)
{
  g_free (create->scope);
  rp_app_free (create->app);
  rp_release_free (create->wanted);
  g_clear_pointer (&create->closures, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Create, create_clear)

/* ---- the request ---- */

static gboolean
check_word (const char *what, const char *word, GError **error)
{
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "._+-";
  if (word == NULL)
    return TRUE;
  gsize length = strlen (word);
  if (length > 0 && length <= NAME_MAX_BYTES && g_ascii_isalnum (word[0])
      && strspn (word, allowed) == length)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               "\"%.140s\" is no %s: use 1 to %d of letters, digits and . _ + -, a letter or digit"
               " first",
               word, what, NAME_MAX_BYTES);
  return FALSE;
}

static gboolean
check_text (const char *what, const char *text, GError **error)
{
  if (text == NULL)
    return TRUE;
  gboolean sane = strlen (text) <= TEXT_MAX && g_utf8_validate (text, -1, NULL);
  for (const char *p = text; sane && *p != '\0'; p++)
    sane = !g_ascii_iscntrl (*p);
  if (!sane)
    g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                 "%s must be at most %d bytes of text without control characters", what, TEXT_MAX);
  return sane;
}

static gboolean
check_request (const RpReleaseRequest *request, GError **error)
{
  return check_word ("version", request->version, error)
         && check_word ("commit", request->commit, error)
         && check_text ("source.repository", request->source_repository, error)
         && check_text ("source.build", request->build, error)
         && check_text ("source.run_url", request->run_url, error);
}

static gboolean
check_known_components (const Create *create, GError **error)
{
  const GArray *wanted = create->request->components;
  for (guint i = 0; i < wanted->len; i++)
    {
      const char *name = g_array_index (wanted, RpWantedComponent, i).name;
      if (rp_app_component (create->app, name) == NULL)
        {
          g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                       "app %s has no component \"%s\"; declare it in repoint.yaml or leave it out",
                       create->app->name, name);
          return FALSE;
        }
    }
  return TRUE;
}

static const char *
wanted_reference (const Create *create, const char *component)
{
  const GArray *wanted = create->request->components;
  for (guint i = 0; i < wanted->len; i++)
    if (g_str_equal (g_array_index (wanted, RpWantedComponent, i).name, component))
      return g_array_index (wanted, RpWantedComponent, i).reference;
  return NULL;
}

/* ---- resolve ---- */

/* A prefix of a digest, completed; a whole digest as it is. */
static char *
complete_digest (const Create *create, const char *reference, GError **error)
{
  RpDigest digest;
  if (rp_digest_parse (reference, &digest, NULL))
    return g_strdup (reference);
  if (!rp_registry_find_digest (create->engine->registry, reference, &digest, error))
    return NULL;
  return rp_digest_to_string (&digest);
}

/* What to ask the registry for in the component's repository: a tag or a digest. A host in front is
 * this server under whatever name the pusher knows it by: the digest decides, not the name. */
static char *
reference_in_repository (const Create *create, const RpComponent *component, const char *text,
                         GError **error)
{
  g_auto (RpReference) reference = { 0 };
  if (g_str_has_prefix (text, "sha256:") || g_str_has_prefix (text, "sha512:"))
    return complete_digest (create, text, error);
  if (strpbrk (text, "/:@") == NULL)
    return rp_tag_check (text, error) ? g_strdup (text) : NULL;
  if (!rp_reference_parse (text, &reference, error))
    return NULL;
  if (!g_str_equal (reference.repository, component->repository))
    {
      g_set_error (
          error, RP_ERROR, RP_ERROR_INVALID,
          "%s is in repository %s, but component %s is declared to be in %s; push it there or"
          " change repoint.yaml",
          text, reference.repository, component->name, component->repository);
      return NULL;
    }
  return reference.has_digest ? rp_digest_to_string (&reference.digest) : g_strdup (reference.tag);
}

static gboolean
resolve (Create *create, const RpComponent *component, GError **error)
{
  const char *text = wanted_reference (create, component->name);
  g_auto (RpManifestInfo) info = { 0 };
  if (text == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "component %s is not given; a release is all components of its app",
                   component->name);
      return FALSE;
    }
  g_autofree char *reference = reference_in_repository (create, component, text, error);
  if (reference == NULL
      || !rp_registry_manifest_get (create->engine->registry, component->repository, reference,
                                    &info, NULL, error))
    {
      g_prefix_error (error, "component %s: ", component->name);
      return FALSE;
    }
  RpReleaseComponent *resolved = g_new0 (RpReleaseComponent, 1);
  resolved->name = g_strdup (component->name);
  resolved->repository = g_strdup (component->repository);
  resolved->digest = info.digest;
  resolved->media_type = g_strdup (info.media_type);
  resolved->requested = g_strdup (text);
  g_ptr_array_add (create->wanted->components, resolved);
  return TRUE;
}

/* ---- verify ---- */

static gboolean
verify (const Create *create, RpReleaseComponent *component, GError **error)
{
  g_auto (RpVerifyReport) report = { 0 };
  char digest[RP_DIGEST_STRING_SIZE];
  if (!rp_registry_verify (create->engine->registry, component->repository, &component->digest,
                           RP_VERIFY_HASH, &report, error))
    {
      g_prefix_error (error, "component %s: ", component->name);
      return FALSE;
    }
  component->size_bytes = report.size_bytes;
  if (report.problems->len == 0)
    return TRUE;
  g_ptr_array_add (report.problems, NULL);
  g_autofree char *problems = g_strjoinv ("; ", (char **) report.problems->pdata);
  g_set_error (
      error, RP_ERROR, RP_ERROR_MANIFEST_BLOB_UNKNOWN,
      "component %s (%s@%s) is not whole, so no release was made: %s. Push it again, then repeat",
      component->name, component->repository, rp_digest_format (&component->digest, digest),
      problems);
  return FALSE;
}

/* ---- what is recorded already ---- */

static gboolean
same_digests (const RpRelease *a, const RpRelease *b)
{
  if (a->components->len != b->components->len)
    return FALSE;
  for (guint i = 0; i < a->components->len; i++)
    {
      const RpReleaseComponent *component = a->components->pdata[i];
      const RpReleaseComponent *other = rp_release_component (b, component->name);
      if (other == NULL || !rp_digest_equal (&component->digest, &other->digest))
        return FALSE;
    }
  return TRUE;
}

static char *
describe_digests (const RpRelease *release)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < release->components->len; i++)
    {
      const RpReleaseComponent *component = release->components->pdata[i];
      char digest[RP_DIGEST_STRING_SIZE];
      g_string_append_printf (text, "%s%s %s", i == 0 ? "" : ", ", component->name,
                              rp_digest_format (&component->digest, digest));
    }
  return g_strdup (text->str);
}

static void
set_conflict (const RpRelease *recorded, const Create *create, const char *what, GError **error)
{
  g_autofree char *label = rp_release_label (recorded);
  g_autofree char *at = rp_clock_format (recorded->at_us);
  g_autofree char *is = describe_digests (recorded);
  g_autofree char *wanted = describe_digests (create->wanted);
  const char *commit = create->wanted->commit;
  gboolean read = commit != NULL && create->request->commit == NULL;
  g_set_error (
      error, RP_ERROR, RP_ERROR_CONFLICT,
      "%s of app %s is recorded already as %s, made by %s at %s from commit %s with %s; asked"
      " for was %s from commit %s%s. A release is built once: a pipeline that runs again must"
      " return the recorded release (`repoint build` does), and a new build needs a new commit"
      " and version",
      what, recorded->app, label, recorded->actor, at,
      recorded->commit != NULL ? recorded->commit : "(none)", is, wanted,
      commit != NULL ? commit : "(none)",
      read ? " (read from the artifacts: if that is wrong, say which it was)" : "");
}

/* The one release that a query names, NULL without error if there is none. */
static gboolean
load_number (RpTxn *txn, const char *app, const RpRows *rows, RpRelease **out, GError **error)
{
  *out = NULL;
  if (rows == NULL)
    return FALSE;
  if (rp_rows_count (rows) == 0)
    return TRUE;
  *out = rp_release_load (txn, app, rp_rows_int (rows, 0, 0), error);
  return *out != NULL;
}

static gboolean
match_commit (RpTxn *txn, Create *create, GError **error)
{
  const RpReleaseRequest *request = create->request;
  g_autoptr (RpRelease) recorded = NULL;
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT number FROM app_release WHERE app = $1 AND source_commit = $2", "ss",
      request->app, create->wanted->commit);
  if (!load_number (txn, request->app, rows, &recorded, error))
    return FALSE;
  if (recorded == NULL)
    return TRUE;
  if (!same_digests (recorded, create->wanted))
    {
      g_autofree char *what = g_strdup_printf ("commit %s", create->wanted->commit);
      set_conflict (recorded, create, what, error);
      return FALSE;
    }
  create->result = g_steal_pointer (&recorded);
  return TRUE;
}

static gboolean
match_version (RpTxn *txn, Create *create, GError **error)
{
  const RpReleaseRequest *request = create->request;
  g_autoptr (RpRelease) recorded = NULL;
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, "SELECT number FROM app_release WHERE app = $1 AND version = $2",
                      "ss", request->app, request->version);
  if (!load_number (txn, request->app, rows, &recorded, error))
    return FALSE;
  if (recorded == NULL)
    return TRUE;
  if (!same_digests (recorded, create->wanted)
      || (request->commit != NULL && g_strcmp0 (request->commit, recorded->commit) != 0))
    {
      g_autofree char *what = g_strdup_printf ("version %s", request->version);
      set_conflict (recorded, create, what, error);
      return FALSE;
    }
  create->result = g_steal_pointer (&recorded);
  return TRUE;
}

/* Named by nothing: the newest release is meant if it is the very same. */
static gboolean
match_newest (RpTxn *txn, Create *create, GError **error)
{
  g_autoptr (RpRelease) recorded = NULL;
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT number FROM app_release WHERE app = $1 ORDER BY number DESC LIMIT 1", "s",
      create->request->app);
  if (!load_number (txn, create->request->app, rows, &recorded, error))
    return FALSE;
  if (recorded != NULL && recorded->commit == NULL && same_digests (recorded, create->wanted))
    create->result = g_steal_pointer (&recorded);
  return TRUE;
}

static gboolean
match_key (RpTxn *txn, Create *create, GError **error)
{
  const RpReleaseRequest *request = create->request;
  gint64 number;
  if (!rp_key_find (txn, create->scope, request->idempotency_key, request->request_hash, &number,
                    error))
    return FALSE;
  if (number == 0)
    return TRUE;
  create->result = rp_release_load (txn, request->app, number, error);
  return create->result != NULL;
}

/* create->result is what is recorded already, or stays NULL. */
static gboolean
match_recorded (RpTxn *txn, Create *create, GError **error)
{
  const RpReleaseRequest *request = create->request;
  if (!match_key (txn, create, error))
    return FALSE;
  if (create->result == NULL && create->wanted->commit != NULL
      && !match_commit (txn, create, error))
    return FALSE;
  if (create->result == NULL && request->version != NULL && !match_version (txn, create, error))
    return FALSE;
  if (create->result == NULL && request->commit == NULL && request->version == NULL)
    return match_newest (txn, create, error);
  return TRUE;
}

static gboolean
match_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  return match_recorded (txn, user_data, error);
}

/* ---- record ---- */

static gboolean
version_is_free (RpTxn *txn, const char *app, const char *version, gboolean *out, GError **error)
{
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT 1 FROM app_release WHERE app = $1 AND version = $2", "ss", app, version);
  if (rows == NULL)
    return FALSE;
  *out = rp_rows_count (rows) == 0;
  return TRUE;
}

/* The version asked for, else the shortest free beginning of the commit, else `r<number>`. */
static char *
choose_version (RpTxn *txn, const Create *create, gint64 number, GError **error)
{
  const RpReleaseRequest *request = create->request;
  const char *commit = create->wanted->commit;
  gboolean is_free = FALSE;
  gsize length = commit == NULL ? 0 : strlen (commit);
  if (request->version != NULL)
    return g_strdup (request->version);
  for (gsize n = MIN (COMMIT_SHORT, length); n > 0 && n <= length; n++)
    {
      g_autofree char *version = g_strndup (commit, n);
      if (!version_is_free (txn, request->app, version, &is_free, error))
        return NULL;
      if (is_free)
        return g_steal_pointer (&version);
    }
  g_autofree char *version = g_strdup_printf ("r%" G_GINT64_FORMAT, number);
  if (!version_is_free (txn, request->app, version, &is_free, error))
    return NULL;
  if (is_free)
    return g_steal_pointer (&version);
  g_set_error (error, RP_ERROR, RP_ERROR_CONFLICT,
               "the version %s that this release would get is taken; give it a version", version);
  return NULL;
}

static json_t *
components_to_json (const RpRelease *release)
{
  json_t *array = json_array ();
  for (guint i = 0; i < release->components->len; i++)
    {
      const RpReleaseComponent *component = release->components->pdata[i];
      char digest[RP_DIGEST_STRING_SIZE];
      json_t *one = json_object ();
      json_object_set_new (one, "name", json_string (component->name));
      json_object_set_new (one, "repository", json_string (component->repository));
      json_object_set_new (one, "digest",
                           json_string (rp_digest_format (&component->digest, digest)));
      json_object_set_new (one, "media_type", json_string (component->media_type));
      json_object_set_new (one, "size_bytes", json_integer ((json_int_t) component->size_bytes));
      json_object_set_new (one, "requested", json_string (component->requested));
      json_array_append_new (array, one);
    }
  return array;
}

static json_t *
source_to_json (const Create *create)
{
  const RpReleaseRequest *request = create->request;
  const struct
  {
    const char *key;
    const char *value;
  } fields[] = { { "repository", create->wanted->source_repository },
                 { "commit", create->wanted->commit },
                 { "build", request->build },
                 { "run_url", request->run_url } };
  json_t *source = json_object ();
  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    if (fields[i].value != NULL)
      json_object_set_new (source, fields[i].key, json_string (fields[i].value));
  return source;
}

static gboolean
record (RpTxn *txn, Create *create, GError **error)
{
  const RpReleaseRequest *request = create->request;
  g_autoptr (RpRows) rows = rp_txn_query (
      txn, error, "SELECT MAX(number) FROM app_release WHERE app = $1", "s", request->app);
  if (rows == NULL)
    return FALSE;
  gint64 number = rp_rows_int (rows, 0, 0) + 1;
  g_autofree char *version = choose_version (txn, create, number, error);
  if (version == NULL)
    return FALSE;
  g_autoptr (json_t) body = json_object ();
  json_object_set_new (body, "app", json_string (request->app));
  json_object_set_new (body, "number", json_integer (number));
  json_object_set_new (body, "version", json_string (version));
  json_object_set_new (body, "components", components_to_json (create->wanted));
  json_object_set_new (body, "source", source_to_json (create));
  json_object_set_new (body, "provenance", rp_provenance_to_json (create->wanted->provenance));
  json_object_set_new (body, "disagreements", rp_json_texts (create->wanted->disagreements));
  json_t *key = rp_key_to_json (create->scope, request->idempotency_key, request->request_hash);
  if (key != NULL)
    json_object_set_new (body, "idempotency", key);
  if (!rp_ledger_append (create->engine->ledger, txn, request->actor, "release.created", body, NULL,
                         error))
    return FALSE;
  create->created = TRUE;
  create->result = rp_release_load (txn, request->app, number, error);
  return create->result != NULL;
}

/* What was whole when it was hashed may have been deleted since; once it is recorded that it is
 * needed, it can no longer be. */
static gboolean
check_still_whole (RpTxn *txn, const Create *create, GError **error)
{
  for (guint i = 0; i < create->closures->len; i++)
    {
      const RpReleaseComponent *component = create->wanted->components->pdata[i];
      if (!rp_registry_check_closure (txn, component->repository, create->closures->pdata[i],
                                      error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
record_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Create *create = user_data;
  if (!match_recorded (txn, create, error))
    return FALSE;
  return create->result != NULL
         || (check_still_whole (txn, create, error) && record (txn, create, error));
}

static gboolean
load_app_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Create *create = user_data;
  create->app = rp_app_load (txn, create->request->app, error);
  return create->app != NULL && match_key (txn, create, error);
}

static gboolean
resolve_all (Create *create, GError **error)
{
  if (!check_known_components (create, error))
    return FALSE;
  create->wanted = rp_release_new (create->app->name);
  create->wanted->commit = g_strdup (create->request->commit);
  create->wanted->source_repository = g_strdup (create->request->source_repository);
  for (guint i = 0; i < create->app->components->len; i++)
    if (!resolve (create, create->app->components->pdata[i], error))
      return FALSE;
  return TRUE;
}

static gboolean
verify_all (Create *create, GError **error)
{
  create->closures = g_ptr_array_new_with_free_func ((GDestroyNotify) rp_closure_free);
  for (guint i = 0; i < create->wanted->components->len; i++)
    {
      RpReleaseComponent *component = create->wanted->components->pdata[i];
      if (!verify (create, component, error))
        return FALSE;
      RpClosure *closure = rp_registry_closure (create->engine->registry, component->repository,
                                                &component->digest, error);
      if (closure == NULL)
        return FALSE;
      g_ptr_array_add (create->closures, closure);
    }
  return TRUE;
}

/* ---- where it came from ---- */

/* Decides what is recorded of the two that the caller may leave to the artifacts. */
static gboolean
read_provenance (Create *create, GError **error)
{
  const RpReleaseRequest *request = create->request;
  RpRelease *wanted = create->wanted;
  for (guint i = 0; i < wanted->components->len; i++)
    if (!rp_provenance_gather (create->engine, wanted->components->pdata[i], wanted->provenance,
                               wanted->disagreements, error))
      return FALSE;
  g_free (wanted->commit);
  wanted->commit = rp_provenance_judge (wanted->provenance, RP_CLAIM_COMMIT, request->commit,
                                        wanted->disagreements);
  g_free (wanted->source_repository);
  wanted->source_repository = rp_provenance_judge (
      wanted->provenance, RP_CLAIM_REPOSITORY, request->source_repository, wanted->disagreements);
  rp_provenance_add_told (wanted->provenance, RP_CLAIM_COMMIT, request->commit);
  rp_provenance_add_told (wanted->provenance, RP_CLAIM_REPOSITORY, request->source_repository);
  return TRUE;
}

static gboolean
run (Create *create, GError **error)
{
  RpDb *db = create->engine->db;
  if (!check_request (create->request, error) || !rp_db_read (db, load_app_in_txn, create, error))
    return FALSE;
  if (create->result != NULL)
    return TRUE;
  if (!resolve_all (create, error) || !rp_db_read (db, match_in_txn, create, error))
    return FALSE;
  if (create->result != NULL)
    return TRUE;
  return verify_all (create, error) && read_provenance (create, error)
         && rp_db_write (db, record_in_txn, create, error);
}

RpRelease *
rp_release_create (RpEngine *engine, const RpReleaseRequest *request, gboolean *out_created,
                   GError **error)
{
  g_auto (Create) create = { .request = request, .engine = engine };
  create.scope = g_strdup_printf ("%s/releases", request->app);
  if (!run (&create, error))
    {
      rp_release_free (create.result);
      return NULL;
    }
  *out_created = create.created;
  return create.result;
}
