/* Where a digest is, what it is part of, where it was pointed to and where it runs. */
#pragma once

#include "release/revision.h"

typedef struct
{
  char *app;
  char *environment;
  char *target;
  gint64 at_us;
} RpTraceTarget;

typedef struct
{
  RpDigest digest;
  gboolean is_manifest;
  json_t *where;         /* as rp_registry_where() */
  GPtrArray *releases;   /* RpRelease: those that it is a component of, or a part of one */
  GPtrArray *revisions;  /* RpRevision of these, newest first */
  GPtrArray *current;    /* RpRevision: of these, what environments are pointed at now */
  GPtrArray *targets;    /* RpTraceTarget: those that were last seen running it */
  GPtrArray *local;      /* RpTraceTarget: those whose hosts have its bytes, ready to run */
  gint64 verified_at_us; /* least recent verification of its closure; 0: unknown */
} RpTrace;
void rp_trace_free (RpTrace *trace);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpTrace, rp_trace_free)

/* `prefix`: a digest, or a unique beginning of a manifest's. RP_ERROR_NOT_FOUND,
 * RP_ERROR_AMBIGUOUS. Blocks: reads manifests. */
RpTrace *rp_trace (RpEngine *engine, const char *prefix, GError **error) G_GNUC_WARN_UNUSED_RESULT;

json_t *rp_trace_to_json (const RpTrace *trace);
