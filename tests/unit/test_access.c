#include "check.h"

#include "access/access.h"
#include "access/secret.h"
#include "access/throttle.h"
#include "access/ticket.h"
#include "base/clock.h"
#include "base/json.h"

#define PASSWORD "correct horse battery"
#define ACTOR    "tester@host"

#define SECRET_CHARS 43 /* the secret of a token is its end; it may hold an underscore itself */

static const RpProjector *const projectors[] = { &rp_access_projector, NULL };

/* ---- scopes ---- */

static const struct {
  const char *pattern, *text;
  gboolean fits;
} patterns[] = {
  { "shop/web", "shop/web", TRUE },
  { "shop/web", "shop/webb", FALSE },
  { "shop/web", "shop/we", FALSE },
  { "shop/web", "shop/Web", FALSE },
  { "shop/*", "shop/web", TRUE },
  { "shop/*", "shop/", TRUE },
  { "shop/*", "shop", FALSE },
  { "shop/*", "shop/web/deep", FALSE },
  { "shop/*", "shopping/web", FALSE },
  { "shop/**", "shop/web/deep", TRUE },
  { "shop/**", "shop", FALSE },
  { "*", "shop", TRUE },
  { "*", "shop/web", FALSE },
  { "**", "shop/web", TRUE },
  { "*/web", "shop/web", TRUE },
  { "*/web", "a/b/web", FALSE },
  { "**/web", "a/b/web", TRUE },
  { "team-*/**", "team-a/x/y", TRUE },
  { "team-*/**", "other/x", FALSE },
  { "a*b", "ab", TRUE },
  { "a*b", "axxb", TRUE },
  { "a*b", "axxbc", FALSE },
};

static void
test_patterns (void **state)
{
  for (gsize i = 0; i < G_N_ELEMENTS (patterns); i++)
    if (rp_pattern_matches (patterns[i].pattern, patterns[i].text) != patterns[i].fits)
      fail_msg ("%s %s: expected %d", patterns[i].pattern, patterns[i].text, patterns[i].fits);
}

static RpScopes *
scopes (const char *text)
{
  GError *error = NULL;
  g_autoptr (json_t) array = json_pack ("[s]", text);
  RpScopes *list = rp_scopes_from_json (array, &error);
  check_ok (list != NULL);
  return list;
}

static const struct {
  const char *scope;
  RpAction action;
  const char *subject;
  gboolean allowed;
} permissions[] = {
  { "pull:shop/*", RP_ACTION_PULL, "shop/web", TRUE },
  { "pull:shop/*", RP_ACTION_PUSH, "shop/web", FALSE },
  { "push:shop/*", RP_ACTION_PULL, "shop/web", TRUE },
  { "push:shop/*", RP_ACTION_PUSH, "shop/web", TRUE },
  { "push:shop/*", RP_ACTION_DELETE, "shop/web", FALSE },
  { "push:shop/*", RP_ACTION_PUSH, "other/web", FALSE },
  { "pull:shop/*", RP_ACTION_PULL, NULL, FALSE },
  { "pull:*", RP_ACTION_PULL, NULL, FALSE },
  { "pull:**", RP_ACTION_PULL, NULL, TRUE },
  { "read:shop", RP_ACTION_READ, "shop", TRUE },
  { "read:shop", RP_ACTION_READ, "other", FALSE },
  { "read:shop", RP_ACTION_READ, NULL, FALSE },
  { "read:*", RP_ACTION_READ, NULL, TRUE },
  { "read:shop", RP_ACTION_RELEASE, "shop", FALSE },
  { "release:shop", RP_ACTION_RELEASE, "shop", TRUE },
  { "release:shop", RP_ACTION_READ, "shop", TRUE },
  { "release:shop", RP_ACTION_DEPLOY, "shop/staging", FALSE },
  { "deploy:shop/staging", RP_ACTION_DEPLOY, "shop/staging", TRUE },
  { "deploy:shop/staging", RP_ACTION_DEPLOY, "shop/production", FALSE },
  { "deploy:shop/staging", RP_ACTION_READ, "shop", TRUE },
  { "deploy:shop/staging", RP_ACTION_READ, "other", FALSE },
  { "deploy:*/staging", RP_ACTION_READ, NULL, TRUE },
  { "deploy:shop/staging", RP_ACTION_APPROVE, "shop/staging", FALSE },
  { "approve:shop/production", RP_ACTION_APPROVE, "shop/production", TRUE },
  { "approve:shop/production", RP_ACTION_APPROVE, "shop/staging", FALSE },
  { "approve:shop/production", RP_ACTION_APPROVE, NULL, FALSE },
  { "approve:*/production", RP_ACTION_APPROVE, "shop/production", TRUE },
  { "approve:shop/production", RP_ACTION_DEPLOY, "shop/production", FALSE },
  { "approve:shop/production", RP_ACTION_READ, "shop", TRUE },
  { "approve:shop/production", RP_ACTION_READ, "other", FALSE },
  { "administer", RP_ACTION_APPROVE, "shop/production", TRUE },
  { "agent:shop/production/web-1", RP_ACTION_AGENT, "shop/production/web-1", TRUE },
  { "agent:shop/production/web-1", RP_ACTION_AGENT, "shop/production/web-2", FALSE },
  { "agent:shop/production/web-1", RP_ACTION_DEPLOY, "shop/production", FALSE },
  { "agent:shop/production/web-1", RP_ACTION_READ, "shop", FALSE },
  { "administer", RP_ACTION_PUSH, "any/thing", TRUE },
  { "administer", RP_ACTION_PULL, NULL, TRUE },
  { "administer", RP_ACTION_ADMINISTER, NULL, TRUE },
  { "push:**", RP_ACTION_ADMINISTER, NULL, FALSE },
};

static void
test_permissions (void **state)
{
  for (gsize i = 0; i < G_N_ELEMENTS (permissions); i++)
    {
      g_autoptr (RpScopes) list = scopes (permissions[i].scope);
      if (rp_scopes_allow (list, permissions[i].action, permissions[i].subject)
          != permissions[i].allowed)
        fail_msg ("%s: %s of %s", permissions[i].scope, rp_action_name (permissions[i].action),
                  permissions[i].subject != NULL ? permissions[i].subject : "all");
    }
}

static void
test_bad_scopes (void **state)
{
  static const char *const texts[]
      = { "",           "pull",          "pull:",        "push:shop web", "administer:x",
          "administe",  "administerx",   "fly:shop",     "pull:***",      "pull:a*b*c*d*e",
          "pull:shop?", "Pull:shop/web", "pull:caf\xc3\xa9" };
  GError *error = NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (json_t) array = json_pack ("[s]", texts[i]);
      check_fails (rp_scopes_from_json (array, &error) != NULL, RP_ERROR_INVALID);
    }
  g_autoptr (json_t) number = json_pack ("[i]", 1);
  check_fails (rp_scopes_from_json (number, &error) != NULL, RP_ERROR_INVALID);
  check_fails (rp_scopes_from_json (NULL, &error) != NULL, RP_ERROR_INVALID);
}

/* ---- secrets ---- */

static void
test_passwords (void **state)
{
  GError *error = NULL;
  g_autofree char *hash = rp_password_hash (PASSWORD, &error);
  check_ok (hash != NULL);
  g_autofree char *again = rp_password_hash (PASSWORD, &error);
  check_ok (again != NULL);
  assert_true (g_str_has_prefix (hash, "$y$"));
  assert_string_not_equal (hash, again);
  assert_true (rp_password_verify (PASSWORD, hash));
  assert_false (rp_password_verify (PASSWORD "x", hash));
  assert_false (rp_password_verify ("", hash));
  assert_false (rp_password_verify ("nobody at all", NULL)); /* right, but nobody's */
  assert_false (rp_password_verify (PASSWORD, "*"));
  check_fails (rp_password_check ("short", &error), RP_ERROR_INVALID);
  check_fails (rp_password_check ("two lines\nof text", &error), RP_ERROR_INVALID);
  check_fails (rp_password_check ("\xff\xfe is no utf-8 text", &error), RP_ERROR_INVALID);
  check_ok (rp_password_check (PASSWORD, &error));
}

static void
test_equal (void **state)
{
  assert_true (rp_secret_equal ("", ""));
  assert_true (rp_secret_equal ("abc", "abc"));
  assert_false (rp_secret_equal ("abc", "abd"));
  assert_false (rp_secret_equal ("abc", "ab"));
  assert_false (rp_secret_equal ("abc", "abcd"));
}

static void
test_base64url (void **state)
{
  for (gsize size = 1; size < 40; size++)
    {
      guint8 bytes[40];
      gsize length;
      for (gsize i = 0; i < size; i++)
        bytes[i] = (guint8) (0xff - i * 7);
      g_autofree char *text = rp_base64url_encode (bytes, size);
      assert_null (strpbrk (text, "+/="));
      g_autofree guint8 *back = rp_base64url_decode (text, &length);
      assert_int_equal (length, size);
      assert_memory_equal (back, bytes, size);
    }
  gsize length;
  assert_null (rp_base64url_decode ("", &length));
  assert_null (rp_base64url_decode ("a", &length));
  assert_null (rp_base64url_decode ("ab=c", &length));
}

/* ---- tickets ---- */

static void
test_tickets (void **state)
{
  const guint8 key[RP_TICKET_KEY_SIZE] = { 1 }, other[RP_TICKET_KEY_SIZE] = { 2 };
  RpTicket ticket = { .account = (char *) "ada", .epoch = 7, .expires_us = 1000 };
  g_autofree char *text = rp_ticket_seal (&ticket, key);
  g_auto (RpTicket) back = { 0 };
  assert_true (rp_ticket_open (text, key, &back));
  assert_string_equal (back.account, "ada");
  assert_null (back.token);
  assert_int_equal (back.epoch, 7);
  assert_int_equal (back.expires_us, 1000);
  g_auto (RpTicket) none = { 0 };
  assert_false (rp_ticket_open (text, other, &none));
  assert_false (rp_ticket_open ("rps_", key, &none));
  assert_false (rp_ticket_open ("rps_.", key, &none));
  assert_false (rp_ticket_open ("", key, &none));
  for (gsize i = strlen (RP_TICKET_PREFIX); text[i] != '\0'; i++)
    {
      char was = text[i];
      text[i] = was == 'A' ? 'B' : 'A';
      assert_false (rp_ticket_open (text, key, &none));
      text[i] = was;
    }
}

/* ---- guessing ---- */

static void
test_throttle (void **state)
{
  RpThrottle *throttle = rp_throttle_new ();
  gint64 wait_s = 0;
  for (int i = 0; i < RP_THROTTLE_ATTEMPTS; i++)
    assert_true (rp_throttle_take (throttle, "1.2.3.4", i, &wait_s));
  assert_false (rp_throttle_take (throttle, "1.2.3.4", 100, &wait_s));
  assert_int_equal (wait_s, 60);
  assert_true (rp_throttle_take (throttle, "1.2.3.5", 100, &wait_s));
  rp_throttle_give_back (throttle, "1.2.3.4");
  assert_true (rp_throttle_take (throttle, "1.2.3.4", 100, &wait_s));
  assert_false (rp_throttle_take (throttle, "1.2.3.4", RP_THROTTLE_WINDOW_US - 1, &wait_s));
  assert_int_equal (wait_s, 1);
  assert_true (rp_throttle_take (throttle, "1.2.3.4", RP_THROTTLE_WINDOW_US, &wait_s));
  rp_throttle_free (throttle);
}

/* ---- accounts ---- */

typedef struct {
  RpDb *db;
  RpLedger *ledger;
  RpAccess *access;
} Fixture;

static int
setup (void **state)
{
  GError *error = NULL;
  Fixture *fixture = g_new0 (Fixture, 1);
  fixture->db = rp_db_open (":memory:", &error);
  check_ok (fixture->db != NULL);
  fixture->ledger = rp_ledger_open (fixture->db, projectors, &error);
  check_ok (fixture->ledger != NULL);
  fixture->access = rp_access_open (fixture->ledger, FALSE, &error);
  check_ok (fixture->access != NULL);
  *state = fixture;
  return 0;
}

/* Whatever a test did, the tables must be what the events make. */
static int
teardown (void **state)
{
  GError *error = NULL;
  Fixture *fixture = *state;
  RpLedgerReport report;
  check_ok (rp_ledger_verify (fixture->ledger, 0, NULL, &report, &error));
  rp_access_close (fixture->access);
  rp_ledger_close (fixture->ledger);
  rp_db_close (fixture->db);
  g_free (fixture);
  return 0;
}

static gboolean
add (Fixture *fixture, const char *name, const char *scope, gboolean robot, GError **error)
{
  g_autoptr (json_t) allow = json_pack ("[s]", scope);
  return rp_access_account_add (fixture->access, ACTOR, name, robot, robot ? NULL : PASSWORD, allow,
                                error);
}

static RpIdentity *
log_in (Fixture *fixture, const char *name, const char *password, GError **error)
{
  gint64 wait_s;
  return rp_access_by_password (fixture->access, name, password, "127.0.0.1", &wait_s, error);
}

static void
test_first_and_last (void **state)
{
  Fixture *fixture = *state;
  GError *error = NULL;
  g_autoptr (json_t) nothing = json_array ();
  assert_true (rp_access_is_open (fixture->access));
  check_fails (add (fixture, "ada", "push:**", FALSE, &error), RP_ERROR_BLOCKED);
  check_fails (add (fixture, "ada", "administer", TRUE, &error), RP_ERROR_BLOCKED);
  assert_true (rp_access_is_open (fixture->access));
  check_ok (add (fixture, "ada", "administer", FALSE, &error));
  assert_false (rp_access_is_open (fixture->access));
  check_fails (add (fixture, "ada", "administer", FALSE, &error), RP_ERROR_CONFLICT);
  check_fails (rp_access_account_remove (fixture->access, ACTOR, "ada", &error), RP_ERROR_BLOCKED);
  check_fails (rp_access_account_allow (fixture->access, ACTOR, "ada", nothing, &error),
               RP_ERROR_BLOCKED);
  check_ok (add (fixture, "eve", "administer", FALSE, &error));
  check_ok (rp_access_account_remove (fixture->access, ACTOR, "ada", &error));
  check_fails (rp_access_account_remove (fixture->access, ACTOR, "ada", &error),
               RP_ERROR_NOT_FOUND);
}

static void
test_bad_accounts (void **state)
{
  static const char *const names[] = { "", "-a", ".a", "Ada", "a b", "a(b)", "a/b", "a:b" };
  Fixture *fixture = *state;
  GError *error = NULL;
  g_autoptr (json_t) allow = json_pack ("[s]", "administer");
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    check_fails (add (fixture, names[i], "administer", FALSE, &error), RP_ERROR_INVALID);
  check_fails (rp_access_account_add (fixture->access, ACTOR, "ada", FALSE, NULL, allow, &error),
               RP_ERROR_INVALID);
  check_fails (rp_access_account_add (fixture->access, ACTOR, "ci", TRUE, PASSWORD, allow, &error),
               RP_ERROR_INVALID);
}

static void
test_logging_in (void **state)
{
  Fixture *fixture = *state;
  GError *error = NULL;
  check_ok (add (fixture, "ada", "administer", FALSE, &error));
  check_ok (add (fixture, "ci", "push:shop/*", TRUE, &error));
  g_autoptr (RpIdentity) ada = log_in (fixture, "ada", PASSWORD, &error);
  check_ok (ada != NULL);
  assert_string_equal (ada->account, "ada");
  check_fails (log_in (fixture, "ada", PASSWORD "x", &error) != NULL, RP_ERROR_UNAUTHORIZED);
  check_fails (log_in (fixture, "eve", PASSWORD, &error) != NULL, RP_ERROR_UNAUTHORIZED);
  check_fails (log_in (fixture, "ci", "", &error) != NULL, RP_ERROR_UNAUTHORIZED);
  for (int i = 3; i < RP_THROTTLE_ATTEMPTS; i++)
    check_fails (log_in (fixture, "ada", "wrong again", &error) != NULL, RP_ERROR_UNAUTHORIZED);
  check_fails (log_in (fixture, "ada", PASSWORD, &error) != NULL, RP_ERROR_TOO_MANY);
}

static char *
issue (Fixture *fixture, const char *account, const char *limit, gint64 expires_us, char **out_id)
{
  GError *error = NULL;
  g_autoptr (json_t) allow = limit != NULL ? json_pack ("[s]", limit) : NULL;
  g_autoptr (json_t) token = rp_access_token_issue (fixture->access, ACTOR, account, "a label",
                                                    allow, expires_us, &error);
  check_ok (token != NULL);
  if (out_id != NULL)
    *out_id = g_strdup (rp_json_str (token, "token"));
  return g_strdup (rp_json_str (token, "secret"));
}

static void
test_tokens (void **state)
{
  Fixture *fixture = *state;
  GError *error = NULL;
  g_autofree char *id = NULL;
  check_ok (add (fixture, "ada", "administer", FALSE, &error));
  check_ok (add (fixture, "ci", "push:shop/*", TRUE, &error));
  g_autofree char *text = issue (fixture, "ci", "pull:**", 1000, &id);
  g_autoptr (RpIdentity) ci = rp_access_by_bearer (fixture->access, text, 999, 0, &error);
  check_ok (ci != NULL);
  assert_string_equal (ci->account, "ci");
  assert_true (rp_identity_may (ci, RP_ACTION_PULL, "shop/web"));
  assert_false (rp_identity_may (ci, RP_ACTION_PUSH, "shop/web"));  /* the token's limit */
  assert_false (rp_identity_may (ci, RP_ACTION_PULL, "other/web")); /* the account's */
  check_fails (rp_access_by_bearer (fixture->access, text, 1000, 0, &error) != NULL,
               RP_ERROR_UNAUTHORIZED);
  check_fails (rp_access_by_bearer (fixture->access, text, 1000, 5000, &error) != NULL,
               RP_ERROR_UNAUTHORIZED); /* grace is for tickets */
  text[strlen (text) - 1] ^= 1;
  check_fails (rp_access_by_bearer (fixture->access, text, 999, 0, &error) != NULL,
               RP_ERROR_UNAUTHORIZED);
  text[strlen (text) - 1] ^= 1;
  check_ok (rp_access_token_revoke (fixture->access, ACTOR, id, &error));
  check_fails (rp_access_by_bearer (fixture->access, text, 999, 0, &error) != NULL,
               RP_ERROR_UNAUTHORIZED);
  check_fails (rp_access_token_revoke (fixture->access, ACTOR, id, &error), RP_ERROR_NOT_FOUND);
}

static void
test_tickets_follow_their_account (void **state)
{
  Fixture *fixture = *state;
  GError *error = NULL;
  g_autofree char *id = NULL;
  check_ok (add (fixture, "ada", "administer", FALSE, &error));
  g_autofree char *secret = issue (fixture, "ada", NULL, 0, &id);
  g_autoptr (RpIdentity) by_password = log_in (fixture, "ada", PASSWORD, &error);
  g_autoptr (RpIdentity) by_token = rp_access_by_bearer (fixture->access, secret, 0, 0, &error);
  check_ok (by_password != NULL && by_token != NULL);
  g_autofree char *first = rp_access_ticket (fixture->access, by_password, 1000);
  g_autofree char *second = rp_access_ticket (fixture->access, by_token, 1000);
  gint64 end_us = 1000 + RP_TICKET_TTL_US;

  g_autoptr (RpIdentity) good = rp_access_by_bearer (fixture->access, first, end_us - 1, 0, &error);
  check_ok (good != NULL);
  assert_int_equal (good->credential, RP_CREDENTIAL_TICKET);
  check_fails (rp_access_by_bearer (fixture->access, first, end_us, 0, &error) != NULL,
               RP_ERROR_UNAUTHORIZED);
  g_autoptr (RpIdentity) late = rp_access_by_bearer (fixture->access, first, end_us, 10, &error);
  check_ok (late != NULL);

  check_ok (rp_access_token_revoke (fixture->access, ACTOR, id, &error));
  check_fails (rp_access_by_bearer (fixture->access, second, 1001, 0, &error) != NULL,
               RP_ERROR_UNAUTHORIZED);
  check_ok (rp_access_account_password (fixture->access, ACTOR, "ada", "another password", &error));
  check_fails (rp_access_by_bearer (fixture->access, first, 1001, 0, &error) != NULL,
               RP_ERROR_UNAUTHORIZED);
}

static void
test_anonymous (void **state)
{
  Fixture *fixture = *state;
  GError *error = NULL;
  check_ok (add (fixture, "ada", "administer", FALSE, &error));
  assert_null (rp_access_anonymous (fixture->access));
  g_autoptr (RpAccess) generous = rp_access_open (fixture->ledger, TRUE, &error);
  check_ok (generous != NULL);
  g_autoptr (RpIdentity) anyone = rp_access_anonymous (generous);
  assert_true (rp_identity_may (anyone, RP_ACTION_PULL, "shop/web"));
  assert_false (rp_identity_may (anyone, RP_ACTION_PUSH, "shop/web"));
  assert_false (rp_identity_may (anyone, RP_ACTION_READ, "shop"));
  g_autofree char *ticket = rp_access_ticket (generous, anyone, 0);
  g_autoptr (RpIdentity) again = rp_access_by_bearer (generous, ticket, 1, 0, &error);
  check_ok (again != NULL && again->account == NULL);
  check_fails (rp_access_by_bearer (fixture->access, ticket, 1, 0, &error) != NULL,
               RP_ERROR_UNAUTHORIZED); /* sealed by another */
}

/* History is read by many, so it holds hashes only; and it makes the same accounts again. */
static void
test_ledger_has_no_secret (void **state)
{
  Fixture *fixture = *state;
  GError *error = NULL;
  RpLedgerReport report;
  check_ok (add (fixture, "ada", "administer", FALSE, &error));
  g_autofree char *secret = issue (fixture, "ada", NULL, 0, NULL);
  g_autoptr (json_t) list = rp_ledger_list (fixture->ledger, 0, 100, NULL, &error);
  check_ok (list != NULL);
  g_autofree char *text = rp_json_print (list);
  assert_null (strstr (text, PASSWORD));
  assert_null (strstr (text, secret + strlen (secret) - SECRET_CHARS));
  check_contains (text, "$y$");
  g_autoptr (json_t) accounts = rp_access_accounts (fixture->access);
  g_autoptr (json_t) tokens = rp_access_tokens (fixture->access, NULL);
  json_object_update (accounts, tokens);
  g_autofree char *shown = rp_json_print (accounts);
  assert_null (strstr (shown, "$y$"));
  assert_null (strstr (shown, "hash"));
  assert_null (strstr (shown, secret));

  check_ok (rp_ledger_rebuild (fixture->ledger, &report, &error));
  g_autoptr (RpAccess) again = rp_access_open (fixture->ledger, FALSE, &error);
  check_ok (again != NULL);
  g_autoptr (RpIdentity) ada = rp_access_by_bearer (again, secret, 0, 0, &error);
  check_ok (ada != NULL);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_patterns),
    cmocka_unit_test (test_permissions),
    cmocka_unit_test (test_bad_scopes),
    cmocka_unit_test (test_passwords),
    cmocka_unit_test (test_equal),
    cmocka_unit_test (test_base64url),
    cmocka_unit_test (test_tickets),
    cmocka_unit_test (test_throttle),
    cmocka_unit_test_setup_teardown (test_first_and_last, setup, teardown),
    cmocka_unit_test_setup_teardown (test_bad_accounts, setup, teardown),
    cmocka_unit_test_setup_teardown (test_logging_in, setup, teardown),
    cmocka_unit_test_setup_teardown (test_tokens, setup, teardown),
    cmocka_unit_test_setup_teardown (test_tickets_follow_their_account, setup, teardown),
    cmocka_unit_test_setup_teardown (test_anonymous, setup, teardown),
    cmocka_unit_test_setup_teardown (test_ledger_has_no_secret, setup, teardown),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
