/* The frame that every verb runs in: parsing, the connection, output and the exit status.
 *
 * A verb is a row of a table (main.c has the first level, a verb's own file its sub-verbs).  It
 * gets its positional arguments already counted, reads its options from statics that its
 * GOptionEntry rows fill, and returns FALSE with an error to fail; the frame prints the error
 * and exits by the error table.  One thread.
 */
#pragma once

#include <glib.h>

#include "base/error.h"
#include "base/json.h"
#include "cli/api.h"
#include "cli/output.h"
#include "cli/term.h"

typedef struct RpCli RpCli;
typedef struct RpVerb RpVerb;

struct RpVerb {
  const char *name; /* NULL ends a table */
  const char *summary;
  /* Positional arguments, space separated: `APP/ENV [RELEASE]`; in brackets: may be absent.  A
   * last one that ends in `...` may be repeated.  A last `-- CMD...` says that a command follows a double dash. */
  const char *args;
  const GOptionEntry *options; /* NULL-ended, or NULL */
  /* `args` is NULL-ended and has as many members as the row asks for.  NULL: only sub-verbs. */
  gboolean (*run) (RpCli *cli, char **args, GError **error);
  const RpVerb *verbs; /* sub-verbs, or NULL */
};

struct RpCli {
  const RpVerb *verbs; /* the first level, for help */
  const char *server;  /* base URL */
  const char *ca_file; /* trusted too, beside the system's; or NULL */
  gboolean json;       /* -o says a format for programs */
  RpOutput output;     /* which */
  GError *output_error; /* what was asked for by it is not in the answer; or NULL */
  RpTerm out;          /* standard output */
  char **command;      /* what follows `--`, NULL-ended; NULL if there was no `--` */
  RpApi *api;          /* made by rp_cli_api() at first use */
};

/* Runs the verb that the command line names and returns the exit status of the process. */
int rp_cli_main (const RpVerb *verbs, int argc, char **argv);

/* The help of one verb as text. g_free(). `path` is the verb with its parents: `rollout undo`. */
char *rp_cli_help (const RpVerb *verb, const char *path);

/* NULL if `verbs` (may be NULL) has no such name. */
const RpVerb *rp_verb_find (const RpVerb *verbs, const char *name);

/* The client of the server named by --server or REPOINT_SERVER. Borrowed. */
RpApi *rp_cli_api (RpCli *cli, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Splits `shop/production`. RP_ERROR_USAGE unless both halves are there. g_free() both. */
gboolean rp_cli_parse_env (const char *text, char **out_app, char **out_env, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* GETs `path` and shows the answer: as it came with -o json, else by `print`. */
gboolean rp_cli_show (RpCli *cli, const char *path, void (*print) (RpCli *cli, const json_t *answer),
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Prints the API's answer as -o says; JSON on lines of its own for a terminal, on one in a pipe. */
void rp_cli_print_json (RpCli *cli, const json_t *value);

/* `name      text` on a line of its own; nothing if there is no text. */
void rp_cli_print_fact (RpCli *cli, const char *name, const char *text);

/* A line about what is going on: on standard output, or on standard error when that carries
 * JSON. */
void rp_cli_note (RpCli *cli, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Adds what to do next to an error that is set; it is printed as a line of its own. */
void rp_cli_hint (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);
