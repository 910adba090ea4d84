#include "cli/verbs.h"

static gboolean list_verbs;

const GOptionEntry rp_help_options[] = {
  { "verbs", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &list_verbs,
    "One line a verb, for programs: NAME<TAB>SUMMARY", NULL },
  G_OPTION_ENTRY_NULL
};

static void
print_lines (const RpVerb *verbs)
{
  for (const RpVerb *verb = verbs; verb != NULL && verb->name != NULL; verb++)
    printf ("%s\t%s\n", verb->name, verb->summary);
}

static void
print_overview (const RpVerb *verbs)
{
  fputs ("Build once, deploy the digest, keep the bytes, roll back by re-pointing.\n\n"
         "Usage: repoint VERB [OPTION...] ...\n\n",
         stdout);
  for (const RpVerb *verb = verbs; verb->name != NULL; verb++)
    printf ("  %-9s %s\n", verb->name, verb->summary);
  fputs ("\nEvery verb takes --server URL (or REPOINT_SERVER), -o json and --help.\n"
         "More: `repoint help VERB`, man repoint\n",
         stdout);
}

gboolean
rp_help_run (RpCli *cli, char **args, GError **error)
{
  const RpVerb *verbs = cli->verbs;
  const RpVerb *verb = NULL;
  g_autoptr (GString) path = g_string_new (NULL);
  for (; *args != NULL; args++)
    {
      verb = rp_verb_find (verbs, *args);
      if (verb == NULL)
        {
          g_set_error (error, RP_ERROR, RP_ERROR_USAGE, "unknown verb `%s`", *args);
          return FALSE;
        }
      g_string_append_printf (path, "%s%s", path->len > 0 ? " " : "", verb->name);
      verbs = verb->verbs;
    }
  if (list_verbs)
    print_lines (verbs);
  else if (verb == NULL)
    print_overview (cli->verbs);
  else
    {
      g_autofree char *help = rp_cli_help (verb, path->str);
      fputs (help, stdout);
    }
  return TRUE;
}
