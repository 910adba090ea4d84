/* The part of copying that follows referrers. */
#include "cli/copy.h"
#include "cli/referrers.h"

#define REFERRERS_MAX 2000 /* of one copy */

typedef struct {
  RpCopy *copy;
  const RpRemote *to;
  RpCopyReport *report;
  GHashTable *seen; /* RpDigest: copied, or about to be */
  GQueue *todo;     /* RpDigest: manifests whose referrers are to be looked for */
} Follow;

void
rp_copy_report_clear (RpCopyReport *report)
{
  g_clear_pointer (&report->warnings, g_ptr_array_unref);
}

static gboolean
is_new (Follow *follow, const RpDigest *digest)
{
  return g_hash_table_add (follow->seen, rp_digest_copy (digest));
}

/* All manifests below `root`, and itself, may be referred to. */
static gboolean
enqueue (Follow *follow, const RpDigest *root, GError **error)
{
  g_autoptr (RpClosure) closure
      = rp_closure_walk (root, NULL, rp_remote_load, &follow->copy->from, error);
  if (closure == NULL)
    return FALSE;
  for (guint i = 0; i < closure->items->len; i++)
    {
      const RpClosureItem *item = closure->items->pdata[i];
      if (item->is_manifest && is_new (follow, &item->digest))
        g_queue_push_tail (follow->todo, rp_digest_copy (&item->digest));
    }
  return TRUE;
}

static gboolean
take (Follow *follow, const RpDigest *referrer, GError **error)
{
  if (g_hash_table_contains (follow->seen, referrer))
    return TRUE;
  if (++follow->report->referrers > REFERRERS_MAX)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_TOO_LARGE,
                   "more than %d artifacts refer to it and to each other", REFERRERS_MAX);
      return FALSE;
    }
  return rp_copy_run (follow->copy, follow->to, referrer, NULL, error)
         && enqueue (follow, referrer, error);
}

/* A tag that means something else on the other side is left alone: the bytes are there by digest. */
static gboolean
take_cosign (Follow *follow, const char *tag, const RpDigest *digest, GError **error)
{
  g_autoptr (GError) failure = NULL;
  if (rp_copy_run (follow->copy, follow->to, digest, tag, &failure))
    {
      follow->report->referrers += is_new (follow, digest);
      return TRUE;
    }
  if (!g_error_matches (failure, RP_ERROR, RP_ERROR_TAG_IMMUTABLE)
      && !g_error_matches (failure, RP_ERROR, RP_ERROR_DENIED))
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }
  g_ptr_array_add (follow->report->warnings,
                   g_strdup_printf ("tag %s already names something else there and stays; what it"
                                    " names upstream is there by digest",
                                    tag));
  return rp_copy_run (follow->copy, follow->to, digest, NULL, error);
}

static gboolean
follow_one (Follow *follow, const RpDigest *subject, GError **error)
{
  gboolean by_api;
  g_autoptr (json_t) list = rp_referrers_of (&follow->copy->from, subject, &by_api, error);
  g_autoptr (GPtrArray) tags = rp_referrers_cosign_tags (subject);
  gsize i;
  json_t *descriptor;
  if (list == NULL)
    return FALSE;
  json_array_foreach (list, i, descriptor)
  {
    RpDigest digest;
    const char *text = rp_json_str (descriptor, "digest");
    if (!rp_digest_parse (text != NULL ? text : "", &digest, error)
        || !take (follow, &digest, error))
      return FALSE;
  }
  for (i = 0; i < tags->len; i++)
    {
      RpDigest digest;
      gboolean there;
      if (!rp_referrers_resolve_tag (&follow->copy->from, tags->pdata[i], &there, &digest, error)
          || (there && !take_cosign (follow, tags->pdata[i], &digest, error)))
        return FALSE;
    }
  return rp_referrers_publish (follow->to, subject, list, error);
}

gboolean
rp_copy_with_referrers (RpCopy *copy, const RpRemote *to, const char *tag, RpCopyReport *out,
                        GError **error)
{
  g_autoptr (GHashTable) seen
      = g_hash_table_new_full (rp_digest_hash, rp_digest_equal, g_free, NULL);
  GQueue todo = G_QUEUE_INIT;
  Follow follow = { copy, to, out, seen, &todo };
  out->referrers = 0;
  out->warnings = g_ptr_array_new_with_free_func (g_free);
  gboolean ok = rp_copy_run (copy, to, &copy->from.digest, tag, error)
                && enqueue (&follow, &copy->from.digest, error);
  while (ok && !g_queue_is_empty (&todo))
    {
      g_autofree RpDigest *subject = g_queue_pop_head (&todo);
      ok = follow_one (&follow, subject, error);
    }
  g_queue_clear_full (&todo, g_free);
  return ok;
}
