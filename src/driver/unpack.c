/* Invariants, on which all safety rests:
 *
 *  U1  Every name is relative and normal: no empty part, no `.`, no `..` (clean_name).
 *  U2  Nothing is made, removed or linked below a name that is not a real directory
 * (check_parents). U3  The target of a symbolic link has `..` only in front, and no more of them
 * than the link has directories above it inside the tree (check_symlink).  By U2 those directories
 * are real, so by induction following any chain of links stays inside. U4  A hard link names a
 * regular file inside (check_hardlink).
 *
 * libarchive's own checks are on as well, as a second pair of eyes.  They want relative names, so
 * the work is done in a thread with a working directory and umask of its own.
 */
#include "driver/unpack.h"

#include "base/error.h"
#include "base/file.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES     (64 * 1024)
#define WHITEOUT        ".wh."
#define WHITEOUT_META   ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

enum {
  DISK_FLAGS = ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_SECURE_SYMLINKS
               | ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DIR, closedir)

typedef struct {
  const char *into;
  const RpUnpackLayer *layers;
  gsize n_layers;
  RpUnpackLimits limits;
  const gint *cancelled;
  GError **error;

  struct archive *reader, *disk;
  guint64 entries, bytes;
  GHashTable *seen; /* names that the current layer brought, and the directories above them */
  const char *name; /* of the entry at hand, clean */
} Unpack;

/* ---- refusals ---- */

G_GNUC_PRINTF (4, 5)
static gboolean
refuse (const char *name, RpErrorCode code, GError **error, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *reason = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *shown = g_strescape (name, NULL);
  g_set_error (error, RP_ERROR, (int)code, "entry \"%s\" %s", shown, reason);
  return FALSE;
}

/* The word for `error` of libarchive; a full disk is told apart from a bad archive. */
static gboolean
archive_failed (struct archive *archive, const char *name, GError **error)
{
  int code = archive_errno (archive);
  const char *text = archive_error_string (archive);
  gboolean full = code == ENOSPC || code == EDQUOT;
  return refuse (name, full ? RP_ERROR_NO_SPACE : RP_ERROR_INVALID, error, "cannot be unpacked: %s",
                 full   ? "the disk is full"
                 : text ? text
                        : "unknown reason");
}

static gboolean
system_failed (const char *name, GError **error)
{
  g_autofree char *shown = g_strescape (name, NULL);
  return rp_error_set_errno (error, errno, "entry \"%s\"", shown);
}

/* ---- names ---- */

/* U1. `./a//b/` → `a/b`; the root itself → "". */
static gboolean
clean_name (const char *raw, char **out, GError **error)
{
  if (!raw || !*raw)
    return refuse ("", RP_ERROR_INVALID, error, "has no readable name");
  if (*raw == '/')
    return refuse (raw, RP_ERROR_INVALID, error, "has an absolute name");
  if (strlen (raw) >= PATH_MAX)
    return refuse (raw, RP_ERROR_INVALID, error, "has a name of more than %d bytes", PATH_MAX - 1);
  g_auto (GStrv) parts = g_strsplit (raw, "/", -1);
  g_autoptr (GString) clean = g_string_new (NULL);
  guint depth = 0;
  for (char **part = parts; *part; part++)
    {
      if (**part == '\0' || g_str_equal (*part, "."))
        continue;
      if (g_str_equal (*part, ".."))
        return refuse (raw, RP_ERROR_INVALID, error, "has \"..\" in its name");
      if (++depth > RP_UNPACK_DEPTH_MAX)
        return refuse (raw, RP_ERROR_INVALID, error, "lies deeper than %d directories",
                       RP_UNPACK_DEPTH_MAX);
      g_string_append_printf (clean, "%s%s", clean->len > 0 ? "/" : "", *part);
    }
  *out = g_strdup (clean->str);
  return TRUE;
}

/* U2. Every directory above `name` is a real one or is not there yet. */
static gboolean
check_parents (const char *name, GError **error)
{
  struct stat st;
  for (const char *slash = strchr (name, '/'); slash; slash = strchr (slash + 1, '/'))
    {
      g_autofree char *parent = g_strndup (name, (gsize)(slash - name));
      if (lstat (parent, &st) < 0)
        return errno == ENOENT || system_failed (name, error);
      if (S_ISLNK (st.st_mode))
        return refuse (name, RP_ERROR_INVALID, error, "would be written through the link \"%s\"",
                       parent);
      if (!S_ISDIR (st.st_mode))
        return refuse (name, RP_ERROR_INVALID, error, "lies below \"%s\", which is a file", parent);
    }
  return TRUE;
}

/* U3 */
static gboolean
check_symlink (const char *name, const char *target, GError **error)
{
  if (!target || !*target)
    return refuse (name, RP_ERROR_INVALID, error, "is a symbolic link to nothing");
  if (*target == '/')
    return refuse (name, RP_ERROR_INVALID, error,
                   "is a symbolic link to the absolute path %s, which lies outside of the release; "
                   "use a relative one",
                   target);
  guint above = 0;
  for (const char *slash = strchr (name, '/'); slash; slash = strchr (slash + 1, '/'))
    above++;
  g_auto (GStrv) parts = g_strsplit (target, "/", -1);
  gboolean named = FALSE;
  for (char **part = parts; *part; part++)
    {
      if (**part == '\0' || g_str_equal (*part, "."))
        continue;
      if (!g_str_equal (*part, ".."))
        {
          named = TRUE;
          continue;
        }
      if (named)
        return refuse (
            name, RP_ERROR_INVALID, error,
            "is a symbolic link to %s, where \"..\" follows a name; only leading ones are "
            "allowed",
            target);
      if (above-- == 0)
        return refuse (name, RP_ERROR_INVALID, error,
                       "is a symbolic link to %s, which leads out of the release", target);
    }
  return TRUE;
}

/* U4 */
static gboolean
check_hardlink (const char *name, const char *raw_target, char **out, GError **error)
{
  struct stat st;
  g_autofree char *target = NULL;
  if (!clean_name (raw_target, &target, error) || !check_parents (target, error))
    {
      g_prefix_error (error, "hard link \"%s\": its target: ", name);
      return FALSE;
    }
  if (g_str_equal (target, name))
    return refuse (name, RP_ERROR_INVALID, error, "is a hard link to itself");
  if (lstat (target, &st) < 0)
    return refuse (name, RP_ERROR_INVALID, error, "is a hard link to \"%s\", which is not there",
                   target);
  if (!S_ISREG (st.st_mode))
    return refuse (name, RP_ERROR_INVALID, error, "is a hard link to \"%s\", which is no file",
                   target);
  *out = g_steal_pointer (&target);
  return TRUE;
}

static void
remember (Unpack *unpack, const char *name)
{
  g_hash_table_add (unpack->seen, g_strdup (name));
  for (const char *slash = strchr (name, '/'); slash; slash = strchr (slash + 1, '/'))
    g_hash_table_add (unpack->seen, g_strndup (name, (gsize)(slash - name)));
}

/* ---- whiteouts ---- */

static gboolean hide (Unpack *unpack, const char *name, GError **error);

/* Hides all below the real directory `name` ("" is the root). */
static gboolean
hide_below (Unpack *unpack, const char *name, GError **error)
{
  g_autoptr (GPtrArray) children = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (DIR) dir = opendir (*name ? name : ".");
  if (!dir)
    return errno == ENOENT || errno == ENOTDIR || system_failed (name, error);
  for (struct dirent *entry = readdir (dir); entry; entry = readdir (dir))
    if (!g_str_equal (entry->d_name, ".") && !g_str_equal (entry->d_name, ".."))
      g_ptr_array_add (children, *name ? g_build_filename (name, entry->d_name, NULL)
                                       : g_strdup (entry->d_name));
  for (guint i = 0; i < children->len; i++)
    if (!hide (unpack, g_ptr_array_index (children, i), error))
      return FALSE;
  return TRUE;
}

/* Removes what lower layers brought under `name`; what this layer brought stays, whatever the
 * order. */
static gboolean
hide (Unpack *unpack, const char *name, GError **error)
{
  struct stat st;
  if (!g_hash_table_contains (unpack->seen, name))
    return rp_dir_remove (name, error);
  if (lstat (name, &st) < 0 || !S_ISDIR (st.st_mode))
    return TRUE;
  return hide_below (unpack, name, error);
}

static gboolean
apply_whiteout (Unpack *unpack, const char *name, const char *base, GError **error)
{
  g_autofree char *parent = g_strndup (name, (gsize)(base - name));
  if (base > name)
    parent[base - name - 1] = '\0';
  if (g_str_equal (base, WHITEOUT_OPAQUE))
    return check_parents (name, error) && hide_below (unpack, parent, error);
  if (g_str_has_prefix (base, WHITEOUT_META))
    return TRUE; /* bookkeeping of AUFS, which means nothing elsewhere */
  const char *hidden = base + strlen (WHITEOUT);
  if (!*hidden || g_str_equal (hidden, ".") || g_str_equal (hidden, ".."))
    return refuse (name, RP_ERROR_INVALID, error, "is a whiteout of nothing");
  g_autofree char *path = *parent ? g_build_filename (parent, hidden, NULL) : g_strdup (hidden);
  return check_parents (path, error) && hide (unpack, path, error);
}

/* ---- entries ---- */

/* Makes room for an entry: what is there is kept only if old and new are both directories. */
static gboolean
clear_place (Unpack *unpack, const char *name, gboolean is_dir, GError **error)
{
  struct stat st;
  if (lstat (name, &st) < 0)
    return errno == ENOENT || system_failed (name, error);
  gboolean was_dir = S_ISDIR (st.st_mode);
  if (was_dir && is_dir)
    return TRUE;
  if (was_dir != is_dir && g_hash_table_contains (unpack->seen, name))
    return refuse (name, RP_ERROR_INVALID, error,
                   "is a directory and something else in the same layer");
  return rp_dir_remove (name, error);
}

static gboolean
is_cancelled (const Unpack *unpack)
{
  return unpack->cancelled && g_atomic_int_get (unpack->cancelled);
}

/* Holes count as well: whoever reads the file reads them. The writer never goes beyond this size.
 */
static gboolean
count_bytes (Unpack *unpack, struct archive_entry *entry, GError **error)
{
  gint64 size = archive_entry_size_is_set (entry) ? archive_entry_size (entry) : 0;
  if (size <= 0)
    return TRUE;
  if ((guint64)size <= unpack->limits.max_bytes - unpack->bytes)
    {
      unpack->bytes += (guint64)size;
      return TRUE;
    }
  return refuse (unpack->name, RP_ERROR_TOO_LARGE, error,
                 "takes the release beyond %" G_GUINT64_FORMAT " bytes (limit max_bytes)",
                 unpack->limits.max_bytes);
}

static gboolean
copy_data (Unpack *unpack, GError **error)
{
  for (;;)
    {
      const void *data;
      gsize size;
      la_int64_t offset;
      int result = archive_read_data_block (unpack->reader, &data, &size, &offset);
      if (result == ARCHIVE_EOF)
        return TRUE;
      if (result != ARCHIVE_OK)
        return archive_failed (unpack->reader, unpack->name, error);
      if (is_cancelled (unpack))
        return refuse (unpack->name, RP_ERROR_BUSY, error, "was not unpacked: cancelled");
      if (archive_write_data_block (unpack->disk, data, size, offset) < ARCHIVE_OK)
        return archive_failed (unpack->disk, unpack->name, error);
    }
}

/* Read bits stay, execute bits stay, all others go; the owner can always read. */
static mode_t
safe_mode (const struct archive_entry *entry, gboolean is_dir)
{
  if (is_dir)
    return 0755; /* until it is full; see rp_tree_seal() */
  return (archive_entry_perm ((struct archive_entry *)entry) & 0555) | 0400;
}

static gboolean
write_entry (Unpack *unpack, struct archive_entry *entry, GError **error)
{
  if (archive_write_header (unpack->disk, entry) != ARCHIVE_OK)
    return archive_failed (unpack->disk, unpack->name, error);
  if (archive_entry_size (entry) > 0 && !copy_data (unpack, error))
    return FALSE;
  if (archive_write_finish_entry (unpack->disk) != ARCHIVE_OK)
    return archive_failed (unpack->disk, unpack->name, error);
  return TRUE;
}

static const char *
type_name (mode_t type)
{
  return type == AE_IFCHR || type == AE_IFBLK ? "a device"
         : type == AE_IFIFO                   ? "a named pipe"
         : type == AE_IFSOCK                  ? "a socket"
                                              : "of an unknown kind";
}

/* Everything about the entry but its place; sets what may be written. */
static gboolean
check_kind (Unpack *unpack, struct archive_entry *entry, const char *name, GError **error)
{
  mode_t type = archive_entry_filetype (entry);
  const char *linked = archive_entry_hardlink (entry);
  if (linked)
    {
      g_autofree char *target = NULL;
      if (!check_hardlink (name, linked, &target, error))
        return FALSE;
      archive_entry_copy_hardlink (entry, target);
      archive_entry_unset_size (entry); /* the bytes are those of the target */
      archive_entry_set_filetype (entry, AE_IFREG);
    }
  else if (type == AE_IFLNK)
    {
      if (!check_symlink (name, archive_entry_symlink (entry), error))
        return FALSE;
    }
  else if (type != AE_IFREG && type != AE_IFDIR)
    {
      return refuse (name, RP_ERROR_INVALID, error,
                     "is %s; a release holds only files, directories and links", type_name (type));
    }
  archive_entry_copy_pathname (entry, name);
  archive_entry_set_perm (entry, safe_mode (entry, type == AE_IFDIR));
  return TRUE;
}

static gboolean
take_named (Unpack *unpack, struct archive_entry *entry, const char *name, GError **error)
{
  const char *slash = strrchr (name, '/');
  const char *base = slash ? slash + 1 : name;
  if (g_str_has_prefix (base, WHITEOUT))
    return apply_whiteout (unpack, name, base, error);
  gboolean is_dir = archive_entry_filetype (entry) == AE_IFDIR && !archive_entry_hardlink (entry);
  unpack->name = name;
  if (!check_parents (name, error) || !check_kind (unpack, entry, name, error)
      || !count_bytes (unpack, entry, error) || !clear_place (unpack, name, is_dir, error))
    return FALSE;
  remember (unpack, name);
  return write_entry (unpack, entry, error);
}

static gboolean
take_entry (Unpack *unpack, struct archive_entry *entry, GError **error)
{
  g_autofree char *name = NULL;
  if (!clean_name (archive_entry_pathname (entry), &name, error))
    return FALSE;
  if (++unpack->entries > unpack->limits.max_entries)
    return refuse (name, RP_ERROR_TOO_LARGE, error,
                   "is one more than the %" G_GUINT64_FORMAT " a release may have (limit "
                   "max_entries)",
                   unpack->limits.max_entries);
  if (is_cancelled (unpack))
    return refuse (name, RP_ERROR_BUSY, error, "was not unpacked: cancelled");
  if (!*name)
    { /* the root is ours */
      if (archive_entry_filetype (entry) == AE_IFDIR)
        return TRUE;
      return refuse (".", RP_ERROR_INVALID, error, "stands in the place of the whole release");
    }
  return take_named (unpack, entry, name, error);
}

/* ---- layers ---- */

static gboolean
read_entries (Unpack *unpack, GError **error)
{
  struct archive_entry *entry;
  for (;;)
    {
      int result = archive_read_next_header (unpack->reader, &entry);
      if (result == ARCHIVE_EOF)
        return TRUE;
      if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
        {
          g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "it is no readable tar archive: %s",
                       archive_error_string (unpack->reader));
          return FALSE;
        }
      if (!take_entry (unpack, entry, error))
        return FALSE;
    }
}

static gboolean
read_layer (Unpack *unpack, const RpUnpackLayer *layer, GError **error)
{
  unpack->reader = archive_read_new ();
  archive_read_support_format_tar (unpack->reader);
  archive_read_support_filter_gzip (unpack->reader);
  archive_read_support_filter_zstd (unpack->reader);
  unpack->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  gboolean ok = TRUE;
  if (archive_read_open_fd (unpack->reader, layer->fd, BLOCK_BYTES) != ARCHIVE_OK)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "it is no tar archive (plain, gzip or zstd): %s",
                   archive_error_string (unpack->reader));
      ok = FALSE;
    }
  ok = ok && read_entries (unpack, error);
  archive_read_free (unpack->reader);
  g_hash_table_unref (unpack->seen);
  if (!ok)
    g_prefix_error (error, "%s: ", layer->name);
  return ok;
}

static gboolean
read_layers (Unpack *unpack, GError **error)
{
  for (gsize i = 0; i < unpack->n_layers; i++)
    if (!read_layer (unpack, &unpack->layers[i], error))
      return FALSE;
  return TRUE;
}

/* Directories get their times when the writer is closed. */
static gboolean
unpack_here (Unpack *unpack, GError **error)
{
  unpack->disk = archive_write_disk_new ();
  archive_write_disk_set_options (unpack->disk, DISK_FLAGS);
  gboolean ok = read_layers (unpack, error);
  if (ok && archive_write_close (unpack->disk) != ARCHIVE_OK)
    ok = archive_failed (unpack->disk, ".", error);
  archive_write_free (unpack->disk);
  return ok;
}

/* The body of the thread: what it changes (directory, umask, locale) ends with it. */
static gpointer
unpack_thread (gpointer data)
{
  Unpack *unpack = data;
  if (unshare (CLONE_FS) < 0 || chdir (unpack->into) < 0)
    return GINT_TO_POINTER (rp_error_set_errno (unpack->error, errno, "%s", unpack->into));
  umask (022);
  /* Names in pax headers are UTF-8 and must come through whatever the environment says. */
  locale_t utf8 = newlocale (LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
  locale_t before = utf8 ? uselocale (utf8) : (locale_t)0;
  gboolean ok = unpack_here (unpack, unpack->error);
  if (utf8)
    {
      uselocale (before);
      freelocale (utf8);
    }
  return GINT_TO_POINTER (ok);
}

gboolean
rp_unpack (const char *into, const RpUnpackLayer *layers, gsize n_layers,
           const RpUnpackLimits *limits, const gint *cancelled, GError **error)
{
  g_assert (g_path_is_absolute (into));
  Unpack unpack = { .into = into,
                    .layers = layers,
                    .n_layers = n_layers,
                    .limits = *limits,
                    .cancelled = cancelled,
                    .error = error };
  g_autoptr (GError) failure = NULL;
  GThread *thread = g_thread_try_new ("unpack", unpack_thread, &unpack, &failure);
  if (thread)
    return GPOINTER_TO_INT (g_thread_join (thread));
  g_set_error (error, RP_ERROR, RP_ERROR_FAILED, "cannot unpack: %s", failure->message);
  return FALSE;
}
