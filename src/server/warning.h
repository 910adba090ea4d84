/* What clients of the registry tell their users beside an answer: the Warning header of the distribution
 * specification, "Warnings" (code 299, agent -, no date, 4096 bytes at most). A registry may; clients should show it.
 */
#pragma once

#include "server/route.h"

/* Of an admitted request's token: that it ends soon, which is its last tenth.  A node or a pipeline whose token
 * is over learns it in the worst of moments.  Nothing for tokens that do not end, and for the API. */
void rp_warning_of_token (RpRequest *request);
