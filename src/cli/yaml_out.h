/* JSON values as YAML. */
#pragma once

#include <stdio.h>

#include <glib.h>

#include "base/json.h"

gboolean rp_yaml_print (FILE *stream, const json_t *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;
