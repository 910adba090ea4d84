/* Somebody says yes to a release in an environment.  Which groups they were in then is recorded with it, so that what it
 * counts for follows from the ledger alone.
 */
#pragma once

#include "release/release.h"

typedef struct
{
  char *version;
  char *account; /* each counts once */
  char *actor;
  char *because; /* or NULL */
  char **groups; /* NULL-ended */
  gint64 at_us;
} RpApproval;
void rp_approval_free (gpointer approval);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpApproval, rp_approval_free)

/* The account of an actor, without what its client says of itself behind it. g_free(). */
char *rp_approval_account (const char *actor);

/* RpApproval, oldest first. */
GPtrArray *rp_approval_load (RpTxn *txn, const char *app, const char *environment, gint64 release,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* All borrowed. */
typedef struct
{
  const char *app;
  const char *environment;
  const char *release; /* a ref */
  const char *because; /* or NULL */
  const json_t *groups; /* of names: those that the account is in */
  const char *actor;
} RpApprovalRequest;
/* Once more by the same account takes the place of the one before. */
RpApproval *rp_approval_give (RpEngine *engine, const RpApprovalRequest *request,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

json_t *rp_approval_to_json (const RpApproval *approval);
