/* Declared identities: what is made of one, changes, and the list of them.
 *
 * {"issuer", "audience", "jwks_url"?, "claims": {name: pattern}, "allow": [scope]}: tokens of this issuer, made out to this
 * audience, whose claims all fit, allow this.  Whoever else uses that issuer gets tokens of it too, so one pattern at least
 * must be more than stars. */
#include <string.h>

#include "access/access_priv.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#define CLAIMS_MAX 16
#define TEXT_MAX 256 /* bytes of an audience, a claim's name or a pattern */
#define STARS_MAX 3  /* of a pattern: matching takes a time of the length to the power of these */
#define IDENTITIES_MAX 1000

static gboolean
text_ok (const char *text)
{
  if (*text == '\0' || strlen (text) > TEXT_MAX)
    return FALSE;
  for (const char *at = text; *at != '\0'; at = g_utf8_next_char (at))
    if (!g_unichar_isprint (g_utf8_get_char (at)))
      return FALSE;
  return TRUE;
}

static gboolean
pattern_ok (const char *pattern)
{
  guint stars = 0;

  for (const char *at = pattern; *at != '\0'; at++)
    stars += *at == '*' && at[1] != '*';
  return text_ok (pattern) && stars <= STARS_MAX && strstr (pattern, "***") == NULL;
}

static gboolean
check_claims (const json_t *claims, GError **error)
{
  gboolean tells = FALSE;
  const char *name;
  json_t *pattern;

  json_object_foreach ((json_t *) claims, name, pattern)
  {
    if (!text_ok (name) || !json_is_string (pattern) || !pattern_ok (json_string_value (pattern)))
      {
        g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                     "claims: expected names and patterns of 1 to %d printable bytes, a pattern with at most %d wildcards, "
                     "as in repository=org/shop or ref=refs/heads/*",
                     TEXT_MAX, STARS_MAX);
        return FALSE;
      }
    tells = tells || strspn (json_string_value (pattern), "*/") < json_string_length (pattern);
  }
  if (tells && json_object_size (claims) <= CLAIMS_MAX)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               "claims: expected 1 to %d, one of them with more than stars, since everybody else who uses this issuer gets "
               "tokens of it too; for instance repository=org/shop (GitHub), project_path=org/shop (GitLab), "
               "sub=system:serviceaccount:NAMESPACE:NAME (Kubernetes)",
               CLAIMS_MAX);
  return FALSE;
}

/* What is recorded. */
static json_t *
clean (const char *name, const json_t *declaration, GError **error)
{
  const char *issuer, *audience, *jwks_url = NULL;
  json_t *claims, *allow, *scopes;

  if (!rp_access_check_name ("identity", name, error)
      || !rp_json_need_string (declaration, "issuer", "identity", &issuer, error)
      || !rp_json_need_string (declaration, "audience", "identity", &audience, error)
      || !rp_json_opt_string (declaration, "jwks_url", "identity", &jwks_url, error)
      || !rp_json_need_object (declaration, "claims", "identity", &claims, error)
      || !rp_json_need_array (declaration, "allow", "identity", &allow, error)
      || !rp_issuers_check_url ("issuer", issuer, error)
      || (jwks_url != NULL && !rp_issuers_check_url ("jwks_url", jwks_url, error))
      || !check_claims (claims, error))
    return NULL;
  if (!text_ok (audience))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "audience: expected 1 to %d printable bytes", TEXT_MAX);
      return NULL;
    }
  scopes = rp_access_clean_scopes (allow, error);
  if (scopes == NULL)
    return NULL;
  json_t *body = json_pack ("{s:s, s:s, s:s, s:O, s:o}", "identity", name, "issuer", issuer, "audience", audience,
                            "claims", claims, "allow", scopes);
  if (jwks_url != NULL)
    json_object_set_new (body, "jwks_url", json_string (jwks_url));
  return body;
}

static gboolean
check_set (const RpDirectory *directory, const json_t *body, GError **error)
{
  const char *name = rp_json_str (body, "identity");

  if (g_hash_table_size (directory->accounts) == 0)
    g_set_error_literal (error, RP_ERROR, RP_ERROR_BLOCKED,
                         "without an account nobody is asked who they are, and identities would mean nothing: begin with "
                         "`repoint account add NAME --allow administer`");
  else if (rp_directory_account (directory, name) != NULL)
    g_set_error (error, RP_ERROR, RP_ERROR_CONFLICT,
                 "there is an account \"%s\", and what is recorded must tell them apart: take another name", name);
  else if (g_hash_table_size (directory->federated) >= IDENTITIES_MAX
           && !g_hash_table_contains (directory->federated, name))
    g_set_error (error, RP_ERROR, RP_ERROR_BLOCKED, "there are %d identities, more are not taken", IDENTITIES_MAX);
  else
    return TRUE;
  return FALSE;
}

static gboolean
check_remove (const RpDirectory *directory, const json_t *body, GError **error)
{
  const char *name = rp_json_str (body, "identity");

  if (g_hash_table_contains (directory->federated, name))
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_NOT_FOUND,
               "there is no identity \"%.64s\"; `repoint identity ls` lists those there are", name);
  return FALSE;
}

gboolean
rp_access_identity_set (RpAccess *access, const char *actor, const char *name, const json_t *declaration,
                        GError **error)
{
  g_autoptr (json_t) body = clean (name, declaration, error);
  RpAccessChange change = { access, actor, "identity.declared", body, check_set, NULL };

  return body != NULL && rp_access_make_change (&change, error);
}

gboolean
rp_access_identity_remove (RpAccess *access, const char *actor, const char *name, GError **error)
{
  g_autoptr (json_t) body = json_pack ("{s:s}", "identity", name);
  RpAccessChange change = { access, actor, "identity.removed", body, check_remove, NULL };

  return rp_access_make_change (&change, error);
}

static json_t *
to_json (const RpFederated *federated)
{
  g_autofree char *at = rp_clock_format (federated->at_us);

  return json_pack ("{s:s, s:s, s:s, s:s?, s:O, s:o, s:s}", "identity", federated->name, "issuer", federated->issuer,
                    "audience", federated->audience, "jwks_url", federated->jwks_url, "claims", federated->claims,
                    "allow", rp_scopes_to_json (federated->scopes), "at", at);
}

json_t *
rp_access_identities (RpAccess *access)
{
  g_autoptr (RpDirectory) directory = rp_access_directory (access);
  g_autoptr (GList) names = rp_access_sorted_keys (directory->federated);
  json_t *array = json_array ();

  for (const GList *name = names; name != NULL; name = name->next)
    json_array_append_new (array, to_json (g_hash_table_lookup (directory->federated, name->data)));
  return json_pack ("{s:o}", "identities", array);
}
