/* How RpRows are filled.  Private to this room. */
#pragma once

#include <sqlite3.h>

#include "ledger/db.h"

RpRows *rp_rows_new (gsize columns);
/* Copies the row that `statement` stands on. */
void rp_rows_add (RpRows *rows, sqlite3_stmt *statement);
