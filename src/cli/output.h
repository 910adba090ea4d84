/* An answer of the API for programs: `-o json`, `yaml`, `name` or `jsonpath=TEMPLATE`. */
#pragma once

#include <stdio.h>

#include <glib.h>

#include "base/json.h"

typedef enum { RP_OUTPUT_TABLE, RP_OUTPUT_JSON, RP_OUTPUT_YAML, RP_OUTPUT_NAME, RP_OUTPUT_JSONPATH } RpOutputFormat;

typedef struct {
  RpOutputFormat format;
  const char *template; /* of jsonpath; borrowed */
  gboolean indent;      /* JSON on lines of its own */
} RpOutput;

/* What -o says. RP_ERROR_USAGE lists the formats, or says what is wrong with the template. */
gboolean rp_output_parse (const char *text, RpOutput *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* RP_ERROR_NOT_FOUND if the answer has not what the template asks for, or nothing in it has a name. */
gboolean rp_output_print (const RpOutput *output, FILE *stream, const json_t *value,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
