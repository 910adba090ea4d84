"""The server looks by itself whether environments could go back: metrics, the ledger and the log say so before somebody has to."""

import json
import re

import pytest

from guarded import Guarded, bearer
from shop import APPLY, Shop
from support import oci

READY = "/apps/shop/environments/production/ready"
PRODUCTION = '{app="shop",environment="production"}'
SELDOM = ["--ready-every", "365d"]  # what is seen then is seen because something happened
OFTEN = ["--ready-every", "1s"]


def metrics(server, headers=None):
    status, _, body = server.request("GET", "/metrics", headers=headers)
    assert status == 200
    return dict(re.findall(r"^(\S+) (\S+)$", body.decode(), re.MULTILINE))


def standing(server):
    return metrics(server).get(f"repoint_ready{PRODUCTION}")


def changes(server):
    return [event["body"] for event in server.api("GET", "/ledger?limit=1000&kind=readiness.")["events"]]


@pytest.fixture
def make_shop(start_server, cli, start_agent, tmp_path):
    def make(*args):
        server = start_server(args=list(args))
        return Shop(server, lambda *a, **k: cli(*a, server=server, **k), start_agent, tmp_path, window=2)
    return make


def layer_of(image):
    return json.loads(image.manifest)["layers"][0]["digest"]


def path_of(server, digest):
    algorithm, hexes = digest.split(":")
    return server.data / "blobs" / algorithm / hexes[:2] / hexes


def rot(server, digest):
    path = path_of(server, digest)
    path.chmod(0o644)
    path.write_bytes(b"x" * path.stat().st_size)


def test_R08_damage_is_red_at_once_and_what_heals_it_green(make_shop, wait_for):
    shop = make_shop(*SELDOM)
    server = shop.server
    image = shop.release("1")
    assert standing(server) is None and changes(server) == [], "nothing was deployed, nothing is said"
    shop.deploy("1")
    wait_for(lambda: standing(server) == "0", what="one release to be too few")
    assert changes(server) == [], "it never was ready"
    assert server.api("GET", READY)["recorded"] is None
    shop.ship("2")
    wait_for(lambda: standing(server) == "1", what="a second release to make it ready")
    assert [change["ready"] for change in changes(server)] == [True]
    seen = metrics(server)
    assert seen['repoint_ready_revisions{app="shop",environment="production",ready="yes"}'] == "2"
    assert seen['repoint_ready_revisions{app="shop",environment="production",ready="no"}'] == "0"
    assert float(seen[f"repoint_ready_verified_timestamp_seconds{PRODUCTION}"]) > 1e9
    assert float(seen["repoint_ready_checked_timestamp_seconds"]) > 1e9

    shop.agent.stop()  # it has the bytes, and would heal them at once
    rot(server, layer_of(image))
    server.api("POST", "/scrub", {"what": layer_of(image)})
    wait_for(lambda: standing(server) == "0", what="the damage to be known")
    red = changes(server)[-1]
    assert red["ready"] is False and any(layer_of(image) in reason for reason in red["reasons"])
    assert metrics(server)['repoint_ready_revisions{app="shop",environment="production",ready="no"}'] == "1"
    assert metrics(server)["repoint_blobs_damaged"] == "1"
    assert server.api("GET", READY)["recorded"]["ready"] is False
    assert "(since" in shop.cli("ready", "shop/production").exits(6).stdout
    assert "shop/production is NOT READY to go back any more" in server.log_text()

    oci.push(server, "shop/web", "1", image)
    wait_for(lambda: standing(server) == "1", what="the push to heal it")
    assert [change["ready"] for change in changes(server)] == [True, False, True]
    assert "shop/production is ready to go back" in server.log_text()
    shop.cli("ledger", "verify", "--tables").ok()
    before = server.api("GET", READY)["recorded"]
    shop.cli("ledger", "rebuild").ok()
    assert server.api("GET", READY)["recorded"] == before


def test_R09_what_vanished_silently_is_found_by_the_next_look(make_shop, wait_for):
    shop = make_shop(*OFTEN)
    server = shop.server
    image = shop.release("1")
    shop.deploy("1")
    shop.ship("2")
    wait_for(lambda: standing(server) == "1", what="it to be ready")
    shop.agent.stop()
    path_of(server, layer_of(image)).unlink()
    wait_for(lambda: standing(server) == "0", what="the gap to be seen")
    assert any("missing" in reason for reason in changes(server)[-1]["reasons"])


def test_a_restart_changes_nothing_and_an_environment_that_went_has_no_row(make_shop, wait_for):
    shop = make_shop(*OFTEN)
    server = shop.server
    shop.ship("1")
    shop.ship("2")
    wait_for(lambda: standing(server) == "1", what="it to be ready")
    server.stop()
    server.start()
    wait_for(lambda: standing(server) == "1", what="it to be looked at again")
    checked = metrics(server)["repoint_ready_checked_timestamp_seconds"]
    wait_for(lambda: metrics(server)["repoint_ready_checked_timestamp_seconds"] not in ("0", checked), what="another look")
    assert len(changes(server)) == 1
    declared = APPLY.format(window=2, trial="10s", on_failure="stop").replace("production", "staging")
    shop.cli("apply", "-f", "-", input=declared).ok()
    wait_for(lambda: standing(server) is None, what="its row to go")


def test_metrics_show_what_one_may_read(start_server, cli, tmp_path, wait_for):
    guarded = Guarded(start_server, cli, tmp_path)
    server, ada = guarded.server, guarded.token
    reader, other = guarded.robot("reader", "read:shop"), guarded.robot("other", "read:elsewhere")
    guarded.cli("apply", "-f", "-", token=ada, input=APPLY.format(window=2, trial="10s", on_failure="stop")).ok()
    guarded.push("shop/web", "1", oci.make_image([{"version": "1"}]), ada)
    guarded.cli("release", "create", "shop", "--version", "1", "--component", "web=1", token=ada).ok()
    guarded.cli("deploy", "shop/production", "1", "--no-wait", token=ada).ok()
    row = f"repoint_ready{PRODUCTION}"
    wait_for(lambda: row in metrics(server, bearer(ada)), what="it to be looked at")
    assert row in metrics(server, bearer(reader))
    assert not any("shop" in name for name in metrics(server, bearer(other)))
