/* Runs a fuzz target over the files named on the command line: one test a file, reported as TAP. */
#include <stdio.h>
#include <string.h>

#include "fuzz.h"

int
main (int argc, char **argv)
{
  printf ("1..%d\n", argc - 1);
  for (int i = 1; i < argc; i++)
    {
      g_autofree char *data = NULL;
      gsize size = 0;
      g_autoptr (GError) error = NULL;
      if (!g_file_get_contents (argv[i], &data, &size, &error))
        {
          printf ("not ok %d - %s\n# %s\n", i, argv[i], error->message);
          return 1;
        }
      /* A copy of the exact size: reading past the end is seen by the sanitizers. */
      g_autofree guint8 *exact = g_malloc (MAX (size, 1));
      memcpy (exact, data, size);
      g_autofree char *name = g_path_get_basename (argv[i]);
      LLVMFuzzerTestOneInput (exact, size);
      printf ("ok %d - %s\n", i, name);
      fflush (stdout);
    }
  return argc > 1 ? 0 : 1;
}
