"""Every stored byte is read again: rot is found before a rollback needs the bytes, and told at once."""

import json
import os
from pathlib import Path

import pytest

from support import oci

APP = """\
app: shop
components: {web: {repository: shop/web}}
environments: [{name: production, window: 2, targets: [{name: a, component: web}]}]
"""
ALWAYS = ["--scrub-every", "1s", "--scrub-rate", "off"]


def path_of(server, digest):
    algorithm, hexes = digest.split(":")
    return Path(server.data, "blobs", algorithm, hexes[:2], hexes)


def rot(server, digest):
    path = path_of(server, digest)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    os.chmod(path, 0o644)
    path.write_bytes(data)


def layer_of(image):
    return json.loads(image.manifest)["layers"][0]["digest"]


def metric(server, name):
    status, _, body = server.request("GET", "/metrics")
    assert status == 200
    return next(int(float(line.split()[1])) for line in body.decode().splitlines() if line.startswith(f"{name} "))


def events(server, kind):
    return server.api("GET", f"/ledger?limit=1000&kind={kind}")["events"]


def release(server, cli, version, tmp_path):
    (tmp_path / "repoint.yaml").write_text(APP)
    cli("apply", "-f", "repoint.yaml", server=server).ok()
    image = oci.make_image([{"version": version, "data": os.urandom(3000)}])
    oci.push(server, "shop/web", version, image)
    cli("release", "create", "shop", "--version", version, "--component", f"web={version}", server=server).ok()
    cli("deploy", "shop/production", version, "--no-wait", server=server).ok()
    return image


def test_R08_rot_is_found_by_itself_told_at_once_and_healed_by_a_push(start_server, cli, wait_for, tmp_path):
    server = start_server(args=ALWAYS)
    image = release(server, cli, "1.0", tmp_path)
    layer = layer_of(image)
    assert layer not in cli("ready", "shop/production", server=server).stdout
    rot(server, layer)
    wait_for(lambda: events(server, "blob.damaged"), what="the rot to be found")
    event = events(server, "blob.damaged")[0]
    assert event["body"]["digest"] == layer and event["body"]["found"] not in (layer, "missing")
    assert metric(server, "repoint_blobs_damaged") == 1
    assert metric(server, "repoint_scrub_damaged_total") >= 1
    assert f"{layer} of shop/web is damaged" in Path(server.log).read_text()
    red = cli("ready", "shop/production", server=server).exits(6)  # without --verify: nothing is read for it
    assert layer[7:19] in red.stdout + red.stderr
    assert server.request("GET", f"/v2/shop/web/blobs/{layer}")[0] == 404, "wrong bytes were served"
    assert layer in cli("scrub", server=server).ok().stdout
    oci.push(server, "shop/web", "1.0", image)
    assert metric(server, "repoint_blobs_damaged") == 0
    assert layer not in cli("ready", "shop/production", server=server).stdout
    assert server.request("GET", f"/v2/shop/web/blobs/{layer}")[0] == 200
    assert len(events(server, "blob.damaged")) == 1
    cli("ledger", "verify", "--tables", server=server).ok()


@pytest.mark.parametrize("what", ["DIGEST", "shop/web", "shop/production"])
def test_R08_what_is_asked_for_is_read_now(start_server, cli, tmp_path, what):
    server = start_server()
    image = release(server, cli, "1.0", tmp_path)
    what = image.digest if what == "DIGEST" else what
    whole = cli("scrub", "--now", what, "-o", "json", server=server).ok().json
    assert whole["blobs"] == 3 and whole["damaged"] == [] and whole["bytes"] > 3000
    rot(server, layer_of(image))
    damaged = cli("scrub", "--now", what, "-o", "json", server=server).exits(6)
    assert json.loads(damaged.stdout)["damaged"] == [layer_of(image)]
    again = cli("scrub", "--now", what, server=server).exits(6)  # it still is, although nothing new is found
    assert layer_of(image) in again.stdout and "push it again" in again.stderr
    assert len(events(server, "blob.damaged")) == 1
    path_of(server, image.digest).unlink()
    cli("scrub", "--now", what, server=server).exits(6)
    assert events(server, "blob.damaged")[-1]["body"] == {"digest": image.digest, "found": "missing"}
    oci.push(server, "shop/web", "1.0", image)
    cli("scrub", "--now", what, server=server).ok()


def test_true_bytes_that_lie_in_their_place_again_are_damaged_no_more(start_server, cli, tmp_path):
    """A push that was killed before it was recorded, or an operator with a backup."""
    server = start_server()
    image = release(server, cli, "1.0", tmp_path)
    layer = layer_of(image)
    path = path_of(server, layer)
    right = path.read_bytes()
    rot(server, layer)
    cli("scrub", "--now", "shop/web", server=server).exits(6)
    path.write_bytes(right)
    cli("scrub", "--now", "shop/web", server=server).ok()
    assert events(server, "blob.healed")[-1]["body"] == {"digest": layer, "by": "scrub"}
    assert metric(server, "repoint_blobs_damaged") == 0
    cli("ledger", "verify", server=server).ok()


def test_what_nobody_has_or_what_two_things_are_called_is_an_error(server, cli, tmp_path):
    release(server, cli, "1.0", tmp_path)
    for wrong in "sha256:" + "0" * 64, "shop/nothing", "nothing", "repo:shop/production", "env:shop/web":
        assert "repoint" in cli("scrub", "--now", wrong, server=server).exits(3).stderr or wrong.startswith("sha256")
    oci.push(server, "shop/production", "1", oci.make_image([{"a": "b"}]))
    both = cli("scrub", "--now", "shop/production", server=server).exits(3)
    assert "repo:shop/production" in both.stderr and "env:shop/production" in both.stderr
    cli("scrub", "--now", "repo:shop/production", server=server).ok()
    cli("scrub", "--now", "env:shop/production", server=server).ok()
    assert server.request("POST", "/api/v1/scrub", body=b"{}")[0] == 400


def test_a_pass_that_is_killed_is_gone_on_with(start_server, cli, wait_for, tmp_path):
    """So slow that it is killed in the middle for certain; then so fast that it ends."""
    server = start_server(args=["--scrub-every", "1s", "--scrub-rate", "1kB"])
    images = [oci.make_image([{"data": os.urandom(4000)}]) for _ in range(5)]
    for number, image in enumerate(images):
        oci.push(server, "shop/web", str(number), image)
    rot(server, layer_of(images[4]))
    wait_for(lambda: metric(server, "repoint_scrub_bytes_total") > 0, what="the pass to begin")
    server.kill9()
    server.args = ALWAYS
    server.start()
    wait_for(lambda: events(server, "blob.damaged"), what="the rot to be found")
    assert [event["body"]["digest"] for event in events(server, "blob.damaged")] == [layer_of(images[4])]
    wait_for(lambda: metric(server, "repoint_scrub_blobs_total") > 20, what="several passes")
    assert len(events(server, "blob.damaged")) == 1
    cli("ledger", "verify", "--tables", server=server).ok()


def test_a_slow_pass_does_not_keep_a_server_from_stopping(start_server, wait_for):
    server = start_server(args=["--scrub-every", "1s", "--scrub-rate", "1kB"])
    for number in range(3):
        oci.push(server, "shop/web", str(number), oci.make_image([{"data": os.urandom(900000)}]))
    wait_for(lambda: metric(server, "repoint_scrub_bytes_total") > 100000, what="the pass to begin")
    server.stop()
    assert "stopped" in Path(server.log).read_text()
