#include "cli/humane.h"

#include <string.h>

#include "base/clock.h"
#include "base/size.h"

enum { DIGEST_DIGITS = 12, COMMIT_DIGITS = 8 };

char *
rp_humane_digest (const char *digest)
{
  if (digest == NULL)
    return g_strdup ("-");
  const char *colon = strchr (digest, ':');
  if (colon == NULL)
    return g_strdup (digest);
  return g_strndup (digest, (gsize) (colon + 1 - digest) + DIGEST_DIGITS);
}

char *
rp_humane_text (const char *text)
{
  GString *out = g_string_new (NULL);
  const char *rest = text != NULL ? text : "-";
  for (const char *at; (at = strstr (rest, "sha256:")) != NULL;)
    {
      const char *hex = at + strlen ("sha256:");
      gsize digits = strspn (hex, "0123456789abcdef");
      g_string_append_len (out, rest, (hex - rest) + (gssize) MIN (digits, DIGEST_DIGITS));
      rest = hex + digits;
    }
  g_string_append (out, rest);
  return g_string_free (out, FALSE);
}

char *
rp_humane_commit (const char *commit)
{
  if (commit == NULL || *commit == '\0')
    return g_strdup ("-");
  gboolean hex = strspn (commit, "0123456789abcdef") == strlen (commit);
  return hex ? g_strndup (commit, COMMIT_DIGITS) : g_strdup (commit);
}

char *
rp_humane_size (gint64 bytes)
{
  return rp_size_format (bytes);
}

char *
rp_humane_duration (gint64 ms)
{
  if (ms >= 0 && ms < 1000)
    return g_strdup_printf ("%" G_GINT64_FORMAT " ms", ms);
  return rp_clock_format_age (MAX (ms, 0) * 1000);
}

char *
rp_humane_ago (const char *at)
{
  gint64 us;
  if (at == NULL)
    return g_strdup ("-");
  if (!rp_clock_parse (at, &us, NULL))
    return g_strdup (at);
  gint64 age = rp_clock_now_us () - us;
  if (age < G_USEC_PER_SEC) /* or this clock is behind the server's */
    return g_strdup ("just now");
  g_autofree char *text = rp_clock_format_age (age);
  return g_strconcat (text, " ago", NULL);
}

char *
rp_humane_verified (const char *at)
{
  if (at == NULL)
    return g_strdup ("never verified");
  g_autofree char *ago = rp_humane_ago (at);
  return g_strconcat ("verified ", ago, NULL);
}

char *
rp_humane_revision (const json_t *revision)
{
  const json_t *release = json_object_get (revision, "release");
  const char *version = rp_json_str (release, "version");
  return g_strdup_printf ("revision %" G_GINT64_FORMAT " (%s)", rp_json_int (revision, "number"),
                          version != NULL ? version : "?");
}

char *
rp_humane_bytes (const json_t *bytes)
{
  gint64 blobs = rp_json_int (bytes, "blobs");
  g_autofree char *size = rp_humane_size (rp_json_int (bytes, "size_bytes"));
  g_autofree char *verified = rp_humane_verified (rp_json_str (bytes, "verified_at"));
  return g_strdup_printf ("%" G_GINT64_FORMAT " blob%s, %s, %s", blobs, blobs == 1 ? "" : "s", size,
                          verified);
}

typedef struct {
  const char *word;
  RpStyle style;
} WordStyle;

static RpStyle
find_style (const WordStyle *styles, const char *word)
{
  for (; styles->word != NULL; styles++)
    if (g_strcmp0 (styles->word, word) == 0)
      return styles->style;
  return RP_STYLE_PLAIN;
}

RpStyle
rp_humane_outcome_style (const char *outcome)
{
  static const WordStyle styles[] = {
    { "healthy", RP_STYLE_GOOD },
    { "failed", RP_STYLE_BAD },
    { "progressing", RP_STYLE_WARN },
    { "superseded", RP_STYLE_DIM },
    { NULL },
  };
  return find_style (styles, outcome);
}

RpStyle
rp_humane_state_style (const char *state)
{
  static const WordStyle styles[] = {
    { "confirmed", RP_STYLE_GOOD }, { "preparing", RP_STYLE_WARN }, { "prepared", RP_STYLE_WARN },
    { "trial", RP_STYLE_WARN },     { "failed", RP_STYLE_BAD },     { "reverted", RP_STYLE_BAD },
    { "drifted", RP_STYLE_BAD },    { "undone", RP_STYLE_BAD },     { "unknown", RP_STYLE_DIM },
    { NULL },
  };
  return find_style (styles, state);
}

char *
rp_humane_list (const json_t *names)
{
  GString *text = g_string_new (NULL);
  gsize i;
  json_t *name;
  json_array_foreach (names, i, name)
      g_string_append_printf (text, "%s%s", i > 0 ? ", " : "", json_string_value (name));
  return g_string_free (text, FALSE);
}
