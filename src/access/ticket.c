#include "access/ticket.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "access/secret.h"
#include "base/json.h"

#define TEXT_MAX 4096

void
rp_ticket_clear (RpTicket *ticket)
{
  g_clear_pointer (&ticket->account, g_free);
  g_clear_pointer (&ticket->token, g_free);
  g_clear_pointer (&ticket->identities, g_free);
}

static char *
sign (const char *text, const guint8 key[RP_TICKET_KEY_SIZE])
{
  guint8 mac[EVP_MAX_MD_SIZE];
  unsigned int size = sizeof mac;

  if (HMAC (EVP_sha256 (), key, RP_TICKET_KEY_SIZE, (const guint8 *) text, strlen (text), mac, &size)
      == NULL)
    g_error ("libcrypto has no HMAC-SHA-256");
  return rp_base64url_encode (mac, size);
}

char *
rp_ticket_seal (const RpTicket *ticket, const guint8 key[RP_TICKET_KEY_SIZE])
{
  g_autoptr (json_t) json = json_object ();
  g_autofree char *text = NULL, *body = NULL, *mac = NULL;

  json_object_set_new (json, "account", json_string (ticket->account));
  if (ticket->token != NULL)
    json_object_set_new (json, "token", json_string (ticket->token));
  if (ticket->identities != NULL)
    json_object_set_new (json, "identities", json_string (ticket->identities));
  if (ticket->session)
    json_object_set_new (json, "session", json_true ());
  json_object_set_new (json, "epoch", json_integer (ticket->epoch));
  json_object_set_new (json, "expires_us", json_integer (ticket->expires_us));
  text = rp_json_canonical (json);
  body = rp_base64url_encode (text, strlen (text));
  mac = sign (body, key);
  return g_strconcat (ticket->session ? RP_SESSION_PREFIX : RP_TICKET_PREFIX, body, ".", mac, NULL);
}

gboolean
rp_ticket_open (const char *text, const guint8 key[RP_TICKET_KEY_SIZE], RpTicket *out)
{
  g_autofree char *body = NULL, *mac = NULL;
  g_autofree guint8 *data = NULL;
  g_autoptr (json_t) json = NULL;
  const char *dot;
  gsize size;

  if ((!g_str_has_prefix (text, RP_TICKET_PREFIX) && !g_str_has_prefix (text, RP_SESSION_PREFIX))
      || strlen (text) > TEXT_MAX)
    return FALSE;
  text += strlen (RP_TICKET_PREFIX);
  dot = strchr (text, '.');
  if (dot == NULL)
    return FALSE;
  body = g_strndup (text, (gsize) (dot - text));
  mac = sign (body, key);
  if (!rp_secret_equal (mac, dot + 1)) /* before anything of it is believed */
    return FALSE;
  data = rp_base64url_decode (body, &size);
  json = data != NULL ? rp_json_parse (data, size, "ticket", NULL) : NULL;
  if (json == NULL)
    return FALSE;
  out->account = g_strdup (rp_json_str (json, "account"));
  out->token = g_strdup (rp_json_str (json, "token"));
  out->identities = g_strdup (rp_json_str (json, "identities"));
  out->session = rp_json_bool (json, "session");
  out->epoch = rp_json_int (json, "epoch");
  out->expires_us = rp_json_int (json, "expires_us");
  return TRUE;
}
