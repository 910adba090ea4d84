#include "oci/reference.h"

#include "base/error.h"

#include <string.h>

#define TAG_MAX         128 /* bytes */
#define PORT_DIGITS_MAX 5

static gboolean
is_lower_alnum (char c)
{
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Length of the separator at `text`: `.`, `_`, `__` or any number of `-`; 0 if there is none. */
static gsize
separator_length (const char *text)
{
  if (*text == '.')
    return 1;
  if (*text == '_')
    return text[1] == '_' ? 2 : 1;
  return strspn (text, "-");
}

/* Steps over `[a-z0-9]+(separator[a-z0-9]+)*`. Returns where it ends, or NULL if there is none. */
static const char *
skip_path_part (const char *text)
{
  for (;;)
    {
      const char *start = text;
      while (is_lower_alnum (*text))
        text++;
      if (text == start)
        return NULL;
      gsize separator = separator_length (text);
      if (separator == 0)
        return text;
      text += separator;
    }
}

gboolean
rp_repository_check (const char *name, GError **error)
{
  if (strlen (name) > RP_REPOSITORY_MAX)
    {
      g_set_error (error, RP_ERROR, RP_ERROR_NAME_INVALID,
                   "repository name of %zu bytes is too long: at most %d are allowed",
                   strlen (name), RP_REPOSITORY_MAX);
      return FALSE;
    }
  const char *end = skip_path_part (name);
  while (end && *end == '/')
    end = skip_path_part (end + 1);
  if (end && *end == '\0')
    return TRUE;
  g_autofree char *shown = g_strescape (name, NULL);
  g_set_error (
      error, RP_ERROR, RP_ERROR_NAME_INVALID,
      "repository name \"%s\" is not allowed: use lower-case letters and digits, joined by "
      "single '.', '_', '__' or '-', in parts divided by '/' (for example shop/web)",
      shown);
  return FALSE;
}

static gboolean
is_tag_char (char c)
{
  return g_ascii_isalnum (c) || c == '_' || c == '.' || c == '-';
}

gboolean
rp_tag_check (const char *tag, GError **error)
{
  gsize length = 0;
  while (is_tag_char (tag[length]))
    length++;
  if (length > 0 && length <= TAG_MAX && tag[length] == '\0' && tag[0] != '.' && tag[0] != '-')
    return TRUE;
  g_autofree char *shown = g_strescape (tag, NULL);
  g_set_error (error, RP_ERROR, RP_ERROR_MANIFEST_INVALID,
               "tag \"%s\" is not allowed: use at most %d letters, digits, '_', '.' and '-', not "
               "starting with '.' or '-'",
               shown, TAG_MAX);
  return FALSE;
}

static gboolean
is_host (const char *part)
{
  return strpbrk (part, ".:") != NULL || g_str_equal (part, "localhost");
}

static gboolean
port_check (const char *port)
{
  gsize digits = strspn (port, "0123456789");
  if (digits == 0 || digits > PORT_DIGITS_MAX || port[digits] != '\0')
    return FALSE;
  guint64 number = g_ascii_strtoull (port, NULL, 10);
  return number > 0 && number <= 65535;
}

/* `name`, `1.2.3.4` or `[v6]`, each perhaps with `:port`. */
static gboolean
host_check (const char *host, GError **error)
{
  const char *end = host;
  if (*host == '[')
    {
      end += 1 + strspn (host + 1, "0123456789abcdefABCDEF:.");
      end = *end == ']' ? end + 1 : host;
    }
  else
    {
      while (g_ascii_isalnum (*end) || *end == '.' || *end == '-')
        end++;
    }
  if (end > host && (*end == '\0' || (*end == ':' && port_check (end + 1))))
    return TRUE;
  g_autofree char *shown = g_strescape (host, NULL);
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               "\"%s\" is not a registry address (host or host:port)", shown);
  return FALSE;
}

/* Ends the text at `mark` and returns what follows it; NULL if there is no such mark. */
static char *
cut_at (char *mark)
{
  if (!mark)
    return NULL;
  *mark = '\0';
  return mark + 1;
}

static gboolean
split_reference (char *rest, RpReference *out, GError **error)
{
  char *slash = strchr (rest, '/');
  if (slash)
    {
      g_autofree char *first = g_strndup (rest, (gsize)(slash - rest));
      if (is_host (first))
        {
          if (!host_check (first, error))
            return FALSE;
          out->registry = g_steal_pointer (&first);
          rest = slash + 1;
        }
    }
  char *last = strrchr (rest, '/');
  char *tag = cut_at (strchr (last ? last : rest, ':'));
  if (tag && !rp_tag_check (tag, error))
    return FALSE;
  if (!rp_repository_check (rest, error))
    return FALSE;
  out->repository = g_strdup (rest);
  out->tag = g_strdup (tag);
  return TRUE;
}

static gboolean
parse_parts (const char *text, RpReference *out, GError **error)
{
  g_autofree char *copy = g_strdup (text);
  char *digest = cut_at (strchr (copy, '@'));
  if (digest)
    {
      if (!rp_digest_parse (digest, &out->digest, error))
        return FALSE;
      out->has_digest = TRUE;
    }
  if (!split_reference (copy, out, error))
    return FALSE;
  if (out->tag || out->has_digest)
    return TRUE;
  g_set_error (error, RP_ERROR, RP_ERROR_INVALID,
               "it names a repository but neither a tag nor a digest; write %s:TAG or "
               "%s@sha256:…",
               copy, copy);
  return FALSE;
}

gboolean
rp_reference_parse (const char *text, RpReference *out, GError **error)
{
  g_auto (RpReference) parsed = { 0 };
  g_autoptr (GError) local = NULL;
  if (!parse_parts (text, &parsed, &local))
    {
      /* Whichever part is wrong: to the caller it is one bad reference. */
      g_autofree char *shown = g_strescape (text, NULL);
      g_set_error (error, RP_ERROR, RP_ERROR_INVALID, "reference \"%s\": %s", shown,
                   local->message);
      return FALSE;
    }
  *out = parsed;
  parsed = (RpReference){ 0 };
  return TRUE;
}

void
rp_reference_clear (RpReference *reference)
{
  g_clear_pointer (&reference->registry, g_free);
  g_clear_pointer (&reference->repository, g_free);
  g_clear_pointer (&reference->tag, g_free);
  *reference = (RpReference){ 0 };
}

char *
rp_reference_to_string (const RpReference *reference)
{
  GString *text = g_string_new (NULL);
  if (reference->registry)
    g_string_append_printf (text, "%s/", reference->registry);
  g_string_append (text, reference->repository);
  if (reference->tag)
    g_string_append_printf (text, ":%s", reference->tag);
  if (reference->has_digest)
    {
      char digest[RP_DIGEST_STRING_SIZE];
      g_string_append_printf (text, "@%s", rp_digest_format (&reference->digest, digest));
    }
  return g_string_free (text, FALSE);
}
