/* The table of verbs. */
#include <stdio.h>

int
main (int argc, char **argv)
{
  (void) argc;
  (void) argv;
  fputs ("repoint " RP_VERSION "\n", stdout);
  return 0;
}
