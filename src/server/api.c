#include "server/api.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "release/key.h"
#include "server/problem.h"

#define ENVIRONMENT "/api/v1/apps/{app}/environments/{environment}"
#define WORK        (RP_ROUTE_WRITE | RP_ROUTE_SLOW)

const RpRoute rp_api_routes[] = {
  { "GET", "/api/v1/version", RP_ROUTE_READ, RP_NEED_ACCOUNT, rp_api_version,
    "Version of the server and head of its ledger" },
  { "POST", "/api/v1/apply", RP_ROUTE_WRITE, RP_NEED_ADMINISTER, rp_api_apply,
    "Declare an app from its repoint.yaml" },
  { "GET", "/api/v1/apps", RP_ROUTE_READ, RP_NEED_READ, rp_api_apps, "All apps" },
  { "GET", "/api/v1/apps/{app}", RP_ROUTE_READ, RP_NEED_READ, rp_api_app,
    "One app with its environments, their current revision and undo target" },
  { "POST", "/api/v1/apps/{app}/releases", WORK, RP_NEED_RELEASE, rp_api_release_create,
    "Record a release: resolves, hashes every byte, once per commit and version" },
  { "GET", "/api/v1/apps/{app}/releases", RP_ROUTE_READ, RP_NEED_READ, rp_api_releases,
    "Releases of an app, newest first" },
  { "GET", "/api/v1/apps/{app}/releases/{release}", RP_ROUTE_READ, RP_NEED_READ, rp_api_release,
    "One release by version, number, commit or digest" },
  { "GET", "/api/v1/apps/{app}/diff", RP_ROUTE_READ, RP_NEED_READ, rp_api_diff,
    "In what two releases of an app differ" },
  { "GET", "/api/v1/apps/{app}/stats", RP_ROUTE_READ, RP_NEED_READ, rp_api_stats,
    "How often and how well an app is deployed: the four measures of DORA" },
  { "POST", ENVIRONMENT "/plan", RP_ROUTE_SLOW, RP_NEED_READ, rp_api_plan,
    "What a re-point would restore, would not restore, and what blocks it" },
  { "POST", ENVIRONMENT "/revisions", WORK, RP_NEED_DEPLOY, rp_api_revision_create,
    "Move the pointer: deploy, promote or roll back" },
  { "GET", ENVIRONMENT "/revisions", RP_ROUTE_READ, RP_NEED_READ, rp_api_revisions,
    "History of an environment, newest first" },
  { "GET", ENVIRONMENT "/revisions/{number}", RP_ROUTE_READ, RP_NEED_READ, rp_api_revision,
    "One revision" },
  { "GET", ENVIRONMENT "/at", RP_ROUTE_READ, RP_NEED_READ, rp_api_at,
    "What ran in an environment at some time" },
  { "GET", ENVIRONMENT "/drift", RP_ROUTE_READ, RP_NEED_READ, rp_api_drift,
    "Whether each target runs what its environment points at" },
  { "GET", ENVIRONMENT "/pointer", RP_ROUTE_READ, RP_NEED_READ, rp_api_environment_pointer,
    "What an environment is pointed at, with an ETag" },
  { "GET", ENVIRONMENT "/status", RP_ROUTE_READ, RP_NEED_READ, rp_api_status,
    "Current revision and state of each target; long poll" },
  { "GET", ENVIRONMENT "/ready", RP_ROUTE_SLOW, RP_NEED_READ, rp_api_ready,
    "Whether each revision in the window could be gone back to now" },
  { "GET", ENVIRONMENT "/holds", RP_ROUTE_READ, RP_NEED_READ, rp_api_release_holds,
    "Releases that are held in an environment" },
  { "POST", ENVIRONMENT "/holds", RP_ROUTE_WRITE, RP_NEED_DEPLOY, rp_api_release_hold,
    "Hold a release: no deploy and no promote points at it here" },
  { "POST", ENVIRONMENT "/holds/{release}/end", RP_ROUTE_WRITE, RP_NEED_APPROVE,
    rp_api_release_unhold, "Lift the hold of a release" },
  { "POST", ENVIRONMENT "/approvals", RP_ROUTE_WRITE, RP_NEED_APPROVE, rp_api_approve,
    "Say yes to a release in an environment" },
  { "POST", ENVIRONMENT "/pause", RP_ROUTE_WRITE, RP_NEED_DEPLOY, rp_api_pause,
    "Pause an environment: no deploy and no promote until it is resumed" },
  { "POST", ENVIRONMENT "/resume", RP_ROUTE_WRITE, RP_NEED_APPROVE, rp_api_resume,
    "Resume an environment that is paused" },
  { "GET", ENVIRONMENT "/targets/{target}/pointer", RP_ROUTE_READ, RP_NEED_AGENT, rp_api_pointer,
    "For agents: the current revision and what must stay on the host; long poll" },
  { "POST", ENVIRONMENT "/targets/{target}/reports", RP_ROUTE_WRITE, RP_NEED_AGENT, rp_api_report,
    "For agents: what is observed of a target" },
  { "PUT", ENVIRONMENT "/targets/{target}/wanted/{digest}", RP_ROUTE_WRITE | RP_ROUTE_STREAM, RP_NEED_AGENT,
    rp_api_wanted_put, "For agents: the bytes of a blob that is damaged here, and that was asked for",
    rp_api_wanted_begin },
  { "DELETE", ENVIRONMENT "/targets/{target}/wanted/{digest}", RP_ROUTE_WRITE, RP_NEED_AGENT,
    rp_api_wanted_lacking, "For agents: a blob that was asked for is not on the host" },
  { "GET", "/api/v1/trace/{digest}", RP_ROUTE_SLOW, RP_NEED_READ, rp_api_trace,
    "Where a digest is, what it is part of and where it runs" },
  { "GET", "/api/v1/repositories/policies", RP_ROUTE_READ, RP_NEED_ACCOUNT, rp_api_policies,
    "Policies of repositories, or the one that counts for a repository" },
  { "PUT",
    "/api/v1/repositories/policies/{pattern}", RP_ROUTE_WRITE, RP_NEED_ADMINISTER, rp_api_policy_put,
    "Set the policy of the repositories that match a pattern" },
  { "DELETE",
    "/api/v1/repositories/policies/{pattern}", RP_ROUTE_WRITE, RP_NEED_ADMINISTER, rp_api_policy_delete,
    "Drop the policy of a pattern" },
  { "GET", "/api/v1/retention/holds", RP_ROUTE_READ, RP_NEED_READ, rp_api_holds,
    "Holds by hand that count now, newest first" },
  { "POST", "/api/v1/retention/holds", RP_ROUTE_WRITE, RP_NEED_ADMINISTER, rp_api_hold_place,
    "Keep a digest or a release, whatever a policy says" },
  { "POST", "/api/v1/retention/holds/{hold}/end", RP_ROUTE_WRITE, RP_NEED_ADMINISTER,
    rp_api_hold_end, "End a hold before its time" },
  { "GET", "/api/v1/retention/policies", RP_ROUTE_READ, RP_NEED_READ, rp_api_lifecycles,
    "Lifecycle policies, or the one that counts for a repository" },
  { "PUT", "/api/v1/retention/policies/{pattern}", RP_ROUTE_WRITE, RP_NEED_ADMINISTER,
    rp_api_lifecycle_set, "Attach a lifecycle policy to the repositories that match a pattern" },
  { "DELETE", "/api/v1/retention/policies/{pattern}", RP_ROUTE_WRITE, RP_NEED_ADMINISTER,
    rp_api_lifecycle_drop, "Detach the lifecycle policy of a pattern" },
  { "GET", "/api/v1/retention/preview", RP_ROUTE_SLOW, RP_NEED_READ, rp_api_retention_preview,
    "What a run would let go now, by what rule, and what a hold saves" },
  { "POST", "/api/v1/retention/run", WORK, RP_NEED_ADMINISTER, rp_api_retention_run,
    "Apply the lifecycle policies now" },
  { "GET", "/api/v1/retention/why/{reference}", RP_ROUTE_SLOW, RP_NEED_READ, rp_api_retention_why,
    "Why an artifact is kept, or when and by what rule it goes" },
  { "GET", "/api/v1/origins", RP_ROUTE_READ, RP_NEED_ACCOUNT, rp_api_origins,
    "Where artifacts were copied in from" },
  { "POST", "/api/v1/origins/{name}", RP_ROUTE_WRITE, RP_NEED_PUSH, rp_api_origin_record,
    "Record where an artifact was copied in from" },
  { "GET", "/api/v1/retention/advise", RP_ROUTE_SLOW, RP_NEED_READ, rp_api_retention_advise,
    "How large windows should be, from how they were used" },
  { "POST", "/api/v1/retention/collect", WORK, RP_NEED_ADMINISTER, rp_api_collect,
    "Let the bytes go that nothing needs" },
  { "POST", "/api/v1/retention/condemned/{digest}/restore", WORK, RP_NEED_ADMINISTER,
    rp_api_restore, "Bring back bytes that were condemned" },
  { "GET", "/api/v1/scrub", RP_ROUTE_SLOW, RP_NEED_READ, rp_api_scrub_status,
    "How far reading all bytes again is, and what is damaged" },
  { "POST", "/api/v1/scrub", WORK, RP_NEED_ADMINISTER, rp_api_scrub_now,
    "Read and hash some bytes now" },
  { "GET", "/api/v1/ledger", RP_ROUTE_READ, RP_NEED_ADMINISTER, rp_api_ledger,
    "Events of the ledger, oldest first" },
  { "POST", "/api/v1/ledger/verify", RP_ROUTE_SLOW, RP_NEED_ADMINISTER, rp_api_ledger_verify,
    "Prove the ledger: recompute its chain and compare every projection" },
  { "POST", "/api/v1/ledger/rebuild", WORK, RP_NEED_ADMINISTER, rp_api_ledger_rebuild,
    "Recreate all projections from the proven ledger" },
  { "POST", "/api/v1/ledger/events/{seq}/redact", RP_ROUTE_WRITE, RP_NEED_ADMINISTER, rp_api_ledger_redact,
    "Take the cause out of an event, and leave its hash" },
  { "POST", "/api/v1/ledger/key", WORK, RP_NEED_ADMINISTER, rp_api_ledger_rotate,
    "Sign the ledger with a new key from now on" },
  { "POST", "/api/v1/ledger/cosignatures", WORK, RP_NEED_ADMINISTER, rp_api_ledger_cosign,
    "Add a witness's signature to a checkpoint" },
  { "GET", "/api/v1/whoami", RP_ROUTE_READ, RP_NEED_ACCOUNT, rp_api_whoami,
    "The account that asks, and what it may do" },
  { "GET", "/api/v1/accounts", RP_ROUTE_READ, RP_NEED_ADMINISTER, rp_api_accounts,
    "All accounts and what they may do" },
  { "POST", "/api/v1/accounts", WORK, RP_NEED_ADMINISTER, rp_api_account_add,
    "Add an account; the first one switches authentication on" },
  { "DELETE", "/api/v1/accounts/{account}", RP_ROUTE_WRITE, RP_NEED_ADMINISTER,
    rp_api_account_remove, "Remove an account and its tokens" },
  { "PUT", "/api/v1/accounts/{account}/allow", RP_ROUTE_WRITE, RP_NEED_ADMINISTER,
    rp_api_account_allow, "Replace what an account may do" },
  { "PUT", "/api/v1/accounts/{account}/password", WORK, RP_NEED_ACCOUNT, rp_api_account_password,
    "Give an account a new password" },
  { "GET", "/api/v1/identities", RP_ROUTE_READ, RP_NEED_ADMINISTER, rp_api_identities,
    "Identities of other platforms and what they may do" },
  { "PUT", "/api/v1/identities/{identity}", RP_ROUTE_WRITE, RP_NEED_ADMINISTER, rp_api_identity_set,
    "Declare an identity whose tokens are taken" },
  { "DELETE", "/api/v1/identities/{identity}", RP_ROUTE_WRITE, RP_NEED_ADMINISTER,
    rp_api_identity_remove, "Take no more tokens of an identity" },
  { "POST", "/api/v1/sessions", RP_ROUTE_READ, RP_NEED_ACCOUNT, rp_api_session_begin,
    "Trade an identity token for a session of an hour" },
  { "POST", "/api/v1/sessions/try", RP_ROUTE_SLOW, RP_NEED_ADMINISTER, rp_api_session_try,
    "Say which identities a token fits, and why it does not fit others" },
  { "GET", "/api/v1/groups", RP_ROUTE_READ, RP_NEED_ADMINISTER, rp_api_groups,
    "Groups and who is in them" },
  { "PUT", "/api/v1/groups/{group}", RP_ROUTE_WRITE, RP_NEED_ADMINISTER, rp_api_group_set,
    "Say who is in a group" },
  { "DELETE", "/api/v1/groups/{group}", RP_ROUTE_WRITE, RP_NEED_ADMINISTER, rp_api_group_remove,
    "Remove a group, and nobody who is in it" },
  { "GET", "/api/v1/tokens", RP_ROUTE_READ, RP_NEED_ACCOUNT, rp_api_tokens,
    "Tokens of the account that asks; all for an administrator" },
  { "POST", "/api/v1/tokens", RP_ROUTE_WRITE, RP_NEED_ACCOUNT, rp_api_token_issue,
    "Issue a token; its secret is shown this once" },
  { "DELETE", "/api/v1/tokens/{token}", RP_ROUTE_WRITE, RP_NEED_ACCOUNT, rp_api_token_revoke,
    "Revoke a token" },
  { NULL },
};

gboolean
rp_api_number (const RpRequest *request, const char *name, gint64 fallback, gint64 min, gint64 max,
               gint64 *out, GError **error)
{
  gint64 value;
  if (!rp_request_query_int (request, name, fallback, &value, error))
    return FALSE;
  if (value < min || value > max)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "?%s=%" G_GINT64_FORMAT ": expected %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                   name, value, min, max);
      return FALSE;
    }
  *out = value;
  return TRUE;
}

gboolean
rp_api_page (const RpRequest *request, gint64 *out_limit, gint64 *out_before, GError **error)
{
  return rp_api_number (request, "limit", RP_API_LIST_DEFAULT, 1, RP_API_LIST_MAX, out_limit, error)
         && rp_api_number (request, "before", 0, 0, G_MAXINT64, out_before, error);
}

gboolean
rp_api_poll (const RpRequest *request, gint64 *out_after, gint64 *out_wait_ms, GError **error)
{
  return rp_api_number (request, "after", -1, -1, G_MAXINT64, out_after, error)
         && rp_api_number (request, "wait_ms", 0, 0, RP_API_WAIT_MAX_MS, out_wait_ms, error);
}

gboolean
rp_api_verify (const RpRequest *request, RpVerifyMode fallback, RpVerifyMode *out, GError **error)
{
  const char *verify = rp_request_query (request, "verify");
  if (verify == NULL)
    *out = fallback;
  else if (g_str_equal (verify, "recorded"))
    *out = RP_VERIFY_PRESENT;
  else if (g_str_equal (verify, "hash"))
    *out = RP_VERIFY_HASH;
  else
    {
      g_set_error (
          error, RP_ERROR, RP_ERROR_INVALID,
          "?verify=%s: expected `recorded` (say when it was last hashed) or `hash` (read and"
          " hash every byte now)",
          verify);
      return FALSE;
    }
  return TRUE;
}

gboolean
rp_api_check_cause (const char *cause, const char *where, GError **error)
{
  gboolean sane = cause == NULL || strlen (cause) <= RP_API_CAUSE_MAX;
  for (const char *p = cause; sane && p != NULL && *p != '\0'; p++)
    sane = !g_ascii_iscntrl (*p);
  if (!sane)
    g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "%s: expected at most %d bytes on one line", where,
                 RP_API_CAUSE_MAX);
  return sane;
}

gboolean
rp_api_because (const json_t *body, const char *where, const char **out, GError **error)
{
  g_autofree char *field = g_strconcat (where, ".because", NULL);
  if (!rp_json_need_string (body, "because", where, out, error)
      || !rp_api_check_cause (*out, field, error))
    return FALSE;
  if (**out != '\0')
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "%s: say why, for whoever reads the record later",
               field);
  return FALSE;
}

static gboolean
check_key (const char *key, GError **error)
{
  gsize length = strlen (key);
  gboolean sane = length > 0 && length <= RP_KEY_MAX;
  for (gsize i = 0; sane && i < length; i++)
    sane = g_ascii_isgraph (key[i]);
  if (!sane)
    g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                 "Idempotency-Key: expected 1 to %d printable characters without spaces",
                 RP_KEY_MAX);
  return sane;
}

gboolean
rp_api_key (const RpRequest *request, const json_t *content, const char **out_key, char **out_hash,
            GError **error)
{
  const char *key = rp_request_header (request, "Idempotency-Key");
  if (key != NULL && !check_key (key, error))
    return FALSE;
  g_autofree char *text = rp_json_canonical (content);
  *out_key = key;
  *out_hash = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
  return TRUE;
}

gboolean
rp_api_fail (RpRequest *request, const GError *error, json_t *detail)
{
  g_autofree char *message = g_utf8_make_valid (error->message, -1);
  rp_respond_header (request, "Content-Type", RP_PROBLEM_TYPE);
  rp_respond_json (request, rp_error_http_status (error), rp_problem_new (error, message, detail));
  return TRUE;
}
