"""What stands in the way of a deploy or a promote, and never in the way of a rollback."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from guarded import Guarded
from shop import APPLY, Shop
from support import oci, repoint

HOLDS = "/apps/shop/environments/production/holds"


@pytest.fixture
def shop(server, cli, start_agent, tmp_path):
    shop = Shop(server, cli, start_agent, tmp_path, trial="2s")
    shop.ship("1.0")
    return shop


def events(cli, kind):
    return cli("ledger", "log", "--kind", kind, "--limit", "1000", "-o", "json").ok().json["events"]


# ---- holds ----

def test_R35_the_pipeline_run_again_does_not_bring_back_what_was_rolled_back_from(shop, server, cli):
    shop.ship("1.1")
    shop.undo("--because", "it loses orders")
    # The job is tried again: the same request, of a pipeline that knows nothing of the night.
    refused = shop.deploy("1.1", rc=5)
    assert "1.1 is held in production" in refused.stderr and "rolled back from in revision 3" in refused.stderr
    assert "it loses orders" in refused.stderr
    assert "repoint release unhold shop/production 1.1 --because" in refused.stderr
    assert len(shop.history()) == 3 and shop.runs() == "1.0"
    # So it is in what the API answers, whoever asks.
    status, _, data = server.request("POST", "/api/v1/apps/shop/environments/production/revisions",
                                     {"kind": "deploy", "release": "1.1"})
    error = json.loads(data)["error"]
    assert status == 422 and error["code"] == "blocked", error
    assert [item["subject"] for item in error["detail"]["items"] if item["state"] == "blocked"] == ["gate hold"]
    # Another release goes, and goes back again, as before.
    shop.ship("1.2")
    shop.undo()
    assert shop.runs() == "1.0"
    cli("ledger", "verify", "--tables").ok()


def test_R35_the_hold_is_in_the_event_that_moves_the_pointer(shop, cli):
    shop.ship("1.1")
    shop.undo()
    created = events(cli, "revision.created")[-1]["body"]
    assert created["number"] == 3 and created["holds"] == 2 and created["rolls_back"] == 2
    assert not events(cli, "release.held"), "a second event, which could be lost alone"


def test_R35_only_a_reason_lifts_it_and_then_it_may_go_again(shop, server, cli):
    shop.ship("1.1")
    shop.undo("--because", "the database was full")
    assert "--because" in cli("release", "unhold", "shop/production", "1.1").exits(2).stderr
    assert server.request("POST", f"/api/v1{HOLDS}/1.1/end", {"because": ""})[0] == 400
    lifted = cli("release", "unhold", "shop/production", "1.1", "--because", "it has a larger disk").ok()
    assert "the database was full" in lifted.stdout
    assert cli("release", "unhold", "shop/production", "1.1", "--because", "again").exits(3)
    shop.deploy("1.1")
    assert shop.runs() == "1.1"
    event, = events(cli, "release.unheld")
    assert event["body"]["because"] == "it has a larger disk"


def test_R35_a_hold_is_shown_wherever_one_looks(shop, server, cli):
    shop.ship("1.1")
    shop.undo("--because", "it loses orders")
    listed = cli("release", "list", "shop").ok().stdout
    assert "HELD IN" in listed and "production" in listed
    assert "it loses orders" in cli("release", "show", "shop", "1.1").ok().stdout
    assert "it loses orders" in cli("rollout", "status", "shop/production").ok().stdout
    hold, = server.api("GET", "/apps/shop/environments/production/status")["holds"]
    assert hold["version"] == "1.1" and hold["revision"] == 3
    assert server.api("GET", HOLDS)["holds"] == [hold]
    plan = cli("plan", "shop/production", "1.1", "-o", "json").exits(5).json
    gate, = [gate for gate in plan["gates"] if gate["gate"] == "hold"]
    assert gate["state"] == "closed" and "it loses orders" in gate["reason"]
    dry = cli("deploy", "shop/production", "1.0", "--again", "--dry-run").ok().stdout
    assert "hold open" in dry


def test_R35_a_rollback_may_go_to_what_is_held_and_taking_one_back_accuses_nobody(shop, server, cli):
    shop.ship("1.1")
    shop.undo()
    shop.undo("--to-revision", "2", "--because", "it was the network")
    assert shop.runs() == "1.1"
    hold, = server.api("GET", HOLDS)["holds"]
    assert hold["version"] == "1.1", "1.0, which the mistaken rollback went to, did nothing wrong"
    # What holds 1.1 is still there: a person who is sure of it says so.
    assert "release unhold" in cli("deploy", "shop/production", "1.1", "--again").exits(5).stderr
    shop.undo("--to-revision", "1", "--because", "it was not the network")
    assert shop.runs() == "1.0"
    hold, = server.api("GET", HOLDS)["holds"]
    assert hold["because"] == "it was not the network" and hold["revision"] == 5


def test_R35_undo_on_the_host_without_a_server_holds_it_too(shop, server, cli):
    shop.ship("1.1")
    server.stop()
    shop.agent.cli("undo", "--because", "nobody answers").ok()
    assert shop.runs() == "1.0"
    server.start()
    repoint.wait_for(lambda: len(shop.history()) == 3, what="the report of the host")
    assert "nobody answers" in shop.deploy("1.1", rc=5).stderr
    assert server.api("GET", HOLDS)["holds"][0]["revision"] == 3


def test_a_release_is_held_by_hand_before_it_ever_ran(shop, cli):
    shop.release("1.1")
    cli("release", "hold", "shop/production", "1.1", "--because", "waits for the new disks").ok()
    refused = shop.deploy("1.1", rc=5)
    assert "held by hand by" in refused.stderr and "waits for the new disks" in refused.stderr
    shop.deploy("1.0")


# ---- pauses ----

def test_a_pause_stops_deploys_and_no_rollback(shop, server, cli):
    shop.ship("1.1")
    shop.release("1.2")
    assert "--because" in cli("pause", "shop/production").exits(2).stderr
    cli("pause", "shop/production", "--because", "the auditors look").ok()
    refused = shop.deploy("1.2", rc=5)
    assert "production is paused by" in refused.stderr and "the auditors look" in refused.stderr
    assert "repoint resume shop/production --because" in refused.stderr
    assert "the auditors look" in cli("rollout", "status", "shop/production").ok().stdout
    assert "paused" in cli("app", "show", "shop").ok().stdout
    assert server.api("GET", "/apps/shop")["environments"][0]["paused"]["because"] == "the auditors look"
    assert "pause closed" in cli("plan", "shop/production", "1.2").exits(5).stdout
    shop.undo()
    assert shop.runs() == "1.0" and len(shop.history()) == 3
    shop.deploy("1.2", rc=5)
    cli("resume", "shop/production", "--because", "they are gone").ok()
    shop.deploy("1.2")
    assert cli("resume", "shop/production", "--because", "again").exits(3)
    assert [event["kind"] for event in events(cli, "environment.")] == ["environment.paused", "environment.resumed"]
    cli("ledger", "verify", "--tables").ok()


def test_a_rollout_that_has_begun_goes_on_and_back_while_paused(server, cli, start_agent, tmp_path):
    shop = Shop(server, cli, start_agent, tmp_path, trial="2s", on_failure="rollback")
    shop.ship("1.0")
    shop.release("1.1", bad=True)
    cli("deploy", "shop/production", "1.1", "--no-wait").ok()
    cli("pause", "shop/production", "--because", "something is wrong").ok()
    repoint.wait_for(lambda: shop.history()[0]["kind"] == "auto-rollback", 60, "going back by itself")
    shop.settles_on("1.0")


# ---- nothing to do ----

def test_deploying_what_is_current_changes_nothing(shop, server, cli):
    done = shop.deploy("1.0")
    assert "revision 1 (1.0) is current already, healthy, and what every target runs" in done.stdout
    assert len(shop.history()) == 1
    assert cli("deploy", "shop/production", "1.0", "-o", "json").ok().json["number"] == 1
    assert "nothing will change" in " ".join(cli("deploy", "shop/production", "1.0", "--dry-run").ok().stdout.split())
    status, _, data = server.request("POST", "/api/v1/apps/shop/environments/production/revisions",
                                     {"kind": "deploy", "release": "1.0"})
    assert status == 200 and json.loads(data)["number"] == 1
    # Nothing moves, so no gate is asked; the revision that one expects is.
    cli("pause", "shop/production", "--because", "nobody touches it").ok()
    shop.deploy("1.0")
    cli("deploy", "shop/production", "1.0", "--expect-revision", "0").exits(4)
    cli("deploy", "shop/production", "1.0", "--again").exits(5)
    cli("resume", "shop/production", "--because", "done").ok()
    cli("deploy", "shop/production", "1.0", "--again").ok()
    assert shop.versions() == ["1.0", "1.0"]


def test_a_target_that_drifted_is_reason_enough_to_deploy_again(shop, server, cli):
    shop.ship("1.1")
    shop.agent.stop()
    # Somebody pointed the host elsewhere by hand.
    server.api("POST", "/apps/shop/environments/production/targets/web-1/reports",
               {"id": "host-1:by-hand", "agent": "host-1", "driver": "dir", "revision": 2, "state": "drifted",
                "message": "it runs 1.0", "observed_digest": shop.images["1.0"].digest})
    cli("deploy", "shop/production", "1.1", "--no-wait").ok()
    assert shop.history()[0]["number"] == 3


# ---- freezes ----

def declare(shop, gates):
    """The shop once more, with these gates before production."""
    text = APPLY.format(window=3, trial="2s", on_failure="stop")
    return shop.cli("apply", "-f", "-", input=text.replace("    targets:", f"    gates: {gates}\n    targets:"))


ALWAYS = """{freeze: [{at: "* * * * *", for: 1h, zone: Europe/Berlin, because: the shop is full}]}"""


def test_R29_a_freeze_stops_releases_and_no_rollback(shop, server, cli):
    shop.ship("1.1")
    shop.release("1.2")
    assert "the shop is full" in declare(shop, ALWAYS).ok().stdout
    gates = server.api("GET", "/apps/shop")["environments"][0]["gates"]
    assert gates == {"freeze": [{"at": "* * * * *", "for_ms": 3600000, "zone": "Europe/Berlin",
                                 "because": "the shop is full"}]}
    refused = shop.deploy("1.2", rc=5)
    assert "production is frozen until" in refused.stderr and "the shop is full" in refused.stderr
    dry = cli("deploy", "shop/production", "1.2", "--dry-run").exits(5)
    assert "freeze closed: production is frozen until" in " ".join(dry.stdout.split())
    shop.undo()
    assert shop.runs() == "1.0" and len(shop.history()) == 3
    # It goes with the declaration, and what is to come is told.
    declare(shop, "{freeze: [{at: 0 0 1 1 *, for: 1m}]}").ok()
    assert "the next one begins at" in " ".join(cli("plan", "shop/production", "1.2").ok().stdout.split())
    shop.deploy("1.2")
    cli("ledger", "verify", "--tables").ok()


def blobs_fetched(server):
    """How often a blob was asked for, by the server's own count."""
    text = server.request("GET", "/metrics")[2].decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
               if line.startswith("repoint_http_requests_total") and "/blobs/{digest}" in line and 'method="GET"' in line)


def test_R40_a_rollback_waits_for_no_gate_and_fetches_nothing(shop, server, cli):
    shop.ship("1.1")
    before = blobs_fetched(server)
    assert before > 0
    declare(shop, ALWAYS.replace("{freeze", "{approvals: {needed: 3}, rate: {at_most: 1, per: 1h}, freeze")).ok()
    cli("pause", "shop/production", "--because", "the auditors look").ok()
    cli("release", "hold", "shop/production", "1.0", "--because", "it is old").ok()
    closed = [gate["gate"] for gate in cli("plan", "shop/production", "1.0", "-o", "json").exits(5).json["gates"]
              if gate["state"] == "closed"]
    assert closed == ["hold", "pause", "freeze", "approvals", "rate"]
    shop.undo()
    assert shop.runs() == "1.0"
    assert blobs_fetched(server) == before, "what ran here before is still on the host"
    assert shop.history()[0]["outcome"] == "healthy"


def test_R29_it_goes_back_by_itself_in_a_freeze(server, cli, start_agent, tmp_path):
    shop = Shop(server, cli, start_agent, tmp_path, trial="2s", on_failure="rollback")
    shop.ship("1.0")
    shop.release("1.1", bad=True)
    cli("deploy", "shop/production", "1.1", "--no-wait").ok()
    text = APPLY.format(window=3, trial="2s", on_failure="rollback")
    cli("apply", "-f", "-", input=text.replace("    targets:", f"    gates: {ALWAYS}\n    targets:")).ok()
    repoint.wait_for(lambda: shop.history()[0]["kind"] == "auto-rollback", 60, "going back by itself")


@pytest.mark.parametrize("gates, says", [
    ("{freeze: [{at: 0 25 * * *, for: 1h}]}", "stdin:9:22: environments[0].gates.freeze[0]: \"25\" is no hour"), ("{freeze: [{at: 0 2 * * *, for: 1h, zone: Mars/Base}]}", "no time zone"),
    ("{freeze: [{at: 0 2 * * *}]}", "1m to 366d"), ("{freeze: {at: 0 2 * * *}}", "expected a list"), ("{frozen: []}", "freeze")])
def test_a_mistake_in_the_gates_is_shown_where_it_is(shop, gates, says):
    assert says in declare(shop, gates).exits(2).stderr


def test_an_override_needs_a_reason_and_stays_in_the_record(shop, server, cli):
    shop.release("1.1")
    declare(shop, ALWAYS).ok()
    words = "deploy", "shop/production", "1.1", "--override"
    assert "--because" in cli(*words, "freeze").exits(2).stderr
    status, _, data = server.request("POST", "/api/v1/apps/shop/environments/production/revisions",
                                     {"kind": "deploy", "release": "1.1", "overrides": ["freeze"]})
    assert status == 400 and "says why" in json.loads(data)["error"]["message"]
    assert "no gate that can be overridden" in cli(*words, "all", "--because", "x").exits(2).stderr
    assert "release unhold" in cli(*words, "hold", "--because", "x").exits(2).stderr
    cli(*words, "freeze", "--because", "the fix for the leak").ok()
    assert shop.runs() == "1.1"
    overridden, = shop.history()[0]["overrides"]
    assert overridden["gate"] == "freeze" and "the shop is full" in overridden["reason"]
    shown = cli("rollout", "history", "shop/production", "--revision", "2").ok().stdout
    assert "overridden" in shown and "the shop is full" in shown and "the fix for the leak" in shown
    assert events(cli, "revision.created")[-1]["body"]["overrides"] == [overridden]
    cli("ledger", "verify", "--tables").ok()


# ---- upstream, approvals, rate ----

def declare_chain(cli, gates, **kwargs):
    """staging and qa beside each other, production after them; nothing follows their pointers, so what is deployed is
    healthy at once."""
    return cli("apply", "-f", "-", input=(
        "app: shop\ncomponents: {web: {repository: shop/web}}\n"
        f"environments:\n  - name: staging\n  - name: qa\n  - name: production\n    gates: {gates}\n"), **kwargs)


def record(server, cli, *versions):
    for version in versions:
        oci.push(server, "shop/web", version, oci.make_image([{"version": version}]))
        cli("release", "create", "shop", "--version", version, "--component", f"web={version}").ok()


def test_a_release_comes_from_where_it_was_healthy(server, cli):
    declare_chain(cli, "{from: [staging, qa]}").ok()
    record(server, cli, "1.0", "1.1")
    refused = cli("deploy", "shop/production", "1.0").exits(5)
    assert "never became healthy in staging, never became healthy in qa" in refused.stderr
    cli("deploy", "shop/qa", "1.0").ok()
    cli("deploy", "shop/staging", "1.1").ok()
    cli("deploy", "shop/production", "1.0").ok()
    assert "1.1" in cli("promote", "shop/production").ok().stdout, "the first of them is what promote takes it from"
    # Back, and forth again: it was rolled back from where it came from, too.
    cli("rollout", "undo", "shop/production", "--yes").ok()
    cli("deploy", "shop/staging", "1.0").ok()
    cli("deploy", "shop/staging", "1.1").ok()
    cli("rollout", "undo", "shop/staging", "--yes").ok()
    assert "was rolled back from in staging" in cli("plan", "shop/production", "1.1").exits(5).stdout
    cli("deploy", "shop/production", "1.1", "--override", "upstream", "--because", "x").exits(5)  # it is held besides


def test_it_soaks_upstream_and_no_rollback_waits_for_it(server, cli):
    declare_chain(cli, "{soak: 2h}").ok()
    record(server, cli, "1.0", "1.1")
    gates = server.api("GET", "/apps/shop")["environments"][2]["gates"]
    assert gates == {"from": ["qa"], "soak_ms": 7200000}, "the environment before"
    for version in "1.0", "1.1":
        cli("deploy", "shop/qa", version).ok()
        refused = cli("promote", "shop/production").exits(5)
        assert f"{version} is healthy in qa, for 0 s of 2 h" in refused.stderr.replace("for 1 s", "for 0 s"), refused.stderr
        cli("promote", "shop/production", "--override", "upstream", "--because", "a fix").ok()
    cli("rollout", "undo", "shop/production", "--yes").ok()
    declare_chain(cli, "{soak: 1ms}").ok()
    cli("release", "unhold", "shop/production", "1.1", "--because", "it was soaked").ok()
    cli("promote", "shop/production").ok()
    assert "none before it" in cli("apply", "-f", "-", input=(
        "app: shop\ncomponents: {web: {repository: shop/web}}\nenvironments: [{name: a, gates: {soak: 1h}}]\n")).exits(2).stderr
    assert "no environment production above" in declare_chain(cli, "{from: [production]}").exits(2).stderr


def test_so_many_changes_in_a_time_and_rollbacks_count_for_none(server, cli):
    declare_chain(cli, "{rate: {at_most: 2, per: 1h}}").ok()
    record(server, cli, "1.0", "1.1", "1.2")
    cli("deploy", "shop/production", "1.0").ok()
    cli("deploy", "shop/production", "1.1").ok()
    refused = cli("deploy", "shop/production", "1.2").exits(5)
    assert "2 of at most 2 deploys and promotes to production in 60 min" in refused.stderr
    assert "wait until" in refused.stderr
    cli("rollout", "undo", "shop/production", "--yes").ok()
    cli("deploy", "shop/production", "1.2", "--override", "rate", "--because", "the fix").ok()
    declare_chain(cli, "{rate: {at_most: 5, per: 1h}}").ok()
    assert "3 of at most 5" in cli("deploy", "shop/production", "1.2", "--again", "--dry-run").ok().stdout


def test_two_of_a_group_must_say_yes_and_never_the_author_alone(start_server, cli, tmp_path):
    guarded = Guarded(start_server, cli, tmp_path)
    scopes = "push:shop/*", "release:shop", "deploy:shop/production", "approve:shop/production"
    tokens = {name: guarded.robot(name, *scopes) for name in ("author", "grace", "heidi", "mallory")}
    guarded.cli("group", "set", "managers", "author", "grace", "heidi", token=guarded.token).ok()
    declare_chain(guarded.cli, "{approvals: {needed: 2, group: managers}}", token=guarded.token).ok()
    guarded.push("shop/web", "1.0", oci.make_image([{"version": "1.0"}]), tokens["author"])
    guarded.cli("release", "create", "shop", "--version", "1.0", "--component", "web=1.0", token=tokens["author"]).ok()

    def say_yes(name):
        return guarded.cli("approve", "shop/production", "1.0", token=tokens[name])

    def deploy(rc):
        return guarded.cli("deploy", "shop/production", "1.0", token=tokens["grace"]).exits(rc)

    assert "1.0 has 0 of 2 approvals of managers" in deploy(5).stderr
    for name in "author", "mallory", "grace", "grace":
        say_yes(name).ok()
    refused = deploy(5)
    assert "1 of 2 approvals of managers: grace; these do not count" in refused.stderr
    assert "author, mallory" in refused.stderr and "repoint approve shop/production 1.0" in refused.stderr
    say_yes("heidi").ok()
    deploy(0)
    assert "approve:shop/production" in guarded.cli(
        "approve", "shop/production", "1.0", token=guarded.robot("other", "deploy:shop/production")).exits(5).stderr
    guarded.cli("ledger", "verify", "--tables", token=guarded.token).ok()


# ---- webhook ----

class Oracle(BaseHTTPRequestHandler):
    """Says what the test wants it to say, and keeps what it was asked."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        status, body = self.server.says
        if status is None:  # nothing, for as long as anybody waits
            self.server.released.wait(60)
            self.close_connection = True
            return
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def oracle():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Oracle)
    server.daemon_threads = True
    server.asked, server.says, server.released = [], (200, b'{"allow": true, "reason": "it is a Tuesday"}'), threading.Event()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


NO = [((200, b'{"allow": false, "reason": "the change\\nboard sleeps"}'), "does not say yes: the change board sleeps"),
      ((200, b"{}"), "no reason was given"), ((200, b'{"allow": "yes"}'), "allow"), ((200, b"yes"), "answer"),
      ((204, b""), "status 204"), ((302, b""), "status 302"), ((500, b'{"allow": true}'), "status 500"),
      ((200, b"[" * 70000), ""), ((None, b""), "")]


def test_what_is_no_clear_yes_of_a_webhook_is_a_no(server, cli, oracle):
    url = f"http://127.0.0.1:{oracle.server_port}/gate"
    declare_chain(cli, f"{{webhook: {{url: \"{url}\", timeout: 2s}}}}").ok()
    record(server, cli, "1.0", "1.1")
    for says, why in NO:
        oracle.says = says
        refused = cli("deploy", "shop/production", "1.0").exits(5)
        assert f"{url} does not say yes" in refused.stderr and why in refused.stderr, (says, refused.stderr)
    assert server.api("GET", "/apps/shop/environments/production/revisions")["revisions"] == []
    oracle.says, oracle.asked[:] = (200, b'{"allow": true, "reason": "it is a Tuesday"}'), []
    shown = cli("deploy", "shop/production", "1.0", "--dry-run").ok().stdout
    assert "says yes: it is a Tuesday" in " ".join(shown.split())
    cli("deploy", "shop/production", "1.0", "--because", "at last").ok()
    asked = oracle.asked[-1]
    assert [question["dry_run"] for question in oracle.asked] == [True, True, False], "a plan, a plan and the move"
    assert asked["release"]["version"] == "1.0" and asked["cause"] == "at last" and asked["environment"] == "production"
    assert asked["actor"] == "tester@test" and asked["from"] is None
    # Nobody asks it about a rollback, and it can be overridden as all of them.
    cli("deploy", "shop/production", "1.1").ok()
    oracle.says, oracle.asked[:] = NO[0][0], []
    cli("rollout", "undo", "shop/production", "--yes").ok()
    assert oracle.asked == []
    cli("release", "unhold", "shop/production", "1.1", "--because", "x").ok()
    cli("deploy", "shop/production", "1.1", "--override", "webhook", "--because", "they sleep").ok()
    cli("ledger", "verify").ok()


@pytest.mark.parametrize("url", ["http://example.org/", "ftp://127.0.0.1/", "https://me:secret@example.org/", "https:///x", "gate"])
def test_a_webhook_is_https_or_on_this_host(cli, server, url):
    assert "expected an https:// address" in declare_chain(cli, f"{{webhook: {{url: \"{url}\"}}}}").exits(2).stderr


# ---- who may ----

def test_only_who_approves_may_override(start_server, cli, tmp_path):
    guarded = Guarded(start_server, cli, tmp_path)
    guarded.cli("apply", "-f", "-", token=guarded.token, input=(
        "app: shop\ncomponents: {web: {repository: shop/web}}\n"
        f"environments:\n  - name: production\n    gates: {ALWAYS}\n")).ok()
    pipeline = guarded.robot("pipeline", "push:shop/*", "release:shop", "deploy:shop/production")
    person = guarded.robot("person", "deploy:shop/production", "approve:shop/production")
    guarded.push("shop/web", "1.0", oci.make_image([{"version": "1.0"}]), pipeline)
    guarded.cli("release", "create", "shop", "--version", "1.0", "--component", "web=1.0", token=pipeline).ok()
    words = "deploy", "shop/production", "1.0", "--override", "freeze", "--because", "it burns"
    assert "approve:shop/production" in guarded.cli(*words, token=pipeline).exits(5).stderr
    guarded.cli(*words, token=person).ok()


def test_who_may_deploy_may_hold_and_only_who_approves_may_lift(start_server, cli, tmp_path):
    guarded = Guarded(start_server, cli, tmp_path)
    guarded.cli("apply", "-f", "-", token=guarded.token, input=(
        "app: shop\ncomponents: {web: {repository: shop/web}}\n"
        "environments:\n  - name: staging\n  - name: production\n")).ok()
    pipeline = guarded.robot("pipeline", "push:shop/*", "release:shop", "deploy:shop/production")
    person = guarded.robot("person", "approve:shop/production")
    guarded.push("shop/web", "1.0", oci.make_image([{"version": "1.0"}]), pipeline)
    guarded.cli("release", "create", "shop", "--version", "1.0", "--component", "web=1.0", token=pipeline).ok()
    words = "shop/production", "1.0", "--because", "the auditors look"
    guarded.cli("release", "hold", *words, token=pipeline).ok()
    denied = guarded.cli("release", "unhold", *words, token=pipeline).exits(5)
    assert "approve:shop/production" in denied.stderr
    guarded.cli("release", "hold", *words, token=person).exits(5)
    guarded.cli("pause", "shop/production", *words[2:], token=pipeline).ok()
    assert "approve:shop/production" in guarded.cli("resume", "shop/production", *words[2:], token=pipeline).exits(5).stderr
    guarded.cli("resume", "shop/production", *words[2:], token=person).ok()
    guarded.cli("deploy", "shop/production", "1.0", token=pipeline).exits(5)
    guarded.cli("release", "unhold", *words, token=person).ok()
    guarded.cli("deploy", "shop/production", "1.0", token=pipeline).ok()
