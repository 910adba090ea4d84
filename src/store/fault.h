/* A store for tests that passes everything on to another one and makes one operation fail.
 *
 * Its url is `fault:N:CODE:URL`, for example `fault:3:no-space:fs:/tmp/x`: the third operation fails
 * with RP_ERROR_NO_SPACE, before it has done anything; with N = 0 none does.  Every member of the
 * vtable that can fail counts as one operation, open excepted.
 */
#pragma once

#include "base/error.h"
#include "store/store.h"

/* The n-th operation from now fails once with `code`; 0: none. `store` must be a fault store. */
void rp_store_fault_arm (RpStore *store, guint n, RpErrorCode code);
/* Whether the armed failure has happened. */
gboolean rp_store_fault_fired (RpStore *store);
