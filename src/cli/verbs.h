/* What each verb's file gives to the table in main.c. */
#pragma once

#include "cli/cli.h"

#define RP_DECLARE_VERB(name)                                                                      \
  extern const GOptionEntry rp_##name##_options[];                                                 \
  gboolean rp_##name##_run (RpCli *cli, char **args, GError **error) G_GNUC_WARN_UNUSED_RESULT

#define RP_DECLARE_GROUP(name) extern const RpVerb rp_##name##_verbs[]

RP_DECLARE_VERB (serve);
/* rp_agent_run() is the agent itself. */
extern const GOptionEntry rp_agent_options[];
gboolean rp_agent_run_verb (RpCli *cli, char **args, GError **error) G_GNUC_WARN_UNUSED_RESULT;
RP_DECLARE_GROUP (agent);
RP_DECLARE_VERB (apply);
RP_DECLARE_GROUP (app);
RP_DECLARE_GROUP (artifact);
RP_DECLARE_GROUP (repo);
RP_DECLARE_GROUP (retention);
RP_DECLARE_GROUP (tag);
/* collect.c */
RP_DECLARE_VERB (collect);
gboolean rp_collect_restore_run (RpCli *cli, char **args, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* repo_list.c, artifact_inspect.c */
gboolean rp_repo_list_run (RpCli *cli, char **args, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean rp_artifact_inspect_run (RpCli *cli, char **args, GError **error) G_GNUC_WARN_UNUSED_RESULT;
RP_DECLARE_GROUP (release);
RP_DECLARE_VERB (build);
RP_DECLARE_VERB (deploy);
RP_DECLARE_VERB (promote);
RP_DECLARE_GROUP (rollout);
RP_DECLARE_VERB (approve);
RP_DECLARE_VERB (pause);
gboolean rp_resume_run (RpCli *cli, char **args, GError **error) G_GNUC_WARN_UNUSED_RESULT;
RP_DECLARE_VERB (plan);
RP_DECLARE_VERB (ready);
RP_DECLARE_VERB (at);
RP_DECLARE_VERB (diff);
RP_DECLARE_VERB (drift);
RP_DECLARE_VERB (stats);
RP_DECLARE_VERB (trace);
/* With the options of `trace`: none. */
gboolean rp_where_run (RpCli *cli, char **args, GError **error) G_GNUC_WARN_UNUSED_RESULT;
RP_DECLARE_VERB (keep);
RP_DECLARE_VERB (kept);
RP_DECLARE_VERB (restore);
RP_DECLARE_VERB (heal);
RP_DECLARE_VERB (scrub);
RP_DECLARE_VERB (mirror);
RP_DECLARE_VERB (export);
RP_DECLARE_VERB (import);
RP_DECLARE_GROUP (ledger);
RP_DECLARE_VERB (login);
RP_DECLARE_VERB (logout);
RP_DECLARE_GROUP (account);
RP_DECLARE_GROUP (identity);
RP_DECLARE_GROUP (group);
RP_DECLARE_GROUP (token);
RP_DECLARE_GROUP (config);
RP_DECLARE_VERB (help);
gboolean rp_version_run (RpCli *cli, char **args, GError **error) G_GNUC_WARN_UNUSED_RESULT;
