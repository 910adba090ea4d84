/* What the handlers of /api/v1 share.  Each takes apart its request, makes one domain call and
 * renders. */
#pragma once

#include "server/route.h"

#define RP_API_WAIT_MAX_MS  (5 * 60 * 1000)
#define RP_API_LIST_DEFAULT 50
#define RP_API_LIST_MAX     1000
#define RP_API_CAUSE_MAX    1000 /* bytes */

/* ?NAME=, a number in its limits; `fallback` if it is absent. */
gboolean rp_api_number (const RpRequest *request, const char *name, gint64 fallback, gint64 min,
                        gint64 max, gint64 *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* ?limit= (1 … RP_API_LIST_MAX) and ?before= (0: from the newest). */
gboolean rp_api_page (const RpRequest *request, gint64 *out_limit, gint64 *out_before,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* ?after= and ?wait_ms=. */
gboolean rp_api_poll (const RpRequest *request, gint64 *out_after, gint64 *out_wait_ms,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* ?verify=recorded|hash. */
gboolean rp_api_verify (const RpRequest *request, RpVerifyMode fallback, RpVerifyMode *out,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The Idempotency-Key (NULL if there is none) and the hash of what is asked for, the caller's. */
gboolean rp_api_key (const RpRequest *request, const json_t *content, const char **out_key,
                     char **out_hash, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Answers with the error and more about it (problem.h). Takes over `detail`. Always TRUE. */
gboolean rp_api_fail (RpRequest *request, const GError *error, json_t *detail);

/* NULL, or RP_API_CAUSE_MAX bytes on one line. */
gboolean rp_api_check_cause (const char *cause, const char *where, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The member `because`, which must be there: who reads the record later wants to know. */
gboolean rp_api_because (const json_t *body, const char *where, const char **out,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* api_apps.c */
gboolean rp_api_version (RpRequest *request, GError **error);
gboolean rp_api_apply (RpRequest *request, GError **error);
gboolean rp_api_apps (RpRequest *request, GError **error);
gboolean rp_api_app (RpRequest *request, GError **error);
/* api_releases.c */
gboolean rp_api_release_create (RpRequest *request, GError **error);
gboolean rp_api_releases (RpRequest *request, GError **error);
gboolean rp_api_release (RpRequest *request, GError **error);
gboolean rp_api_trace (RpRequest *request, GError **error);
/* api_repositories.c */
gboolean rp_api_policies (RpRequest *request, GError **error);
gboolean rp_api_policy_put (RpRequest *request, GError **error);
gboolean rp_api_policy_delete (RpRequest *request, GError **error);
/* api_origins.c */
gboolean rp_api_origins (RpRequest *request, GError **error);
gboolean rp_api_origin_record (RpRequest *request, GError **error);
/* api_revisions.c */
gboolean rp_api_plan (RpRequest *request, GError **error);
gboolean rp_api_revision_create (RpRequest *request, GError **error);
gboolean rp_api_revisions (RpRequest *request, GError **error);
gboolean rp_api_revision (RpRequest *request, GError **error);
gboolean rp_api_environment_pointer (RpRequest *request, GError **error);
gboolean rp_api_status (RpRequest *request, GError **error);
gboolean rp_api_ready (RpRequest *request, GError **error);
/* api_questions.c */
gboolean rp_api_at (RpRequest *request, GError **error);
gboolean rp_api_drift (RpRequest *request, GError **error);
gboolean rp_api_diff (RpRequest *request, GError **error);
gboolean rp_api_stats (RpRequest *request, GError **error);
/* api_gates.c */
gboolean rp_api_release_holds (RpRequest *request, GError **error);
gboolean rp_api_release_hold (RpRequest *request, GError **error);
gboolean rp_api_release_unhold (RpRequest *request, GError **error);
gboolean rp_api_approve (RpRequest *request, GError **error);
gboolean rp_api_pause (RpRequest *request, GError **error);
gboolean rp_api_resume (RpRequest *request, GError **error);
/* api_agents.c */
gboolean rp_api_pointer (RpRequest *request, GError **error);
gboolean rp_api_report (RpRequest *request, GError **error);
/* api_wanted.c */
gboolean rp_api_wanted_begin (RpRequest *request, GError **error);
gboolean rp_api_wanted_put (RpRequest *request, GError **error);
gboolean rp_api_wanted_lacking (RpRequest *request, GError **error);
/* api_identities.c */
gboolean rp_api_identities (RpRequest *request, GError **error);
gboolean rp_api_identity_set (RpRequest *request, GError **error);
gboolean rp_api_identity_remove (RpRequest *request, GError **error);
gboolean rp_api_session_begin (RpRequest *request, GError **error);
gboolean rp_api_session_try (RpRequest *request, GError **error);

/* api_groups.c */
gboolean rp_api_groups (RpRequest *request, GError **error);
gboolean rp_api_group_set (RpRequest *request, GError **error);
gboolean rp_api_group_remove (RpRequest *request, GError **error);

/* api_access.c */
gboolean rp_api_whoami (RpRequest *request, GError **error);
gboolean rp_api_accounts (RpRequest *request, GError **error);
gboolean rp_api_account_add (RpRequest *request, GError **error);
gboolean rp_api_account_remove (RpRequest *request, GError **error);
gboolean rp_api_account_allow (RpRequest *request, GError **error);
gboolean rp_api_account_password (RpRequest *request, GError **error);
gboolean rp_api_tokens (RpRequest *request, GError **error);
gboolean rp_api_token_issue (RpRequest *request, GError **error);
gboolean rp_api_token_revoke (RpRequest *request, GError **error);
/* api_retention.c */
gboolean rp_api_holds (RpRequest *request, GError **error);
gboolean rp_api_hold_place (RpRequest *request, GError **error);
gboolean rp_api_hold_end (RpRequest *request, GError **error);
gboolean rp_api_lifecycles (RpRequest *request, GError **error);
gboolean rp_api_lifecycle_set (RpRequest *request, GError **error);
gboolean rp_api_lifecycle_drop (RpRequest *request, GError **error);
gboolean rp_api_retention_preview (RpRequest *request, GError **error);
gboolean rp_api_retention_run (RpRequest *request, GError **error);
gboolean rp_api_retention_why (RpRequest *request, GError **error);
gboolean rp_api_retention_advise (RpRequest *request, GError **error);
/* api_collect.c */
gboolean rp_api_collect (RpRequest *request, GError **error);
gboolean rp_api_restore (RpRequest *request, GError **error);
/* api_scrub.c */
gboolean rp_api_scrub_status (RpRequest *request, GError **error);
gboolean rp_api_scrub_now (RpRequest *request, GError **error);
/* api_ledger.c */
gboolean rp_api_ledger (RpRequest *request, GError **error);
gboolean rp_api_ledger_verify (RpRequest *request, GError **error);
gboolean rp_api_ledger_rebuild (RpRequest *request, GError **error);
gboolean rp_api_ledger_redact (RpRequest *request, GError **error);
gboolean rp_api_ledger_rotate (RpRequest *request, GError **error);
gboolean rp_api_ledger_cosign (RpRequest *request, GError **error);
