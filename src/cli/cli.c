#include "cli/cli.h"
#include "cli/humane.h"

#include <errno.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SERVER "http://127.0.0.1:5000"

static struct {
  char *server;
  char *ca_file;
  char *output;
  gboolean help;
  gboolean version;
} options;

/* Texts are ARG_FILENAME throughout the verbs: GLib leaves those bytes alone, while ARG_STRING
 * refuses UTF-8 in the C locale that cron and CI run with. check_utf8() looks at all of them
 * instead. */
static const GOptionEntry global_options[] = {
  { "server", 0, 0, G_OPTION_ARG_FILENAME, &options.server,
    "Server to talk to (or REPOINT_SERVER; default " DEFAULT_SERVER ")", "URL" },
  { "ca-file", 0, 0, G_OPTION_ARG_FILENAME, &options.ca_file,
    "Trust the authorities in this PEM file too (or REPOINT_CA_FILE)", "FILE" },
  { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.output,
    "`table` for people (default), or the API's answer: json, yaml, name, jsonpath=TEMPLATE", "FORMAT" },
  { "help", 'h', 0, G_OPTION_ARG_NONE, &options.help, "Show this help", NULL },
  { "version", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &options.version, NULL, NULL },
  G_OPTION_ENTRY_NULL
};

const RpVerb *
rp_verb_find (const RpVerb *verbs, const char *name)
{
  for (const RpVerb *verb = verbs; verb != NULL && verb->name != NULL; verb++)
    if (g_str_equal (verb->name, name))
      return verb;
  return NULL;
}

static GOptionContext *
make_context (const RpVerb *verb)
{
  GOptionContext *context = g_option_context_new (verb != NULL ? verb->args : NULL);
  g_option_context_set_help_enabled (context, FALSE);
  if (verb != NULL && verb->options != NULL)
    g_option_context_add_main_entries (context, verb->options, NULL);
  g_option_context_add_main_entries (context, global_options, NULL);
  return context;
}

char *
rp_cli_help (const RpVerb *verb, const char *path)
{
  GString *help = g_string_new (NULL);
  if (verb->run != NULL || verb->verbs == NULL)
    {
      GOptionContext *context = make_context (verb);
      g_autofree char *program = g_strconcat ("repoint ", path, NULL);
      g_option_context_set_summary (context, verb->summary);
      g_set_prgname (program);
      g_autofree char *text = g_option_context_get_help (context, FALSE, NULL);
      g_string_append (help, text);
      g_option_context_free (context);
    }
  else
    g_string_append_printf (help, "Usage:\n  repoint %s VERB\n\n%s\n", path, verb->summary);
  if (verb->verbs != NULL)
    g_string_append (help, "\nVerbs:\n");
  for (const RpVerb *sub = verb->verbs; sub != NULL && sub->name != NULL; sub++)
    g_string_append_printf (help, "  repoint %s %s%s%s\n      %s\n", path, sub->name,
                            *sub->args != '\0' ? " " : "", sub->args,
                            sub->summary);
  g_string_truncate (help, strlen (g_strchomp (help->str)));
  g_string_append_printf (help, "\n\nMore: man repoint-%.*s\n", (int) strcspn (path, " "), path);
  return g_string_free (help, FALSE);
}

RpApi *
rp_cli_api (RpCli *cli, GError **error)
{
  if (cli->api == NULL)
    cli->api = rp_api_new (cli->server, cli->ca_file, error);
  return cli->api;
}

gboolean
rp_cli_parse_env (const char *text, char **out_app, char **out_env, GError **error)
{
  g_auto (GStrv) halves = g_strsplit (text, "/", -1);
  if (g_strv_length (halves) != 2 || *halves[0] == '\0' || *halves[1] == '\0')
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                   "`%s`: expected APP/ENV, such as shop/production", text);
      return FALSE;
    }
  *out_app = g_strdup (halves[0]);
  *out_env = g_strdup (halves[1]);
  return TRUE;
}

void
rp_cli_print_json (RpCli *cli, const json_t *value)
{
  cli->output.indent = cli->out.tty;
  if (cli->output_error == NULL && !rp_output_print (&cli->output, cli->out.stream, value, &cli->output_error))
    g_assert (cli->output_error != NULL);
  fflush (cli->out.stream);
}

gboolean
rp_cli_show (RpCli *cli, const char *path, void (*print) (RpCli *cli, const json_t *answer),
             GError **error)
{
  g_autoptr (json_t) answer
      = rp_cli_api (cli, error) != NULL ? rp_api_get (cli->api, path, 0, error) : NULL;

  if (answer == NULL)
    return FALSE;
  if (cli->json)
    rp_cli_print_json (cli, answer);
  else
    print (cli, answer);
  return TRUE;
}

void
rp_cli_print_fact (RpCli *cli, const char *name, const char *text)
{
  if (text == NULL || *text == '\0')
    return;
  fprintf (cli->out.stream, "%-10s", name);
  rp_term_text (&cli->out, RP_STYLE_PLAIN, text);
  fputc ('\n', cli->out.stream);
}

void
rp_cli_note (RpCli *cli, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *clean = rp_term_clean (text);
  FILE *stream = cli->json ? stderr : cli->out.stream;
  fprintf (stream, "%s\n", clean);
  fflush (stream);
}

void
rp_cli_hint (GError **error, const char *format, ...)
{
  if (error == NULL || *error == NULL)
    return;
  va_list args;
  va_start (args, format);
  g_autofree char *hint = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *before = g_steal_pointer (&(*error)->message);
  gsize first_line = strcspn (before, "\n");
  (*error)->message = g_strdup_printf ("%.*s\n%s", (int) first_line, before, hint);
}

/* The first line of an error is what happened, the rest what to do. */
static void
print_error (const GError *error)
{
  g_auto (GStrv) lines = g_strsplit (error->message, "\n", 2);
  g_autofree char *brief = rp_humane_text (lines[0] != NULL ? lines[0] : "");
  g_autofree char *what = rp_term_clean (brief);
  fflush (stdout);
  fprintf (stderr, "repoint: %s\n", what);
  if (lines[0] == NULL || lines[1] == NULL)
    return;
  g_autofree char *hint = rp_term_clean (lines[1]);
  fprintf (stderr, "hint: %s\n", hint);
}

static gboolean
usage_error (GError **error, const char *problem, const char *word)
{
  g_autofree char *text = g_strdup_printf ("%s `%s`", problem, word);
  g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE, text);
  return FALSE;
}

static gboolean
check_utf8 (char **argv, GError **error)
{
  for (char **arg = argv; *arg != NULL && !g_str_equal (*arg, "--"); arg++)
    if (!g_utf8_validate (*arg, -1, NULL))
      {
        g_autofree char *shown = g_utf8_make_valid (*arg, -1);
        return usage_error (error, "not UTF-8:", shown);
      }
  return TRUE;
}

/* `--wait` has a value only after `=`; GOption would take the next word: `--wait
 * shop/production`. */
static void
guard_optional_values (char **argv)
{
  for (char **arg = argv; *arg != NULL && !g_str_equal (*arg, "--"); arg++)
    if (g_str_equal (*arg, "--wait"))
      {
        g_free (*arg);
        *arg = g_strdup ("--wait=");
      }
}

/* Counts `argv` against `APP/ENV [RELEASE] [-- CMD...]`, so that the complaint names what is
 * missing. */
static gboolean
check_args (const RpVerb *verb, char **argv, char **command, GError **error)
{
  g_auto (GStrv) names = g_strsplit (verb->args, " ", -1);
  for (char **name = names; *name != NULL && **name != '\0'; name++)
    {
      if (g_str_equal (*name, "--"))
        {
          if (command == NULL || *command == NULL)
            return usage_error (error, "missing the command to run after", "--");
          break;
        }
      if (*argv != NULL)
        argv += g_str_has_suffix (*name, "...") ? g_strv_length (argv) : 1;
      else if (**name != '[')
        return usage_error (error, "missing argument", *name);
    }
  if (*argv != NULL)
    return usage_error (error, "unexpected argument", *argv);
  if (command != NULL && strstr (verb->args, "-- ") == NULL && *command != NULL)
    return usage_error (error, "unexpected argument", *command);
  return TRUE;
}

static gboolean
parse_options (const RpVerb *verb, char ***argv, gboolean strict, GError **error)
{
  GOptionContext *context = make_context (verb);
  g_autoptr (GError) local = NULL;
  g_option_context_set_strict_posix (context, strict);
  gboolean ok = g_option_context_parse_strv (context, argv, &local);
  g_option_context_free (context);
  if (ok)
    return TRUE;
  *local->message = g_ascii_tolower (*local->message);
  g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE, local->message);
  return FALSE;
}

static gboolean
apply_global_options (RpCli *cli, GError **error)
{
  const char *server = g_getenv ("REPOINT_SERVER");
  if (options.server != NULL)
    server = options.server;
  cli->server = server != NULL && *server != '\0' ? server : DEFAULT_SERVER;
  const char *ca_file = options.ca_file != NULL ? options.ca_file : g_getenv ("REPOINT_CA_FILE");
  cli->ca_file = ca_file != NULL && *ca_file != '\0' ? ca_file : NULL;
  if (options.output == NULL)
    return TRUE;
  if (!rp_output_parse (options.output, &cli->output, error))
    return FALSE;
  cli->json = cli->output.format != RP_OUTPUT_TABLE;
  return TRUE;
}

/* Cuts `-- CMD...` off `argv` before GOption sees it. */
static char **
split_command (char **argv)
{
  for (char **arg = argv; *arg != NULL; arg++)
    if (g_str_equal (*arg, "--"))
      {
        char **command = g_strdupv (arg + 1);
        for (char **rest = arg; *rest != NULL; rest++)
          g_clear_pointer (rest, g_free);
        return command;
      }
  return NULL;
}

/* The first word that is no option, and does not belong to one that takes a value before the
 * verb. */
static gboolean
take_word (char ***argv, char **out_word)
{
  char **words = *argv;
  if (words[0] == NULL || words[1] == NULL || words[1][0] == '-')
    return FALSE;
  *out_word = words[1];
  for (char **word = words + 1; *word != NULL; word++)
    word[0] = word[1];
  return TRUE;
}

typedef struct {
  const RpVerb *verb;
  GString *path; /* `rollout undo` */
} Chosen;

static gboolean
choose_verb (RpCli *cli, char ***argv, Chosen *out, GError **error)
{
  if (!parse_options (NULL, argv, TRUE, error))
    return FALSE;
  const RpVerb *verbs = cli->verbs;
  g_autofree char *word = NULL;
  while (verbs != NULL && take_word (argv, &word))
    {
      const RpVerb *verb = rp_verb_find (verbs, word);
      if (verb == NULL && out->verb != NULL && out->verb->run != NULL)
        return usage_error (error, "unexpected argument", word);
      if (verb == NULL)
        return usage_error (error, "unknown verb", word);
      g_string_append_printf (out->path, "%s%s", out->path->len > 0 ? " " : "", verb->name);
      out->verb = verb;
      verbs = verb->verbs;
      g_clear_pointer (&word, g_free);
    }
  return TRUE;
}

static gboolean
run_without_verb (RpCli *cli, GError **error)
{
  if (options.version)
    {
      fputs ("repoint " RP_VERSION "\n", stdout);
      return TRUE;
    }
  if (options.help)
    return rp_verb_find (cli->verbs, "help")->run (cli, (char *[]){ NULL }, error);
  g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE, "missing verb");
  return FALSE;
}

static gboolean
run_verb (RpCli *cli, char ***argv, const Chosen *chosen, GError **error)
{
  const RpVerb *verb = chosen->verb;
  if (!parse_options (verb, argv, FALSE, error) || !apply_global_options (cli, error))
    return FALSE;
  if (options.help)
    {
      g_autofree char *help = rp_cli_help (verb, chosen->path->str);
      fputs (help, stdout);
      return TRUE;
    }
  if (verb->run == NULL)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_USAGE, "missing verb after `%s`", chosen->path->str);
      return FALSE;
    }
  if (!check_args (verb, *argv + 1, cli->command, error))
    return FALSE;
  return verb->run (cli, *argv + 1, error);
}

static gboolean
run (RpCli *cli, char ***argv, Chosen *chosen, GError **error)
{
  if (!check_utf8 (*argv, error))
    return FALSE;
  guard_optional_values (*argv);
  cli->command = split_command (*argv);
  if (!choose_verb (cli, argv, chosen, error))
    return FALSE;
  if (chosen->verb == NULL)
    return parse_options (NULL, argv, FALSE, error) && run_without_verb (cli, error);
  return run_verb (cli, argv, chosen, error);
}

static void
print_usage (const Chosen *chosen)
{
  const char *path = chosen->path->str;
  if (chosen->verb == NULL)
    fputs ("usage: repoint VERB ...; `repoint help` lists the verbs\n", stderr);
  else if (chosen->verb->run == NULL)
    fprintf (stderr, "usage: repoint %s VERB ...; `repoint help %s` lists the verbs\n", path, path);
  else
    fprintf (stderr, "usage: repoint %s [OPTION...] %s\n", path, chosen->verb->args);
}

/* An answer that did not get out is no success: `repoint … > /full/disk`. */
static gboolean
check_output (void)
{
  gboolean failed_before = ferror (stdout) != 0;
  if (fflush (stdout) == 0 && !failed_before)
    return TRUE;
  fprintf (stderr, "repoint: the output could not be written: %s\n",
           failed_before ? "an earlier write failed" : g_strerror (errno));
  return FALSE;
}

int
rp_cli_main (const RpVerb *verbs, int argc, char **argv)
{
  (void) argc;
  setlocale (LC_CTYPE, "");
  RpCli cli = { .verbs = verbs, .server = DEFAULT_SERVER };
  Chosen chosen = { .path = g_string_new (NULL) };
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) args = g_strdupv (argv);
  rp_term_init (&cli.out, stdout);

  int status = RP_EXIT_OK;
  gboolean ok = run (&cli, &args, &chosen, &error);
  if (ok && cli.output_error != NULL)
    {
      ok = FALSE;
      error = g_steal_pointer (&cli.output_error);
    }
  if (!ok)
    {
      status = rp_error_exit_status (error);
      print_error (error);
      if (g_error_matches (error, RP_ERROR, RP_ERROR_USAGE))
        print_usage (&chosen);
    }
  if (!check_output () && status == RP_EXIT_OK)
    status = RP_EXIT_FAILED;
  g_clear_error (&cli.output_error);
  rp_api_free (cli.api);
  g_strfreev (cli.command);
  g_string_free (chosen.path, TRUE);
  return status;
}
