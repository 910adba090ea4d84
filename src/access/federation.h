/* Who comes with the word of another platform: an identity token is checked against its issuer's keys, and only then are
 * its claims compared with what is declared.  Where it fits several identities, what they allow adds up.  Private to
 * this room, as is what a ticket or a session still allows. */
#pragma once

#include "access/access.h"
#include "access/directory.h"
#include "access/ticket.h"

/* NULL unless all identities of the ticket are as they were when it was given. */
RpIdentity *rp_federation_by_ticket (const RpDirectory *directory, const RpTicket *ticket);
