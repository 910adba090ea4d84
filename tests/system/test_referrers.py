"""What refers to a manifest: filtered, in pages, with what a fallback tag lists; and what goes out of it."""

import hashlib
import json
import re
from urllib.parse import quote

import pytest

from support import oci
from support.oci import Registry

ABSENT = "sha256:" + "0" * 64


@pytest.fixture
def registry(server):
    with Registry(server.address) as connection:
        yield connection


@pytest.fixture
def subject(server):
    image = oci.make_image([{"file": "subject"}])
    oci.push(server, "shop/web", "1.0", image)
    return image


def push_by_digest(registry, what, repository="shop/web"):
    for digest, data in what.blobs.items():
        registry.push_blob(repository, data, digest)
    registry.push_manifest(repository, what.digest, what.manifest, what.media_type)
    return what


def attach(registry, subject, number, artifact_type="application/vnd.test+sbom", annotations=None):
    return push_by_digest(registry, oci.make_artifact([{"n": str(number)}], artifact_type=artifact_type,
                                                      annotations=annotations, subject=subject))


def pages(registry, digest, query=""):
    """Each page's descriptors, following the links."""
    target = f"/v2/shop/web/referrers/{digest}{query}"
    while target:
        status, head, body = registry.request("GET", target)
        index = json.loads(body)
        assert status == 200 and head["content-type"] == oci.OCI_INDEX == index["mediaType"]
        assert ("oci-filters-applied" in head) == ("artifactType" in target)
        yield index["manifests"]
        link = head.get("link")
        assert not link or re.fullmatch(r'<(/v2/[^>]+)>; rel="next"', link)
        target = link and link[1:link.index(">")]


def listed(registry, digest, query=""):
    return [descriptor for page in pages(registry, digest, query) for descriptor in page]


def digests(descriptors):
    return [descriptor["digest"] for descriptor in descriptors]


def test_pages(registry, subject):
    all_of_them = [attach(registry, subject, n, f"application/vnd.test.{n % 2}+json") for n in range(7)]
    got = list(pages(registry, subject.digest, "?n=3"))
    assert [len(page) for page in got] == [3, 3, 1]
    assert digests(sum(got, [])) == [one.digest for one in all_of_them]
    kind = quote("application/vnd.test.1+json", safe="")
    got = list(pages(registry, subject.digest, f"?n=2&artifactType={kind}"))
    assert [len(page) for page in got] == [2, 1]
    assert digests(sum(got, [])) == [one.digest for one in all_of_them[1::2]]
    assert [len(page) for page in pages(registry, subject.digest, "?n=7")] == [7]
    for query in "?n=x", "?after=x":
        assert registry.request("GET", f"/v2/shop/web/referrers/{subject.digest}{query}")[0] == 400


def test_large_annotations_make_short_pages(registry, subject):
    large = [attach(registry, subject, n, annotations={"text": "x" * 1_500_000}) for n in range(5)]
    got = list(pages(registry, subject.digest))
    assert [len(page) for page in got] == [2, 2, 1]
    assert digests(sum(got, [])) == [one.digest for one in large]
    assert all(descriptor["annotations"] == {"text": "x" * 1_500_000} for descriptor in sum(got, []))


def test_artifact_types(registry, subject):
    """Of the manifest, else of its config; an index that has none is listed without."""
    named = attach(registry, subject, 1, "application/vnd.test.named")
    image = push_by_digest(registry, oci.make_image([{"b": "2"}], subject=subject))
    index = oci.make_index([image], subject=subject)
    registry.push_manifest("shop/web", index.digest, index.manifest, index.media_type)
    found = {one["digest"]: one for one in listed(registry, subject.digest)}
    assert found[named.digest]["artifactType"] == "application/vnd.test.named"
    assert found[image.digest]["artifactType"] == image.json["config"]["mediaType"]
    assert "artifactType" not in found[index.digest]
    for one in named, image, index:
        assert (found[one.digest]["size"], found[one.digest]["mediaType"]) == (len(one.manifest), one.media_type)


def test_what_a_fallback_tag_lists_is_there_too(server, registry, subject):
    here = attach(registry, subject, 1)
    bare = push_by_digest(registry, oci.make_artifact([{"s": "1"}], artifact_type="application/vnd.test.bare"))
    index = {"schemaVersion": 2, "mediaType": oci.OCI_INDEX, "manifests": [
        {**bare.descriptor(), "artifactType": "application/vnd.test.bare", "annotations": {"by": "hand"}},
        {**here.descriptor(), "artifactType": "application/vnd.test+sbom"},
        {"mediaType": oci.OCI_MANIFEST, "digest": ABSENT, "size": 7}]}
    server.api("PUT", "/repositories/policies/shop%2Fweb", {"sparse": "allow"})
    registry.push_manifest("shop/web", subject.digest.replace(":", "-"), json.dumps(index).encode(), oci.OCI_INDEX)
    found = listed(registry, subject.digest)
    assert digests(found) == [here.digest, bare.digest], "none twice, and none that is not here"
    assert found[1] == index["manifests"][0]
    assert digests(listed(registry, subject.digest, "?artifactType=application/vnd.test.bare")) == [bare.digest]
    assert digests(listed(registry, subject.digest, "?n=1")) == [here.digest, bare.digest]
    # signers move that tag, in a repository whose tags are immutable too
    index["manifests"] = []
    registry.push_manifest("shop/web", subject.digest.replace(":", "-"), json.dumps(index).encode(), oci.OCI_INDEX)
    assert digests(listed(registry, subject.digest)) == [here.digest]


def test_a_tag_that_is_no_index_lists_nothing(server, registry, subject):
    oci.push(server, "shop/web", subject.digest.replace(":", "-"), oci.make_image([{"x": "y"}]))
    assert listed(registry, subject.digest) == []


def test_a_deleted_referrer_is_gone_and_a_deleted_subject_is_not_needed(registry, subject):
    one, two = attach(registry, subject, 1), attach(registry, subject, 2)
    assert registry.request("DELETE", f"/v2/shop/web/manifests/{one.digest}")[0] == 202
    assert digests(listed(registry, subject.digest)) == [two.digest]
    assert registry.request("DELETE", f"/v2/shop/web/manifests/{subject.digest}")[0] == 202
    assert digests(listed(registry, subject.digest)) == [two.digest]


def test_a_subject_by_sha512(registry, subject):
    digest = "sha512:" + hashlib.sha512(subject.manifest).hexdigest()
    registry.push_manifest("shop/web", digest, subject.manifest, subject.media_type)
    base = oci.make_artifact([{"s": "1"}])
    manifest = json.dumps({**base.json, "subject": {"mediaType": subject.media_type, "digest": digest,
                                                    "size": len(subject.manifest)}}).encode()
    for name, data in base.blobs.items():
        registry.push_blob("shop/web", data, name)
    status, head, _ = registry.request("PUT", "/v2/shop/web/manifests/sbom", manifest, {"Content-Type": base.media_type})
    assert status == 201 and head["oci-subject"] == digest
    assert digests(listed(registry, digest)) == [oci.sha256(manifest)]
    assert listed(registry, subject.digest) == []
