"""A server that can ask where its bytes came from heals itself: what rotted here is fetched again, verified."""

import json
import os
from pathlib import Path

import pytest

from support import oci, upstream


@pytest.fixture
def there(docker_registry):
    return docker_registry(("ada", "right"), name="locked")


@pytest.fixture
def flaky(there, started):
    proxy = upstream.Flaky(there.address)
    started.append(proxy)
    return proxy


@pytest.fixture
def kept(there, flaky, cli, start_server, tmp_path):
    """A server with credentials for upstream, and an image that was copied in from there."""
    auth = upstream.auth_file(tmp_path / "auth.json",
                              **{there.address: ("ada", "right"), flaky.address: ("ada", "right")})
    path = tmp_path / "server.yaml"
    path.write_text(json.dumps({"upstreams": [{"upstream": f"http://{flaky.address}", "credentials_file": "auth.json"}]}))
    server = start_server("healed", ["-c", path, "--scrub-every", "1s", "--scrub-rate", "off"])
    image = oci.make_image([{"data": os.urandom(300_000)}])
    oci.push(server, "first/web", "1", image)
    env = {"REGISTRY_AUTH_FILE": auth}
    cli("artifact", "cp", "first/web:1", f"{there.address}/shop/web:1.0", env=env, server=server).ok()
    cli("keep", f"{flaky.address}/shop/web:1.0", env=env, server=server).ok()
    return server, image


def path_of(server, digest):
    algorithm, hexes = digest.split(":")
    return Path(server.data, "blobs", algorithm, hexes[:2], hexes)


def rot(server, digest):
    path = path_of(server, digest)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    os.chmod(path, 0o644)
    path.write_bytes(data)


def events(server, kind):
    return server.api("GET", f"/ledger?limit=1000&kind={kind}")["events"]


@pytest.mark.parametrize("part", ["layer", "manifest"])
@pytest.mark.parametrize("how", ["rotted", "gone"])
def test_what_rotted_is_fetched_again_from_where_it_came(kept, wait_for, part, how):
    server, image = kept
    digest = image.layer_digests[0] if part == "layer" else image.digest
    if how == "rotted":
        rot(server, digest)
    else:
        path_of(server, digest).unlink()
    wait_for(lambda: events(server, "blob.healed"), what="healing")
    assert events(server, "blob.healed")[0]["body"] == {"digest": digest, "by": "upstream"}
    with oci.Registry(server.address) as link:
        assert link.get_manifest("shop/web", image.digest) == image.manifest
        assert link.get_blob("shop/web", image.layer_digests[0]) == image.blobs[image.layer_digests[0]]


def test_wrong_bytes_heal_nothing(kept, wait_for, flaky, cli):
    server, image = kept
    layer = image.layer_digests[0]
    flaky.fault("wrong", layer, 99)
    rot(server, layer)
    wait_for(lambda: "could not be healed by upstream" in Path(server.log).read_text(), what="a try that fails")
    with oci.Registry(server.address) as link:
        assert link.request("GET", f"/v2/shop/web/blobs/{layer}", None, {})[0] == 404
    assert events(server, "blob.healed") == []
    flaky.faults.clear()
    cli("scrub", "--now", "shop/web", server=server)
    wait_for(lambda: events(server, "blob.healed"), what="healing")
    cli("ledger", "verify", "--tables", server=server).ok()
