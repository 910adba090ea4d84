"""What is damaged at the server and lies on a host comes back from there: asked for in a poll, sent by the agent, verified."""

import json
import os
from pathlib import Path

import pytest

from guarded import bearer
from shop import APPLY, Shop
from support import oci, repoint

TARGET = "/apps/shop/environments/production/targets/web-1"
POLL = f"/api/v1{TARGET}/pointer?agent=host-1"


@pytest.fixture
def shop(server, cli, start_agent, tmp_path):
    return Shop(server, cli, start_agent, tmp_path, trial="2s")


def path_of(root, digest):
    algorithm, hexes = digest.split(":")
    return Path(root, "blobs", algorithm, hexes[:2], hexes)


def rot(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    os.chmod(path, 0o644)
    path.write_bytes(data)


def events(server, kind, headers=None):
    return server.api("GET", f"/ledger?limit=1000&kind={kind}", headers=headers)["events"]


def ready(shop):
    return shop.server.api("GET", "/apps/shop/environments/production/ready?verify=recorded")


@pytest.mark.parametrize("how", ["rotted", "gone"])
@pytest.mark.parametrize("part", ["layer", "manifest", "config"])
def test_R08_what_rotted_at_the_server_comes_back_from_a_host(shop, server, cli, part, how):
    shop.ship("1.0")
    shop.ship("1.1")
    image = shop.images["1.0"]
    digest = {"layer": image.layer_digests[0], "manifest": image.digest,
              "config": json.loads(image.manifest)["config"]["digest"]}[part]
    path = path_of(server.data, digest)
    rot(path) if how == "rotted" else path.unlink()
    cli("scrub", "--now", digest)
    assert len(events(server, "blob.damaged")) == 1
    repoint.wait_for(lambda: events(server, "blob.healed"), 60, "healing")
    assert events(server, "blob.healed")[0]["body"] == {"digest": digest, "by": "agent:shop/production/web-1"}
    assert ready(shop)["ready"]
    with oci.Registry(server.address) as link:
        assert link.get_manifest("shop/web", image.digest) == image.manifest
        for blob, data in image.blobs.items():
            assert link.get_blob("shop/web", blob) == data
    repoint.wait_for(lambda: f"gave the server {digest}" in shop.agent.log_text(), 30, "the agent saying so")
    cli("ledger", "verify", "--tables").ok()


def test_R08_red_until_a_host_is_back_and_green_then(shop, server, cli):
    """Nor does it matter that the answer to the poll of an agent that is gone is lost."""
    shop.ship("1.0")
    shop.ship("1.1")
    layer = shop.images["1.0"].layer_digests[0]
    shop.agent.kill9()
    rot(path_of(server.data, layer))
    cli("scrub", "--now", "shop/production")
    assert not ready(shop)["ready"] and events(server, "blob.healed") == []
    shop.agent.start()
    repoint.wait_for(lambda: events(server, "blob.healed"), 120, "healing")
    assert ready(shop)["ready"]


@pytest.mark.parametrize("how", ["verified", "pulled", "manifest"])
def test_R08_what_a_reader_comes_across_is_healed_as_well(start_server, cli, start_agent, tmp_path, how):
    """The scrubber will not come by for an hour."""
    server = start_server(args=["--scrub-every", "1h"])
    shop = Shop(server, lambda *args, **more: cli(*args, server=server, **more), start_agent, tmp_path, trial="2s")
    shop.ship("1.0")
    image = shop.images["1.0"]
    digest = image.digest if how == "manifest" else image.layer_digests[0]
    path = path_of(server.data, digest)
    if how == "verified":
        rot(path)
        shop.cli("ready", "shop/production", "--verify").exits(6)
    else:
        path.unlink()
        kind = "manifests" if how == "manifest" else "blobs"
        assert server.request("GET", f"/v2/shop/web/{kind}/{digest}")[0] == 404
    repoint.wait_for(lambda: events(server, "blob.healed"), 60, "healing")
    assert events(server, "blob.healed")[0]["body"] == {"digest": digest, "by": "agent:shop/production/web-1"}
    assert len(events(server, "blob.damaged")) == 1


def test_a_host_that_lacks_it_says_so_and_is_not_asked_again(shop, server, cli):
    shop.ship("1.0")
    layer = shop.images["1.0"].layer_digests[0]
    here = path_of(shop.agent.dir / "state" / "store", layer)
    rot(here)
    rot(path_of(server.data, layer))
    cli("scrub", "--now", layer)
    repoint.wait_for(lambda: "does not lie on this host" in shop.agent.log_text(), 60, "the agent saying so")
    cli("scrub", "--now", layer)
    assert "wanted" not in json.loads(server.request("GET", POLL)[2])
    assert shop.agent.log_text().count("does not lie on this host") == 1
    assert events(server, "blob.healed") == [] and server.request("GET", f"/v2/shop/web/blobs/{layer}")[0] == 404


def test_only_what_was_asked_for_and_only_the_true_bytes_are_taken(guarded, tmp_path):
    """An agent that lies, with a token of its own."""
    server, admin = guarded.server, bearer(guarded.token)
    guarded.cli("apply", "-f", "-", input=APPLY.format(window=3, trial="10s", on_failure="stop"),
                token=guarded.token).ok()
    images = [oci.make_image([{"version": version, "data": os.urandom(3000)}]) for version in ("1", "2")]
    for i, image in enumerate(images, 1):
        guarded.push("shop/web", str(i), image, guarded.token)
        guarded.cli("release", "create", "shop", "--version", str(i), "--component", f"web={i}", token=guarded.token).ok()
    guarded.cli("deploy", "shop/production", "1", "--no-wait", token=guarded.token).ok()
    token = bearer(guarded.robot("host-1", "agent:shop/production/web-1"))
    other = bearer(guarded.robot("host-2", "agent:shop/production/web-2"))
    layer, whole = images[0].layer_digests[0], images[1].layer_digests[0]
    true = images[0].blobs[layer]

    def give(digest, data, headers=token):
        status, _, body = server.request("PUT", f"/api/v1{TARGET}/wanted/{digest}", data, headers)
        return status, body.decode()

    assert give(layer, true)[0] == 404, "nobody asked"
    rot(path_of(server.data, layer))
    guarded.cli("scrub", "--now", layer, token=guarded.token)
    assert give(layer, true)[0] == 404, "it was not asked yet"
    assert json.loads(server.request("GET", POLL, None, token)[2])["wanted"] == [layer]
    assert "wanted" not in json.loads(server.request("GET", POLL, None, token)[2]), "asked once at a time"
    assert give(layer, true, other)[0] == 403
    assert give(whole, images[1].blobs[whole])[0] == 404
    for wrong in true[:-1] + b"x", true[:-1], true + b"more", b"":
        status, text = give(layer, wrong)
        assert status == 400, text
    assert events(server, "blob.healed", admin) == []
    assert guarded.status("GET", f"/v2/shop/web/blobs/{layer}", admin) == 404
    assert "could not be healed by the agent of shop/production/web-1" in Path(server.log).read_text()
    assert not list(Path(server.data, "uploads").iterdir()), "what was refused stays behind"
    assert give(layer, true)[0] == 204
    assert events(server, "blob.healed", admin)[0]["body"]["by"] == "agent:shop/production/web-1"
    assert guarded.status("GET", f"/v2/shop/web/blobs/{layer}", admin) == 200
    assert give(layer, true)[0] == 404, "nobody asks any more"
