/* A revision: the n-th time an environment was pointed at a release.  Numbers only grow; a rollback
 * is a new revision that restores an earlier one.
 */
#pragma once

#include "release/known_good.h"
#include "release/release.h"

typedef enum
{
  RP_KIND_DEPLOY,
  RP_KIND_PROMOTE,
  RP_KIND_ROLLBACK,
  RP_KIND_AUTO_ROLLBACK
} RpRevisionKind;
const char *rp_kind_name (RpRevisionKind kind);
/* RP_ERROR_INVALID names the kinds. */
gboolean rp_kind_parse (const char *name, RpRevisionKind *out,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_kind_is_rollback (RpRevisionKind kind);

typedef struct
{
  char *app;
  char *environment;
  gint64 number;
  RpRevisionKind kind;
  RpRelease *release;
  char *cause;
  char *actor;
  gint64 at_us;
  gint64 expected_revision; /* the one it was moved from; 0: none */
  RpOutcome outcome;
  char *outcome_reason;  /* or NULL */
  gint64 outcome_at_us;  /* 0: none yet */
  gint64 restores;       /* 0: none */
  gint64 rolled_back_by; /* 0: none */
  gboolean rollback_due; /* failed, and its automatic rollback has still to happen */
  gint64 progress_at_us; /* of the last progress of a target */
  gboolean signals_failed; /* as in known_good.h */
  gboolean good;         /* may be an undo target; also see known_good.h */
  gint64 until_us;       /* when the next revision came; 0: it is the current one */
  gint64 seq;
  char *overrides; /* a JSON list of the gates that it went through although they were closed, or NULL */
} RpRevision;
void rp_revision_free (RpRevision *revision);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpRevision, rp_revision_free)

/* In SQL: did the signals of this row of table revision, by its alias, fail?  Those of a rollback accuse nobody. */
#define RP_SQL_SIGNALS_FAILED(alias)                                                               \
  "EXISTS (SELECT 1 FROM signal_watch s WHERE s.app = " alias ".app"                               \
  " AND s.environment = " alias ".environment AND s.number = " alias ".number"                     \
  " AND s.state = 'failed' AND " alias ".kind NOT IN ('rollback', 'auto-rollback'))"

/* RP_ERROR_NOT_FOUND says which numbers there are. */
RpRevision *rp_revision_load (RpTxn *txn, const char *app, const char *environment, gint64 number,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* *out is NULL if nothing was ever deployed. */
gboolean rp_revision_load_current (RpTxn *txn, const char *app, const char *environment,
                                   RpRevision **out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* RpHistoryRow, newest first: all of the environment's history. */
GArray *rp_revision_load_history (RpTxn *txn, const char *app, const char *environment,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* RpRevision, newest first, those below `before` (0: all). */
GPtrArray *rp_revision_list (RpEngine *engine, const char *app, const char *environment,
                             gint64 limit, gint64 before, GError **error) G_GNUC_WARN_UNUSED_RESULT;
RpRevision *rp_revision_get (RpEngine *engine, const char *app, const char *environment,
                             gint64 number, GError **error) G_GNUC_WARN_UNUSED_RESULT;

json_t *rp_revision_to_json (const RpRevision *revision);
json_t *rp_revision_to_json_or_null (const RpRevision *revision);
json_t *rp_revision_list_to_json (const GPtrArray *revisions); /* RpRevision */
