/* What kubectl's users know of JSONPath: text with `{.a.b[0].c}`, `{.list[*].name}` and `{"\\n"}` in it, or a path
 * alone.  There are no filters and no `range`: jq has them.
 */
#pragma once

#include <stdio.h>

#include <glib.h>

#include "base/json.h"

/* RP_ERROR_USAGE says where it is wrong. */
gboolean rp_jsonpath_check (const char *template, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Texts as they are, all else as JSON; several values with a space between them. The template has been
 * checked. RP_ERROR_NOT_FOUND where there is nothing at a path, before anything is written. */
gboolean rp_jsonpath_print (const char *template, FILE *stream, const json_t *value,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
