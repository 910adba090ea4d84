#include "check.h"

#include "access/access.h"
#include "base/json.h"

#define ACTOR "tester@host"

static const RpProjector *const projectors[] = { &rp_access_projector, NULL };

typedef struct {
  RpDb *db;
  RpLedger *ledger;
  RpAccess *access;
} Fixture;

static void
add_robot (Fixture *fixture, const char *name)
{
  GError *error = NULL;
  g_autoptr (json_t) allow = json_array ();

  check_ok (rp_access_account_add (fixture->access, ACTOR, name, TRUE, NULL, allow, &error));
}

static void
declare (Fixture *fixture, const char *name)
{
  GError *error = NULL;
  g_autoptr (json_t) declaration
      = json_pack ("{s:s, s:s, s:{s:s}, s:[]}", "issuer", "https://issuer.example", "audience", "x", "claims", "sub", "x", "allow");

  check_ok (rp_access_identity_set (fixture->access, ACTOR, name, declaration, &error));
}

static int
setup (void **state)
{
  GError *error = NULL;
  Fixture *fixture = g_new0 (Fixture, 1);
  g_autoptr (json_t) allow = json_pack ("[s]", "administer");

  fixture->db = rp_db_open (":memory:", &error);
  check_ok (fixture->db != NULL);
  fixture->ledger = rp_ledger_open (fixture->db, projectors, &error);
  check_ok (fixture->ledger != NULL);
  fixture->access = rp_access_open (fixture->ledger, FALSE, &error);
  check_ok (fixture->access != NULL);
  check_ok (rp_access_account_add (fixture->access, ACTOR, "ada", FALSE, "correct horse battery", allow, &error));
  add_robot (fixture, "ci");
  declare (fixture, "shop-ci");
  declare (fixture, "shop");
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
set (Fixture *fixture, const char *name, const char *members, GError **error)
{
  g_autoptr (json_t) array = rp_json_parse (members, strlen (members), "members", error);

  return array != NULL && rp_access_group_set (fixture->access, ACTOR, name, array, error);
}

static void
test_who_is_in (void **state)
{
  static const struct {
    const char *account;
    gboolean in;
  } cases[] = {
    { "ada", TRUE },
    { "ci", FALSE },
    { "shop-ci [repo:org/shop]", TRUE },
    { "shop [repo:org/shop]", FALSE },
    { "other,shop-ci [x]", TRUE },
    { "shop-ci,other [x]", TRUE },
    /* Subjects are chosen by others. */
    { "shop [shop-ci]", FALSE },
    { "shop [x],shop-ci [y]", FALSE },
    { "shop [ada", FALSE },
    { "", FALSE },
    { "Ada", FALSE },
    { "ada ", FALSE },
  };
  Fixture *fixture = *state;
  GError *error = NULL;

  assert_false (rp_access_in_group (fixture->access, "ada", "managers"));
  check_ok (set (fixture, "managers", "[\"shop-ci\", \"ada\", \"ada\"]", &error));
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    if (rp_access_in_group (fixture->access, cases[i].account, "managers") != cases[i].in)
      fail_msg ("%s: expected %d", cases[i].account, cases[i].in);
  assert_false (rp_access_in_group (fixture->access, "ada", "manager"));
  check_ok (set (fixture, "managers", "[\"ci\"]", &error));
  assert_false (rp_access_in_group (fixture->access, "ada", "managers"));
  assert_true (rp_access_in_group (fixture->access, "ci", "managers"));
  check_ok (rp_access_group_remove (fixture->access, ACTOR, "managers", &error));
  assert_false (rp_access_in_group (fixture->access, "ci", "managers"));
  check_fails (rp_access_group_remove (fixture->access, ACTOR, "managers", &error), RP_ERROR_NOT_FOUND);
}

static void
test_who_is_removed_leaves (void **state)
{
  Fixture *fixture = *state;
  GError *error = NULL;

  check_ok (set (fixture, "managers", "[\"ci\", \"shop-ci\"]", &error));
  declare (fixture, "shop-ci"); /* anew: it is the same one */
  assert_true (rp_access_in_group (fixture->access, "shop-ci [x]", "managers"));
  check_ok (rp_access_account_remove (fixture->access, ACTOR, "ci", &error));
  check_ok (rp_access_identity_remove (fixture->access, ACTOR, "shop-ci", &error));
  add_robot (fixture, "ci");
  declare (fixture, "shop-ci");
  assert_false (rp_access_in_group (fixture->access, "ci", "managers"));
  assert_false (rp_access_in_group (fixture->access, "shop-ci [x]", "managers"));
  g_autoptr (json_t) groups = rp_access_groups (fixture->access);
  const json_t *group = json_array_get (json_object_get (groups, "groups"), 0);
  assert_int_equal (json_array_size (json_object_get (group, "members")), 0);
}

static void
test_bad_groups (void **state)
{
  Fixture *fixture = *state;
  GError *error = NULL;
  g_autoptr (GString) many = g_string_new ("[\"a\"");

  check_fails (set (fixture, "managers", "[]", &error), RP_ERROR_INVALID);
  check_fails (set (fixture, "managers", "[1]", &error), RP_ERROR_INVALID);
  check_fails (set (fixture, "managers", "[\"Ada\"]", &error), RP_ERROR_INVALID);
  check_fails (set (fixture, "managers", "[\"ada\", \"nobody\"]", &error), RP_ERROR_NOT_FOUND);
  check_fails (set (fixture, "Managers", "[\"ada\"]", &error), RP_ERROR_INVALID);
  check_fails (set (fixture, "", "[\"ada\"]", &error), RP_ERROR_INVALID);
  for (int i = 0; i < 200; i++)
    g_string_append_printf (many, ",\"a%d\"", i);
  g_string_append (many, "]");
  check_fails (set (fixture, "managers", many->str, &error), RP_ERROR_INVALID);
  assert_false (rp_access_in_group (fixture->access, "ada", "managers"));
}

static void
test_lists (void **state)
{
  Fixture *fixture = *state;
  GError *error = NULL;

  check_ok (set (fixture, "b", "[\"shop\", \"ada\"]", &error));
  check_ok (set (fixture, "a", "[\"ada\"]", &error));
  g_autoptr (json_t) groups = rp_access_groups (fixture->access);
  const json_t *list = json_object_get (groups, "groups");
  assert_int_equal (json_array_size (list), 2);
  assert_string_equal (rp_json_str (json_array_get (list, 0), "group"), "a");
  g_autofree char *members = rp_json_print (json_object_get (json_array_get (list, 1), "members"));
  assert_string_equal (members, "[\"ada\",\"shop\"]");
  g_autoptr (json_t) of = rp_access_groups_of (fixture->access, "ada");
  g_autofree char *mine = rp_json_print (of);
  assert_string_equal (mine, "[\"a\",\"b\"]");
  g_autoptr (json_t) none = rp_access_groups_of (fixture->access, "ci");
  assert_int_equal (json_array_size (none), 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (test_who_is_in, setup, teardown),
    cmocka_unit_test_setup_teardown (test_who_is_removed_leaves, setup, teardown),
    cmocka_unit_test_setup_teardown (test_bad_groups, setup, teardown),
    cmocka_unit_test_setup_teardown (test_lists, setup, teardown),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
