"""What people ask afterwards: what ran when, where something is, what differs, what drifts, how it goes."""

import json
import re
import threading
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import yaml

from guarded import bearer
from support import oci
from test_release_api import PRODUCTION, SHOP, STAGING, api, deploy, release  # noqa: F401  (api is a fixture)


@contextmanager
def answering(answer):
    """The URL of a server that gives this answer to any GET."""
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def at(api, time, path=PRODUCTION):
    return api("GET", f"{path}/at?time={time}", status=200)


# ---- at ----

def test_at_names_the_revision_and_what_targets_were_seen_running(api):
    digests = {}
    for version in "1.0", "1.1":
        digests[version] = release(api, version)["components"][0]["digest"]
    for n, version in enumerate(("1.0", "1.1"), 1):
        made = api("POST", f"{PRODUCTION}/revisions", {"kind": "deploy", "release": version}, status=201)
        api.report("production", f"at-{n}", made["number"], "confirmed", observed_digest=digests[version])
    first, second = reversed(api("GET", f"{PRODUCTION}/revisions")["revisions"])
    assert at(api, first["at"])["revision"]["number"] == 1, "the time that history shows is that of the revision"
    then = at(api, second["at"])
    assert then["revision"]["number"] == 2
    now = api("GET", f"{PRODUCTION}/at", status=200)
    assert [t["observed_release"]["version"] for t in now["targets"]] == ["1.1"]
    before = datetime.fromisoformat(first["at"].replace("Z", "+00:00")) - timedelta(seconds=5)
    nothing = at(api, before.strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert nothing["revision"] is None and nothing["targets"] == []
    assert api("GET", f"{STAGING}/at", status=200)["revision"] is None


def test_at_takes_the_target_as_it_was_and_not_as_it_is(api):
    digest = release(api, "1.0")["components"][0]["digest"]
    made = api("POST", f"{PRODUCTION}/revisions", {"kind": "deploy", "release": "1.0"}, status=201)
    api.report("production", "was-1", made["number"], "confirmed", observed_digest=digest)
    was = api("GET", f"{PRODUCTION}/status", status=200)["targets"][0]
    api.report("production", "was-2", made["number"], "drifted", observed_digest=None)
    seen = at(api, was["at"])["targets"]
    assert [t["observed_digest"] for t in seen] == [digest]
    assert api("GET", f"{PRODUCTION}/at")["targets"][0]["state"] == "drifted"


def test_at_refuses_what_is_no_time_or_still_to_come(api):
    assert "no time" in api.refused("GET", f"{PRODUCTION}/at?time=yesterday", code="invalid")["message"]
    later = (datetime.now(timezone.utc) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert "still to come" in api.refused("GET", f"{PRODUCTION}/at?time={later}", code="invalid")["message"]
    api.refused("GET", "/api/v1/apps/shop/environments/nowhere/at", code="not-found")


def test_at_for_people(api, cli):
    release(api, "1.0")
    made = deploy(api, "1.0")
    shown = cli("at", "shop/production").ok().stdout
    assert "revision 1 (1.0), healthy" in shown and "confirmed" in shown
    assert "revision 1 (1.0)" in cli("at", "shop/production", made["at"]).ok().stdout
    assert "nothing was deployed there yet" in cli("at", "shop/production", "1d").ok().stdout
    assert "nothing was deployed there yet" in cli("at", "shop/production", "2001-02-03").ok().stdout
    assert cli("at", "shop/production", "2001-02-03 04:05", "-o", "json").ok().json["revision"] is None
    assert cli("at", "shop/production", "2001-02-03 04:05", "-o", "json",
               env={"TZ": "UTC-3"}).ok().json["at"].startswith("2001-02-03T01:05:00"), "on the clock of this machine"
    assert "is no time" in cli("at", "shop/production", "noon").exits(2).stderr
    assert "no environment" in cli("at", "shop/nowhere").exits(3).stderr


# ---- where ----

def test_where_tells_what_runs_it_what_points_at_it_and_who_has_its_bytes(api, cli):
    old, new = (release(api, version)["components"][0]["digest"] for version in ("1.0", "1.1"))
    for n, (version, digest) in enumerate((("1.0", old), ("1.1", new)), 1):
        made = api("POST", f"{PRODUCTION}/revisions", {"kind": "deploy", "release": version}, status=201)
        api.report("production", f"where-{n}", made["number"], "confirmed", observed_digest=digest, local=[old, new])

    left = api("GET", f"/api/v1/trace/{old}", status=200)
    assert (left["current"], left["targets"]) == ([], []), "it ran once, and does no more"
    assert [r["number"] for r in left["revisions"]] == [1]
    assert [(t["environment"], t["target"]) for t in left["local"]] == [("production", "web-1")]
    runs = api("GET", f"/api/v1/trace/{new}", status=200)
    assert [(r["environment"], r["number"]) for r in runs["current"]] == [("production", 2)]
    assert [t["target"] for t in runs["targets"]] == ["web-1"]

    shown = cli("where", old[:19]).ok().stdout
    assert "targets that run it: none" in shown and "environments that are pointed at it: none" in shown
    assert re.search(r"targets whose hosts have its bytes\n.*\n.*production\s+web-1", shown) and "shop/web" in shown
    assert "revisions that ran it" not in shown, "that is what trace is for"
    assert re.search(r"pointed at it\n.*\n.*production +2 +1\.1", cli("where", new).ok().stdout)
    assert cli("where", new, "-o", "json").ok().json["current"][0]["number"] == 2
    assert "at least 4 hex digits" in cli("where", "").exits(2).stderr
    cli("where", "sha256:" + "0" * 64).exits(3)


# ---- drift ----

def test_drift_tells_a_target_that_runs_something_else(api, cli):
    old, new = (release(api, version)["components"][0]["digest"] for version in ("1.0", "1.1"))
    assert api("GET", f"{PRODUCTION}/drift", status=200)["verdict"] == "follows", "nothing is deployed and nothing runs"
    made = api("POST", f"{PRODUCTION}/revisions", {"kind": "deploy", "release": "1.1"}, status=201)
    assert api("GET", f"{PRODUCTION}/drift", status=200)["verdict"] == "unknown"
    assert "nobody says what runs in shop/production" in cli("drift").exits(7).stderr

    api.report("production", "drift-1", made["number"], "preparing", observed_digest=old)
    assert api("GET", f"{PRODUCTION}/drift", status=200)["verdict"] == "moving"
    cli("drift", "shop").ok()
    api.report("production", "drift-2", made["number"], "confirmed", observed_digest=new)
    follows = api("GET", f"{PRODUCTION}/drift", status=200)
    assert follows["verdict"] == "follows" and follows["targets"][0]["expected_digest"] == new

    api.report("production", "drift-3", made["number"], "drifted", observed_digest=old)
    drifted = api("GET", f"{PRODUCTION}/drift", status=200)
    assert drifted["verdict"] == "drifted" and drifted["targets"][0]["observed_release"]["version"] == "1.0"
    told = cli("drift", "shop/production").exits(4)
    assert "it runs 1.0 (release 1), not 1.1 (release 2)" in told.stdout and "shop/production" in told.stderr
    assert [d["verdict"] for d in cli("drift", "-o", "json").exits(4).json] == ["follows", "drifted"]
    api.refused("GET", "/api/v1/apps/shop/environments/nowhere/drift", code="not-found")


# ---- diff ----

def diff(api, a, b, **kwargs):
    return api("GET", f"/api/v1/apps/shop/diff?from={a}&to={b}", **kwargs)


def test_diff_of_releases_and_of_environments(api, cli):
    made = {version: release(api, version) for version in ("1.0", "1.1", "1.2")}
    deploy(api, "1.0")
    deploy(api, "1.2", "staging")

    forward = diff(api, "environment:production", "environment:staging", status=200)
    assert forward["direction"] == "forward" and forward["from"]["revision"] == 1
    assert [r["version"] for r in forward["releases"]] == ["1.2", "1.1"]
    (web,) = forward["components"]
    assert web["change"] == "changed"
    assert [web[side]["digest"] for side in ("from", "to")] == [made[v]["components"][0]["digest"] for v in ("1.0", "1.2")]
    assert forward["commits"] == {"repository": None, "from": "c0ffee-1.0", "to": "c0ffee-1.2"}
    back = diff(api, "1.2", "environment:production:1", status=200)
    assert back["direction"] == "back" and back["releases"] == forward["releases"]
    same = diff(api, "1.0", "environment:production", status=200)
    assert same["direction"] == "same" and same["releases"] == [] and same["components"][0]["change"] == "same"

    shown = cli("diff", "shop/production", "shop/staging").ok().stdout
    assert "from 1.0 (production, revision 1) to 1.2 (staging, revision 1), forward" in shown
    assert "git log c0ffee-1.0..c0ffee-1.2" in shown and "brings 2 releases" in shown
    assert "takes away 1 release:" in cli("diff", "shop@1.2", "1.1").ok().stdout
    assert "the same release" in cli("diff", "shop/production:1", "shop@1.0").ok().stdout
    assert cli("diff", "shop@1.0", "1.1", "-o", "json").ok().json["to"]["release"]["version"] == "1.1"


def test_diff_of_releases_with_other_components(api):
    release(api, "1.0")
    api("POST", "/api/v1/apply", SHOP.replace("web: {repository: shop/web}",
                                              "web: {repository: shop/web}\n  worker: {repository: shop/worker}").encode(),
        status=200)
    for repository in "shop/web", "shop/worker":
        oci.push(api.server, repository, "1.1", oci.make_image([{"version": repository}]))
    api("POST", "/api/v1/apps/shop/releases", {"version": "1.1", "components": {"web": "1.1", "worker": "1.1"}}, status=201)
    assert [(c["name"], c["change"]) for c in diff(api, "1.0", "1.1", status=200)["components"]] == [
        ("web", "changed"), ("worker", "added")]
    assert [(c["name"], c["change"]) for c in diff(api, "1.1", "1.0", status=200)["components"]] == [
        ("web", "changed"), ("worker", "removed")]


@pytest.mark.parametrize("a, b, code, says", [
    ("1.0", "9.9", "not-found", "9.9"),
    ("environment:nowhere", "1.0", "not-found", "nowhere"),
    ("environment:production", "1.0", "not-found", "nothing was ever deployed"),
    ("environment:production:x", "1.0", "invalid", "no number of a revision"),
    ("environment:production:7", "1.0", "not-found", "no revision 7"),
])
def test_diff_refuses_what_is_not_there(api, a, b, code, says):
    release(api, "1.0")
    assert says in api.refused("GET", f"/api/v1/apps/shop/diff?from={a}&to={b}", code=code)["message"]


def test_diff_of_nothing_is_refused(api, cli):
    assert "?from=" in api.refused("GET", "/api/v1/apps/shop/diff?from=1.0", code="invalid")["message"]
    assert "expected APP/ENV" in cli("diff", "1.0", "1.1").exits(2).stderr
    assert "different apps" in cli("diff", "shop@1.0", "web@1.0").exits(2).stderr


# ---- stats ----

def test_stats_of_a_deploy_that_was_rolled_back(api, cli):
    for version in "1.0", "1.1":
        release(api, version)
        deploy(api, version)
    back = api("POST", f"{PRODUCTION}/revisions", {"kind": "rollback"}, status=201)
    api.report("production", "stats-1", back["number"], "confirmed")

    stats = api("GET", "/api/v1/apps/shop/stats", status=200)
    assert stats["days"] == 30 and [e["environment"] for e in stats["environments"]] == ["staging", "production"]
    staging, production = stats["environments"]
    assert (staging["deployments"], staging["lead_time_ms"], staging["rollbacks"]) == (0, None, [])
    assert (production["deployments"], production["changes"], production["changes_failed"]) == (2, 2, 1)
    assert (production["lead_times"], production["recoveries"], production["not_recovered"]) == (2, 1, 0)
    (rollback,) = production["rollbacks"]
    assert (rollback["revision"], rollback["left"], rollback["kind"]) == (3, 2, "rollback")
    assert 0 <= rollback["took_ms"] <= rollback["bad_for_ms"] == production["recovery_time_ms"]
    one = api("GET", "/api/v1/apps/shop/stats?environment=production&days=1", status=200)
    assert one["environments"] == [production]

    shown = cli("stats", "shop/production").ok().stdout
    assert re.search(r"change fail rate +50 % +1 of 2", shown) and "deployment frequency: deploys and promotes" in shown
    assert re.search(r"recovery time .* median of 1\n", shown)
    assert [s["app"] for s in cli("stats", "-o", "json").ok().json] == ["shop"]
    assert cli("stats", "shop", "--days", "7", "-o", "json").ok().json["days"] == 7


def test_stats_refuses(api, cli):
    api.refused("GET", "/api/v1/apps/shop/stats?environment=nowhere", code="not-found")
    api.refused("GET", "/api/v1/apps/none/stats", code="not-found")
    api.refused("GET", "/api/v1/apps/shop/stats?days=0", code="invalid")
    assert "--days" in cli("stats", "--days", "0").exits(2).stderr


# ---- repoint_release_info ----

INFO = re.compile(r"^repoint_release_info\{(.*)\} 1$", re.MULTILINE)


def infos(server, headers=None):
    status, _, body = server.request("GET", "/metrics", headers=headers)
    assert status == 200
    return [dict(re.findall(r'(\w+)="((?:[^"\\\\]|\\\\.)*)"', labels)) for labels in INFO.findall(body.decode())]


def test_release_info_has_what_each_environment_is_pointed_at(api):
    assert infos(api.server) == [], "nothing is deployed"
    digest = release(api, "1.0")["components"][0]["digest"]
    new = release(api, "1.1")["components"][0]["digest"]
    for environment in "staging", "production":
        deploy(api, "1.0", environment)
    deploy(api, "1.1")
    assert infos(api.server) == [
        {"app": "shop", "environment": "production", "component": "web", "release": "1.1", "commit": "c0ffee-1.1",
         "digest": new, "revision": "2"},
        {"app": "shop", "environment": "staging", "component": "web", "release": "1.0", "commit": "c0ffee-1.0",
         "digest": digest, "revision": "1"}]


def test_release_info_needs_no_escapes(api):
    """What would break a line of the text format is no version and no commit."""
    oci.push(api.server, "shop/web", "odd", oci.make_image([{"version": "odd"}]))
    for odd in 'a"b', "a\\b", "a\nb", "a{b", "a b":
        for more in {"version": odd}, {"version": "1.0", "source": {"commit": odd}}:
            api.refused("POST", "/api/v1/apps/shop/releases", {"components": {"web": "odd"}, **more}, code="invalid")
    api("POST", "/api/v1/apps/shop/releases", {"version": "1.0", "components": {"web": "odd"}}, status=201)
    deploy(api, "1.0")
    assert infos(api.server)[0]["commit"] == "", "none was recorded"


def test_release_info_is_of_the_apps_that_one_may_read(guarded):
    admin = bearer(guarded.token)
    server = guarded.server
    assert server.request("POST", "/api/v1/apply", SHOP.encode(), admin)[0] == 200
    guarded.push("shop/web", "1.0", oci.make_image([{"version": "1.0"}]), guarded.token)
    for path, body in (("releases", {"version": "1.0", "components": {"web": "1.0"}}),
                       ("environments/production/revisions", {"kind": "deploy", "release": "1.0"})):
        assert server.request("POST", f"/api/v1/apps/shop/{path}", body, admin)[0] == 201
    assert [info["app"] for info in infos(server, admin)] == ["shop"]
    assert infos(server, bearer(guarded.robot("other", "read:web"))) == []
    assert len(infos(server, bearer(guarded.robot("reader", "read:shop")))) == 1


# ---- -o ----

@pytest.fixture
def two(api):
    for version in "1.0", "1.1":
        release(api, version)
        deploy(api, version)
    return ("rollout", "history", "shop/production", "-o")


def test_yaml_is_the_same_answer(two, cli):
    as_json, as_yaml = cli(*two, "json").ok().json, cli(*two, "yaml").ok().stdout
    read = yaml.safe_load(as_yaml)
    for answer in as_json, read:
        for revision in answer["revisions"]:
            revision.pop("ran_for_ms")
    assert read == as_json, "versions and times too: texts stay texts"


@pytest.mark.parametrize("text", ["yes", "1.0", "", "null", "- a", "a: b", "#x", " x", "a\nb", "0x1f", "1e3", "~", "\u00fc", "it's",
                                  "2026-11-24", "12:30:45", "=", "<<", "Off", "%x", "@x", "`x"])
def test_yaml_keeps_texts_texts(text, cli):
    """Whatever anybody wrote is read back as what it is."""
    with answering({"app": "shop", "environment": "production", "at": text, "revision": None, "targets": [], text: text}) as url:
        read = yaml.safe_load(cli("at", "shop/production", "-o", "yaml", server=url).ok().stdout)
    assert read["at"] == text and read[text] == text and read["targets"] == [] and read["revision"] is None


@pytest.mark.parametrize("template, expected", [
    ("{.revisions[0].number}", "2"),
    (".revisions[0].release.version", "1.1"),
    ("$.revisions[-1].number", "1"),
    ("{.revisions[*].release.version}", "1.1 1.0"),
    ("{.revisions[0]['kind']} of {.revisions[0].number}{\"\\n\"}end", "deploy of 2\nend"),
    ("{.revisions[0].good}{.revisions[0].restores}", "truenull"),
    ("{.revisions[1].overrides}", "[]"),
])
def test_jsonpath(two, cli, template, expected):
    assert cli(*two, f"jsonpath={template}").ok().stdout == expected + "\n"


def test_jsonpath_says_when_there_is_nothing(two, cli):
    told = cli(*two, "jsonpath={.revisions[0].number}{.revisions[7].number}").exits(3)
    assert told.stdout == "" and "nothing at .revisions[7].number" in told.stderr


def test_names_are_what_other_verbs_take(two, cli):
    assert cli(*two, "name").ok().stdout == "shop/production:2\nshop/production:1\n"
    assert cli("release", "list", "shop", "-o", "name").ok().stdout == "shop@1.1\nshop@1.0\n"
    assert cli("release", "show", "shop", "1.0", "-o", "name").ok().stdout == "shop@1.0\n"
    assert cli("app", "list", "-o", "name").ok().stdout == "shop\n"
    assert cli("drift", "-o", "name").exits(4).stdout == "shop/staging\nshop/production\n"
    assert "has a name" in cli("ledger", "verify", "-o", "name").exits(3).stderr
    first, second = cli(*two, "name").ok().stdout.split()
    cli("diff", second, first).ok()
