/* Landlock: which files this process can still reach, landlock(7).  What is granted nowhere is refused by the kernel
 * with EACCES, whoever the process is; descriptors that are open stay as they are.
 *
 * On the process's only thread, before others are started: it holds for this thread and those that it starts.
 */
#pragma once

#include <glib.h>

typedef enum {
  RP_GRANT_READ, /* files, and what directories hold */
  RP_GRANT_LOAD, /* files alone */
  RP_GRANT_LOG,  /* files are made and written to */
  RP_GRANT_WORK, /* all that one does with files and directories; nothing is executed */
} RpGrantKind;

typedef struct {
  char *path; /* with all below it; links are followed when it is granted; one that is missing is passed over */
  RpGrantKind kind;
} RpGrant;

void rp_grant_clear (gpointer grant); /* for GArrays of RpGrant */

/* What the kernel offers; 0: nothing that can be used. RP_LANDLOCK_ABI_MIN is what it takes: before it files could not
 * be linked from one directory to another. */
#define RP_LANDLOCK_ABI_MIN 2
guint rp_landlock_abi (void);

/* Nothing but `grants` (RpGrant) from here on: no ports bound, no signals to processes outside, and abstract unix
 * sockets of others only with `abstract_sockets`, as far as the kernel knows how to. Sets no_new_privs. */
gboolean rp_landlock_restrict (const GArray *grants, gboolean abstract_sockets, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
