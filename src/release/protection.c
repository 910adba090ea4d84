#include "release/protection.h"

#include "base/error.h"
#include "base/json.h"
#include "registry/policy.h"
#include "release/engine_priv.h"
#include "release/release.h"

typedef struct
{
  char *app;
  gint64 release;
  char *component;
  gboolean attached; /* the release names what this refers to, not the thing itself */
} Holder;

static void
holder_free (gpointer data)
{
  Holder *holder = data;
  g_free (holder->app);
  g_free (holder->component);
  g_free (holder);
}

struct RpProtection
{
  GMutex lock;
  GHashTable *needed;  /* under lock: RpDigest → Holder, borrowed from holders */
  GHashTable *walked;  /* under lock: RpDigest of manifests, borrowed from needed: theirs are there */
  GPtrArray *holders;  /* under lock */
  gint64 seq;          /* under lock: of the last release that is in `needed` */
  gint64 manifest_seq; /* under lock: of the last manifest or signer's tag that was looked at */
};

RpProtection *
rp_protection_new (void)
{
  RpProtection *protection = g_new0 (RpProtection, 1);
  g_mutex_init (&protection->lock);
  protection->needed = g_hash_table_new_full (rp_digest_hash, rp_digest_equal, g_free, NULL);
  protection->walked = g_hash_table_new (rp_digest_hash, rp_digest_equal);
  protection->holders = g_ptr_array_new_with_free_func (holder_free);
  return protection;
}

void
rp_protection_free (RpProtection *protection)
{
  g_hash_table_unref (protection->walked);
  g_hash_table_unref (protection->needed);
  g_ptr_array_unref (protection->holders);
  g_mutex_clear (&protection->lock);
  g_free (protection);
}

/* ---- learning ---- */

typedef struct
{
  gint64 after;
  gint64 after_manifest;
  RpRows *rows;
  RpRows *referrers; /* all manifests with a subject, and with a signer's tag; the oldest first */
  gint64 seq; /* of the newest release in the same snapshot */
  gint64 manifest_seq;
} News;

/* 0: there is none. */
static gboolean
find_newest (RpTxn *txn, gint64 *out_seq, gint64 *out_manifest_seq, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT (SELECT MAX(seq) FROM app_release),"
                      " (SELECT coalesce (MAX(seq), 0) FROM manifest),"
                      " (SELECT coalesce (MAX(seq), 0) FROM tag WHERE "
                      RP_SIGNATURE_TAGS_SQL ("name") ")", "");
  if (rows == NULL)
    return FALSE;
  *out_seq = rp_rows_int (rows, 0, 0);
  *out_manifest_seq = MAX (rp_rows_int (rows, 0, 1), rp_rows_int (rows, 0, 2));
  return TRUE;
}

/* Was anything pushed or tagged since that a release names (its artifact had gone and is back), or that refers to
 * something? */
static gboolean
came_back (RpTxn *txn, gint64 after, gboolean *out, GError **error)
{
  static const char sql[]
      = "SELECT 1 FROM manifest m WHERE m.seq > $1 AND (m.subject IS NOT NULL OR EXISTS"
        " (SELECT 1 FROM release_component c WHERE c.digest = m.digest AND c.repository = m.repository))"
        " UNION ALL SELECT 1 FROM tag WHERE seq > $1 AND " RP_SIGNATURE_TAGS_SQL ("name")
        " LIMIT 1";
  g_autoptr (RpRows) rows = rp_txn_query (txn, error, sql, "i", after);
  if (rows == NULL)
    return FALSE;
  *out = rp_rows_count (rows) > 0;
  return TRUE;
}

static gboolean
list_new (RpTxn *txn, gpointer user_data, GError **error)
{
  static const char sql[]
      = "SELECT r.seq, c.app, c.release, c.name, c.repository, c.digest FROM app_release r"
        " JOIN release_component c ON c.app = r.app AND c.release = r.number"
        " WHERE r.seq > $1 AND EXISTS (SELECT 1 FROM manifest m"
        " WHERE m.repository = c.repository AND m.digest = c.digest)"
        " UNION SELECT r.seq, c.app, c.release, c.name, c.repository, c.digest FROM manifest m"
        " JOIN release_component c ON c.digest = m.digest AND c.repository = m.repository"
        " JOIN app_release r ON r.app = c.app AND r.number = c.release"
        " WHERE m.seq > $2 AND r.seq <= $1 ORDER BY 1, 4";
  News *news = user_data;
  /* With the bare `seq` SQLite would go through all manifests in that order to spare itself a sort. */
  static const char referrers[]
      = "SELECT repository, digest, subject, NULL, seq + 0 FROM manifest WHERE subject IS NOT NULL"
        " UNION ALL SELECT repository, digest, NULL, name, seq FROM tag WHERE "
        RP_SIGNATURE_TAGS_SQL ("name") " ORDER BY 5";
  news->rows = rp_txn_query (txn, error, sql, "ii", news->after, news->after_manifest);
  news->referrers = news->rows != NULL ? rp_txn_query (txn, error, referrers, "") : NULL;
  return news->referrers != NULL && find_newest (txn, &news->seq, &news->manifest_seq, error);
}

static Holder *
add_holder (RpProtection *protection, const char *app, gint64 release, const char *component)
{
  Holder *holder = g_new0 (Holder, 1);
  holder->app = g_strdup (app);
  holder->release = release;
  holder->component = g_strdup (component);
  g_ptr_array_add (protection->holders, holder);
  return holder;
}

static void
add_needed (RpProtection *protection, const RpDigest *needed, gboolean walked, Holder *holder)
{
  gpointer digest = NULL;
  if (!g_hash_table_lookup_extended (protection->needed, needed, &digest, NULL))
    {
      digest = g_memdup2 (needed, sizeof *needed);
      g_hash_table_insert (protection->needed, digest, holder);
    }
  if (walked)
    g_hash_table_add (protection->walked, digest);
}

static void
add_closure (RpProtection *protection, const RpClosure *closure, Holder *holder)
{
  for (guint i = 0; i < closure->items->len; i++)
    {
      const RpClosureItem *item = closure->items->pdata[i];
      add_needed (protection, &item->digest, item->is_manifest, holder);
    }
}

static gboolean
learn (RpEngine *engine, const RpRows *rows, gsize row, GError **error)
{
  RpProtection *protection = engine->protection;
  const char *repository = rp_rows_text (rows, row, 4);
  g_autoptr (GError) local = NULL;
  g_autoptr (RpClosure) closure = NULL;
  RpDigest root;
  if (!rp_digest_parse (rp_rows_text (rows, row, 5), &root, error))
    return FALSE;
  if (g_hash_table_contains (protection->walked, &root))
    return TRUE;
  closure = rp_registry_kept_closure (engine->registry, repository, &root, &local);
  if (closure != NULL)
    {
      add_closure (protection, closure,
                   add_holder (protection, rp_rows_text (rows, row, 1), rp_rows_int (rows, row, 2),
                               rp_rows_text (rows, row, 3)));
      return TRUE;
    }
  g_set_error (error, RP_ERROR, RP_ERROR_PROTECTED,
               "nothing is deleted while it cannot be told what release %" G_GINT64_FORMAT
               " of app %s (component %s) needs: %s",
               rp_rows_int (rows, row, 2), rp_rows_text (rows, row, 1),
               rp_rows_text (rows, row, 3), local->message);
  return FALSE;
}

typedef struct
{
  const char *manifest;
  RpRows *rows;
} Recorded;

static gboolean
list_recorded (RpTxn *txn, gpointer user_data, GError **error)
{
  static const char sql[]
      = "WITH RECURSIVE part (digest) AS (SELECT digest FROM edge WHERE manifest = $1"
        " UNION SELECT edge.digest FROM edge JOIN part ON edge.manifest = part.digest)"
        " SELECT digest FROM part";
  Recorded *recorded = user_data;
  recorded->rows = rp_txn_query (txn, error, sql, "s", recorded->manifest);
  return recorded->rows != NULL;
}

/* What a manifest named when it was pushed, where its bytes cannot be read now. */
static gboolean
add_recorded (RpEngine *engine, const char *manifest, Holder *holder, GError **error)
{
  Recorded recorded = { .manifest = manifest };
  if (!rp_db_read (engine->db, list_recorded, &recorded, error))
    return FALSE;
  g_autoptr (RpRows) rows = recorded.rows;
  for (gsize row = 0; row < rp_rows_count (rows); row++)
    {
      RpDigest digest;
      if (!rp_digest_parse (rp_rows_text (rows, row, 0), &digest, error))
        return FALSE;
      add_needed (engine->protection, &digest, FALSE, holder);
    }
  return TRUE;
}

/* What the row refers to. FALSE: nothing. */
static gboolean
subject_of (const RpRows *rows, gsize row, RpDigest *out)
{
  const char *subject = rp_rows_text (rows, row, 2);
  const char *tag = rp_rows_text (rows, row, 3);
  g_autofree char *of_tag = tag != NULL ? rp_signature_subject (tag) : NULL;
  return (subject != NULL || of_tag != NULL)
         && rp_digest_parse (subject != NULL ? subject : of_tag, out, NULL);
}

/* Of a signature that cannot be read all is kept that was recorded of it: it can be healed. */
static gboolean
learn_referrer (RpEngine *engine, const RpRows *rows, gsize row, gboolean *out_learnt, GError **error)
{
  RpProtection *protection = engine->protection;
  g_autoptr (RpClosure) closure = NULL;
  RpDigest digest, subject;
  if (!rp_digest_parse (rp_rows_text (rows, row, 1), &digest, error))
    return FALSE;
  const Holder *of = subject_of (rows, row, &subject)
                         ? g_hash_table_lookup (protection->needed, &subject)
                         : NULL;
  if (of == NULL || g_hash_table_contains (protection->walked, &digest))
    return TRUE;
  *out_learnt |= !g_hash_table_contains (protection->needed, &digest);
  Holder *holder = add_holder (protection, of->app, of->release, of->component);
  holder->attached = TRUE;
  add_needed (protection, &digest, FALSE, holder);
  closure = rp_registry_kept_closure (engine->registry, rp_rows_text (rows, row, 0), &digest, NULL);
  if (closure == NULL)
    return add_recorded (engine, rp_rows_text (rows, row, 1), holder, error);
  add_closure (protection, closure, holder);
  return TRUE;
}

/* Until nothing is new: a referrer may itself be referred to, and be older than what it refers to. */
static gboolean
learn_referrers (RpEngine *engine, const RpRows *rows, GError **error)
{
  gboolean learnt = TRUE;
  while (learnt)
    {
      learnt = FALSE;
      for (gsize row = 0; row < rp_rows_count (rows); row++)
        if (!learn_referrer (engine, rows, row, &learnt, error))
          return FALSE;
    }
  return TRUE;
}

gboolean
rp_protection_prepare (gpointer user_data, GError **error)
{
  RpEngine *engine = user_data;
  RpProtection *protection = engine->protection;
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&protection->lock);
  News news = { .after = protection->seq, .after_manifest = protection->manifest_seq };
  gboolean ok = rp_db_read (engine->db, list_new, &news, error);
  g_autoptr (RpRows) rows = news.rows;
  g_autoptr (RpRows) referrers = news.referrers;
  for (gsize row = 0; ok && row < rp_rows_count (rows); row++)
    ok = learn (engine, rows, row, error);
  ok = ok && learn_referrers (engine, referrers, error);
  if (ok)
    {
      protection->seq = news.seq;
      protection->manifest_seq = news.manifest_seq;
    }
  return ok;
}

void
rp_protection_forget (gpointer user_data)
{
  RpEngine *engine = user_data;
  RpProtection *protection = engine->protection;
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&protection->lock);
  g_hash_table_remove_all (protection->walked);
  g_hash_table_remove_all (protection->needed);
  g_ptr_array_set_size (protection->holders, 0);
  protection->seq = -1;
}

/* ---- answering ---- */

static json_t *
list_environments (RpTxn *txn, const Holder *holder, GString *text, GError **error)
{
  g_autoptr (RpRows) rows
      = rp_txn_query (txn, error,
                      "SELECT DISTINCT environment FROM revision WHERE app = $1 AND release = $2"
                      " ORDER BY environment",
                      "si", holder->app, holder->release);
  if (rows == NULL)
    return NULL;
  json_t *list = json_array ();
  for (gsize i = 0; i < rp_rows_count (rows); i++)
    {
      const char *name = rp_rows_text (rows, i, 0);
      g_string_append_printf (text, "%s%s/%s", i == 0 ? ", which was deployed to " : ", ",
                              holder->app, name);
      json_array_append_new (list, json_string (name));
    }
  return list;
}

static json_t *
describe (RpTxn *txn, const Holder *holder, GError **error)
{
  g_autoptr (RpRelease) release = rp_release_load (txn, holder->app, holder->release, error);
  g_autoptr (GString) text = g_string_new (NULL);
  if (release == NULL)
    return NULL;
  g_string_printf (text, "%srelease %s of app %s (component %s)",
                   holder->attached ? "what is attached to " : "", release->version, holder->app,
                   holder->component);
  json_t *environments = list_environments (txn, holder, text, error);
  if (environments == NULL)
    return NULL;
  json_t *json = json_object ();
  json_object_set_new (json, "text", json_string (text->str));
  json_object_set_new (json, "app", json_string (holder->app));
  json_object_set_new (json, "release", json_string (release->version));
  json_object_set_new (json, "component", json_string (holder->component));
  json_object_set_new (json, "environments", environments);
  return json;
}

static gboolean
check_locked (RpTxn *txn, const RpProtection *protection, const RpDigest *digest,
              gboolean *out_fresh, json_t **out_holder, GError **error)
{
  gint64 newest, newest_manifest;
  gboolean back = FALSE;
  if (!find_newest (txn, &newest, &newest_manifest, error)
      || (newest_manifest > protection->manifest_seq
          && !came_back (txn, protection->manifest_seq, &back, error)))
    return FALSE;
  *out_fresh = newest == protection->seq && !back;
  const Holder *holder = *out_fresh ? g_hash_table_lookup (protection->needed, digest) : NULL;
  if (holder == NULL)
    return TRUE;
  *out_holder = describe (txn, holder, error);
  return *out_holder != NULL;
}

gboolean
rp_protection_check (RpTxn *txn, const RpDigest *digest, gboolean *out_fresh, json_t **out_holder,
                     gpointer user_data, GError **error)
{
  RpEngine *engine = user_data;
  RpProtection *protection = engine->protection;
  *out_holder = NULL;
  *out_fresh = FALSE;
  /* Who learns may itself have to write (a damaged manifest), and waits for us then. */
  if (!g_mutex_trylock (&protection->lock))
    return TRUE;
  gboolean ok = check_locked (txn, protection, digest, out_fresh, out_holder, error);
  g_mutex_unlock (&protection->lock);
  return ok;
}
