/* What the files of this room share of the engine. */
#pragma once

#include "release/engine.h"

struct RpEngine
{
  RpRegistry *registry;
  RpLedger *ledger;
  RpDb *db;
  GMutex lock;
  GHashTable *seen; /* under lock: `app/environment/target` → RpSeen */
};

typedef struct
{
  gint64 at_us;
  char *agent;
  char *driver;
} RpSeen;
