/* Who owns what: the fields up to `unwritten` belong to the thread that runs the loop (or to the caller
 * of an undo where there is none); those after `lock` are shared and only touched under it, except
 * `cancelled`, an atomic int that drivers poll.
 */
#include "agent/target_loop.h"

#include <string.h>

#include "agent/keeper.h"
#include "agent/report.h"
#include "agent/reserve.h"
#include "agent/undo.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#define UNWRITABLE_WAIT_MS 2000
#define UNDO_ATTEMPTS 3
#define STUCK_ATTEMPTS 3 /* failures to lay ready after which a single run (`once`) ends */
#define CLOCK_JUMP_US (2 * G_USEC_PER_SEC)

/* An undo handed from one thread to the loop's. */
typedef struct {
  const RpUndoRequest *request;
  json_t *report;
  GError *error;
  gboolean ok;
  gboolean done;
} UndoJob;

struct RpTargetLoop {
  RpTargetLoopOptions options;
  const char *name;
  RpDriverContext context; /* the driver borrows it */
  gpointer driver;
  RpKeeper *keeper;
  RpTargetState *state;
  gboolean just_prepared; /* `work` was laid ready by this process: no need to hash it again */
  gboolean unrecorded;    /* the last change is not in the journal */
  gint64 clock_offset_us; /* wall minus monotonic, at the last step */
  GPtrArray *unwritten;   /* json_t reports that a full disk kept out of the journal */

  GMutex lock;
  GCond changed;
  RpPointer *incoming;
  UndoJob *undo;
  gboolean stopping;
  gint64 heard_at_us;
  gint64 heard_revision; /* of the server's last answer */
  gboolean online;      /* the server's last answer was one */
  gboolean heard;       /* it answered at least once */
  gboolean lost;        /* it did not, the last time */
  gboolean resting;
  RpPhase phase;        /* of `state`, for others */
  char *message;
  GThread *thread;
  gint cancelled;
};

/* ---- making and ending ---- */

static gboolean
open_driver (RpTargetLoop *loop, GError **error)
{
  const RpTargetLoopOptions *options = &loop->options;
  const RpYamlNode *node = options->target->options != NULL ? options->target->options
                                                            : options->target->node;

  loop->context = (RpDriverContext){ .name = loop->name,
                                     .state_dir = options->target->state_dir,
                                     .store = options->store,
                                     .client = options->client,
                                     .registry = options->config->registry,
                                     .bearer = options->config->bearer,
                                     .cancelled = &loop->cancelled };
  if (!rp_dir_make (options->target->state_dir, 0700, error))
    return FALSE;
  if (options->target->options == NULL)
    return rp_yaml_error (node, error, "options: absent; the driver %s needs them",
                          options->target->driver);
  loop->driver = options->ops->open (&loop->context, node, error);
  return loop->driver != NULL;
}

RpTargetLoop *
rp_target_loop_new (const RpTargetLoopOptions *options, GError **error)
{
  g_autoptr (RpTargetLoop) loop = g_new0 (RpTargetLoop, 1);

  loop->options = *options;
  loop->name = options->target->name;
  loop->unwritten = g_ptr_array_new_with_free_func ((GDestroyNotify) json_decref);
  loop->clock_offset_us = rp_clock_now_us () - rp_clock_monotonic_us ();
  g_mutex_init (&loop->lock);
  g_cond_init (&loop->changed);
  if (!open_driver (loop, error))
    return NULL;
  loop->state = rp_journal_load (options->journal, loop->name, error);
  if (loop->state == NULL)
    return NULL;
  loop->keeper = rp_keeper_new (&(RpKeeperOptions){ .journal = options->journal,
                                                    .stock = options->stock,
                                                    .target = loop->name,
                                                    .ops = options->ops,
                                                    .driver = loop->driver,
                                                    .cancelled = &loop->cancelled },
                                error);
  return loop->keeper == NULL ? NULL : g_steal_pointer (&loop);
}

void
rp_target_loop_free (RpTargetLoop *loop)
{
  if (loop == NULL)
    return;
  rp_target_loop_stop (loop);
  if (loop->thread != NULL)
    g_thread_join (loop->thread);
  rp_keeper_free (loop->keeper);
  if (loop->driver != NULL)
    loop->options.ops->close (loop->driver);
  rp_target_state_free (loop->state);
  rp_pointer_free (loop->incoming);
  g_ptr_array_unref (loop->unwritten);
  g_free (loop->message);
  g_mutex_clear (&loop->lock);
  g_cond_clear (&loop->changed);
  g_free (loop);
}

/* ---- the mailbox ---- */

static void
interrupt (RpTargetLoop *loop)
{
  g_atomic_int_set (&loop->cancelled, 1);
  g_cond_broadcast (&loop->changed);
}

void
rp_target_loop_stop (RpTargetLoop *loop)
{
  g_mutex_lock (&loop->lock);
  loop->stopping = TRUE;
  interrupt (loop);
  g_mutex_unlock (&loop->lock);
}

void
rp_target_loop_take (RpTargetLoop *loop, RpPointer *pointer)
{
  gint64 revision = pointer->current != NULL ? pointer->current->revision : 0;

  g_mutex_lock (&loop->lock);
  rp_pointer_free (loop->incoming);
  loop->incoming = pointer;
  loop->heard = TRUE;
  loop->heard_at_us = rp_clock_now_us ();
  loop->lost = FALSE;
  loop->resting = FALSE;
  g_cond_broadcast (&loop->changed);
  if (revision != loop->heard_revision)
    interrupt (loop); /* a slow pull of what is not wanted any more gives way */
  loop->heard_revision = revision;
  g_mutex_unlock (&loop->lock);
}

void
rp_target_loop_server_lost (RpTargetLoop *loop, const char *message)
{
  g_mutex_lock (&loop->lock);
  loop->lost = TRUE;
  loop->online = FALSE;
  g_cond_broadcast (&loop->changed);
  g_mutex_unlock (&loop->lock);
}

gint64
rp_target_loop_heard_at_us (RpTargetLoop *loop)
{
  gint64 heard_at_us;

  g_mutex_lock (&loop->lock);
  heard_at_us = loop->heard_at_us;
  g_mutex_unlock (&loop->lock);
  return heard_at_us;
}

gboolean
rp_target_loop_rests (RpTargetLoop *loop, gboolean *out_server_lost, RpPhase *out_phase,
                      char **out_message)
{
  gboolean rests;

  g_mutex_lock (&loop->lock);
  rests = loop->resting && loop->incoming == NULL && (loop->heard || loop->lost);
  *out_server_lost = loop->lost;
  *out_phase = loop->phase;
  *out_message = g_strdup (loop->message);
  g_mutex_unlock (&loop->lock);
  return rests;
}

/* Waits until something comes in, at most `wait_ms`. */
static void
wait_for_news (RpTargetLoop *loop, gint64 wait_ms)
{
  gint64 until_us = g_get_monotonic_time () + wait_ms * 1000;

  g_mutex_lock (&loop->lock);
  while (!loop->stopping && loop->incoming == NULL && loop->undo == NULL
         && g_cond_wait_until (&loop->changed, &loop->lock, until_us))
    continue;
  g_mutex_unlock (&loop->lock);
}

static gboolean
is_stopping (RpTargetLoop *loop)
{
  gboolean stopping;

  g_mutex_lock (&loop->lock);
  stopping = loop->stopping;
  g_mutex_unlock (&loop->lock);
  return stopping;
}

static void
publish (RpTargetLoop *loop, gboolean resting)
{
  g_mutex_lock (&loop->lock);
  loop->phase = loop->state->phase;
  loop->resting = resting;
  g_free (loop->message);
  loop->message = g_strdup (loop->state->message);
  g_mutex_unlock (&loop->lock);
}

/* ---- the journal ---- */

static gboolean
write_journal (RpTargetLoop *loop, const RpTargetState *state, const RpStep *step, GError **error)
{
  gsize n_reports = loop->unwritten->len;

  if (!rp_journal_commit (loop->options.journal, loop->name, state, step,
                          (json_t *const *) loop->unwritten->pdata, n_reports, error))
    return FALSE;
  g_ptr_array_set_size (loop->unwritten, 0);
  loop->unrecorded = FALSE;
  if (n_reports > 0 && loop->options.reported != NULL)
    loop->options.reported (loop->options.user_data);
  return TRUE;
}

/* Ways back are gone even where nothing can be written: what runs matters more than the memory of it. */
static gboolean
goes_back (RpPhase phase)
{
  return phase == RP_PHASE_RETURNING || phase == RP_PHASE_RETURN_CHECK
         || phase == RP_PHASE_RETURNED || phase == RP_PHASE_UNDOING
         || phase == RP_PHASE_UNDO_CHECK || phase == RP_PHASE_UNDONE;
}

static void
add_report (RpTargetLoop *loop, const RpTargetState *state, const RpStep *step,
            const RpObservation *seen)
{
  g_ptr_array_add (loop->unwritten,
                   rp_report_new (loop->options.config, loop->options.target, step->report,
                                  step->report_revision, seen, step->message,
                                  rp_keeper_local (loop->keeper),
                                  step->report_undo ? &state->undo : NULL));
}

static gboolean
record (RpTargetLoop *loop, const RpTargetState *state, const RpStep *step,
        const RpObservation *seen)
{
  g_autoptr (GError) error = NULL;
  guint before = loop->unwritten->len;

  if (!step->changed)
    return TRUE;
  if (step->report != NULL)
    add_report (loop, state, step, seen);
  if (write_journal (loop, state, step, &error))
    return TRUE;
  if (goes_back (state->phase))
    {
      rp_log_error (loop->name, "%s; going on without, since this is the way back", error->message);
      loop->unrecorded = TRUE;
      return TRUE;
    }
  g_ptr_array_set_size (loop->unwritten, before);
  rp_log_error (loop->name, "%s; nothing is done until it can be written", error->message);
  return FALSE;
}

/* The server's last word goes into the state, durably, before it is acted on. */
static void
take_incoming (RpTargetLoop *loop)
{
  g_autoptr (RpPointer) pointer = NULL;
  g_autoptr (RpTargetState) next = NULL;
  g_autoptr (GError) error = NULL;
  gboolean back;

  g_mutex_lock (&loop->lock);
  pointer = g_steal_pointer (&loop->incoming);
  back = pointer != NULL && !loop->online;
  loop->online = loop->online || pointer != NULL;
  loop->resting = loop->resting && pointer == NULL;
  if (!loop->stopping)
    g_atomic_int_set (&loop->cancelled, 0);
  g_mutex_unlock (&loop->lock);
  if (back)
    rp_keeper_restart (loop->keeper);
  if (pointer == NULL)
    return;
  next = rp_target_state_copy (loop->state);
  if (!rp_target_state_take (next, pointer))
    {
      if (next->pointer != NULL
          && (pointer->current == NULL || pointer->current->revision < next->pointer->revision))
        rp_log_warning (loop->name,
                        "the server's pointer is older than revision %" G_GINT64_FORMAT
                        ", which is known here (was the server restored from a backup?); staying",
                        next->pointer->revision);
      next->not_before_us = 0;
    }
  else if (!write_journal (loop, next, NULL, &error))
    rp_log_error (loop->name, "%s", error->message);
  else
    rp_keeper_restart (loop->keeper);
  /* A server that is back is reason enough to try again at once. */
  if (back && next->phase == RP_PHASE_PREPARING)
    next->not_before_us = 0;
  rp_target_state_free (loop->state);
  loop->state = g_steal_pointer (&next);
}

/* ---- actions ---- */

static RpArtifact
artifact_of (const RpEntry *entry)
{
  RpArtifact artifact = { entry->repository, entry->digest, entry->version };

  return artifact;
}

/* Errors that another try cannot mend: the bytes are what they are. */
static gboolean
is_bad_artifact (const GError *error)
{
  static const RpErrorCode codes[]
      = { RP_ERROR_DIGEST_MISMATCH, RP_ERROR_DIGEST_INVALID, RP_ERROR_SIZE_INVALID,
          RP_ERROR_MANIFEST_INVALID, RP_ERROR_INVALID, RP_ERROR_TOO_LARGE, RP_ERROR_UNSUPPORTED };

  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    if (g_error_matches (error, RP_ERROR, codes[i]))
      return TRUE;
  return FALSE;
}

static RpAgentEvent
do_prepare (RpTargetLoop *loop, const RpEntry *entry, char **out_message)
{
  g_autoptr (GError) error = NULL;

  if (rp_keeper_prepare (loop->keeper, entry, &error))
    {
      loop->just_prepared = TRUE;
      return RP_EVENT_PREPARED;
    }
  if (g_atomic_int_get (&loop->cancelled))
    return RP_EVENT_TICK;
  *out_message = g_strdup (error->message);
  return is_bad_artifact (error) ? RP_EVENT_ARTIFACT_BAD : RP_EVENT_PREPARE_FAILED;
}

/* Bytes that were not laid ready just now are hashed before they run, and fetched again if need be. */
static gboolean
make_sure (RpTargetLoop *loop, const RpEntry *entry, GError **error)
{
  g_autoptr (GError) local = NULL;

  if (loop->just_prepared || rp_keeper_verify (loop->keeper, entry, &local))
    return TRUE;
  if (loop->options.client == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  rp_log_warning (loop->name, "%s; laying it ready again", local->message);
  return rp_keeper_prepare (loop->keeper, entry, error);
}

static RpAgentEvent
do_point (RpTargetLoop *loop, const RpEntry *entry, char **out_message)
{
  g_autoptr (GError) error = NULL;
  RpArtifact artifact = artifact_of (entry);
  gboolean ok = make_sure (loop, entry, &error)
                && loop->options.ops->point (loop->driver, &artifact, &error);

  loop->just_prepared = FALSE;
  if (ok)
    return RP_EVENT_POINTED;
  if (g_atomic_int_get (&loop->cancelled))
    return RP_EVENT_TICK;
  *out_message = g_strdup (error->message);
  return RP_EVENT_POINT_FAILED;
}

static RpAgentEvent
do_probe (RpTargetLoop *loop, char **out_message)
{
  g_autoptr (GError) error = NULL;

  if (loop->options.ops->probe (loop->driver, &error))
    return RP_EVENT_HEALTHY;
  if (g_atomic_int_get (&loop->cancelled))
    return RP_EVENT_TICK;
  *out_message = g_strdup (error->message);
  return RP_EVENT_UNHEALTHY;
}

static RpAgentEvent
act (RpTargetLoop *loop, const RpStep *step, char **out_message)
{
  switch (step->action)
    {
    case RP_ACTION_PREPARE:
      return do_prepare (loop, step->artifact, out_message);
    case RP_ACTION_POINT:
      return do_point (loop, step->artifact, out_message);
    case RP_ACTION_PROBE:
      return do_probe (loop, out_message);
    case RP_ACTION_NONE:
    default:
      return RP_EVENT_TICK;
    }
}

/* ---- one turn ---- */

/* A report that says nothing new but which bytes lie here now. */
static void
report_local (RpTargetLoop *loop, const RpObservation *seen)
{
  g_autoptr (GError) error = NULL;

  g_ptr_array_add (loop->unwritten,
                   rp_report_new (loop->options.config, loop->options.target,
                                  rp_step_resting_report (loop->state),
                                  rp_step_resting_revision (loop->state), seen,
                                  loop->state->message, rp_keeper_local (loop->keeper), NULL));
  if (!write_journal (loop, loop->state, NULL, &error))
    rp_log_warning (loop->name, "%s", error->message);
}

/* Idle time. Returns whether there may be more to do at once. */
static gboolean
work_in_background (RpTargetLoop *loop, const RpObservation *seen)
{
  gboolean online;
  gboolean worked;

  g_mutex_lock (&loop->lock);
  online = loop->online;
  g_mutex_unlock (&loop->lock);
  worked = rp_keeper_work (loop->keeper, loop->state, rp_clock_now_us (),
                           online && loop->options.client != NULL,
                           online && loop->state->phase == RP_PHASE_CONFIRMED
                               && loop->state->pointer != NULL);
  if (worked || is_stopping (loop))
    return worked;
  if (rp_keeper_take_change (loop->keeper) || loop->unwritten->len > 0 || loop->unrecorded)
    report_local (loop, seen);
  rp_reserve_fill (loop->options.config->state);
  return FALSE;
}

/* Wall clocks jump (a late NTP, a suspended machine): a trial is as long as it was meant to be. */
static void
follow_clock (RpTargetLoop *loop, gint64 now_us)
{
  gint64 offset_us = now_us - rp_clock_monotonic_us ();
  gint64 jump_us = offset_us - loop->clock_offset_us;

  loop->clock_offset_us = offset_us;
  if (ABS (jump_us) < CLOCK_JUMP_US)
    return;
  rp_log_warning (loop->name, "the clock jumped by %" G_GINT64_FORMAT " ms", jump_us / 1000);
  if (loop->state->deadline_us != 0)
    loop->state->deadline_us += jump_us;
  if (loop->state->not_before_us != 0)
    loop->state->not_before_us += jump_us;
}

static void
tell (RpTargetLoop *loop, const RpStep *step)
{
  RpLogLevel level = RP_LOG_INFO;

  if (step->message == NULL)
    return;
  if (step->learn == RP_LEARN_FAILED || g_strcmp0 (step->report, "failed") == 0
      || g_strcmp0 (step->report, "reverted") == 0 || g_strcmp0 (step->report, "drifted") == 0)
    level = RP_LOG_WARNING;
  rp_log (level, loop->name, "%s", step->message);
}

typedef struct {
  RpAgentEvent event;
  char *message;
  const RpUndo *undo;
} Happened;

/* Looks, plans, records, acts; leaves in `happened` what came of it. */
static void
turn (RpTargetLoop *loop, Happened *happened)
{
  g_auto (RpObservation) seen = { 0 };
  g_auto (RpStep) step = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (RpTargetState) next = NULL;
  g_autofree char *message = g_steal_pointer (&happened->message);
  gint64 now_us = rp_clock_now_us ();
  gboolean saw = loop->options.ops->observe (loop->driver, &seen, &error);
  RpLook look = { .event = happened->event,
                  .now_us = now_us,
                  .seen = saw ? &seen : NULL,
                  .message = message,
                  .undo = happened->undo };

  if (!saw)
    rp_log_debug (loop->name, "cannot look at the target: %s", error->message);
  follow_clock (loop, now_us);
  next = rp_target_state_copy (loop->state);
  look.pointer_ready
      = next->pointer != NULL && rp_keeper_is_ready (loop->keeper, &next->pointer->digest);
  rp_step (next, &look, &step);
  happened->event = RP_EVENT_TICK;
  happened->undo = NULL;
  if (!record (loop, next, &step, look.seen))
    {
      wait_for_news (loop, UNWRITABLE_WAIT_MS);
      return;
    }
  rp_target_state_free (loop->state);
  loop->state = g_steal_pointer (&next);
  tell (loop, &step);
  publish (loop, FALSE);
  if (step.action != RP_ACTION_NONE)
    {
      happened->event = act (loop, &step, &happened->message);
      return;
    }
  if (rp_phase_rests (loop->state->phase))
    {
      if (step.changed || work_in_background (loop, look.seen))
        return;
      publish (loop, rp_keeper_rests (loop->keeper));
    }
  else if (loop->state->phase == RP_PHASE_PREPARING && loop->state->attempts >= STUCK_ATTEMPTS)
    publish (loop, TRUE);
  wait_for_news (loop, step.wait_ms);
}

/* ---- undo ---- */

typedef struct {
  RpTargetLoop *loop;
} Facts;

static gboolean
fact_known (const RpEntry *entry, RpLearn *out, gpointer user_data, GError **error)
{
  RpTargetLoop *loop = ((Facts *) user_data)->loop;

  return rp_journal_known (loop->options.journal, loop->name, &entry->digest, out, error);
}

static gboolean
fact_verify (const RpEntry *entry, gpointer user_data, GError **error)
{
  return rp_keeper_verify (((Facts *) user_data)->loop->keeper, entry, error);
}

static json_t *
undo_report (const RpTargetLoop *loop, const RpUndo *undo, json_t *skipped, gint64 took_us)
{
  char from[RP_DIGEST_STRING_SIZE];
  char to[RP_DIGEST_STRING_SIZE];

  return json_pack ("{s:s, s:I, s:s?, s:I, s:{s:I, s:s}, s:s, s:s?, s:s?, s:s, s:s, s:b, s:I, s:O}",
                    "target", loop->name, "from_revision", (json_int_t) undo->from_revision,
                    "from_digest",
                    undo->has_from_digest ? rp_digest_format (&undo->from_digest, from) : NULL,
                    "to_revision", (json_int_t) undo->to->revision, "to_release", "number",
                    (json_int_t) undo->to->release_number, "version", undo->to->version,
                    "to_digest", rp_digest_format (&undo->to->digest, to), "cause", undo->cause,
                    "actor", undo->actor, "state",
                    rp_entry_same (loop->state->confirmed, undo->to) ? "undone" : "failed",
                    "message", loop->state->message != NULL ? loop->state->message : "",
                    "recorded", !loop->unrecorded, "took_ms", (json_int_t) (took_us / 1000),
                    "skipped", skipped);
}

static char *
derive_cause (const RpTargetLoop *loop, const RpUndo *undo)
{
  g_autofree char *what = rp_entry_describe (undo->to);
  g_autofree char *from
      = undo->has_from_digest ? rp_digest_brief (&undo->from_digest) : g_strdup ("nothing");

  return g_strdup_printf ("undo on host %s: from %s to %s", loop->options.config->agent, from, what);
}

static gboolean
plan_undo (RpTargetLoop *loop, const RpUndoRequest *request, RpUndo *undo, json_t **out_skipped,
           GError **error)
{
  g_auto (RpObservation) seen = { 0 };
  g_autoptr (GError) unseen = NULL;
  Facts data = { loop };
  RpUndoFacts facts = { fact_known, fact_verify, &data };
  gboolean saw = loop->options.ops->observe (loop->driver, &seen, &unseen);

  if (!rp_undo_choose (loop->state, saw ? &seen : NULL, request->to_revision, &facts, &undo->to,
                       out_skipped, error))
    return FALSE;
  undo->from_revision = loop->state->pointer != NULL ? loop->state->pointer->revision : 0;
  if (saw && seen.has_digest)
    {
      undo->has_from_digest = TRUE;
      undo->from_digest = seen.digest;
    }
  undo->actor = rp_report_text (request->actor);
  undo->cause
      = request->cause != NULL ? rp_report_text (request->cause) : derive_cause (loop, undo);
  return TRUE;
}

static gboolean
is_undoing (const RpTargetLoop *loop)
{
  return loop->state->phase == RP_PHASE_UNDOING || loop->state->phase == RP_PHASE_UNDO_CHECK;
}

static gboolean
perform_undo (RpTargetLoop *loop, const RpUndoRequest *request, json_t **out_report, GError **error)
{
  Happened happened = { .event = RP_EVENT_UNDO };
  RpUndo undo = { 0 };
  json_t *skipped = NULL;
  gint64 start_us = rp_clock_monotonic_us ();
  gboolean stuck;
  gboolean healthy;

  if (!plan_undo (loop, request, &undo, &skipped, error))
    {
      json_decref (skipped);
      rp_undo_clear (&undo);
      return FALSE;
    }
  loop->just_prepared = TRUE; /* plan_undo() has hashed it */
  happened.undo = &undo;
  do
    turn (loop, &happened);
  while (is_undoing (loop) && loop->state->attempts < UNDO_ATTEMPTS && !is_stopping (loop));
  stuck = loop->state->phase == RP_PHASE_UNDOING;
  healthy = !stuck && rp_entry_same (loop->state->confirmed, undo.to);
  if (stuck)
    g_set_error (error, RP_ERROR, RP_ERROR_FAILED,
                 "%s; the agent keeps trying as long as it runs, and when it is started again",
                 loop->state->message != NULL ? loop->state->message : "could not go back");
  else if (!healthy)
    g_set_error (error, RP_ERROR, RP_ERROR_UNHEALTHY, "%s",
                 loop->state->message != NULL ? loop->state->message
                                              : "interrupted before it was seen to be healthy");
  if (!stuck)
    *out_report
        = undo_report (loop, &undo, skipped, rp_clock_monotonic_us () - start_us);
  json_decref (skipped);
  g_free (happened.message);
  rp_undo_clear (&undo);
  return healthy;
}

/* Does an undo that another thread asked for, if there is one; returns whether there was. */
static gboolean
serve_undo (RpTargetLoop *loop)
{
  UndoJob *job;

  g_mutex_lock (&loop->lock);
  job = g_steal_pointer (&loop->undo);
  if (job != NULL && !loop->stopping)
    g_atomic_int_set (&loop->cancelled, 0);
  g_mutex_unlock (&loop->lock);
  if (job == NULL)
    return FALSE;
  job->ok = perform_undo (loop, job->request, &job->report, &job->error);
  g_mutex_lock (&loop->lock);
  job->done = TRUE;
  g_cond_broadcast (&loop->changed);
  g_mutex_unlock (&loop->lock);
  return TRUE;
}

static void
forget (Happened *happened)
{
  happened->event = RP_EVENT_TICK;
  g_clear_pointer (&happened->message, g_free);
}

gboolean
rp_target_loop_undo (RpTargetLoop *loop, const RpUndoRequest *request, json_t **out_report,
                     GError **error)
{
  UndoJob job = { .request = request };

  if (loop->thread == NULL)
    return perform_undo (loop, request, out_report, error);
  g_mutex_lock (&loop->lock);
  while (loop->undo != NULL && !loop->stopping)
    g_cond_wait (&loop->changed, &loop->lock);
  if (loop->stopping)
    {
      g_mutex_unlock (&loop->lock);
      g_set_error (error, RP_ERROR, RP_ERROR_BUSY, "the agent is stopping; try again in a moment");
      return FALSE;
    }
  loop->undo = &job;
  interrupt (loop);
  while (!job.done)
    g_cond_wait (&loop->changed, &loop->lock);
  g_mutex_unlock (&loop->lock);
  if (job.report != NULL)
    *out_report = job.report;
  if (!job.ok)
    g_propagate_error (error, job.error);
  return job.ok;
}

/* ---- the thread ---- */

/* Whoever waits for an undo that will not be done any more is told so. */
static void
refuse_undo (RpTargetLoop *loop)
{
  g_mutex_lock (&loop->lock);
  if (loop->undo != NULL)
    {
      g_set_error (&loop->undo->error, RP_ERROR, RP_ERROR_BUSY,
                   "the agent is stopping; try again in a moment");
      loop->undo->done = TRUE;
      loop->undo = NULL;
    }
  g_cond_broadcast (&loop->changed);
  g_mutex_unlock (&loop->lock);
}

static void
announce (RpTargetLoop *loop)
{
  g_autofree char *what
      = loop->state->work != NULL ? rp_entry_describe (loop->state->work) : NULL;

  rp_log_info (loop->name, "phase %s%s%s", rp_phase_name (loop->state->phase),
               what != NULL ? ", last worked on " : "", what != NULL ? what : "");
}

static gpointer
run (gpointer data)
{
  RpTargetLoop *loop = data;
  Happened happened = { .event = RP_EVENT_START };

  announce (loop);
  while (!is_stopping (loop))
    {
      take_incoming (loop);
      if (serve_undo (loop))
        forget (&happened); /* what came of the action before is not about this state any more */
      turn (loop, &happened);
    }
  refuse_undo (loop);
  g_free (happened.message);
  return NULL;
}

void
rp_target_loop_start (RpTargetLoop *loop)
{
  loop->thread = g_thread_new ("target", run, loop);
}
