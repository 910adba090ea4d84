"""Policies over ten thousand manifests: no time is measured; what grows faster than their number does not end in time."""

import concurrent.futures
import json

import pytest

from support import oci

MANIFESTS, PUSHERS = 10_000, 16
CHAIN = 2_500  # of what refers to each other, and in the end to something that is held
INDEXES = 500
RULE = {"rulePriority": 1, "action": {"type": "expire"},
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 50}}


def variants(base):
    """(reference, bytes, media type) of each: plain ones, indexes of two of them, and the chain."""
    def plain(number, **more):
        return oci.canonical({**json.loads(base.manifest), "annotations": {"n": str(number)}, **more})

    def pointer(data):
        return {"mediaType": oci.OCI_MANIFEST, "digest": oci.sha256(data), "size": len(data)}

    images = [plain(number) for number in range(MANIFESTS - CHAIN - INDEXES - 1)]
    indexes = [oci.canonical({"schemaVersion": 2, "mediaType": oci.OCI_INDEX, "annotations": {"n": str(number)},
                              "manifests": [pointer(images[2 * number]), pointer(images[2 * number + 1])]})
               for number in range(INDEXES)]
    chain, last = [], pointer(base.manifest)
    for number in range(CHAIN):
        chain.append(plain(f"c{number}", subject=last))
        last = pointer(chain[-1])
    return ([(f"image-{n}", data, oci.OCI_MANIFEST) for n, data in enumerate(images)],
            [(f"index-{n}", data, oci.OCI_INDEX) for n, data in enumerate(indexes)],
            [(oci.sha256(data), data, oci.OCI_MANIFEST) for data in chain])


def push_all(server, items):
    def push(part):
        with oci.Registry(server.address) as registry:
            for reference, data, media_type in part:
                registry.push_manifest("shop/web", reference, data, media_type)

    with concurrent.futures.ThreadPoolExecutor(PUSHERS) as pool:
        for done in [pool.submit(push, items[k::PUSHERS]) for k in range(PUSHERS)]:
            done.result()


@pytest.mark.slow
@pytest.mark.plain
def test_ten_thousand_manifests(server, cli):
    base = oci.make_image([{"file": "base"}])
    oci.push(server, "shop/web", "base", base)
    images, indexes, chain = variants(base)
    for part in images, indexes, chain:
        push_all(server, part)
    cli("retention", "hold", base.digest, "--because", "the chain hangs on it").ok()
    server.api("PUT", "/retention/policies/*", {"rules": [RULE]})
    seen = server.api("GET", "/retention/preview?repository=shop/web")["repositories"][0]
    told = server.api("POST", "/retention/run", {})
    assert told["problems"] == []
    gone = {image["digest"] for image in told["repositories"][0]["goes"]}
    assert gone == {image["digest"] for image in seen["goes"]}, "what was shown is what went"
    # The fifty newest by time of their push are indexes, so all images but theirs went, and all of the chain stayed.
    assert len(gone) == len(images) + len(indexes) - 50 - 100
    assert not gone & {reference for reference, _, _ in chain}
    assert len(server.api("GET", f"/retention/why/{chain[-1][0]}")["held"]) == 1
    cli("ledger", "verify", timeout=300).ok()
