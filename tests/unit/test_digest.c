#include "check.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"

#define ABC256 "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define EMPTY256 "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC512                                                                                     \
  "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"                        \
  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"

/* FIPS 180-2, appendices B and C. */
static const struct {
  RpDigestAlgorithm algorithm;
  const char *text, *digest;
} vectors[] = {
  { RP_DIGEST_SHA256, "abc", ABC256 },
  { RP_DIGEST_SHA256, "", EMPTY256 },
  { RP_DIGEST_SHA512, "abc", ABC512 },
};

static void
vectors_match (void **state)
{
  for (gsize i = 0; i < G_N_ELEMENTS (vectors); i++)
    {
      RpDigest digest
          = rp_digest_of (vectors[i].algorithm, vectors[i].text, strlen (vectors[i].text));
      char text[RP_DIGEST_STRING_SIZE];
      assert_string_equal (rp_digest_format (&digest, text), vectors[i].digest);
      GError *error = NULL;
      RpDigest parsed;
      check_ok (rp_digest_parse (text, &parsed, &error));
      assert_true (rp_digest_equal (&parsed, &digest));
      assert_int_equal (rp_digest_hash (&parsed), rp_digest_hash (&digest));
      g_autofree RpDigest *copy = rp_digest_copy (&digest);
      assert_true (rp_digest_equal (copy, &digest));
    }
}

static void
bad_texts_are_refused (void **state)
{
  static const char *const bad[] = {
    NULL,
    "",
    "sha256",
    "sha256:",
    "sha256:abc",
    EMPTY256 "0",
    EMPTY256 "\n",
    " " EMPTY256,
    "SHA256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "sha256:g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "sha256:../../../../../../../../../../../../../../../../../etc/passwd00",
  };
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      GError *error = NULL;
      RpDigest digest = { .algorithm = RP_DIGEST_SHA512, .bytes = { 7 } };
      check_fails (rp_digest_parse (bad[i], &digest, &error), RP_ERROR_DIGEST_INVALID);
      assert_int_equal (digest.bytes[0], 7);
    }
}

static void
hasher_goes_on_after_a_peek (void **state)
{
  g_autoptr (RpHasher) hasher = rp_hasher_new (RP_DIGEST_SHA256);
  RpDigest nothing = rp_hasher_peek (hasher);
  rp_hasher_update (hasher, "a", 1);
  rp_hasher_update (hasher, NULL, 0);
  (void)rp_hasher_peek (hasher);
  rp_hasher_update (hasher, "bc", 2);
  RpDigest all = rp_hasher_peek (hasher);
  g_autofree char *first = rp_digest_to_string (&nothing);
  g_autofree char *last = rp_digest_to_string (&all);
  assert_string_equal (first, EMPTY256);
  assert_string_equal (last, ABC256);
}

static void
descriptor_is_hashed_whole (void **state)
{
  enum { SIZE = 700 * 1000 };
  g_autofree char *data = g_malloc (SIZE);
  for (int i = 0; i < SIZE; i++)
    data[i] = (char)(i * 7 + i / 1000);
  rp_autofd int fd = open (g_get_tmp_dir (), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  assert_true (fd >= 0);
  assert_int_equal (write (fd, data, SIZE), SIZE);
  GError *error = NULL;
  RpDigest digest, expected = rp_digest_of (RP_DIGEST_SHA512, data, SIZE);
  guint64 size = 0;
  check_ok (rp_digest_of_fd (RP_DIGEST_SHA512, fd, &digest, &size, &error));
  assert_true (rp_digest_equal (&digest, &expected));
  assert_int_equal (size, SIZE);
  assert_int_equal (lseek (fd, 0, SEEK_CUR), SIZE);
  check_fails (rp_digest_of_fd (RP_DIGEST_SHA256, -1, &digest, NULL, &error), RP_ERROR_FAILED);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (vectors_match),
    cmocka_unit_test (bad_texts_are_refused),
    cmocka_unit_test (hasher_goes_on_after_a_peek),
    cmocka_unit_test (descriptor_is_hashed_whole),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
