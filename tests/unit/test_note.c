#include "check.h"

#include "ledger/checkpoint.h"

/* The key and the note of the documentation of golang.org/x/mod/sumdb/note. */
#define PRIVATE "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
#define PUBLIC "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
#define TEXT                                                                                       \
  "If you think cryptography is the answer to your problem,\n"                                     \
  "then you don't know what your problem is.\n"
#define SIGNATURE                                                                                  \
  "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6" \
  "KE6RyyBwJnAM=\n"

static void
signatures_are_those_of_the_go_library (void **unused)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (RpNoteSigner) signer = rp_note_signer_parse (PRIVATE, &error);
  g_autofree char *line = NULL, *key = NULL, *secret = NULL;

  check_ok (signer != NULL);
  key = rp_note_key_format (rp_note_signer_key (signer));
  assert_string_equal (key, PUBLIC);
  secret = rp_note_signer_format (signer);
  assert_string_equal (secret, PRIVATE "\n");
  line = rp_note_sign (signer, TEXT);
  assert_string_equal (line, SIGNATURE);
}

static RpNote *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  RpNote *note = rp_note_parse (text, strlen (text), &error);

  check_ok (note != NULL);
  return note;
}

static void
false_notes_are_refused (void **unused)
{
  static const char *const wrong[]
      = { "", "\n", "text\n", "text\n\n", "text\n\nname AAAA\n", TEXT "\n— PeterNeumann\n", TEXT SIGNATURE,
          TEXT "\n— Peter Neumann x08go/ZJ\n", TEXT "\n— A+B x08go/ZJ\n", TEXT "\n— A AAAA\n", "\xff\n\n" SIGNATURE };
  static const char *const forged[] = { "If you do" "\n\n" SIGNATURE, TEXT "\n\n" SIGNATURE,
                                        TEXT "\n— PeterNeumann x08go/ZJkuA=\n" };
  g_autoptr (GError) error = NULL;
  g_autoptr (RpNoteKey) key = rp_note_key_parse (PUBLIC, &error);

  check_ok (key != NULL);
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    check_fails (rp_note_parse (wrong[i], strlen (wrong[i]), &error) != NULL, RP_ERROR_INVALID);
  for (guint i = 0; i < G_N_ELEMENTS (forged); i++)
    {
      g_autoptr (RpNote) note = parse (forged[i]);

      check_fails (rp_note_verify (note, key, &error) != NULL, RP_ERROR_CORRUPT);
    }
}

static void
several_may_sign (void **unused)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (RpNoteSigner) ours = rp_note_signer_new ("example.com/log");
  g_autoptr (RpNoteSigner) other = rp_note_signer_new ("example.com/log");
  g_autoptr (RpNoteKey) peter = rp_note_key_parse (PUBLIC, &error);
  g_autofree char *line = rp_note_sign (ours, TEXT);
  g_autofree char *whole = g_strconcat (TEXT "\n" SIGNATURE, line, NULL);
  g_autoptr (RpNote) note = parse (whole);
  const RpNoteSignature *found;

  assert_string_equal (note->text, TEXT);
  check_ok (rp_note_verify (note, peter, &error) != NULL);
  found = rp_note_verify (note, rp_note_signer_key (ours), &error);
  check_ok (found != NULL);
  assert_string_equal (found->line, line);
  check_fails (rp_note_verify (note, rp_note_signer_key (other), &error) != NULL, RP_ERROR_CORRUPT);
}

static void
false_keys_are_refused (void **unused)
{
  static const char *const wrong[]
      = { "", "name", "PeterNeumann+c74f20a3", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
          "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "PeterNeumann+c74f20a3+ARpc2QcU",
          "Other+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", PRIVATE };
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    check_fails (rp_note_key_parse (wrong[i], &error) != NULL, RP_ERROR_INVALID);
  check_fails (rp_note_signer_parse (PUBLIC, &error) != NULL, RP_ERROR_INVALID);
  check_fails (rp_note_signer_parse (PRIVATE "A", &error) != NULL, RP_ERROR_INVALID);
}

static void
checkpoints_are_read_as_written (void **unused)
{
  static const char *const wrong[]
      = { "", "a\n", "a\n1\n", "a\n1\nAAAA\n", "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
          "a\n-1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n", "a\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n" };
  static const char right[] = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
  g_auto (RpCheckpoint) checkpoint = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *again = NULL;

  check_ok (rp_checkpoint_parse (right, &checkpoint, &error));
  assert_string_equal (checkpoint.origin, "example.com/behind-the-sofa");
  assert_int_equal (checkpoint.size, 20852163);
  again = rp_checkpoint_format (checkpoint.origin, checkpoint.size, &checkpoint.root);
  assert_string_equal (again, right);
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_auto (RpCheckpoint) none = { 0 };

      check_fails (rp_checkpoint_parse (wrong[i], &none, &error), RP_ERROR_INVALID);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (signatures_are_those_of_the_go_library), cmocka_unit_test (false_notes_are_refused),
    cmocka_unit_test (several_may_sign),                       cmocka_unit_test (false_keys_are_refused),
    cmocka_unit_test (checkpoints_are_read_as_written),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
