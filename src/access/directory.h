/* All accounts, tokens, declared identities and groups, in memory: what requests are checked against, so that none waits for the
 * database.  A directory never changes; a change makes a new one.  Private to this room.
 */
#pragma once

#include "access/scope.h"
#include "ledger/ledger.h"

typedef struct {
  char *name;
  gboolean robot;  /* has tokens only */
  char *password;  /* its hash, or NULL */
  RpScopes *scopes;
  gint64 epoch; /* seq of the event that made the account or gave it its password */
  gint64 at_us;
} RpAccount;

typedef struct {
  char *id;
  char *account;
  char *label;
  char *hash;
  RpScopes *limit;    /* or NULL: all that the account may */
  gint64 expires_us;  /* 0: never */
  gint64 at_us;
} RpToken;

/* An identity of another platform, as declared. */
typedef struct {
  char *name;
  char *issuer;
  char *audience;
  char *jwks_url; /* or NULL: by discovery */
  json_t *claims; /* name → pattern */
  RpScopes *scopes;
  gint64 epoch; /* seq of the event that declared it */
  gint64 at_us;
} RpFederated;

/* People and pipelines under one name. */
typedef struct {
  char *name;
  GPtrArray *members; /* names of accounts and identities, in order */
  gint64 at_us;       /* when it was set last */
} RpGroup;

typedef struct {
  gatomicrefcount refs;
  GHashTable *accounts; /* name → RpAccount */
  GHashTable *tokens;   /* id → RpToken */
  GHashTable *federated; /* name → RpFederated */
  GHashTable *groups;    /* name → RpGroup */
} RpDirectory;

RpDirectory *rp_directory_read (RpTxn *txn, GError **error) G_GNUC_WARN_UNUSED_RESULT;
RpDirectory *rp_directory_ref (RpDirectory *directory);
void rp_directory_unref (RpDirectory *directory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpDirectory, rp_directory_unref)

/* Borrowed from the directory; NULL if there is none. */
const RpAccount *rp_directory_account (const RpDirectory *directory, const char *name);
/* Of those that may administer. */
guint rp_directory_administrators (const RpDirectory *directory);
