"""Real agents behind the real server: what one tells the other in an incident."""

import pytest

from shop import Shop
from support import repoint


@pytest.fixture
def shop(server, cli, start_agent, tmp_path):
    return Shop(server, cli, start_agent, tmp_path, trial="2s")


def status(shop):
    return shop.server.api("GET", "/apps/shop/environments/production/status")


def local_everywhere(shop, *versions):
    """`ready` says that the host holds them."""
    def held():
        ready = shop.server.api("GET", "/apps/shop/environments/production/ready?verify=recorded")
        held_versions = {row["release"]["version"] for row in ready["revisions"]
                         if "web-1" in row["local_on"]}
        return set(versions) <= held_versions
    repoint.wait_for(held, 30, f"{versions} on the host")


def test_R19_undone_on_the_host_while_the_server_was_dead(shop):
    shop.ship("1.0")
    shop.ship("1.1")
    local_everywhere(shop, "1.0", "1.1")
    shop.server.kill9()
    report = shop.agent.cli("undo", "--because", "server is down too", "-o", "json").ok().json
    assert shop.runs() == "1.0" and report["to_revision"] == 1
    shop.server.start()
    repoint.wait_for(lambda: len(shop.history()) == 3, 60, "the server re-pointing")
    newest = shop.history()[0]
    assert newest["kind"] == "rollback" and newest["release"]["version"] == "1.0"
    assert "server is down too" in newest["cause"] and newest["actor"] == "tester@test"
    repoint.wait_for(lambda: status(shop)["converged"], 30, "converged")
    assert shop.runs() == "1.0"
    # What was undone is no target any more; the next release goes its way.
    shop.ship("1.2")
    assert shop.versions() == ["1.0", "1.1", "1.0", "1.2"]


def test_R19_an_agent_that_was_dead_too(shop):
    shop.ship("1.0")
    shop.ship("1.1")
    local_everywhere(shop, "1.0", "1.1")
    shop.server.kill9()
    shop.agent.kill9()
    shop.agent.cli("undo").ok()
    assert shop.runs() == "1.0"
    shop.server.start()
    shop.agent.start()
    repoint.wait_for(lambda: len(shop.history()) == 3, 60, "the server re-pointing")
    assert shop.history()[0]["release"]["version"] == "1.0"


def test_R44_a_bad_release_goes_back_alone_and_the_server_knows(shop):
    shop.ship("1.0")
    shop.ship("1.1", bad=True)
    shop.settles_on("1.0")
    target = repoint.wait_for(
        lambda: next((t for t in status(shop)["targets"] if t["state"] == "reverted"), None), 30,
        "reverted")
    assert target["observed_release"]["version"] == "1.0" and "1.0" in target["message"]
    assert shop.history()[0]["outcome"] == "failed"


def test_R44_the_server_dies_just_after_the_switch(shop):
    shop.ship("1.0")
    shop.release("1.1", bad=True)
    shop.cli("deploy", "shop/production", "1.1", "--no-wait").ok()
    repoint.wait_for(lambda: shop.runs() == "1.1", 30, "the switch")
    shop.server.kill9()
    shop.settles_on("1.0")
    shop.server.start()
    repoint.wait_for(lambda: shop.history()[0]["outcome"] == "failed", 60, "told")
    assert shop.runs() == "1.0"


def test_R25_server_and_agent_killed_while_they_deploy(shop):
    shop.ship("1.0")
    runs = "1.0"
    for i in range(1, 7):
        version = f"2.{i}"
        shop.release(version)
        shop.cli("deploy", "shop/production", version, "--no-wait").ok()
        if i % 2:
            shop.server.kill9()
        shop.agent.kill9()
        assert shop.runs() in (runs, version)
        if i % 2:
            shop.server.start()
        shop.agent.start()
        shop.settles_on(version)
        repoint.wait_for(lambda: shop.history()[0]["outcome"] == "healthy", 60, "told")
        runs = version
