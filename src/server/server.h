/* The server: one process over one data directory.  Opens the store, the ledger and the domain
 * over it, serves HTTP until it is told to stop, and keeps time for the engine.
 */
#pragma once

#include "retention/collector.h"
#include "retention/scrubber.h"

#include "server/limits.h"
#include "server/proxy_rules.h"

typedef struct RpServer RpServer;

#define RP_SERVER_LISTEN_DEFAULT "127.0.0.1:5000"

/* settings.h fills it in, and says which of it can change while the server runs. */
typedef struct {
  char *data_dir;           /* made where it is missing */
  char *listen;             /* `host:port`, `[v6]:port`; port 0: any free one */
  char *port_file;          /* or NULL: the port is written there, and a newline, once it answers */
  char *tls_cert;           /* PEM files for TLS, both or neither; neither: plain HTTP */
  char *tls_key;
  char *ca_file;            /* authorities trusted too where issuers of identity tokens are asked; or NULL */
  gboolean allow_anonymous; /* needed to listen beyond loopback while there is no account */
  gboolean anonymous_pull;  /* with accounts too, anybody may pull */
  gint64 upload_expiry_ms;  /* uploads idle for longer are deleted */
  RpCollectorTimes collect; /* when bytes go that nothing needs */
  gint64 verify_reads;      /* how many of a million blobs that are sent whole are hashed meanwhile */
  gint64 reserve;           /* pushes stop when so much is free: bytes, or -1 to -50: percent */
  RpScrubPace scrub;        /* when bytes are read again */
  gint64 retention_every_ms; /* lifecycle policies are applied so often */
  gint64 ready_every_ms;    /* all environments are looked at so often */
  RpLimitRates rates;       /* requests, by class and by who comes */
  gint64 connections;       /* most at a time; 0: any number */
  gint64 connections_address; /* from one address */
  char *user;               /* or NULL: stay who started it */
  char *group;              /* or NULL: the user's own */
  char *confine;            /* of rp_confine_modes; NULL: off */
  char *config_file;        /* or NULL; no setting: where these come from, to be read again */
  RpProxyRules *proxy;      /* repositories that are filled from other registries; or NULL */
  char *log_format;         /* of rp_log_formats */
  char *access_log;         /* a file, `-` or `off` */
  gboolean verbose;
  guint threads;            /* event loops; 0: one a core */
  guint workers;            /* threads for what writes or takes long; 0: a sensible number */
} RpServerOptions;

/* Takes DATA/lock (RP_ERROR_BUSY names the process that has it), opens everything and begins to
 * answer. RP_ERROR_DENIED: an address beyond loopback without an account or allow_anonymous.  Does not touch
 * signals. */
RpServer *rp_server_open (const RpServerOptions *options, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* The port it listens on, and the address for people: `http://127.0.0.1:5000`. Borrowed. */
guint16 rp_server_port (const RpServer *server);
const char *rp_server_url (const RpServer *server);
/* Stops accepting, lets running requests finish, answers long polls, closes everything. NULL is
 * fine. */
void rp_server_close (RpServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpServer, rp_server_close)

/* Reads the options anew into `out`, which is empty, for SIGHUP. */
typedef gboolean (*RpServerReread) (RpServerOptions *out, GError **error);

/* Opens, announces itself on the log, blocks until SIGTERM or SIGINT, closes. TRUE is an orderly
 * stop.  SIGHUP re-reads the options: what can be changed is, what cannot is named on the log, and
 * a file with a mistake changes nothing; and the certificate and its key. `options` is kept up to date. */
gboolean rp_server_run (RpServerOptions *options, RpServerReread reread, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
