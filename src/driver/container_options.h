/* Options of a `container` target, and the container that they describe. */
#pragma once

#include "base/yaml.h"
#include "driver/probe.h"

#include <jansson.h>

#define RP_LABEL_TARGET "repoint.target"
#define RP_LABEL_DIGEST "repoint.digest"
#define RP_LABEL_REPOSITORY "repoint.repository"
#define RP_LABEL_OPTIONS "repoint.options"

typedef struct {
  char *socket;
  gint64 stop_timeout_ms;
  gint64 pull_timeout_ms;
  RpProbe *probe;  /* or NULL */
  json_t *config;  /* what POST /containers/create takes, but for Image and our labels */
  json_t *labels;  /* of the user */
  char hash[7];    /* of all that shapes the container: six hex digits */
} RpContainerOptions;

/* RP_ERROR_INVALID with file:line:column. Parses only. `target` goes into the hash, so that containers of two
 * targets never share a name. */
gboolean rp_container_options_parse (const RpYamlNode *node, const char *target,
                                     RpContainerOptions *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_container_options_clear (RpContainerOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpContainerOptions, rp_container_options_clear)
