"""Fixtures of the system tests alone."""

import shutil

import pytest

from guarded import Guarded
from support import clients, oci, tls, upstream


@pytest.fixture
def guarded(start_server, cli, tmp_path):
    """A server with accounts, and what one does with it."""
    return Guarded(start_server, cli, tmp_path)


@pytest.fixture
def docker_registry(tmp_path, started):
    """docker_registry(login=None) → a running docker-registry."""
    if not shutil.which("docker-registry"):
        pytest.skip("docker-registry is not installed")

    def make(login=None, name="upstream"):
        registry = upstream.DockerRegistry(tmp_path / name, login)
        started.append(registry)
        return registry.start()
    return make


class Place:
    """A server, an account that may push and delete in shop/**, if it asks for one, and clients that know it."""

    def __init__(self, server, tmp_path, token=None):
        self.server, self.tmp, self.token = server, tmp_path, token
        self.address = server.address  # what clients call it

    def tool(self, name, *options):
        """A client, with the account's pull secret in its home."""
        tool = clients.Tool(clients.find(name), self.tmp, options)
        if self.token:
            tool.secret(self.address, "ci", self.token)
        return tool

    def layout(self, image, tag="v"):
        """A directory with the image as an OCI layout."""
        directory = self.tmp / f"layout-{image.digest[7:19]}"
        oci.write_layout(image, directory, tag)
        return directory

    def registry(self):
        return oci.Registry(self.server.url, token=self.token, ca=self.server.ca)

    def holds(self, repository, reference, image):
        """Every byte of an image, and of what it consists of, by digest."""
        with self.registry() as registry:
            assert registry.get_manifest(repository, reference) == image.manifest
            for item in image.manifests():
                assert registry.get_manifest(repository, item.digest) == item.manifest
            for digest, data in image.blobs.items():
                assert registry.get_blob(repository, digest) == data

    def lacks(self, repository, reference):
        with self.registry() as registry:
            return registry.request("GET", f"/v2/{repository}/manifests/{reference}")[0] == 404


@pytest.fixture(params=["open", "guarded"])
def place(request, tmp_path):
    """Twice: where nobody is asked who comes, and where a robot's token from a pull secret is needed."""
    if request.param == "open":
        return Place(request.getfixturevalue("server"), tmp_path)
    guarded = request.getfixturevalue("guarded")
    return Place(guarded.server, tmp_path, guarded.robot("ci", "push:shop/**", "delete:shop/**"))


@pytest.fixture
def authority(tmp_path):
    return tls.Authority(tmp_path / "tls")


@pytest.fixture
def place_tls(start_server, cli, tmp_path, authority):
    """With a robot's token and TLS, at an address that no client takes for loopback, where many are lax by
    themselves: 0.0.0.0 is this machine to those that connect to it."""
    cert, key = authority.issue(more=["0.0.0.0"])
    guarded = Guarded(start_server, cli, tmp_path, ["--tls-cert", cert, "--tls-key", key], ca=str(authority.path))
    place = Place(guarded.server, tmp_path, guarded.robot("ci", "push:shop/**", "delete:shop/**"))
    place.address = f"0.0.0.0:{guarded.server.port}"
    return place
