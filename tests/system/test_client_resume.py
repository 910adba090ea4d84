"""Connections that break off in the middle of a layer: clients that can go on where they were."""

import os
import re

import pytest

from support import clients, oci, podman
from support.cutting import Cutting
from support.daemons import Containerd, Dockerd

SIZE, CUT = 6_000_000, 3_000_000


@pytest.fixture
def layer():
    """Bytes that no compression makes fewer."""
    return os.urandom(SIZE)


@pytest.fixture
def image(server, layer):
    made = oci.make_image([{"a": layer}], cmd=["/a"])
    oci.push(server, "shop/web", "1.0", made)
    return made


@pytest.fixture
def containers():
    works, why = podman.available()
    if not works:
        pytest.skip(f"containers: {why}")


def ranges(way):
    """Where the requests for a part of the layer began."""
    return [int(found[1]) for request in way.requests if (found := re.search(r"(?i)\r\nrange: bytes=(\d+)-", request))]


def test_containerd_goes_on(server, image, containers, tmp_path):
    with Cutting(server.port, CUT) as way, Containerd(tmp_path) as engine:
        fetch = ("content", "fetch", "--plain-http", f"{way.address}/shop/web:1.0")
        if engine.run(*fetch, check=False).returncode != 0:
            engine.run(*fetch)  # it keeps what it had
        assert way.cuts == 1 and len(ranges(way)) == 1 and 0 < ranges(way)[0] <= CUT
        for digest, data in image.blobs.items():
            assert engine.run("content", "get", digest, text=False).stdout == data


@pytest.mark.plain  # it waits for seconds before it tries again
def test_docker_goes_on(server, image, containers, tmp_path):
    with Cutting(server.port, CUT) as way, Dockerd(tmp_path) as engine:
        assert f"Digest: {image.digest}" in engine.run("pull", f"{way.address}/shop/web:1.0").stdout
        assert way.cuts == 1 and ranges(way) and 0 < ranges(way)[0] <= CUT


@pytest.fixture
def regctl(tmp_path):
    return clients.Tool(clients.find("regctl"), tmp_path)


def test_regctl_goes_on_sending(server, layer, regctl):
    """It asks the upload how far it came."""
    with Cutting(server.port, CUT, sent=True) as way:
        regctl("registry", "set", way.address, "--tls", "disabled", "--blob-chunk", 1_000_000, "--blob-max", 1_000_000)
        done = regctl("blob", "put", f"{way.address}/shop/web", input=layer, text=False)
        assert done.stdout.decode().strip() == oci.sha256(layer)
        assert way.cuts == 1 and sum(request.startswith("POST") for request in way.requests) == 1
    with oci.Registry(server.url) as registry:
        assert registry.get_blob("shop/web", oci.sha256(layer)) == layer


def test_regctl_goes_on_receiving(server, image, layer, regctl):
    with Cutting(server.port, CUT) as way:
        regctl("registry", "set", way.address, "--tls", "disabled")
        digest = image.layer_digests[0]
        assert regctl("blob", "get", f"{way.address}/shop/web", digest, text=False).stdout == image.blobs[digest]
        assert way.cuts == 1 and ranges(way) and 0 < ranges(way)[0] <= CUT
