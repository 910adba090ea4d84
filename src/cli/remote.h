/* An artifact somewhere: on the server that the command line talks to, or in any other registry. */
#pragma once

#include "cli/cli.h"
#include "oci/client.h"

typedef struct {
  RpOciClient *client;
  char *registry;   /* `127.0.0.1:5000` */
  char *repository;
  char *tag;        /* or NULL */
  gboolean has_digest;
  RpDigest digest;
  gboolean is_ours; /* the registry is the server's own */
} RpRemote;
void rp_remote_clear (RpRemote *remote);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpRemote, rp_remote_clear)

/* Speak HTTP to registries beyond loopback, which otherwise get HTTPS: the option --plain-http. */
extern gboolean rp_remote_plain_http;
#define RP_REMOTE_OPTIONS                                                                          \
  { "plain-http", 0, 0, G_OPTION_ARG_NONE, &rp_remote_plain_http,                                  \
    "Speak HTTP to a registry that is not on loopback", NULL }

/* `[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]`; without a host: on the server. Asks nothing yet. */
gboolean rp_remote_open (RpCli *cli, const char *reference, RpRemote *out,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* `[HOST[:PORT]/]REPOSITORY`, without tag and digest. */
gboolean rp_remote_open_repository (RpCli *cli, const char *name, RpRemote *out,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* All pages of a list of the registry, as one array: `/v2/_catalog`, `repositories`. */
json_t *rp_remote_list (const RpRemote *remote, const char *path, const char *key,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A small blob, verified; RP_ERROR_TOO_LARGE from `limit_bytes` on. */
GBytes *rp_remote_blob (const RpRemote *remote, const RpDigest *digest, gsize limit_bytes,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Sets the digest that the tag names now, if the reference has none of its own. */
gboolean rp_remote_resolve (RpRemote *remote, GError **error) G_GNUC_WARN_UNUSED_RESULT;
char *rp_remote_name (const RpRemote *remote); /* `host:port/repository:tag`; g_free() */

/* RpManifestLoader of the registry; `user_data` is the RpRemote. */
GBytes *rp_remote_load (const RpDigest *digest, const char *media_type, gpointer user_data,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A store in a directory of its own that goes away with it. `parent` NULL: where temporary files
 * go. */
typedef struct {
  char *directory;
  RpStore *store;
} RpScratch;
gboolean rp_scratch_open (RpScratch *scratch, const char *parent,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
void rp_scratch_clear (RpScratch *scratch);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpScratch, rp_scratch_clear)
