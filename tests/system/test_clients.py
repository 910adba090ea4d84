"""Real registry clients: skopeo, podman, buildah."""

import json
import os
import shutil
import subprocess

import pytest

from support import oci


def skopeo(*args, check=True, timeout=180):
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    done = subprocess.run(["skopeo", *map(str, args)], capture_output=True, text=True,
                          timeout=timeout)
    if check:
        assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def layout(tmp_path):
    def make(image, tag="v"):
        place = tmp_path / f"layout-{image.digest[7:19]}"
        oci.write_layout(image, place, tag)
        return f"oci:{place}:{tag}"
    return make


def test_skopeo_round_trip(server, layout, tmp_path):
    image = oci.make_image([{"a": os.urandom(100_000)}, {"b": "2"}], cmd=["/a"])
    skopeo("copy", "--dest-tls-verify=false", layout(image),
           f"docker://{server.address}/shop/web:1.0")
    seen = json.loads(skopeo("inspect", "--tls-verify=false",
                             f"docker://{server.address}/shop/web:1.0").stdout)
    assert seen["Digest"] == image.digest and seen["RepoTags"] == ["1.0"]
    back = tmp_path / "back"
    skopeo("copy", "--src-tls-verify=false",
           f"docker://{server.address}/shop/web@{image.digest}", f"dir:{back}")
    assert (back / "manifest.json").read_bytes() == image.manifest
    for digest, data in image.blobs.items():
        assert (back / digest.split(":")[1]).read_bytes() == data


def test_skopeo_copies_an_index(server, layout, tmp_path):
    index = oci.make_index([oci.make_image([{"a": arch}], architecture=arch)
                            for arch in ("amd64", "arm64", "riscv64")])
    skopeo("copy", "--all", "--dest-tls-verify=false", layout(index),
           f"docker://{server.address}/shop/web:1.0")
    # on to another repository of the same registry: blobs are mounted, not sent again
    skopeo("copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false",
           f"docker://{server.address}/shop/web:1.0", f"docker://{server.address}/shop/copy:1.0")
    with oci.Registry(server.address) as registry:
        for name in "shop/web", "shop/copy":
            assert registry.get_manifest(name, "1.0") == index.manifest
        for child in index.children:
            assert registry.get_manifest("shop/copy", child.digest) == child.manifest


def test_skopeo_docker_schema_2(server, layout):
    image = oci.make_image([{"a": "1"}])
    skopeo("copy", "--format", "v2s2", "--dest-tls-verify=false", layout(image),
           f"docker://{server.address}/shop/web:docker")
    with oci.Registry(server.address) as registry:
        manifest = json.loads(registry.get_manifest("shop/web", "docker"))
    assert manifest["mediaType"] == oci.DOCKER_MANIFEST


def test_R01_skopeo_shows_why_a_tag_is_refused(server, layout):
    first, second = (oci.make_image([{"a": text}]) for text in "12")
    place = f"docker://{server.address}/shop/web:1.0"
    for image, fine in ((first, True), (first, True), (second, False)):
        done = skopeo("copy", "--dest-tls-verify=false", layout(image), place, check=False)
        assert (done.returncode == 0) == fine, done.stderr
    assert first.digest in done.stderr and "write-once" in done.stderr
    seen = json.loads(skopeo("inspect", "--tls-verify=false", place).stdout)
    assert seen["Digest"] == first.digest


def test_podman_pull_and_push(server, engine):
    image = oci.make_image([{"a": "1"}, {"b": "2"}], cmd=["/a"])
    oci.push(server, "shop/web", "1.0", image)
    name = f"{server.address}/shop/web"
    engine.run("pull", f"{name}:1.0")
    engine.run("pull", f"{name}@{image.digest}")
    engine.run("tag", f"{name}:1.0", f"{name}:again")
    engine.run("push", f"{name}:again")
    with oci.Registry(server.address) as registry:
        again = json.loads(registry.get_manifest("shop/web", "again"))
    assert again["config"]["digest"] == image.config_digest


def test_R01_podman_shows_why_a_tag_is_refused(server, engine):
    first, second = (oci.make_image([{"a": text}], cmd=["/a"]) for text in "12")
    oci.push(server, "shop/web", "1.0", first)
    oci.push(server, "shop/web", "2.0", second)
    name = f"{server.address}/shop/web"
    engine.run("pull", f"{name}:2.0")
    engine.run("tag", f"{name}:2.0", f"{name}:1.0")
    done = engine.run("push", f"{name}:1.0", check=False)
    assert done.returncode != 0 and "write-once" in done.stdout + done.stderr


FULL = "no space is left for pushes"


def test_R20_skopeo_shows_that_the_disk_is_full(small_disk, start_server, layout):
    server = start_server(data=small_disk / "data")
    large = oci.make_image([{"large": os.urandom(30_000_000)}])
    done = skopeo("copy", "--dest-tls-verify=false", layout(large),
                  f"docker://{server.address}/shop/web:1.0", check=False)
    assert done.returncode != 0 and FULL in done.stderr, done.stderr


def test_R20_podman_shows_that_the_disk_is_full(small_disk, start_server, engine):
    server = start_server(name="full", data=small_disk / "data")
    name = f"{server.address}/shop/web:1.0"
    oci.write_layout(oci.make_image([{"large": os.urandom(30_000_000)}]), engine.dir / "layout", "v")
    engine.run("pull", "-q", f"oci:{engine.dir}/layout:v")
    image = engine.run("images", "-q").stdout.split()[0]
    done = engine.run("push", "--tls-verify=false", image, name, check=False)
    assert done.returncode != 0 and FULL in done.stdout + done.stderr, done.stderr


def test_buildah_push(server, engine, tmp_path):
    if not shutil.which("buildah"):
        pytest.skip("buildah is not installed")

    def buildah(*args):
        done = subprocess.run(
            ["buildah", "--root", engine.dir / "root", "--runroot", engine.dir / "run",
             "--storage-driver", "vfs", *map(str, args)],
            env=engine.env, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()
    image = oci.make_image([{"a": "1"}], cmd=["/a"])
    oci.write_layout(image, tmp_path / "layout", "v")
    name = buildah("pull", f"oci:{tmp_path}/layout:v")
    buildah("push", "--tls-verify=false", name, f"docker://{server.address}/shop/built:1.0")
    with oci.Registry(server.address) as registry:
        built = json.loads(registry.get_manifest("shop/built", "1.0"))
    assert built["config"]["digest"] == image.config_digest
