#include "agent/entry.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"

#define BRIEF_HEX 12
#define WANTED_LIMIT 100
#define TRIAL_DEFAULT_MS 60000
#define TRIAL_LIMIT_MS (24 * 60 * 60 * 1000LL)

RpEntry *
rp_entry_new (gint64 revision, gint64 release_number, const char *version, const char *repository,
              const RpDigest *digest, gboolean good, gboolean rollback)
{
  RpEntry *entry = g_atomic_rc_box_new0 (RpEntry);

  entry->revision = revision;
  entry->release_number = release_number;
  entry->version = g_strdup (version != NULL ? version : "");
  entry->repository = g_strdup (repository != NULL ? repository : "");
  entry->digest = *digest;
  entry->good = good;
  entry->rollback = rollback;
  return entry;
}

RpEntry *
rp_entry_ref (const RpEntry *entry)
{
  return entry == NULL ? NULL : g_atomic_rc_box_acquire ((RpEntry *) entry);
}

static void
entry_clear (gpointer data)
{
  RpEntry *entry = data;

  g_free (entry->version);
  g_free (entry->repository);
}

void
rp_entry_unref (RpEntry *entry)
{
  if (entry != NULL)
    g_atomic_rc_box_release_full (entry, entry_clear);
}

gboolean
rp_entry_same (const RpEntry *a, const RpEntry *b)
{
  return a != NULL && b != NULL && rp_digest_equal (&a->digest, &b->digest);
}

char *
rp_digest_brief (const RpDigest *digest)
{
  char text[RP_DIGEST_STRING_SIZE];
  const char *colon;

  rp_digest_format (digest, text);
  colon = strchr (text, ':');
  return g_strndup (text, (gsize) (colon - text) + 1 + BRIEF_HEX);
}

char *
rp_entry_describe (const RpEntry *entry)
{
  g_autofree char *brief = rp_digest_brief (&entry->digest);

  return g_strdup_printf ("%s (revision %" G_GINT64_FORMAT ", %s)",
                          entry->version[0] != '\0' ? entry->version : "a release", entry->revision,
                          brief);
}

json_t *
rp_entry_to_json (const RpEntry *entry)
{
  char text[RP_DIGEST_STRING_SIZE];

  if (entry == NULL)
    return json_null ();
  return json_pack ("{s:I, s:I, s:s, s:s, s:s, s:b, s:b}", "revision",
                    (json_int_t) entry->revision, "release", (json_int_t) entry->release_number,
                    "version", entry->version, "repository", entry->repository, "digest",
                    rp_digest_format (&entry->digest, text), "good", entry->good, "rollback",
                    entry->rollback);
}

gboolean
rp_entry_from_json (const json_t *value, const char *where, RpEntry **out, GError **error)
{
  gint64 revision;
  gint64 number = 0;
  const char *version = "";
  const char *repository;
  const char *text;
  gboolean good = FALSE;
  gboolean rollback = FALSE;
  RpDigest digest;

  if (value == NULL || json_is_null (value))
    {
      *out = NULL;
      return TRUE;
    }
  if (!rp_json_need_int (value, "revision", where, &revision, error)
      || !rp_json_opt_int (value, "release", where, &number, error)
      || !rp_json_opt_string (value, "version", where, &version, error)
      || !rp_json_need_string (value, "repository", where, &repository, error)
      || !rp_json_need_string (value, "digest", where, &text, error)
      || !rp_json_opt_bool (value, "good", where, &good, error)
      || !rp_json_opt_bool (value, "rollback", where, &rollback, error)
      || !rp_digest_parse (text, &digest, error))
    return FALSE;
  *out = rp_entry_new (revision, number, version, repository, &digest, good, rollback);
  return TRUE;
}

static RpEntry *
window_entry (const json_t *item, GError **error)
{
  const char *where = "pointer.window[]";
  gint64 revision;
  json_t *release;
  const char *repository;
  const char *text;
  gboolean good = FALSE;
  RpDigest digest;

  if (!rp_json_need_int (item, "revision", where, &revision, error)
      || !rp_json_need_object (item, "release", where, &release, error)
      || !rp_json_need_string (item, "repository", where, &repository, error)
      || !rp_json_need_string (item, "digest", where, &text, error)
      || !rp_json_opt_bool (item, "good", where, &good, error)
      || !rp_digest_parse (text, &digest, error))
    return NULL;
  return rp_entry_new (revision, rp_json_int (release, "number"), rp_json_str (release, "version"),
                       repository, &digest, good, FALSE);
}

static const json_t *
component_of (const json_t *release, const char *name)
{
  const json_t *components = json_object_get (release, "components");
  const json_t *component;
  size_t i;

  json_array_foreach (components, i, component)
    if (g_strcmp0 (rp_json_str (component, "name"), name) == 0)
      return component;
  return NULL;
}

static RpEntry *
current_entry (const json_t *revision, const char *component_name, GError **error)
{
  const char *where = "pointer.revision";
  gint64 number;
  const char *kind;
  json_t *release;
  const json_t *component;
  const char *repository;
  const char *text;
  RpDigest digest;

  if (!rp_json_need_int (revision, "number", where, &number, error)
      || !rp_json_need_string (revision, "kind", where, &kind, error)
      || !rp_json_need_object (revision, "release", where, &release, error))
    return NULL;
  component = component_of (release, component_name);
  if (component == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "pointer.revision.release.components: the release has no component \"%s\", which "
                   "is what this target runs",
                   component_name);
      return NULL;
    }
  if (!rp_json_need_string (component, "repository", where, &repository, error)
      || !rp_json_need_string (component, "digest", where, &text, error)
      || !rp_digest_parse (text, &digest, error))
    return NULL;
  return rp_entry_new (number, rp_json_int (release, "number"), rp_json_str (release, "version"),
                       repository, &digest, rp_json_bool (revision, "good"),
                       strcmp (kind, "rollback") == 0 || strcmp (kind, "auto-rollback") == 0);
}

static gboolean
window_from_json (const json_t *items, GPtrArray *window, GError **error)
{
  const json_t *item;
  size_t i;

  if (json_array_size (items) > RP_WINDOW_LIMIT)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE,
                   "pointer.window: %zu entries, and %d is the most that an agent keeps",
                   json_array_size (items), RP_WINDOW_LIMIT);
      return FALSE;
    }
  json_array_foreach (items, i, item)
    {
      RpEntry *entry = window_entry (item, error);

      if (entry == NULL)
        return FALSE;
      g_ptr_array_add (window, entry);
    }
  return TRUE;
}

/* What is no digest there is asked for in vain. */
static void
wanted_from_json (const json_t *items, GArray *wanted)
{
  const json_t *item;
  size_t i;

  json_array_foreach (items, i, item)
    {
      const char *text = json_string_value (item);
      RpDigest digest;

      if (text != NULL && wanted->len < WANTED_LIMIT && rp_digest_parse (text, &digest, NULL))
        g_array_append_val (wanted, digest);
    }
}

RpPointer *
rp_pointer_from_json (const json_t *document, GError **error)
{
  g_autoptr (RpPointer) pointer = g_new0 (RpPointer, 1);
  json_t *window;
  const json_t *revision;
  const char *component;

  pointer->trial_ms = TRIAL_DEFAULT_MS;
  pointer->window = g_ptr_array_new_with_free_func ((GDestroyNotify) rp_entry_unref);
  pointer->wanted = g_array_new (FALSE, FALSE, sizeof (RpDigest));
  wanted_from_json (json_object_get (document, "wanted"), pointer->wanted);
  if (!rp_json_need_int (document, "seq", "pointer", &pointer->seq, error)
      || !rp_json_need_string (document, "component", "pointer", &component, error)
      || !rp_json_opt_int (document, "trial_ms", "pointer", &pointer->trial_ms, error)
      || !rp_json_need_array (document, "window", "pointer", &window, error)
      || !window_from_json (window, pointer->window, error))
    return NULL;
  pointer->trial_ms = CLAMP (pointer->trial_ms, 0, TRIAL_LIMIT_MS);
  revision = json_object_get (document, "revision");
  if (revision == NULL || json_is_null (revision))
    return g_steal_pointer (&pointer);
  pointer->current = current_entry (revision, component, error);
  return pointer->current == NULL ? NULL : g_steal_pointer (&pointer);
}

void
rp_pointer_free (RpPointer *pointer)
{
  if (pointer == NULL)
    return;
  rp_entry_unref (pointer->current);
  if (pointer->window != NULL)
    g_ptr_array_unref (pointer->window);
  if (pointer->wanted != NULL)
    g_array_unref (pointer->wanted);
  g_free (pointer);
}
