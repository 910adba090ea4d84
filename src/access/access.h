/* Who may do what: accounts, their tokens, and the identities that requests come with.
 *
 * Without any account nothing is asked (rp_access_is_open()); the first one switches authentication on,
 * and one that may administer always remains.  Accounts and tokens are events of the ledger; requests
 * are checked in memory.  Thread-safe.  Whoever opens one must be the only process that writes the
 * database (the data directory's lock).
 */
#pragma once

#include "access/scope.h"
#include "ledger/ledger.h"

extern const RpProjector rp_access_projector;

#define RP_ACCOUNT_NAME_MAX 64
#define RP_TICKET_TTL_US (300 * G_USEC_PER_SEC)
#define RP_SESSION_TTL_US (3600 * (gint64) G_USEC_PER_SEC)

typedef struct RpAccess RpAccess;

/* Borrows the ledger. `anonymous_pull`: whoever brings no credentials may pull. */
RpAccess *rp_access_open (RpLedger *ledger, gboolean anonymous_pull, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* Trusts the authorities in this file too where issuers of identity tokens are asked. Call before it is shared. */
void rp_access_trust (RpAccess *access, const char *ca_file);
void rp_access_close (RpAccess *access);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpAccess, rp_access_close)

/* There is no account: everybody may do everything. */
gboolean rp_access_is_open (const RpAccess *access);

/* ---- identities ---- */

typedef enum {
  RP_CREDENTIAL_NONE, /* anonymous */
  RP_CREDENTIAL_PASSWORD,
  RP_CREDENTIAL_TOKEN,
  RP_CREDENTIAL_TICKET,         /* for the registry alone */
  RP_CREDENTIAL_IDENTITY_TOKEN, /* of a platform, which vouches for its holder */
  RP_CREDENTIAL_SESSION         /* for which one of those was traded */
} RpCredential;

/* Who asks, as of when they were asked who they are. */
typedef struct {
  char *account; /* NULL: anonymous; `NAME [SUBJECT]` where a platform vouches, NAMEs joined by commas */
  char *identities; /* those NAMEs, of declared identities; or NULL */
  char *token;   /* id of the token in use, or NULL */
  gint64 token_since_us, token_until_us; /* of that token; until 0: it does not end */
  RpCredential credential;
  gint64 epoch;
  RpScopes *scopes;
  RpScopes *limit; /* of the token, or NULL */
} RpIdentity;
void rp_identity_free (RpIdentity *identity);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpIdentity, rp_identity_free)

/* `subject` NULL: to all there are. */
gboolean rp_identity_may (const RpIdentity *identity, RpAction action, const char *subject);
json_t *rp_identity_to_json (const RpIdentity *identity); /* {"account","token","identities"?,"allow","limit"?} */

/* All of these: RP_ERROR_UNAUTHORIZED without saying which half was wrong. */

/* Blocks for tens of milliseconds. RP_ERROR_TOO_MANY after too many wrong ones from `origin`:
 * *out_wait_s is when to come again. */
RpIdentity *rp_access_by_password (RpAccess *access, const char *account, const char *password,
                                   const char *origin, gint64 *out_wait_s, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* A token or a ticket. A ticket counts for `grace_us` beyond its time. Does not block. */
RpIdentity *rp_access_by_bearer (RpAccess *access, const char *text, gint64 now_us,
                                 gint64 grace_us, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Would a request with the token of this id still be let in, to do this? RP_ERROR_UNAUTHORIZED and RP_ERROR_DENIED say
 * what happened to it. */
gboolean rp_access_token_may (RpAccess *access, const char *token, gint64 now_us, RpAction action,
                              const char *subject, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* An identity token (a JSON Web Token) of a declared issuer.  May block for ten seconds, while that is asked for its keys.
 * RP_ERROR_UNREACHABLE: it does not answer; RP_ERROR_BUSY: too many wait for it. */
RpIdentity *rp_access_by_identity_token (RpAccess *access, const char *text, gint64 now_us,
                                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Has `text` the shape of one, and not that of a password? */
gboolean rp_access_is_identity_token (const char *text);
/* Has `text` the shape of a token or a session? */
gboolean rp_access_is_token (const char *text);
/* NULL where anonymous pull is off. */
RpIdentity *rp_access_anonymous (RpAccess *access);

/* For the holder of an identity token, until `expires_us`. g_free(). */
char *rp_access_session (RpAccess *access, const RpIdentity *identity, gint64 expires_us);
/* A ticket for this identity, valid from `now_us` for RP_TICKET_TTL_US. g_free(). */
char *rp_access_ticket (RpAccess *access, const RpIdentity *identity, gint64 now_us);

/* ---- changes: all block until they are durable; `actor` is who does it ---- */

/* `password` NULL for a robot. The first account must be able to administer and to log in. */
gboolean rp_access_account_add (RpAccess *access, const char *actor, const char *account,
                                gboolean robot, const char *password, const json_t *allow,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Replaces its scopes. */
gboolean rp_access_account_allow (RpAccess *access, const char *actor, const char *account,
                                  const json_t *allow, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Ends its tickets too; its tokens stay. */
gboolean rp_access_account_password (RpAccess *access, const char *actor, const char *account,
                                     const char *password, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* With its tokens. */
gboolean rp_access_account_remove (RpAccess *access, const char *actor, const char *account,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* `limit` NULL: all that the account may; `expires_us` 0: never. The answer is the token as
 * rp_access_tokens() has it, with "secret": the only time it is shown. */
json_t *rp_access_token_issue (RpAccess *access, const char *actor, const char *account,
                               const char *label, const json_t *limit, gint64 expires_us,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_access_token_revoke (RpAccess *access, const char *actor, const char *token,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Takes the place of one of the same name, whose sessions end; declaration.c says what it is made of. */
gboolean rp_access_identity_set (RpAccess *access, const char *actor, const char *name,
                                 const json_t *declaration, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_access_identity_remove (RpAccess *access, const char *actor, const char *name,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Takes the place of one of the same name. `members`: a list of names of accounts and identities that there are. */
gboolean rp_access_group_set (RpAccess *access, const char *actor, const char *name, const json_t *members,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_access_group_remove (RpAccess *access, const char *actor, const char *name,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- looking; the answers are the caller's to json_decref() ---- */

/* {"accounts":[{"account","robot","allow","at"}]} by name */
json_t *rp_access_accounts (RpAccess *access);
/* {"tokens":[{"token","account","label","allow"|null,"expires_at"|null,"at"}]}; `account` NULL: all */
json_t *rp_access_tokens (RpAccess *access, const char *account);
/* {"identities":[{"identity","issuer","audience","jwks_url"|null,"claims","allow","at"}]} by name */
json_t *rp_access_identities (RpAccess *access);
/* Is `account`, as RpIdentity has it, in this group? With a platform's word: one of its identities is. */
gboolean rp_access_in_group (RpAccess *access, const char *account, const char *group);
/* {"groups":[{"group","members":[name],"at"}]} by name */
json_t *rp_access_groups (RpAccess *access);
/* The names of those that `account` is in, sorted. */
json_t *rp_access_groups_of (RpAccess *access, const char *account);
/* What comes of an identity token, and why: {"taken","why"|null,"account"|null,"allow","identities":[{"identity","fits",
 * "why"|null}]}, of those that are declared for its issuer. Blocks as rp_access_by_identity_token(). */
json_t *rp_access_identity_try (RpAccess *access, const char *text, gint64 now_us);
/* Whose token it is; NULL if there is none. g_free(). */
char *rp_access_token_owner (RpAccess *access, const char *token);
