/* Going through digests, a page at a time: no list is longer than what is read in a few seconds, and what changes
 * meanwhile is seen. */
#include "retention/scrubber_priv.h"

static const char *
last_digest (const RpScrubPages *pages)
{
  return pages->rows ? rp_rows_text (pages->rows, rp_rows_count (pages->rows) - 1, 0) : "";
}

static RpRows *
list_by_time (RpTxn *txn, const RpScrubPages *pages, GError **error)
{
  gint64 after_us
      = pages->rows ? rp_rows_int (pages->rows, rp_rows_count (pages->rows) - 1, 1) : -1;

  return rp_txn_query (txn, error, pages->sql, "iisi", pages->before_us, after_us,
                       last_digest (pages), (gint64) RP_SCRUB_PAGE);
}

static RpRows *
list_by_digest (RpTxn *txn, const RpScrubPages *pages, GError **error)
{
  if (pages->subject)
    return rp_txn_query (txn, error, pages->sql, "ssi", pages->subject, last_digest (pages),
                         (gint64) RP_SCRUB_PAGE);
  return rp_txn_query (txn, error, pages->sql, "si", last_digest (pages), (gint64) RP_SCRUB_PAGE);
}

static gboolean
list_page (RpTxn *txn, gpointer user_data, GError **error)
{
  RpScrubPages *pages = user_data;
  RpRows *next = pages->by_time ? list_by_time (txn, pages, error)
                                : list_by_digest (txn, pages, error);

  if (!next)
    return FALSE;
  rp_rows_free (pages->rows);
  pages->rows = next;
  return TRUE;
}

gboolean
rp_scrub_each_page (RpScrubber *scrubber, const RpScrubPages *which, RpScrubPageFunc func,
                    gpointer user_data, GError **error)
{
  RpScrubPages pages = *which;
  gboolean ok;

  do
    ok = rp_db_read (rp_registry_db (scrubber->registry), list_page, &pages, error)
         && (rp_rows_count (pages.rows) == 0 || func (pages.rows, user_data, error));
  while (ok && rp_rows_count (pages.rows) == RP_SCRUB_PAGE);
  rp_rows_free (pages.rows);
  return ok;
}
