#include "cli/password.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

#define LINE_MAX_BYTES 1024

/* Byte by byte, so that nothing behind the line is taken. */
static char *
read_line (int fd, GError **error)
{
  g_autoptr (GString) line = g_string_new (NULL);

  for (;;)
    {
      char byte;
      gssize got = read (fd, &byte, 1);
      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        {
          rp_error_set_errno (error, errno, "the password cannot be read");
          return NULL;
        }
      if (got == 0 || byte == '\n')
        break;
      if (byte == '\0' || line->len >= LINE_MAX_BYTES)
        {
          g_set_error (error, RP_ERROR, RP_ERROR_USAGE,
                       "the password is not a line of text of at most %d bytes", LINE_MAX_BYTES);
          return NULL;
        }
      g_string_append_c (line, byte);
    }
  if (line->len > 0 && line->str[line->len - 1] == '\r')
    g_string_truncate (line, line->len - 1);
  if (line->len > 0)
    return g_string_free (g_steal_pointer (&line), FALSE);
  g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE, "the password is empty");
  return NULL;
}

static char *
ask_terminal (int fd, const char *prompt, GError **error)
{
  g_autofree char *text = g_strconcat (prompt, ": ", NULL);
  struct termios before, silent;
  char *line;

  if (tcgetattr (fd, &before) != 0)
    {
      rp_error_set_errno (error, errno, "the terminal cannot be silenced");
      return NULL;
    }
  silent = before;
  silent.c_lflag &= ~(tcflag_t) ECHO;
  if (!rp_file_write_all (fd, text, strlen (text), "terminal", error))
    return NULL;
  tcsetattr (fd, TCSAFLUSH, &silent);
  line = read_line (fd, error);
  tcsetattr (fd, TCSAFLUSH, &before);
  if (write (fd, "\n", 1) != 1)
    errno = 0; /* the terminal has gone: nobody is there to be told */
  return line;
}

char *
rp_password_ask (const char *prompt, gboolean from_stdin, gboolean twice, GError **error)
{
  g_autofree char *again_prompt = g_strconcat (prompt, ", again", NULL);
  g_autofree char *first = NULL, *second = NULL;
  rp_autofd int fd = -1;

  if (from_stdin)
    return read_line (STDIN_FILENO, error);
  fd = open ("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (fd < 0)
    {
      g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE,
                           "there is no terminal to ask for a password: give it with "
                           "--password-stdin");
      return NULL;
    }
  first = ask_terminal (fd, prompt, error);
  if (first == NULL || !twice)
    return g_steal_pointer (&first);
  second = ask_terminal (fd, again_prompt, error);
  if (second == NULL)
    return NULL;
  if (strcmp (first, second) == 0)
    return g_steal_pointer (&first);
  g_set_error_literal (error, RP_ERROR, RP_ERROR_USAGE, "the two passwords differ");
  return NULL;
}
