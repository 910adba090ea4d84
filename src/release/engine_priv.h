/* What the files of this room share of the engine. */
#pragma once

#include "release/engine.h"

typedef struct RpProtection RpProtection; /* protection.c */
RpProtection *rp_protection_new (void);
void rp_protection_free (RpProtection *protection);

struct RpEngine
{
  RpRegistry *registry;
  RpLedger *ledger;
  RpDb *db;
  GMutex lock;
  GHashTable *seen; /* under lock: `app/environment/target` → RpSeen */
  RpProtection *protection;
  char *ca_file; /* or NULL */
  RpAccess *access; /* or NULL */
};

typedef struct
{
  gint64 at_us;
  char *agent;
  char *driver;
  char *platform;
  char *pull;
  gint64 pull_at_us;
  char *token;
} RpSeen;
