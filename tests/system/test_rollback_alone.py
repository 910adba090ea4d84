"""An environment that goes back by itself: it says so to whoever waits, and it never goes round in circles."""

import pytest

from shop import Shop

REVISIONS = "/apps/shop/environments/production/revisions"


@pytest.fixture
def shop(server, cli, start_agent, tmp_path):
    shop = Shop(server, cli, start_agent, tmp_path, trial="2s", on_failure="rollback")
    shop.ship("1.0")
    return shop


def ship_bad(shop, version, rc):
    shop.release(version, bad=True)
    return shop.deploy(version, rc=rc)


def test_R42_who_waits_is_told_by_a_status_of_its_own_that_it_went_back(shop, server):
    result = ship_bad(shop, "1.1", rc=10)
    assert "revision 2 (1.1) failed" in result.stderr
    assert "went back by itself and put revision 3 (1.0) in its place" in result.stderr
    back, failed, _ = shop.history()
    assert back["kind"] == "auto-rollback" and back["restores"] == 1
    assert failed["outcome"] == "failed" and failed["rolled_back_by"] == 3
    assert not failed["rollback_due"] and not failed["good"]
    shop.settles_on("1.0")
    assert server.api("GET", f"{REVISIONS}/2")["rolled_back_by"] == 3


def test_R45_at_most_one_rollback_by_itself_for_a_release(shop, cli):
    ship_bad(shop, "1.1", rc=10)
    # What it went back from is held; a person who lifts that gets one more try, and no more rollbacks.
    assert "release unhold" in shop.deploy("1.1", rc=5).stderr
    cli("release", "unhold", "shop/production", "1.1", "--because", "it was the network").ok()
    again = shop.deploy("1.1", rc=9)
    assert "not rolled back by itself: that was done once for this release" in again.stderr
    current = shop.history()[0]
    assert current["number"] == 4 and current["outcome"] == "failed" and not current["rollback_due"]


def test_R45_a_rollback_that_fails_is_not_rolled_back(shop):
    ship_bad(shop, "1.1", rc=10)
    shop.ship("2.0")
    failed = shop.undo("--to-revision", "2", rc=9)
    assert "not rolled back by itself: it is a rollback" in failed.stderr
    current = shop.history()[0]
    assert current["number"] == 5 and current["outcome"] == "failed" and not current["rollback_due"]
    shop.undo()
    assert shop.runs() == "1.0", "a person still goes back, past what was rolled back from"


def test_R45_without_a_stable_target_it_stops_and_tells(server, cli, start_agent, tmp_path):
    shop = Shop(server, cli, start_agent, tmp_path, trial="2s", on_failure="rollback")
    result = ship_bad(shop, "1.0", rc=9)
    assert "not rolled back by itself" in result.stderr
    assert "no known good release to go back to" in result.stderr
    only, = shop.history()
    assert only["outcome"] == "failed" and only["rolled_back_by"] is None and not only["rollback_due"]
