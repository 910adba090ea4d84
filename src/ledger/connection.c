#include "ledger/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

/* Written into the file so that a stranger's database is not taken for ours, and a newer one is not
 * misread by an older program. */
#define APPLICATION_ID 0x7270746e /* "rptn" */
#define SCHEMA_VERSION 2 /* 1: before what people write was sealed */

static void
statement_free (gpointer data)
{
  RpStatement *statement = data;

  sqlite3_finalize (statement->handle);
  g_free (statement);
}

/* ---- errors ---- */

/* SQLite forgets errno when it is the commit that fails, but the log's file remembers it. */
static int
last_errno (RpConnection *connection)
{
  int result = sqlite3_system_errno (connection->handle);
  sqlite3_file *log = NULL;

  if (result != 0)
    return result;
  sqlite3_file_control (connection->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  if (log && log->pMethods && log->pMethods->xFileControl) /* not so in memory */
    log->pMethods->xFileControl (log, SQLITE_FCNTL_LAST_ERRNO, &result);
  return result;
}

static gboolean
is_out_of_space (int code, int system_errno)
{
  if ((code & 0xff) == SQLITE_FULL)
    return TRUE;
  return (code & 0xff) == SQLITE_IOERR
         && (system_errno == ENOSPC || system_errno == EDQUOT || system_errno == EFBIG);
}

static RpErrorCode
error_code_of (int code)
{
  switch (code & 0xff)
    {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return RP_ERROR_CORRUPT;
    case SQLITE_CONSTRAINT:
      return RP_ERROR_CONFLICT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return RP_ERROR_BUSY;
    default:
      return RP_ERROR_FAILED;
    }
}

gboolean
rp_connection_error (RpConnection *connection, const char *doing, GError **error)
{
  int code = sqlite3_extended_errcode (connection->handle);
  int system_errno = last_errno (connection);
  const char *text = sqlite3_errmsg (connection->handle);

  if (is_out_of_space (code, system_errno))
    g_set_error (error, RP_ERROR, RP_ERROR_NO_SPACE,
                 "%s: no space left to write the database %s (%s); nothing was changed: free some "
                 "space and try again",
                 doing, connection->path, text);
  else if ((code & 0xff) == SQLITE_IOERR)
    g_set_error (error, RP_ERROR, RP_ERROR_FAILED, "%s: %s: %s: %s", doing, connection->path, text,
                 system_errno ? g_strerror (system_errno) : "input/output error");
  else
    g_set_error (error, RP_ERROR, error_code_of (code), "%s: %s: %s", doing, connection->path,
                 text);
  return FALSE;
}

/* ---- statements ---- */

gboolean
rp_connection_script (RpConnection *connection, const char *sql, GError **error)
{
  if (sqlite3_exec (connection->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
    return rp_connection_error (connection, "database script", error);
  return TRUE;
}

static gboolean
map_parameters (RpStatement *statement, const char *sql, GError **error)
{
  int count = sqlite3_bind_parameter_count (statement->handle);

  for (int i = 1; i <= count; i++)
    {
      const char *name = sqlite3_bind_parameter_name (statement->handle, i);
      guint64 number = 0;

      if (!name || name[0] != '$'
          || !g_ascii_string_to_unsigned (name + 1, 10, 1, RP_SQL_PARAMETERS_MAX, &number, NULL))
        {
          g_set_error (error, RP_ERROR, RP_ERROR_FAILED,
                       "bad parameter in a statement of the program (want $1 to $%d): %s",
                       RP_SQL_PARAMETERS_MAX, sql);
          return FALSE;
        }
      statement->slot[number - 1] = i;
      statement->parameters = MAX (statement->parameters, (guint) number);
    }
  return TRUE;
}

RpStatement *
rp_connection_prepare (RpConnection *connection, const char *sql, GError **error)
{
  RpStatement *statement = g_hash_table_lookup (connection->statements, sql);

  /* A text that was freed may come back at the same address with other words. */
  if (statement && strcmp (sqlite3_sql (statement->handle), sql) == 0)
    return statement;

  statement = g_new0 (RpStatement, 1);
  if (sqlite3_prepare_v3 (connection->handle, sql, -1, SQLITE_PREPARE_PERSISTENT,
                          &statement->handle, NULL)
      != SQLITE_OK)
    {
      rp_connection_error (connection, "database statement", error);
      statement_free (statement);
      return NULL;
    }
  if (!map_parameters (statement, sql, error))
    {
      statement_free (statement);
      return NULL;
    }
  g_hash_table_replace (connection->statements, (gpointer) sql, statement);
  return statement;
}

/* ---- opening ---- */

/* SQLite would make the file with the umask's mode, and its -wal and -shm take theirs from it. */
static gboolean
make_private_file (const char *path, GError **error)
{
  rp_autofd int fd = open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  g_autofree char *directory = NULL;

  if (fd < 0 && errno == EEXIST)
    return TRUE;
  if (fd < 0)
    return rp_error_set_errno (error, errno, "cannot make the database %s", path);
  directory = g_path_get_dirname (path);
  return rp_dir_sync (directory, error);
}

static gboolean
read_pragma (RpConnection *connection, const char *sql, gint64 *out, GError **error)
{
  sqlite3_stmt *statement = NULL;
  gboolean ok = sqlite3_prepare_v2 (connection->handle, sql, -1, &statement, NULL) == SQLITE_OK
                && sqlite3_step (statement) == SQLITE_ROW;

  if (ok)
    *out = sqlite3_column_int64 (statement, 0);
  else
    rp_connection_error (connection, sql, error);
  sqlite3_finalize (statement);
  return ok;
}

static gboolean
check_version (RpConnection *connection, RpConnectionUse use, GError **error)
{
  gint64 id = 0, version = 0;

  if (!read_pragma (connection, "PRAGMA application_id", &id, error)
      || !read_pragma (connection, "PRAGMA user_version", &version, error))
    return FALSE;
  if (version > SCHEMA_VERSION && id == APPLICATION_ID)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "the database %s was written by a newer repoint (its schema is version "
                   "%" G_GINT64_FORMAT ", this program knows up to %d): run that version, or a "
                   "later one",
                   connection->path, version, SCHEMA_VERSION);
      return FALSE;
    }
  if (id != APPLICATION_ID && (id != 0 || version != 0))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "%s is a database, but not one of repoint's (application id "
                   "%" G_GINT64_FORMAT "): name another data directory",
                   connection->path, id);
      return FALSE;
    }
  if (version == SCHEMA_VERSION || use == RP_CONNECTION_READ)
    return TRUE;
  return rp_connection_script (connection,
                               "PRAGMA application_id = " G_STRINGIFY (APPLICATION_ID) ";"
                               "PRAGMA user_version = " G_STRINGIFY (SCHEMA_VERSION) ";",
                               error);
}

static int
remember_wal_pages (void *data, sqlite3 *handle, const char *name, int pages)
{
  RpConnection *connection = data;

  connection->wal_pages = pages;
  return SQLITE_OK;
}

/* The hook takes the place of SQLite's own checkpoints; db.c does them. */
static gboolean
configure (RpConnection *connection, RpConnectionUse use, GError **error)
{
  sqlite3_busy_timeout (connection->handle, RP_BUSY_TIMEOUT_MS);
  sqlite3_db_config (connection->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  if (!check_version (connection, use, error))
    return FALSE;
  if (!rp_connection_script (connection,
                             "PRAGMA journal_mode = WAL;"
                             "PRAGMA synchronous = FULL;"
                             "PRAGMA foreign_keys = ON;"
                             "PRAGMA trusted_schema = OFF;"
                             "PRAGMA secure_delete = FAST;" /* of redacted texts */
                             "PRAGMA journal_size_limit = 8388608;",
                             error))
    return FALSE;
  if (use == RP_CONNECTION_READ)
    return rp_connection_script (connection, "PRAGMA query_only = ON", error);
  sqlite3_wal_hook (connection->handle, remember_wal_pages, connection);
  return TRUE;
}

RpConnection *
rp_connection_open (const char *path, RpConnectionUse use, GError **error)
{
  g_autoptr (RpConnection) connection = g_new0 (RpConnection, 1);
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

  connection->path = g_strdup (path);
  connection->statements = g_hash_table_new_full (NULL, NULL, NULL, statement_free);
  if (strcmp (path, ":memory:") != 0 && *path != '\0' && !make_private_file (path, error))
    return NULL;
  if (sqlite3_open_v2 (path, &connection->handle, flags, NULL) != SQLITE_OK)
    {
      rp_connection_error (connection, "cannot open the database", error);
      return NULL;
    }
  sqlite3_extended_result_codes (connection->handle, 1);
  if (!configure (connection, use, error))
    return NULL;
  return g_steal_pointer (&connection);
}

void
rp_connection_close (RpConnection *connection)
{
  if (!connection)
    return;
  g_clear_pointer (&connection->statements, g_hash_table_unref);
  sqlite3_close (connection->handle);
  g_free (connection->path);
  g_free (connection);
}
