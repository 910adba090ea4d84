/* Tables `repository_use` and `repository_quota`, and the triggers on `repo_blob` and `manifest` that keep them: so
 * whatever adds or takes away a membership is counted.  Private to this room; follows the tables that it is about.
 */
#pragma once

/* A membership came or went, in `table`; `other` may have the same digest. The patterns
 * of policies have no special character but `*`, which GLOB has too. */
#define RP_USE_CAME(table, other)                                                                  \
  "CREATE TRIGGER IF NOT EXISTS " table "_came AFTER INSERT ON " table                             \
  " WHEN NOT EXISTS (SELECT 1 FROM " other                                                         \
  "  WHERE repository = NEW.repository AND digest = NEW.digest) BEGIN"                             \
  " INSERT INTO repository_use (repository, bytes, objects) VALUES (NEW.repository, NEW.size, 1)"  \
  "  ON CONFLICT (repository) DO UPDATE SET bytes = repository_use.bytes + excluded.bytes,"        \
  "  objects = repository_use.objects + 1;"                                                        \
  " UPDATE repository_quota SET used_bytes = used_bytes + NEW.size"                                \
  "  WHERE NEW.repository GLOB pattern; END;"

#define RP_USE_WENT(table, other)                                                                  \
  "CREATE TRIGGER IF NOT EXISTS " table "_went AFTER DELETE ON " table                             \
  " WHEN NOT EXISTS (SELECT 1 FROM " other                                                         \
  "  WHERE repository = OLD.repository AND digest = OLD.digest) BEGIN"                             \
  " UPDATE repository_use SET bytes = bytes - OLD.size, objects = objects - 1"                     \
  "  WHERE repository = OLD.repository;"                                                           \
  " DELETE FROM repository_use WHERE repository = OLD.repository AND objects = 0;"                 \
  " UPDATE repository_quota SET used_bytes = used_bytes - OLD.size"                                \
  "  WHERE OLD.repository GLOB pattern; END;"

/* The last statement is for a database from before these tables: all others have nothing to fill in.  Whether they
 * have comes first in the joins: as a condition of the memberships it would be asked of each of them, at each start. */
#define RP_USE_NONE "(SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM repository_use)) AS none"
#define RP_USE_SCHEMA                                                                              \
  "CREATE TABLE IF NOT EXISTS repository_use ("                                                    \
  "  repository TEXT PRIMARY KEY,"                                                                 \
  "  bytes INTEGER NOT NULL,"                                                                      \
  "  objects INTEGER NOT NULL) WITHOUT ROWID;"                                                     \
  "CREATE TABLE IF NOT EXISTS repository_quota ("                                                  \
  "  pattern TEXT PRIMARY KEY,"                                                                    \
  "  limit_bytes INTEGER NOT NULL,"                                                                \
  "  used_bytes INTEGER NOT NULL) WITHOUT ROWID;"                                                  \
  RP_USE_CAME ("repo_blob", "manifest") RP_USE_CAME ("manifest", "repo_blob")                      \
  RP_USE_WENT ("repo_blob", "manifest") RP_USE_WENT ("manifest", "repo_blob")                      \
  "INSERT INTO repository_use (repository, bytes, objects)"                                        \
  " SELECT repository, sum (size), count (*) FROM"                                                 \
  "  (SELECT b.repository, b.digest, b.size FROM " RP_USE_NONE " CROSS JOIN repo_blob AS b"        \
  "   UNION SELECT m.repository, m.digest, m.size FROM " RP_USE_NONE " CROSS JOIN manifest AS m) AS had"\
  " GROUP BY repository;"
