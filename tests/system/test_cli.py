"""The command line: parsing, exit statuses, messages and output, against a scripted server where the answer
matters more than the server, and the man pages against the table of verbs."""

import json
import os
import pty
import re
import select
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shop import Shop
from support import repoint

TOP = Path(__file__).resolve().parents[2]
MAN = TOP / "docs" / "man"
PRODUCTION = "/api/v1/apps/shop/environments/production"


class Script:
    """A server that answers what it is told to. `routes`: (method, path) → list of answers, the last of
    which repeats; an answer is (status, document) or "drop", which closes the connection."""

    def __init__(self):
        self.routes = {}
        self.seen = []
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self):
                size = int(self.headers.get("Content-Length") or 0)
                script.serve(self, self.rfile.read(size))

            do_GET = do_POST = answer

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,))
        self.thread.start()

    def on(self, method, path, *answers):
        self.routes[method, path] = list(answers)

    def serve(self, handler, body):
        path, _, query = handler.path.partition("?")
        self.seen.append((handler.command, path, query, dict(handler.headers), body))
        answers = self.routes.get((handler.command, path))
        if not answers:
            answers = [(404, error("not-found", f"nothing at {path}"))]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer == "drop":
            handler.close_connection = True
            return
        status, document = answer
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def requests(self, method, path):
        return [entry for entry in self.seen if entry[:2] == (method, path)]

    def body(self, method, path):
        return json.loads(self.requests(method, path)[-1][4])

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def script():
    made = Script()
    yield made
    made.close()


def error(code, message):
    return {"error": {"code": code, "message": message}}


DIGEST = "sha256:" + "9f2c1ab34d5e" + "0" * 52


def revision(number, version="1.0", **more):
    return {"app": "shop", "environment": "production", "number": number, "kind": "deploy",
            "release": {"number": number, "version": version, "commit": "0123456789abcdef0123",
                        "build": "398", "components": [{"name": "web", "repository": "shop/web",
                                                        "digest": DIGEST}]},
            "cause": f"deploy {version}", "actor": "ana@desk", "at": "2026-01-02T03:04:05.678Z",
            "expected_revision": number - 1, "outcome": "healthy", "outcome_reason": None,
            "outcome_at": None, "restores": None, "rolled_back_by": None,
            "rollback_due": False, "overrides": [], "good": True,
            "ran_for_ms": 120000, "seq": number, **more}


def release(number, version="1.0"):
    return {"app": "shop", "number": number, "version": version,
            "components": [{"name": "web", "repository": "shop/web", "digest": DIGEST,
                            "media_type": "application/vnd.oci.image.manifest.v1+json",
                            "size_bytes": 12345678, "requested": "1.0"}],
            "source": {"repository": None, "commit": "0123456789abcdef0123", "build": "398",
                       "run_url": None}, "provenance": [], "disagreements": [], "holds": [],
            "actor": "ci@runner", "at": "2026-01-02T03:04:05.678Z", "seq": 1}


def plan(kind="deploy", blocked=False, items=(), **more):
    return {"app": "shop", "environment": "production", "kind": kind,
            "from": revision(6, "1.3", outcome="failed"), "release": release(5, "1.2"),
            "restores": None, "expected_revision": 6, "cause": "derived",
            "bytes": {"blobs": 3, "size_bytes": 12345678, "verified_at": "2026-01-02T03:04:05.678Z",
                      "problems": []},
            "already": False, "blocked": blocked, "skipped": [], "gates": [], "items": list(items), **more}


def target(state, number, **more):
    return {"name": "web-1", "component": "web", "agent": "host-1", "driver": "dir", "state": state,
            "revision": number, "observed_digest": DIGEST,
            "observed_release": {"number": 5, "version": "1.2"}, "message": "", "at": None,
            "seen_at": "2026-01-02T03:04:05.678Z", **more}


def status(seq, current, *targets):
    return {"app": "shop", "environment": "production", "seq": seq, "current": current,
            "converged": True, "paused": None, "holds": [], "signals": None, "targets": list(targets)}


@pytest.fixture
def moving(script):
    """A production environment at revision 6 in which a move makes revision 7."""
    script.on("POST", f"{PRODUCTION}/plan", (200, plan()))
    script.on("POST", f"{PRODUCTION}/revisions", (201, revision(7, "1.2", outcome="progressing")))
    script.on("GET", f"{PRODUCTION}/status",
              (200, status(10, revision(7, "1.2", outcome="progressing"), target("preparing", 7))),
              (200, status(11, revision(7, "1.2", outcome="progressing"), target("trial", 7))),
              (200, status(12, revision(7, "1.2"), target("confirmed", 7))))
    script.on("GET", f"{PRODUCTION}/revisions/7", (200, revision(7, "1.2")))
    return script


def lines(text):
    return text.strip().splitlines()


# Parsing

USAGE = [
    ([], "missing verb"),
    (["frobnicate"], "unknown verb `frobnicate`"),
    (["rollout"], "missing verb after `rollout`"),
    (["rollout", "frobnicate"], "unknown verb `frobnicate`"),
    (["deploy"], "missing argument `APP/ENV`"),
    (["deploy", "shop/production"], "missing argument `RELEASE`"),
    (["deploy", "shop/production", "1.0", "more"], "unexpected argument `more`"),
    (["deploy", "shop/production", "1.0", "--", "more"], "unexpected argument `more`"),
    (["deploy", "shop", "1.0"], "`shop`: expected APP/ENV, such as shop/production"),
    (["deploy", "shop/", "1.0"], "`shop/`: expected APP/ENV, such as shop/production"),
    (["deploy", "a/b/c", "1.0"], "`a/b/c`: expected APP/ENV, such as shop/production"),
    (["deploy", "shop/production", "1.0", "--frob"], "unknown option --frob"),
    (["deploy", "shop/production", "1.0", "--because"], "missing argument for --because"),
    (["deploy", "shop/production", "1.0", "--wait=soon"],
     "--wait: expected whole seconds up to a week, found `soon`"),
    (["deploy", "shop/production", "1.0", "--wait", "30"], "unexpected argument `30`"),
    (["deploy", "shop/production", "1.0", "-o", "xml"],
     "-o: expected `table`, `json`, `yaml`, `name` or `jsonpath=TEMPLATE`, found `xml`"),
    (["rollout", "history", "shop/production", "-o", "jsonpath={.a"],
     "-o jsonpath={.a: cannot read it from `{.a` on; expected text with paths like {.a.b[0].c} or {.list[*].name}"),
    (["rollout", "history", "shop/production", "-o", "jsonpath={.a[x]}"],
     "-o jsonpath={.a[x]}: cannot read it from `.a[x]` on; expected text with paths like {.a.b[0].c} or {.list[*].name}"),
    (["rollout", "history", "shop/production", "-o", "jsonpath="],
     "-o jsonpath=: cannot read it from `` on; expected text with paths like {.a.b[0].c} or {.list[*].name}"),
    (["trace", ""], "the digest is empty: give at least 4 hex digits of it"),
    (["rollout", "undo", "shop/production", "--to-revision", "-1"],
     "--to-revision: expected a number from 1"),
    (["plan", "shop/production", "1.0", "--undo"],
     "RELEASE, --undo, --to-revision and --promote exclude each other"),
    (["release", "create", "shop"], "missing option `--component NAME=REF`"),
    (["release", "create", "shop", "--component", "web"],
     "--component `web`: expected NAME=REF, such as web=1.2 or web=shop/web:1.2"),
    (["release", "create", "shop", "--component", "web=1", "--component", "web=2"],
     "--component web: given twice"),
    (["build", "shop"], "missing the command to run after `--`"),
    (["build", "shop", "--"], "missing the command to run after `--`"),
    (["build", "shop", "--", "true"], "missing option `--commit COMMIT`"),
    (["apply"], "missing option `-f FILE`"),
    (["trace"], "missing argument `DIGEST`"),
    (["app", "list", "--server", "ftp://x"],
     "server `ftp://x`: expected a URL such as http://127.0.0.1:5000"),
    (["help", "frobnicate"], "unknown verb `frobnicate`"),
]


@pytest.mark.parametrize("args,message", USAGE, ids=lambda value: " ".join(value) or "nothing"
                         if isinstance(value, list) else "")
def test_usage_errors(script, args, message):
    result = repoint.run_cli(*args, server=script).exits(2)
    first, *rest = lines(result.stderr)
    assert first == f"repoint: {message}"
    assert rest[-1].startswith("usage: repoint")
    assert result.stdout == ""
    assert script.seen == []


def test_not_a_number():
    result = repoint.run_cli("rollout", "undo", "shop/production", "--to-revision", "x").exits(2)
    assert "--to-revision" in lines(result.stderr)[0]


def test_argument_that_is_not_utf8():
    done = subprocess.run([repoint.binary(), "deploy", "shop/production", b"\xff"], capture_output=True)
    assert done.returncode == 2
    assert done.stderr.startswith(b"repoint: not UTF-8: ")


def test_utf8_in_the_c_locale(moving):
    env = {"LC_ALL": "C", "LANG": "C"}
    repoint.run_cli("deploy", "shop/production", "1.2", "--because", "für später", "--no-wait",
                    server=moving, env=env).ok()
    assert moving.body("POST", f"{PRODUCTION}/revisions")["cause"] == "für später"


def test_options_before_and_after_the_verb(script):
    script.on("GET", "/api/v1/apps", (200, {"apps": []}))
    for args in (["--server", script.url, "-o", "json", "app", "list"],
                 ["app", "list", "--server", script.url, "--output=json"]):
        assert repoint.run_cli(*args).ok().json == {"apps": []}


def test_version_needs_no_server():
    assert re.fullmatch(r"repoint \d+\.\d+\.\d+\n", repoint.run_cli("--version").ok().stdout)
    nobody = f"http://127.0.0.1:{repoint.free_port()}"
    assert "does not answer" in repoint.run_cli("version", server=nobody).ok().stdout
    repoint.run_cli("version", "-o", "json", server=nobody).exits(7)


# Errors of the server

CODES = [("not-found", 404, 3), ("ambiguous", 409, 3), ("conflict", 409, 4), ("moved", 409, 4),
         ("blocked", 422, 5), ("denied", 403, 5), ("invalid", 400, 2), ("corrupt", 500, 6),
         ("manifest-blob-unknown", 404, 6), ("no-space", 507, 8), ("failed", 500, 1),
         ("some-future-code", 500, 1)]


@pytest.mark.parametrize("code,http,status_expected", CODES, ids=[code[0] for code in CODES])
def test_exit_status_follows_the_code(script, code, http, status_expected):
    script.on("GET", "/api/v1/apps/shop", (http, error(code, "what happened")))
    result = repoint.run_cli("app", "show", "shop", server=script).exits(status_expected)
    assert lines(result.stderr)[0] == "repoint: what happened"
    assert result.stdout == ""


def test_an_error_is_one_line_without_terminal_codes(script):
    script.on("GET", "/api/v1/apps/shop", (404, error("not-found", "no\nhint: run this \x1b[31m!")))
    result = repoint.run_cli("app", "show", "shop", server=script).exits(3)
    assert result.stderr == "repoint: no hint: run this ?[31m!\n"


def test_nobody_answers():
    url = f"http://127.0.0.1:{repoint.free_port()}"
    result = repoint.run_cli("app", "list", server=url).exits(7)
    first, second = lines(result.stderr)
    assert first.startswith(f"repoint: no answer from the server at {url}: ")
    assert second.startswith("hint: start it with `repoint serve`")


def test_another_server_answers(script):
    script.on("GET", "/api/v1/apps", (200, b"<html>hello</html>"))
    result = repoint.run_cli("app", "list", server=script).exits(2)
    assert "does not speak repoint's API" in result.stderr
    assert "hint: " in result.stderr


# Moving a pointer

def test_deploy_shows_the_plan_moves_by_compare_and_set_and_waits(moving):
    result = repoint.run_cli("deploy", "shop/production", "1.2", "--because", "ticket 9", server=moving,
                             actor="eve@desk").ok()
    assert moving.body("POST", f"{PRODUCTION}/plan") == {"kind": "deploy", "release": "1.2"}
    body = moving.body("POST", f"{PRODUCTION}/revisions")
    assert body == {"kind": "deploy", "release": "#5", "expected_revision": 6, "cause": "ticket 9"}
    headers = moving.requests("POST", f"{PRODUCTION}/revisions")[0][3]
    assert headers["X-Repoint-Actor"] == "eve@desk"
    out = lines(result.stdout)
    assert out[0] == "shop/production: deploy"
    assert "shop/production: moved from revision 6 to revision 7 (1.2)" in out
    assert [line for line in out if line.startswith("  web-1")] == [
        "  web-1: preparing", "  web-1: trial", "  web-1: confirmed"]
    assert any(line.split() == ["cause", "ticket", "9"] for line in out)
    assert out[-1].startswith("shop/production: revision 7 (1.2) is healthy, after ")
    polls = [query for _, _, query, _, _ in moving.requests("GET", f"{PRODUCTION}/status")]
    assert [query.partition("&")[0] for query in polls] == ["after=0", "after=10", "after=11"]


def test_the_loser_of_a_race_is_told(moving):
    moving.on("POST", f"{PRODUCTION}/revisions",
              (409, error("moved", "bob@desk moved it to revision 7 a second ago: outage")))
    result = repoint.run_cli("rollout", "undo", "shop/production", server=moving).exits(4)
    assert lines(result.stderr) == [
        "repoint: bob@desk moved it to revision 7 a second ago: outage",
        "hint: look at `repoint rollout history shop/production`, then decide again"]
    assert len(moving.requests("POST", f"{PRODUCTION}/revisions")) == 1


def test_expect_revision_overrides_the_plan(moving):
    repoint.run_cli("deploy", "shop/production", "1.2", "--expect-revision", "0", "--no-wait",
                    server=moving).ok()
    assert moving.body("POST", f"{PRODUCTION}/revisions")["expected_revision"] == 0


def test_r30_a_lost_answer_is_asked_for_again_under_the_same_key(moving):
    moving.on("POST", f"{PRODUCTION}/revisions", "drop", "drop", (200, revision(7, "1.2")))
    repoint.run_cli("deploy", "shop/production", "1.2", "--no-wait", server=moving).ok()
    posts = moving.requests("POST", f"{PRODUCTION}/revisions")
    keys = {headers["Idempotency-Key"] for _, _, _, headers, _ in posts}
    assert len(posts) == 3 and len(keys) == 1
    assert re.fullmatch(r"[0-9a-f-]{36}", keys.pop())
    assert len({body for *_, body in posts}) == 1
    repoint.run_cli("deploy", "shop/production", "1.2", "--no-wait", server=moving).ok()
    again = moving.requests("POST", f"{PRODUCTION}/revisions")[-1][3]["Idempotency-Key"]
    assert again != posts[0][3]["Idempotency-Key"], "another command is another request"


def test_a_server_that_never_answers_a_move(moving):
    moving.on("POST", f"{PRODUCTION}/revisions", "drop")
    repoint.run_cli("deploy", "shop/production", "1.2", server=moving).exits(7)
    assert 2 <= len(moving.requests("POST", f"{PRODUCTION}/revisions")) <= 6


def test_following_outlasts_a_restart_of_the_server(moving):
    moving.routes["GET", f"{PRODUCTION}/status"][1:1] = ["drop"] * 4  # libcurl tries once more itself
    result = repoint.run_cli("deploy", "shop/production", "1.2", server=moving).ok()
    assert "  the server does not answer; still trying" in lines(result.stdout)


def test_no_wait_returns_at_once(moving):
    repoint.run_cli("deploy", "shop/production", "1.2", "--no-wait", server=moving).ok()
    assert moving.requests("GET", f"{PRODUCTION}/status") == []


def test_wait_takes_a_value_only_after_the_equals_sign(moving):
    repoint.run_cli("deploy", "--wait", "shop/production", "1.2", server=moving).ok()


def test_wait_runs_out(moving):
    moving.on("GET", f"{PRODUCTION}/status",
              (200, status(10, revision(7, "1.2", outcome="progressing"), target("trial", 7))))
    result = repoint.run_cli("deploy", "shop/production", "1.2", "--wait=1", server=moving).exits(7)
    assert lines(result.stderr)[-1] == (
        "hint: the pointer is at revision 7 and the agents go on; look with "
        "`repoint rollout status shop/production`")


def test_a_failed_rollout(moving):
    failed = revision(7, "1.2", outcome="failed", outcome_reason="web-1: probe says 500")
    moving.on("GET", f"{PRODUCTION}/status",
              (200, status(10, failed, target("failed", 7, message="probe says 500"))))
    moving.on("GET", f"{PRODUCTION}/revisions/7", (200, failed))
    result = repoint.run_cli("deploy", "shop/production", "1.2", "-o", "json", server=moving).exits(9)
    assert result.json == failed
    first, hint = lines(result.stderr)[-2:]
    assert first == "repoint: shop/production: revision 7 (1.2) failed: web-1: probe says 500"
    assert hint == "hint: go back with `repoint rollout undo shop/production`"


@pytest.mark.parametrize("kind,exit_status", [("auto-rollback", 10), ("rollback", 9)])
def test_rolled_back_is_told_from_failed(moving, kind, exit_status):
    failed = revision(7, "1.2", outcome="failed", outcome_reason="probe says 500", rolled_back_by=8)
    after = revision(8, "1.1", kind=kind, actor="bob@desk")
    moving.on("GET", f"{PRODUCTION}/status", (200, status(12, after, target("preparing", 8))))
    moving.on("GET", f"{PRODUCTION}/revisions/7", (200, failed))
    moving.on("GET", f"{PRODUCTION}/revisions/8", (200, after))
    result = repoint.run_cli("deploy", "shop/production", "1.2", server=moving).exits(exit_status)
    message = lines(result.stderr)[0]
    assert "revision 7 (1.2) failed: probe says 500" in message
    assert "put revision 8 (1.1) in its place" in message
    assert ("by itself" in message) == (exit_status == 10)


def test_failed_is_not_the_end_while_a_rollback_is_due(moving):
    """The one transaction that finds the failure and the next one that goes back are a moment apart."""
    failed = revision(7, "1.2", outcome="failed", outcome_reason="probe says 500")
    after = revision(8, "1.1", kind="auto-rollback", actor="repoint")
    moving.on("GET", f"{PRODUCTION}/status",
              (200, status(11, {**failed, "rollback_due": True}, target("failed", 7))),
              (200, status(12, after, target("preparing", 8))))
    moving.on("GET", f"{PRODUCTION}/revisions/7", (200, {**failed, "rolled_back_by": 8}))
    moving.on("GET", f"{PRODUCTION}/revisions/8", (200, after))
    result = repoint.run_cli("deploy", "shop/production", "1.2", server=moving).exits(10)
    assert "went back by itself and put revision 8 (1.1) in its place" in result.stderr
    assert "rollout undo" not in result.stderr


def test_somebody_else_moves_on_while_waiting(moving):
    moving.on("GET", f"{PRODUCTION}/status",
              (200, status(12, revision(8, "1.4", actor="bob@desk", cause="hotfix"))))
    moving.on("GET", f"{PRODUCTION}/revisions/7", (200, revision(7, "1.2", outcome="superseded")))
    result = repoint.run_cli("deploy", "shop/production", "1.2", server=moving).exits(4)
    assert "bob@desk moved the pointer on to revision 8 (1.4) (hotfix)" in result.stderr


BLOCKED = plan("rollback", blocked=True, items=[
    {"subject": "component web", "state": "restored", "reason": "same digest", "way_out": None},
    {"subject": "database", "state": "not-restored", "reason": "stays as it is", "way_out": None},
    {"subject": "schema", "state": "blocked", "reason": "1.2 cannot read 43",
     "way_out": "go to revision 4"}])


def test_a_blocked_plan_moves_nothing(moving):
    moving.on("POST", f"{PRODUCTION}/plan", (200, BLOCKED))
    for args in (["rollout", "undo", "shop/production"],
                 ["rollout", "undo", "shop/production", "--dry-run"],
                 ["plan", "shop/production"]):
        result = repoint.run_cli(*args, server=moving).exits(5)
        assert lines(result.stderr) == ["repoint: blocked: schema: 1.2 cannot read 43",
                                        "hint: go to revision 4"]
        assert "BLOCKED       schema: 1.2 cannot read 43" in result.stdout
        assert "way out: go to revision 4" in result.stdout
        assert "not restored  database: stays as it is" in result.stdout
    assert moving.requests("POST", f"{PRODUCTION}/revisions") == []


@pytest.mark.parametrize("args,body", [
    (["plan", "shop/production"], {"kind": "rollback"}),
    (["plan", "shop/production", "--undo"], {"kind": "rollback"}),
    (["plan", "shop/production", "--to-revision", "3"], {"kind": "rollback", "to_revision": 3}),
    (["plan", "shop/production", "1.2"], {"kind": "deploy", "release": "1.2"}),
    (["plan", "shop/production", "--from", "staging"], {"kind": "promote", "from": "staging"}),
    (["promote", "shop/production", "--dry-run"], {"kind": "promote"}),
    (["rollout", "undo", "shop/production", "--dry-run"], {"kind": "rollback"}),
])
def test_what_a_plan_asks_for(moving, args, body):
    result = repoint.run_cli(*args, "-o", "json", server=moving).ok()
    assert moving.body("POST", f"{PRODUCTION}/plan") == body
    assert result.json == plan()
    assert moving.requests("POST", f"{PRODUCTION}/revisions") == []


def test_a_plan_names_version_commit_build_and_when_it_ran(moving):
    moving.on("POST", f"{PRODUCTION}/plan",
              (200, plan("rollback", restores=5, skipped=[
                  {"revision": 4, "version": "1.1", "why": "was rolled back by 5"}])))
    moving.on("GET", f"{PRODUCTION}/revisions/5", (200, revision(5, "1.2")))
    out = repoint.run_cli("plan", "shop/production", server=moving).ok().stdout
    assert re.search(r"from +1\.3 +commit 01234567 +build 398 +revision 6, made .* ago, failed", out)
    assert re.search(r"to +1\.2 +commit 01234567 +build 398 +as revision 5, which started .* ago and "
                     r"ran for 2 min", out)
    assert re.search(r"bytes +3 blobs, 12\.3 MB, verified .* ago", out)
    assert "skipped  revision 4 (1.1): was rolled back by 5" in out


def test_a_plan_says_the_same_of_several_things_once(moving):
    same = [{"subject": name, "state": "not-restored", "reason": "stays changed", "way_out": f"look at {name}"}
            for name in ("config", "schema", "secrets")]
    moving.on("POST", f"{PRODUCTION}/plan", (200, plan("rollback", items=[
        *same, {"subject": "host", "state": "unknown", "reason": "stays changed", "way_out": None}])))
    out = lines(repoint.run_cli("plan", "shop/production", server=moving).ok().stdout)
    begin = next(i for i, line in enumerate(out) if "not restored" in line)
    assert [line.strip() for line in out[begin:]] == [
        "not restored  config, schema, secrets: stays changed", "way out for config: look at config",
        "way out for schema: look at schema", "way out for secrets: look at secrets",
        "unknown       host: stays changed"]
    undone = repoint.run_cli("rollout", "undo", "shop/production", "--no-wait", server=moving).ok().stdout
    assert undone.count("stays changed") == 2 and "way out" not in undone


def test_errors_are_brief_about_digests(script):
    script.on("GET", f"{PRODUCTION}/revisions", (404, error("not-found", f"nobody has {DIGEST}, it seems")))
    told = repoint.run_cli("rollout", "history", "shop/production", server=script).exits(3).stderr
    assert told == f"repoint: nobody has {DIGEST[:19]}, it seems\n"


def test_undo_asks_a_person(moving):
    for answer, expected in ((b"n\n", 1), (b"\n", 1), (b"y\n", 0)):
        before = len(moving.requests("POST", f"{PRODUCTION}/revisions"))
        code, screen = on_terminal(["rollout", "undo", "shop/production", "--no-wait"], moving, answer)
        assert code == expected, screen
        assert "take shop/production back to 1.2? [y/N] " in screen
        moved = len(moving.requests("POST", f"{PRODUCTION}/revisions")) - before
        assert moved == (1 if expected == 0 else 0)
    code, screen = on_terminal(["rollout", "undo", "shop/production", "--no-wait", "--yes"], moving, b"")
    assert code == 0 and "[y/N]" not in screen


def on_terminal(args, script, answer, env=()):
    """Runs a command on a terminal of 80 columns; (exit status, what was on the screen)."""
    master, slave = pty.openpty()
    environment = {**os.environ, "REPOINT_SERVER": script.url, "COLUMNS": "80", "TERM": "xterm",
                   **dict(env)}
    child = subprocess.Popen([repoint.binary(), *args], stdin=slave, stdout=slave, stderr=slave,
                             env=environment)
    os.close(slave)
    screen = b""
    sent = not answer
    while True:
        ready, _, _ = select.select([master], [], [], 20)
        assert ready, "the terminal is silent"
        try:
            data = os.read(master, 4096)
        except OSError:  # the other side is closed
            break
        if not data:
            break
        screen += data
        if not sent and b"[y/N] " in screen:
            os.write(master, answer)
            sent = True
    os.close(master)
    return child.wait(20), screen.decode()


# Output

def history(script):
    script.on("GET", f"{PRODUCTION}/revisions", (200, {"revisions": [
        revision(3, "1.0", kind="rollback", restores=1, cause="undo of 2: everything is on fire and more"),
        revision(2, "1.1-a-long-version", outcome="failed", rolled_back_by=3, good=False),
        revision(1, "1.0")]}))
    script.on("GET", "/api/v1/apps/shop", (200, {
        "name": "shop", "components": [{"name": "web", "repository": "shop/web"}],
        "environments": [{"name": "production", "order": 1, "window": 3, "on_failure": "stop",
                          "trial_ms": 60000, "progress_deadline_ms": 600000,
                          "targets": [{"name": "web-1", "component": "web"}],
                          "gates": {}, "paused": None, "current": revision(3), "last_good": revision(1)}]}))


def test_history_marks_current_undo_target_and_rolled_back(script):
    history(script)
    out = lines(repoint.run_cli("rollout", "history", "shop/production", server=script).ok().stdout)
    assert out[0].split() == ["REVISION", "KIND", "RELEASE", "COMMIT", "OUTCOME", "WHEN", "RAN", "FOR",
                              "CAUSE", "ACTOR"]
    assert "healthy, current" in out[1]
    assert "everything is on fire and more" in out[1], "nothing is cut in a pipe"
    assert "failed, rolled back by 3" in out[2]
    assert "healthy, undo target" in out[3]
    assert "\x1b" not in "".join(out)


def test_history_fits_a_terminal(script):
    history(script)
    code, screen = on_terminal(["rollout", "history", "shop/production"], script, b"")
    assert code == 0
    assert "\x1b[32m" in screen
    plain = re.sub(r"\x1b\[[0-9;]*m", "", screen)
    shown = plain.replace("\r", "").splitlines()
    assert max(map(len, shown)) <= 80
    assert shown == [line.rstrip() for line in shown]
    assert "..." in plain
    assert "ACTOR" not in plain and "COMMIT" not in plain
    _, screen = on_terminal(["rollout", "history", "shop/production"], script, b"", {"COLUMNS": "110"})
    assert "ACTOR" in screen and "COMMIT" not in screen, "who did it goes last"
    _, screen = on_terminal(["rollout", "history", "shop/production"], script, b"", {"NO_COLOR": "1"})
    assert "\x1b" not in screen


def test_a_plan_fits_a_terminal(moving):
    long = {"subject": "schema", "state": "unknown", "reason": "nobody knows about it " * 9 + DIGEST,
            "way_out": "look at it " * 9}
    moving.on("POST", f"{PRODUCTION}/plan", (200, plan("rollback", items=[long])))
    code, screen = on_terminal(["plan", "shop/production"], moving, b"")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", screen).replace("\r", "")
    assert code == 0
    assert max(map(len, lines(plain))) <= 80
    assert "way out: look" in plain and DIGEST[:19] in plain and DIGEST not in plain
    in_a_pipe = repoint.run_cli("plan", "shop/production", server=moving).ok().stdout
    assert re.sub(r"\s+", " ", plain.strip()) == re.sub(r"\s+", " ", in_a_pipe.strip())


def test_json_is_the_answer_of_the_api(script):
    history(script)
    script.on("GET", f"{PRODUCTION}/revisions/2", (200, revision(2)))
    script.on("GET", f"{PRODUCTION}/status", (200, status(4, revision(3), target("confirmed", 3))))
    script.on("GET", f"/api/v1/trace/{DIGEST[:15].replace(':', '%3A')}", (200, {"digest": DIGEST}))
    script.on("GET", "/api/v1/apps/shop/releases/%235", (200, release(5)))
    assert repoint.run_cli("rollout", "history", "shop/production", "--revision", "2", "-o", "json",
                           server=script).ok().json == revision(2)
    assert repoint.run_cli("rollout", "status", "shop/production", "-o", "json",
                           server=script).ok().json == status(4, revision(3), target("confirmed", 3))
    assert repoint.run_cli("trace", DIGEST[:15], "-o", "json", server=script).ok().json == {
        "digest": DIGEST}
    assert repoint.run_cli("release", "show", "shop", "#5", "-o", "json",
                           server=script).ok().json == release(5)


def test_people_see_short_digests(script):
    script.on("GET", f"{PRODUCTION}/status", (200, status(4, revision(3), target("confirmed", 3))))
    out = repoint.run_cli("rollout", "status", "shop/production", server=script).ok().stdout
    assert DIGEST[:19] in out and DIGEST not in out
    assert "every target follows" in out


def test_status_of_a_failed_rollout(script):
    failed = revision(3, outcome="failed", outcome_reason="no agent reported in time")
    script.on("GET", f"{PRODUCTION}/status", (200, status(4, failed, target("unknown", None))))
    result = repoint.run_cli("rollout", "status", "shop/production", server=script).exits(9)
    assert "no agent reported in time" in result.stderr
    assert "web-1" in result.stdout


def test_what_comes_from_outside_cannot_drive_the_terminal(script):
    evil = revision(3, "1\x1b]0;x\x07", cause="a\x1b[2Jb\u202e")
    script.on("GET", f"{PRODUCTION}/revisions/3", (200, evil))
    out = repoint.run_cli("rollout", "history", "shop/production", "--revision", "3",
                          server=script).ok().stdout
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", out)


def test_pages_are_joined(script):
    page = [revision(n) for n in range(250, 50, -1)]
    rest = [revision(n) for n in range(50, 0, -1)]
    script.on("GET", f"{PRODUCTION}/revisions", (200, {"revisions": page}), (200, {"revisions": rest}))
    result = repoint.run_cli("rollout", "history", "shop/production", "-o", "json", server=script).ok()
    assert [entry["number"] for entry in result.json["revisions"]] == list(range(250, 0, -1))
    assert [entry[2] for entry in script.requests("GET", f"{PRODUCTION}/revisions")] == [
        "limit=200", "limit=200&before=51"]


READY = {"app": "shop", "environment": "production", "window": 3, "ready": False, "takes": {"median_ms": 1500, "moves": 2},
         "reasons": ["revision 1 (1.0), bytes: layer sha256:abc is missing"], "recorded": None, "gone": [], "credentials": [],
         "revisions": [
    {"number": 2, "release": revision(2, "1.1")["release"], "current": True, "undo_target": False,
     "ready": True, "bytes": {"blobs": 3, "size_bytes": 100, "verified_at": "2026-01-02T03:04:05.678Z",
                              "problems": []}, "local_on": ["web-1"], "not_local_on": [], "held": [], "origins": [], "items": []},
    {"number": 1, "release": revision(1)["release"], "current": False, "undo_target": True,
     "ready": False, "bytes": {"blobs": 3, "size_bytes": 100, "verified_at": None,
                               "problems": ["layer sha256:abc is missing"]},
     "local_on": [], "not_local_on": ["web-1"], "held": [], "origins": [], "items": []}]}


def test_ready_is_red_for_a_missing_layer(script):
    script.on("GET", f"{PRODUCTION}/ready", (200, READY))
    script.on("GET", "/api/v1/apps", (200, {"apps": [
        {"name": "shop", "environments": [{"name": "production"}]}]}))
    result = repoint.run_cli("ready", "shop/production", "--verify", server=script).exits(6)
    assert "verify=hash" in script.requests("GET", f"{PRODUCTION}/ready")[0][2]
    assert re.search(r"1 +1\.0 +undo target +NO +100 B +never +- +web-1", result.stdout)
    assert "revision 1: bytes: layer sha256:abc is missing" in result.stdout
    assert lines(result.stderr) == ["repoint: not ready: shop/production: revision 1 (1.0), bytes: layer "
                                    "sha256:abc is missing"]
    everything = repoint.run_cli("ready", "-o", "json", server=script).exits(6)
    assert everything.json == [READY]


def test_ready_says_the_same_of_several_things_once(script):
    items = [{"subject": name, "state": "unknown", "reason": "not known", "way_out": f"look at {name}"}
             for name in ("config", "schema")]
    items.append({"subject": "target web-1", "state": "unknown", "reason": "silent", "way_out": "look there"})
    script.on("GET", f"{PRODUCTION}/ready", (200, {**READY, "ready": True, "revisions": [
        {**entry, "ready": True, "items": items, "bytes": {**entry["bytes"], "problems": []}}
        for entry in READY["revisions"]]}))
    out = lines(repoint.run_cli("ready", "shop/production", server=script).ok().stdout)
    assert [line.strip() for line in out[-2:]] == [
        "revisions 2, 1: config, schema: not known",
        "revisions 2, 1: target web-1: silent; way out: look there"]


# Declaring, releasing, building

def test_apply_reads_a_file_and_standard_input(script, tmp_path):
    script.on("POST", "/api/v1/apply", (200, {"app": "shop", "changes": ["environment x: created"],
                                              "seq": 1}), (200, {"app": "shop", "changes": [], "seq": 1}))
    (tmp_path / "repoint.yaml").write_text("app: shop\n")
    first = repoint.run_cli("apply", "-f", tmp_path / "repoint.yaml", server=script).ok()
    assert first.stdout == "shop: environment x: created\n"
    second = repoint.run_cli("apply", "-f", "-", input="app: shop\n", server=script).ok()
    assert second.stdout == "shop: nothing to change\n"
    posts = script.requests("POST", "/api/v1/apply")
    assert [post[2] for post in posts] == ["file=repoint.yaml", "file=stdin"]
    assert {post[4] for post in posts} == {b"app: shop\n"}
    repoint.run_cli("apply", "-f", tmp_path / "absent.yaml", server=script).exits(3)


@pytest.fixture
def buildable(script):
    script.on("GET", "/api/v1/apps/shop", (200, {"name": "shop", "components": [
        {"name": "web", "repository": "shop/web"}, {"name": "job-runner", "repository": "shop/job"}],
        "environments": []}))
    script.on("GET", "/api/v1/apps/shop/releases", (200, {"releases": []}))
    script.on("POST", "/api/v1/apps/shop/releases", (201, release(1)))
    return script


def test_build_tells_the_command_where_to_push(buildable):
    result = repoint.run_cli("build", "shop", "--commit", "abc123", "--version", "1.0", "--component",
                             "web=shop/web:special", "--build", "7", "--", "sh", "-c",
                             "env | grep ^REPOINT_ | sort", server=buildable).ok()
    host = buildable.url[len("http://"):]
    for line in ("REPOINT_APP=shop", "REPOINT_COMMIT=abc123", "REPOINT_VERSION=1.0",
                 f"REPOINT_REGISTRY={host}", f"REPOINT_IMAGE_WEB={host}/shop/web:special",
                 f"REPOINT_IMAGE_JOB_RUNNER={host}/shop/job:1.0"):
        assert line in lines(result.stdout)
    assert buildable.body("POST", "/api/v1/apps/shop/releases") == {
        "version": "1.0", "components": {"web": "shop/web:special", "job-runner": "1.0"},
        "source": {"commit": "abc123", "build": "7"}}


def test_a_recorded_commit_runs_nothing(buildable, tmp_path):
    buildable.on("GET", "/api/v1/apps/shop/releases", (200, {"releases": [release(1)]}))
    result = repoint.run_cli("build", "shop", "--commit", "abc123", "-o", "json", "--", "touch",
                             tmp_path / "ran", server=buildable).ok()
    assert result.json == release(1)
    assert "nothing was run" in result.stderr
    assert not (tmp_path / "ran").exists()
    assert buildable.requests("GET", "/api/v1/apps/shop/releases")[0][2] == "commit=abc123"
    assert buildable.requests("POST", "/api/v1/apps/shop/releases") == []


@pytest.mark.parametrize("command,message", [
    (["sh", "-c", "exit 3"], "the build command `sh` failed with exit status 3"),
    (["sh", "-c", "kill -9 $$"], "the build command `sh` was ended by signal 9"),
    (["/nonexistent/command"], "the build command `/nonexistent/command` did not start"),
])
def test_a_failing_build_records_nothing(buildable, command, message):
    result = repoint.run_cli("build", "shop", "--commit", "abc123", "--", *command,
                             server=buildable).exits(1)
    assert message in result.stderr
    assert buildable.requests("POST", "/api/v1/apps/shop/releases") == []


def test_a_build_that_pushed_nothing(buildable):
    buildable.on("POST", "/api/v1/apps/shop/releases", (404, error("manifest-unknown", "no tag 1.0")))
    result = repoint.run_cli("build", "shop", "--commit", "abc123", "--", "true",
                             server=buildable).exits(3)
    assert lines(result.stderr) == [
        "repoint: the build command succeeded, but its release was not recorded: no tag 1.0",
        "hint: the command must push to what REPOINT_IMAGE_<COMPONENT> names"]


@pytest.mark.parametrize("args,message", [
    (["--component", "wbe=1"], "shop has no such component"),
    (["--version", "1.0+2"], "`1.0+2` cannot be a tag; name one with --component web=TAG"),
])
def test_build_checks_before_it_runs(buildable, tmp_path, args, message):
    result = repoint.run_cli("build", "shop", "--commit", "abc123", *args, "--", "touch",
                             tmp_path / "ran", server=buildable).exits(2)
    assert message in result.stderr
    assert not (tmp_path / "ran").exists()


def test_output_that_cannot_be_written_is_a_failure(script):
    script.on("GET", "/api/v1/apps", (200, {"apps": []}))
    with open("/dev/full", "w") as full:
        done = subprocess.run([repoint.binary(), "app", "list", "-o", "json", "--server", script.url],
                              stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert b"repoint: " in done.stderr


# Help and manual

def verb_table(*path):
    out = repoint.run_cli("help", "--verbs", *path).ok().stdout
    return dict(line.split("\t") for line in lines(out))


def options_of(*path):
    """Long options in a verb's help, without those that every verb has."""
    out = repoint.run_cli(*path, "--help").ok().stdout
    return set(re.findall(r"--([a-z][a-z-]*)", out.partition("Options:")[2])) - {
        "server", "output", "help", "ca-file"}


def test_help_of_every_verb():
    overview = repoint.run_cli("help").ok().stdout
    assert repoint.run_cli("--help").ok().stdout == overview
    for verb, summary in verb_table().items():
        assert f"  {verb:<9} {summary}" in overview
        text = repoint.run_cli("help", verb).ok().stdout
        assert summary in text and all(line == line.rstrip() for line in text.splitlines()), text


def test_every_verb_has_its_page_and_no_page_is_left_over():
    pages = {path.name[len("repoint-"):-len(".1.scd")] for path in MAN.glob("repoint-*.1.scd")}
    assert pages == set(verb_table())


@pytest.mark.parametrize("page", sorted(path.name for path in MAN.glob("*.scd")))
def test_pages_can_be_rendered(page):
    subprocess.run(["scdoc"], stdin=open(MAN / page, "rb"), capture_output=True, check=True)


def test_pages_say_what_the_table_says():
    overview = (MAN / "repoint.1.scd").read_text()
    for verb, summary in verb_table().items():
        page = (MAN / f"repoint-{verb}.1.scd").read_text()
        assert f"repoint-{verb} - {summary[0].lower()}{summary[1:]}" in page
        assert f"*repoint-{verb}*(1)" in overview
        documented = set(re.findall(r"\*--([a-z-]+)", page)) - {"ca-file"}  # which every verb has, and some explain
        expected = options_of(verb)
        for sub in verb_table(verb) or ():
            assert f"*repoint {verb} {sub}*" in page
            expected |= options_of(verb, sub)
        assert documented == expected, verb


def test_exit_statuses_of_the_manual_are_those_of_the_header():
    header = (TOP / "src" / "base" / "error.h").read_text()
    statuses = set(re.findall(r"RP_EXIT_[A-Z_]+ = (\d+)", header))
    page = (MAN / "repoint.1.scd").read_text().partition("# EXIT STATUS")[2].partition("\n# ")[0]
    assert set(re.findall(r"^\*(\d+)\*", page, re.M)) == statuses


def keys_of(*sources):
    """Keys that the readers of a YAML file know: the members of their lists called …keys."""
    keys = set()
    for source in sources:
        text = (TOP / "src" / source).read_text()
        lists = re.findall(r"\w*keys\[\]\s*=\s*\{(.*?)\}", text, re.S)
        assert lists, source
        keys |= {key for members in lists for key in re.findall(r'"(\w+)"', members)}
    return keys


@pytest.mark.parametrize("page,sources", [
    ("agent.yaml", ["agent/config.c", "driver/dir.c", "driver/container_options.c", "driver/probe.c"]),
    ("repoint.yaml", ["release/app.c", "release/gate_rules.c"])])
def test_pages_of_the_files_name_every_key(page, sources):
    text = (MAN / f"{page}.5.scd").read_text()
    assert {key for key in keys_of(*sources) if f"*{key}*" not in text} == set()


# Completion

def complete(script, line):
    """What bash would offer for `line`."""
    words = line.split(" ")
    program = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }; '
               '_repoint; printf "%s\\n" "${COMPREPLY[@]}"')
    path = f"{Path(repoint.binary()).parent}:{os.environ['PATH']}"
    done = subprocess.run(["bash", "-c", program, "bash", TOP / "share" / "completions" / "repoint.bash",
                           *words], capture_output=True, text=True, check=True,
                          env={**os.environ, "PATH": path, "REPOINT_SERVER": script.url})
    return set(done.stdout.split())


def test_completion(script):
    script.on("GET", "/api/v1/apps", (200, {"apps": [{"name": "shop", "environments": [
        {"name": "staging", "targets": []}, {"name": "production", "targets": []}]}]}))
    assert complete(script, "repoint ") == set(verb_table())
    assert complete(script, "repoint rol") == {"rollout"}
    assert complete(script, "repoint rollout ") == {"history", "status", "undo"}
    assert complete(script, "repoint rollout undo --to") == {"--to-revision"}
    assert complete(script, "repoint deploy --exp") == {"--expect-revision"}
    assert complete(script, "repoint deploy s") == {"shop/staging", "shop/production"}
    assert complete(script, "repoint rollout undo shop/p") == {"shop/production"}


# Against a real server

@pytest.fixture
def shop(server, cli, start_agent, tmp_path):
    made = Shop(server, cli, start_agent, tmp_path)
    made.ship("1.0")
    made.ship("1.1")
    return made


def same_fields(scripted, real, where=""):
    """Fails unless both documents have the same fields, all the way down."""
    if isinstance(scripted, dict) and isinstance(real, dict):
        assert set(scripted) == set(real), where
        for key, value in scripted.items():
            same_fields(value, real[key], f"{where}.{key}")
    elif isinstance(scripted, list) and isinstance(real, list) and scripted and real:
        same_fields(scripted[0], real[0], f"{where}[0]")


def test_the_scripted_answers_look_like_real_ones(shop, cli):
    json_of = lambda *args: cli(*args, "-o", "json").ok().json  # noqa: E731
    same_fields(revision(1), json_of("rollout", "history", "shop/production", "--revision", "1"))
    same_fields(release(1), json_of("release", "show", "shop", "1.0"))
    same_fields(status(1, revision(1), target("confirmed", 1)),
                json_of("rollout", "status", "shop/production"))
    real = json_of("plan", "shop/production")
    same_fields(plan("rollback", items=[BLOCKED["items"][0]]), real)
    same_fields(READY, json_of("ready", "shop/production"))


def test_what_people_see_of_a_real_shop(shop, cli):
    shop.ship("1.2", bad=True)
    failed = cli("rollout", "status", "shop/production").exits(9)
    assert "revision 3 (1.2) failed: " in failed.stderr
    assert "hint: go back with `repoint rollout undo shop/production`" in failed.stderr
    undone = shop.undo("--because", "1.2 is broken")
    assert "shop/production: rollback" in undone.stdout
    assert re.search(r"from +1\.2 .* failed", undone.stdout)
    assert re.search(r"to +1\.1 +commit \w{8} .*as revision 2, which started", undone.stdout)
    assert "shop/production: moved from revision 3 to revision 4 (1.1)" in undone.stdout
    assert shop.runs() == "1.1"
    rows = lines(cli("rollout", "history", "shop/production").ok().stdout)[1:]
    assert [row.split()[0] for row in rows] == ["4", "3", "2", "1"]
    assert "healthy, current" in rows[0] and "1.2 is broken" in rows[0]
    assert "failed, rolled back by 4" in rows[1]
    assert "undo target" in rows[3]
    assert "web-1" in cli("rollout", "status", "shop/production").ok().stdout
    assert re.search(r"shop/production: ready( \(since .* ago\))?, window of 3", cli("ready").ok().stdout)
    assert re.search(r"shop +production +1\.1 \(4\) +healthy", cli("app", "list").ok().stdout)
    assert "web-1 (web)" in cli("app", "show", "shop").ok().stdout
    assert len(lines(cli("release", "list", "shop").ok().stdout)) == 4
    traced = cli("trace", shop.images["1.1"].digest[:17]).ok().stdout
    assert shop.images["1.1"].digest in traced and "targets that run it" in traced
    assert "1.2 is broken" in cli("ledger", "log", "--limit", "1000").ok().stdout


def test_undo_on_the_host_and_its_status(shop, cli):
    shop.server.stop()
    undone = shop.agent.cli("undo", "--because", "the server is gone").ok()
    assert "shop/production/web-1: undone from revision 2 to revision 1 (1.0)" in undone.stdout
    assert shop.runs() == "1.0"
    assert "shop/production/web-1 (dir): " in shop.agent.cli("status").ok().stdout


def test_the_ledger_is_proved_with_and_without_a_server(shop, server, cli):
    online = cli("ledger", "verify", "--tables", "-o", "json").ok().json
    offline = cli("ledger", "verify", "--tables", "--data", server.data, "-o", "json").ok().json
    assert offline["events"] >= online["events"] > 0
    kept = f"{online['head']['seq']}:{online['head']['hash']}"
    for where in ([], ["--data", server.data]):
        assert "verified " in cli("ledger", "verify", "--head", kept, *where).ok().stdout
        forged = kept[:-4] + ("0000" if kept[-4:] != "0000" else "1111")
        cli("ledger", "verify", "--head", forged, *where).exits(6)
    cli("ledger", "verify", "--head", "1:abc").exits(2)
    cli("ledger", "verify", "--tables", "--data", server.data / "absent").exits(3)


def test_rebuilding_needs_the_data_directory_for_itself(shop, server, cli):
    refused = cli("ledger", "rebuild", "--data", server.data).exits(4)
    assert str(server.pid) in refused.stderr
    assert "hint: stop the server first" in refused.stderr
    cli("ledger", "rebuild").ok()
    before = cli("rollout", "history", "shop/production", "-o", "json").ok().json
    shop.agent.stop()
    server.stop()
    assert "rebuilt from " in cli("ledger", "rebuild", "--data", server.data).ok().stdout
    server.start()
    after = cli("rollout", "history", "shop/production", "-o", "json").ok().json
    for one, other in zip(before["revisions"], after["revisions"], strict=True):
        assert one | {"ran_for_ms": 0} == other | {"ran_for_ms": 0}


def test_a_server_that_may_not_start(server, cli, tmp_path):
    second = cli("serve", "--data", server.data, "--listen", "127.0.0.1:0").exits(4)
    assert str(server.pid) in second.stderr
    cli("serve", "--data", tmp_path / "other", "--listen", "0.0.0.0:0").exits(5)
    cli("agent", "-c", tmp_path / "absent.yaml").exits(3)


def test_version_of_a_real_server(server, cli):
    own = cli("--version").ok().stdout.split()[1]
    first, second, third = lines(cli("version").ok().stdout)
    assert (first, second) == (f"repoint  {own}", f"server   {own} at {server.url}")
    assert re.fullmatch("ledger   [0-9]+:([0-9a-f]{64}|)", third)
