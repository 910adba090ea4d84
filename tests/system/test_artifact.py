"""Artifacts by the command line: made, read by others, fetched, copied, listed."""

import json
import os
import shutil
import subprocess

import pytest

from support import oci

TYPE = "application/vnd.example.site.v1"


def skopeo(*args):
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    done = subprocess.run(["skopeo", *map(str, args)], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def files(tmp_path):
    """A file and a directory; `files(name)` makes them anew elsewhere, in another order."""
    def make(name, umask=0o022):
        top = tmp_path / name
        old = os.umask(umask)
        try:
            (top / "site" / "css").mkdir(parents=True)
            for path in (("css", "a.css"), ("z.html",), ("index.html",)):
                (top / "site").joinpath(*path).write_text("/".join(path))
            (top / "site" / "run").write_text("#!/bin/sh\n")
            (top / "site" / "run").chmod(0o755)
            (top / "site" / "latest").symlink_to("index.html")
            (top / "notes.bin").write_bytes(bytes(range(256)) * 5000)
        finally:
            os.umask(old)
        return top
    return make


def push(cli, top, ref, *args):
    return cli("artifact", "push", ref, top / "site", top / "notes.bin", "-o", "json", *args)


def test_the_same_files_are_the_same_artifact(server, cli, files):
    first, second = files("one"), files("two", umask=0o077)
    os.utime(second / "site" / "z.html", (1, 1))
    digest = push(cli, first, "shop/site:1", "--type", TYPE).ok().json["digest"]
    assert push(cli, second, "shop/site:2", "--type", TYPE).ok().json["digest"] == digest
    with oci.Registry(server.address) as registry:
        raw = registry.get_manifest("shop/site", "1")
        assert oci.sha256(raw) == digest
        manifest = json.loads(raw)
        assert manifest["artifactType"] == TYPE
        titles = [layer["annotations"]["org.opencontainers.image.title"] for layer in manifest["layers"]]
        assert titles == ["site", "notes.bin"]
        data = registry.get_blob("shop/site", manifest["layers"][1]["digest"])
        assert data == (first / "notes.bin").read_bytes()
    made = server.api("GET", "/ledger?kind=tag.created")["events"]
    assert {event["actor"] for event in made} == {"tester@test"}
    (second / "site" / "z.html").write_text("other")
    refused = push(cli, second, "shop/site:1", "--type", TYPE).exits(5)
    assert digest[:19] in refused.stderr


def test_pull_unpacks_what_was_pushed(server, cli, files, tmp_path):
    top = files("one")
    push(cli, top, "shop/site:1").ok()
    out = tmp_path / "out"
    cli("artifact", "pull", "shop/site:1", out, "--unpack").ok()
    assert sorted(path.name for path in out.iterdir()) == ["notes.bin", "site"]
    assert (out / "notes.bin").read_bytes() == (top / "notes.bin").read_bytes()
    assert (out / "site" / "css" / "a.css").read_text() == "css/a.css"
    assert os.access(out / "site" / "run", os.X_OK) and not os.access(out / "site" / "z.html", os.X_OK)
    assert os.readlink(out / "site" / "latest") == "index.html"
    again = cli("artifact", "pull", "shop/site:1", out, "--unpack").exits(4)
    assert "not empty" in again.stderr


def test_skopeo_reads_the_layout_that_was_pulled(server, cli, tmp_path):
    image = oci.make_image([{"a": os.urandom(50_000)}, {"b": "2"}], cmd=["/a"])
    oci.push(server, "shop/web", "1.0", image)
    out = tmp_path / "layout"
    pulled = cli("artifact", "pull", "shop/web:1.0", out, "-o", "json").ok().json
    assert pulled["digest"] == image.digest
    assert sorted(path.name for path in out.iterdir()) == ["blobs", "index.json", "oci-layout"]
    assert json.loads(skopeo("inspect", f"oci:{out}:1.0"))["Digest"] == image.digest
    for digest, data in image.blobs.items():
        assert (out / "blobs" / "sha256" / digest[7:]).read_bytes() == data


def test_skopeo_reads_what_was_pushed_and_we_what_it_pushed(server, cli, files, tmp_path):
    digest = push(cli, files("one"), "shop/site:1").ok().json["digest"]
    there = tmp_path / "dir"
    skopeo("copy", "--src-tls-verify=false", f"docker://{server.address}/shop/site:1", f"dir:{there}")
    assert oci.sha256((there / "manifest.json").read_bytes()) == digest
    skopeo("copy", "--dest-tls-verify=false", f"dir:{there}", f"docker://{server.address}/shop/back:1")
    out = tmp_path / "out"
    cli("artifact", "pull", f"{server.address}/shop/back:1", out, "--unpack").ok()
    assert (out / "site" / "index.html").read_text() == "index.html"


def test_platform_of_an_index(server, cli, tmp_path):
    images = [oci.make_image([{"a": arch}], architecture=arch) for arch in ("amd64", "arm64")]
    oci.push(server, "shop/web", "1", oci.make_index(images))
    out = tmp_path / "out"
    pulled = cli("artifact", "pull", "shop/web:1", out, "--platform", "linux/arm64", "-o", "json").ok()
    assert pulled.json["digest"] == images[1].digest


def test_inspect(server, cli):
    images = [oci.make_image([{"a": arch}], architecture=arch) for arch in ("amd64", "arm64")]
    index = oci.make_index(images)
    oci.push(server, "shop/web", "1.0", index)
    cli("apply", "-f", "-", input="app: shop\ncomponents:\n  web: {repository: shop/web}\n").ok()
    cli("release", "create", "shop", "--version", "v1", "--component", "web=1.0").ok()
    seen = cli("artifact", "inspect", "shop/web:1.0", "-o", "json").ok().json
    assert seen["digest"] == index.digest and seen["tags"] == ["1.0"]
    assert seen["releases"] == [{"app": "shop", "number": 1, "version": "v1"}]
    assert [child["platform"] for child in seen["manifests"]] == ["linux/amd64", "linux/arm64"]
    whole = sum(map(len, index.blobs.values())) + sum(item.size for item in index.manifests())
    assert seen["size_bytes"] == whole
    child = cli("artifact", "inspect", f"shop/web@{images[1].digest}", "-o", "json").ok().json
    assert child["platform"] == "linux/arm64" and child["config"]["digest"] == images[1].config_digest
    assert [layer["digest"] for layer in child["layers"]] == images[1].layer_digests
    text = cli("artifact", "inspect", "shop/web:1.0").ok().stdout
    for word in (index.digest, "shop v1 (#1)", "linux/arm64", images[0].digest):
        assert word in text


def test_copy_within_and_between_registries(server, start_server, cli):
    index = oci.make_index([oci.make_image([{"a": os.urandom(9000)}], architecture=arch)
                            for arch in ("amd64", "arm64")])
    oci.push(server, "shop/web", "1.0", index)
    cli("artifact", "cp", "shop/web:1.0", "shop/live:1.0").ok()
    other = start_server("other")
    cli("artifact", "cp", "shop/live:1.0", f"{other.address}/mirror/web:2").ok()
    for address, name, tag in ((server.address, "shop/live", "1.0"), (other.address, "mirror/web", "2")):
        with oci.Registry(address) as registry:
            assert registry.get_manifest(name, tag) == index.manifest
            for digest, data in index.blobs.items():
                assert registry.get_blob(name, digest) == data
    mounted = server.api("GET", "/ledger?kind=blob.added&limit=100")["events"]
    assert {event["body"].get("from") for event in mounted
            if event["body"]["repository"] == "shop/live"} == {"shop/web"}
    wrong = cli("artifact", "cp", "shop/web:1.0", f"shop/live:3@sha256:{'0' * 64}").exits(6)
    assert "nothing was pushed" in wrong.stderr
    # the pinned digest decides, and comes along
    cli("artifact", "cp", f"shop/web@{index.digest}", f"{other.address}/pinned/web@{index.digest}").ok()


def test_what_refers_to_it_is_copied_too(server, start_server, cli):
    """Of children, in turn, by subject and by the tags of signers; or not at all."""
    child = oci.make_image([{"a": "1"}])
    index = oci.make_index([child])
    sbom = oci.make_artifact([b"of the child"], subject=child)
    signed = oci.make_artifact([b"of the sbom"], subject=sbom)
    cosign, of_sbom = oci.make_artifact([b"of the index"]), oci.make_artifact([b"cosign, of the sbom"])
    stranger = oci.make_artifact([b"of something else"], subject=oci.make_image([{"b": "2"}]))
    tags = {index.digest.replace(":", "-") + ".sig": cosign, sbom.digest.replace(":", "-") + ".att": of_sbom}
    oci.push(server, "shop/web", "1.0", index)
    for tag, what in [(None, sbom), (None, signed), (None, stranger), *tags.items()]:
        oci.push(server, "shop/web", tag, what)
    other = start_server("other")
    for place, port in ("shop/live", server), (f"{other.address}/mirror/web", other):
        copied = cli("-o", "json", "artifact", "cp", "shop/web:1.0", f"{place}:1.0").ok().json
        assert copied["referrers"] == 4 and copied["digest"] == index.digest
        name = place.removeprefix(f"{other.address}/")
        with oci.Registry(port.address) as registry:
            for each in index, sbom, signed, cosign, of_sbom:
                assert registry.get_manifest(name, each.digest) == each.manifest
                for digest, data in each.blobs.items():
                    assert registry.get_blob(name, digest) == data
            for tag, what in tags.items():
                assert registry.get_manifest(name, tag) == what.manifest
            listed = json.loads(registry.request("GET", f"/v2/{name}/referrers/{child.digest}")[2])["manifests"]
            assert [entry["digest"] for entry in listed] == [sbom.digest]
            assert registry.request("HEAD", f"/v2/{name}/manifests/{stranger.digest}")[0] == 404
    alone = f"{other.address}/alone/web"
    text = cli("artifact", "cp", "--no-referrers", "shop/web:1.0", f"{alone}:1.0").ok().stdout
    assert "with 0 that refer to it" in text
    with oci.Registry(other.address) as registry:
        assert registry.get_manifest("alone/web", "1.0") == index.manifest
        for each in sbom, signed, cosign, of_sbom:
            assert registry.request("HEAD", f"/v2/alone/web/manifests/{each.digest}")[0] == 404


def test_damaged_bytes_are_not_copied_on(server, start_server, cli):
    image = oci.make_image([{"a": os.urandom(9000)}])
    oci.push(server, "shop/web", "1.0", image)
    layer = image.layer_digests[0][7:]
    blob = next(server.data.rglob(layer))
    blob.chmod(0o644)
    data = bytearray(blob.read_bytes())
    data[100] ^= 1
    blob.write_bytes(data)
    other = start_server("other")
    assert cli("artifact", "cp", "shop/web:1.0", f"{other.address}/shop/web:1.0").rc != 0
    with oci.Registry(other.address) as registry:
        assert registry.request("HEAD", "/v2/shop/web/manifests/1.0")[0] == 404


@pytest.mark.parametrize("title", ["../evil", "/evil", "a/../../evil", ""])
def test_titles_stay_below_the_directory(server, cli, tmp_path, title):
    oci.push(server, "shop/site", "1", oci.make_artifact([{"a": "1"}], titles=[title or "."]))
    out = tmp_path / "deep" / "out"
    out.mkdir(parents=True)
    refused = cli("artifact", "pull", "shop/site:1", out, "--unpack").exits(2)
    assert "no path below a directory" in refused.stderr
    assert not list(tmp_path.rglob("evil")) and not list(out.iterdir())


def test_image_layers_have_no_titles(server, cli, tmp_path):
    oci.push(server, "shop/web", "1", oci.make_image([{"a": "1"}]))
    assert "has no title" in cli("artifact", "pull", "shop/web:1", tmp_path / "o", "--unpack").exits(2).stderr


def test_what_cannot_be_pushed(server, cli, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("1")
    (tmp_path / "x").write_text("2")
    for paths, says in (([tmp_path / "none"], "none"), ([tmp_path / "fifo"], "neither a file nor"),
                        ([tmp_path], "fifo"), ([tmp_path / "x", tmp_path / "a" / "x"], "different")):
        refused = cli("artifact", "push", "shop/site:1", *paths)
        assert refused.rc != 0 and says in refused.stderr
    cli("artifact", "push", "shop/site:1").exits(2)
    assert server.api("GET", "/ledger?kind=tag.created")["events"] == []


def test_lists(server, cli):
    assert "no repositories yet" in cli("repo", "ls").ok().stdout
    image = oci.make_image([{"a": "1"}])
    for tag in "1.0", "1.1":
        oci.push(server, "shop/web", tag, image)
    index = oci.make_index([image])
    oci.push(server, "shop/web", "all", index)
    oci.push(server, "base/os", None, image)
    assert cli("repo", "ls", "-o", "json").ok().json == {"repositories": [
        {"name": "base/os", "tags": 0}, {"name": "shop/web", "tags": 3}]}
    tags = cli("tag", "ls", "shop/web", "-o", "json").ok().json["tags"]
    assert [(tag["tag"], tag["digest"]) for tag in tags] == [
        ("1.0", image.digest), ("1.1", image.digest), ("all", index.digest)]
    assert tags[0]["size_bytes"] == sum(map(len, image.blobs.values()))
    assert tags[2]["size_bytes"] is None and tags[2]["media_type"] == oci.OCI_INDEX
    assert image.digest in cli("tag", "ls", f"{server.address}/shop/web").ok().stdout
    assert "has no tags" in cli("tag", "ls", "base/os").ok().stdout
    cli("tag", "ls", "no/such").exits(3)
    cli("tag", "ls", "shop/web:1.0").exits(2)


def test_long_lists_come_in_pages(server, cli):
    image = oci.make_image([{"a": "1"}])
    oci.push(server, "shop/web", None, image)
    with oci.Registry(server.address) as registry:
        for i in range(501):
            registry.push_manifest("shop/web", f"t{i:03}", image.manifest, image.media_type)
    assert cli("repo", "ls", "-o", "json").ok().json["repositories"] == [{"name": "shop/web", "tags": 501}]
