"""Deleting takes a name or a membership away, at once and in one repository, and never what a release needs."""

import json
import threading

import pytest

from support import oci
from support.oci import Registry

APP = """\
app: shop
components: {web: {repository: shop/web}}
environments:
  - {name: staging, targets: [{name: a, component: web}]}
  - {name: production, targets: [{name: a, component: web}]}
"""


@pytest.fixture
def registry(server):
    with Registry(server.address) as connection:
        yield connection


def status_of(registry, method, path):
    return registry.request(method, f"/v2/{path}")[0]


def refusal(registry, path, status, code):
    got, _, body = registry.request("DELETE", f"/v2/{path}")
    error = json.loads(body)["errors"][0]
    assert (got, error["code"]) == (status, code), error
    return error


def kinds(server):
    return [event["kind"] for event in server.api("GET", "/ledger?limit=1000")["events"]
            if event["kind"].endswith(".deleted")]


def image(text):
    return oci.make_image([{"file": text}])


def tags(registry, repository):
    return json.loads(registry.request("GET", f"/v2/{repository}/tags/list")[2])["tags"]


def test_a_tag_is_only_a_name(server, registry):
    one = image("one")
    for tag in "1.0", "latest":
        oci.push(server, "shop/web", tag, one)
    status, head, body = registry.request("DELETE", "/v2/shop/web/manifests/latest")
    assert (status, head["content-length"], body) == (202, "0", b"")
    assert status_of(registry, "HEAD", "shop/web/manifests/latest") == 404
    assert registry.get_manifest("shop/web", "1.0") == one.manifest
    assert registry.get_manifest("shop/web", one.digest) == one.manifest
    refusal(registry, "shop/web/manifests/latest", 404, "MANIFEST_UNKNOWN")
    refusal(registry, "shop/web/manifests/.no-tag", 404, "MANIFEST_UNKNOWN")
    refusal(registry, "shop/none/manifests/latest", 404, "MANIFEST_UNKNOWN")
    oci.push(server, "shop/web", "latest", image("two"))  # the name is free again
    server.api("POST", "/ledger/verify")


def test_all_tags_go_with_a_manifest_and_other_repositories_keep_theirs(server, registry):
    one, two = image("one"), image("two")
    for repository in "shop/web", "shop/copy":
        for tag in "1.0", "latest":
            oci.push(server, repository, tag, one)
        oci.push(server, repository, "2.0", two)
    assert status_of(registry, "DELETE", f"shop/web/manifests/{one.digest}") == 202
    for reference in one.digest, "1.0", "latest":
        assert status_of(registry, "HEAD", f"shop/web/manifests/{reference}") == 404
        assert registry.get_manifest("shop/copy", reference) == one.manifest
    assert tags(registry, "shop/web") == ["2.0"]
    refusal(registry, f"shop/web/manifests/{one.digest}", 404, "MANIFEST_UNKNOWN")
    event = server.api("GET", "/ledger?limit=1000&kind=manifest.deleted")["events"][0]
    assert event["body"] == {"repository": "shop/web", "digest": one.digest, "tags": ["1.0", "latest"]}
    server.api("POST", "/ledger/verify")
    server.api("POST", "/ledger/rebuild")
    assert tags(registry, "shop/web") == ["2.0"]
    oci.push(server, "shop/web", "1.0", one)
    assert registry.get_manifest("shop/web", "1.0") == one.manifest


def test_blobs_go_from_one_repository(server, registry):
    one = image("one")
    for repository in "shop/web", "shop/copy":
        oci.push(server, repository, "1.0", one)
    digest = one.config_digest
    assert status_of(registry, "DELETE", f"shop/web/blobs/{digest}") == 202
    assert status_of(registry, "HEAD", f"shop/web/blobs/{digest}") == 404
    assert status_of(registry, "HEAD", f"shop/copy/blobs/{digest}") == 200
    refusal(registry, f"shop/web/blobs/{digest}", 404, "BLOB_UNKNOWN")
    refusal(registry, "shop/web/blobs/sha256:nonsense", 400, "DIGEST_INVALID")
    # whoever pushes the manifest now is told that a part is missing
    status, _, body = registry.request("PUT", "/v2/shop/web/manifests/1.1", one.manifest,
                                       {"Content-Type": one.media_type})
    assert status == 404 and digest in json.loads(body)["errors"][0]["message"]
    # the bytes are still in the store: the other repository lends them
    status, _, _ = registry.request("POST", f"/v2/shop/web/blobs/uploads/?mount={digest}&from=shop/copy", b"")
    assert status == 201
    assert kinds(server) == ["blob.deleted"]
    server.api("POST", "/ledger/verify")


def test_a_policy_can_deny_it(server, registry):
    one = image("one")
    oci.push(server, "shop/web", "1.0", one)
    server.api("PUT", "/repositories/policies/shop%2F*", {"deletion": "deny"})
    for path in "manifests/1.0", f"manifests/{one.digest}", f"blobs/{one.config_digest}":
        assert "shop/*" in refusal(registry, f"shop/web/{path}", 405, "UNSUPPORTED")["message"]
    assert kinds(server) == []
    assert registry.get_manifest("shop/web", "1.0") == one.manifest


def test_what_a_release_names_is_kept_in_every_repository(server, registry, cli):
    children = [image("amd64"), image("arm64")]
    index = oci.make_index(children)
    other = image("other")
    for repository in "shop/web", "shop/copy":
        oci.push(server, repository, "1.0", index)
        oci.push(server, repository, "2.0", other)
    assert status_of(registry, "DELETE", f"shop/copy/blobs/{other.config_digest}") == 202
    cli("apply", "-f", "-", input=APP).ok()
    cli("release", "create", "shop", "--version", "1.0", "--component", "web=1.0").ok()
    cli("deploy", "shop/staging", "1.0", "--no-wait").ok()
    needed = [f"manifests/{index.digest}"]
    for child in children:
        needed += [f"manifests/{child.digest}", f"blobs/{child.config_digest}"]
        needed += [f"blobs/{layer['digest']}" for layer in child.json["layers"]]
    before = kinds(server)
    for repository in "shop/web", "shop/copy":
        for path in needed:
            error = refusal(registry, f"{repository}/{path}", 405, "DENIED")
            assert "release 1.0 of app shop" in error["message"] and "shop/staging" in error["message"]
            assert error["detail"]["app"] == "shop" and error["detail"]["release"] == "1.0"
            assert error["detail"]["environments"] == ["staging"]
    assert kinds(server) == before
    # a tag is not what a release names, and what no release names can go
    assert status_of(registry, "DELETE", "shop/web/manifests/1.0") == 202
    assert status_of(registry, "DELETE", f"shop/web/manifests/{other.digest}") == 202
    assert json.loads(server.request("GET", "/api/v1/apps/shop/environments/staging/ready")[2])
    server.api("POST", "/ledger/verify")
    # after a restart it is learnt anew
    server.stop()
    server.start()
    with Registry(server.address) as again:
        refusal(again, f"shop/web/{needed[-1]}", 405, "DENIED")


def test_a_release_and_a_deletion_at_once_leave_no_release_without_bytes(server, cli):
    """Whoever comes second is refused."""
    cli("apply", "-f", "-", input=APP).ok()
    images = [image(f"number {n}") for n in range(12)]
    for n, one in enumerate(images):
        oci.push(server, "shop/web", f"v{n}", one)
    deleted = {}

    def delete():
        with Registry(server.address) as link:
            for n, one in enumerate(images):
                deleted[n] = status_of(link, "DELETE", f"shop/web/blobs/{one.config_digest}")

    thread = threading.Thread(target=delete)
    thread.start()
    released = {}
    for n in reversed(range(len(images))):
        released[n] = server.request("POST", "/api/v1/apps/shop/releases", {
            "version": f"v{n}", "components": {"web": f"v{n}"}})[0]
    thread.join()
    for n in range(len(images)):
        assert (deleted[n], released[n]) in ((202, 422), (202, 404), (405, 201)), (n, deleted, released)
    server.api("POST", "/ledger/verify")


def test_nothing_goes_while_it_is_unknown_what_a_release_needs(server, registry, cli):
    released, other = image("released"), image("other")
    oci.push(server, "shop/web", "1.0", released)
    oci.push(server, "shop/web", "2.0", other)
    cli("apply", "-f", "-", input=APP).ok()
    cli("release", "create", "shop", "--version", "1.0", "--component", "web=1.0").ok()
    digits = released.digest.removeprefix("sha256:")
    (server.data / "blobs" / "sha256" / digits[:2] / digits).unlink()
    for path in f"manifests/{other.digest}", f"blobs/{other.config_digest}":
        assert "release 1 of app shop" in refusal(registry, f"shop/web/{path}", 405, "DENIED")["message"]
    registry.push_manifest("shop/web", released.digest, released.manifest, released.media_type)
    assert status_of(registry, "DELETE", f"shop/web/manifests/{other.digest}") == 202


def test_what_is_attached_to_a_release_is_kept_with_it(server, registry, cli):
    """Signatures of an index's child, what refers to them, and all their bytes; what came before or after the release."""
    cli("apply", "-f", "-", input=APP).ok()
    child, lone = image("child"), image("lone")
    index = oci.make_index([child])
    early = oci.make_artifact([b"signature"], subject=child)
    oci.push(server, "shop/web", "1.0", index)
    oci.push(server, "shop/web", None, early)
    cli("release", "create", "shop", "--version", "1.0", "--component", "web=1.0", "--commit", "a" * 40).ok()
    late = oci.make_artifact([b"of the signature"], subject=early)
    other = oci.make_artifact([b"of nothing that is released"], subject=lone)
    for artifact in late, lone, other:
        oci.push(server, "shop/web", None, artifact)
    for kept in early, late:
        for path in [f"manifests/{kept.digest}", *(f"blobs/{digest}" for digest in kept.blobs)]:
            error = refusal(registry, f"shop/web/{path}", 405, "DENIED")
            assert "attached to release 1.0 of app shop (component web)" in error["message"], error
            assert status_of(registry, "HEAD", f"shop/web/{path}") == 200
    for gone in other, lone:
        assert status_of(registry, "DELETE", f"shop/web/manifests/{gone.digest}") == 202


def test_what_an_unreadable_attachment_names_is_kept_with_it(server, registry, cli):
    cli("apply", "-f", "-", input=APP).ok()
    released = image("released")
    signature = oci.make_artifact([b"signature"], subject=released)
    oci.push(server, "shop/web", "1.0", released)
    for repository in "shop/web", "shop/copy":
        oci.push(server, repository, None, signature)
    digits = signature.digest.removeprefix("sha256:")
    path = server.data / "blobs" / "sha256" / digits[:2] / digits
    path.chmod(0o644)
    path.write_bytes(b"rotten")
    cli("release", "create", "shop", "--version", "1.0", "--component", "web=1.0", "--commit", "a" * 40).ok()
    for blob in signature.blobs:
        for repository in "shop/web", "shop/copy":
            error = refusal(registry, f"{repository}/blobs/{blob}", 405, "DENIED")
            assert "attached to release 1.0 of app shop (component web)" in error["message"], error
    registry.push_manifest("shop/copy", signature.digest, signature.manifest, signature.media_type)
    assert registry.get_manifest("shop/web", signature.digest) == signature.manifest


def signers_tag(of, ending=""):
    return of.digest.replace(":", "-") + ending


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_signers_tags_attach_to_a_release_is_kept_with_it(server, registry, cli, when):
    """cosign's tags, and what the index under the fallback tag lists: none of it has a subject that says so."""
    cli("apply", "-f", "-", input=APP).ok()
    child, lone = image("child"), image("lone")
    index = oci.make_index([child])
    signature, sbom, attestation, stray = (oci.make_artifact([text]) for text in (b"sig", b"sbom", b"att", b"stray"))
    listed = oci.make_artifact([b"listed"])
    fallback = oci.make_index([listed])
    of_signature = oci.make_artifact([b"of the signature"])
    for tag, what in ("1.0", index), ("2.0", lone):
        oci.push(server, "shop/web", tag, what)

    def attach():
        for tag, what in ((signers_tag(index, ".sig"), signature), (signers_tag(child, ".sbom"), sbom),
                          (signers_tag(index, ".att"), attestation), (signers_tag(child), fallback),
                          (signers_tag(signature, ".sig"), of_signature), (signers_tag(lone, ".sig"), stray)):
            oci.push(server, "shop/web", tag, what)

    if when == "before":
        attach()
    cli("release", "create", "shop", "--version", "1.0", "--component", "web=1.0", "--commit", "a" * 40).ok()
    if when == "after":
        refusal(registry, f"shop/web/manifests/{child.digest}", 405, "DENIED")  # it has looked by now
        attach()
    for kept in signature, sbom, attestation, listed, fallback, of_signature:
        for path in [f"manifests/{kept.digest}", *(f"blobs/{digest}" for digest in kept.blobs)]:
            error = refusal(registry, f"shop/web/{path}", 405, "DENIED")
            assert "attached to release 1.0 of app shop (component web)" in error["message"], error
    for tag in (signers_tag(index, ".sig"), signers_tag(child), signers_tag(signature, ".sig")):
        error = refusal(registry, f"shop/web/manifests/{tag}", 405, "DENIED")
        assert tag in error["message"] and "attached to release 1.0" in error["message"]
        assert status_of(registry, "HEAD", f"shop/web/manifests/{tag}") == 200
    refusal(registry, f"shop/web/manifests/{signers_tag(lone, '.att')}", 404, "MANIFEST_UNKNOWN")
    for gone in signers_tag(lone, ".sig"), stray.digest, "2.0", lone.digest:
        assert status_of(registry, "DELETE", f"shop/web/manifests/{gone}") == 202
    assert status_of(registry, "DELETE", "shop/web/manifests/1.0") == 202, "any other tag is only a name"
    server.stop()
    server.start()
    with Registry(server.address) as again:
        refusal(again, f"shop/web/manifests/{signature.digest}", 405, "DENIED")
    server.api("POST", "/ledger/verify")
