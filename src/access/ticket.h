/* Tickets: the short-lived tokens of the registry's token flow; and sessions, for which identity tokens are traded.  Signed, not stored: a ticket says whose
 * it is and until when, and an HMAC with a key that lives as long as the process.  What its holder may
 * do is looked up at each use.  Thread-safe; never blocks.
 */
#pragma once

#include <glib.h>

#define RP_TICKET_PREFIX "rps_"
#define RP_SESSION_PREFIX "rpi_"
#define RP_TICKET_KEY_SIZE 32

typedef struct {
  char *account;   /* "": anonymous */
  char *token;     /* id of the token it was given for, or NULL: a password */
  char *identities; /* or NULL: of declared identities, joined by commas, instead of an account */
  gboolean session; /* good for everything, not for the registry alone */
  gint64 epoch;    /* of the account, or the highest of the identities */
  gint64 expires_us;
} RpTicket;
void rp_ticket_clear (RpTicket *ticket);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpTicket, rp_ticket_clear)

char *rp_ticket_seal (const RpTicket *ticket, const guint8 key[RP_TICKET_KEY_SIZE]); /* g_free() */
/* FALSE unless it was sealed with this key. It does not look at the time. */
gboolean rp_ticket_open (const char *text, const guint8 key[RP_TICKET_KEY_SIZE], RpTicket *out);
