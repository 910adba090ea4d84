/* The agent: the process beside one or more targets.  It follows their pointers (long poll), lays
 * releases ready, points, watches the trial, goes back by itself, and reports what it observes.
 * What it was doing is in a journal (journal.h), so that a kill at any instruction loses nothing.
 *
 * The three entry points below are what the command line calls.  All block.  A configuration that is
 * wrong is RP_ERROR_INVALID (exit status 2) with file:line:column; a state directory that another
 * agent holds is RP_ERROR_BUSY with its pid.
 */
#pragma once

#include <jansson.h>

#include "driver/driver.h"

#define RP_AGENT_DEFAULT_CONFIG "/etc/repoint/agent.yaml"

typedef struct {
  const char *config_path; /* NULL: RP_AGENT_DEFAULT_CONFIG */
  gboolean once; /* reconcile every target until it rests, deliver the reports, then return */
  const RpDriverOps *const *drivers; /* NULL-ended; NULL: rp_drivers.  Tests bring their own. */
  const gint *stop; /* or NULL: an int that another thread sets to 1, beside SIGTERM and SIGINT */
} RpAgentOptions;

/* Runs until SIGTERM or SIGINT (or, with `once`, until every target rests), both a success.  Takes
 * those two signals and ignores SIGPIPE in the whole process while it runs.  With `once` a target
 * that failed, went back or could not be reached is an error (RP_ERROR_UNHEALTHY,
 * RP_ERROR_ROLLED_BACK, RP_ERROR_UNREACHABLE). */
gboolean rp_agent_run (const RpAgentOptions *options, GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef struct {
  const char *config_path; /* NULL: RP_AGENT_DEFAULT_CONFIG */
  const char *target; /* `web-1` or `shop/production/web-1`; NULL: the only one there is */
  gint64 to_revision; /* 0: last known good */
  const char *cause;  /* or NULL: derived */
  const char *actor;  /* or NULL: USER@HOST of this process */
  const RpDriverOps *const *drivers; /* NULL: rp_drivers */
} RpAgentUndoOptions;

/* Goes back to the last known good release (or to `to_revision`) from bytes that lie on this host,
 * needing no server and no network, also on a full disk.  If an agent runs on the state directory it
 * is asked to do it (control.h); otherwise this process takes the lock and does it itself.
 *
 * *out_report (json_decref) is {"target","from_revision","from_digest","to_revision","to_release":
 * {"number","version"},"to_digest","cause","actor","state":"undone"|"failed","message",
 * "recorded":bool (journal and outbox have it), "took_ms", "skipped":[{"revision","version","why"}]}.
 * It is set too when the release was pointed to but its probe did not succeed: then the result is
 * FALSE with RP_ERROR_UNHEALTHY.  Otherwise, on an error, nothing was touched:
 *   RP_ERROR_NOT_FOUND   no such target or revision in the window
 *   RP_ERROR_USAGE       several targets and none named
 *   RP_ERROR_BLOCKED     nothing known good is local (the message lists every candidate and why not)
 *   RP_ERROR_BUSY        an agent holds the state directory but does not answer
 * and the driver's own errors if pointing failed. */
gboolean rp_agent_undo (const RpAgentUndoOptions *options, json_t **out_report, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* What the journal knows and what runs (by looking), whether or not an agent is running:
 * {"agent","server","state","running":bool,"pid":N|null,"targets":[{"target":"shop/production/web-1","app",
 * "environment","name","driver","phase","pointer_revision","working_revision","confirmed_revision",
 * "observed_digest","observed_revision","observed_release","intact","override":{…}|null,
 * "trial_deadline":"…"|null,"message","window":[{"revision","version","digest","good","confirmed_here",
 * "local":bool,"current":bool,"undo_target":bool}],"outbox":N,"server_seen_at":"…"|null}]}. json_decref(). */
gboolean rp_agent_status (const char *config_path, const RpDriverOps *const *drivers, json_t **out,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
