/* What an agent says about a target: taken down where it changes something, and handed to the
 * rollout. */
#pragma once

#include "release/target_view.h"

/* All borrowed. */
typedef struct
{
  const char *app;
  const char *environment;
  const char *target;
  const char *id; /* `<agent>:<n>`: the same report again has no effect */
  const char *agent;
  const char *account; /* that sent it, or NULL where nobody is asked */
  const char *driver;
  gint64 revision; /* 0: none */
  RpTargetPhase phase;
  const char *observed_digest; /* or NULL */
  const char *message;         /* or NULL */
  const char *at;              /* the host's clock, for people */
  json_t *local;               /* array of digests, or NULL */
  /* RP_PHASE_UNDONE: somebody went back on the host. */
  gboolean undone;
  const char *undo_to_digest;
  gint64 undo_to_revision; /* 0: not known */
  gint64 undo_from_revision;
  const char *undo_cause;
  const char *undo_actor;
} RpReport;

/* *out_seq: the environment's; *out_pointer_revision: where its pointer is now. RP_ERROR_INVALID,
 * RP_ERROR_NOT_FOUND for a target that is not declared. */
gboolean rp_report_take (RpEngine *engine, const RpReport *report, gint64 *out_seq,
                         gint64 *out_pointer_revision, GError **error) G_GNUC_WARN_UNUSED_RESULT;
