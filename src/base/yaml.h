/* YAML documents (libyaml) as a tree whose nodes know where they stand, so that every complaint reads
 * `repoint.yaml:12:5: environments[1].window: expected a whole number, found "three"`.
 * Only what configuration needs: one document, mappings with string keys, sequences, scalars;
 * anchors, tags and duplicate keys are refused.  Nodes are owned by the document.
 */
#pragma once

#include <glib.h>
#include <jansson.h>

typedef struct RpYaml RpYaml;
typedef struct RpYamlNode RpYamlNode;

RpYaml *rp_yaml_parse (const void *data, gsize size, const char *file_name, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void rp_yaml_free (RpYaml *yaml);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpYaml, rp_yaml_free)

const RpYamlNode *rp_yaml_root (const RpYaml *yaml);

/* RP_ERROR_INVALID if `node` is no mapping, or has a key that is not in the NULL-ended list `keys`
 * (the message names the unknown key, the nearest known one and all that are known). */
gboolean rp_yaml_expect_map (const RpYamlNode *node, const char *const *keys, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* The same, to name all that is wrong: adds a text for each unknown key to `problems` (char *, owned). */
void rp_yaml_check_keys (const RpYamlNode *node, const char *const *keys, GPtrArray *problems);

/* NULL if `map` has no such key (or is no mapping). */
const RpYamlNode *rp_yaml_get (const RpYamlNode *map, const char *key);

/* Mappings and sequences: number of entries, and the i-th one. `key` may be NULL. */
gsize rp_yaml_count (const RpYamlNode *node);
const RpYamlNode *rp_yaml_at (const RpYamlNode *node, gsize i, const char **key);

gboolean rp_yaml_is_map (const RpYamlNode *node);
gboolean rp_yaml_is_list (const RpYamlNode *node);
gboolean rp_yaml_is_scalar (const RpYamlNode *node);

/* Fields of a mapping. `need` refuses an absent key; `opt` leaves *out alone.  Durations are written
 * `500ms`, `30s`, `10m`, `2h`, `7d`; enumerations are checked against a NULL-ended list. */
gboolean rp_yaml_need_string (const RpYamlNode *map, const char *key, const char **out,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_yaml_opt_string (const RpYamlNode *map, const char *key, const char **out,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_yaml_opt_enum (const RpYamlNode *map, const char *key, const char *const *values,
                           const char **out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_yaml_opt_int (const RpYamlNode *map, const char *key, gint64 min, gint64 max,
                          gint64 *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_yaml_opt_bool (const RpYamlNode *map, const char *key, gboolean *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* `30s`: a whole number of ms, s, m, h or d, as everywhere. FALSE if it is something else. */
gboolean rp_duration_parse_ms (const char *text, gint64 *out) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_yaml_opt_duration_ms (const RpYamlNode *map, const char *key, gint64 *out,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A sequence of scalars; NULL where the key is absent. Container and strings are the caller's. */
gboolean rp_yaml_opt_strv (const RpYamlNode *map, const char *key, char ***out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* The text of a scalar; NULL otherwise. */
const char *rp_yaml_scalar (const RpYamlNode *node);

/* Sets RP_ERROR_INVALID prefixed with `file:line:column: path: `. Always returns FALSE. */
gboolean rp_yaml_error (const RpYamlNode *node, GError **error, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

/* The whole tree as JSON; plain scalars that read as numbers, booleans or null become those. */
json_t *rp_yaml_to_json (const RpYamlNode *node);
