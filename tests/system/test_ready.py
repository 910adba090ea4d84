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


def test_what_holds_each_revision_and_where_it_came_from(server, cli, start_agent, start_server, tmp_path):
    shop = Shop(server, cli, start_agent, tmp_path)
    elsewhere = start_server("elsewhere")
    image = oci.make_image([{"version": "kept\n"}])
    oci.push(elsewhere.address, "shop/web", "kept", image)
    cli("release", "create", "shop", "--version", "kept", "--component",
        f"web={elsewhere.address}/shop/web:kept").ok()
    shop.deploy("kept")
    shop.ship("own")
    hold = cli("retention", "hold", "shop", "kept", "--because", "the auditors", "-o", "json").ok().json["id"]
    shown = cli("ready", "shop/production", "-o", "json").ok().json
    kept, own = revision(shown, "kept"), revision(shown, "own")
    assert {reason["kind"] for reason in kept["held"]} == {"window", "hold"}
    assert {reason["kind"] for reason in own["held"]} == {"window", "running"}
    assert own["origins"] == [] and shown["gone"] == []
    origin, = kept["origins"]
    assert origin["component"] == "web" and origin["upstream"]["registry"] == elsewhere.address
    assert "upstream_has" not in origin, "nobody asked"
    text = cli("ready", "shop/production", env={"COLUMNS": "200"}).ok().stdout
    assert f"window, hold {hold}" in text and f"kept here from {elsewhere.address}/shop/web:kept" in text

    asked = cli("ready", "shop/production", "--upstream", "-o", "json").ok().json
    assert revision(asked, "kept")["origins"][0]["upstream_has"] is True
    with oci.Registry(elsewhere.address) as registry:
        assert registry.request("DELETE", f"/v2/shop/web/manifests/{image.digest}")[0] == 202
    lost = cli("ready", "shop/production", "--upstream", "-o", "json").ok().json
    assert lost["ready"], "the own copy is what counts"
    assert revision(lost, "kept")["origins"][0]["upstream_has"] is False
    assert revision(lost, "kept")["origins"][0]["problem"]
    assert "going back does not need it" in " ".join(cli("ready", "shop/production", "--upstream").ok().stdout.split())


def test_what_holds_it_is_not_told_while_that_cannot_be_known(shop, server, cli):
    image = shop.release("1")
    shop.deploy("1")
    shop.ship("2")
    shop.agent.stop()  # it would give back the bytes
    hexes = image.digest.split(":")[1]
    path = server.data / "blobs" / "sha256" / hexes[:2] / hexes
    server.stop()
    path.chmod(0o644)
    path.write_bytes(b"x" * len(image.manifest))
    server.start()
    red = cli("ready", "shop/production", "-o", "json").exits(6).json
    assert [one["held"] for one in red["revisions"]] == [None, None] and not revision(red, "1")["ready"]
    assert "unknown" in cli("ready", "shop/production", env={"COLUMNS": "200"}).exits(6).stdout
