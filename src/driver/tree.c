#include "driver/tree.h"

#include "base/error.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC          "repoint-tree 1 "
#define DEPTH_MAX      250
#define PROBLEMS_SHOWN 10
#define WRITE_BITS     0222
#define PERMISSIONS    07777

typedef struct {
  char kind; /* 'd', 'f', 'l' */
  guint mode;
  guint64 size;
  gint64 mtime_ns;
  RpDigest sha256; /* of files, where hashed */
  char *target;    /* of links */
  char *path;
} Entry;

static void
entry_free (gpointer data)
{
  Entry *entry = data;
  g_free (entry->target);
  g_free (entry->path);
  g_free (entry);
}

/* ---- the walk ---- */

typedef struct {
  /* `dir` and `name` reach the entry that `st` describes. A directory comes before its entries, or
   * after them. */
  gboolean (*visit) (int dir, const char *name, const char *path, const struct stat *st,
                     gpointer user_data, GError **error);
  gboolean children_first;
  gpointer user_data;
} Walk;

static gboolean walk_at (const Walk *walk, int dir, const char *name, const char *path, int depth,
                         GError **error);

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

static gboolean
list_names (int fd, const char *path, GPtrArray *names, GError **error)
{
  DIR *dir = fdopendir (fd);
  if (!dir)
    {
      close (fd);
      return rp_error_set_errno (error, errno, "%s", path);
    }
  errno = 0;
  for (struct dirent *entry = readdir (dir); entry; errno = 0, entry = readdir (dir))
    if (!g_str_equal (entry->d_name, ".") && !g_str_equal (entry->d_name, ".."))
      g_ptr_array_add (names, g_strdup (entry->d_name));
  int failure = errno;
  closedir (dir);
  if (failure != 0)
    return rp_error_set_errno (error, failure, "%s", path);
  g_ptr_array_sort (names, compare_names);
  return TRUE;
}

static gboolean
walk_children (const Walk *walk, int dir, const char *name, const char *path, int depth,
               GError **error)
{
  rp_autofd int fd = openat (dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return rp_error_set_errno (error, errno, "%s", path);
  int listed = fcntl (fd, F_DUPFD_CLOEXEC, 0);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  if (!list_names (listed, path, names, error))
    return FALSE;
  for (guint i = 0; i < names->len; i++)
    {
      const char *child = g_ptr_array_index (names, i);
      g_autofree char *below
          = g_str_equal (path, ".") ? g_strdup (child) : g_build_filename (path, child, NULL);
      if (!walk_at (walk, fd, child, below, depth + 1, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
walk_at (const Walk *walk, int dir, const char *name, const char *path, int depth, GError **error)
{
  struct stat st;
  if (depth > DEPTH_MAX)
    return rp_error_set_errno (error, ELOOP, "%s", path);
  if (fstatat (dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return rp_error_set_errno (error, errno, "%s", path);
  gboolean is_dir = S_ISDIR (st.st_mode);
  if (is_dir && walk->children_first && !walk_children (walk, dir, name, path, depth, error))
    return FALSE;
  if (!walk->visit (dir, name, path, &st, walk->user_data, error))
    return FALSE;
  return !is_dir || walk->children_first || walk_children (walk, dir, name, path, depth, error);
}

/* Calls visit for `root` itself as "." and all below it. */
static gboolean
walk_tree (const Walk *walk, const char *root, GError **error)
{
  if (walk_at (walk, AT_FDCWD, root, ".", 0, error))
    return TRUE;
  g_prefix_error (error, "%s: ", root);
  return FALSE;
}

/* ---- seal ---- */

static gboolean
seal_one (int dir, const char *name, const char *path, const struct stat *st, gpointer user_data,
          GError **error)
{
  if (S_ISLNK (st->st_mode))
    return TRUE;
  if (!S_ISREG (st->st_mode) && !S_ISDIR (st->st_mode))
    {
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
                   "%s: a release holds only files, directories and links", path);
      return FALSE;
    }
  mode_t mode = S_ISDIR (st->st_mode) ? 0555 : st->st_mode & 0777 & ~(mode_t)WRITE_BITS;
  if ((st->st_mode & PERMISSIONS) != mode && fchmodat (dir, name, mode, 0) < 0)
    return rp_error_set_errno (error, errno, "%s", path);
  return TRUE;
}

gboolean
rp_tree_seal (const char *root, GError **error)
{
  const Walk walk = { .visit = seal_one, .children_first = TRUE };
  return walk_tree (&walk, root, error);
}

/* ---- look ---- */

typedef struct {
  GPtrArray *entries; /* Entry, in order */
  gboolean hash;
} Scan;

static gboolean
hash_file (int dir, const char *name, const char *path, RpDigest *out, GError **error)
{
  rp_autofd int fd = openat (dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    return rp_error_set_errno (error, errno, "%s", path);
  return rp_digest_of_fd (RP_DIGEST_SHA256, fd, out, NULL, error);
}

static gboolean
read_target (int dir, const char *name, const char *path, char **out, GError **error)
{
  char target[PATH_MAX];
  gssize length = readlinkat (dir, name, target, sizeof target);
  if (length < 0)
    return rp_error_set_errno (error, errno, "%s", path);
  *out = g_strndup (target, (gsize)length);
  return TRUE;
}

static gboolean
scan_one (int dir, const char *name, const char *path, const struct stat *st, gpointer user_data,
          GError **error)
{
  Scan *scan = user_data;
  Entry *entry = g_new0 (Entry, 1);
  g_ptr_array_add (scan->entries, entry);
  entry->path = g_strdup (path);
  entry->mode = st->st_mode & PERMISSIONS;
  entry->kind = S_ISDIR (st->st_mode) ? 'd' : S_ISREG (st->st_mode) ? 'f' : '?';
  if (S_ISLNK (st->st_mode))
    {
      entry->kind = 'l';
      return read_target (dir, name, path, &entry->target, error);
    }
  if (entry->kind != 'f')
    return TRUE;
  entry->size = (guint64)st->st_size;
  entry->mtime_ns = st->st_mtim.tv_sec * G_GINT64_CONSTANT (1000000000) + st->st_mtim.tv_nsec;
  return !scan->hash || hash_file (dir, name, path, &entry->sha256, error);
}

static GPtrArray *
scan_tree (const char *root, gboolean hash, GError **error)
{
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func (entry_free);
  Scan scan = { entries, hash };
  const Walk walk = { .visit = scan_one, .user_data = &scan };
  return walk_tree (&walk, root, error) ? g_steal_pointer (&entries) : NULL;
}

/* ---- write ---- */

static void
print_entry (GString *text, const Entry *entry)
{
  char digest[RP_DIGEST_STRING_SIZE];
  g_autofree char *path = g_strescape (entry->path, NULL);
  if (entry->kind == 'd')
    {
      g_string_append_printf (text, "d\t%04o\t%s\n", entry->mode, path);
    }
  else if (entry->kind == 'f')
    {
      const char *hex = rp_digest_format (&entry->sha256, digest) + strlen ("sha256:");
      g_string_append_printf (text,
                              "f\t%04o\t%" G_GUINT64_FORMAT "\t%" G_GINT64_FORMAT "\t%s\t%s\n",
                              entry->mode, entry->size, entry->mtime_ns, hex, path);
    }
  else
    {
      g_autofree char *target = g_strescape (entry->target, NULL);
      g_string_append_printf (text, "l\t%s\t%s\n", target, path);
    }
}

gboolean
rp_tree_record (const char *root, const RpDigest *artifact, const char *record_path, GError **error)
{
  char digest[RP_DIGEST_STRING_SIZE];
  g_autoptr (GPtrArray) entries = scan_tree (root, TRUE, error);
  if (!entries)
    return FALSE;
  g_autoptr (GString) text = g_string_new (NULL);
  g_string_append_printf (text, "digest %s\n", rp_digest_format (artifact, digest));
  for (guint i = 0; i < entries->len; i++)
    print_entry (text, g_ptr_array_index (entries, i));
  RpDigest own = rp_digest_of (RP_DIGEST_SHA256, text->str, text->len);
  g_autofree char *first = g_strdup_printf (MAGIC "%s\n", rp_digest_format (&own, digest));
  g_string_prepend (text, first);
  return rp_file_replace (record_path, text->str, text->len, 0444, error);
}

/* ---- read ---- */

static gboolean
bad_record (const char *record_path, const char *why, GError **error)
{
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT, "record %s %s", record_path, why);
  return FALSE;
}

static Entry *
parse_entry (char *line)
{
  static const struct {
    char kind;
    guint n_fields;
  } kinds[] = { { 'd', 3 }, { 'f', 6 }, { 'l', 3 } };
  g_auto (GStrv) fields = g_strsplit (line, "\t", -1);
  guint n = g_strv_length (fields);
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      if (n != kinds[i].n_fields || fields[0][0] != kinds[i].kind || fields[0][1] != '\0')
        continue;
      Entry *entry = g_new0 (Entry, 1);
      entry->kind = kinds[i].kind;
      entry->path = g_strcompress (fields[n - 1]);
      if (entry->kind == 'l')
        {
          entry->target = g_strcompress (fields[1]);
          return entry;
        }
      entry->mode = (guint)g_ascii_strtoull (fields[1], NULL, 8);
      if (entry->kind == 'd')
        return entry;
      g_autofree char *digest = g_strconcat ("sha256:", fields[4], NULL);
      entry->size = g_ascii_strtoull (fields[2], NULL, 10);
      entry->mtime_ns = g_ascii_strtoll (fields[3], NULL, 10);
      if (rp_digest_parse (digest, &entry->sha256, NULL))
        return entry;
      entry_free (entry);
    }
  return NULL;
}

/* The text after the first line, if it is what the first line says. */
static const char *
check_header (const char *text, gsize size)
{
  const char *end = memchr (text, '\n', size);
  if (!end || !g_str_has_prefix (text, MAGIC))
    return NULL;
  RpDigest told;
  g_autofree char *digest = g_strndup (text + strlen (MAGIC), (gsize)(end - text) - strlen (MAGIC));
  if (!rp_digest_parse (digest, &told, NULL))
    return NULL;
  const char *body = end + 1;
  RpDigest found = rp_digest_of (RP_DIGEST_SHA256, body, size - (gsize)(body - text));
  return rp_digest_equal (&told, &found) ? body : NULL;
}

static gboolean
parse_lines (char *body, const RpDigest *artifact, const char *record_path, GPtrArray *entries,
             GError **error)
{
  char digest[RP_DIGEST_STRING_SIZE];
  g_autofree char *expected = g_strdup_printf ("digest %s", rp_digest_format (artifact, digest));
  char *rest = body;
  const char *first = strsep (&rest, "\n");
  if (!g_str_equal (first, expected))
    return bad_record (record_path, "is about another artifact", error);
  while (rest && *rest)
    {
      Entry *entry = parse_entry (strsep (&rest, "\n"));
      if (!entry)
        return bad_record (record_path, "has a line that cannot be read", error);
      g_ptr_array_add (entries, entry);
    }
  return TRUE;
}

static GPtrArray *
read_record (const char *record_path, const RpDigest *artifact, GError **error)
{
  gsize size;
  g_autoptr (GError) failure = NULL;
  g_autoptr (GBytes) bytes = rp_file_read (record_path, RP_TREE_RECORD_LIMIT, &failure);
  if (!bytes)
    {
      g_autofree char *why = g_strdup_printf ("cannot be read: %s", failure->message);
      (void)!bad_record (record_path, why, error);
      return NULL;
    }
  const char *data = g_bytes_get_data (bytes, &size);
  g_autofree char *text = g_strndup (data ? data : "", size);
  const char *body = strlen (text) == size ? check_header (text, size) : NULL;
  if (!body)
    {
      (void)!bad_record (record_path, "is damaged: it is not what its own hash says", error);
      return NULL;
    }
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func (entry_free);
  g_autofree char *lines = g_strdup (body);
  return parse_lines (lines, artifact, record_path, entries, error) ? g_steal_pointer (&entries)
                                                                    : NULL;
}

/* ---- compare ---- */

/* NULL if they are the same, else what differs. */
static const char *
difference (const Entry *told, const Entry *found, RpTreeDepth depth)
{
  if (told->kind != found->kind)
    return "another kind of thing";
  if (told->kind == 'l')
    return g_str_equal (told->target, found->target) ? NULL : "link target";
  if (told->mode != found->mode)
    return "mode";
  if (told->kind == 'd')
    return NULL;
  if (told->size != found->size)
    return "size";
  if (depth == RP_TREE_LOOK)
    return told->mtime_ns == found->mtime_ns ? NULL : "time of change";
  return rp_digest_equal (&told->sha256, &found->sha256) ? NULL : "content";
}

static void
add_problem (GPtrArray *problems, const char *what, const Entry *entry, const char *detail)
{
  g_autofree char *path = g_strescape (entry->path, NULL);
  g_ptr_array_add (problems, detail ? g_strdup_printf ("%s %s (%s)", what, path, detail)
                                    : g_strdup_printf ("%s %s", what, path));
}

static GHashTable *
by_path (GPtrArray *entries)
{
  GHashTable *table = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 0; i < entries->len; i++)
    {
      Entry *entry = g_ptr_array_index (entries, i);
      g_hash_table_insert (table, entry->path, entry);
    }
  return table;
}

static GPtrArray *
compare (GPtrArray *told, GPtrArray *found, RpTreeDepth depth)
{
  GPtrArray *problems = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GHashTable) there = by_path (found);
  g_autoptr (GHashTable) expected = by_path (told);
  for (guint i = 0; i < told->len; i++)
    {
      const Entry *entry = g_ptr_array_index (told, i);
      const Entry *other = g_hash_table_lookup (there, entry->path);
      const char *detail = other ? difference (entry, other, depth) : NULL;
      if (!other)
        add_problem (problems, "missing", entry, NULL);
      else if (detail)
        add_problem (problems, "changed", entry, detail);
    }
  for (guint i = 0; i < found->len; i++)
    {
      const Entry *entry = g_ptr_array_index (found, i);
      if (!g_hash_table_contains (expected, entry->path))
        add_problem (problems, "extra", entry, NULL);
    }
  return problems;
}

gboolean
rp_tree_check (const char *root, const RpDigest *artifact, const char *record_path,
               RpTreeDepth depth, GError **error)
{
  g_autoptr (GPtrArray) told = read_record (record_path, artifact, error);
  if (!told)
    return FALSE;
  g_autoptr (GPtrArray) found = scan_tree (root, depth == RP_TREE_HASH, error);
  if (!found)
    return FALSE;
  g_autoptr (GPtrArray) problems = compare (told, found, depth);
  if (problems->len == 0)
    return TRUE;
  guint total = problems->len;
  g_ptr_array_set_size (problems, (gint)MIN (total, PROBLEMS_SHOWN));
  g_ptr_array_add (problems, NULL);
  g_autofree char *list = g_strjoinv (", ", (char **)problems->pdata);
  g_set_error (error, RP_ERROR, RP_ERROR_CORRUPT, "%s is not what was unpacked; %u %s: %s%s", root,
               total, total == 1 ? "difference" : "differences", list,
               total > PROBLEMS_SHOWN ? ", …" : "");
  return FALSE;
}
