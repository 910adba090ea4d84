/* What the parser makes and the field functions read. */
#pragma once

#include "base/yaml.h"

typedef enum { RP_YAML_SCALAR, RP_YAML_MAP, RP_YAML_LIST } RpYamlKind;

struct RpYamlNode {
  RpYamlKind kind;
  const RpYaml *yaml; /* for the file's name */
  const RpYamlNode *parent;
  int line, column; /* 1-based, column in characters */
  int key_line, key_column;
  gboolean plain;   /* a scalar without quotes: it may be a number, a boolean or nothing */
  char *text;       /* of a scalar */
  char *key;        /* in a parent that is a mapping */
  GPtrArray *items; /* RpYamlNode, owned; of mappings and lists */
};

struct RpYaml {
  char *file_name;
  RpYamlNode *root;
};

void rp_yaml_node_free (RpYamlNode *node);
/* A plain scalar that stands for nothing: empty, `~` or `null`. */
gboolean rp_yaml_is_nothing (const RpYamlNode *node);
