"""Signatures by others' tools beside the bytes that they sign: cosign with a key, Notation's libraries with
certificates. Both ask the registry and nobody else."""

import json
import os
import socketserver
import threading

import pytest

from support import oci, tls


@pytest.fixture
def alone():
    """An environment that lets a tool reach nothing but loopback, where no proxy is used; and it tried nothing else."""
    asked = []

    class Proxy(socketserver.BaseRequestHandler):
        def handle(self):
            asked.append(self.request.recv(200))
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.05,)).start()
        url = f"http://127.0.0.1:{proxy.server_address[1]}"
        yield {"HTTP_PROXY": url, "HTTPS_PROXY": url, "NO_PROXY": ""}
        proxy.shutdown()
    assert not asked


@pytest.fixture
def cosign(place, alone):
    """cosign with a key pair in its home, which asks no transparency log and no time stamp authority."""
    tool = place.tool("cosign")
    tool.env |= {"COSIGN_PASSWORD": "", "COSIGN_YES": "true", **alone}
    tool("generate-key-pair")
    (tool.home / "offline.json").write_text(json.dumps(
        {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json", "rekorTlogConfig": {}, "tsaConfig": {}}))
    (tool.home / "nobody.json").write_text(json.dumps(
        {"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}))
    return tool


def pushed(place, tag="1.0"):
    image = oci.make_image([{"a": os.urandom(1000)}], cmd=["/a"])
    with place.registry() as registry:
        registry.push("shop/web", tag, image)
    return image, f"{place.address}/shop/web@{image.digest}"


def referrers(place, digest):
    with place.registry() as registry:
        status, _, data = registry.request("GET", f"/v2/shop/web/referrers/{digest}")
    assert status == 200
    return json.loads(data)["manifests"]


# Without --trusted-root it would ask for one, and go on when nobody answers.
OFFLINE = ("--signing-config", "offline.json", "--trusted-root", "nobody.json", "--allow-http-registry")
VERIFY = ("--key", "cosign.pub", "--insecure-ignore-tlog=true", "--allow-http-registry", "--output", "json")


def test_cosign_bundles_refer_to_what_they_sign(place, cosign):
    image, name = pushed(place)
    other, unsigned = pushed(place, "2.0")
    cosign("sign", "--key", "cosign.key", *OFFLINE, name)
    found = referrers(place, image.digest)
    assert len(found) == 1 and found[0]["artifactType"].startswith("application/vnd.dev.sigstore.bundle")
    cosign("verify", *VERIFY, name)
    assert cosign("verify", *VERIFY, unsigned, check=False).returncode != 0
    assert referrers(place, other.digest) == []


def test_cosign_attests(place, cosign):
    image, name = pushed(place)
    (cosign.home / "predicate.json").write_text('{"checked": true}')
    cosign("attest", "--key", "cosign.key", *OFFLINE, "--type",
           "https://acme.example/checked/v1", "--predicate", "predicate.json", name)
    assert len(referrers(place, image.digest)) == 1
    cosign("verify-attestation", *VERIFY, "--type", "https://acme.example/checked/v1", name)
    assert cosign("verify-attestation", *VERIFY, "--type", "https://acme.example/other/v1", name,
                  check=False).returncode != 0


def test_cosign_signature_tags(place, cosign):
    """The older way, which many still verify: a tag beside, that grows with each signature."""
    image, name = pushed(place)
    old = ("--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false", "--allow-http-registry")
    cosign("sign", "--key", "cosign.key", *old, name)
    tag = image.digest.replace(":", "-") + ".sig"
    with place.registry() as registry:
        first = json.loads(registry.get_manifest("shop/web", tag))
    assert "dev.cosignproject.cosign/signature" in first["layers"][0]["annotations"]
    cosign("verify", *VERIFY, "--new-bundle-format=false", name)
    cosign("generate-key-pair", "--output-key-prefix", "second")
    cosign("sign", "--key", "second.key", *old, name)
    with place.registry() as registry:
        assert len(json.loads(registry.get_manifest("shop/web", tag))["layers"]) == 2
    cosign("verify", *VERIFY, "--new-bundle-format=false", name)


def test_cosign_is_refused_another_key(place, cosign):
    _, name = pushed(place)
    cosign("sign", "--key", "cosign.key", *OFFLINE, name)
    cosign("generate-key-pair", "--output-key-prefix", "second")
    done = cosign("verify", "--key", "second.pub", *VERIFY[2:], name, check=False)
    assert done.returncode != 0 and "signature" in done.stderr


def declare(cli, *keys):
    document = {"app": "shop", "components": {"web": {"repository": "shop/web"}},
                "environments": [{"name": "production", "gates": {"signatures": {"keys": [*keys]}}}]}
    return cli("apply", "-f", "-", input=json.dumps(document))


@pytest.mark.parametrize("place", ["open"], indirect=True)
def test_an_environment_takes_only_what_is_signed_by_its_keys(place, cosign, cli):
    cosign("generate-key-pair", "--output-key-prefix", "second")
    first, second = ((cosign.home / f"{name}.pub").read_text() for name in ("cosign", "second"))
    image, name = pushed(place)
    declare(cli, first).ok()
    cli("release", "create", "shop", "--version", "1.0", "--component", "web=1.0").ok()

    def deploy(rc, *args):
        return cli("deploy", "shop/production", "1.0", *args).exits(rc)

    assert "no signature by a key of this environment: component web" in deploy(5).stderr
    # An attestation by the right key says something else, and another key says nothing here.
    (cosign.home / "predicate.json").write_text('{"scan": "it is full of holes"}')
    cosign("attest", "--key", "cosign.key", *OFFLINE, "--type", "https://acme.example/scan/v1", "--predicate",
           "predicate.json", name)
    assert "attestation of something else" in deploy(5).stderr
    cosign("sign", "--key", "second.key", *OFFLINE, name)
    deploy(5)
    # Nor does a signature of something else that was moved here by hand.
    other, other_name = pushed(place, "2.0")
    cosign("sign", "--key", "cosign.key", *OFFLINE, other_name)
    with place.registry() as registry:
        moved = json.loads(registry.get_manifest("shop/web", referrers(place, other.digest)[0]["digest"]))
        moved["subject"] |= {"digest": image.digest, "size": len(image.manifest)}
        registry.push_manifest("shop/web", "moved", json.dumps(moved).encode(), moved["mediaType"])
    assert len(referrers(place, image.digest)) == 3
    deploy(5)
    cosign("sign", "--key", "cosign.key", *OFFLINE, name)
    assert "signatures open" in deploy(0, "--dry-run").stdout
    deploy(0)
    # The keys of now count, and any of several is enough.
    declare(cli, second, first).ok()
    deploy(0, "--again")
    cosign("generate-key-pair", "--output-key-prefix", "third")
    declare(cli, (cosign.home / "third.pub").read_text()).ok()
    deploy(5, "--again")
    deploy(0, "--again", "--override", "signatures", "--because", "the keys were changed in a hurry")
    assert "no public key" in declare(cli, "-----BEGIN PUBLIC KEY-----").exits(2).stderr


# ---- Notation ----

@pytest.fixture
def notary(place, alone):
    tool = place.tool("notary")
    tool.env |= alone
    return tool


def test_notation_signs_and_verifies(place, notary, authority):
    image, name = pushed(place)
    chain, key = authority.issue_signer()
    for format in "jws", "cose":
        notary("sign", name, key, chain, format)
    assert notary("verify", name, authority.path).stdout.strip() == image.digest
    found = referrers(place, image.digest)
    assert sorted(entry["digest"] for entry in found) == sorted(notary("list", name).stdout.split())
    for entry in found:
        assert entry["artifactType"] == "application/vnd.cncf.notary.signature"
        assert len(json.loads(entry["annotations"]["io.cncf.notary.x509chain.thumbprint#S256"])) == 2
    with place.registry() as registry:
        kinds = [json.loads(registry.get_manifest("shop/web", entry["digest"]))["layers"][0]["mediaType"]
                 for entry in found]
    assert sorted(kinds) == ["application/cose", "application/jose+json"]


def test_notation_is_refused_what_is_not_signed_or_by_strangers(place, notary, authority):
    _, name = pushed(place)
    _, unsigned = pushed(place, "2.0")
    stranger = tls.Authority(place.tmp / "stranger", "stranger")
    done = notary("verify", unsigned, authority.path, check=False)
    assert done.returncode != 0 and "no signature is associated" in done.stderr
    chain, key = stranger.issue_signer()
    notary("sign", name, key, chain, "jws")
    done = notary("verify", name, authority.path, check=False)
    assert done.returncode != 0 and "signature verification failed" in done.stderr
    notary("verify", name, stranger.path)


def test_signatures_go_with_what_they_sign(place, cosign, notary, authority):
    """One copy of an image with all that refers to it, and both verify there."""
    image, name = pushed(place)
    chain, key = authority.issue_signer()
    cosign("sign", "--key", "cosign.key", *OFFLINE, name)
    notary("sign", name, key, chain, "cose")
    copy = f"{place.address}/shop/copy"
    place.tool("oras")("cp", "-r", "--from-plain-http", "--to-plain-http", name, f"{copy}:1.0")
    cosign("verify", *VERIFY, f"{copy}@{image.digest}")
    notary("verify", f"{copy}@{image.digest}", authority.path)
