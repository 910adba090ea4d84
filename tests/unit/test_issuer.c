#include "check.h"
#include "http_peer.h"

#include "access/issuer.h"
#include "base/file.h"

#define SECOND ((gint64) G_USEC_PER_SEC)
#define HOUR   (3600 * SECOND)
#define BEGIN  (1000 * SECOND) /* whatever a monotonic clock says first */

/* The issuer: what it answers can be changed between two questions. */
typedef struct {
  Peer *peer;
  char *keys;   /* or NULL: status 500 */
  gint asked;   /* atomic */
  char *issuer; /* its own name */
  RpIssuers *issuers;
  json_t *vectors;
} Fixture;

static void
answer (const PeerRequest *request, PeerReply *reply, gpointer user_data)
{
  Fixture *fixture = user_data;

  g_atomic_int_inc (&fixture->asked);
  reply->status = fixture->keys != NULL ? 200 : 500;
  if (fixture->keys != NULL)
    reply->body = g_bytes_new (fixture->keys, strlen (fixture->keys));
}

static int
setup (void **state)
{
  GError *error = NULL;
  Fixture *fixture = g_new0 (Fixture, 1);
  g_autoptr (GBytes) bytes = rp_file_read (TEST_DATA_DIR "/jwt/vectors.json", 1 << 16, &error);

  check_ok (bytes != NULL);
  fixture->vectors
      = rp_json_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), "vectors", &error);
  check_ok (fixture->vectors != NULL);
  fixture->keys = rp_json_print (json_object_get (fixture->vectors, "jwks"));
  fixture->peer = peer_start (NULL, answer, fixture);
  fixture->issuer = g_strdup_printf ("http://127.0.0.1:%u", fixture->peer->port);
  fixture->issuers = rp_issuers_new (NULL);
  *state = fixture;
  return 0;
}

static int
teardown (void **state)
{
  Fixture *fixture = *state;

  rp_issuers_free (fixture->issuers);
  peer_stop (fixture->peer);
  g_free (fixture->keys);
  g_free (fixture->issuer);
  json_decref (fixture->vectors);
  g_free (fixture);
  return 0;
}

static gboolean
verify (Fixture *fixture, const char *kid, gint64 mono_us, GError **error)
{
  const char *text = rp_json_str (json_object_get (fixture->vectors, "tokens"), "ES256");
  g_autoptr (RpJwt) jwt = rp_jwt_parse (text, error);

  if (jwt == NULL)
    return FALSE;
  if (kid != NULL)
    {
      g_free (jwt->kid);
      jwt->kid = g_strdup (kid);
    }
  return rp_issuers_verify (fixture->issuers, "https://issuer.example", fixture->issuer, jwt, mono_us, error);
}

static int
asked (Fixture *fixture)
{
  return g_atomic_int_get (&fixture->asked);
}

static void
test_keys_are_fresh_for_an_hour (void **state)
{
  Fixture *fixture = *state;
  GError *error = NULL;

  check_ok (verify (fixture, NULL, BEGIN, &error));
  check_ok (verify (fixture, NULL, BEGIN + HOUR - 1, &error));
  assert_int_equal (asked (fixture), 1);
  check_ok (verify (fixture, NULL, BEGIN + HOUR, &error));
  assert_int_equal (asked (fixture), 2);
}

static void
test_keys_count_for_a_day_without_their_issuer (void **state)
{
  Fixture *fixture = *state;
  GError *error = NULL;

  check_ok (verify (fixture, NULL, BEGIN, &error));
  g_clear_pointer (&fixture->keys, g_free);
  check_ok (verify (fixture, NULL, BEGIN + HOUR, &error));
  assert_int_equal (asked (fixture), 2);
  check_ok (verify (fixture, NULL, BEGIN + HOUR + 29 * SECOND, &error)); /* it is not asked each time */
  assert_int_equal (asked (fixture), 2);
  check_ok (verify (fixture, NULL, BEGIN + HOUR + 30 * SECOND, &error));
  assert_int_equal (asked (fixture), 3);
  check_ok (verify (fixture, NULL, BEGIN + 24 * HOUR - 1, &error));
  check_fails (verify (fixture, NULL, BEGIN + 24 * HOUR + 40 * SECOND, &error), RP_ERROR_UNREACHABLE);
}

static void
test_no_keys_at_all (void **state)
{
  Fixture *fixture = *state;
  GError *error = NULL;
  char *keys = g_steal_pointer (&fixture->keys);

  check_fails (verify (fixture, NULL, BEGIN, &error), RP_ERROR_UNREACHABLE);
  fixture->keys = keys;
  check_fails (verify (fixture, NULL, BEGIN + 4 * SECOND, &error), RP_ERROR_UNREACHABLE);
  assert_int_equal (asked (fixture), 1);
  check_ok (verify (fixture, NULL, BEGIN + 5 * SECOND, &error));
}

static void
test_unknown_keys_cause_few_questions (void **state)
{
  Fixture *fixture = *state;
  GError *error = NULL;

  check_ok (verify (fixture, NULL, BEGIN, &error));
  check_fails (verify (fixture, "next", BEGIN + SECOND, &error), RP_ERROR_UNAUTHORIZED);
  assert_int_equal (asked (fixture), 2);
  for (int i = 2; i < 31; i++)
    check_fails (verify (fixture, i % 2 ? "next" : "../next", BEGIN + i * SECOND, &error), RP_ERROR_UNAUTHORIZED);
  assert_int_equal (asked (fixture), 2);
  check_fails (verify (fixture, "next", BEGIN + 31 * SECOND, &error), RP_ERROR_UNAUTHORIZED);
  assert_int_equal (asked (fixture), 3);
  check_ok (verify (fixture, NULL, BEGIN + 31 * SECOND, &error)); /* the others go on */
}

static void
test_addresses (void **state)
{
  static const struct {
    const char *url;
    gboolean ok;
  } cases[] = {
    { "https://issuer.example", TRUE },         { "https://issuer.example:8443/realms/ci", TRUE },
    { "https://[2001:db8::1]/x", TRUE },        { "http://127.0.0.1:8080", TRUE },
    { "http://localhost/x", TRUE },             { "http://[::1]:1/", TRUE },
    { "http://issuer.example", FALSE },         { "http://127.evil.example", FALSE },
    { "http://localhost.evil.example", FALSE }, { "http://127.0.0.1@evil.example", FALSE },
    { "https://user@issuer.example", FALSE },   { "https://issuer.example#x", FALSE },
    { "file:///etc/passwd", FALSE },            { "ftp://127.0.0.1", FALSE },
    { "https://", FALSE },                      { "", FALSE },
    { "issuer.example", FALSE },
  };
  GError *error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    if (cases[i].ok)
      check_ok (rp_issuers_check_url ("issuer", cases[i].url, &error));
    else
      check_fails (rp_issuers_check_url ("issuer", cases[i].url, &error), RP_ERROR_INVALID);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (test_keys_are_fresh_for_an_hour, setup, teardown),
    cmocka_unit_test_setup_teardown (test_keys_count_for_a_day_without_their_issuer, setup, teardown),
    cmocka_unit_test_setup_teardown (test_no_keys_at_all, setup, teardown),
    cmocka_unit_test_setup_teardown (test_unknown_keys_cause_few_questions, setup, teardown),
    cmocka_unit_test (test_addresses),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
