/* What an output stream can show: its width, and colours where a person looks on and NO_COLOR
 * does not forbid them.
 */
#pragma once

#include <stdio.h>

#include <glib.h>

typedef enum { RP_STYLE_PLAIN, RP_STYLE_BOLD, RP_STYLE_DIM, RP_STYLE_GOOD, RP_STYLE_WARN,
               RP_STYLE_BAD } RpStyle;

typedef struct {
  FILE *stream;
  gboolean tty;
  gboolean colours;
  int width; /* columns; 0: not limited (a pipe) */
} RpTerm;

void rp_term_init (RpTerm *term, FILE *stream);

/* Writes `text`, which may come from anywhere: control characters become `?`, so that nothing
 * can drive the terminal. */
void rp_term_text (const RpTerm *term, RpStyle style, const char *text);

/* Writes `text` from column `column` on, broken between words where the terminal ends and
 * indented to `column` there; ends the line. In a pipe it is one line. */
void rp_term_paragraph (const RpTerm *term, int column, const char *text);

/* A copy without control characters. g_free(). */
char *rp_term_clean (const char *text);

/* Columns that UTF-8 `text` takes up. */
int rp_term_columns (const char *text);
