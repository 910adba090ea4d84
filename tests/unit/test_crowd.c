#include "check.h"

#include <arpa/inet.h>

#include "server/crowd.h"

static struct sockaddr_storage
address (const char *text)
{
  struct sockaddr_storage storage = { 0 };
  struct sockaddr_in *v4 = (struct sockaddr_in *) (void *) &storage;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) (void *) &storage;

  if (strchr (text, ':') == NULL)
    {
      v4->sin_family = AF_INET;
      assert_int_equal (inet_pton (AF_INET, text, &v4->sin_addr), 1);
    }
  else
    {
      v6->sin6_family = AF_INET6;
      assert_int_equal (inet_pton (AF_INET6, text, &v6->sin6_addr), 1);
    }
  return storage;
}

static RpCrowdWord
enter (RpCrowd *crowd, const char *text, RpGuest **guest)
{
  struct sockaddr_storage from = address (text);

  return rp_crowd_enter (crowd, (struct sockaddr *) &from, guest);
}

static void
one_address_has_its_share (void **state)
{
  RpCrowd *crowd = rp_crowd_new ();
  RpGuest *a, *b, *c, *d, *e;
  GError *error = NULL;

  rp_crowd_set (crowd, 0, 2);
  assert_int_equal (enter (crowd, "10.0.0.1", &a), RP_CROWD_WELCOME);
  assert_int_equal (enter (crowd, "10.0.0.1", &b), RP_CROWD_WELCOME);
  assert_int_equal (enter (crowd, "10.0.0.1", &c), RP_CROWD_ADDRESS);
  assert_int_equal (enter (crowd, "10.0.0.2", &d), RP_CROWD_WELCOME);
  check_ok (rp_crowd_admits (crowd, a, &error));
  check_fails (rp_crowd_admits (crowd, c, &error), RP_ERROR_TOO_MANY);
  rp_crowd_leave (crowd, c); /* it never had a place, so none is free now */
  assert_int_equal (enter (crowd, "10.0.0.1", &c), RP_CROWD_ADDRESS);
  rp_crowd_leave (crowd, a);
  assert_int_equal (enter (crowd, "10.0.0.1", &e), RP_CROWD_WELCOME);
  rp_crowd_leave (crowd, b);
  rp_crowd_leave (crowd, c);
  rp_crowd_leave (crowd, d);
  rp_crowd_leave (crowd, e);
  rp_crowd_free (crowd);
}

/* A client has all of a /64. */
static void
a_network_is_one_client (void **state)
{
  RpCrowd *crowd = rp_crowd_new ();
  RpGuest *guests[4];

  rp_crowd_set (crowd, 0, 1);
  assert_int_equal (enter (crowd, "2001:db8::1", &guests[0]), RP_CROWD_WELCOME);
  assert_int_equal (enter (crowd, "2001:db8::ffff:2", &guests[1]), RP_CROWD_ADDRESS);
  assert_int_equal (enter (crowd, "2001:db8:0:1::1", &guests[2]), RP_CROWD_WELCOME);
  assert_int_equal (enter (crowd, "::ffff:10.0.0.1", &guests[3]), RP_CROWD_WELCOME);
  for (guint i = 0; i < G_N_ELEMENTS (guests); i++)
    rp_crowd_leave (crowd, guests[i]);
  rp_crowd_free (crowd);
}

static void
those_refused_take_no_place (void **state)
{
  RpCrowd *crowd = rp_crowd_new ();
  RpGuest *first, *local, *refused[RP_CROWD_TOLD_MAX + 1];
  GError *error = NULL;

  rp_crowd_set (crowd, 1, 0);
  assert_int_equal (enter (crowd, "10.0.0.1", &first), RP_CROWD_WELCOME);
  for (guint i = 0; i < RP_CROWD_TOLD_MAX; i++)
    assert_int_equal (enter (crowd, "10.0.0.2", &refused[i]), RP_CROWD_FULL);
  assert_int_equal (enter (crowd, "10.0.0.2", &refused[RP_CROWD_TOLD_MAX]), RP_CROWD_SHUT);
  check_fails (rp_crowd_admits (crowd, refused[0], &error), RP_ERROR_BUSY);
  rp_crowd_leave (crowd, first); /* with those refused still here */
  assert_int_equal (rp_crowd_enter (crowd, NULL, &local), RP_CROWD_WELCOME);
  rp_crowd_leave (crowd, local);
  for (guint i = 0; i <= RP_CROWD_TOLD_MAX; i++)
    rp_crowd_leave (crowd, refused[i]);
  rp_crowd_free (crowd);
}

static void
limits_come_and_go_while_guests_are_here (void **state)
{
  RpCrowd *crowd = rp_crowd_new ();
  RpGuest *early, *a, *b, *c;
  GString *text = g_string_new (NULL);

  assert_int_equal (enter (crowd, "10.0.0.1", &early), RP_CROWD_WELCOME);
  assert_null (early); /* nothing is remembered of it */
  rp_crowd_set (crowd, 3, 1);
  assert_int_equal (enter (crowd, "10.0.0.1", &a), RP_CROWD_WELCOME);
  assert_int_equal (enter (crowd, "10.0.0.1", &b), RP_CROWD_ADDRESS);
  rp_crowd_set (crowd, 0, 0);
  assert_int_equal (enter (crowd, "10.0.0.1", &c), RP_CROWD_WELCOME);
  rp_crowd_leave (crowd, a);
  rp_crowd_leave (crowd, b);
  rp_crowd_leave (crowd, c);
  rp_crowd_leave (crowd, early);
  rp_crowd_print (crowd, text);
  assert_non_null (strstr (text->str, "repoint_http_connections 0\n"));
  assert_non_null (strstr (text->str, "{limit=\"limit_connections_address\"} 1\n"));
  g_string_free (text, TRUE);
  rp_crowd_free (crowd);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (one_address_has_its_share),
    cmocka_unit_test (a_network_is_one_client),
    cmocka_unit_test (those_refused_take_no_place),
    cmocka_unit_test (limits_come_and_go_while_guests_are_here),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
