#include "server/settings.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log_line.h"
#include "base/size.h"
#include "server/janitor.h"
#include "server/spare.h"
#include "server/read_check.h"
#include "server/seclusion.h"
#include "server/sentry.h"
#include "server/sweeper.h"

#define FILE_LIMIT_BYTES (1024 * 1024)
#define DEFAULT_DATA "repoint-data"
#define RETENTION_EVERY_MIN_MS 1000
#define RETENTION_EVERY_MAX_MS (365 * 86400 * G_GINT64_CONSTANT (1000))
#define UPLOAD_EXPIRY_MIN_MS 1000
#define UPLOAD_EXPIRY_MAX_MS (365 * 86400 * G_GINT64_CONSTANT (1000))

#define COLLECT_MAX_MS (365 * 86400 * G_GINT64_CONSTANT (1000))
#define CONNECTIONS_MAX 30000

#define AT(field) G_STRUCT_OFFSET (RpServerOptions, field)
#define RESTART FALSE
#define RELOAD TRUE

/* clang-format off */
const RpSetting rp_settings[] = {
  { "data",            RP_SETTING_PATH,     AT (data_dir),         RESTART },
  { "listen",          RP_SETTING_TEXT,     AT (listen),           RESTART },
  { "allow_anonymous", RP_SETTING_TRUTH,    AT (allow_anonymous),  RESTART },
  { "anonymous_pull",  RP_SETTING_TRUTH,    AT (anonymous_pull),   RESTART },
  { "port_file",       RP_SETTING_PATH,     AT (port_file),        RESTART },
  { "tls_cert",        RP_SETTING_PATH,     AT (tls_cert),         RESTART },
  { "tls_key",         RP_SETTING_PATH,     AT (tls_key),          RESTART },
  { "ca_file",         RP_SETTING_PATH,     AT (ca_file),          RESTART },
  { "upload_expiry",   RP_SETTING_DURATION, AT (upload_expiry_ms), RELOAD,
    UPLOAD_EXPIRY_MIN_MS, UPLOAD_EXPIRY_MAX_MS },
  { "verify_reads",    RP_SETTING_SHARE,    AT (verify_reads),     RELOAD },
  { "retention_every", RP_SETTING_DURATION, AT (retention_every_ms), RESTART,
    RETENTION_EVERY_MIN_MS, RETENTION_EVERY_MAX_MS },
  { "ready_every",     RP_SETTING_DURATION, AT (ready_every_ms),   RESTART, 1000, COLLECT_MAX_MS },
  { "user",            RP_SETTING_TEXT,     AT (user),             RESTART },
  { "group",           RP_SETTING_TEXT,     AT (group),            RESTART },
  { "confine",         RP_SETTING_CHOICE,   AT (confine),          RESTART, 0, 0, rp_confine_modes },
  { "limit_pull_address", RP_SETTING_RATE,  AT (rates[RP_LIMIT_PULL][RP_LIMIT_ADDRESS]), RELOAD },
  { "limit_pull_account", RP_SETTING_RATE,  AT (rates[RP_LIMIT_PULL][RP_LIMIT_ACCOUNT]), RELOAD },
  { "limit_push_address", RP_SETTING_RATE,  AT (rates[RP_LIMIT_PUSH][RP_LIMIT_ADDRESS]), RELOAD },
  { "limit_push_account", RP_SETTING_RATE,  AT (rates[RP_LIMIT_PUSH][RP_LIMIT_ACCOUNT]), RELOAD },
  { "limit_api_address",  RP_SETTING_RATE,  AT (rates[RP_LIMIT_API][RP_LIMIT_ADDRESS]),  RELOAD },
  { "limit_api_account",  RP_SETTING_RATE,  AT (rates[RP_LIMIT_API][RP_LIMIT_ACCOUNT]),  RELOAD },
  { "limit_connections",  RP_SETTING_COUNT, AT (connections), RELOAD, 1, CONNECTIONS_MAX },
  { "limit_connections_address", RP_SETTING_COUNT, AT (connections_address), RELOAD, 1, CONNECTIONS_MAX },
  { "log_format",      RP_SETTING_CHOICE,   AT (log_format),       RELOAD, 0, 0, rp_log_formats },
  { "access_log",      RP_SETTING_OUTPUT,   AT (access_log),       RELOAD },
  { "collect_every",   RP_SETTING_DURATION, AT (collect.every_ms), RESTART, 1000, COLLECT_MAX_MS },
  { "collect_grace",   RP_SETTING_DURATION, AT (collect.grace_ms), RESTART, 1000, COLLECT_MAX_MS },
  { "collect_keep",    RP_SETTING_DURATION, AT (collect.keep_ms),  RESTART, 1000, COLLECT_MAX_MS },
  { "reserve",         RP_SETTING_FLOOR,    AT (reserve), RELOAD, 1000 * 1000, RP_SIZE_MAX },
  { "scrub_every",     RP_SETTING_DURATION, AT (scrub.every_ms), RELOAD, 1000, COLLECT_MAX_MS },
  { "scrub_rate",      RP_SETTING_SIZE,     AT (scrub.bytes_per_second), RELOAD, 1000, RP_SIZE_MAX },
  { "verbose",         RP_SETTING_TRUTH,    AT (verbose),          RELOAD },
  { NULL }
};
/* clang-format on */

const RpSetting *
rp_setting_find (const char *name)
{
  g_autofree char *key = g_strdelimit (g_strdup (name), "-", '_');

  for (const RpSetting *setting = rp_settings; setting->key != NULL; setting++)
    if (strcmp (setting->key, key) == 0)
      return setting;
  return NULL;
}

static gboolean
is_text (const RpSetting *setting)
{
  switch (setting->kind)
    {
    case RP_SETTING_TEXT:
    case RP_SETTING_PATH:
    case RP_SETTING_OUTPUT:
    case RP_SETTING_CHOICE:
      return TRUE;
    case RP_SETTING_TRUTH:
    case RP_SETTING_DURATION:
    case RP_SETTING_COUNT:
    case RP_SETTING_SIZE:
    case RP_SETTING_FLOOR:
    case RP_SETTING_RATE:
    case RP_SETTING_SHARE:
      break;
    }
  return FALSE;
}

static char **
text_of (const RpSetting *setting, RpServerOptions *options)
{
  return G_STRUCT_MEMBER_P (options, setting->offset);
}

void
rp_settings_init (RpServerOptions *options)
{
  *options = (RpServerOptions){
    .data_dir = g_strdup (DEFAULT_DATA),
    .listen = g_strdup (RP_SERVER_LISTEN_DEFAULT),
    .log_format = g_strdup (rp_log_formats[RP_LOG_TEXT]),
    .access_log = g_strdup ("off"),
    .confine = g_strdup (rp_confine_modes[0]),
    .upload_expiry_ms = RP_UPLOAD_EXPIRY_MS_DEFAULT,
    .collect = { RP_COLLECT_EVERY_MS_DEFAULT, RP_COLLECT_GRACE_MS_DEFAULT,
                 RP_COLLECT_KEEP_MS_DEFAULT },
    .reserve = RP_FLOOR_DEFAULT,
    .scrub = { RP_SCRUB_EVERY_MS_DEFAULT, RP_SCRUB_RATE_DEFAULT },
    .retention_every_ms = RP_RETENTION_EVERY_MS_DEFAULT,
    .ready_every_ms = RP_READY_EVERY_MS_DEFAULT,
  };
}

void
rp_settings_clear (RpServerOptions *options)
{
  for (const RpSetting *setting = rp_settings; setting->key != NULL; setting++)
    if (is_text (setting))
      g_free (*text_of (setting, options));
  g_free (options->config_file);
  rp_proxy_rules_unref (options->proxy);
  *options = (RpServerOptions){ 0 };
}

/* ---- one value ---- */

static gboolean
refuse (GError **error, const char *what, const char *text)
{
  g_set_error (error, RP_ERROR, RP_ERROR_USAGE, "expected %s, found \"%.100s\"", what, text);
  return FALSE;
}

static gboolean
set_truth (const char *text, gboolean *out, GError **error)
{
  if (strcmp (text, "true") != 0 && strcmp (text, "false") != 0)
    return refuse (error, "true or false", text);
  *out = text[0] == 't';
  return TRUE;
}

static gboolean
set_duration (const RpSetting *setting, const char *text, gint64 *out, GError **error)
{
  gint64 value;

  if (!rp_duration_parse_ms (text, &value) || value < setting->min || value > setting->max)
    {
      g_autofree char *what = g_strdup_printf (
          "a duration from %" G_GINT64_FORMAT "s to %" G_GINT64_FORMAT "d, such as 12h",
          setting->min / 1000, setting->max / 86400000);
      return refuse (error, what, text);
    }
  *out = value;
  return TRUE;
}

static gboolean
set_count (const RpSetting *setting, const char *text, gint64 *out, GError **error)
{
  guint64 value = 0;

  if (strcmp (text, "off") != 0
      && !g_ascii_string_to_unsigned (text, 10, (guint64) setting->min, (guint64) setting->max, &value, NULL))
    {
      g_autofree char *what = g_strdup_printf (
          "off, or a number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, setting->min, setting->max);
      return refuse (error, what, text);
    }
  *out = (gint64) value;
  return TRUE;
}

static gboolean
set_size (const RpSetting *setting, const char *text, gint64 *out, GError **error)
{
  gint64 value = 0;

  if (strcmp (text, "off") != 0
      && (!rp_size_parse (text, &value) || value < setting->min || value > setting->max))
    {
      g_autofree char *least = rp_size_format (setting->min);
      g_autofree char *what = g_strdup_printf ("off, or a size from %s on, such as 64MB", least);
      return refuse (error, what, text);
    }
  *out = value;
  return TRUE;
}

static gboolean
set_floor (const RpSetting *setting, const char *text, gint64 *out, GError **error)
{
  const char *end = strchr (text, '%');
  g_autofree char *number = end != NULL && end[1] == '\0' ? g_strndup (text, (gsize) (end - text)) : NULL;
  guint64 percent;

  if (number == NULL)
    return set_size (setting, text, out, error);
  if (!g_ascii_string_to_unsigned (number, 10, 1, 50, &percent, NULL))
    return refuse (error, "1% to 50%", text);
  *out = -(gint64) percent;
  return TRUE;
}

static gboolean
set_rate (const char *text, RpRate *out, GError **error)
{
  return rp_rate_parse (text, out)
         || refuse (error, "off, or a rate such as 20/s, 600/m or 10000/h", text);
}

/* Up to four digits behind the point: `0.0001%` is one in a million. */
static gboolean
read_share (const char *text, gint64 *out)
{
  gsize whole = strspn (text, "0123456789");
  const char *point = text + whole;
  gsize part = *point == '.' ? strspn (point + 1, "0123456789") : 0;
  const char *end = *point == '.' ? point + 1 + part : point;
  gint64 value = 0, scale = 1000;

  if (whole < 1 || whole > 3 || part > 4 || (*point == '.' && part == 0) || strcmp (end, "%") != 0)
    return FALSE;
  value = g_ascii_strtoll (text, NULL, 10) * 10 * scale;
  for (gsize i = 1; i <= part; i++, scale /= 10)
    value += (point[i] - '0') * scale;
  if (value > RP_READ_SHARE_ALL)
    return FALSE;
  *out = value;
  return TRUE;
}

static gboolean
set_share (const char *text, gint64 *out, GError **error)
{
  if (strcmp (text, "off") == 0)
    *out = 0;
  else if (!read_share (text, out))
    return refuse (error, "off, or a share from 0.0001% to 100%, such as 1%", text);
  return TRUE;
}

gboolean
rp_setting_set (const RpSetting *setting, const char *text, RpServerOptions *options,
                GError **error)
{
  gpointer at = G_STRUCT_MEMBER_P (options, setting->offset);

  switch (setting->kind)
    {
    case RP_SETTING_TRUTH:
      return set_truth (text, at, error);
    case RP_SETTING_DURATION:
      return set_duration (setting, text, at, error);
    case RP_SETTING_COUNT:
      return set_count (setting, text, at, error);
    case RP_SETTING_SIZE:
      return set_size (setting, text, at, error);
    case RP_SETTING_FLOOR:
      return set_floor (setting, text, at, error);
    case RP_SETTING_RATE:
      return set_rate (text, at, error);
    case RP_SETTING_SHARE:
      return set_share (text, at, error);
    case RP_SETTING_CHOICE:
      if (!g_strv_contains (setting->values, text))
        {
          g_autofree char *all = g_strjoinv (", ", (char **) setting->values);
          g_autofree char *what = g_strconcat ("one of ", all, NULL);
          return refuse (error, what, text);
        }
      break;
    case RP_SETTING_TEXT:
    case RP_SETTING_PATH:
    case RP_SETTING_OUTPUT:
      break;
    }
  if (*text == '\0')
    return refuse (error, "something", text);
  g_free (*(char **) at);
  *(char **) at = g_strdup (text);
  return TRUE;
}

/* ---- the file ---- */

static void
take_problem (GPtrArray *problems, GError *error)
{
  g_ptr_array_add (problems, g_strdup (error->message));
  g_error_free (error);
}

static gboolean
is_path (const RpSetting *setting, const char *text)
{
  if (setting->kind == RP_SETTING_OUTPUT && (strcmp (text, "-") == 0 || strcmp (text, "off") == 0))
    return FALSE;
  return *text != '\0' && (setting->kind == RP_SETTING_PATH || setting->kind == RP_SETTING_OUTPUT);
}

static gboolean
parse_value (const RpYamlNode *root, const RpSetting *setting, const char *base_dir,
             RpServerOptions *options, GError **error)
{
  const RpYamlNode *node = rp_yaml_get (root, setting->key);
  g_autofree char *path = NULL;
  g_autoptr (GError) problem = NULL;
  const char *text = NULL;
  gboolean truth;

  if (node == NULL)
    return TRUE;
  if (setting->kind == RP_SETTING_TRUTH && !rp_yaml_opt_bool (root, setting->key, &truth, error))
    return FALSE;
  if (!rp_yaml_opt_string (root, setting->key, &text, error))
    return FALSE;
  if (is_path (setting, text))
    {
      path = g_canonicalize_filename (text, base_dir);
      text = path;
    }
  return rp_setting_set (setting, text, options, &problem)
         || rp_yaml_error (node, error, "%s", problem->message);
}

static char **
known_keys (void)
{
  g_autoptr (GStrvBuilder) keys = g_strv_builder_new ();

  for (const RpSetting *setting = rp_settings; setting->key != NULL; setting++)
    g_strv_builder_add (keys, setting->key);
  g_strv_builder_addv (keys, (const char **) rp_proxy_keys);
  return g_strv_builder_end (keys);
}

void
rp_settings_parse (const void *data, gsize size, const char *file_name, const char *base_dir,
                   RpServerOptions *options, GPtrArray *problems)
{
  g_auto (GStrv) keys = known_keys ();
  GError *error = NULL;
  g_autoptr (RpYaml) yaml = rp_yaml_parse (data, size, file_name, &error);

  if (yaml == NULL)
    {
      take_problem (problems, error);
      return;
    }
  rp_yaml_check_keys (rp_yaml_root (yaml), (const char *const *) keys, problems);
  for (const RpSetting *setting = rp_settings; setting->key != NULL; setting++)
    if (!parse_value (rp_yaml_root (yaml), setting, base_dir, options, &error))
      take_problem (problems, g_steal_pointer (&error));
  rp_proxy_rules_unref (options->proxy);
  options->proxy = rp_proxy_rules_parse (rp_yaml_root (yaml), base_dir, problems);
}

gboolean
rp_settings_load (const char *path, RpServerOptions *options, GError **error)
{
  g_autofree char *absolute = g_canonicalize_filename (path, NULL);
  g_autofree char *base_dir = g_path_get_dirname (absolute);
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GBytes) bytes = rp_file_read (path, FILE_LIMIT_BYTES, error);
  g_autofree char *all = NULL;

  if (bytes == NULL)
    {
      g_prefix_error (error, "cannot read the server's configuration: ");
      return FALSE;
    }
  rp_settings_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), path, base_dir,
                     options, problems);
  if (problems->len == 0)
    return TRUE;
  g_ptr_array_add (problems, NULL);
  all = g_strjoinv ("\n", (char **) problems->pdata);
  g_set_error_literal (error, RP_ERROR, RP_ERROR_INVALID, all);
  return FALSE;
}

/* ---- reloading ---- */

static gsize
size_of (const RpSetting *setting)
{
  if (is_text (setting))
    return sizeof (char *);
  if (setting->kind == RP_SETTING_RATE)
    return sizeof (RpRate);
  return setting->kind == RP_SETTING_TRUTH ? sizeof (gboolean) : sizeof (gint64);
}

static void
swap (const RpSetting *setting, RpServerOptions *a, RpServerOptions *b)
{
  guint8 spare[sizeof (RpRate)];
  gsize size = size_of (setting);

  g_assert (size <= sizeof spare);
  memcpy (spare, G_STRUCT_MEMBER_P (a, setting->offset), size);
  memcpy (G_STRUCT_MEMBER_P (a, setting->offset), G_STRUCT_MEMBER_P (b, setting->offset), size);
  memcpy (G_STRUCT_MEMBER_P (b, setting->offset), spare, size);
}

static gboolean
same (const RpSetting *setting, RpServerOptions *a, RpServerOptions *b)
{
  if (is_text (setting))
    return g_strcmp0 (*text_of (setting, a), *text_of (setting, b)) == 0;
  return memcmp (G_STRUCT_MEMBER_P (a, setting->offset), G_STRUCT_MEMBER_P (b, setting->offset),
                 size_of (setting))
         == 0;
}

void
rp_settings_reload (RpServerOptions *options, RpServerOptions *next, GPtrArray *changed,
                    GPtrArray *fixed)
{
  for (const RpSetting *setting = rp_settings; setting->key != NULL; setting++)
    {
      if (same (setting, options, next))
        continue;
      g_ptr_array_add (setting->reloads ? changed : fixed, (gpointer) setting->key);
      if (setting->reloads)
        swap (setting, options, next);
    }
  if (!rp_proxy_rules_equal (options->proxy, next->proxy))
    g_ptr_array_add (fixed, (gpointer) rp_proxy_keys[0]);
}
