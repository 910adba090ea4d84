/* An app: what its file (repoint.yaml) declares, and what is recorded of that. */
#pragma once

#include "release/environment.h"

typedef struct
{
  char *name;
  char *repository;
} RpComponent;

typedef struct
{
  char *name;
  GPtrArray *components;   /* RpComponent, in the order of the file */
  GPtrArray *environments; /* RpEnvironment, in promotion order */
} RpApp;
void rp_app_free (RpApp *app);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpApp, rp_app_free)

const RpComponent *rp_app_component (const RpApp *app, const char *name);

/* The declaration in `data`; RP_ERROR_INVALID reads `file:line:column: what is wrong`. Pure. */
RpApp *rp_app_parse (const void *data, gsize size, const char *file_name,
                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* char *: one line for each thing in which `declared` differs from `recorded` (NULL: nothing is).
 * Pure. */
GPtrArray *rp_app_diff (const RpApp *recorded, const RpApp *declared);

/* As recorded, with the environments that are declared now. RP_ERROR_NOT_FOUND names the apps there
 * are. */
RpApp *rp_app_load (RpTxn *txn, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Records `declared` if it differs (event app.applied). Environments and targets that it no longer
 * has are no longer pointed; their history stays. *out_changes (char *) is empty if nothing
 * differs; *out_seq is the sequence of the app's newest declaration. */
gboolean rp_app_apply (RpEngine *engine, const RpApp *declared, const char *actor,
                       GPtrArray **out_changes, gint64 *out_seq,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* With each environment's current revision and undo target. */
RpApp *rp_app_describe (RpEngine *engine, const char *name,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* RpApp of all apps by name. */
GPtrArray *rp_app_list (RpEngine *engine, GError **error) G_GNUC_WARN_UNUSED_RESULT;

json_t *rp_app_declaration_json (const RpApp *app); /* what app.applied records */
json_t *rp_app_to_json (const RpApp *app);
