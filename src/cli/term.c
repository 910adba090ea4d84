#include "cli/term.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *const style_codes[] = {
  [RP_STYLE_PLAIN] = "",     [RP_STYLE_BOLD] = "\033[1m",  [RP_STYLE_DIM] = "\033[2m",
  [RP_STYLE_GOOD] = "\033[32m", [RP_STYLE_WARN] = "\033[33m", [RP_STYLE_BAD] = "\033[1;31m",
};

/* COLUMNS wins, as in other programs: it is how a person says that the terminal is wrong. */
static int
terminal_width (int fd)
{
  const char *columns = g_getenv ("COLUMNS");
  guint64 width;
  if (columns != NULL && g_ascii_string_to_unsigned (columns, 10, 20, 10000, &width, NULL))
    return (int) width;
  struct winsize size;
  if (ioctl (fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
    return size.ws_col;
  return 80;
}

void
rp_term_init (RpTerm *term, FILE *stream)
{
  const char *no_color = g_getenv ("NO_COLOR");
  *term = (RpTerm){ .stream = stream, .tty = isatty (fileno (stream)) };
  if (!term->tty)
    return;
  term->width = terminal_width (fileno (stream));
  term->colours = (no_color == NULL || *no_color == '\0')
                  && g_strcmp0 (g_getenv ("TERM"), "dumb") != 0 && g_getenv ("TERM") != NULL;
}

char *
rp_term_clean (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *out = g_string_sized_new (strlen (valid));
  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);
      GUnicodeType type = g_unichar_type (c);
      if (type == G_UNICODE_CONTROL || type == G_UNICODE_FORMAT)
        g_string_append_c (out, c == '\n' || c == '\t' ? ' ' : '?');
      else
        g_string_append_unichar (out, c);
    }
  return g_string_free (out, FALSE);
}

void
rp_term_text (const RpTerm *term, RpStyle style, const char *text)
{
  g_autofree char *clean = rp_term_clean (text);
  if (term->colours && style != RP_STYLE_PLAIN)
    fprintf (term->stream, "%s%s\033[0m", style_codes[style], clean);
  else
    fputs (clean, term->stream);
}

void
rp_term_paragraph (const RpTerm *term, int column, const char *text)
{
  g_autofree char *clean = rp_term_clean (text);
  g_auto (GStrv) words = g_strsplit (clean, " ", -1);
  int used = column;
  for (char **word = words; *word != NULL; word++)
    {
      int width = rp_term_columns (*word);
      gboolean first = word == words;
      if (!first && term->width > 0 && used + 1 + width > term->width)
        {
          fprintf (term->stream, "\n%*s", column, "");
          used = column;
        }
      else if (!first)
        {
          fputc (' ', term->stream);
          used++;
        }
      fputs (*word, term->stream);
      used += width;
    }
  fputc ('\n', term->stream);
}

int
rp_term_columns (const char *text)
{
  int columns = 0;
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);
      if (!g_unichar_iszerowidth (c))
        columns += g_unichar_iswide (c) ? 2 : 1;
    }
  return columns;
}
