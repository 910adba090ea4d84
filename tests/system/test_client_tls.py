"""How clients are told whom to trust, as docs/clients.md says. Each is refused before, for want of that."""

import os
import shutil
from pathlib import Path

import pytest

from support import oci, podman
from support.daemons import Buildkitd, Containerd, Dockerd, in_place_of


@pytest.fixture
def image(place_tls):
    made = oci.make_image([{"a": os.urandom(1_000_000)}], cmd=["/a"])
    with place_tls.registry() as registry:
        registry.push("shop/web", "1.0", made)
    return made


@pytest.fixture
def containers():
    works, why = podman.available()
    if not works:
        pytest.skip(f"containers: {why}")


def refused(done):
    assert done.returncode != 0 and "x509: certificate signed by unknown authority" in done.stdout + done.stderr, done


def trusted(directory, place):
    """What certs.d directories hold."""
    here = Path(directory) / "certs.d" / place.address
    here.mkdir(parents=True)
    shutil.copy(place.server.ca, here / "ca.crt")


def test_docker_by_certs_d(place_tls, image, containers):
    name = f"{place_tls.address}/shop/web:1.0"
    with Dockerd(place_tls.tmp) as engine:
        engine.run.secret(place_tls.address, "ci", place_tls.token)
        refused(engine.run("pull", name, check=False))
        trusted(engine.etc, place_tls)  # it looks each time
        engine.run("login", "-u", "ci", "--password-stdin", place_tls.address, input=place_tls.token)
        assert f"Digest: {image.digest}" in engine.run("pull", name).stdout
        engine.run("tag", name, f"{place_tls.address}/shop/copy:1.0")
        engine.run("push", f"{place_tls.address}/shop/copy:1.0")
    assert not place_tls.lacks("shop/copy", "1.0")


def test_containerd_by_hosts_toml(place_tls, image, containers):
    name = f"{place_tls.address}/shop/web:1.0"
    with Containerd(place_tls.tmp) as engine:
        def fetch(*hosts, check=True):
            return engine.run("content", "fetch", *hosts, "--user", f"ci:{place_tls.token}", name, check=check)
        refused(fetch(check=False))
        fetch("--hosts-dir", engine.hosts(place_tls.address, f"https://{place_tls.address}",
                                          f'ca = "{place_tls.server.ca}"'))
        assert engine.run("content", "get", image.digest, text=False).stdout == image.manifest
        for digest, data in image.blobs.items():
            assert engine.run("content", "get", digest, text=False).stdout == data


def test_buildkit_by_its_configuration(place_tls, image, containers):
    """buildctl is who fetches the ticket, and must know too."""
    context = place_tls.tmp / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {place_tls.address}/shop/web:1.0\nCOPY Dockerfile /Dockerfile\n")
    for ca in "/etc/ssl/certs/ca-certificates.crt", place_tls.server.ca:
        with Buildkitd(place_tls.tmp, place_tls.address, ca) as engine:
            engine.run.secret(place_tls.address, "ci", place_tls.token)
            done = engine.run("build", "--progress", "plain", "--frontend", "dockerfile.v0", "--local",
                              f"context={context}", "--local", f"dockerfile={context}", "--output",
                              f"type=image,name={place_tls.address}/shop/copy:1.0,push=true",
                              "--registry-auth-tlscontext", f"host={place_tls.address},ca={ca}", check=False, timeout=300)
            if ca != place_tls.server.ca:
                refused(done)
    assert done.returncode == 0, done.stderr
    assert not place_tls.lacks("shop/copy", "1.0")


@pytest.mark.parametrize("where", ["home", "etc"])
def test_skopeo_by_certs_d(place_tls, image, where):
    skopeo = place_tls.tool("skopeo")
    etc, source = place_tls.tmp / "etc", f"docker://{place_tls.address}/shop/web:1.0"
    shutil.copytree("/etc/containers", etc)
    if where == "etc":
        skopeo.through(in_place_of("/etc/containers", etc))
    refused(skopeo("copy", source, "dir:back", check=False))
    trusted(etc if where == "etc" else skopeo.home / ".config" / "containers", place_tls)
    skopeo("copy", source, "dir:back")
    assert (skopeo.home / "back" / "manifest.json").read_bytes() == image.manifest
    skopeo("copy", "dir:back", f"docker://{place_tls.address}/shop/copy:1.0")
    place_tls.holds("shop/copy", "1.0", image)


def test_podman_by_certs_d(place_tls, image, containers):
    with podman.Podman() as engine:
        tool = place_tls.tool(*engine.command)
        tool.env |= {key: engine.env[key] for key in ("CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF", "TMPDIR")}
        name = f"{place_tls.address}/shop/web:1.0"
        refused(tool("pull", name, check=False))
        trusted(tool.home / ".config" / "containers", place_tls)
        tool("login", "-u", "ci", "--password-stdin", place_tls.address, input=place_tls.token)
        tool("pull", name)
        tool("push", name, f"{place_tls.address}/shop/copy:1.0")
    assert not place_tls.lacks("shop/copy", "1.0")


def test_crane_by_the_usual_variable(place_tls, image):
    crane, name = place_tls.tool("crane"), f"{place_tls.address}/shop/web"
    refused(crane("digest", f"{name}:1.0", check=False))
    crane.env["SSL_CERT_FILE"] = place_tls.server.ca
    assert crane("digest", f"{name}:1.0").stdout.strip() == image.digest
    crane("copy", f"{name}:1.0", f"{place_tls.address}/shop/copy:1.0")
    place_tls.holds("shop/copy", "1.0", image)


def test_oras_by_an_option(place_tls, image):
    oras, name = place_tls.tool("oras"), f"{place_tls.address}/shop/web"
    refused(oras("resolve", f"{name}:1.0", check=False))
    ca = ("--from-ca-file", place_tls.server.ca, "--to-ca-file", place_tls.server.ca)
    assert oras("resolve", "--ca-file", place_tls.server.ca, f"{name}:1.0").stdout.strip() == image.digest
    oras("cp", *ca, f"{name}:1.0", f"{place_tls.address}/shop/copy:1.0")
    place_tls.holds("shop/copy", "1.0", image)


def test_regctl_by_its_configuration(place_tls, image):
    regctl, name = place_tls.tool("regctl"), f"{place_tls.address}/shop/web"
    refused(regctl("image", "digest", f"{name}:1.0", check=False))
    regctl("registry", "set", place_tls.address, "--cacert", Path(place_tls.server.ca).read_text())
    regctl("image", "copy", f"{name}:1.0", f"{place_tls.address}/shop/copy:1.0")
    place_tls.holds("shop/copy", "1.0", image)


