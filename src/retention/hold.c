#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "release/release.h"
#include "retention/retention_priv.h"

typedef struct {
  RpRetention *retention;
  const char *actor;
  const char *digest; /* or NULL, with the next two */
  const char *app;
  const char *release;
  const char *because; /* NULL: end() gave none */
  gint64 until_us;
  gint64 id;
  gboolean all;
  gint64 now_us;
  json_t *result;
} HoldJob;

#define COLUMNS                                                                                    \
  "h.id, h.digest, h.app, h.release, h.because, h.actor, h.at_us, h.until_us, h.ended_at_us,"      \
  " h.ended_by, h.ended_because, r.version FROM retention_hold h"                                  \
  " LEFT JOIN app_release r ON r.app = h.app AND r.number = h.release"

json_t *
rp_time_or_null (gint64 us)
{
  g_autofree char *text = us > 0 ? rp_clock_format (us) : NULL;
  return text != NULL ? json_string (text) : json_null ();
}

static json_t *
text_or_null (const char *text)
{
  return text != NULL ? json_string (text) : json_null ();
}

static const char *
state_of (const RpRows *rows, gsize row, gint64 now_us)
{
  gint64 until_us = rp_rows_int (rows, row, 7);

  if (rp_rows_int (rows, row, 8) > 0)
    return "ended";
  return until_us > 0 && until_us <= now_us ? "expired" : "held";
}

static json_t *
to_json (const RpRows *rows, gsize row, gint64 now_us)
{
  json_t *json = json_object ();

  json_object_set_new (json, "id", json_integer (rp_rows_int (rows, row, 0)));
  json_object_set_new (json, "state", json_string (state_of (rows, row, now_us)));
  json_object_set_new (json, "digest", text_or_null (rp_rows_text (rows, row, 1)));
  json_object_set_new (json, "app", text_or_null (rp_rows_text (rows, row, 2)));
  json_object_set_new (json, "release", text_or_null (rp_rows_text (rows, row, 11)));
  json_object_set_new (json, "because", json_string (rp_rows_text (rows, row, 4)));
  json_object_set_new (json, "actor", json_string (rp_rows_text (rows, row, 5)));
  json_object_set_new (json, "at", rp_time_or_null (rp_rows_int (rows, row, 6)));
  json_object_set_new (json, "until", rp_time_or_null (rp_rows_int (rows, row, 7)));
  json_object_set_new (json, "ended_at", rp_time_or_null (rp_rows_int (rows, row, 8)));
  json_object_set_new (json, "ended_by", text_or_null (rp_rows_text (rows, row, 9)));
  json_object_set_new (json, "ended_because", text_or_null (rp_rows_text (rows, row, 10)));
  return json;
}

static gboolean
load_one (RpTxn *txn, HoldJob *job, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, "SELECT " COLUMNS " WHERE h.id = $1", "i", job->id);

  if (rows == NULL)
    return FALSE;
  job->result = to_json (rows, 0, job->now_us);
  return TRUE;
}

/* ---- placing ---- */

static gboolean
check_because (const char *text, GError **error)
{
  if (text == NULL || *text == '\0' || strlen (text) > RP_HOLD_TEXT_MAX)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "hold.because: say in 1 to %d bytes why it must be kept; whoever cleans up next "
                   "year reads it",
                   RP_HOLD_TEXT_MAX);
      return FALSE;
    }
  for (; *text != '\0'; text++)
    if (g_ascii_iscntrl (*text))
      {
        g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID,
                             "hold.because: has a control character");
        return FALSE;
      }
  return TRUE;
}

static gboolean
read_until (const char *text, HoldJob *job, GError **error)
{
  if (text == NULL)
    return TRUE;
  if (!rp_clock_parse (text, &job->until_us, error))
    {
      g_prefix_error (error, "hold.until: ");
      return FALSE;
    }
  if (job->until_us > job->now_us)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "hold.until: %s has passed already", text);
  return FALSE;
}

static gboolean
read_request (const json_t *request, HoldJob *job, GError **error)
{
  const char *until = NULL;

  if (!rp_json_need_string (request, "because", "hold", &job->because, error)
      || !check_because (job->because, error)
      || !rp_json_opt_string (request, "digest", "hold", &job->digest, error)
      || !rp_json_opt_string (request, "app", "hold", &job->app, error)
      || !rp_json_opt_string (request, "release", "hold", &job->release, error)
      || !rp_json_opt_string (request, "until", "hold", &until, error))
    return FALSE;
  if ((job->digest != NULL) != (job->app == NULL && job->release == NULL)
      || (job->app == NULL) != (job->release == NULL))
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID,
                           "hold: expected \"digest\", or \"app\" and \"release\"");
      return FALSE;
    }
  return read_until (until, job, error);
}

static gboolean
next_id (RpTxn *txn, gint64 *out, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, "SELECT COALESCE (MAX (id), 0) + 1 FROM retention_hold", "");

  if (rows == NULL)
    return FALSE;
  *out = rp_rows_int (rows, 0, 0);
  return TRUE;
}

static gboolean
place_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  HoldJob *job = user_data;
  g_autoptr (RpRelease) release
      = job->app != NULL ? rp_release_find (txn, job->app, job->release, error) : NULL;
  g_autoptr (json_t) body = json_object ();

  if ((job->app != NULL && release == NULL) || !next_id (txn, &job->id, error))
    return FALSE;
  json_object_set_new (body, "id", json_integer (job->id));
  if (release != NULL)
    {
      json_object_set_new (body, "app", json_string (job->app));
      json_object_set_new (body, "release", json_integer (release->number));
    }
  else
    json_object_set_new (body, "digest", json_string (job->digest));
  json_object_set_new (body, "because", json_string (job->because));
  json_object_set_new (body, "until_us", json_integer (job->until_us));
  return rp_ledger_append (job->retention->ledger, txn, job->actor, "hold.placed", body, NULL, error)
         && load_one (txn, job, error);
}

json_t *
rp_hold_place (RpRetention *retention, const json_t *request, const char *actor, GError **error)
{
  HoldJob job = { .retention = retention, .actor = actor, .now_us = rp_clock_now_us () };
  g_autofree char *digest = NULL;
  RpDigest found;

  if (!read_request (request, &job, error))
    return NULL;
  if (job.digest != NULL)
    {
      if (!rp_registry_find_digest (retention->registry, job.digest, &found, error))
        return NULL;
      job.digest = digest = rp_digest_to_string (&found);
    }
  return rp_db_write (retention->db, place_in_txn, &job, error) ? job.result : NULL;
}

/* ---- ending ---- */

static gboolean
find_open (RpTxn *txn, HoldJob *job, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, "SELECT " COLUMNS " WHERE h.id = $1", "i", job->id);

  if (rows == NULL)
    return FALSE;
  if (rp_rows_count (rows) > 0 && rp_rows_int (rows, 0, 8) == 0)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
               "there is no hold %" G_GINT64_FORMAT "%s; `repoint retention holds` lists them",
               job->id, rp_rows_count (rows) > 0 ? " any more: it was ended" : "");
  return FALSE;
}

static gboolean
end_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  HoldJob *job = user_data;
  g_autoptr (json_t) body = json_object ();

  if (!find_open (txn, job, error))
    return FALSE;
  json_object_set_new (body, "id", json_integer (job->id));
  if (job->because != NULL)
    json_object_set_new (body, "because", json_string (job->because));
  return rp_ledger_append (job->retention->ledger, txn, job->actor, "hold.ended", body, NULL, error)
         && load_one (txn, job, error);
}

json_t *
rp_hold_end (RpRetention *retention, gint64 id, const char *because, const char *actor,
             GError **error)
{
  HoldJob job = { .retention = retention, .actor = actor, .because = because, .id = id,
                  .now_us = rp_clock_now_us () };

  if (because != NULL && !check_because (because, error))
    return NULL;
  return rp_db_write (retention->db, end_in_txn, &job, error) ? job.result : NULL;
}

/* ---- listing ---- */

static gboolean
list_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  HoldJob *job = user_data;
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error, "SELECT " COLUMNS " ORDER BY h.id DESC", "");

  if (rows == NULL)
    return FALSE;
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    if (job->all || g_str_equal (state_of (rows, i, job->now_us), "held"))
      json_array_append_new (job->result, to_json (rows, i, job->now_us));
  return TRUE;
}

json_t *
rp_hold_list (RpRetention *retention, gboolean all, GError **error)
{
  HoldJob job = { .all = all, .now_us = rp_clock_now_us (), .result = json_array () };

  if (rp_db_read (retention->db, list_in_txn, &job, error))
    return job.result;
  json_decref (job.result);
  return NULL;
}
