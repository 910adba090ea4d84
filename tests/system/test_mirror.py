"""Keeping tags of another registry in step."""

import json
import os
import subprocess

import pytest

from support import oci, repoint, upstream


def image():
    return oci.make_image([{"data": os.urandom(1000)}])


def tags(server, repository):
    with oci.Registry(server.address) as registry:
        status, _, data = registry.request("GET", f"/v2/{repository}/tags/list")
    return json.loads(data)["tags"] if status == 200 else []


@pytest.fixture
def mirror(cli, tmp_path):
    def run(document, *args):
        path = tmp_path / "mirror.yaml"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return cli("mirror", "--config", path, "--once", *args)
    return run


def test_new_tags_come_in_and_none_goes(server, cli, mirror, docker_registry):
    there = docker_registry()
    images = {tag: image() for tag in ("1.0", "1.1", "2.0")}
    for tag, what in images.items():
        oci.push(there.address, "shop/web", tag, what)
    document = {"sources": [{"from": f"{there.address}/shop/web", "as": "mirror/web", "tags": ["1.*"]}]}
    assert "2 taken in, 0 in step, 0 failed" in mirror(document).ok().stdout
    assert tags(server, "mirror/web") == ["1.0", "1.1"]
    seq = server.api("GET", "/ledger?limit=1")["head"]["seq"]
    assert "0 taken in, 2 in step, 0 failed" in mirror(document).ok().stdout
    assert server.api("GET", "/ledger?limit=1")["head"]["seq"] == seq, "in step: nothing is written"
    images["1.2"] = image()
    oci.push(there.address, "shop/web", "1.2", images["1.2"])
    with oci.Registry(there.address) as link:
        link.expect("delete", (202,), "DELETE", f"/v2/shop/web/manifests/{images['1.0'].digest}")
    assert "1 taken in, 1 in step, 0 failed" in mirror(document).ok().stdout
    with oci.Registry(server.address) as registry:
        for tag in "1.0", "1.1", "1.2":
            assert registry.get_manifest("mirror/web", tag) == images[tag].manifest
    assert {one["upstream"]["tag"] for one in server.api("GET", "/origins")["origins"]} == {"1.0", "1.1", "1.2"}


def test_a_tag_that_moved(server, cli, mirror, docker_registry):
    """Write-once: the bytes come in by digest. Where the policy lets tags move, it moves."""
    there = docker_registry()
    old, new = image(), image()
    for name in "fixed/web", "moving/web":
        oci.push(there.address, name, "stable", old)
    server.api("PUT", "/repositories/policies/moving%2F*", {"tag_mutability": "MUTABLE"})
    document = {"sources": [{"from": f"{there.address}/fixed/web"}, {"from": f"{there.address}/moving/web"}]}
    mirror(document).ok()
    for name in "fixed/web", "moving/web":
        oci.push(there.address, name, "stable", new)
    assert "write-once" in mirror(document).ok().stderr
    with oci.Registry(server.address) as registry:
        assert registry.get_manifest("fixed/web", "stable") == old.manifest
        assert registry.get_manifest("fixed/web", new.digest) == new.manifest
        assert registry.get_manifest("moving/web", "stable") == new.manifest


def test_what_fails_does_not_stop_the_rest(server, mirror, docker_registry, started, free_port):
    there = docker_registry()
    proxy = upstream.Flaky(there.address)
    started.append(proxy)
    bad, good = image(), image()
    oci.push(there.address, "shop/web", "1.0", bad)
    oci.push(there.address, "shop/web", "1.1", good)
    proxy.fault("wrong", bad.layer_digests[0], 99)
    done = mirror({"sources": [{"from": f"127.0.0.1:{free_port()}/nobody/here"},
                               {"from": f"{proxy.address}/shop/web"}]}).exits(1)
    assert "1 taken in, 0 in step, 1 failed" in done.stdout and "2 could not be brought in step" in done.stderr
    assert tags(server, "shop/web") == ["1.1"]


@pytest.mark.parametrize("text, says", [
    ("sources: []\n", "at least one"),
    ("source: []\n", "source"),
    ("interval: soon\nsources: [{from: ghcr.example/a/b}]\n", "interval"),
    ("sources: [{from: shop/web}]\n", "on this server"),
    ("sources: [{from: ghcr.example/a/b, tag: x}]\n", "tag"),
    ("sources: [{from: \"ghcr.example/A\"}]\n", "from"),
])
def test_mistakes_in_the_file_are_said(server, mirror, text, says):
    done = mirror(text).exits(2)
    assert "mirror.yaml:" in done.stderr and says in done.stderr, done.stderr


def test_it_goes_on_until_it_is_told_to_end(server, docker_registry, tmp_path):
    there = docker_registry()
    oci.push(there.address, "shop/web", "1.0", image())
    path = tmp_path / "mirror.yaml"
    path.write_text(json.dumps({"interval": "200ms", "sources": [{"from": f"{there.address}/shop/web"}]}))
    with subprocess.Popen([repoint.binary(), "mirror", "-c", str(path)],
                          env={**os.environ, "REPOINT_SERVER": server.url, "REPOINT_ACTOR": "mirror"}) as process:
        repoint.wait_for(lambda: tags(server, "shop/web") == ["1.0"], what="the first round")
        oci.push(there.address, "shop/web", "1.1", image())
        repoint.wait_for(lambda: tags(server, "shop/web") == ["1.0", "1.1"], what="another round")
        process.terminate()
        assert process.wait(20 * repoint.PATIENCE) == 0
