/* Scopes: what an account may do, and to what.  `push:shop/web`, `pull:**`, `deploy:shop/production`,
 * `administer`.
 *
 *   pull, push, delete   a repository       push includes pull
 *   read                 an app             what is recorded of it
 *   release              an app             includes read
 *   deploy               app/environment    moving its pointer; includes read of the app
 *   approve              app/environment    saying yes to a move of its pointer; includes read of the app
 *   agent                app/env/target     its pointer, its reports, pulling what it runs
 *   administer           (no pattern)       everything
 *
 * In a pattern `*` stands for any characters but `/`, `**` for any characters. RpScopes never changes.
 */
#pragma once

#include <glib.h>
#include <jansson.h>

typedef enum {
  RP_ACTION_PULL,
  RP_ACTION_PUSH,
  RP_ACTION_DELETE,
  RP_ACTION_READ,
  RP_ACTION_RELEASE,
  RP_ACTION_DEPLOY,
  RP_ACTION_APPROVE,
  RP_ACTION_AGENT,
  RP_ACTION_ADMINISTER,
  RP_ACTION_N
} RpAction;

const char *rp_action_name (RpAction action);

#define RP_SCOPES_MAX 100

typedef struct RpScopes RpScopes;

/* An array of texts. RP_ERROR_INVALID says which one is wrong and what is expected. */
RpScopes *rp_scopes_from_json (const json_t *array, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* What any of `n` allows. */
RpScopes *rp_scopes_join (const RpScopes *const *scopes, gsize n);
json_t *rp_scopes_to_json (const RpScopes *scopes); /* json_decref() */
RpScopes *rp_scopes_ref (RpScopes *scopes);
void rp_scopes_unref (RpScopes *scopes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpScopes, rp_scopes_unref)

/* `subject` NULL: to all there are, of whatever name. */
gboolean rp_scopes_allow (const RpScopes *scopes, RpAction action, const char *subject);

gboolean rp_pattern_matches (const char *pattern, const char *text);
