/* agent.yaml.  Everything is checked here, before anything is touched: a complaint names
 * file:line:column.  The driver reads its own `options` when the target is opened.
 */
#pragma once

#include "base/yaml.h"
#include "oci/bearer.h"

typedef struct {
  char *name;        /* `shop/production/web-1` */
  char *app;
  char *environment;
  char *target;
  char *driver;
  char *state_dir;   /* this target's own, below the agent's */
  const RpYamlNode *node;    /* the whole entry, for complaints */
  const RpYamlNode *options; /* or NULL; owned by the document */
} RpTargetConfig;

typedef struct {
  char *agent;    /* name of this agent: the host's, by default */
  char *server;   /* `http://127.0.0.1:5000`, no slash at the end */
  char *registry; /* `127.0.0.1:5000` */
  char *state;    /* absolute path */
  char *base_dir; /* what relative paths are taken from */
  char *ca_file;       /* absolute path, or NULL: the authorities of the system alone */
  char *token_file;    /* absolute path, or NULL: nobody is asked who they are */
  RpBearer *bearer;    /* of token_file, after rp_agent_config_read_token(); or NULL */
  GPtrArray *targets; /* RpTargetConfig, at least one, names unique */
  RpYaml *yaml;
} RpAgentConfig;

/* Parses bytes; relative paths are taken from `base_dir`. */
RpAgentConfig *rp_agent_config_parse (const void *data, gsize size, const char *file_name,
                                      const char *base_dir, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* The same, to name all that is wrong: adds texts to `problems` (char *, owned), the first of which is what the
 * other one says. NULL where the bytes are no YAML; what could not be read is NULL in the result. */
RpAgentConfig *rp_agent_config_parse_all (const void *data, gsize size, const char *file_name,
                                          const char *base_dir, GPtrArray *problems);
/* What only this machine and the drivers can tell. Adds to `problems`; changes nothing. */
void rp_agent_config_probe (const RpAgentConfig *config, GPtrArray *problems);
/* Reads `path`. RP_ERROR_NOT_FOUND says what to do. */
RpAgentConfig *rp_agent_config_load (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Reads token_file, if there is one; only what talks to the server needs it, and going back without the
 * server must not fail for want of it. */
gboolean rp_agent_config_read_token (RpAgentConfig *config, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void rp_agent_config_free (RpAgentConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpAgentConfig, rp_agent_config_free)

/* By full name or by the last part; `name` may be NULL where there is only one.  RP_ERROR_NOT_FOUND,
 * RP_ERROR_AMBIGUOUS and RP_ERROR_USAGE list the names there are. Borrowed. */
const RpTargetConfig *rp_agent_config_find (const RpAgentConfig *config, const char *name,
                                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
