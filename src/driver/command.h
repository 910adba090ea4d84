/* A program run to its end: no shell, its own process group, killed as a group when time is up. */
#pragma once

#include <glib.h>

#define RP_COMMAND_TAIL_BYTES 4096 /* of the output that is kept for people */

typedef struct {
  const char *const *argv;
  const char *const *env; /* NULL-ended NAME=value, added to our own environment; or NULL */
  gint64 timeout_ms;
  const gint *cancelled; /* or NULL: an int that another thread sets to 1 */
} RpCommand;

/* Blocks. RP_ERROR_FAILED if it cannot be started, ends by a signal or with a status other than 0 (with
 * the end of its output), RP_ERROR_TIMEOUT if it took too long, RP_ERROR_BUSY if cancelled. What
 * it left running in the background after a good end stays. */
gboolean rp_command_run (const RpCommand *command, GError **error) G_GNUC_WARN_UNUSED_RESULT;
