#include "release/plan.h"

#include "base/clock.h"
#include "base/error.h"
#include "release/attested.h"
#include "release/engine_priv.h"
#include "release/gone.h"
#include "release/platforms.h"
#include "release/provenance.h"
#include "release/target_view.h"
#include "release/webhook.h"

const char *
rp_item_state_name (RpItemState state)
{
  static const char *const names[] = {
    [RP_ITEM_RESTORED] = "restored",
    [RP_ITEM_NOT_RESTORED] = "not-restored",
    [RP_ITEM_BLOCKED] = "blocked",
    [RP_ITEM_UNKNOWN] = "unknown",
  };
  return names[state];
}

void
rp_item_free (gpointer data)
{
  RpItem *item = data;
  g_free (item->subject);
  g_free (item->reason);
  g_free (item->way_out);
  g_free (item);
}

void
rp_bytes_clear (RpBytes *bytes)
{
  g_clear_pointer (&bytes->problems, g_ptr_array_unref);
}

void
rp_plan_free (RpPlan *plan)
{
  if (plan == NULL)
    return;
  rp_decision_free (plan->move);
  rp_webhook_answer_free (plan->answer);
  rp_signature_answer_free (plan->signatures);
  rp_bytes_clear (&plan->bytes);
  g_clear_pointer (&plan->items, g_ptr_array_unref);
  g_free (plan);
}

/* Takes over `reason`. */
void
rp_plan_add_item (GPtrArray *items, const char *subject, RpItemState state, char *reason,
                  const char *way_out)
{
  RpItem *item = g_new0 (RpItem, 1);
  item->subject = g_strdup (subject);
  item->state = state;
  item->reason = reason;
  item->way_out = g_strdup (way_out);
  g_ptr_array_add (items, item);
}

/* ---- bytes ---- */

static gboolean
verify_component (RpEngine *engine, const RpReleaseComponent *component, RpVerifyMode mode,
                  RpVerifyReport *out, GError **error)
{
  if (!rp_registry_verify (engine->registry, component->repository, &component->digest, mode, out,
                           error))
    return FALSE;
  if (mode == RP_VERIFY_HASH || out->problems->len > 0 || out->oldest_verified_at_us != 0)
    return TRUE;
  rp_verify_report_clear (out);
  return rp_registry_verify (engine->registry, component->repository, &component->digest,
                             RP_VERIFY_HASH, out, error);
}

static void
add_whole_item (const char *subject, const RpReleaseComponent *component,
                const RpVerifyReport *report, GPtrArray *items)
{
  gint64 age_us = rp_clock_now_us () - report->oldest_verified_at_us;
  g_autofree char *age = rp_clock_format_age (MAX (age_us, 0));
  char digest[RP_DIGEST_STRING_SIZE];
  (void) rp_digest_format (&component->digest, digest);
  rp_plan_add_item (
      items, subject, RP_ITEM_RESTORED,
      age_us < G_USEC_PER_SEC
          ? g_strdup_printf ("%s@%s: every byte hashed just now", component->repository, digest)
          : g_strdup_printf ("%s@%s: every byte hashed, least recently %s ago",
                             component->repository, digest, age),
      NULL);
}

static gboolean
add_component_item (RpEngine *engine, const RpRelease *release,
                    const RpReleaseComponent *component, const RpVerifyReport *report,
                    GPtrArray *items, GError **error)
{
  g_autofree char *subject = g_strdup_printf ("component %s", component->name);
  g_autofree char *gone = NULL;
  g_autofree char *way_out = NULL;
  char digest[RP_DIGEST_STRING_SIZE];
  (void) rp_digest_format (&component->digest, digest);
  if (report->problems->len == 0)
    {
      add_whole_item (subject, component, report, items);
      return TRUE;
    }
  if (!rp_gone_explain (engine, release, component, &gone, &way_out, error))
    return FALSE;
  g_autoptr (GString) problems = g_string_new (NULL);
  for (guint i = 0; i < report->problems->len; i++)
    g_string_append_printf (problems, "%s%s", i == 0 ? "" : "; ",
                            (const char *) report->problems->pdata[i]);
  rp_plan_add_item (
      items, subject, RP_ITEM_BLOCKED,
      gone != NULL
          ? g_strdup_printf ("%s@%s %s", component->repository, digest, gone)
          : g_strdup_printf ("%s@%s is not whole: %s", component->repository, digest, problems->str),
      way_out != NULL ? way_out : "push the same digest again from wherever it still is, then look again");
  return TRUE;
}

gboolean
rp_plan_look_at_bytes (RpEngine *engine, const RpRelease *release, RpVerifyMode mode,
                       RpBytes *bytes, GPtrArray *items, GError **error)
{
  gint64 oldest = G_MAXINT64;
  *bytes = (RpBytes){ .problems = g_ptr_array_new_with_free_func (g_free) };
  for (guint i = 0; i < release->components->len; i++)
    {
      const RpReleaseComponent *component = release->components->pdata[i];
      g_auto (RpVerifyReport) report = { 0 };
      if (!verify_component (engine, component, mode, &report, error)
          || !add_component_item (engine, release, component, &report, items, error))
        {
          g_prefix_error (error, "component %s: ", component->name);
          return FALSE;
        }
      bytes->blobs += report.blobs;
      bytes->size_bytes += report.size_bytes;
      oldest = MIN (oldest, report.oldest_verified_at_us);
      for (guint j = 0; j < report.problems->len; j++)
        g_ptr_array_add (bytes->problems, g_strdup (report.problems->pdata[j]));
    }
  bytes->verified_at_us = release->components->len > 0 ? oldest : 0;
  return TRUE;
}

/* ---- targets ---- */

static void
add_drift_item (const RpTargetView *target, const RpRelease *release, const RpRevision *current,
                GPtrArray *items)
{
  const RpReleaseComponent *wanted = rp_release_component (release, target->component);
  const RpReleaseComponent *pointed
      = current == NULL ? NULL : rp_release_component (current->release, target->component);
  char digest[RP_DIGEST_STRING_SIZE], other[RP_DIGEST_STRING_SIZE];
  if (pointed == NULL || target->observed_digest == NULL
      || g_str_equal (target->observed_digest, rp_digest_format (&pointed->digest, digest)))
    return;
  g_autofree char *subject = g_strdup_printf ("live state of %s", target->name);
  if (wanted != NULL
      && g_str_equal (target->observed_digest, rp_digest_format (&wanted->digest, other)))
    {
      rp_plan_add_item (items, subject, RP_ITEM_RESTORED,
                        g_strdup_printf ("it runs %s already, though revision %" G_GINT64_FORMAT
                                         " (%s) is current",
                                         release->version, current->number,
                                         current->release->version),
                        NULL);
      return;
    }
  g_autofree char *runs = target->observed_version == NULL
                              ? g_strdup ("of no release known here")
                              : g_strdup_printf ("release %s", target->observed_version);
  rp_plan_add_item (items, subject, RP_ITEM_NOT_RESTORED,
                    g_strdup_printf ("it runs %s (%s), not %s (%s) that revision %" G_GINT64_FORMAT
                                     " names: what runs now is not what would be left",
                                     target->observed_digest, runs, digest,
                                     current->release->version, current->number),
                    "see `repoint rollout status` for what its agent says");
}

static void
add_target_item (const RpTargetView *target, const RpRelease *release, gint64 now_us,
                 GPtrArray *items)
{
  g_autofree char *subject = g_strdup_printf ("target %s", target->name);
  const RpReleaseComponent *component = rp_release_component (release, target->component);
  if (component == NULL)
    {
      rp_plan_add_item (items, subject, RP_ITEM_BLOCKED,
                        g_strdup_printf ("%s has no component %s, which this target runs",
                                         release->version, target->component),
                        "choose a release that has it, or change the target in repoint.yaml");
      return;
    }
  if (target->seen_at_us == 0)
    {
      rp_plan_add_item (
          items, subject, RP_ITEM_UNKNOWN,
          g_strdup ("no agent was ever seen for it, so nothing there will follow the pointer"),
          "start `repoint agent` on its host");
      return;
    }
  gboolean local = rp_target_view_has_local (target, &component->digest);
  g_autofree char *where = local ? g_strdup ("has the bytes on the host, verified")
                                 : g_strdup ("must fetch the bytes from here first");
  if (now_us - target->seen_at_us > RP_TARGET_SILENT_US)
    {
      g_autofree char *age = rp_clock_format_age (now_us - target->seen_at_us);
      rp_plan_add_item (
          items, subject, RP_ITEM_UNKNOWN,
          g_strdup_printf ("its agent was last seen %s ago; it follows when it is back, and %s",
                           age, where),
          "look at the agent on its host; `repoint agent undo` works there without this server");
      return;
    }
  rp_plan_add_item (items, subject, RP_ITEM_RESTORED, g_strdup (where), NULL);
}

void
rp_plan_look_at_targets (const GPtrArray *targets, const RpRelease *release,
                         const RpRevision *current, gint64 now_us, GPtrArray *items)
{
  if (targets->len == 0)
    rp_plan_add_item (
        items, "targets", RP_ITEM_UNKNOWN,
        g_strdup ("no targets declared: the pointer moves and counts as healthy at once, and"
                  " repoint does not know what follows it"),
        "declare the environment's targets in repoint.yaml");
  for (guint i = 0; i < targets->len; i++)
    {
      add_target_item (targets->pdata[i], release, now_us, items);
      add_drift_item (targets->pdata[i], release, current, items);
    }
}

void
rp_plan_add_unknowns (gboolean going_back, GPtrArray *items)
{
  static const struct
  {
    const char *subject;
    const char *way_out;
  } unknowns[] = {
    { "config", "compare what is outside the images with what it was then, or put it into them" },
    { "schema", "check that this release can work with the database schema as it is now" },
    { "secrets", "check that the secrets that this release needs still exist" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (unknowns); i++)
    rp_plan_add_item (items, unknowns[i].subject,
                      going_back ? RP_ITEM_NOT_RESTORED : RP_ITEM_UNKNOWN,
                      g_strdup (going_back ? "not known to repoint: what changed since stays changed"
                                           : "not known to repoint, and left as it is"),
                      unknowns[i].way_out);
}

static void
add_provenance_item (const RpRelease *release, GPtrArray *items)
{
  gboolean known = FALSE;
  char *text = rp_provenance_summary (release, &known);
  rp_plan_add_item (items, "provenance", known ? RP_ITEM_RESTORED : RP_ITEM_UNKNOWN, text,
                    known ? NULL
                    : release->disagreements->len > 0
                        ? "find out how it was built; `repoint release show` lists who says what"
                        : "have the builder attest it: `docker buildx build --provenance`, or label"
                          " org.opencontainers.image.revision");
}

static void
add_gate_items (const GPtrArray *gates, GPtrArray *items)
{
  for (guint i = 0; i < gates->len; i++)
    {
      const RpGate *gate = gates->pdata[i];
      if (gate->state == RP_GATE_OPEN)
        continue;
      g_autofree char *subject = g_strconcat ("gate ", gate->name, NULL);
      if (gate->state == RP_GATE_OVERRIDDEN)
        rp_plan_add_item (items, subject, RP_ITEM_UNKNOWN,
                          g_strdup_printf ("overridden, which the ledger keeps: %s", gate->reason), NULL);
      else
        rp_plan_add_item (items, subject, RP_ITEM_BLOCKED, g_strdup (gate->reason), gate->way_out);
    }
}

/* ---- plan ---- */

typedef struct
{
  RpEngine *engine;
  RpMoveRequest request;
  RpDecision *move;
  GPtrArray *targets;
} Look;

static gboolean
look_in_txn (RpTxn *txn, gpointer user_data, GError **error)
{
  Look *look = user_data;
  look->move = rp_move_decide (txn, &look->request, error);
  if (look->move == NULL)
    return FALSE;
  look->move->release->holds = rp_release_hold_load (txn, look->request.app, NULL,
                                                     look->move->release->number, error);
  if (look->move->release->holds == NULL)
    return FALSE;
  look->targets = rp_target_view_load_all (look->engine, txn, look->request.app,
                                           look->request.environment, error);
  return look->targets != NULL;
}

/* With the answer of the webhook and the signatures, if gates ask for them: they are looked at outside of the transaction,
 * and it is decided again with what they say. */
static gboolean
look (RpEngine *engine, Look *look, RpPlan *plan, GError **error)
{
  if (!rp_db_read (engine->db, look_in_txn, look, error))
    return FALSE;
  if (look->move->webhook == NULL && look->move->keys == NULL)
    return TRUE;
  if (look->move->webhook != NULL)
    plan->answer = rp_webhook_ask (engine, &look->request, look->move);
  if (look->move->keys != NULL)
    plan->signatures = rp_attested_look (engine, look->move->release, look->move->keys);
  look->request.answer = plan->answer;
  look->request.signatures = plan->signatures;
  g_clear_pointer (&look->move, rp_decision_free);
  g_clear_pointer (&look->targets, g_ptr_array_unref);
  return rp_db_read (engine->db, look_in_txn, look, error);
}

static gboolean
has_blocked (const GPtrArray *items)
{
  for (guint i = 0; i < items->len; i++)
    if (((const RpItem *) items->pdata[i])->state == RP_ITEM_BLOCKED)
      return TRUE;
  return FALSE;
}

RpPlan *
rp_plan_compute (RpEngine *engine, const RpMoveRequest *request, RpVerifyMode mode, GError **error)
{
  Look seen = { .engine = engine, .request = *request };
  g_autoptr (RpPlan) plan = g_new0 (RpPlan, 1);
  gboolean looked = look (engine, &seen, plan, error);
  g_autoptr (GPtrArray) targets = seen.targets;
  plan->move = seen.move;
  if (!looked)
    return NULL;
  plan->kind = request->kind;
  plan->items = g_ptr_array_new_with_free_func (rp_item_free);
  const RpDecision *move = plan->move;
  if (move->caution != NULL)
    {
      g_autofree char *subject = g_strdup_printf ("release %s", move->release->version);
      rp_plan_add_item (plan->items, subject, RP_ITEM_UNKNOWN, g_strdup (move->caution),
                        "make sure that what was wrong with it is no longer so");
    }
  add_gate_items (move->gates, plan->items);
  if (!rp_plan_look_at_bytes (engine, move->release, mode, &plan->bytes, plan->items, error))
    return NULL;
  add_provenance_item (move->release, plan->items);
  rp_plan_look_at_targets (targets, move->release, move->environment->current, rp_clock_now_us (),
                           plan->items);
  rp_platforms_look (engine, targets, move->release, plan->items);
  rp_plan_add_unknowns (rp_kind_is_rollback (request->kind), plan->items);
  plan->blocked = has_blocked (plan->items);
  return g_steal_pointer (&plan);
}

gboolean
rp_plan_require_open (const RpPlan *plan, GError **error)
{
  if (!plan->blocked)
    return TRUE;
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < plan->items->len; i++)
    {
      const RpItem *item = plan->items->pdata[i];
      if (item->state == RP_ITEM_BLOCKED)
        g_string_append_printf (text, "%s%s: %s (%s)", text->len > 0 ? "; " : "", item->subject,
                                item->reason, item->way_out);
    }
  g_set_error (error, RP_ERROR, RP_ERROR_BLOCKED,
               "%s to %s in %s/%s is blocked, nothing was changed: %s", rp_kind_name (plan->kind),
               plan->move->release->version, plan->move->environment->app,
               plan->move->environment->name, text->str);
  return FALSE;
}

gint64
rp_plan_expected_revision (const RpPlan *plan)
{
  const RpRevision *current = plan->move->environment->current;
  return current == NULL ? 0 : current->number;
}
