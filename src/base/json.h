/* JSON fields with useful errors, over jansson.  `where` names the document or object in messages
 * ("manifest", "release", "agent report"); errors read `release.version: expected a string, found a
 * number`.  Borrowed pointers live as long as the object.
 */
#pragma once

#include <glib.h>
#include <jansson.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (json_t, json_decref)

/* Parses exactly one JSON value from untrusted bytes (duplicate keys and NULs are refused; nesting
 * is limited by jansson).  RP_ERROR_INVALID names line and column. */
json_t *rp_json_parse (const void *data, gsize size, const char *where, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Compact text with sorted keys: the canonical form that is hashed into the ledger. g_free(). */
char *rp_json_canonical (const json_t *value);
/* Compact text in insertion order. g_free(). */
char *rp_json_print (const json_t *value);

/* Required fields: RP_ERROR_INVALID if absent or of another type. */
gboolean rp_json_need_string (const json_t *object, const char *key, const char *where,
                              const char **out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_json_need_int (const json_t *object, const char *key, const char *where, gint64 *out,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_json_need_object (const json_t *object, const char *key, const char *where,
                              json_t **out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_json_need_array (const json_t *object, const char *key, const char *where,
                             json_t **out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Optional fields: absent and null leave the default; another type is RP_ERROR_INVALID. */
gboolean rp_json_opt_string (const json_t *object, const char *key, const char *where,
                             const char **out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_json_opt_int (const json_t *object, const char *key, const char *where, gint64 *out,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_json_opt_bool (const json_t *object, const char *key, const char *where, gboolean *out,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Refuses a field that is not in the NULL-ended list: a misspelt limit must not be taken for none.
 * RP_ERROR_INVALID names the nearest known one. */
gboolean rp_json_only (const json_t *object, const char *const *keys, const char *where,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The texts of a list, NULL-ended; what is no text is passed over. g_strfreev(). */
char **rp_json_strv (const json_t *array);
/* For reading documents that we made ourselves: NULL / 0 / FALSE where there is nothing. */
const char *rp_json_str (const json_t *object, const char *key);
gint64 rp_json_int (const json_t *object, const char *key);
gboolean rp_json_bool (const json_t *object, const char *key);
