"""Engines that pull and push: Docker, containerd, BuildKit. Each is a private one, with a socket of its own."""

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from guarded import basic
from shop import APPLY
from support import oci, podman
from support.daemons import Buildkitd, Containerd, Dockerd
from support.repoint import free_port, wait_for


@pytest.fixture(scope="module", autouse=True)
def containers():
    """What does not let a container run does not let these engines mount a layer either."""
    works, why = podman.available()
    if not works:
        pytest.skip(f"containers: {why}")


def images():
    """An index of this machine's image and of one for another."""
    return oci.make_index([oci.make_image([{"a": os.urandom(2_000_000)}, {"b": arch}], cmd=["/a"], architecture=arch)
                           for arch in (oci.machine(), "s390x")])


# ---- Docker ----

@pytest.fixture
def docker(place):
    with Dockerd(place.tmp) as engine:
        if place.token:
            engine.run("login", "-u", "ci", "--password-stdin", place.address, input=place.token)
        yield engine.run


def test_docker_pulls_what_it_pushed(place, docker):
    name = f"{place.address}/shop/web"
    with tarfile.open(place.tmp / "root.tar", "w") as tar:
        (place.tmp / "data").write_bytes(os.urandom(2_000_000))
        tar.add(place.tmp / "data", "data")
    docker("import", place.tmp / "root.tar", f"{name}:1.0")
    said = docker("push", f"{name}:1.0").stdout
    with place.registry() as registry:
        manifest = registry.get_manifest("shop/web", "1.0")
        layers = [registry.get_blob("shop/web", layer["digest"]) for layer in json.loads(manifest)["layers"]]
    digest = oci.sha256(manifest)
    assert f"digest: {digest}" in said and len(layers) == 1
    docker("rmi", "--force", f"{name}:1.0")
    docker("pull", f"{name}@{digest}")
    docker("tag", f"{name}@{digest}", f"{name}:again")
    assert "Layer already exists" in docker("push", f"{name}:again").stdout
    docker("tag", f"{name}@{digest}", f"{place.address}/shop/copy:1.0")
    assert "Mounted from shop/web" in docker("push", f"{place.address}/shop/copy:1.0").stdout
    with place.registry() as registry:
        assert registry.get_manifest("shop/copy", "1.0") == manifest


def test_docker_pulls_its_platform_of_an_index(place, docker):
    index, name = images(), f"{place.address}/shop/web:1.0"
    with place.registry() as registry:
        registry.push("shop/web", "1.0", index)
    assert f"Digest: {index.digest}" in docker("pull", name).stdout
    seen = json.loads(docker("image", "inspect", name).stdout)[0]
    assert seen["Architecture"] == oci.machine()
    assert seen["RepoDigests"] == [f"{place.address}/shop/web@{index.digest}"]
    assert seen["Id"] in (index.children[0].config_digest, index.digest)  # the second: with containerd's store


def test_docker_writes_an_index(place, docker):
    index, name = images(), f"{place.address}/shop/web"
    with place.registry() as registry:
        for child in index.children:
            registry.push("shop/web", child.platform["architecture"], child)
    for _ in range(40):  # it tries TLS first; one ClientHello of eight is no line of HTTP, is hung up on, and Docker gives up
        made = docker("manifest", "create", "--insecure", "--amend", f"{name}:all", f"{name}:{oci.machine()}", f"{name}:s390x", check=False)
        if made.returncode == 0 or "EOF" not in made.stderr:
            break
    assert made.returncode == 0, made.stderr
    digest = docker("manifest", "push", "--insecure", f"{name}:all").stdout.strip()
    with place.registry() as registry:
        written = registry.get_manifest("shop/web", "all")
    assert oci.sha256(written) == digest
    assert {entry["digest"] for entry in json.loads(written)["manifests"]} == {child.digest for child in index.children}


def test_R01_docker_shows_why_a_tag_is_refused(place, docker):
    index, name = images(), f"{place.address}/shop/web"
    with place.registry() as registry:
        for tag, child in zip(("1.0", "2.0"), (index.children[0], oci.make_image([{"c": "3"}], cmd=["/c"]))):
            registry.push("shop/web", tag, child)
    docker("pull", f"{name}:2.0")
    docker("tag", f"{name}:2.0", f"{name}:1.0")
    done = docker("push", f"{name}:1.0", check=False)
    assert done.returncode != 0 and "write-once" in done.stdout + done.stderr


def test_docker_is_refused_without_its_secret(guarded, tmp_path):
    ci = guarded.robot("ci", "push:shop/*")
    guarded.push("shop/web", "1.0", oci.make_image([{"a": "1"}], cmd=["/a"]), ci)
    name = f"{guarded.server.address}/shop/web:1.0"
    with Dockerd(tmp_path) as engine:
        assert engine.run("pull", name, check=False).returncode != 0
        wrong = engine.run("login", "-u", "ci", "--password-stdin", guarded.server.address, input="no", check=False)
        assert wrong.returncode != 0
        engine.run.secret(guarded.server.address, "ci", ci)
        engine.run("pull", name)


# ---- containerd ----

@pytest.fixture
def containerd(place):
    with Containerd(place.tmp) as engine:
        user = ["--user", f"ci:{place.token}"] if place.token else []
        engine.images = lambda verb, *args, **more: engine.run(
            "images", verb, "--plain-http", *(["--snapshotter", "native"] if verb == "pull" else []), *user, *args, **more)
        yield engine


def content(engine, digest):
    return engine.run("content", "get", digest, text=False).stdout


def test_containerd_pulls_and_pushes(place, containerd):
    index, name = images(), f"{place.address}/shop/web:1.0"
    with place.registry() as registry:
        registry.push("shop/web", "1.0", index)
    containerd.images("pull", "--all-platforms", name)
    for item in index.manifests():
        assert content(containerd, item.digest) == item.manifest
    for digest, data in index.blobs.items():
        assert content(containerd, digest) == data
    copy = f"{place.address}/shop/copy:1.0"
    containerd.run("images", "tag", name, copy)
    containerd.images("push", copy)
    place.holds("shop/copy", "1.0", index)


def test_containerd_by_a_mirror(place, containerd):
    """It asks with ?ns= then, which is no business of a registry that stands for itself."""
    image = oci.make_image([{"a": os.urandom(1000)}], cmd=["/a"])
    with place.registry() as registry:
        registry.push("shop/web", "1.0", image)
    hosts = containerd.hosts("registry.example", f"http://{place.address}", 'capabilities = ["pull", "resolve"]')
    done = containerd.images("pull", "--hosts-dir", hosts, "--http-dump", "registry.example/shop/web:1.0")
    assert "ns=registry.example" in done.stdout + done.stderr
    assert content(containerd, image.digest) == image.manifest
    for digest, data in image.blobs.items():
        assert content(containerd, digest) == data
    with place.registry() as registry:
        for path in f"manifests/1.0?ns=registry.example", f"blobs/{image.config_digest}?ns=docker.io&ns=", "tags/list?ns=a%2Fb":
            status, head, _ = registry.request("GET", f"/v2/shop/web/{path}")
            assert status == 200 and "oci-namespace" not in head


def test_containerd_is_refused_without_a_secret(guarded, tmp_path):
    guarded.push("shop/web", "1.0", oci.make_image([{"a": "1"}], cmd=["/a"]), guarded.token)
    with Containerd(tmp_path) as engine:
        done = engine.run("images", "pull", "--plain-http", f"{guarded.server.address}/shop/web:1.0", check=False)
        assert done.returncode != 0 and "401 Unauthorized" in done.stderr


def test_containerd_by_basic_alone(guarded, tmp_path):
    """What hosts.toml says of headers comes with each request: no challenge, no ticket."""
    image = oci.make_image([{"a": os.urandom(1000)}], cmd=["/a"])
    guarded.push("shop/web", "1.0", image, guarded.token)
    url = f"http://{guarded.server.address}"
    with Containerd(tmp_path) as engine:
        for token, fine in ((guarded.robot("ci", "pull:shop/*"), True), (guarded.robot("other", "pull:other"), False)):
            hosts = engine.hosts(guarded.server.address, url, f'[host."{url}".header]',
                                 f'Authorization = "{basic("ci", token)["Authorization"]}"')
            done = engine.run("content", "fetch", "--plain-http", "--hosts-dir", hosts, "--http-dump",
                              f"{guarded.server.address}/shop/web:1.0", check=False)
            said = done.stdout + done.stderr
            assert ("/v2/token" not in said and done.returncode == 0) if fine else "403 Forbidden" in said, said
        assert content(engine, image.digest) == image.manifest


# ---- BuildKit ----

@pytest.fixture
def git_daemon(tmp_path):
    """A repository with a Dockerfile, served on loopback: (its URL, its commit)."""
    served, work, port = tmp_path / "git", tmp_path / "work", free_port()
    work.mkdir()
    shutil.copy("/bin/busybox", work / "busybox")
    (work / "Dockerfile").write_text("FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"touch\", \"/built\"]\n")

    def git(*args):
        return subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", work, *args], check=True,
                              capture_output=True, text=True).stdout.strip()
    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-qm", "one")
    subprocess.run(["git", "clone", "-q", "--bare", work, served / "shop.git"], check=True)
    log = open(tmp_path / "git-daemon.log.txt", "wb")
    daemon = subprocess.Popen(["git", "daemon", "--export-all", f"--base-path={served}", "--listen=127.0.0.1",
                               f"--port={port}", "--reuseaddr"], stdout=log, stderr=log, start_new_session=True)
    url = f"git://127.0.0.1:{port}/shop.git"
    try:
        wait_for(lambda: subprocess.run(["git", "ls-remote", url], capture_output=True).returncode == 0, what="git daemon")
        yield url, git("rev-parse", "HEAD")
    finally:
        os.killpg(daemon.pid, 15)
        daemon.wait()
        log.close()


def build(engine, source, name, *more):
    """Builds and pushes with provenance; the digest of what was pushed."""
    output = engine.run.home / "built.json"
    engine.run("build", "--progress", "plain", "--frontend", "dockerfile.v0", *source,
               "--opt", "attest:provenance=mode=max,version=v1", "--metadata-file", output,
               "--output", f"type=image,name={name},push=true,oci-mediatypes=true", *more, timeout=300)
    return json.loads(output.read_text())["containerimage.digest"]


def test_buildkit_pushes_with_provenance_that_a_release_reads(server, cli, git_daemon, tmp_path):
    url, commit = git_daemon
    name = f"{server.address}/shop/web"
    cli("apply", "-f", "-", input=APPLY.format(window=3, trial="10s", on_failure="stop")).ok()
    with Buildkitd(tmp_path, server.address) as engine:
        digest = build(engine, ("--opt", f"context={url}#main"), f"{name}:1.0")
    with oci.Registry(server.url) as registry:
        index = json.loads(registry.get_manifest("shop/web", digest))
    assert [entry.get("annotations", {}).get("vnd.docker.reference.type") for entry in index["manifests"]] == [
        None, "attestation-manifest"]
    cli("release", "create", "shop", "--component", "web=1.0").ok()
    release = server.api("GET", f"/apps/shop/releases/{commit[:7]}")
    assert release["source"]["commit"] == commit
    assert release["source"]["repository"].startswith(url)
    commits = {one["source"]: one["value"] for one in release["provenance"] if one["field"] == "commit"}
    assert commits["slsa-v1/configSource"] == commit


def test_buildkit_builds_upon_and_caches_in_it(place, tmp_path):
    """With a pull secret: the base image, the image and the cache all go by it."""
    base = oci.make_image([{"bin/busybox": (Path("/bin/busybox").read_bytes(), 0o755)}], cmd=["/bin/busybox", "true"])
    with place.registry() as registry:
        registry.push("shop/base", "1.0", base)
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {place.address}/shop/base:1.0\nCOPY Dockerfile /Dockerfile\n")
    source = ("--local", f"context={context}", "--local", f"dockerfile={context}")
    cache = f"type=registry,ref={place.address}/shop/cache"
    with Buildkitd(tmp_path, place.address) as engine:
        if place.token:
            engine.run.secret(place.address, "ci", place.token)
        build(engine, source, f"{place.address}/shop/web:1.0", "--export-cache", f"{cache}:one,mode=max,image-manifest=true")
        engine.run("prune", "--all")
        said = engine.run("build", "--progress", "plain", "--frontend", "dockerfile.v0", *source,
                          "--import-cache", f"{cache}:one", timeout=300).stderr
        assert "CACHED" in said
    with place.registry() as registry:
        index = json.loads(registry.get_manifest("shop/web", "1.0"))
        manifest = json.loads(registry.get_manifest("shop/web", index["manifests"][0]["digest"]))
    assert manifest["layers"][0]["digest"] == base.layer_digests[0]
