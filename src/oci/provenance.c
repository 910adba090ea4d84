#include "oci/provenance.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"

#define COMMIT_PREFIX_MIN 7 /* characters, as git shortens */
#define COMMIT_MAX        128
#define PATH_MAX_KEYS     6
#define DIRTY             "-dirty"

static const char *const field_names[RP_CLAIM_N_FIELDS] = {
  [RP_CLAIM_REPOSITORY] = "repository",
  [RP_CLAIM_COMMIT] = "commit",
  [RP_CLAIM_VERSION] = "version",
  [RP_CLAIM_CREATED] = "created",
};

const char *
rp_claim_field_name (RpClaimField field)
{
  return field_names[field];
}

gboolean
rp_claim_field_from_name (const char *name, RpClaimField *out)
{
  for (int i = 0; i < RP_CLAIM_N_FIELDS; i++)
    if (g_strcmp0 (name, field_names[i]) == 0)
      {
        *out = (RpClaimField) i;
        return TRUE;
      }
  return FALSE;
}

void
rp_claim_free (gpointer data)
{
  RpClaim *claim = data;
  g_free (claim->value);
  g_free (claim->source);
  g_free (claim);
}

/* ---- values ---- */

static gboolean
is_hex (const char *text)
{
  return *text != '\0' && strspn (text, "0123456789abcdefABCDEF") == strlen (text);
}

/* A commit may be of any version control, but is one word. */
static gboolean
is_commit (const char *text)
{
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "._+-";
  gsize length = strlen (text);
  return length > 0 && length <= COMMIT_MAX && g_ascii_isalnum (text[0])
         && strspn (text, allowed) == length;
}

static gboolean
is_plain (const char *text)
{
  if (*text == '\0' || strlen (text) > RP_CLAIM_VALUE_MAX)
    return FALSE;
  for (const char *p = text; *p != '\0'; p++)
    if (g_ascii_iscntrl (*p))
      return FALSE;
  return TRUE;
}

/* Who fetched is nobody's business, and its password a secret: `https://user:word@host/x` loses both.
 * The user of an SSH address stays: `git@`. */
static char *
without_user (const char *url)
{
  const char *rest = strstr (url, "://");
  if (rest == NULL)
    return g_strdup (url);
  rest += 3;
  gsize authority = strcspn (rest, "/?#");
  const char *at = g_strrstr_len (rest, (gssize) authority, "@");
  if (at == NULL
      || (g_str_has_prefix (url, "ssh://") && memchr (rest, ':', (gsize) (at - rest)) == NULL))
    return g_strdup (url);
  g_autofree char *scheme = g_strndup (url, (gsize) (rest - url));
  return g_strconcat (scheme, at + 1, NULL);
}

/* The address of a repository in a build source: without `git+`, `#ref:dir` and `@ref`. */
static char *
repository_of (const char *uri)
{
  const char *start = g_str_has_prefix (uri, "git+") ? uri + 4 : uri;
  g_autofree char *bare = g_strndup (start, strcspn (start, "#"));
  g_autofree char *url = without_user (bare);
  const char *path = strstr (url, "://");
  path = path == NULL ? NULL : strchr (path + 3, '/');
  char *ref = path == NULL ? NULL : strchr (path, '@');
  return ref == NULL ? g_steal_pointer (&url) : g_strndup (url, (gsize) (ref - url));
}

/* `host/path` of an address, so that https://, ssh:// and git@host:path compare. */
static char *
comparable_repository (const char *value)
{
  g_autofree char *url = repository_of (value);
  const char *scheme = strstr (url, "://");
  const char *rest = scheme == NULL ? url : scheme + 3;
  gsize head = strcspn (rest, "/:");
  const char *at = memchr (rest, '@', head);
  if (at != NULL)
    rest = at + 1;
  g_autofree char *text = g_strdup (rest);
  char *colon = scheme == NULL ? strchr (text, ':') : NULL;
  if (colon != NULL && memchr (text, '/', (gsize) (colon - text)) == NULL)
    *colon = '/';
  gsize length = strlen (text);
  while (length > 0 && text[length - 1] == '/')
    text[--length] = '\0';
  if (g_str_has_suffix (text, ".git"))
    text[length - 4] = '\0';
  for (char *p = text; *p != '\0' && *p != '/'; p++)
    *p = g_ascii_tolower (*p);
  return g_steal_pointer (&text);
}

gboolean
rp_claim_commit_is_dirty (const char *commit)
{
  return g_str_has_suffix (commit, DIRTY);
}

static gboolean
same_commit (const char *a, const char *b)
{
  gsize length = MIN (strlen (a), strlen (b));
  if (!is_hex (a) || !is_hex (b))
    return g_str_equal (a, b);
  if (strlen (a) != strlen (b) && length < COMMIT_PREFIX_MIN)
    return FALSE;
  return g_ascii_strncasecmp (a, b, length) == 0;
}

gboolean
rp_claim_agrees (RpClaimField field, const char *a, const char *b)
{
  if (field == RP_CLAIM_COMMIT)
    return same_commit (a, b);
  if (field != RP_CLAIM_REPOSITORY)
    return g_str_equal (a, b);
  g_autofree char *one = comparable_repository (a);
  g_autofree char *other = comparable_repository (b);
  return g_str_equal (one, other);
}

/* ---- what is found ---- */

/* Adds a claim; absent and empty values claim nothing. */
static gboolean
add (GPtrArray *claims, RpClaimField field, RpClaimTrust trust, const char *source,
     const char *value, GError **error)
{
  if (value == NULL || *value == '\0')
    return TRUE;
  if (!is_plain (value) || (field == RP_CLAIM_COMMIT && !is_commit (value)))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "%s is no usable %s: it must be %s", source, field_names[field],
                   field == RP_CLAIM_COMMIT ? "one word of letters, digits and . _ + -"
                                            : "short text without control characters");
      return FALSE;
    }
  g_autofree char *kept
      = field == RP_CLAIM_REPOSITORY ? repository_of (value) : g_strdup (value);
  if (*kept == '\0')
    return TRUE;
  RpClaim *claim = g_new0 (RpClaim, 1);
  claim->field = field;
  claim->trust = trust;
  claim->value = g_steal_pointer (&kept);
  claim->source = g_strdup (source);
  g_ptr_array_add (claims, claim);
  return TRUE;
}

static void
drop_from (GPtrArray *claims, guint length)
{
  if (claims->len > length)
    g_ptr_array_remove_range (claims, length, claims->len - length);
}

/* ---- annotations and labels ---- */

static const struct
{
  const char *key;
  RpClaimField field;
} known_keys[] = {
  { "org.opencontainers.image.source", RP_CLAIM_REPOSITORY },
  { "org.opencontainers.image.revision", RP_CLAIM_COMMIT },
  { "org.opencontainers.image.version", RP_CLAIM_VERSION },
  { "org.opencontainers.image.created", RP_CLAIM_CREATED },
  { "org.label-schema.vcs-url", RP_CLAIM_REPOSITORY },
  { "org.label-schema.vcs-ref", RP_CLAIM_COMMIT },
  { "org.label-schema.version", RP_CLAIM_VERSION },
  { "org.label-schema.build-date", RP_CLAIM_CREATED },
};

static gboolean
add_known_keys (const json_t *map, const char *kind, RpClaimTrust trust, GPtrArray *claims,
                GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (known_keys); i++)
    {
      g_autofree char *source = g_strconcat (kind, "/", known_keys[i].key, NULL);
      const char *value = NULL;
      if (!rp_json_opt_string (map, known_keys[i].key, kind, &value, error)
          || !add (claims, known_keys[i].field, trust, source, value, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
need_object (const json_t *value, const char *what, GError **error)
{
  if (json_is_object (value))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "%s is not a JSON object", what);
  return FALSE;
}

gboolean
rp_provenance_parse_annotations (const char *annotations_json, GPtrArray *claims, GError **error)
{
  guint before = claims->len;
  g_autoptr (json_t) map
      = rp_json_parse (annotations_json, strlen (annotations_json), "annotations", error);
  if (map != NULL && need_object (map, "annotations", error)
      && add_known_keys (map, "annotation", RP_TRUST_ANNOTATION, claims, error))
    return TRUE;
  drop_from (claims, before);
  return FALSE;
}

gboolean
rp_provenance_parse_config (const void *data, gsize size, GPtrArray *claims, GError **error)
{
  guint before = claims->len;
  g_autoptr (json_t) root = rp_json_parse (data, size, "image configuration", error);
  if (root == NULL || !need_object (root, "image configuration", error))
    return FALSE;
  const json_t *labels = json_object_get (json_object_get (root, "config"), "Labels");
  if (labels == NULL || json_is_null (labels))
    return TRUE;
  if (need_object (labels, "config.Labels", error)
      && add_known_keys (labels, "label", RP_TRUST_LABEL, claims, error))
    return TRUE;
  drop_from (claims, before);
  return FALSE;
}

/* ---- SLSA provenance ---- */

typedef const char *Path[PATH_MAX_KEYS]; /* NULL-ended keys from the predicate down */

typedef struct
{
  const char *predicate_type;
  const char *name;
  const char *dependencies_name;
  Path config_source; /* {uri, digest: {sha1}}: what the builder was told to fetch */
  Path workflow;      /* {repository}: what GitHub ran */
  Path dependencies;  /* [{uri, digest}] */
  Path vcs;           /* {source, revision}: BuildKit's client about its work tree */
  Path finished;
} Shape;

static const Shape shapes[] = {
  { .predicate_type = "https://slsa.dev/provenance/v1",
    .name = "slsa-v1",
    .dependencies_name = "resolvedDependencies",
    .config_source = { "buildDefinition", "externalParameters", "configSource" },
    .workflow = { "buildDefinition", "externalParameters", "workflow" },
    .dependencies = { "buildDefinition", "resolvedDependencies" },
    .vcs = { "runDetails", "metadata", "buildkit_metadata", "vcs" },
    .finished = { "runDetails", "metadata", "finishedOn" } },
  { .predicate_type = "https://slsa.dev/provenance/v0.2",
    .name = "slsa-v0.2",
    .dependencies_name = "materials",
    .config_source = { "invocation", "configSource" },
    .workflow = { "invocation", "workflow" },
    .dependencies = { "materials" },
    .vcs = { "metadata", "https://mobyproject.org/buildkit@v1#metadata", "vcs" },
    .finished = { "metadata", "buildFinishedOn" } },
};

static const json_t *
follow (const json_t *value, const Path path)
{
  for (gsize i = 0; i < PATH_MAX_KEYS && path[i] != NULL && value != NULL; i++)
    value = json_object_get (value, path[i]);
  return value;
}

/* The commit in a digest set, NULL if it has none: what is no commit (a tarball's sha256) is not
 * taken for one. */
static const char *
commit_in (const json_t *owner)
{
  static const char *const algorithms[] = { "sha1", "gitCommit" };
  const json_t *set = json_object_get (owner, "digest");
  for (gsize i = 0; i < G_N_ELEMENTS (algorithms); i++)
    {
      const char *text = json_string_value (json_object_get (set, algorithms[i]));
      if (text != NULL && is_hex (text) && (strlen (text) == 40 || strlen (text) == 64))
        return text;
    }
  return NULL;
}

typedef struct
{
  const Shape *shape;
  const json_t *predicate;
  GPtrArray *claims;
} Reader;

static gboolean
add_from (const Reader *reader, RpClaimField field, RpClaimTrust trust, const char *place,
          const json_t *value, GError **error)
{
  g_autofree char *source = g_strconcat (reader->shape->name, "/", place, NULL);
  if (value != NULL && !json_is_string (value) && !json_is_null (value))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "%s: the %s is not a string", source,
                   field_names[field]);
      return FALSE;
    }
  return add (reader->claims, field, trust, source, json_string_value (value), error);
}

static gboolean
add_text (const Reader *reader, RpClaimField field, RpClaimTrust trust, const char *place,
          const char *text, GError **error)
{
  g_autofree char *source = g_strconcat (reader->shape->name, "/", place, NULL);
  return add (reader->claims, field, trust, source, text, error);
}

/* What the builder lists as used, where that is the very source: other repositories in the list were
 * only read during the build. */
static gboolean
read_dependencies (const Reader *reader, const char *source_uri, GError **error)
{
  const json_t *list = follow (reader->predicate, reader->shape->dependencies);
  gsize i;
  json_t *dependency;
  json_array_foreach (list, i, dependency)
  {
    const char *uri = json_string_value (json_object_get (dependency, "uri"));
    const char *commit = commit_in (dependency);
    if (uri == NULL || commit == NULL || !rp_claim_agrees (RP_CLAIM_REPOSITORY, uri, source_uri))
      continue;
    if (!add_text (reader, RP_CLAIM_REPOSITORY, RP_TRUST_DEPENDENCY,
                   reader->shape->dependencies_name, uri, error)
        || !add_text (reader, RP_CLAIM_COMMIT, RP_TRUST_DEPENDENCY,
                      reader->shape->dependencies_name, commit, error))
      return FALSE;
  }
  return TRUE;
}

/* A tarball has an address, too, but is no repository: only what comes with a commit counts. */
static gboolean
read_source (const Reader *reader, GError **error)
{
  const json_t *config = follow (reader->predicate, reader->shape->config_source);
  const json_t *workflow = follow (reader->predicate, reader->shape->workflow);
  const char *uri = json_string_value (json_object_get (config, "uri"));
  const char *commit = commit_in (config);
  if (uri != NULL && commit != NULL
      && (!add_text (reader, RP_CLAIM_REPOSITORY, RP_TRUST_CONFIG_SOURCE, "configSource", uri,
                     error)
          || !add_text (reader, RP_CLAIM_COMMIT, RP_TRUST_CONFIG_SOURCE, "configSource", commit,
                        error)))
    return FALSE;
  if (uri == NULL)
    uri = json_string_value (json_object_get (workflow, "repository"));
  return uri == NULL || read_dependencies (reader, uri, error);
}

static gboolean
read_predicate (const Reader *reader, GError **error)
{
  const json_t *vcs = follow (reader->predicate, reader->shape->vcs);
  return need_object (reader->predicate, "predicate", error) && read_source (reader, error)
         && add_from (reader, RP_CLAIM_REPOSITORY, RP_TRUST_VCS_HINT, "vcs",
                      json_object_get (vcs, "source"), error)
         && add_from (reader, RP_CLAIM_COMMIT, RP_TRUST_VCS_HINT, "vcs",
                      json_object_get (vcs, "revision"), error)
         && add_from (reader, RP_CLAIM_CREATED, RP_TRUST_CONFIG_SOURCE, "finished",
                      follow (reader->predicate, reader->shape->finished), error);
}

static const Shape *
shape_of (const char *predicate_type)
{
  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    if (g_strcmp0 (predicate_type, shapes[i].predicate_type) == 0)
      return &shapes[i];
  return NULL;
}

/* ---- statements ---- */

static gboolean
check_subject (const json_t *statement, const RpDigest *subject, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  const char *hex = strchr (rp_digest_format (subject, text), ':') + 1;
  const json_t *list = json_object_get (statement, "subject");
  const char *other = NULL;
  gsize i;
  json_t *one;
  json_array_foreach (list, i, one)
  {
    const json_t *set = json_object_get (one, "digest");
    const char *found = json_string_value (
        json_object_get (set, rp_digest_algorithm_name (subject->algorithm)));
    if (g_strcmp0 (found, hex) == 0)
      return TRUE;
    other = found != NULL ? found : other;
  }
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               "the statement is about %.128s, not about %s, so it says nothing of it",
               other != NULL ? other : "nothing", text);
  return FALSE;
}

static gboolean
read_statement (const json_t *statement, const RpDigest *subject, GPtrArray *claims,
                GError **error)
{
  static const char *const types[]
      = { "https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1", NULL };
  const char *type = NULL;
  const char *predicate_type = NULL;
  if (!need_object (statement, "statement", error)
      || !rp_json_need_string (statement, "_type", "statement", &type, error)
      || !rp_json_need_string (statement, "predicateType", "statement", &predicate_type, error))
    return FALSE;
  if (!g_strv_contains (types, type))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "statement._type \"%.100s\" is none that is known (in-toto Statement v1, v0.1)",
                   type);
      return FALSE;
    }
  Reader reader = { shape_of (predicate_type), json_object_get (statement, "predicate"), claims };
  if (reader.shape == NULL)
    return TRUE;
  return check_subject (statement, subject, error) && read_predicate (&reader, error);
}

/* ---- envelopes ---- */

static json_t *
open_envelope (const json_t *envelope, gboolean *out_signed, GError **error)
{
  const char *type = NULL;
  const char *payload = NULL;
  gsize size = 0;
  if (!rp_json_need_string (envelope, "payloadType", "envelope", &type, error)
      || !rp_json_need_string (envelope, "payload", "envelope", &payload, error))
    return NULL;
  if (!g_str_equal (type, RP_MEDIA_IN_TOTO))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "envelope.payloadType is \"%.100s\", expected " RP_MEDIA_IN_TOTO, type);
      return NULL;
    }
  g_autofree guchar *statement = g_base64_decode (payload, &size);
  *out_signed = json_array_size (json_object_get (envelope, "signatures")) > 0;
  return rp_json_parse (statement, size, "statement", error);
}

/* The statement in `root`: itself, or in a bundle, or in an envelope. */
static json_t *
unwrap (json_t *root, gboolean *out_signed, GError **error)
{
  const json_t *envelope = json_object_get (root, "dsseEnvelope");
  *out_signed = FALSE;
  if (envelope == NULL && json_object_get (root, "payloadType") != NULL)
    envelope = root;
  if (envelope == NULL)
    return json_incref (root);
  if (!need_object (envelope, "envelope", error))
    return NULL;
  return open_envelope (envelope, out_signed, error);
}

gboolean
rp_provenance_parse_statement (const void *data, gsize size, const RpDigest *subject,
                               GPtrArray *claims, GError **error)
{
  guint before = claims->len;
  gboolean is_signed = FALSE;
  if (size > RP_STATEMENT_LIMIT)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE,
                   "the statement has %zu bytes, at most %d are read", size, RP_STATEMENT_LIMIT);
      return FALSE;
    }
  g_autoptr (json_t) root = rp_json_parse (data, size, "statement", error);
  g_autoptr (json_t) statement = root == NULL ? NULL : unwrap (root, &is_signed, error);
  if (statement == NULL || !read_statement (statement, subject, claims, error))
    {
      drop_from (claims, before);
      return FALSE;
    }
  for (guint i = before; i < claims->len; i++)
    ((RpClaim *) claims->pdata[i])->enveloped = is_signed;
  return TRUE;
}
