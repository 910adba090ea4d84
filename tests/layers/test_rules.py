"""The rules of rules.py over the tree, and each over a sample that it must refuse."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import rules  # noqa: E402

TOP = Path(__file__).resolve().parents[2]
SRC = TOP / "src"
ROOMS = rules.rooms_of((SRC / "meson.build").read_text())


def tracked():
    """Text files that are, or are about to be, part of the project."""
    listed = subprocess.run(["git", "-c", f"safe.directory={TOP}", "ls-files", "-co", "--exclude-standard"],
                            cwd=TOP, text=True, capture_output=True, check=True)
    return [path for path in listed.stdout.splitlines() if (TOP / path).is_file()]


def sources(*suffixes, folders=("src/",)):
    return [(path, (TOP / path).read_text()) for path in tracked()
            if path.startswith(folders) and path.endswith(suffixes)]


def complain(complaints):
    if complaints:
        pytest.fail("\n".join(complaints), pytrace=False)


def over_sources(rule, *suffixes):
    files = sources(*(suffixes or (".c", ".h")))
    assert files
    complain([line for path, text in files for line in rule(path, text)])


# ---- the tree ----

def test_dependencies_point_downwards():
    over_sources(lambda path, text: rules.layering(path.removeprefix("src/"), text, ROOMS))


def test_no_banned_call():
    over_sources(rules.banned_calls)


def test_no_json_by_hand():
    over_sources(rules.json_by_hand)


def test_no_sql_by_hand():
    over_sources(rules.sql_by_hand)


def test_functions_are_short():
    over_sources(rules.long_functions, ".c")


def test_function_lengths(record_property):
    median, p90 = rules.lengths(text for _, text in sources(".c"))
    record_property("p90", p90)
    print(f"median {median}, p90 {p90} lines a function")
    assert 0 < median and p90 <= rules.P90_FUNCTION


def test_files_are_named_after_a_noun():
    complain([line for path in tracked() for line in rules.vague_names(path)])


def test_results_of_fallible_functions_are_checked():
    over_sources(rules.unchecked_results, ".h")


def test_headers_compile_alone():
    complain(rules.lonely_headers([path for path, _ in sources(".h")], compile_flags(), TOP))


def test_every_verb_has_a_page_and_every_page_a_verb():
    told = subprocess.run([os.environ["REPOINT_BIN"], "help", "--verbs"], text=True,
                          capture_output=True)
    assert told.returncode == 0, told.stderr
    verbs = rules.verbs_of(told.stdout)
    assert "serve" in verbs and "rollout" in verbs, told.stdout
    complain(rules.pages_and_verbs(verbs, [path.name for path in (TOP / "docs" / "man").glob("*.scd")]))


def test_rollback_rows_are_proven_or_say_not_yet():
    tests = dict(sources(".py", ".c", folders=("tests/system/", "tests/crash/", "tests/unit/")))
    complain(rules.rollback_rows((TOP / "docs" / "rollbacks.md").read_text(), tests))


def test_the_project_speaks_of_itself_alone():
    complaints = []
    for path in tracked():
        if path.startswith("tests/layers/") or path.endswith((".png", ".ico", ".tar", ".gz")):
            continue
        try:
            text = (TOP / path).read_text()
        except UnicodeDecodeError:  # a corpus of bad bytes
            continue
        complaints += rules.forbidden_words(path, text)
    complain(complaints)


def compile_flags():
    commands = json.loads((Path(os.environ["REPOINT_BUILD"]) / "compile_commands.json").read_text())
    return [*header_flags(next(c for c in commands if c["file"].endswith("/main.c"))["command"]), f"-I{SRC}"]


def header_flags(command):
    """What a header needs of the command that compiles a source; `-isystem DIR` is two words."""
    words = command.split()
    system = [word for at, word in enumerate(words) if words[at - 1:at] == ["-isystem"]]
    return [*(word for word in words if re.match(r"-(I/|D|pthread|std=)", word)),
            *(f"-isystem{place}" for place in system)]


def test_flags_of_two_words_stay_together():
    assert header_flags("cc -I../src -I/a -isystem /b -Wall -DX=1 -std=gnu11 -c x.c") == [
        "-I/a", "-DX=1", "-std=gnu11", "-isystem/b"]


# ---- every rule can fail ----

@pytest.mark.parametrize("path, text, complaint", [
    ("base/file.c", '#include "store/store.h"\n', "base may not use store"),
    ("ledger/db.c", '#include <glib.h>\n#include "server/route.h"\n', ":2: ledger may not use server"),
    ("base/file.c", '#include "../store/store.h"\n', "not by .."),
    ("attic/old.c", "", "room 'attic'"),
    ("base/file.c", '#include "attic/old.h"\n', "no room"),
])
def test_layering_can_fail(path, text, complaint):
    assert complaint in "".join(rules.layering(path, text, ROOMS))


@pytest.mark.parametrize("path, text", [
    ("server/v2.c", '#include "base/json.h"\n#include "registry/registry.h"\n#include "route.h"\n'),
    ("main.c", '#include "cli/verbs.h"\n'),
    ("base/file.c", '/* #include "server/route.h" */\n'),
])
def test_layering_passes_what_is_right(path, text):
    assert rules.layering(path, text, ROOMS) == []


@pytest.mark.parametrize("name", sorted(rules.BANNED))
def test_banned_calls_can_fail(name):
    assert rules.banned_calls("x.c", f"void f (void)\n{{\n  {name} (a, b);\n}}\n")[0].startswith("x.c:3: ")


def test_banned_calls_look_at_calls_only():
    text = ('/* free (x) */ g_free (x); ops->free (x); self.system (1); rp_digest_free (x);\n'
            'puts ("never system (it)");\n')
    assert rules.banned_calls("x.c", text) == []


@pytest.mark.parametrize("text", [
    r'g_strdup_printf ("{\"name\":\"%s\"}", name);',
    r'g_string_append (s, "{\"a\"");',
    r'g_string_append_printf (s, "\"%s\":%d", key, value);',
])
def test_json_by_hand_can_fail(text):
    assert rules.json_by_hand("x.c", text)


def test_json_by_hand_passes_what_is_right():
    assert rules.json_by_hand("x.c", r'json_pack ("{s:s}", "a", b); g_print ("tag \"%s\": %s", t, e);') == []
    assert rules.json_by_hand("x.c", 'return g_strdup ("{}");') == []


@pytest.mark.parametrize("text", [
    'g_strdup_printf ("SELECT * FROM tag WHERE name = \'%s\'", name);',
    'f ("DELETE FROM tag "\n   "WHERE seq > %d", seq);',
    'f ("INSERT INTO t VALUES (%" G_GINT64_FORMAT ")", n);',
])
def test_sql_by_hand_can_fail(text):
    assert rules.sql_by_hand("x.c", text)


def test_sql_by_hand_passes_what_is_right():
    assert rules.sql_by_hand("x.c", 'exec ("SELECT a FROM t WHERE b = $1 AND c LIKE $2", "ss", b, c);') == []


BODY = "static int\nf (int a,\n   int b)\n{\n%s}\n"


def test_long_functions_can_fail():
    found = rules.long_functions("x.c", BODY % ("  a++;\n" * 99))
    assert found == ["x.c:4: f has 101 lines; the limit is 100"]
    assert rules.long_functions("x.c", BODY % ("  a++;\n" * 98)) == []


def test_lengths_count_functions_only():
    table = "static const int table[] = {\n" + "  1,\n" * 300 + "};\n"
    text = table + BODY % ("  a++;\n" * 8) + BODY % ("  b++;\n" * 48)
    assert [(name, lines) for name, _, lines in rules.functions(text)] == [("f", 10), ("f", 50)]
    assert rules.lengths([text]) == (30, 50)


@pytest.mark.parametrize("path", ["src/base/utils.c", "src/cli/string_util.h", "src/base/helpers.c"])
def test_vague_names_can_fail(path):
    assert rules.vague_names(path)


def test_unchecked_results_can_fail():
    head = "#define X 1\n/* c */\n"
    bad = head + "gboolean rp_x_open (const char *path,\n   GError **error);\n"
    assert rules.unchecked_results("x.h", bad) == ["x.h:3: rp_x_open lacks G_GNUC_WARN_UNUSED_RESULT"]
    bad = head + "RpX *rp_x_new (GError **error);\nint rp_y (void);\n"
    assert rules.unchecked_results("x.h", bad)
    good = head + ("gboolean rp_x (GError **error)\n    G_GNUC_WARN_UNUSED_RESULT;\n"
                   "gboolean rp_fail (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);\n"
                   "/* Always returns FALSE. */\ngboolean rp_y (int a, GError **error);\n"
                   "typedef gboolean (*RpFunc) (gpointer data, GError **error);\n")
    assert rules.unchecked_results("x.h", good) == []


def test_lonely_headers_can_fail(tmp_path):
    (tmp_path / "bad.h").write_text("#pragma once\nGHashTable *f (void);\n")
    (tmp_path / "good.h").write_text("#pragma once\nint f (void);\n")
    assert "bad.h" in rules.lonely_headers(["bad.h"], [], tmp_path)[0]
    assert rules.lonely_headers(["good.h"], [], tmp_path) == []


def test_pages_and_verbs_can_fail():
    assert rules.pages_and_verbs(["serve"], ["repoint.1.scd"]) == [
        "docs/man/repoint-serve.1.scd: missing; every verb has a manual page"]
    assert rules.pages_and_verbs([], ["repoint.1.scd", "repoint-fly.1.scd"]) == [
        "docs/man/repoint-fly.1.scd: there is no such verb"]
    assert rules.pages_and_verbs(["serve"], ["repoint.1.scd", "repoint-serve.1.scd", "x.5.scd"]) == []


def test_verbs_are_read_from_help():
    assert rules.verbs_of("serve\tStart it\nrollout\tRevisions\nno verb\n") == ["serve", "rollout"]


ROW = "| R11 | undo twice | prevent | %s |\n"


@pytest.mark.parametrize("claim, tests, complaint", [
    ("@R11@", {}, "names no test"),
    ("[test](../tests/system/test_undo.py)", {}, "has no test named after R11"),
    ("not yet", {"tests/system/test_undo.py": "def test_R11_twice(): pass"}, "says 'not yet'"),
    ("not yet", {"tests/unit/test_x.c": "r77_never_heard_of (void **state)"}, "R77 is no row"),
])
def test_rollback_rows_can_fail(claim, tests, complaint):
    assert complaint in "".join(rules.rollback_rows(ROW % claim, tests))


def test_rollback_rows_pass_what_is_right():
    tests = {"tests/system/test_undo.py": "def test_R11_twice(): pass"}
    assert rules.rollback_rows(ROW % "[test](../tests/system/test_undo.py)", tests) == []
    assert rules.rollback_rows(ROW % "not yet", {}) == []
    both = {"tests/crash/test_x.py": "def test_R11_R12_both(): pass"}
    rows = ROW % "`tests/crash/test_x.py`"
    assert rules.rollback_rows(rows + rows.replace("R11", "R12"), both) == []


@pytest.mark.parametrize("text", ["see /work/x", "in ../shared/STYLE.md", "/* TODO later */", "fixes issue #2"])
def test_forbidden_words_can_fail(text):
    assert rules.forbidden_words("README.md", "fine\n" + text)[0].startswith("README.md:2: ")


def test_forbidden_words_pass_what_is_right():
    assert rules.forbidden_words("README.md", "a StatefulSet stuck (kubernetes#67250); the framework\n") == []
