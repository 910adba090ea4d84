#include "server/warning.h"

#include "base/clock.h"
#include "server/parts.h"
#include "server/request.h"

void
rp_warning_of_token (RpRequest *request)
{
  const RpIdentity *identity = request->identity;
  g_autofree char *until = NULL, *text = NULL;

  if (!rp_request_is_registry (request) || identity->token == NULL || identity->token_until_us == 0)
    return;
  if (identity->token_until_us - rp_clock_now_us ()
      > (identity->token_until_us - identity->token_since_us) / 10)
    return;
  until = rp_clock_format (identity->token_until_us);
  /* Neither names of accounts nor of tokens have anything that a quoted string could not hold. */
  text = g_strconcat ("299 - \"token ", identity->token, " of ", identity->account, " ends at ", until,
                      ": make another with `repoint token create ", identity->account, "`\"", NULL);
  rp_respond_header (request, "Warning", text);
}
