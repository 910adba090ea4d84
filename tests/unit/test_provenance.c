/* Where an artifact says it came from: the documents of tests/unit/data/provenance, and what follows
 * where sources agree and where they do not. */
#include "shop.h"

#include "base/file.h"
#include "release/provenance.h"

#define COMMIT "8ce6f7b4c1b9d3f5a7e0c2b4d6f8091a3b5c7d9e"
#define OTHER  "1111111111111111111111111111111111111111"

static GBytes *
load (const char *name)
{
  GError *error = NULL;
  g_autofree char *file = g_strconcat (name, ".json", NULL);
  g_autofree char *path = g_build_filename (TEST_DATA_DIR, "provenance", file, NULL);
  GBytes *bytes = rp_file_read (path, 1 << 20, &error);
  check_ok (bytes != NULL);
  return bytes;
}

static gboolean
parse_file (const char *name, GPtrArray *claims, GError **error)
{
  g_autoptr (GBytes) bytes = load (name);
  RpDigest subject = { .algorithm = RP_DIGEST_SHA256 };
  memset (subject.bytes, 0xaa, 32);
  return rp_provenance_parse_statement (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes),
                                        &subject, claims, error);
}

/* `commit=8ce6… slsa-v1/configSource 1 unsigned`, a line each. */
static char *
print_claims (const GPtrArray *claims)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < claims->len; i++)
    {
      const RpClaim *claim = claims->pdata[i];
      g_string_append_printf (text, "%s=%s %s %d%s\n", rp_claim_field_name (claim->field),
                              claim->value, claim->source, claim->trust,
                              claim->enveloped ? " enveloped" : "");
    }
  return g_strdup (text->str);
}

static void
test_statements (void **unused)
{
#define SHOP "repository=https://github.com/acme/shop.git "
#define DONE(shape) "created=2026-03-01T10:02:30Z " shape "/finished 1\n"
#define GITHUB(end)                                                                                \
  "repository=https://github.com/acme/shop slsa-v1/resolvedDependencies 2" end "\n"                \
  "commit=" COMMIT " slsa-v1/resolvedDependencies 2" end "\n"
  static const struct
  {
    const char *name;
    const char *claims;
  } table[] = {
    { "v1-git", SHOP "slsa-v1/configSource 1\ncommit=" COMMIT " slsa-v1/configSource 1\n" SHOP
                     "slsa-v1/resolvedDependencies 2\ncommit=" COMMIT
                     " slsa-v1/resolvedDependencies 2\n" DONE ("slsa-v1") },
    { "v1-local",
      SHOP "slsa-v1/vcs 3\ncommit=" COMMIT " slsa-v1/vcs 3\n" DONE ("slsa-v1") },
    { "v1-dirty", "repository=git@github.com:acme/shop.git slsa-v1/vcs 3\ncommit=" COMMIT
                  "-dirty slsa-v1/vcs 3\n" DONE ("slsa-v1") },
    { "v1-dependency-differs",
      SHOP "slsa-v1/configSource 1\ncommit=" COMMIT " slsa-v1/configSource 1\n" SHOP
           "slsa-v1/resolvedDependencies 2\ncommit=" OTHER
           " slsa-v1/resolvedDependencies 2\n" DONE ("slsa-v1") },
    { "v1-tarball", DONE ("slsa-v1") },
    { "v1-password", "repository=https://git.example/acme/shop.git slsa-v1/configSource 1\n"
                     "commit=" COMMIT " slsa-v1/configSource 1\n" DONE ("slsa-v1") },
    { "v02-git", SHOP "slsa-v0.2/configSource 1\ncommit=" COMMIT " slsa-v0.2/configSource 1\n" SHOP
                      "slsa-v0.2/materials 2\ncommit=" COMMIT
                      " slsa-v0.2/materials 2\n" DONE ("slsa-v0.2") },
    { "v02-local",
      SHOP "slsa-v0.2/vcs 3\ncommit=" COMMIT " slsa-v0.2/vcs 3\n" DONE ("slsa-v0.2") },
    { "bundle-github", GITHUB (" enveloped") },
    { "envelope", GITHUB (" enveloped") },
    { "envelope-no-signature", GITHUB ("") },
    { "sbom", "" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      GError *error = NULL;
      g_autoptr (GPtrArray) claims = g_ptr_array_new_with_free_func (rp_claim_free);
      check_ok (parse_file (table[i].name, claims, &error));
      g_autofree char *text = print_claims (claims);
      assert_string_equal (text, table[i].claims);
    }
}

static void
test_bad_statements (void **unused)
{
  static const struct
  {
    const char *name;
    const char *says;
  } table[] = {
    { "other-subject", "the statement is about dddd" },
    { "no-subject", "about nothing, not about sha256:aaaa" },
    { "no-predicate", "predicate is not a JSON object" },
    { "statement-type", "Statement/v9" },
    { "no-predicate-type", "statement.predicateType" },
    { "revision-number", "slsa-v1/vcs: the commit is not a string" },
    { "revision-control", "slsa-v1/vcs is no usable commit" },
    { "envelope-payload-type", "text/plain" },
    { "envelope-garbage", "statement" },
    { "envelope-number", "envelope is not a JSON object" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      GError *error = NULL;
      g_autofree char *name = g_strconcat ("should-fail-", table[i].name, NULL);
      g_autoptr (GPtrArray) claims = g_ptr_array_new_with_free_func (rp_claim_free);
      assert_false (parse_file (name, claims, &error));
      assert_int_equal (claims->len, 0);
      check_contains (error->message, table[i].says);
      check_fails (FALSE, RP_ERROR_INVALID);
    }
}

static void
test_labels_and_annotations (void **unused)
{
  static const char config[]
      = "{\"config\":{\"Labels\":{\"org.opencontainers.image.revision\":\"" COMMIT "\","
        "\"org.label-schema.vcs-url\":\"https://github.com/acme/shop\",\"maintainer\":\"x\","
        "\"org.opencontainers.image.version\":\"\"}}}";
  static const char annotations[] = "{\"org.opencontainers.image.version\":\"1.2\","
                                    "\"org.opencontainers.image.source\":\"https://h/a\"}";
  static const char *const silent[]
      = { "{}", "{\"config\":{}}", "{\"config\":{\"Labels\":null}}", "{\"config\":null}" };
  static const char *const bad[]
      = { "[]", "{\"config\":{\"Labels\":[]}}",
          "{\"config\":{\"Labels\":{\"org.opencontainers.image.revision\":1}}}",
          "{\"config\":{\"Labels\":{\"org.opencontainers.image.revision\":\"two words\"}}}", "{" };
  GError *error = NULL;
  g_autoptr (GPtrArray) claims = g_ptr_array_new_with_free_func (rp_claim_free);
  check_ok (rp_provenance_parse_config (config, strlen (config), claims, &error));
  check_ok (rp_provenance_parse_annotations (annotations, claims, &error));
  g_autofree char *text = print_claims (claims);
  assert_string_equal (text, "commit=" COMMIT " label/org.opencontainers.image.revision 5\n"
                             "repository=https://github.com/acme/shop"
                             " label/org.label-schema.vcs-url 5\n"
                             "repository=https://h/a annotation/org.opencontainers.image.source 4\n"
                             "version=1.2 annotation/org.opencontainers.image.version 4\n");
  for (gsize i = 0; i < G_N_ELEMENTS (silent); i++)
    check_ok (rp_provenance_parse_config (silent[i], strlen (silent[i]), claims, &error));
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    check_fails (rp_provenance_parse_config (bad[i], strlen (bad[i]), claims, &error),
                 RP_ERROR_INVALID);
  assert_int_equal (claims->len, 4);
}

static void
test_agreement (void **unused)
{
  static const struct
  {
    RpClaimField field;
    const char *a;
    const char *b;
    gboolean agrees;
  } table[] = {
    { RP_CLAIM_COMMIT, COMMIT, COMMIT, TRUE },
    { RP_CLAIM_COMMIT, COMMIT, "8CE6F7B", TRUE },
    { RP_CLAIM_COMMIT, COMMIT, "8ce6f7", FALSE }, /* too short to mean anything */
    { RP_CLAIM_COMMIT, COMMIT, OTHER, FALSE },
    { RP_CLAIM_COMMIT, COMMIT, COMMIT "-dirty", FALSE },
    { RP_CLAIM_COMMIT, "r123", "r1234567", FALSE },
    { RP_CLAIM_REPOSITORY, "https://github.com/a/b.git#main:dir", "https://github.com/a/b", TRUE },
    { RP_CLAIM_REPOSITORY, "git+https://github.com/a/b@refs/heads/main", "https://GitHub.com/a/b/",
      TRUE },
    { RP_CLAIM_REPOSITORY, "git@github.com:a/b.git", "ssh://git@github.com/a/b", TRUE },
    { RP_CLAIM_REPOSITORY, "git@github.com:a/b.git", "https://github.com/a/b", TRUE },
    { RP_CLAIM_REPOSITORY, "https://github.com/a/b", "https://github.com/a/B", FALSE },
    { RP_CLAIM_REPOSITORY, "https://github.com/a/b", "https://evil.com/a/b", FALSE },
    { RP_CLAIM_REPOSITORY, "https://github.com:8443/a/b", "https://github.com/8443/a/b", FALSE },
    { RP_CLAIM_VERSION, "1.2", "1.20", FALSE },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    if (rp_claim_agrees (table[i].field, table[i].a, table[i].b) != table[i].agrees
        || rp_claim_agrees (table[i].field, table[i].b, table[i].a) != table[i].agrees)
      fail_msg ("%s and %s", table[i].a, table[i].b);
}

typedef struct
{
  const char *component;
  RpClaimTrust trust;
  const char *value;
} Said;

static void
say (GPtrArray *provenance, const Said *said)
{
  RpProvenance *one = g_new0 (RpProvenance, 1);
  one->component = g_strdup (said->component);
  one->field = RP_CLAIM_COMMIT;
  one->trust = said->trust;
  one->value = g_strdup (said->value);
  one->source = g_strdup_printf ("source-%d", said->trust);
  one->digest = g_strdup ("sha256:0123456789abcdef");
  g_ptr_array_add (provenance, one);
}

static void
test_judgement (void **unused)
{
  static const struct
  {
    Said said[3];
    const char *told;
    const char *taken;
    guint lines;
    const char *says; /* the first line */
  } table[] = {
    { .taken = NULL },
    { .told = OTHER, .taken = OTHER },
    { .said = { { "web", 1, COMMIT } }, .taken = COMMIT },
    { .said = { { "web", 5, "8ce6f7b4" }, { "web", 1, COMMIT } }, .taken = COMMIT },
    { .said = { { "web", 5, COMMIT }, { "web", 1, "8ce6f7b4" } }, .taken = COMMIT },
    { .said = { { "web", 1, COMMIT } }, .told = "8ce6f7b", .taken = "8ce6f7b" },
    { .said = { { "web", 5, OTHER }, { "web", 1, COMMIT } },
      .lines = 1,
      .says = "component web: the commit is " COMMIT " by source-1 (sha256:0123456789ab), but "
              OTHER " by source-5" },
    { .said = { { "web", 1, COMMIT }, { "worker", 4, COMMIT } }, .taken = COMMIT },
    { .said = { { "web", 1, COMMIT }, { "worker", 4, OTHER } },
      .lines = 1,
      .says = "the commit of component web is " COMMIT " by source-1 (sha256:0123456789ab), but that"
              " of component worker is " OTHER },
    { .said = { { "web", 1, COMMIT } },
      .told = OTHER,
      .taken = OTHER,
      .lines = 1,
      .says = "the commit " OTHER " was given, but that of component web is " COMMIT },
    { .said = { { "web", 3, COMMIT "-dirty" } },
      .lines = 1,
      .says = "built with changes that no commit holds" },
    { .said = { { "web", 3, COMMIT "-dirty" } }, .told = COMMIT, .taken = COMMIT, .lines = 2 },
    { .said = { { "web", 1, COMMIT }, { "web", 4, OTHER }, { "web", 5, OTHER } }, .lines = 1 },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autoptr (GPtrArray) provenance = g_ptr_array_new_with_free_func (rp_provenance_free);
      g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
      for (gsize j = 0; j < 3 && table[i].said[j].component != NULL; j++)
        say (provenance, &table[i].said[j]);
      g_autofree char *taken
          = rp_provenance_judge (provenance, RP_CLAIM_COMMIT, table[i].told, lines);
      if (g_strcmp0 (taken, table[i].taken) != 0 || lines->len != table[i].lines)
        fail_msg ("row %zu: took %s with %u lines", i, taken, lines->len);
      if (table[i].says != NULL)
        check_contains ((const char *) lines->pdata[0], table[i].says);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_statements), cmocka_unit_test (test_bad_statements),
    cmocka_unit_test (test_labels_and_annotations), cmocka_unit_test (test_agreement),
    cmocka_unit_test (test_judgement),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
