/* The one way in which the command line moves a pointer: fetch the plan, show it, move by
 * compare-and-set from what the plan saw, wait for the outcome.  `deploy`, `promote` and
 * `rollout undo` differ only in what they ask for.
 */
#pragma once

#include "cli/cli.h"

/* The options that all of them have; filled by GOption through RP_MOVE_OPTIONS. */
typedef struct {
  char *because;  /* NULL: the plan's derived cause */
  gint64 expect;  /* -1: what the plan saw */
  gboolean dry_run;
  gboolean no_wait;
  gboolean wait_signals;
  gboolean again;
  char **overrides; /* names of gates, NULL-ended; or NULL */
  char *wait; /* seconds; NULL or "": until the outcome is known */
} RpMoveOptions;

extern RpMoveOptions rp_move_options;

#define RP_MOVE_OPTIONS                                                                            \
  { "because", 0, 0, G_OPTION_ARG_FILENAME, &rp_move_options.because, "Why, for the record",       \
    "TEXT" },                                                                                      \
  { "expect-revision", 0, 0, G_OPTION_ARG_INT64, &rp_move_options.expect,                          \
    "Refuse unless revision N is current (0: none yet); default: what the plan saw", "N" },        \
  { "dry-run", 0, 0, G_OPTION_ARG_NONE, &rp_move_options.dry_run,                                  \
    "Show the plan and change nothing", NULL },                                                    \
  { "wait", 0, 0, G_OPTION_ARG_FILENAME, &rp_move_options.wait,                                    \
    "Wait for the outcome (the default), at most SECONDS if given", "[SECONDS]" },                 \
  { "no-wait", 0, 0, G_OPTION_ARG_NONE, &rp_move_options.no_wait,                                  \
    "Return once the pointer has moved", NULL }

/* Those of a deploy and a promote, which pass gates. */
#define RP_GATE_OPTIONS                                                                            \
  { "wait-signals", 0, 0, G_OPTION_ARG_NONE, &rp_move_options.wait_signals,                        \
    "Wait for what the signals of the environment say of it, too", NULL },                         \
  { "again", 0, 0, G_OPTION_ARG_NONE, &rp_move_options.again,                                      \
    "Make a new revision even of what is current and healthy everywhere already", NULL },          \
  { "override", 0, 0, G_OPTION_ARG_STRING_ARRAY, &rp_move_options.overrides,                        \
    "Go through a closed gate, which takes --because and the right to; once for each", "GATE" }

typedef struct {
  const char *kind;    /* deploy, promote, rollback */
  const char *where;   /* APP/ENV */
  const char *release; /* or NULL */
  const char *from;    /* environment to promote from, or NULL */
  gint64 to_revision;  /* 0: not given */
  gboolean confirm;    /* a person at a terminal is asked first */
} RpMove;

/* With --dry-run it shows the whole plan and stops (RP_ERROR_BLOCKED if that is what it says). */
gboolean rp_move_run (RpCli *cli, const RpMove *move, GError **error) G_GNUC_WARN_UNUSED_RESULT;
