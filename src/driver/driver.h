/* How a target is pointed.  A driver is a small const vtable, listed in driver.c; the functions here check
 * arguments and call it.  Drivers know nothing of servers, revisions, journals or trials: the agent does.
 *
 * All calls block, are made by one thread at a time for one target, and are idempotent: after a crash
 * at any instruction the agent simply calls again, and `observe` tells the truth about what is there.
 * The same conformance tests run over every driver (tests/unit/test_driver.c).
 */
#pragma once

#include "base/yaml.h"
#include "oci/bearer.h"
#include "oci/client.h"

typedef struct RpTarget RpTarget;

/* What to run: one component of one release. Strings are borrowed for the call. */
typedef struct {
  const char *repository;
  RpDigest digest;
  const char *label; /* for people: `shop 1.2.0` */
} RpArtifact;

/* What runs, by looking, not by remembering. */
typedef struct {
  gboolean running;    /* something of ours is pointed to */
  gboolean has_digest; /* ... and it is this digest */
  RpDigest digest;
  gboolean intact; /* as far as a cheap look can tell nobody changed it by hand */
  char *detail;    /* one line for people, or NULL */
} RpObservation;
void rp_observation_clear (RpObservation *observation);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpObservation, rp_observation_clear)

/* What a driver may use; all borrowed for the target's life. */
typedef struct {
  const char *name;      /* `shop/production/web-1`: unique on this host, for labels and messages */
  const char *state_dir; /* this target's own directory */
  RpStore *store;        /* the host's local blobs */
  RpOciClient *client;   /* NULL: offline */
  const char *registry;  /* `127.0.0.1:5000`: what an engine pulls from */
  RpBearer *bearer;      /* for that registry, or NULL: it asks nobody */
  const gint *cancelled; /* set to 1 when the agent stops */
} RpDriverContext;

typedef struct {
  const char *name;
  const char *summary;
  /* Reads `options` (RP_ERROR_INVALID with file:line:column) and touches nothing else. */
  gpointer (*open) (const RpDriverContext *context, const RpYamlNode *options, GError **error);
  void (*close) (gpointer self);
  gboolean (*observe) (gpointer self, RpObservation *out, GError **error);
  /* Fetches and lays ready; verified and synced; runs nothing. `progress` may be NULL. */
  gboolean (*prepare) (gpointer self, const RpArtifact *artifact, RpProgress progress,
                       gpointer user_data, GError **error);
  /* Is `artifact` ready to run without a network? Hashes what is local. */
  gboolean (*verify) (gpointer self, const RpArtifact *artifact, GError **error);
  /* Switches to a prepared artifact, atomically where the target can, and starts or reloads it. */
  gboolean (*point) (gpointer self, const RpArtifact *artifact, GError **error);
  /* One look at its health: TRUE is healthy; RP_ERROR_UNHEALTHY says why not. Not configured: TRUE if it runs. */
  gboolean (*probe) (gpointer self, GError **error);
  /* Lets go of everything prepared that is not in `keep` and not pointed to. */
  gboolean (*prune) (gpointer self, const RpArtifact *keep, gsize n_keep, GError **error);
  /* Facts about the target worth keeping with a revision (JSON), or NULL op: none. */
  json_t *(*snapshot) (gpointer self, GError **error);
} RpDriverOps;

extern const RpDriverOps *const rp_drivers[]; /* NULL-ended */
const RpDriverOps *rp_driver_find (const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Would the driver take these options? RP_ERROR_INVALID with file:line:column. Touches nothing. `name` as in
 * RpDriverContext. */
gboolean rp_driver_check (const char *driver, const char *name, const RpYamlNode *options,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

RpTarget *rp_target_open (const char *driver, const RpDriverContext *context,
                          const RpYamlNode *options, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_target_close (RpTarget *target);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpTarget, rp_target_close)
gboolean rp_target_observe (RpTarget *target, RpObservation *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_target_prepare (RpTarget *target, const RpArtifact *artifact, RpProgress progress,
                            gpointer user_data, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_target_verify (RpTarget *target, const RpArtifact *artifact, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_target_point (RpTarget *target, const RpArtifact *artifact, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_target_probe (RpTarget *target, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_target_prune (RpTarget *target, const RpArtifact *keep, gsize n_keep, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
json_t *rp_target_snapshot (RpTarget *target, GError **error) G_GNUC_WARN_UNUSED_RESULT;
