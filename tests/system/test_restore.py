"""Giving back what upstream lost, and healing from upstream what was damaged here."""

import os

import pytest

from support import oci, upstream

APP = """\
app: shop
components:
  web: {repository: shop/web}
  worker: {repository: shop/worker}
environments:
  - {name: production}
"""


@pytest.fixture(params=["docker-registry", "repoint"])
def lost(request, docker_registry, start_server):
    """An upstream that can lose images: another project's registry, and another repoint."""
    return docker_registry() if request.param == "docker-registry" else start_server("upstream")


def image(**kwargs):
    return oci.make_image([{"data": os.urandom(100_000)}, {"b": os.urandom(1000)}], **kwargs)


def same_bytes(address, repository, wanted):
    with oci.Registry(address) as registry:
        for item in wanted.manifests():
            assert registry.get_manifest(repository, item.digest) == item.manifest
        for digest, data in wanted.blobs.items():
            assert registry.get_blob(repository, digest) == data


def lose(address, repository, wanted):
    with oci.Registry(address) as registry:
        for item in reversed(list(wanted.manifests())):
            registry.expect("delete", (202,), "DELETE", f"/v2/{repository}/manifests/{item.digest}")
        for digest in wanted.blobs:
            registry.expect("delete", (202,), "DELETE", f"/v2/{repository}/blobs/{digest}")
        assert registry.request("GET", f"/v2/{repository}/manifests/{wanted.digest}")[0] == 404


def test_R07_what_upstream_lost_is_given_back(server, cli, lost):
    index = oci.make_index([image(architecture="amd64"), image(architecture="arm64")])
    sbom = oci.make_artifact([{"sbom": "1"}], artifact_type="application/x.sbom", subject=index)
    oci.push(lost.address, "shop/web", "1.0", index)
    cli("keep", f"{lost.address}/shop/web:1.0").ok()
    oci.push(server, "shop/web", None, sbom)
    lose(lost.address, "shop/web", index)
    done = cli("restore", index.digest[:19], "-o", "json").ok().json["restored"]
    assert [(one["restored"], one["digest"], one["referrers"]) for one in done] \
        == [(f"{lost.address}/shop/web:1.0", index.digest, 1)]
    for each in index, sbom:
        same_bytes(lost.address, "shop/web", each)
    with oci.Registry(lost.address) as registry:
        assert registry.get_manifest("shop/web", "1.0") == index.manifest
    seen = cli("keep", f"{lost.address}/shop/web:1.0", "--as", "again/web", "-o", "json").ok().json
    assert seen["referrers"] == 1, "who asks upstream for referrers finds them, with or without the API"
    cli("restore", index.digest).ok()
    same_bytes(lost.address, "shop/web", index)
    cli("kept", "--check").ok()


def test_a_release_goes_back_where_its_components_are_from(server, cli, lost, tmp_path):
    (tmp_path / "repoint.yaml").write_text(APP)
    cli("apply", "-f", "repoint.yaml").ok()
    web, worker = image(), image()
    oci.push(lost.address, "team/web", "1.0", web)
    oci.push(lost.address, "team/worker", "1.0", worker)
    cli("release", "create", "shop", "--version", "1.0", "--component", f"web={lost.address}/team/web:1.0",
        "--component", f"worker={lost.address}/team/worker:1.0").ok()
    for name, what in ("team/web", web), ("team/worker", worker):
        lose(lost.address, name, what)
    cli("restore", "shop", "1.0").ok()
    for name, what in ("team/web", web), ("team/worker", worker):
        same_bytes(lost.address, name, what)
    both = cli("restore", "shop", "1.0", "--to", f"{lost.address}/x/y").exits(2)
    assert "2 components" in both.stderr


def test_a_tag_that_went_on_is_left_alone(server, cli, docker_registry):
    there = docker_registry()
    old, new = image(), image()
    oci.push(there.address, "shop/web", "stable", old)
    cli("keep", f"{there.address}/shop/web:stable").ok()
    oci.push(there.address, "shop/web", "stable", new)
    done = cli("restore", old.digest).ok()
    assert "names something else" in done.stderr
    with oci.Registry(there.address) as registry:
        assert registry.get_manifest("shop/web", "stable") == new.manifest
    cli("restore", old.digest, "--to", f"{there.address}/shop/web:stable").ok()
    with oci.Registry(there.address) as registry:
        assert registry.get_manifest("shop/web", "stable") == old.manifest


def test_where_it_is_not_known_it_is_asked(server, cli, docker_registry):
    there = docker_registry()
    own = image()
    oci.push(server, "shop/web", "1.0", own)
    assert "--to" in cli("restore", own.digest).exits(2).stderr
    assert "name another" in cli("restore", own.digest, "--to", f"{server.address}/x/y").exits(2).stderr
    cli("restore", own.layer_digests[0]).exits(3)
    cli("restore", oci.sha256(b"nothing")).exits(3)
    cli("restore", own.digest, "--to", f"{there.address}/shop/web").ok()
    same_bytes(there.address, "shop/web", own)


# ---- healing ----

def stored(server, digest):
    algorithm, hexdigits = digest.split(":")
    return server.data / "blobs" / algorithm / hexdigits[:2] / hexdigits


def harm(path, how):
    path.chmod(0o644)
    if how == "flip":
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))
    elif how == "cut":
        os.truncate(path, path.stat().st_size // 2)
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["flip", "cut", "unlink"])
def test_R08_damaged_bytes_come_back_from_upstream(server, cli, docker_registry, how):
    there = docker_registry()
    kept = image()
    oci.push(there.address, "shop/web", "1.0", kept)
    cli("keep", f"{there.address}/shop/web:1.0", "--as", "mine/web").ok()
    layer = kept.layer_digests[0]
    for digest in layer, kept.config_digest, kept.digest:
        harm(stored(server, digest), how)
        healed = cli("heal", digest).ok()
        assert "healed from" in healed.stdout, healed.stdout
        assert "is whole" in cli("heal", digest).ok().stdout
    same_bytes(server.address, "mine/web", kept)
    cli("ledger", "verify", "--tables").ok()


def test_R08_wrong_bytes_heal_nothing(server, cli, docker_registry, started):
    there = docker_registry()
    kept = image()
    proxy = upstream.Flaky(there.address)
    started.append(proxy)
    oci.push(there.address, "shop/web", "1.0", kept)
    cli("keep", f"{proxy.address}/shop/web:1.0").ok()
    layer = kept.layer_digests[0]
    harm(stored(server, layer), "unlink")
    proxy.fault("wrong", layer, 99)
    failed = cli("heal", layer).exits(6)
    assert "upstream could not help" in failed.stderr
    with oci.Registry(server.address) as registry:
        assert registry.request("GET", f"/v2/shop/web/blobs/{layer}")[0] == 404
    proxy.faults.clear()
    cli("heal", layer).ok()
    same_bytes(server.address, "shop/web", kept)


def test_what_was_not_copied_in_cannot_be_healed(server, cli):
    own = image()
    oci.push(server, "shop/web", "1.0", own)
    harm(stored(server, own.layer_digests[0]), "unlink")
    assert "nothing in that repository was copied in" in cli("heal", own.layer_digests[0]).exits(6).stderr
