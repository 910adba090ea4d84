/* Tar archives for tests, entry by entry, good ones and bad ones. */
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <glib.h>
#include <string.h>

typedef struct {
  char type;          /* 'f' file, 'd' directory, 'l' symlink, 'h' hard link, 'c' 'b' devices, 'p' fifo */
  const char *path;
  const char *text;   /* contents, or the target of a link */
  int mode;           /* 0: 0644, directories 0755 */
  gint64 sparse_size; /* of a file whose data are a hole but for its text; 0: no hole */
} TarEntry;

#define TAR_END { 0, NULL, NULL, 0, 0 }

static inline int
tar_file_type (char type)
{
  switch (type)
    {
    case 'd': return AE_IFDIR;
    case 'l': return AE_IFLNK;
    case 'c': return AE_IFCHR;
    case 'b': return AE_IFBLK;
    case 'p': return AE_IFIFO;
    default: return AE_IFREG;
    }
}

static inline void
tar_add (struct archive *tar, const TarEntry *from)
{
  struct archive_entry *entry = archive_entry_new ();
  gsize size = from->type == 'f' && from->text ? strlen (from->text) : 0;
  archive_entry_set_pathname (entry, from->path);
  archive_entry_set_filetype (entry, (unsigned) tar_file_type (from->type));
  archive_entry_set_perm (entry, (mode_t) (from->mode ? from->mode : from->type == 'd' ? 0755 : 0644));
  archive_entry_set_mtime (entry, 1700000000, 0);
  archive_entry_set_size (entry, from->sparse_size ? from->sparse_size : (gint64) size);
  if (from->sparse_size)
    archive_entry_sparse_add_entry (entry, 0, (gint64) size);
  if (from->type == 'l')
    archive_entry_set_symlink (entry, from->text);
  if (from->type == 'h')
    archive_entry_set_hardlink (entry, from->text);
  g_assert (archive_write_header (tar, entry) >= ARCHIVE_WARN);
  if (size > 0)
    g_assert (archive_write_data (tar, from->text, size) == (gssize) size);
  archive_entry_free (entry);
}

/* `filter`: NULL, "gzip" or "zstd". */
static inline GBytes *
tar_make (const TarEntry *entries, const char *filter)
{
  gsize capacity = 4 * 1024 * 1024, used = 0;
  char *buffer = g_malloc (capacity);
  struct archive *tar = archive_write_new ();
  archive_write_set_format_pax (tar);
  if (filter)
    g_assert (archive_write_add_filter_by_name (tar, filter) == ARCHIVE_OK);
  g_assert (archive_write_open_memory (tar, buffer, capacity, &used) == ARCHIVE_OK);
  for (; entries->type; entries++)
    tar_add (tar, entries);
  g_assert (archive_write_close (tar) == ARCHIVE_OK);
  archive_write_free (tar);
  return g_bytes_new_take (buffer, used);
}
