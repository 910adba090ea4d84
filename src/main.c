/* The table of verbs. */
#include "cli/verbs.h"

/* clang-format off */
static const RpVerb verbs[] = {
  { "serve", "Run the server: registry, ledger and engine",
    "", rp_serve_options, rp_serve_run, NULL },
  { "agent", "Run beside targets and make them follow their pointers",
    "", rp_agent_options, rp_agent_run_verb, rp_agent_verbs },
  { "apply", "Declare an app, its components, environments and targets",
    "", rp_apply_options, rp_apply_run, NULL },
  { "app", "Look at apps",
    "", NULL, NULL, rp_app_verbs },
  { "release", "Record and look at releases",
    "", NULL, NULL, rp_release_verbs },
  { "build", "Build a commit once and record its release",
    "APP -- CMD...", rp_build_options, rp_build_run, NULL },
  { "deploy", "Point an environment at a release",
    "APP/ENV RELEASE", rp_deploy_options, rp_deploy_run, NULL },
  { "promote", "Point an environment at what is healthy in the one before",
    "APP/ENV", rp_promote_options, rp_promote_run, NULL },
  { "rollout", "History, status and undo of an environment",
    "", NULL, NULL, rp_rollout_verbs },
  { "plan", "Show what a move would restore, and what it would not",
    "APP/ENV [RELEASE]", rp_plan_options, rp_plan_run, NULL },
  { "ready", "Show whether every revision in the window can run again",
    "[APP/ENV|APP]", rp_ready_options, rp_ready_run, NULL },
  { "trace", "Show where a digest lies, what contains it and where it runs",
    "DIGEST", rp_trace_options, rp_trace_run, NULL },
  { "repo", "List repositories; set and show what they allow",
    "", NULL, NULL, rp_repo_verbs },
  { "retention", "Say what is kept and what goes, and see why",
    "", NULL, NULL, rp_retention_verbs },
  { "tag", "Look at the tags of a repository",
    "", NULL, NULL, rp_tag_verbs },
  { "artifact", "Look at artifacts, push, pull and copy them",
    "", NULL, NULL, rp_artifact_verbs },
  { "keep", "Copy in what another registry has, and remember where it is from",
    "REF", rp_keep_options, rp_keep_run, NULL },
  { "kept", "Show what was copied in, and whether upstream still has it",
    "", rp_kept_options, rp_kept_run, NULL },
  { "restore", "Give an artifact back to the registry that lost it",
    "DIGEST|APP [RELEASE]", rp_restore_options, rp_restore_run, NULL },
  { "heal", "Bring damaged bytes back from where they were copied in",
    "DIGEST", rp_heal_options, rp_heal_run, NULL },
  { "export", "Write releases and all their bytes into a file",
    "APP RELEASE...", rp_export_options, rp_export_run, NULL },
  { "import", "Take in what was exported, or an OCI archive",
    "FILE", rp_import_options, rp_import_run, NULL },
  { "ledger", "Prove, rebuild and list what happened",
    "", NULL, NULL, rp_ledger_verbs },
  { "login", "Remember who you are at a server",
    "[SERVER]", rp_login_options, rp_login_run, NULL },
  { "logout", "Give up what login remembered",
    "[SERVER]", rp_logout_options, rp_logout_run, NULL },
  { "account", "Say who may do what",
    "", NULL, NULL, rp_account_verbs },
  { "token", "Give machines what they log in with",
    "", NULL, NULL, rp_token_verbs },
  { "config", "Check configuration files before they are used",
    "", NULL, NULL, rp_config_verbs },
  { "version", "Show the versions of this program and of the server",
    "", NULL, rp_version_run, NULL },
  { "help", "Show what a verb does",
    "[VERB] [SUBVERB]", rp_help_options, rp_help_run, NULL },
  { NULL }
};
/* clang-format on */

int
main (int argc, char **argv)
{
  return rp_cli_main (verbs, argc, argv);
}
