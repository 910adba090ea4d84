#include "check.h"

#include "access/jwk.h"
#include "access/secret.h"
#include "base/file.h"

#define NOW_S 1900000000
#define NOW_US ((gint64) NOW_S * G_USEC_PER_SEC)

/* RFC 7515, appendix A.2 and A.3; RFC 8037, appendix A.2 and A.4. */
static const char rfc_keys[]
    = "{\"keys\":["
      "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-"
      "4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5"
      "z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NA"
      "co9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\"},"
      "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
      "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"
      "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";
#define RFC_CLAIMS                                                                                                     \
  "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
static const char rfc_rs256[]
    = "eyJhbGciOiJSUzI1NiJ9." RFC_CLAIMS ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_"
      "lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K"
      "0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXL"
      "IhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
static const char rfc_es256[] = "eyJhbGciOiJFUzI1NiJ9." RFC_CLAIMS ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5d"
                                "jxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
static const char rfc_ed25519_text[] = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
static const char rfc_ed25519_signature[]
    = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

static RpJwks *
parse_keys (const char *text)
{
  GError *error = NULL;
  RpJwks *keys = rp_jwks_parse (text, strlen (text), &error);

  check_ok (keys != NULL);
  return keys;
}

static RpJwt *
parse (const char *text)
{
  GError *error = NULL;
  RpJwt *jwt = rp_jwt_parse (text, &error);

  check_ok (jwt != NULL);
  return jwt;
}

static void
test_rfc_examples (void **state)
{
  static const char *const tokens[] = { rfc_rs256, rfc_es256 };
  g_autoptr (RpJwks) keys = parse_keys (rfc_keys);
  RpJwt ed25519 = { .algorithm = (char *) "EdDSA", .signed_text = (char *) rfc_ed25519_text };

  for (gsize i = 0; i < G_N_ELEMENTS (tokens); i++)
    {
      g_autoptr (RpJwt) jwt = parse (tokens[i]);
      assert_int_equal (rp_jwks_verify (keys, jwt), RP_JWK_GOOD);
      assert_string_equal (rp_jwt_issuer (jwt), "joe");
      jwt->signature[7] ^= 1;
      assert_int_equal (rp_jwks_verify (keys, jwt), RP_JWK_BAD);
    }
  ed25519.signature = rp_base64url_decode (rfc_ed25519_signature, &ed25519.signature_size);
  assert_int_equal (rp_jwks_verify (keys, &ed25519), RP_JWK_GOOD);
  ed25519.signed_text = (char *) "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmg";
  assert_int_equal (rp_jwks_verify (keys, &ed25519), RP_JWK_BAD);
  g_free (ed25519.signature);
}

static json_t *
read_vectors (void)
{
  GError *error = NULL;
  g_autoptr (GBytes) bytes = rp_file_read (TEST_DATA_DIR "/jwt/vectors.json", 1 << 16, &error);
  json_t *json;

  check_ok (bytes != NULL);
  json = rp_json_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), "vectors", &error);
  check_ok (json != NULL);
  return json;
}

/* Signed by another implementation (python3-cryptography): each token with its own key, and no signature counts under
 * the name of another algorithm. */
static void
test_every_algorithm (void **state)
{
  g_autoptr (json_t) vectors = read_vectors ();
  g_autofree char *set = rp_json_print (json_object_get (vectors, "jwks"));
  g_autoptr (RpJwks) keys = parse_keys (set);
  json_t *tokens = json_object_get (vectors, "tokens");
  const char *name, *other;
  json_t *token, *ignored;

  assert_int_equal (json_object_size (tokens), 10);
  json_object_foreach (tokens, name, token)
  {
    g_autoptr (RpJwt) jwt = parse (json_string_value (token));
    assert_true (rp_jwk_algorithm_ok (name));
    assert_string_equal (jwt->algorithm, name);
    assert_int_equal (rp_jwks_verify (keys, jwt), RP_JWK_GOOD);
    json_object_foreach (tokens, other, ignored)
    {
      g_free (jwt->algorithm);
      jwt->algorithm = g_strdup (other);
      if (strcmp (other, name) != 0 && rp_jwks_verify (keys, jwt) == RP_JWK_GOOD)
        fail_msg ("a signature of %s counts as one of %s", name, other);
    }
  }
}

static void
test_algorithms_that_are_not_taken (void **state)
{
  static const char *const names[] = { "none", "None", "NONE", "", "HS256", "HS384", "HS512", "rs256", "RS1", "ES256K" };
  g_autoptr (RpJwks) keys = parse_keys (rfc_keys);
  g_autoptr (RpJwt) jwt = parse (rfc_rs256);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_free (jwt->algorithm);
      jwt->algorithm = g_strdup (names[i]);
      assert_false (rp_jwk_algorithm_ok (names[i]));
      assert_int_equal (rp_jwks_verify (keys, jwt), RP_JWK_BAD);
    }
}

static void
test_kids (void **state)
{
  static const char *const wrong[] = { "other", "", "../rsa", "/dev/null", "rsa\n", "RSA", "file:///etc/passwd" };
  g_autoptr (json_t) vectors = read_vectors ();
  g_autofree char *set = rp_json_print (json_object_get (vectors, "jwks"));
  g_autoptr (RpJwks) keys = parse_keys (set);
  g_autoptr (RpJwt) jwt = parse (rp_json_str (json_object_get (vectors, "tokens"), "RS256"));

  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_free (jwt->kid);
      jwt->kid = g_strdup (wrong[i]);
      assert_int_equal (rp_jwks_verify (keys, jwt), RP_JWK_NO_KEY);
    }
  /* Without one the only key that fits is taken; a key of another kind never is. */
  g_clear_pointer (&jwt->kid, g_free);
  assert_int_equal (rp_jwks_verify (keys, jwt), RP_JWK_GOOD);
  jwt->kid = g_strdup ("P-256");
  assert_int_equal (rp_jwks_verify (keys, jwt), RP_JWK_NO_KEY);
}

static void
test_bad_key_sets (void **state)
{
  static const char *const sets[] = {
    "", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]}", "{\"keys\":[1,null]}",
    "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
    "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}", /* 17 bits */
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]}",
    /* Not on the curve. */
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5aQ\"}]}",
    /* For encryption. */
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":\"enc\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"key_ops\":[\"encrypt\"],"
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
  };
  GError *error = NULL;
  g_autoptr (GString) many = g_string_new ("{\"keys\":[0");

  for (gsize i = 0; i < G_N_ELEMENTS (sets); i++)
    check_fails (rp_jwks_parse (sets[i], strlen (sets[i]), &error) != NULL, RP_ERROR_INVALID);
  for (int i = 0; i < RP_JWKS_KEYS_MAX; i++)
    g_string_append (many, ",0");
  g_string_append (many, "]}");
  check_fails (rp_jwks_parse (many->str, many->len, &error) != NULL, RP_ERROR_INVALID);
}

/* ---- shapes ---- */

static char *
compact (const char *header, const char *claims, const char *signature)
{
  g_autofree char *first = rp_base64url_encode (header, strlen (header));
  g_autofree char *second = rp_base64url_encode (claims, strlen (claims));

  return g_strconcat (first, ".", second, ".", signature, NULL);
}

static void
test_shapes (void **state)
{
  static const struct {
    const char *header, *claims, *signature;
  } bad[] = {
    { "{\"alg\":\"none\"}", "{}", "" },
    { "{}", "{}", "AAAA" },
    { "{\"alg\":1}", "{}", "AAAA" },
    { "{\"alg\":\"RS256\",\"alg\":\"none\"}", "{}", "AAAA" },
    { "{\"alg\":\"RS256\",\"kid\":1}", "{}", "AAAA" },
    { "{\"alg\":\"RS256\",\"crit\":[\"b64\"]}", "{}", "AAAA" },
    { "[]", "{}", "AAAA" },
    { "{\"alg\":\"RS256\"}", "[]", "AAAA" },
    { "{\"alg\":\"RS256\"}", "text", "AAAA" },
    { "{\"alg\":\"RS256\"}", "{}", "A" },
    { "{\"alg\":\"RS256\"}", "{}", "AA==" },
    { "{\"alg\":\"RS256\"}", "{}", "AA+A" },
  };
  static const char *const passwords[] = { "", "correct horse battery", "eyes.wide.shut", "ey..", "..", "rpt_x.y.z" };
  GError *error = NULL;
  g_autofree char *long_one = g_strnfill (RP_JWT_MAX, 'A');
  g_autofree char *long_text = compact ("{\"alg\":\"RS256\"}", "{}", long_one);

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *text = compact (bad[i].header, bad[i].claims, bad[i].signature);
      check_fails (rp_jwt_parse (text, &error) != NULL, RP_ERROR_UNAUTHORIZED);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (passwords); i++)
    {
      assert_false (rp_jwt_looks_like (passwords[i]));
      check_fails (rp_jwt_parse (passwords[i], &error) != NULL, RP_ERROR_UNAUTHORIZED);
    }
  assert_true (rp_jwt_looks_like (rfc_es256));
  check_fails (rp_jwt_parse (long_text, &error) != NULL, RP_ERROR_UNAUTHORIZED);
}

/* ---- claims ---- */

static const struct {
  const char *claims;
  const char *refusal; /* NULL: taken */
} times[] = {
  { "{\"sub\":\"x\",\"exp\":1900000001}", NULL },
  { "{\"sub\":\"x\",\"exp\":1900000001.5}", NULL },
  { "{\"sub\":\"x\",\"exp\":1899999941}", NULL }, /* a minute for clocks that differ, */
  { "{\"sub\":\"x\",\"exp\":1899999940}", "expired" }, /* and no second more */
  { "{\"sub\":\"x\",\"exp\":1900000001,\"nbf\":1900000060}", NULL },
  { "{\"sub\":\"x\",\"exp\":1900000001,\"nbf\":1900000061}", "not valid yet" },
  { "{\"sub\":\"x\",\"exp\":1900000001,\"iat\":1900000061}", "not valid yet" },
  { "{\"sub\":\"x\"}", "when it expires" },
  { "{\"sub\":\"x\",\"exp\":\"1900000001\"}", "when it expires" },
  { "{\"sub\":\"x\",\"exp\":-1}", "when it expires" },
  { "{\"sub\":\"x\",\"exp\":1e300}", "when it expires" },
  { "{\"sub\":\"x\",\"exp\":1900000001,\"nbf\":\"now\"}", "times are none" },
  { "{\"exp\":1900000001}", "no subject" },
  { "{\"sub\":\"\",\"exp\":1900000001}", "no subject" },
  { "{\"sub\":1,\"exp\":1900000001}", "no subject" },
  { "{\"sub\":\"a\\nb\",\"exp\":1900000001}", "no subject" },
};

static void
test_times_and_subjects (void **state)
{
  for (gsize i = 0; i < G_N_ELEMENTS (times); i++)
    {
      g_autofree char *text = compact ("{\"alg\":\"RS256\"}", times[i].claims, "AAAA");
      g_autoptr (RpJwt) jwt = parse (text);
      GError *error = NULL;
      gint64 expires_us = 0;
      if (times[i].refusal == NULL)
        {
          check_ok (rp_jwt_check_claims (jwt, NOW_US, &expires_us, &error));
          assert_true (expires_us > NOW_US - 60 * G_USEC_PER_SEC);
          continue;
        }
      assert_false (rp_jwt_check_claims (jwt, NOW_US, &expires_us, &error));
      check_contains (error->message, times[i].refusal);
      g_clear_error (&error);
    }
}

static void
test_audiences (void **state)
{
  static const struct {
    const char *claims;
    gboolean fits;
  } cases[] = {
    { "{\"aud\":\"repoint\"}", TRUE },          { "{\"aud\":[\"other\",\"repoint\"]}", TRUE },
    { "{\"aud\":\"repoint.example\"}", FALSE }, { "{\"aud\":[]}", FALSE },
    { "{\"aud\":{\"repoint\":1}}", FALSE },     { "{}", FALSE },
    { "{\"aud\":[1,[\"repoint\"]]}", FALSE },   { "{\"aud\":\"*\"}", FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = compact ("{\"alg\":\"RS256\"}", cases[i].claims, "AAAA");
      g_autoptr (RpJwt) jwt = parse (text);
      assert_int_equal (rp_jwt_is_for (jwt, "repoint"), cases[i].fits);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_rfc_examples),       cmocka_unit_test (test_every_algorithm),
    cmocka_unit_test (test_algorithms_that_are_not_taken), cmocka_unit_test (test_kids),
    cmocka_unit_test (test_bad_key_sets),       cmocka_unit_test (test_shapes),
    cmocka_unit_test (test_times_and_subjects), cmocka_unit_test (test_audiences),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
