#include "server/route.h"

const RpRoute rp_api_routes[] = {
  { NULL },
};
