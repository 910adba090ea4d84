/* What an RpAccess is made of.  Private to this room. */
#pragma once

#include "access/access.h"
#include "access/directory.h"
#include "access/issuer.h"
#include "access/throttle.h"
#include "access/ticket.h"

struct RpAccess {
  RpLedger *ledger;
  gboolean anonymous_pull;
  guint8 key[RP_TICKET_KEY_SIZE];
  RpThrottle *throttle;
  RpIssuers *issuers;
  GMutex changing; /* one change at a time, so that directories follow each other in order */
  GMutex lock;
  RpDirectory *directory; /* under lock; it itself never changes */
  gint accounts;          /* atomic: how many */
};

/* One event, checked against the accounts of the transaction that records it. */
typedef struct {
  RpAccess *access;
  const char *actor;
  const char *kind;
  json_t *body;
  gboolean (*check) (const RpDirectory *directory, const json_t *body, GError **error);
  RpDirectory *after;
} RpAccessChange;
gboolean rp_access_make_change (RpAccessChange *change, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* RP_ERROR_INVALID unless `name`, of an account or an identity (`what`), is one. */
gboolean rp_access_check_name (const char *what, const char *name, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* `allow` as it is understood, in one spelling. */
json_t *rp_access_clean_scopes (const json_t *allow, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Of a table whose keys are texts. g_list_free(); the texts are the table's. */
GList *rp_access_sorted_keys (GHashTable *table);

/* The one of now. The caller's reference. */
RpDirectory *rp_access_directory (RpAccess *access);
/* Takes the reference over. */
void rp_access_set_directory (RpAccess *access, RpDirectory *directory);
