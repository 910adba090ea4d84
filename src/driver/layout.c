#include "driver/layout.h"

#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RELEASES "releases"
#define RECORD   ".tree"
#define SPARE    ".link"

/* ---- names ---- */

static char *
release_name (const RpDigest *digest)
{
  char text[RP_DIGEST_STRING_SIZE];
  rp_digest_format (digest, text);
  *strchr (text, ':') = '-';
  return g_strdup (text);
}

char *
rp_layout_releases (const char *root)
{
  return g_build_filename (root, RELEASES, NULL);
}

char *
rp_layout_release (const char *root, const RpDigest *digest)
{
  g_autofree char *name = release_name (digest);
  return g_build_filename (root, RELEASES, name, NULL);
}

char *
rp_layout_record (const char *root, const RpDigest *digest)
{
  g_autofree char *release = rp_layout_release (root, digest);
  return g_strconcat (release, RECORD, NULL);
}

char *
rp_layout_current (const char *root)
{
  return g_build_filename (root, "current", NULL);
}

gboolean
rp_layout_parse_name (const char *name, RpDigest *out)
{
  g_autofree char *text = g_strdup (name);
  char *dash = strchr (text, '-');
  if (!dash)
    return FALSE;
  *dash = ':';
  return rp_digest_parse (text, out, NULL);
}

/* What a link to the release says, seen from ROOT. */
static char *
link_text (const RpDigest *digest)
{
  g_autofree char *name = release_name (digest);
  return g_build_filename (RELEASES, name, NULL);
}

static gboolean
parse_link_text (const char *text, RpDigest *out)
{
  return g_str_has_prefix (text, RELEASES "/")
         && rp_layout_parse_name (text + strlen (RELEASES "/"), out);
}

/* The text of a link; NULL with errno set if it is none. */
static char *
read_link (const char *path)
{
  char text[PATH_MAX];
  gssize length = readlink (path, text, sizeof text);
  return length < 0 ? NULL : g_strndup (text, (gsize)length);
}

static GPtrArray *
list_names (const char *root, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *releases = rp_layout_releases (root);
  g_autoptr (GError) failure = NULL;
  g_autoptr (GDir) dir = g_dir_open (releases, 0, &failure);
  if (!dir && g_error_matches (failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    return g_steal_pointer (&names);
  if (!dir)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_FAILED, failure->message);
      return NULL;
    }
  for (const char *name = g_dir_read_name (dir); name; name = g_dir_read_name (dir))
    g_ptr_array_add (names, g_strdup (name));
  return g_steal_pointer (&names);
}

/* `sha256-<hex>.link`, `….link.2` */
static gboolean
is_spare_name (const char *name)
{
  const char *end = strstr (name, SPARE);
  return end && (end[strlen (SPARE)] == '\0' || end[strlen (SPARE)] == '.');
}

/* ---- current ---- */

gboolean
rp_layout_read_current (const char *root, RpCurrent *out_kind, RpDigest *out, char **out_text,
                        GError **error)
{
  g_autofree char *current = rp_layout_current (root);
  g_autofree char *text = read_link (current);
  if (!text && errno != ENOENT && errno != EINVAL)
    return rp_error_set_errno (error, errno, "reading the link %s", current);
  if (!text && errno == ENOENT)
    {
      *out_kind = RP_CURRENT_NONE;
      return TRUE;
    }
  *out_kind = text && parse_link_text (text, out) ? RP_CURRENT_RELEASE : RP_CURRENT_FOREIGN;
  if (out_text && *out_kind == RP_CURRENT_FOREIGN)
    *out_text = text ? g_strdup_printf ("%s is a link to %s, not to a release", current, text)
                     : g_strdup_printf ("%s is not a link", current);
  return TRUE;
}

gboolean
rp_layout_is_current (const char *root, const RpDigest *digest)
{
  struct stat here, there;
  g_autofree char *current = rp_layout_current (root);
  g_autofree char *release = rp_layout_release (root, digest);
  return stat (current, &here) == 0 && stat (release, &there) == 0 && here.st_dev == there.st_dev
         && here.st_ino == there.st_ino;
}

/* ---- spares ---- */

/* The path of a link in releases/ that says `text`, or NULL. */
static char *
find_spare (const char *root, const char *text, GPtrArray *names)
{
  for (guint i = 0; i < names->len; i++)
    {
      const char *name = g_ptr_array_index (names, i);
      if (!is_spare_name (name))
        continue;
      g_autofree char *path = g_build_filename (root, RELEASES, name, NULL);
      g_autofree char *found = read_link (path);
      if (g_strcmp0 (found, text) == 0)
        return g_steal_pointer (&path);
    }
  return NULL;
}

gboolean
rp_layout_make_spare (const char *root, const RpDigest *digest, GError **error)
{
  g_autoptr (GPtrArray) names = list_names (root, error);
  if (!names)
    return FALSE;
  g_autofree char *text = link_text (digest);
  g_autofree char *there = find_spare (root, text, names);
  if (there)
    return TRUE;
  g_autofree char *release = rp_layout_release (root, digest);
  g_autofree char *releases = rp_layout_releases (root);
  for (guint n = 0;; n++)
    {
      g_autofree char *path = n == 0 ? g_strconcat (release, SPARE, NULL)
                                     : g_strdup_printf ("%s" SPARE ".%u", release, n);
      if (symlink (text, path) == 0)
        return rp_dir_sync (releases, error);
      if (errno != EEXIST) /* the name of the release may hold the link that was current before */
        return rp_error_set_errno (error, errno, "making the link %s", path);
    }
}

/* TRUE if it was done; FALSE without an error if it has to be done by making a new link. */
static gboolean
exchange (const char *spare, const char *current, gboolean *done, GError **error)
{
  *done = renameat2 (AT_FDCWD, spare, AT_FDCWD, current, RENAME_EXCHANGE) == 0;
  if (*done || errno == ENOENT || errno == EINVAL || errno == ENOSYS)
    return TRUE; /* no `current` yet, or a file system that cannot */
  return rp_error_set_errno (error, errno, "changing %s and %s over", spare, current);
}

static gboolean
switch_link (const char *root, const char *current, const char *text, GError **error)
{
  g_autoptr (GPtrArray) names = list_names (root, error);
  if (!names)
    return FALSE;
  gboolean done = FALSE;
  g_autofree char *spare = find_spare (root, text, names);
  if (spare && !exchange (spare, current, &done, error))
    return FALSE;
  return done || rp_link_replace (current, text, error);
}

gboolean
rp_layout_switch (const char *root, const RpDigest *digest, GError **error)
{
  g_autofree char *current = rp_layout_current (root);
  g_autofree char *releases = rp_layout_releases (root);
  g_autofree char *text = link_text (digest);
  g_autofree char *now = read_link (current);
  if (!now && errno != ENOENT)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_CONFLICT,
                   "%s is there and is not a link; move it away, repoint puts a link in its place",
                   current);
      return FALSE;
    }
  if (g_strcmp0 (now, text) != 0 && !switch_link (root, current, text, error))
    return FALSE;
  return rp_dir_sync (root, error) && rp_dir_sync (releases, error);
}

/* ---- releases ---- */

static gboolean
exists (const char *path)
{
  struct stat st;
  return lstat (path, &st) == 0;
}

gboolean
rp_layout_put_release (const char *root, const RpDigest *digest, const char *made, GError **error)
{
  g_autofree char *release = rp_layout_release (root, digest);
  g_autofree char *releases = rp_layout_releases (root);
  unsigned flags = exists (release) ? RENAME_EXCHANGE : RENAME_NOREPLACE;
  int result = renameat2 (AT_FDCWD, made, AT_FDCWD, release, flags);
  if (result < 0 && flags == RENAME_NOREPLACE)
    result = rename (made, release);
  if (result < 0)
    return rp_error_set_errno (error, errno, "renaming %s to %s", made, release);
  return rp_dir_sync (releases, error)
         && (flags == RENAME_NOREPLACE || rp_dir_remove (made, error));
}

static gboolean
remove_file (const char *path, GError **error)
{
  return unlink (path) == 0 || errno == ENOENT
         || rp_error_set_errno (error, errno, "removing %s", path);
}

/* Spares that point to nothing, records of nothing, and directories that are not finished. */
static gboolean
tidy_one (const char *root, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (root, RELEASES, name, NULL);
  if (g_str_has_prefix (name, RP_LAYOUT_TMP))
    return rp_dir_remove (path, error);
  if (is_spare_name (name))
    {
      RpDigest digest;
      g_autofree char *text = read_link (path);
      g_autofree char *target = text ? g_build_filename (root, text, NULL) : NULL;
      gboolean good = text && parse_link_text (text, &digest) && exists (target);
      return good || remove_file (path, error);
    }
  if (g_str_has_suffix (name, RECORD))
    {
      g_autofree char *release = g_strndup (path, strlen (path) - strlen (RECORD));
      return exists (release) || remove_file (path, error);
    }
  return TRUE;
}

gboolean
rp_layout_tidy (const char *root, GError **error)
{
  g_autoptr (GPtrArray) names = list_names (root, error);
  if (!names)
    return FALSE;
  for (guint i = 0; i < names->len; i++)
    if (!tidy_one (root, g_ptr_array_index (names, i), error))
      return FALSE;
  return TRUE;
}

gboolean
rp_layout_remove_release (const char *root, const RpDigest *digest, GError **error)
{
  g_autofree char *name = release_name (digest);
  g_autofree char *release = rp_layout_release (root, digest);
  g_autofree char *releases = rp_layout_releases (root);
  g_autofree char *doomed_name = g_strconcat (RP_LAYOUT_TMP, "gone-", name, NULL);
  g_autofree char *doomed = g_build_filename (root, RELEASES, doomed_name, NULL);
  if (rename (release, doomed) < 0 && errno != ENOENT)
    return rp_error_set_errno (error, errno, "renaming %s", release);
  return rp_layout_tidy (root, error) && rp_dir_sync (releases, error);
}

GArray *
rp_layout_list (const char *root, GError **error)
{
  g_autoptr (GPtrArray) names = list_names (root, error);
  if (!names)
    return NULL;
  GArray *digests = g_array_new (FALSE, FALSE, sizeof (RpDigest));
  for (guint i = 0; i < names->len; i++)
    {
      RpDigest digest;
      if (rp_layout_parse_name (g_ptr_array_index (names, i), &digest))
        g_array_append_val (digests, digest);
    }
  return digests;
}
