#include "retention/held.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "registry/policy.h"
#include "retention/root.h"

struct RpHeld {
  RpRegistry *registry;
  GMutex lock;
  GHashTable *closures; /* under lock: digest → GPtrArray of digests (borrowed: from `texts`) */
  GHashTable *texts;    /* under lock: every digest that was ever seen, once */
  GPtrArray *roots;     /* under lock: RpRoot, as of `mark` */
  GHashTable *held;     /* under lock: digest → GPtrArray of RpRoot, borrowed */
  GQueue followed;      /* under lock: what is held and whose referrers were not looked at; borrowed from `texts` */
  gint64 mark;          /* under lock: of the roots; -1: none yet */
};

static void
array_unref (gpointer array)
{
  g_ptr_array_unref (array);
}

RpHeld *
rp_held_new (RpRegistry *registry)
{
  RpHeld *held = g_new0 (RpHeld, 1);

  held->registry = registry;
  g_mutex_init (&held->lock);
  held->texts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  held->closures = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, array_unref);
  held->held = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, array_unref);
  held->roots = g_ptr_array_new_with_free_func (rp_root_free);
  held->mark = -1;
  return held;
}

void
rp_held_free (RpHeld *held)
{
  if (held == NULL)
    return;
  g_queue_clear (&held->followed);
  g_hash_table_unref (held->held);
  g_hash_table_unref (held->closures);
  g_hash_table_unref (held->texts);
  g_ptr_array_unref (held->roots);
  g_mutex_clear (&held->lock);
  g_free (held);
}

static char *
intern (RpHeld *held, const char *text)
{
  gpointer own = NULL;

  if (!g_hash_table_lookup_extended (held->texts, text, &own, NULL))
    {
      own = g_strdup (text);
      g_hash_table_add (held->texts, own);
    }
  return own;
}

/* ---- learning ---- */

static void
keep_closure (RpHeld *held, const char *root, const RpClosure *closure)
{
  GPtrArray *digests = g_ptr_array_new ();
  char text[RP_DIGEST_STRING_SIZE];

  for (guint i = 0; i < closure->items->len; i++)
    {
      const RpClosureItem *item = closure->items->pdata[i];
      g_ptr_array_add (digests, intern (held, rp_digest_format (&item->digest, text)));
    }
  g_hash_table_replace (held->closures, intern (held, root), digests);
}

/* A root that lies nowhere needs nothing but itself. */
static gboolean
learn (RpHeld *held, const RpRoot *root, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (RpClosure) closure = NULL;
  RpDigest digest;

  if (root->repository == NULL || g_hash_table_contains (held->closures, root->digest))
    return TRUE;
  if (!rp_digest_parse (root->digest, &digest, error))
    return FALSE;
  closure = rp_registry_kept_closure (held->registry, root->repository, &digest, &local);
  if (closure != NULL)
    {
      keep_closure (held, root->digest, closure);
      return TRUE;
    }
  g_set_error (error, RP_ERROR, RP_ERROR_PROTECTED,
               "nothing is deleted while it cannot be told what %s in %s needs, which is kept (%s): "
               "%s; push the image again to heal it",
               root->digest, root->repository, root->text, local->message);
  return FALSE;
}

/* ---- what is held ---- */

/* One root at a time, so that a digest that it holds twice has it last. */
static void
hold_one (RpHeld *held, const char *digest, const RpRoot *root)
{
  GPtrArray *why = g_hash_table_lookup (held->held, digest);

  if (why == NULL)
    {
      char *own = intern (held, digest);
      why = g_ptr_array_new ();
      g_hash_table_insert (held->held, own, why);
      g_queue_push_tail (&held->followed, own);
    }
  if (why->len == 0 || why->pdata[why->len - 1] != root)
    g_ptr_array_add (why, (gpointer) root);
}

static void
hold_root (RpHeld *held, const RpRoot *root)
{
  const GPtrArray *closure = g_hash_table_lookup (held->closures, root->digest);

  hold_one (held, root->digest, root);
  for (guint i = 0; closure != NULL && i < closure->len; i++)
    hold_one (held, closure->pdata[i], root);
}

static gboolean
is_known (RpHeld *held, const RpRoot *root)
{
  return root->repository == NULL || g_hash_table_contains (held->closures, root->digest);
}

typedef enum {
  MAY_LEARN,      /* outside of any transaction */
  MUST_BE_KNOWN,
} Knowledge;

/* *out_known FALSE: there is a root of which it is not known what it needs. */
static gboolean
add (RpHeld *held, const RpRoot *root, Knowledge knowledge, gboolean *out_known, GError **error)
{
  if (knowledge == MAY_LEARN && !learn (held, root, error))
    return FALSE;
  *out_known = *out_known && is_known (held, root);
  hold_root (held, root);
  return TRUE;
}

/* subject → GPtrArray of RpReferrer; borrows both. */
static GHashTable *
index_referrers (const GPtrArray *referrers)
{
  GHashTable *by_subject = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, array_unref);

  for (guint i = 0; i < referrers->len; i++)
    {
      RpReferrer *referrer = referrers->pdata[i];
      GPtrArray *list = g_hash_table_lookup (by_subject, referrer->subject);

      if (list == NULL)
        {
          list = g_ptr_array_new ();
          g_hash_table_insert (by_subject, referrer->subject, list);
        }
      g_ptr_array_add (list, referrer);
    }
  return by_subject;
}

/* Adds as roots what refers to something held. Each digest is followed once, however long the chain. */
static gboolean
follow_referrers (RpHeld *held, const GPtrArray *referrers, Knowledge knowledge,
                  gboolean *out_known, GError **error)
{
  g_autoptr (GHashTable) by_subject = index_referrers (referrers);
  const char *digest;

  while (*out_known && (digest = g_queue_pop_head (&held->followed)) != NULL)
    {
      const GPtrArray *list = g_hash_table_lookup (by_subject, digest);

      for (guint i = 0; list != NULL && i < list->len; i++)
        {
          const RpReferrer *referrer = list->pdata[i];
          const GPtrArray *why = g_hash_table_lookup (held->held, digest);
          RpRoot *root;

          if (g_hash_table_contains (held->held, referrer->digest))
            continue;
          root = rp_root_of_referrer (referrer, why->pdata[0]);
          g_ptr_array_add (held->roots, root);
          if (!add (held, root, knowledge, out_known, error))
            return FALSE;
        }
    }
  return TRUE;
}

/* Takes over both arrays. */
static gboolean
settle (RpHeld *held, GPtrArray *roots, GPtrArray *referrers, Knowledge knowledge,
        gboolean *out_known, GError **error)
{
  gboolean ok = TRUE;

  *out_known = TRUE;
  g_hash_table_remove_all (held->held);
  g_queue_clear (&held->followed);
  g_ptr_array_unref (held->roots);
  held->roots = roots;
  for (guint i = 0, count = roots->len; ok && i < count; i++)
    ok = add (held, roots->pdata[i], knowledge, out_known, error);
  ok = ok && follow_referrers (held, referrers, knowledge, out_known, error);
  g_ptr_array_unref (referrers);
  return ok;
}

typedef struct {
  gint64 mark;
  GPtrArray *roots;
  GPtrArray *referrers;
} Look;

static gboolean
look (RpTxn *txn, gpointer user_data, GError **error)
{
  Look *found = user_data;

  if (!rp_roots_mark (txn, &found->mark, error))
    return FALSE;
  found->roots = rp_roots_load (txn, error);
  if (found->roots == NULL)
    return FALSE;
  found->referrers = rp_referrers_load (txn, error);
  if (found->referrers == NULL)
    g_clear_pointer (&found->roots, g_ptr_array_unref);
  return found->referrers != NULL;
}

gboolean
rp_held_prepare (RpHeld *held, GError **error)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&held->lock);
  gboolean known = FALSE;
  Look found = { 0 };

  held->mark = -1;
  if (!rp_db_read (rp_registry_db (held->registry), look, &found, error)
      || !settle (held, found.roots, found.referrers, MAY_LEARN, &known, error))
    return FALSE;
  held->mark = found.mark;
  return TRUE;
}

/* ---- answering ---- */

static json_t *
reason_to_json (const RpRoot *root, const char *digest)
{
  json_t *json = json_deep_copy (root->reason);

  json_object_set_new (json, "text", json_string (root->text));
  json_object_set_new (json, "root", json_string (root->digest));
  json_object_set_new (json, "direct", json_boolean (g_str_equal (root->digest, digest)));
  return json;
}

/* Something changed since prepare(): looks again, which tells all unless a closure is new. */
static gboolean
look_again (RpTxn *txn, RpHeld *held, gint64 mark, gboolean *out_fresh, GError **error)
{
  Look found = { 0 };

  if (!look (txn, &found, error)
      || !settle (held, found.roots, found.referrers, MUST_BE_KNOWN, out_fresh, error))
    return FALSE;
  held->mark = *out_fresh ? mark : -1;
  return TRUE;
}

static gboolean
check_locked (RpTxn *txn, RpHeld *held, const RpDigest *digest, gboolean *out_fresh,
              json_t **out_holder, GError **error)
{
  char text[RP_DIGEST_STRING_SIZE];
  const GPtrArray *why;
  gint64 mark;

  if (!rp_roots_mark (txn, &mark, error))
    return FALSE;
  *out_fresh = held->mark == mark;
  if (!*out_fresh && held->mark != -1 && !look_again (txn, held, mark, out_fresh, error))
    return FALSE;
  why = *out_fresh ? g_hash_table_lookup (held->held, rp_digest_format (digest, text)) : NULL;
  if (why != NULL)
    *out_holder = reason_to_json (why->pdata[0], text);
  return TRUE;
}

gboolean
rp_held_check (RpTxn *txn, RpHeld *held, const RpDigest *digest, gboolean *out_fresh,
               json_t **out_holder, GError **error)
{
  gboolean ok;

  *out_holder = NULL;
  *out_fresh = FALSE;
  /* Who learns may itself have to write (a damaged manifest), and waits for us then. */
  if (!g_mutex_trylock (&held->lock))
    return TRUE;
  ok = check_locked (txn, held, digest, out_fresh, out_holder, error);
  g_mutex_unlock (&held->lock);
  return ok;
}

json_t *
rp_held_reasons (RpHeld *held, const char *digest)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&held->lock);
  const GPtrArray *why = g_hash_table_lookup (held->held, digest);
  json_t *list = json_array ();

  for (guint i = 0; why != NULL && i < why->len; i++)
    json_array_append_new (list, reason_to_json (why->pdata[i], digest));
  return list;
}

gboolean
rp_held_has (RpHeld *held, const char *digest, const char *kind)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&held->lock);
  const GPtrArray *why = g_hash_table_lookup (held->held, digest);

  for (guint i = 0; why != NULL && i < why->len; i++)
    {
      const RpRoot *root = why->pdata[i];
      if (kind == NULL || g_strcmp0 (rp_json_str (root->reason, "kind"), kind) == 0)
        return TRUE;
    }
  return FALSE;
}
