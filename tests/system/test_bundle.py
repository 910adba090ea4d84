"""Releases in a file, across an air gap; and archives of others."""

import io
import json
import os
import shutil
import subprocess
import tarfile

import pytest

from support import oci

APP = """\
app: shop
components:
  web: {repository: shop/web}
  worker: {repository: shop/worker}
environments:
  - {name: production}
"""


def skopeo(*args):
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    done = subprocess.run(["skopeo", *map(str, args)], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return done.stdout


def image(**kwargs):
    return oci.make_image([{"data": os.urandom(100_000)}, {"b": os.urandom(1000)}], **kwargs)


class Gap:
    """Two releases here, an empty server there."""

    def __init__(self, server, there, cli, tmp_path):
        self.here, self.there, self.cli, self.file = server, there, cli, tmp_path / "shop.tar"
        shared = image()
        self.web = [oci.make_index([image(architecture="amd64"), image(architecture="arm64")]), image()]
        self.worker = [shared, shared]
        self.sbom = oci.make_artifact([{"sbom": "1"}], artifact_type="application/x.sbom", subject=self.web[0])
        self.cli("apply", "-f", "-", input=APP).ok()
        for number in 0, 1:
            oci.push(server, "shop/web", f"1.{number}", self.web[number])
            oci.push(server, "shop/worker", f"1.{number}", self.worker[number])
            if number == 0:
                oci.push(server, "shop/web", None, self.sbom)
            self.cli("release", "create", "shop", "--version", f"1.{number}", "--component", f"web=1.{number}",
                     "--component", f"worker=1.{number}", "--commit", f"{number}" * 40, "--build", f"b{number}",
                     "--source-repo", "https://git.example/shop", "--run-url", "https://ci.example/1").ok()

    def write(self, *versions, file=None):
        return self.cli("export", "shop", *(versions or ("1.0", "1.1")), "--file", file or self.file)

    def read(self, *args):
        return self.cli("import", self.file, *args, server=self.there)

    def releases(self, server):
        found = server.api("GET", "/apps/shop/releases")["releases"]
        return sorted(((one["version"], one["source"], [(c["name"], c["repository"], c["digest"], c["size_bytes"])
                                                        for c in one["components"]]) for one in found), key=str)


@pytest.fixture
def gap(server, start_server, cli, tmp_path):
    return Gap(server, start_server("there"), cli, tmp_path)


def test_releases_cross_the_gap(gap):
    gap.write().ok()
    refused = gap.read().exits(3)
    assert "repoint apply" in refused.stderr
    gap.cli("apply", "-f", "-", input=APP, server=gap.there).ok()
    gap.read().ok()
    assert gap.releases(gap.there) == gap.releases(gap.here)
    with oci.Registry(gap.there.address) as registry:
        for name, images in ("shop/web", [*gap.web, gap.sbom]), ("shop/worker", gap.worker):
            for each in images:
                for item in each.manifests():
                    assert registry.get_manifest(name, item.digest) == item.manifest
                for digest, data in each.blobs.items():
                    assert registry.get_blob(name, digest) == data
        found = json.loads(registry.request("GET", f"/v2/shop/web/referrers/{gap.web[0].digest}")[2])
        assert [entry["digest"] for entry in found["manifests"]] == [gap.sbom.digest]
    seq = gap.there.api("GET", "/ledger?limit=1")["head"]["seq"]
    gap.read().ok()
    assert gap.releases(gap.there) == gap.releases(gap.here)
    assert gap.there.api("GET", "/ledger?limit=1")["head"]["seq"] == seq, "again: nothing is recorded"
    gap.cli("deploy", "shop/production", "1.0", server=gap.there).ok()


def test_the_same_releases_are_the_same_file(gap, tmp_path):
    gap.write().ok()
    again = tmp_path / "again.tar"
    gap.write(file=again).ok()
    assert again.read_bytes() == gap.file.read_bytes()
    assert "exists" in gap.write().exits(4).stderr
    with tarfile.open(again) as tar:
        names = tar.getnames()
        assert len(names) == len(set(names)), "every blob is there once"
        assert all(member.mtime == 0 and member.uid == 0 for member in tar)


def test_skopeo_reads_what_was_exported(gap, start_server):
    gap.write("1.0").ok()
    copy = f"docker://{gap.there.address}/from/skopeo:1"
    skopeo("copy", "--all", "--dest-tls-verify=false", f"oci-archive:{gap.file}:shop-web-1.0", copy)
    with oci.Registry(gap.there.address) as registry:
        assert registry.get_manifest("from/skopeo", "1") == gap.web[0].manifest


def test_what_skopeo_wrote_is_imported(server, cli, tmp_path):
    one = image()
    oci.push(server, "shop/web", "1.0", one)
    archive = tmp_path / "image.tar"
    skopeo("copy", "--src-tls-verify=false", f"docker://{server.address}/shop/web:1.0", f"oci-archive:{archive}")
    assert "--as" in cli("import", archive).exits(2).stderr
    cli("import", archive, "--as", "base/web:1").ok()
    with oci.Registry(server.address) as registry:
        assert registry.get_manifest("base/web", "1") == one.manifest
    old = tmp_path / "old.tar"
    skopeo("copy", "--src-tls-verify=false", f"docker://{server.address}/shop/web:1.0", f"docker-archive:{old}")
    assert "docker-archive:" in cli("import", old, "--as", "base/web:2").exits(2).stderr


def rewrite(path, change):
    """The archive with each member's (name, bytes) changed, or left out for None."""
    with tarfile.open(path) as tar:
        members = [(member, tar.extractfile(member).read() if member.isfile() else None) for member in tar]
    with tarfile.open(path, "w") as tar:
        for member, data in members:
            if data is not None:
                data = change(member.name, data)
                if data is None:
                    continue
                member.size = len(data)
            tar.addfile(member, None if data is None else io.BytesIO(data))


@pytest.mark.parametrize("harm, rc", [("flip", 6), ("lose", 6), ("cut", 2), ("format", 1), ("noise", 2)])
def test_a_damaged_file_imports_nothing(gap, harm, rc):
    gap.write().ok()
    gap.cli("apply", "-f", "-", input=APP, server=gap.there).ok()
    layer = gap.web[1].layer_digests[0].split(":")[1]
    if harm == "cut":
        os.truncate(gap.file, gap.file.stat().st_size // 1024 * 512 + 100)  # never between two members
    elif harm == "noise":
        gap.file.write_bytes(os.urandom(20000))
    else:
        changes = {"flip": lambda name, data: data[:-1] + bytes([data[-1] ^ 1]) if layer in name else data,
                   "lose": lambda name, data: None if layer in name else data,
                   "format": lambda name, data: data.replace(b"repoint-releases-1", b"repoint-releases-9")}
        rewrite(gap.file, changes[harm])
    done = gap.read().exits(rc)
    assert done.stderr and gap.releases(gap.there) == []
    assert gap.there.api("GET", "/ledger?kind=blob.&limit=10")["events"] == []
