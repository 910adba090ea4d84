/* What the server gives up before it serves anybody: root, and whatever of the machine it has no use for.  What it
 * can still reach follows from its options: the data directory, the places of its logs and of the port file, and, to
 * read, its configuration, its certificate and what names and roots of trust are looked up in.
 */
#pragma once

#include "server/server.h"

typedef struct {
  char *user;         /* who it is now; NULL: who started it */
  guint landlock_abi; /* 0: Landlock does not hold it */
  gboolean syscalls;  /* a filter refuses system calls */
} RpSeclusion;

/* The values of the setting: `auto`, `require`, `off`. NULL-ended. */
extern const char *const rp_confine_modes[];

/* After what takes rights and before any thread is started: makes the data directory, becomes options->user, and
 * confines itself. With `auto` what the machine has not is left out; with `require` it is RP_ERROR_UNSUPPORTED. Errors of
 * privilege.h. Says on the log what holds. options->confine NULL: `off`. */
gboolean rp_seclude (const RpServerOptions *options, RpSeclusion *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void rp_seclusion_clear (RpSeclusion *seclusion);
/* In the text format of Prometheus. */
void rp_seclusion_print (const RpSeclusion *seclusion, GString *out);
