/* Somebody with another program and the file of the database. */
#pragma once

#include "check.h"

#include <sqlite3.h>

/* Lifts the triggers first. */
static inline void
intrude (const char *path, const char *sql)
{
  sqlite3 *handle = NULL;
  char *message = NULL;

  assert_int_equal (sqlite3_open (path, &handle), SQLITE_OK);
  sqlite3_exec (handle,
                "DROP TRIGGER event_next; DROP TRIGGER event_no_update;"
                "DROP TRIGGER event_no_delete;",
                NULL, NULL, NULL);
  if (sqlite3_exec (handle, sql, NULL, NULL, &message) != SQLITE_OK)
    fail_msg ("%s: %s", sql, message);
  sqlite3_close (handle);
}
