"""What a revision is watched by after it became healthy, and what a failure of that does."""

import json
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shop import APPLY, Shop
from support import repoint

STATUS = "/apps/shop/environments/production/status"


class Front(BaseHTTPRequestHandler):
    """A shop's front door, as well as the test says."""

    def do_GET(self):
        self.send_response(self.server.says)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def front():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Front)
    server.says, server.daemon_threads = 200, True
    server.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def shop(server, cli, start_agent, tmp_path):
    return Shop(server, cli, start_agent, tmp_path, trial="2s")


def declare(shop, signals):
    """The shop once more, watched by these."""
    text = APPLY.format(window=3, trial="2s", on_failure="stop")
    return shop.cli("apply", "-f", "-", input=text.replace("    targets:", f"    signals: {signals}\n    targets:"))


def watch(front, action, lasts="200s"):
    return f"{{for: {lasts}, on_failure: {action}, watch: [{{name: front, http: '{front.url}', every: 100ms}}]}}"


def events(cli, kind):
    return cli("ledger", "log", "--kind", kind, "--limit", "1000", "-o", "json").ok().json["events"]


def comes_to(shop, state):
    """The signals of the current revision, once that is their state."""
    def look():
        signals = shop.server.api("GET", STATUS)["signals"]
        return signals if signals and signals["state"] == state else None
    return repoint.wait_for(look, 60, f"signals that are {state}")


def fails(shop, front, action):
    """A release that is watched, and whose front door then is shut."""
    declare(shop, watch(front, action)).ok()
    shop.ship("1.1")
    repoint.wait_for(lambda: (shop.server.api("GET", STATUS)["signals"] or {}).get("signals"), 60, "a measurement")
    front.says = 503


def test_a_revision_is_watched_and_its_signals_hold(shop, server, cli, front):
    declare(shop, watch(front, "rollback", "1s")).ok()
    shop.ship("1.0")
    held = comes_to(shop, "held")
    assert held["reason"] == "its signal held" and held["action"] is None and held["revision"] == 1
    signal, = held["signals"]
    assert signal["outcome"] == "ok" and signal["ok"] >= 1 and signal["bad"] == 0
    shown = cli("rollout", "status", "shop/production").ok().stdout
    assert "signals: held: its signal held" in shown and "front ok: it answered with status 200" in shown
    assert len(events(cli, "signal.begun")) == 1
    judged, = events(cli, "signal.judged")
    assert judged["actor"] == "repoint" and judged["body"]["state"] == "held" and not judged["body"]["rollback_due"]
    assert judged["body"]["signals"] == held["signals"]
    assert len(events(cli, "signal.measured")) == signal["ok"], "each measurement is an event"
    cli("ledger", "verify").ok()


def test_what_is_not_declared_is_not_watched(shop, server, cli, front):
    shop.ship("1.0")
    assert server.api("GET", STATUS)["signals"] is None
    # What became healthy before there were signals is not watched either.
    declare(shop, watch(front, "rollback")).ok()
    assert server.api("GET", STATUS)["signals"] is None and not events(cli, "signal.")
    assert "environment production: signals {} → " in json.dumps(events(cli, "app.applied")[-1], ensure_ascii=False)
    assert server.api("GET", "/apps/shop")["environments"][0]["signals"]["on_failure"] == "rollback"


def test_a_wrong_declaration_is_refused_with_its_place(shop):
    refused = declare(shop, "{watch: [{name: front, http: 'http://127.0.0.1/', every: 1ms}]}").exits(2)
    assert "signals.watch[0]: every: expected from 100ms" in refused.stderr


def test_a_failure_is_told(shop, server, cli, front):
    fails(shop, front, "notify")
    failed = comes_to(shop, "failed")
    assert "signal front failed: 3 of" in failed["reason"] and "status 503" in failed["reason"]
    assert failed["action"] == "notify"
    status = cli("rollout", "status", "shop/production").exits(9)
    assert "signal front failed" in status.stderr and "rollout undo shop/production" in status.stderr
    assert "action: notify" in status.stdout
    assert "shop/production revision 1: failed: signal front failed" in server.log_text()
    assert shop.runs() == "1.1" and len(shop.history()) == 1
    metrics = server.request("GET", "/metrics")[2].decode()
    for state, value in (("failed", 1), ("watching", 0), ("held", 0), ("unknown", 0)):
        assert f'repoint_signals{{app="shop",environment="production",state="{state}"}} {value}\n' in metrics


def test_a_failure_pauses_the_environment(shop, server, cli, front):
    fails(shop, front, "pause")
    comes_to(shop, "failed")
    pause = server.api("GET", STATUS)["paused"]
    assert pause["actor"] == "repoint" and "revision 1: signal front failed" in pause["because"]
    shop.release("1.2")
    assert "is paused by repoint" in shop.deploy("1.2", rc=5).stderr
    cli("resume", "shop/production", "--because", "the cable was out").ok()
    front.says = 200
    shop.deploy("1.2")
    assert comes_to(shop, "watching")["revision"] == 2
    cli("ledger", "verify").ok()


def test_R18_a_failure_goes_back_by_itself_and_never_twice(shop, server, cli, front):
    shop.ship("1.0")
    fails(shop, front, "rollback")
    repoint.wait_for(lambda: shop.history()[0]["kind"] == "auto-rollback", 60, "going back by itself")
    back, left, _ = shop.history()
    assert back["restores"] == 1 and left["rolled_back_by"] == 3 and not left["good"]
    assert "revision 2 failed: signal front failed" in back["cause"]
    shop.settles_on("1.0")
    # The door is still shut: a rollback is not rolled back, it is told.
    failed = comes_to(shop, "failed")
    assert failed["revision"] == 3 and failed["action"] == "notify"
    assert failed["but"] == "not rolled back by itself: it is a rollback"
    # What it went back from is held. Somebody who lifts that gets one more try, and no second rollback.
    assert "release unhold" in shop.deploy("1.1", rc=5).stderr
    cli("release", "unhold", "shop/production", "1.1", "--because", "it was the door").ok()
    shop.deploy("1.1")
    again = repoint.wait_for(
        lambda: next((e["body"] for e in events(cli, "signal.judged") if e["body"]["number"] == 4), None), 60, "a verdict")
    assert again["but"] == "not rolled back by itself: that was done once for this release"
    assert not again["rollback_due"] and len(shop.history()) == 4 and shop.runs() == "1.1"
    cli("ledger", "verify").ok()


def test_R45_with_nothing_to_go_back_to_it_stops_and_tells(shop, server, cli, front):
    fails(shop, front, "rollback")
    stopped = repoint.wait_for(lambda: events(cli, "revision.stopped"), 60, "the end of trying")
    assert "no known good release to go back to" in stopped[0]["body"]["reason"]
    only, = shop.history()
    assert not only["rollback_due"] and shop.runs() == "1.1"
    cli("ledger", "verify").ok()


def test_what_was_counted_outlives_the_server(shop, server, cli, front):
    signals = f"{{for: 200s, watch: [{{name: front, http: '{front.url}', every: 100ms, failure_limit: 100}}]}}"
    front.says = 500
    declare(shop, signals).ok()
    shop.ship("1.0")
    repoint.wait_for(lambda: ((server.api("GET", STATUS)["signals"] or {}).get("signals") or [{}])[0].get("bad", 0) >= 3,
                     60, "bad measurements")
    begun = server.api("GET", STATUS)["signals"]["began_at"]
    before = server.api("GET", STATUS)["signals"]["signals"][0]["bad"]
    server.stop()
    server.start()
    after = repoint.wait_for(
        lambda: next((s for s in [server.api("GET", STATUS)["signals"]] if s["signals"][0]["bad"] > before), None), 60,
        "further measurements")
    assert after["began_at"] == begun and len(events(cli, "signal.begun")) == 1
    cli("ledger", "verify").ok()


def test_who_moves_on_is_not_judged_by_what_was_left(shop, server, cli, front):
    declare(shop, watch(front, "rollback")).ok()
    shop.ship("1.0")
    comes_to(shop, "watching")
    shop.ship("1.1")
    assert comes_to(shop, "watching")["revision"] == 2
    declare(shop, "{for: 200s, watch: [{name: other, http: 'http://127.0.0.1:1/', every: 100ms, no_answer: inconclusive}]}").ok()
    blind = repoint.wait_for(
        lambda: next((s for s in server.api("GET", STATUS)["signals"]["signals"] if s["name"] == "other" and s["blind"] > 2), None),
        60, "measurements without an answer")
    assert blind["bad"] == 0 and blind["outcome"] == "inconclusive"
    assert [s["name"] for s in server.api("GET", STATUS)["signals"]["signals"]] == ["other"], "what is declared now counts"
    assert {e["body"]["number"] for e in events(cli, "signal.judged")} == set()


# ---- what failed is not good ----

def test_R38_what_failed_by_its_signals_is_no_undo_target(shop, server, cli, front):
    shop.ship("1.0")
    fails(shop, front, "notify")
    comes_to(shop, "failed")
    assert not shop.history()[0]["good"]
    front.says = 200
    shop.ship("1.2")
    shop.undo()
    assert shop.runs() == "1.0" and shop.history()[0]["restores"] == 1
    cli("ledger", "verify").ok()


def test_what_failed_is_not_promoted(shop, server, cli, front):
    def environments(*names):
        return ("app: shop\ncomponents: {web: {repository: shop/web}}\nenvironments:\n"
                + "".join(f"  - {{name: {name}, {rest}}}\n" for name, rest in names))
    front.says = 503
    cli("apply", "-f", "-", input=environments(
        ("staging", f"signals: {watch(front, 'notify')}"), ("production", "gates: {from: [staging]}"))).ok()
    shop.release("1.0")
    cli("deploy", "shop/staging", "1.0").ok()
    repoint.wait_for(lambda: server.api("GET", "/apps/shop/environments/staging/status")["signals"]["state"] == "failed",
                     60, "a verdict")
    refused = cli("promote", "shop/production").exits(5)
    assert "the signals of 1.0 failed in staging (revision 1)" in refused.stderr
    assert "1.0 had signals that failed in staging" in " ".join(cli("deploy", "shop/production", "1.0").exits(5).stderr.split())


# ---- Prometheus ----

@pytest.fixture
def prometheus(tmp_path, front):
    """A real one, that scrapes itself."""
    if not shutil.which("prometheus"):
        pytest.skip("prometheus is not installed")
    home = tmp_path / "prometheus"
    home.mkdir()
    port = repoint.free_port()
    (home / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: self, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n")
    with open(home / "log", "wb") as log:
        process = subprocess.Popen(
            [shutil.which("prometheus"), f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def test_a_real_prometheus_is_asked(shop, server, cli, prometheus):
    queries = {
        "good": "{query: 'sum(vector(1))', bad_above: 1}",
        "scalar": "{query: 'scalar(vector(0.5))', bad_below: 0.1}",
        "nan": "{query: 'vector(0)/vector(0)', bad_above: 1}",
        "nothing": "{query: 'no_such_metric', bad_above: 1}",
        "several": "{query: 'label_replace(vector(1),\"a\",\"b\",\"\",\"\") or vector(2)', bad_above: 5}",
        "wrong": "{query: 'sum(', bad_above: 1}",
        "version": "{query: 'sum(label_replace(vector(1),\"v\",\"{{version}}\",\"\",\"\") == {{revision}})', bad_above: 1}",
        "elapsed": "{query: 'sum(count_over_time(vector(1)[{{elapsed}}:1s] offset {{elapsed}})) > bool 0', bad_above: 1}",
        "high": "{query: 'vector(3)', bad_above: 2.5, failure_limit: 100}",
    }
    watched = ", ".join(f"{{name: {name}, prometheus: '{prometheus}', every: 200ms, {query[1:]}" for name, query in queries.items())
    repoint.wait_for(lambda: subprocess.run(["curl", "-sf", prometheus + "/-/ready"], stdout=subprocess.DEVNULL,
                                            check=False).returncode == 0, 60, "start of prometheus")
    declare(shop, f"{{for: 200s, watch: [{watched}]}}").ok()
    shop.ship("1.0")
    signals = repoint.wait_for(
        lambda: next((s["signals"] for s in [server.api("GET", STATUS)["signals"]] if s and len(s["signals"]) == len(queries)), None),
        60, "measurements")
    seen = {signal["name"]: (signal["outcome"], signal["detail"]) for signal in signals}
    assert seen["good"] == ("ok", "1") and seen["scalar"] == ("ok", "0.5")
    assert seen["nan"][0] == "inconclusive" and "NaN" in seen["nan"][1]
    assert seen["nothing"] == ("inconclusive", "no data: the query returns no series")
    assert seen["several"][0] == "error" and "returns 2 series; aggregate them" in seen["several"][1]
    assert seen["wrong"][0] == "error" and "parse error" in seen["wrong"][1]
    assert seen["version"] == ("ok", "1") and seen["elapsed"] == ("ok", "1")
    assert seen["high"] == ("bad", "3, bad above 2.5")


def test_a_prometheus_that_is_not_there_rolls_nothing_back(shop, server, cli):
    shop.ship("1.0")
    declare(shop, "{for: 1s, on_failure: rollback, watch: [{name: errors, prometheus: 'http://127.0.0.1:1', query: up,"
                  " bad_above: 0, every: 100ms}]}").ok()
    shop.ship("1.1")
    unknown = comes_to(shop, "unknown")
    assert "signal errors says nothing" in unknown["reason"] and unknown["action"] == "notify"
    assert len(shop.history()) == 2 and shop.runs() == "1.1"
    assert cli("rollout", "status", "shop/production").ok()


# ---- who waits ----

def test_R42_who_waits_for_signals_is_told_that_it_went_back(shop, server, cli, front):
    shop.ship("1.0")
    declare(shop, watch(front, "rollback")).ok()
    shop.release("1.1")
    front.says = 503
    told = cli("deploy", "shop/production", "1.1", "--wait-signals").exits(10)
    assert "revision 2 (1.1) failed: " in told.stderr and "signal front failed" in told.stderr
    assert "put revision 3 (1.0) in its place" in told.stderr


def test_who_waits_for_signals_is_told_what_they_say(shop, server, cli, front):
    declare(shop, watch(front, "notify", "1s")).ok()
    shop.release("1.0")
    held = cli("deploy", "shop/production", "1.0", "--wait-signals").ok()
    assert "signals: held: its signal held" in held.stdout + held.stderr
    front.says = 503
    shop.release("1.1")
    failed = cli("deploy", "shop/production", "1.1", "--wait-signals").exits(9)
    assert "signal front failed: 3 of" in failed.stderr
    shop.release("1.2")
    cli("deploy", "shop/production", "1.2", "--no-wait").ok()
    assert "signal front failed" in cli("rollout", "status", "shop/production", "--watch").exits(9).stderr
