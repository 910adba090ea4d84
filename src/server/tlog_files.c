/* /tlog: the published log as static files, C2SP tlog-tiles.  They hold hashes alone; but who knows most of
 * an event could try hashes until one fits, so one must be known here to read them, as for most else. */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "ledger/tile.h"
#include "server/parts.h"
#include "server/request.h"
#include "server/tlog_files.h"

#define FILE_MAX (1 << 16) /* bytes */
#define TEXT "text/plain; charset=utf-8"

static RpTlog *
need_log (RpRequest *request, GError **error)
{
  RpTlog *tlog = rp_request_services (request)->tlog;

  if (tlog == NULL)
    g_set_error_literal (error, RP_ERROR, RP_ERROR_NOT_FOUND,
                         "the ledger is not published: the server's log says why");
  return tlog;
}

static gboolean
answer_file (RpRequest *request, const char *name, const char *type, const char *caching, GError **error)
{
  RpTlog *tlog = need_log (request, error);
  g_autofree char *path = tlog != NULL ? g_build_filename (rp_tlog_folder (tlog), name, NULL) : NULL;
  g_autoptr (GError) inner = NULL;
  g_autoptr (GBytes) bytes = NULL;

  if (path == NULL)
    return FALSE;
  bytes = rp_file_read (path, FILE_MAX, &inner);
  if (bytes == NULL && g_error_matches (inner, RP_ERROR, RP_ERROR_NOT_FOUND))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
                   "/tlog/%s is not there; of a partial tile that is full by now only the full one is kept", name);
      return FALSE;
    }
  if (bytes == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&inner));
      return FALSE;
    }
  rp_respond_header (request, "Cache-Control", caching);
  rp_respond_bytes (request, 200, type, bytes);
  return TRUE;
}

/* With what is durable by now, so that who wrote something can have it proved at once. */
gboolean
rp_tlog_handle_checkpoint (RpRequest *request, GError **error)
{
  RpTlog *tlog = need_log (request, error);

  if (tlog == NULL || !rp_tlog_publish (tlog, error))
    return FALSE;
  return answer_file (request, "checkpoint", TEXT, "no-cache", error);
}

gboolean
rp_tlog_handle_cosigned (RpRequest *request, GError **error)
{
  return answer_file (request, "cosigned", TEXT, "no-cache", error);
}

gboolean
rp_tlog_handle_key (RpRequest *request, GError **error)
{
  RpTlog *tlog = need_log (request, error);
  g_autofree char *key = tlog != NULL ? rp_tlog_public_key (tlog) : NULL;
  g_autofree char *line = NULL;
  g_autoptr (GBytes) bytes = NULL;

  if (key == NULL)
    return FALSE;
  line = g_strconcat (key, "\n", NULL);
  bytes = g_bytes_new (line, strlen (line));
  rp_respond_bytes (request, 200, TEXT, bytes);
  return TRUE;
}

gboolean
rp_tlog_handle_tile (RpRequest *request, GError **error)
{
  RpTile tile;
  g_autofree char *name = NULL;

  if (!rp_tile_parse (rp_request_param (request, "path"), &tile, error))
    return FALSE;
  name = rp_tile_path (&tile);
  return answer_file (request, name, "application/octet-stream", "private, max-age=31536000, immutable", error);
}
