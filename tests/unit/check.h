/* What every unit test needs: cmocka with its many headers, and checks on GError. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those four first */
#include <cmocka.h>

#include <glib.h>
#include <string.h>

#include "base/error.h"

/* `call` must succeed and leave its error, a variable named `error`, alone. */
#define check_ok(call)                                                                             \
  do                                                                                               \
    {                                                                                              \
      gboolean ok_ = (call);                                                                       \
      if (!ok_ || error != NULL)                                                                   \
        fail_msg ("%s: %s", #call, error != NULL ? error->message : "failed without an error");    \
    }                                                                                              \
  while (0)

/* `call` must fail with `expected_code`; `error` is cleared. */
#define check_fails(call, expected_code)                                                           \
  do                                                                                               \
    {                                                                                              \
      gboolean ok_ = (call);                                                                       \
      if (ok_ || error == NULL)                                                                    \
        fail_msg ("%s succeeded", #call);                                                          \
      if (error->domain != RP_ERROR || error->code != (expected_code))                             \
        fail_msg ("%s: expected %s, got %s: %s", #call, #expected_code, rp_error_name (error),     \
                  error->message);                                                                 \
      g_clear_error (&error);                                                                      \
    }                                                                                              \
  while (0)

/* `text` must contain `part`. */
#define check_contains(text, part)                                                                 \
  do                                                                                               \
    {                                                                                              \
      const char *text_ = (text), *part_ = (part);                                                 \
      if (strstr (text_, part_) == NULL)                                                           \
        fail_msg ("\"%s\" does not contain \"%s\"", text_, part_);                                 \
    }                                                                                              \
  while (0)
