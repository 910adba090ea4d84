/* Signed notes (C2SP signed-note): text, a blank line, and signatures of it, a line each.  Keys are
 * Ed25519, of logs (kind 1) or of witnesses (kind 4, C2SP tlog-cosignature, which signs the time
 * too).  Written NAME+ID+KEY, as golang.org/x/mod/sumdb/note does.
 */
#pragma once

#include <glib.h>

#define RP_NOTE_MAX (1 << 16) /* bytes */

typedef enum { RP_NOTE_KEY_LOG = 1, RP_NOTE_KEY_WITNESS = 4 } RpNoteKeyKind;

typedef struct {
  char *name;
  guint32 id;
  RpNoteKeyKind kind;
  guint8 bytes[32];
} RpNoteKey;

RpNoteKey *rp_note_key_parse (const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
char *rp_note_key_format (const RpNoteKey *key); /* g_free() */
void rp_note_key_free (RpNoteKey *key);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpNoteKey, rp_note_key_free)

/* A private key. One thread at a time. */
typedef struct RpNoteSigner RpNoteSigner;
RpNoteSigner *rp_note_signer_new (const char *name);
RpNoteSigner *rp_note_signer_parse (const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
char *rp_note_signer_format (const RpNoteSigner *signer); /* secret. g_free() */
const RpNoteKey *rp_note_signer_key (const RpNoteSigner *signer);
void rp_note_signer_free (RpNoteSigner *signer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpNoteSigner, rp_note_signer_free)

/* The signature line of `text`, with its line feed. g_free(). */
char *rp_note_sign (const RpNoteSigner *signer, const char *text);

typedef struct {
  char *name;
  guint32 id;
  char *line; /* as it came, with its line feed */
  guint8 *bytes;
  gsize size;
} RpNoteSignature;

typedef struct {
  char *text;            /* ends with a line feed */
  GPtrArray *signatures; /* RpNoteSignature, at least one */
} RpNote;

/* RP_ERROR_INVALID for what is no note. */
RpNote *rp_note_parse (const void *data, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
char *rp_note_format (const RpNote *note); /* as it came. g_free() */
void rp_note_free (RpNote *note);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpNote, rp_note_free)

/* The signature by `key`, borrowed. RP_ERROR_CORRUPT if there is none, or a false one. */
const RpNoteSignature *rp_note_verify (const RpNote *note, const RpNoteKey *key, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
