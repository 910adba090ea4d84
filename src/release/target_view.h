/* What is known of a target: what its agent reported, and when it was last seen. */
#pragma once

#include "release/environment.h"
#include "release/hold.h"
#include "release/rollout.h"
#include "release/signal_watch.h"

/* An agent that polls is seen at least every minute; silent for longer than this it counts as away.
 */
#define RP_TARGET_SILENT_US (3 * 60 * G_USEC_PER_SEC)

typedef struct
{
  char *name;
  char *component;
  char *agent; /* or NULL, as the next */
  char *driver;
  char *platform; /* of its host, as its agent said since the server started */
  char *pull;     /* "ok", or why its host may not pull: as said by its agent, which tried; NULL: not yet */
  gint64 pull_at_us; /* when it said so last */
  char *token;       /* id of the one that its agent came with last, or NULL */
  RpTargetPhase phase;
  gint64 revision;         /* that it works on; 0: none */
  char *observed_digest;   /* or NULL */
  gint64 observed_release; /* number; 0: of none that is known */
  char *observed_version;
  char *message;
  gint64 at_us;      /* of the last change; 0: never reported */
  gint64 seen_at_us; /* 0: never */
  GPtrArray *local;  /* char *: digests verified ready on the host */
} RpTargetView;
void rp_target_view_free (gpointer state);

/* RpTargetView of the targets declared now, in their order. */
GPtrArray *rp_target_view_load_all (RpEngine *engine, RpTxn *txn, const char *app,
                                    const char *environment,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Fills observed_release and observed_version: which release is it that runs there? That of the
 * revision it works on, if it has that digest, else the newest that has. */
gboolean rp_target_view_find_release (RpTxn *txn, const char *app, const char *environment,
                                      RpTargetView *state,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_target_view_has_local (const RpTargetView *state, const RpDigest *digest);

/* What an agent says of itself; any may be NULL: not said now. */
typedef struct
{
  const char *agent;
  const char *driver;
  const char *platform;
  const char *pull;
  const char *token;
} RpAgentWord;
/* Remembers (in memory: no change of state) that an agent was heard now. */
void rp_target_seen (RpEngine *engine, const char *app, const char *environment, const char *target,
                     const RpAgentWord *word, gint64 now_us);

typedef struct
{
  char *app;
  char *environment;
  gint64 seq;
  RpRevision *current; /* or NULL */
  gboolean converged;  /* every target confirmed the current revision */
  GPtrArray *targets;  /* RpTargetView */
  RpPause *pause;      /* or NULL */
  RpSignalWatch *watch; /* of the current revision; NULL: it is not watched */
  GPtrArray *holds;    /* RpReleaseHold: what may not be deployed here now */
} RpStatus;
void rp_status_free (RpStatus *status);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpStatus, rp_status_free)

/* *out is NULL if nothing happened after `after` and `force` is FALSE. */
gboolean rp_status_get (RpEngine *engine, const char *app, const char *environment, gint64 after,
                        gboolean force, RpStatus **out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

json_t *rp_target_view_to_json (const RpTargetView *state);
json_t *rp_target_view_list_to_json (const GPtrArray *states); /* RpTargetView */
json_t *rp_status_to_json (const RpStatus *status);
