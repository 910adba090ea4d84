"""Command line clients that need no engine: crane, oras, regctl, umoci with skopeo.

Each comes twice (`place`): without accounts, and with a robot's token that it reads from a Kubernetes pull secret.
"""

import json
import os
import re
import tarfile

import pytest

from support import clients, oci, otherclock
from support.repoint import TOP


def image_of(size=3_000_000):
    return oci.make_image([{"a": os.urandom(size)}, {"b": "2"}], cmd=["/a"])


def many_platforms():
    return oci.make_index([oci.make_image([{"a": arch}], architecture=arch) for arch in ("amd64", "arm64", "riscv64")])


# ---- crane ----

def test_crane(place):
    crane, image = place.tool("crane", "--insecure"), image_of()
    name = f"{place.address}/shop/web"
    crane("push", place.layout(image), f"{name}:1.0")
    place.holds("shop/web", "1.0", image)
    assert crane("digest", f"{name}:1.0").stdout.strip() == image.digest
    assert crane("manifest", f"{name}:1.0", text=False).stdout == image.manifest
    layer = image.layer_digests[0]
    assert crane("blob", f"{name}@{layer}", text=False).stdout == image.blobs[layer]
    crane("tag", f"{name}:1.0", "stable")
    assert crane("ls", name).stdout.split() == ["1.0", "stable"]
    said = crane("copy", "-v", f"{name}:1.0", f"{place.address}/shop/copy:1.0").stderr
    assert said.count("mount=") >= 3 and "PATCH" not in said  # its bytes were mounted, not sent again
    place.holds("shop/copy", "1.0", image)
    crane("validate", "--remote", f"{place.address}/shop/copy:1.0")
    crane("pull", "--format", "oci", f"{name}@{image.digest}", place.tmp / "back")
    for digest, data in {**image.blobs, image.digest: image.manifest}.items():
        assert (place.tmp / "back" / "blobs" / "sha256" / digest[7:]).read_bytes() == data
    crane("delete", f"{name}:stable")
    assert crane("ls", name).stdout.split() == ["1.0"]
    crane("delete", f"{name}@{image.digest}")
    assert place.lacks("shop/web", "1.0") and not place.lacks("shop/copy", "1.0")


def test_crane_index_and_stream(place):
    crane, index = place.tool("crane", "--insecure"), many_platforms()
    name = f"{place.address}/shop/web"
    crane("push", "--index", place.layout(index), f"{name}:layout")
    crane("copy", f"{name}:layout", f"{place.address}/shop/copy:1.0")
    with place.registry() as registry:
        copied = json.loads(registry.get_manifest("shop/copy", "1.0"))
        listed = [entry["digest"] for entry in copied["manifests"]]
        assert listed == [index.digest]  # a layout's own index, of which the pushed one is a part
        assert registry.get_manifest("shop/copy", index.digest) == index.manifest
        for child in index.children:
            assert registry.get_manifest("shop/copy", child.digest) == child.manifest
    with tarfile.open(place.tmp / "more.tar", "w") as tar:
        (place.tmp / "more").write_bytes(os.urandom(2_000_000))
        tar.add(place.tmp / "more", "more")
    crane("append", "--base", f"{name}@{index.children[0].digest}", "--new_layer", place.tmp / "more.tar",
          "--new_tag", f"{name}:more")
    crane("validate", "--remote", f"{name}:more")


def test_crane_without_its_secret(guarded, tmp_path):
    """Nothing, a wrong one, and one that may only read."""
    guarded.push("shop/web", "1.0", image_of(10), guarded.robot("ci", "push:shop/*"))
    crane = clients.Tool(clients.find("crane"), tmp_path, ["--insecure"])
    name = f"{guarded.server.address}/shop/web"
    assert "UNAUTHORIZED" in crane("digest", f"{name}:1.0", check=False).stderr
    crane.secret(guarded.server.address, "reader", "rpt_000000000000_" + "A" * 43)
    assert "UNAUTHORIZED" in crane("manifest", f"{name}:1.0", check=False).stderr
    crane.secret(guarded.server.address, "reader", guarded.robot("reader", "pull:shop/*"))
    crane("manifest", f"{name}:1.0")
    said = crane("tag", f"{name}:1.0", "mine", check=False).stderr
    assert "it lacks push:shop/web" in said and "map[]" not in said


def test_crane_logs_in(guarded, tmp_path):
    crane = clients.Tool(clients.find("crane"), tmp_path, ["--insecure"])
    image = image_of(10)
    guarded.push("shop/web", "1.0", image, guarded.token)
    crane("auth", "login", guarded.server.address, "-u", "ada", "--password-stdin", input="correct horse battery")
    assert crane("digest", f"{guarded.server.address}/shop/web:1.0").stdout.strip() == image.digest


# ---- oras ----

def test_oras(place):
    oras = place.tool("oras")
    name, here = f"{place.address}/shop/files", place.tmp / "files"
    here.mkdir()
    data = {"a.bin": os.urandom(2_000_000), "b.txt": b"two\n"}
    for file, content in data.items():
        (here / file).write_bytes(content)
    pushed = json.loads(oras("push", "--plain-http", "--format", "json", "--artifact-type", "application/vnd.acme.files",
                             f"{name}:1.0,one", "a.bin:application/octet-stream", "b.txt:text/plain", cwd=here).stdout)
    assert oras("repo", "tags", "--plain-http", name).stdout.split() == ["1.0", "one"]
    (here / "sbom.json").write_text('{"sbom": true}')
    oras("attach", "--plain-http", "--artifact-type", "application/vnd.acme.sbom", f"{name}:1.0",
         "sbom.json:application/json", cwd=here)
    seen = json.loads(oras("discover", "--plain-http", "--format", "json", f"{name}:1.0").stdout)
    assert [item["artifactType"] for item in seen["referrers"]] == ["application/vnd.acme.sbom"]
    # with all that refers to it
    oras("cp", "-r", "--from-plain-http", "--to-plain-http", f"{name}:1.0", f"{place.address}/shop/copy:1.0")
    seen = json.loads(oras("discover", "--plain-http", "--format", "json", f"{place.address}/shop/copy:1.0").stdout)
    assert [item["artifactType"] for item in seen["referrers"]] == ["application/vnd.acme.sbom"]
    assert oras("resolve", "--plain-http", f"{place.address}/shop/copy:1.0").stdout.strip() == pushed["digest"]
    oras("pull", "--plain-http", "-o", place.tmp / "back", f"{place.address}/shop/copy:1.0")
    for file, content in data.items():
        assert (place.tmp / "back" / file).read_bytes() == content
    oras("manifest", "delete", "--plain-http", "--force", f"{name}@{pushed['digest']}")
    assert place.lacks("shop/files", "1.0") and place.lacks("shop/files", "one")
    assert not place.lacks("shop/copy", "1.0")


def test_oras_blobs_and_indexes(place):
    oras, images = place.tool("oras"), [oci.make_image([{"a": arch}], architecture=arch) for arch in ("amd64", "arm64")]
    name, blob = f"{place.address}/shop/web", os.urandom(5_000_000)
    (place.tmp / "blob").write_bytes(blob)
    digest = oci.sha256(blob)
    oras("blob", "push", "--plain-http", f"{name}@{digest}", place.tmp / "blob")
    oras("blob", "fetch", "--plain-http", "-o", place.tmp / "again", f"{name}@{digest}")
    assert (place.tmp / "again").read_bytes() == blob
    oras("blob", "delete", "--plain-http", "--force", f"{name}@{digest}")
    assert oras("blob", "fetch", "--plain-http", "-o", place.tmp / "gone", f"{name}@{digest}", check=False).returncode
    with place.registry() as registry:
        for number, image in enumerate(images):
            registry.push("shop/web", f"part-{number}", image)
    oras("manifest", "index", "create", "--plain-http", f"{name}:all", "part-0", "part-1")
    fetched = json.loads(oras("manifest", "fetch", "--plain-http", f"{name}:all").stdout)
    assert [(entry["digest"], entry["platform"]["architecture"]) for entry in fetched["manifests"]] == [
        (image.digest, image.platform["architecture"]) for image in images]
    assert oras("manifest", "fetch", "--plain-http", "--platform", "linux/arm64", f"{name}:all",
                text=False).stdout == images[1].manifest


def test_oras_logs_in(guarded, tmp_path):
    oras, ci = clients.Tool(clients.find("oras"), tmp_path), guarded.robot("ci", "push:shop/*")
    address, image = guarded.server.address, image_of(10)
    guarded.push("shop/web", "1.0", image, ci)
    wrong = oras("login", "--plain-http", "-u", "ci", "--password-stdin", address, input="wrong", check=False)
    assert wrong.returncode != 0 and "password is wrong" in wrong.stderr
    assert "map[" not in wrong.stderr  # an empty detail
    oras("login", "--plain-http", "-u", "ci", "--password-stdin", address, input=ci)
    assert oras("resolve", "--plain-http", f"{address}/shop/web:1.0").stdout.strip() == image.digest
    oras("logout", address)
    assert oras("resolve", "--plain-http", f"{address}/shop/web:1.0", check=False).returncode != 0


def test_oras_and_regctl_warn_of_a_token_that_ends(guarded, tmp_path):
    """In the last tenth of its life, by a ticket and by itself alike; one that never ends is not spoken of."""
    image, address = image_of(10), guarded.server.address
    endless = guarded.robot("ci", "push:shop/*")
    token = guarded.issue("ci", expires_in_s=90 * 86400)
    listed = guarded.server.api("GET", "/tokens", headers={"Authorization": f"Bearer {guarded.token}"})["tokens"]
    ends = next(one["expires_at"] for one in listed if one['token'] in token)
    guarded.push("shop/web", "1.0", image, token)
    oras, regctl = (clients.Tool(clients.find(name), tmp_path) for name in ("oras", "regctl"))
    regctl("registry", "set", address, "--tls", "disabled", "--skip-check")

    def warned(secret):
        oras.secret(address, "ci", secret)
        said = [oras("resolve", "--plain-http", f"{address}/shop/web:1.0").stderr,
                regctl("tag", "ls", f"{address}/shop/web").stderr]
        with oci.Registry(guarded.server.url, token=secret) as registry:
            _, head, _ = registry.request("GET", "/v2/shop/web/manifests/1.0")
        text = f'token {secret.split("_")[1]} of ci ends at {ends}: make another with `repoint token create ci`'
        assert head.get("warning") in (None, f'299 - "{text}"')
        assert [text in one for one in said] == ["warning" in head] * 2, said
        return "warning" in head
    assert not warned(token)
    guarded.server.stop()
    guarded.server.env.update(otherclock.Clock(f"{guarded.server.data}.clock", days=82).env)
    guarded.server.start()
    assert warned(token) and not warned(endless)
    headers = {"Authorization": f"Bearer {token}"}
    assert "warning" not in guarded.server.request("GET", "/api/v1/tokens", headers=headers)[1]


# ---- regctl ----

@pytest.fixture
def regctl(place):
    """It sends what is larger than a megabyte in chunks of half a megabyte."""
    tool = place.tool("regctl")
    tool("registry", "set", place.address, "--tls", "disabled", "--blob-chunk", 524_288, "--blob-max", 1_000_000)
    return tool


def test_regctl(place, regctl):
    index, name = many_platforms(), f"{place.address}/shop/web"
    regctl("image", "copy", f"ocidir://{place.layout(index)}:v", f"{name}:1.0")
    place.holds("shop/web", "1.0", index)
    regctl("artifact", "put", "--artifact-type", "application/vnd.acme.sbom", "--subject", f"{name}:1.0", input="{}")
    listed = json.loads(regctl("artifact", "list", f"{name}:1.0", "--format", "{{json .}}").stdout)
    assert [entry["artifactType"] for entry in listed["descriptors"]] == ["application/vnd.acme.sbom"]
    regctl("image", "copy", "--referrers", f"{name}:1.0", f"{place.address}/shop/copy:1.0")
    place.holds("shop/copy", "1.0", index)
    listed = json.loads(regctl("artifact", "list", f"{place.address}/shop/copy:1.0", "--format", "{{json .}}").stdout)
    assert len(listed["descriptors"]) == 1
    regctl("image", "copy", f"{name}:1.0", f"{name}:stable")
    assert regctl("tag", "ls", name).stdout.split() == ["1.0", "stable"]
    regctl("tag", "delete", f"{name}:stable")
    assert regctl("tag", "ls", name).stdout.split() == ["1.0"]
    regctl("image", "copy", f"{name}:1.0", f"ocidir://{place.tmp}/back:v")
    for item in index.manifests():
        assert (place.tmp / "back" / "blobs" / "sha256" / item.digest[7:]).read_bytes() == item.manifest
    regctl("manifest", "delete", f"{name}@{index.digest}")
    assert place.lacks("shop/web", "1.0")


def test_regctl_sends_in_chunks(place, regctl):
    """More than one PATCH with a Content-Range, or it was no chunked upload."""
    blob = os.urandom(3_000_000)
    (place.tmp / "blob").write_bytes(blob)
    done = regctl("--verbosity", "trace", "blob", "put", f"{place.address}/shop/web",
                  input=(place.tmp / "blob").read_bytes(), text=False)
    digest = done.stdout.decode().strip()
    assert digest == oci.sha256(blob)
    assert done.stderr.count(b"PATCH") >= 3000000 // 524288, done.stderr[-3000:]
    assert regctl("blob", "get", f"{place.address}/shop/web", digest, text=False).stdout == blob
    regctl("blob", "delete", f"{place.address}/shop/web", digest)
    assert regctl("blob", "head", f"{place.address}/shop/web", digest, check=False).returncode != 0


# ---- umoci, by way of skopeo ----

def test_umoci_changes_what_skopeo_brought(place):
    umoci, skopeo, image = place.tool("umoci"), place.tool("skopeo"), image_of(1000)
    name = f"docker://{place.address}/shop/web"
    with place.registry() as registry:
        registry.push("shop/web", "1.0", image)
    layout = place.tmp / "work"
    skopeo("copy", "--src-tls-verify=false", f"{name}:1.0", f"oci:{layout}:1.0")
    umoci("unpack", "--image", f"{layout}:1.0", place.tmp / "bundle")
    (place.tmp / "bundle" / "rootfs" / "new").write_text("new\n")
    umoci("repack", "--image", f"{layout}:1.1", place.tmp / "bundle")
    umoci("config", "--image", f"{layout}:1.1", "--config.label", "org.opencontainers.image.revision=" + "1" * 40)
    skopeo("copy", "--dest-tls-verify=false", f"oci:{layout}:1.1", f"{name}:1.1")
    with place.registry() as registry:
        changed = json.loads(registry.get_manifest("shop/web", "1.1"))
    assert [layer["digest"] for layer in changed["layers"]][:2] == image.layer_digests
    assert len(changed["layers"]) == 3


# ---- the page ----

def test_the_page_names_the_versions_that_are_built():
    page = (TOP / "docs" / "clients.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in page.splitlines() if line.startswith("| ")]
    for name, built in clients.built().items():
        version = built["version"].removeprefix("v")
        if name == "tlog":
            continue  # a judge of the ledger's proofs, no client
        if name == "notary":
            name, version = "notation-go", re.search(r"notation-go v(\S+)", (TOP / "tests/notary/go.mod").read_text())[1]
        name = name.replace("buildkitd", "BuildKit")
        assert built["peer"] or [row for row in rows if name in row[0] and row[1] == version], f"{name} {version}"
