/* What of the settings only this machine can tell. */
#include <sys/stat.h>

#include "base/authorities.h"
#include "base/place.h"
#include "base/privilege.h"
#include "server/listen.h"
#include "server/settings.h"
#include "server/tls.h"

static void G_GNUC_PRINTF (2, 3)
complain (GPtrArray *problems, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_ptr_array_add (problems, g_strdup_vprintf (format, arguments));
  va_end (arguments);
}

static void
probe_directory (const char *key, const char *path, GPtrArray *problems)
{
  g_autoptr (GError) error = NULL;

  if (!rp_place_probe (path, &error))
    complain (problems, "%s: %s", key, error->message);
}

static void
probe_data (const RpServerOptions *options, GPtrArray *problems)
{
  struct stat info;

  probe_directory ("data", options->data_dir, problems);
  if (stat (options->data_dir, &info) == 0 && S_ISDIR (info.st_mode)
      && (info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    complain (problems, "data: others can write to %s (mode %04o): chmod 700 it", options->data_dir,
              (unsigned) info.st_mode & 07777);
}

static void
probe_listen (const RpServerOptions *options, GPtrArray *problems)
{
  g_autoptr (GError) error = NULL;

  if (!rp_listener_probe (options->listen, &error))
    complain (problems, "listen: %s", error->message);
}

static void
probe_user (const RpServerOptions *options, GPtrArray *problems)
{
  g_auto (RpPrincipal) principal = { 0 };
  g_autoptr (GError) error = NULL;

  if (options->user == NULL && options->group != NULL)
    complain (problems, "group: is for a user, and there is no `user`");
  else if (options->user != NULL && !rp_principal_find (options->user, options->group, &principal, &error))
    complain (problems, "user: %s", error->message);
}

static void
probe_tls (const RpServerOptions *options, GPtrArray *problems)
{
  g_autoptr (GError) error = NULL;
  struct stat info;

  if (options->tls_cert == NULL && options->tls_key == NULL)
    return;
  if (options->tls_cert == NULL || options->tls_key == NULL)
    {
      complain (problems, "%s: TLS needs the certificate and its key: give both tls_cert and tls_key",
                options->tls_cert == NULL ? "tls_key" : "tls_cert");
      return;
    }
  if (!rp_tls_probe (options->tls_cert, options->tls_key, &error))
    complain (problems, "tls_cert: %s", error->message);
  if (stat (options->tls_key, &info) == 0 && (info.st_mode & (S_IROTH | S_IWOTH)) != 0)
    complain (problems, "tls_key: everybody can read or write %s (mode %04o): chmod 600 it", options->tls_key,
              (unsigned) info.st_mode & 07777);
}

static void
probe_authorities (const RpServerOptions *options, GPtrArray *problems)
{
  g_autoptr (GError) error = NULL;

  if (options->ca_file != NULL && !rp_authorities_probe (options->ca_file, &error))
    complain (problems, "ca_file: %s", error->message);
}

void
rp_settings_probe (const RpServerOptions *options, GPtrArray *problems)
{
  probe_data (options, problems);
  probe_listen (options, problems);
  probe_user (options, problems);
  probe_tls (options, problems);
  probe_authorities (options, problems);
  if (g_path_is_absolute (options->access_log))
    {
      g_autofree char *directory = g_path_get_dirname (options->access_log);
      probe_directory ("access_log", directory, problems);
    }
  if (options->port_file != NULL)
    {
      g_autofree char *directory = g_path_get_dirname (options->port_file);
      probe_directory ("port_file", directory, problems);
    }
}
