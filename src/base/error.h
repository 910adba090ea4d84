/* The one error domain of repoint.
 *
 * Every fallible function returns gboolean (or a pointer) and takes a GError **.  An error is
 * filled once, at its source, with a text that says what happened, why, and what to do; callers on
 * the way up may only g_prefix_error() it.  One table maps a code to the HTTP status, the
 * distribution-spec error code and the exit status, and server and command line both use it.
 */
#pragma once

#include <glib.h>

#define RP_ERROR (rp_error_quark ())

/* Exit statuses are documented in repoint(1); scripts depend on them. */
enum {
  RP_EXIT_OK = 0,
  RP_EXIT_FAILED = 1,
  RP_EXIT_USAGE = 2,
  RP_EXIT_NOT_FOUND = 3,
  RP_EXIT_CONFLICT = 4,    /* somebody else moved it, or it exists and differs */
  RP_EXIT_REFUSED = 5,     /* a policy, a plan or a gate says no */
  RP_EXIT_CORRUPT = 6,     /* bytes are missing or are not what their digest says */
  RP_EXIT_UNREACHABLE = 7, /* the server, the registry or the engine does not answer */
  RP_EXIT_NO_SPACE = 8,
  RP_EXIT_ROLLOUT = 9,     /* the pointer moved but the new release did not become healthy */
  RP_EXIT_ROLLED_BACK = 10 /* ... and it has been rolled back by itself */
};

/*        code               name (JSON)            HTTP  OCI code                 exit status */
#define RP_ERROR_TABLE(X)                                                                          \
  X (FAILED,                "failed",                500, "UNKNOWN",               FAILED)         \
  X (USAGE,                 "usage",                 400, "UNSUPPORTED",           USAGE)          \
  X (INVALID,               "invalid",               400, "UNSUPPORTED",           USAGE)          \
  X (NOT_FOUND,             "not-found",             404, "NAME_UNKNOWN",          NOT_FOUND)      \
  X (AMBIGUOUS,             "ambiguous",             409, "UNSUPPORTED",           NOT_FOUND)      \
  X (CONFLICT,              "conflict",              409, "DENIED",                CONFLICT)       \
  X (MOVED,                 "moved",                 409, "DENIED",                CONFLICT)       \
  X (STALE,                 "stale",                 412, "DENIED",                CONFLICT)       \
  X (BLOCKED,               "blocked",               422, "DENIED",                REFUSED)        \
  X (DENIED,                "denied",                403, "DENIED",                REFUSED)        \
  X (UNAUTHORIZED,          "unauthorized",          401, "UNAUTHORIZED",          REFUSED)        \
  X (TAG_IMMUTABLE,         "tag-immutable",         403, "DENIED",                CONFLICT)       \
  X (UNSUPPORTED,           "unsupported",           405, "UNSUPPORTED",           FAILED)         \
  X (PROTECTED,             "protected",             405, "DENIED",                REFUSED)        \
  X (TOO_LONG,              "too-long",              414, "UNSUPPORTED",           USAGE)          \
  X (TOO_LARGE,             "too-large",             413, "SIZE_INVALID",          USAGE)          \
  X (TOO_MANY,              "too-many",              429, "TOOMANYREQUESTS",       UNREACHABLE)    \
  X (NAME_INVALID,          "name-invalid",          400, "NAME_INVALID",          USAGE)          \
  X (NAME_UNKNOWN,          "name-unknown",          404, "NAME_UNKNOWN",          NOT_FOUND)      \
  X (DIGEST_INVALID,        "digest-invalid",        400, "DIGEST_INVALID",        USAGE)          \
  X (DIGEST_MISMATCH,       "digest-mismatch",       400, "DIGEST_INVALID",        CORRUPT)        \
  X (SIZE_INVALID,          "size-invalid",          400, "SIZE_INVALID",          CORRUPT)        \
  X (BLOB_UNKNOWN,          "blob-unknown",          404, "BLOB_UNKNOWN",          CORRUPT)        \
  X (UPLOAD_INVALID,        "upload-invalid",        400, "BLOB_UPLOAD_INVALID",   FAILED)         \
  X (UPLOAD_UNKNOWN,        "upload-unknown",        404, "BLOB_UPLOAD_UNKNOWN",   NOT_FOUND)      \
  X (UPLOAD_RANGE,          "upload-range",          416, "BLOB_UPLOAD_INVALID",   FAILED)         \
  X (RANGE,                 "range",                 416, "UNSUPPORTED",           FAILED)         \
  X (MANIFEST_INVALID,      "manifest-invalid",      400, "MANIFEST_INVALID",      USAGE)          \
  X (MANIFEST_UNKNOWN,      "manifest-unknown",      404, "MANIFEST_UNKNOWN",      NOT_FOUND)      \
  X (MANIFEST_BLOB_UNKNOWN, "manifest-blob-unknown", 404, "MANIFEST_BLOB_UNKNOWN", CORRUPT)        \
  X (CORRUPT,               "corrupt",               500, "UNKNOWN",               CORRUPT)        \
  X (QUOTA,                 "quota-exceeded",        413, "DENIED",                REFUSED)        \
  X (NO_SPACE,              "no-space",              507, "DENIED",                NO_SPACE)       \
  X (BUSY,                  "busy",                  503, "UNKNOWN",               CONFLICT)       \
  X (UNREACHABLE,           "unreachable",           502, "UNKNOWN",               UNREACHABLE)    \
  X (UNTRUSTED,             "untrusted",             502, "UNKNOWN",               UNREACHABLE)    \
  X (TIMEOUT,               "timeout",               504, "UNKNOWN",               UNREACHABLE)    \
  X (UNHEALTHY,             "unhealthy",             500, "UNKNOWN",               ROLLOUT)        \
  X (ROLLED_BACK,           "rolled-back",           500, "UNKNOWN",               ROLLED_BACK)

typedef enum {
#define X(code, name, http, oci, exit_status) RP_ERROR_##code,
  RP_ERROR_TABLE (X)
#undef X
  RP_ERROR_N_CODES
} RpErrorCode;

GQuark rp_error_quark (void);

/* The four columns. An error of another domain (GIO, say) counts as RP_ERROR_FAILED. */
const char *rp_error_name (const GError *error);
int rp_error_http_status (const GError *error);
const char *rp_error_oci_code (const GError *error);
int rp_error_exit_status (const GError *error);

/* The code whose JSON name is `name`; RP_ERROR_FAILED for an unknown one. */
RpErrorCode rp_error_from_name (const char *name);

/* Sets `error` from errno-like `err`: ENOSPC, EDQUOT and EFBIG become RP_ERROR_NO_SPACE, the rest
 * RP_ERROR_FAILED; the text is `format` expanded, a colon and strerror.  Always returns FALSE. */
gboolean rp_error_set_errno (GError **error, int err, const char *format, ...)
    G_GNUC_PRINTF (3, 4);
