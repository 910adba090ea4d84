/* The sub-verbs of `repoint ledger` that have files of their own. */
#pragma once

#include "cli/cli.h"

extern const GOptionEntry rp_ledger_prove_options[];
gboolean rp_ledger_prove_run (RpCli *cli, char **args, GError **error);
extern const GOptionEntry rp_ledger_consistency_options[];
gboolean rp_ledger_consistency_run (RpCli *cli, char **args, GError **error);
extern const GOptionEntry rp_ledger_export_options[];
gboolean rp_ledger_export_run (RpCli *cli, char **args, GError **error);
extern const GOptionEntry rp_ledger_redact_options[];
gboolean rp_ledger_redact_run (RpCli *cli, char **args, GError **error);
gboolean rp_ledger_key_run (RpCli *cli, char **args, GError **error);
extern const GOptionEntry rp_ledger_rotate_options[];
gboolean rp_ledger_rotate_run (RpCli *cli, char **args, GError **error);
extern const GOptionEntry rp_ledger_cosign_options[];
gboolean rp_ledger_cosign_run (RpCli *cli, char **args, GError **error);
