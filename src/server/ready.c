#include "server/ready.h"

#include <string.h>

#include "base/clock.h"

#define ENTRIES_MAX 256
#define AGE_MAX_US (10 * 60 * (gint64) G_USEC_PER_SEC) /* then the long way notes that it is still pulled */

typedef struct {
  gint64 seq; /* of all entries */
  GHashTable *entries; /* target → RpReady */
} Table;

static void
table_free (gpointer data)
{
  Table *table = data;

  g_hash_table_unref (table->entries);
  g_free (table);
}

static GPrivate tables = G_PRIVATE_INIT (table_free);

static void
unref_entry (gpointer data)
{
  rp_ready_unref (data);
}

static Table *
make_table (void)
{
  Table *table = g_new0 (Table, 1);

  table->entries = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, unref_entry);
  g_private_set (&tables, table);
  return table;
}

RpReady *
rp_ready_find (const char *target, gint64 seq)
{
  const Table *table = g_private_get (&tables);
  RpReady *ready;

  if (table == NULL || table->seq != seq)
    return NULL;
  ready = g_hash_table_lookup (table->entries, target);
  if (ready != NULL && rp_clock_monotonic_us () - ready->made_us > AGE_MAX_US)
    return NULL;
  if (ready != NULL)
    ready->refs++;
  return ready;
}

void
rp_ready_keep (const char *target, gint64 seq, struct MHD_Response *response, guint route,
               guint64 size_bytes)
{
  Table *table = g_private_get (&tables);
  RpReady *ready;

  if (table == NULL)
    table = make_table ();
  if (seq < table->seq)
    {
      MHD_destroy_response (response);
      return;
    }
  if (seq > table->seq || g_hash_table_size (table->entries) >= ENTRIES_MAX)
    g_hash_table_remove_all (table->entries);
  table->seq = seq;
  ready = g_new0 (RpReady, 1);
  *ready = (RpReady){ .refs = 1, .seq = seq, .made_us = rp_clock_monotonic_us (),
                      .target = g_strdup (target), .response = response,
                      .route = route, .size_bytes = size_bytes };
  g_hash_table_replace (table->entries, ready->target, ready);
}

void
rp_ready_unref (RpReady *ready)
{
  if (--ready->refs > 0)
    return;
  MHD_destroy_response (ready->response);
  g_free (ready->target);
  g_free (ready);
}

static enum MHD_Result
look_at_header (void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
  static const char *const telling[]
      = { "If-None-Match", "Content-Length", "Transfer-Encoding", "Expect" };
  gboolean *fits = cls;

  for (gsize i = 0; i < G_N_ELEMENTS (telling); i++)
    if (g_ascii_strcasecmp (name, telling[i]) == 0)
      *fits = FALSE;
  return *fits ? MHD_YES : MHD_NO;
}

gboolean
rp_ready_fits (struct MHD_Connection *connection)
{
  gboolean fits = TRUE;

  MHD_get_connection_values (connection, MHD_HEADER_KIND, look_at_header, &fits);
  return fits;
}
