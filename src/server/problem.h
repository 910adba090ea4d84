/* An error as an answer of the API: a problem document (RFC 9457) that also has the object `error` that clients know. */
#pragma once

#include <jansson.h>

#include "base/error.h"

#define RP_PROBLEM_TYPE "application/problem+json"

/* `message`: valid UTF-8. Takes over `detail`: more about this error, or NULL. */
json_t *rp_problem_new (const GError *error, const char *message, json_t *detail);
