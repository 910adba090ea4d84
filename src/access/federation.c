#include "access/federation.h"

#include <string.h>

#include "access/access_priv.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#define ACTOR_MAX 256 /* bytes; what the ledger takes */
#define VALUE_MAX 512 /* bytes of a claim that is compared; see STARS_MAX in declaration.c */

/* ---- claims and patterns ---- */

/* A number or truth as text, which is what patterns are compared with. NULL: neither. g_free(). */
static char *
value_text (const json_t *value)
{
  if (json_is_string (value))
    return strlen (json_string_value (value)) == json_string_length (value) ? g_strdup (json_string_value (value)) : NULL;
  if (json_is_integer (value))
    return g_strdup_printf ("%" JSON_INTEGER_FORMAT, json_integer_value (value));
  return json_is_boolean (value) ? g_strdup (json_is_true (value) ? "true" : "false") : NULL;
}

static gboolean
value_fits (const json_t *value, const char *pattern)
{
  g_autofree char *text = value_text (value);

  return text != NULL && strlen (text) <= VALUE_MAX && rp_pattern_matches (pattern, text);
}

/* One of a list is enough. */
static gboolean
claim_fits (const json_t *claim, const char *pattern)
{
  gsize i;
  json_t *one;

  if (!json_is_array (claim))
    return value_fits (claim, pattern);
  json_array_foreach (claim, i, one)
    if (value_fits (one, pattern))
      return TRUE;
  return FALSE;
}

/* Why a token of its issuer is none of this identity; NULL: it is one. g_free(). */
static char *
misfit (const RpFederated *federated, const RpJwt *jwt)
{
  const char *name;
  json_t *pattern;

  if (!rp_jwt_is_for (jwt, federated->audience))
    return g_strdup_printf ("it is not made out to the audience %s", federated->audience);
  json_object_foreach (federated->claims, name, pattern)
  {
    const json_t *claim = json_object_get (jwt->claims, name);
    g_autofree char *found = claim != NULL ? json_dumps (claim, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    if (claim == NULL)
      return g_strdup_printf ("it has no claim %s, which must be %s", name, json_string_value (pattern));
    if (!claim_fits (claim, json_string_value (pattern)))
      return g_strdup_printf ("its claim %s is %s, and must be %s", name, found, json_string_value (pattern));
  }
  return NULL;
}

/* ---- identities ---- */

static RpIdentity *
identify (const GPtrArray *fitting, const char *account, RpCredential credential)
{
  RpIdentity *identity = g_new0 (RpIdentity, 1);
  g_autoptr (GPtrArray) scopes = g_ptr_array_new ();
  g_autoptr (GString) names = g_string_new (NULL);

  for (guint i = 0; i < fitting->len; i++)
    {
      const RpFederated *federated = fitting->pdata[i];
      g_string_append_printf (names, "%s%s", i > 0 ? "," : "", federated->name);
      g_ptr_array_add (scopes, federated->scopes);
      identity->epoch = MAX (identity->epoch, federated->epoch);
    }
  identity->account = account != NULL ? g_strdup (account) : NULL;
  identity->identities = g_string_free (g_steal_pointer (&names), FALSE);
  identity->credential = credential;
  identity->scopes = rp_scopes_join ((const RpScopes *const *) scopes->pdata, scopes->len);
  return identity;
}

RpIdentity *
rp_federation_by_ticket (const RpDirectory *directory, const RpTicket *ticket)
{
  g_auto (GStrv) names = g_strsplit (ticket->identities, ",", -1);
  g_autoptr (GPtrArray) fitting = g_ptr_array_new ();

  for (char **name = names; *name != NULL; name++)
    {
      RpFederated *federated = g_hash_table_lookup (directory->federated, *name);
      if (federated == NULL || federated->epoch > ticket->epoch)
        return NULL;
      g_ptr_array_add (fitting, federated);
    }
  return identify (fitting, ticket->account, ticket->session ? RP_CREDENTIAL_SESSION : RP_CREDENTIAL_TICKET);
}

/* ---- tokens ---- */

/* A token on its way in: what is declared for its issuer, and what became of each. */
typedef struct {
  RpDirectory *directory;
  RpJwt *jwt;
  GPtrArray *declared; /* RpFederated, by name */
  GPtrArray *signers;  /* of these, those whose keys signed it */
} Arrival;

static void
clear_arrival (Arrival *arrival)
{
  g_clear_pointer (&arrival->directory, rp_directory_unref);
  g_clear_pointer (&arrival->jwt, rp_jwt_free);
  g_clear_pointer (&arrival->declared, g_ptr_array_unref);
  g_clear_pointer (&arrival->signers, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Arrival, clear_arrival)

static gboolean
find_declared (Arrival *arrival, GError **error)
{
  g_autoptr (GList) names = rp_access_sorted_keys (arrival->directory->federated);
  const char *issuer = rp_jwt_issuer (arrival->jwt);

  for (const GList *name = names; name != NULL; name = name->next)
    {
      RpFederated *federated = g_hash_table_lookup (arrival->directory->federated, name->data);
      if (g_strcmp0 (federated->issuer, issuer) == 0)
        g_ptr_array_add (arrival->declared, federated);
    }
  if (arrival->declared->len > 0)
    return TRUE;
  g_set_error_literal (error, RP_ERROR, RP_ERROR_UNAUTHORIZED,
                       "the identity token is refused: no identity is declared here for its issuer; an administrator can "
                       "declare one with `repoint identity set`");
  return FALSE;
}

/* Each place for keys is looked at once. */
static gboolean
check_signature (RpAccess *access, Arrival *arrival, GError **error)
{
  g_autoptr (GHashTable) verdicts = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GError) first = NULL;
  gint64 mono_us = rp_clock_monotonic_us ();

  for (guint i = 0; i < arrival->declared->len; i++)
    {
      RpFederated *federated = arrival->declared->pdata[i];
      const char *place = federated->jwks_url != NULL ? federated->jwks_url : "";
      gpointer verdict;
      if (!g_hash_table_lookup_extended (verdicts, place, NULL, &verdict))
        {
          gboolean good = rp_issuers_verify (access->issuers, federated->issuer, federated->jwks_url, arrival->jwt,
                                             mono_us, first == NULL ? &first : NULL);
          verdict = GINT_TO_POINTER (good);
          g_hash_table_insert (verdicts, (gpointer) place, verdict);
        }
      if (GPOINTER_TO_INT (verdict))
        g_ptr_array_add (arrival->signers, federated);
    }
  if (arrival->signers->len > 0)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&first));
  return FALSE;
}

/* Nothing of it is believed before the signature is found good; its issuer's name only chooses the keys. */
static gboolean
receive (RpAccess *access, const char *text, gint64 now_us, Arrival *out, GError **error)
{
  gint64 expires_us;

  out->directory = rp_access_directory (access);
  out->declared = g_ptr_array_new ();
  out->signers = g_ptr_array_new ();
  out->jwt = rp_jwt_parse (text, error);
  return out->jwt != NULL && find_declared (out, error) && check_signature (access, out, error)
         && rp_jwt_check_claims (out->jwt, now_us, &expires_us, error);
}

static RpIdentity *
name_holder (const RpJwt *jwt, const GPtrArray *fitting, GError **error)
{
  g_autoptr (RpIdentity) identity = identify (fitting, NULL, RP_CREDENTIAL_IDENTITY_TOKEN);

  identity->account = g_strconcat (identity->identities, " [", rp_json_str (jwt->claims, "sub"), "]", NULL);
  if (strlen (identity->account) <= ACTOR_MAX)
    return g_steal_pointer (&identity);
  g_set_error (error, RP_ERROR, RP_ERROR_UNAUTHORIZED,
               "the identity token is refused: its subject and the names of its identities (%s) are together longer than "
               "the %d bytes that can be recorded; give the identities shorter names",
               identity->identities, ACTOR_MAX);
  return NULL;
}

static RpIdentity *
admit (const Arrival *arrival, GError **error)
{
  g_autoptr (GPtrArray) fitting = g_ptr_array_new ();

  for (guint i = 0; i < arrival->signers->len; i++)
    {
      g_autofree char *why = misfit (arrival->signers->pdata[i], arrival->jwt);
      if (why == NULL)
        g_ptr_array_add (fitting, arrival->signers->pdata[i]);
    }
  if (fitting->len > 0)
    return name_holder (arrival->jwt, fitting, error);
  g_set_error_literal (error, RP_ERROR, RP_ERROR_UNAUTHORIZED,
                       "the identity token is good, but no identity that is declared here takes it; an administrator finds "
                       "out why with `repoint identity test FILE`");
  return NULL;
}

gboolean
rp_access_is_identity_token (const char *text)
{
  return rp_jwt_looks_like (text);
}

RpIdentity *
rp_access_by_identity_token (RpAccess *access, const char *text, gint64 now_us, GError **error)
{
  g_auto (Arrival) arrival = { 0 };

  return receive (access, text, now_us, &arrival, error) ? admit (&arrival, error) : NULL;
}

/* ---- trying ---- */

static json_t *
explain (const Arrival *arrival)
{
  json_t *array = json_array ();

  for (guint i = 0; i < arrival->declared->len; i++)
    {
      RpFederated *federated = arrival->declared->pdata[i];
      g_autofree char *why = g_ptr_array_find (arrival->signers, federated, NULL)
                                 ? misfit (federated, arrival->jwt)
                                 : g_strdup ("it is not signed by the keys of its issuer");
      json_array_append_new (array, json_pack ("{s:s, s:b, s:s?}", "identity", federated->name, "fits", why == NULL,
                                               "why", why));
    }
  return array;
}

json_t *
rp_access_identity_try (RpAccess *access, const char *text, gint64 now_us)
{
  g_auto (Arrival) arrival = { 0 };
  g_autoptr (GError) failure = NULL;
  g_autoptr (RpIdentity) identity = NULL;

  if (receive (access, text, now_us, &arrival, &failure))
    identity = admit (&arrival, &failure);
  return json_pack ("{s:b, s:s?, s:s?, s:o, s:o}", "taken", identity != NULL, "why",
                    failure != NULL ? failure->message : NULL, "account", identity != NULL ? identity->account : NULL,
                    "allow", identity != NULL ? rp_scopes_to_json (identity->scopes) : json_array (), "identities",
                    explain (&arrival));
}
