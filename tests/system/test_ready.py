"""What readiness says beside bytes: the platforms of hosts, and how long going back takes."""

import json

import pytest

from shop import Shop
from support import oci

READY = "/apps/shop/environments/production/ready"
OTHER = "riscv64" if oci.machine() != "riscv64" else "amd64"


@pytest.fixture
def shop(server, cli, start_agent, tmp_path):
    return Shop(server, cli, start_agent, tmp_path)


def release_of_index(server, cli, version, architectures):
    images = [oci.make_image([{"version": f"{version}\n"}], architecture=one) for one in architectures]
    oci.push(server, "shop/web", version, oci.make_index(images))
    cli("release", "create", "shop", "--version", version, "--component", f"web={version}",
        "--commit", oci.sha256(version.encode())[7:47]).ok()


def revision(ready, version):
    return next(one for one in ready["revisions"] if one["release"]["version"] == version)


def test_R28_a_host_of_another_platform_is_told_before_anything_moves(shop, server, cli):
    release_of_index(server, cli, "both", [oci.machine(), OTHER])
    shop.deploy("both")
    ready = server.api("GET", READY)
    assert not [item for item in revision(ready, "both")["items"] if item["subject"].startswith("platform")]
    release_of_index(server, cli, "elsewhere", [OTHER])
    plan = cli("plan", "shop/production", "elsewhere", "-o", "json")
    blocked = [item for item in plan.json["items"] if item["state"] == "blocked"]
    assert [item["subject"] for item in blocked] == ["platform of web-1"]
    assert f"its host runs linux/{oci.machine()}" in blocked[0]["reason"]
    assert f"linux/{OTHER}" in blocked[0]["reason"] and blocked[0]["way_out"]
    refused = cli("deploy", "shop/production", "elsewhere")
    assert refused.rc == 5 and "blocked: platform of web-1" in refused.stderr
    assert shop.versions() == ["both"]

    # The host is replaced by one of the other platform: what could be gone back to no longer runs there.
    shop.ship("plain")
    shop.agent.stop()
    server.request("GET", "/api/v1/apps/shop/environments/production/targets/web-1/pointer"
                          "?agent=host-1&driver=dir&platform=linux%2Fs390x")
    red = cli("ready", "shop/production", "-o", "json")
    assert red.rc != 0 and not red.json["ready"]
    assert any("platform of web-1" in reason and "s390x" in reason for reason in red.json["reasons"])
    assert revision(red.json, "plain")["ready"], "what is no index is not judged by what it says of itself"


def test_how_long_going_back_takes_is_measured(shop, server, cli):
    assert server.api("GET", READY)["takes"] is None
    assert "it would be the first time" in cli("ready", "shop/production").stdout
    shop.ship("1")
    shop.ship("2")
    takes = server.api("GET", READY)["takes"]
    assert takes["moves"] == 2 and takes["median_ms"] > 0
    shop.undo()
    back = server.api("GET", READY)["takes"]
    assert back["moves"] == 1, "a move back says more than those forward"
    history = {one["number"]: one for one in shop.history()}
    assert history[3]["kind"] == "rollback" and history[3]["outcome"] == "healthy"
    assert "median of 1 measured" in cli("ready", "shop/production").stdout
    assert json.dumps(back)
