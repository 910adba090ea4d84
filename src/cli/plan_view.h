/* A Plan for somebody who was woken up for it: from what to what, what comes back and what does
 * not. */
#pragma once

#include "base/json.h"
#include "cli/cli.h"

/* `restored`: the Revision that the plan goes back to, or NULL.  Brief leaves out what comes
 * back as it was, and the ways out of what is not blocked. To standard output, or to standard
 * error when that carries JSON. */
void rp_plan_print (RpCli *cli, const json_t *plan, const json_t *restored, gboolean brief);

/* The subjects of all items of a plan that say the same as the one at `at`: `config, schema, secrets`;
 * NULL if one before `at` says it. g_free(). */
char *rp_plan_gather_subjects (const json_t *items, gsize at);

/* TRUE unless the plan is blocked: RP_ERROR_BLOCKED with the first reason, its way out as the
 * hint. */
gboolean rp_plan_check (const json_t *plan, GError **error) G_GNUC_WARN_UNUSED_RESULT;
