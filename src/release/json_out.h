/* What the renderers of this room share: values that may be absent, and times. */
#pragma once

#include <jansson.h>

#include "base/digest.h"

json_t *rp_json_text_or_null (const char *text);
json_t *rp_json_number_or_null (gint64 number); /* 0 is null */
json_t *rp_json_time_or_null (gint64 us);       /* 0 is null */
json_t *rp_json_digest (const RpDigest *digest);
/* What somebody else said, on one line, valid UTF-8 and cut after `max` bytes. g_free(). */
char *rp_text_one_line (const char *text, gsize max);
json_t *rp_json_texts (const GPtrArray *texts); /* char * */
