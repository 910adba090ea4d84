#include "cli/target_view.h"

#include "cli/humane.h"
#include "cli/table.h"

static void
add_target (RpTable *table, const json_t *target)
{
  const char *state = rp_json_str (target, "state");
  gint64 revision = rp_json_int (target, "revision");
  rp_table_add (table, RP_STYLE_BOLD, rp_json_str (target, "name"));
  rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (target, "component"));
  rp_table_add (table, rp_humane_state_style (state), state);
  rp_table_take (table, RP_STYLE_PLAIN,
                 revision > 0 ? g_strdup_printf ("%" G_GINT64_FORMAT, revision) : NULL);
  rp_table_add (table, RP_STYLE_PLAIN,
                rp_json_str (json_object_get (target, "observed_release"), "version"));
  rp_table_take (table, RP_STYLE_PLAIN, rp_humane_digest (rp_json_str (target, "observed_digest")));
  rp_table_add (table, RP_STYLE_PLAIN, rp_json_str (target, "agent"));
  rp_table_take (table, RP_STYLE_PLAIN, rp_humane_ago (rp_json_str (target, "seen_at")));
}

void
rp_target_view_print (RpCli *cli, const json_t *targets)
{
  g_autoptr (RpTable) table = rp_table_new (
      "TARGET|?COMPONENT|STATE|>REVISION|~RUNS|DIGEST|~AGENT|SEEN");
  gsize i;
  json_t *target;
  json_array_foreach (targets, i, target) add_target (table, target);
  if (i > 0)
    rp_table_print (table, &cli->out, 2);
}
