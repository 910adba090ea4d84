/* What a server can be told: one table, whose rows are keys of server.yaml and, with `-` for `_`, flags of
 * `repoint serve`.  What the file says is checked as a whole; every problem is named, not only the first.
 */
#pragma once

#include "base/yaml.h"
#include "server/server.h"

typedef enum {
  RP_SETTING_TEXT,
  RP_SETTING_PATH,     /* in a file: relative to the file's directory */
  RP_SETTING_OUTPUT,   /* the same, and `-` or `off` */
  RP_SETTING_CHOICE,   /* text, one of `values` */
  RP_SETTING_TRUTH,    /* gboolean */
  RP_SETTING_DURATION, /* gint64, milliseconds */
  RP_SETTING_COUNT,    /* gint64; `off` is 0 */
  RP_SETTING_SIZE,     /* gint64, bytes; `off` is 0 */
  RP_SETTING_FLOOR,    /* the same, or -1 to -50: percent of the disk */
  RP_SETTING_RATE,     /* RpRate */
  RP_SETTING_SHARE,    /* gint64, millionths: `1%`, `0.01%`; `off` is 0 */
} RpSettingKind;

typedef struct {
  const char *key; /* `upload_expiry`; NULL ends the table */
  RpSettingKind kind;
  gsize offset;     /* in RpServerOptions */
  gboolean reloads; /* SIGHUP changes it; else it takes a restart */
  gint64 min, max;  /* of durations and counts */
  const char *const *values; /* of choices, NULL-ended */
} RpSetting;

extern const RpSetting rp_settings[];
/* By key, or by the flag's name without dashes; NULL if there is none. */
const RpSetting *rp_setting_find (const char *name);

void rp_settings_init (RpServerOptions *options); /* the defaults */
void rp_settings_clear (RpServerOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RpServerOptions, rp_settings_clear)

/* RP_ERROR_USAGE without the setting's name in it. A truth is `true` or `false`. */
gboolean rp_setting_set (const RpSetting *setting, const char *text, RpServerOptions *options,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Takes what is right into `options` and adds a text for each thing that is not to `problems` (char *, owned):
 * `server.yaml:3:9: upload_expiry: …`. */
void rp_settings_parse (const void *data, gsize size, const char *file_name, const char *base_dir,
                        RpServerOptions *options, GPtrArray *problems);
/* The same from a file. RP_ERROR_INVALID has all problems, one a line. */
gboolean rp_settings_load (const char *path, RpServerOptions *options, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* What only this machine can tell: directories, addresses, permissions. Adds to `problems`; changes nothing. */
void rp_settings_probe (const RpServerOptions *options, GPtrArray *problems);

/* Moves what differs and reloads from `next` to `options` and adds those keys to `changed`; what differs and
 * does not goes to `fixed` (both: const char *, of the table). */
void rp_settings_reload (RpServerOptions *options, RpServerOptions *next, GPtrArray *changed,
                         GPtrArray *fixed);
