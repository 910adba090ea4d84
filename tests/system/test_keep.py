"""Keeping what another registry has: all of it, verified, whatever happens on the way, and for when it is gone there."""

import json
import os

import pytest

from support import oci, upstream

APP = "app: shop\ncomponents:\n  web: {repository: shop/web}\nenvironments:\n  - {name: production}\n"


@pytest.fixture
def there(docker_registry):
    """Debian's docker-registry: no referrers API."""
    return docker_registry()


@pytest.fixture
def flaky(there, started):
    proxy = upstream.Flaky(there.address)
    started.append(proxy)
    return proxy


def has(server, repository, image):
    with oci.Registry(server.address) as registry:
        for item in image.manifests():
            assert registry.get_manifest(repository, item.digest) == item.manifest
        for digest, data in image.blobs.items():
            assert registry.get_blob(repository, digest) == data


def lacks(server, repository, image):
    with oci.Registry(server.address) as registry:
        assert registry.request("GET", f"/v2/{repository}/manifests/{image.digest}")[0] == 404


def delete(registry, repository, image):
    with oci.Registry(registry.address) as link:
        for item in image.manifests():
            link.expect("delete", (202,), "DELETE", f"/v2/{repository}/manifests/{item.digest}")
        for digest in image.blobs:
            link.expect("delete", (202,), "DELETE", f"/v2/{repository}/blobs/{digest}")


def big(size=3_000_000):
    return oci.make_image([{"data": os.urandom(size)}, {"b": os.urandom(1000)}])


def test_keep_copies_all_by_digest_and_remembers(server, cli, there):
    index = oci.make_index([oci.make_image([{"a": arch}], architecture=arch) for arch in ("amd64", "arm64")])
    oci.push(there.address, "shop/web", "1.0", index)
    first = cli("keep", f"{there.address}/shop/web:1.0", "-o", "json").ok()
    kept = first.json
    assert index.digest in first.stderr, "the digest that the tag means is said"
    assert kept["digest"] == index.digest and kept["repository"] == "shop/web" and kept["recorded"]
    assert kept["upstream"] == {"registry": there.address, "repository": "shop/web", "tag": "1.0"}
    has(server, "shop/web", index)
    again = cli("keep", f"{there.address}/shop/web@{index.digest}", "-o", "json").ok().json
    assert again["recorded"] is False, "known already: nothing is recorded"
    origins = server.api("GET", f"/origins?digest={index.digest}")["origins"]
    assert len(origins) == 1 and origins[0]["actor"].startswith("tester") and origins[0]["upstream"]["tag"] == "1.0"
    events = [event["kind"] for event in server.api("GET", "/ledger?limit=1000")["events"]]
    assert events.count("artifact.kept") == 1
    cli("ledger", "verify", "--tables").ok()
    cli("ledger", "rebuild").ok()
    assert server.api("GET", "/origins")["origins"] == origins
    cli("keep", f"{there.address}/shop/web:1.0", "--as", "mirror/web:stable").ok()
    with oci.Registry(server.address) as registry:
        assert registry.get_manifest("mirror/web", "stable") == index.manifest


def test_keep_takes_what_refers_to_it(server, cli, there, start_server):
    """By the fallback tag, by cosign's tags and (from another repoint) by the API; of children, and in turn."""
    image = oci.make_image([{"a": "1"}], architecture="amd64")
    index = oci.make_index([image, oci.make_image([{"a": "2"}], architecture="arm64")])
    sbom = oci.make_artifact([{"sbom": "of the child"}], artifact_type="application/x.sbom", subject=image)
    signed = oci.make_artifact([{"sig": "of the sbom"}], artifact_type="application/x.sig", subject=sbom)
    cosign = oci.make_artifact([{"sig": "of the index"}], artifact_type="application/x.cosign")

    def fallback(subject, referrer):
        raw = oci.canonical({"schemaVersion": 2, "mediaType": oci.OCI_INDEX,
                             "manifests": [{**referrer.descriptor(), "artifactType": "application/x"}]})
        with oci.Registry(there.address) as link:
            link.push_manifest("shop/web", subject.digest.replace(":", "-"), raw, oci.OCI_INDEX)

    second = start_server("second")
    for place in there.address, second.address:
        oci.push(place, "shop/web", "1.0", index)
        oci.push(place, "shop/web", None, sbom)
        oci.push(place, "shop/web", None, signed)
        oci.push(place, "shop/web", index.digest.replace(":", "-") + ".sig", cosign)
    fallback(image, sbom)
    fallback(sbom, signed)
    for number, place in enumerate((there.address, second.address)):
        name = f"kept{number}/web"
        kept = cli("keep", f"{place}/shop/web:1.0", "--as", name, "-o", "json").ok().json
        assert kept["referrers"] == 3 and kept["warnings"] == []
        for each in index, sbom, signed, cosign:
            has(server, name, each)
        with oci.Registry(server.address) as registry:
            assert registry.get_manifest(name, index.digest.replace(":", "-") + ".sig") == cosign.manifest
            found = json.loads(registry.request("GET", f"/v2/{name}/referrers/{image.digest}")[2])
            assert [entry["digest"] for entry in found["manifests"]] == [sbom.digest]


def release(cli, reference, *args, rc=0):
    return cli("release", "create", "shop", "--component", f"web={reference}", *args, "-o", "json").exits(rc)


def test_R07_upstream_deleted_the_image(server, cli, there, tmp_path):
    """A release of another registry's image: kept when it is made, so that upstream is not needed any more."""
    (tmp_path / "repoint.yaml").write_text(APP)
    cli("apply", "-f", "repoint.yaml").ok()
    old, new = big(), big(1000)
    oci.push(there.address, "team/frontend", "1.0", old)
    oci.push(there.address, "team/frontend", "1.1", new)
    made = release(cli, f"{there.address}/team/frontend:1.0", "--version", "1.0").json
    assert made["components"][0]["digest"] == old.digest and made["components"][0]["repository"] == "shop/web"
    release(cli, f"{there.address}/team/frontend:1.1", "--version", "1.1")
    cli("kept", "--check").ok()
    delete(there, "team/frontend", old)
    gone = cli("kept", "--check", "-o", "json").exits(1)
    state = {origin["digest"]: origin["upstream_has"] for origin in gone.json["origins"]}
    assert state == {old.digest: False, new.digest: True} and "rollbacks do not need" in gone.stderr
    there.stop()
    has(server, "shop/web", old)
    cli("deploy", "shop/production", "1.1").ok()
    cli("deploy", "shop/production", "1.0").ok()
    down = cli("kept", "--check").exits(1)
    assert "127.0.0.1" in down.stdout + down.stderr
    refused = release(cli, f"{there.address}/team/frontend:1.2", "--version", "1.2", rc=7)
    assert there.address in refused.stderr
    assert len(server.api("GET", "/apps/shop/releases")["releases"]) == 2


def test_an_unknown_component_is_refused_before_anything_is_copied(server, cli, there, tmp_path):
    (tmp_path / "repoint.yaml").write_text(APP)
    cli("apply", "-f", "repoint.yaml").ok()
    image = big(1000)
    oci.push(there.address, "team/frontend", "1.0", image)
    done = cli("release", "create", "shop", "--component", f"wbe={there.address}/team/frontend:1.0").exits(2)
    assert "no such component" in done.stderr
    lacks(server, "team/frontend", image)
    lacks(server, "shop/web", image)


def test_R07_a_download_that_breaks_off_goes_on(server, cli, there, flaky):
    image = big()
    layer = image.layer_digests[0]
    oci.push(there.address, "shop/web", "1.0", image)
    flaky.fault("reset", layer, 3)
    flaky.fault(429, "/blobs/", 2)
    flaky.fault(503, "/manifests/", 1)
    cli("keep", f"{flaky.address}/shop/web:1.0").ok()
    has(server, "shop/web", image)
    ranges = [wanted for method, path, wanted in flaky.seen if layer in path and method == "GET" and wanted]
    assert ranges and all(wanted != "bytes=0-" for wanted in ranges), "it went on where it stopped"
    before = len(flaky.seen)
    cli("keep", f"{flaky.address}/shop/web:1.0").ok()
    assert not [path for _, path, _ in flaky.seen[before:] if "/blobs/" in path], "what is here is not fetched again"


@pytest.mark.parametrize("what", ["wrong", "truncate"])
@pytest.mark.parametrize("part", ["layer", "manifest"])
def test_wrong_bytes_are_never_kept(server, cli, there, flaky, what, part):
    image = big(200_000)
    oci.push(there.address, "shop/web", "1.0", image)
    flaky.fault(what, image.layer_digests[0] if part == "layer" else "/manifests/", 99)
    done = cli("keep", f"{flaky.address}/shop/web@{image.digest}")
    assert done.rc in (6, 2), done.stderr
    lacks(server, "shop/web", image)
    assert server.api("GET", "/origins")["origins"] == []
    with oci.Registry(server.address) as registry:
        assert not registry.has_blob("shop/web", image.layer_digests[0]) or part == "manifest"
    flaky.faults.clear()
    cli("keep", f"{flaky.address}/shop/web@{image.digest}").ok()
    has(server, "shop/web", image)


def test_R21_credentials_that_expired_are_found_before_the_day(server, cli, docker_registry, tmp_path):
    there = docker_registry(("ada", "right"), name="locked")
    image = big(1000)
    oci.push(server, "start/web", "1", image)

    def with_password(word):
        return {"REGISTRY_AUTH_FILE": upstream.auth_file(tmp_path / "auth.json", **{there.address: ("ada", word)})}

    cli("artifact", "cp", "start/web:1", f"{there.address}/shop/web:1.0", env=with_password("right")).ok()
    cli("keep", f"{there.address}/shop/web:1.0", env=with_password("right")).ok()
    cli("kept", "--check", env=with_password("right")).ok()
    expired = cli("kept", "--check", "-o", "json", env=with_password("old")).exits(1)
    origin = expired.json["origins"][0]
    assert origin["upstream_has"] is False and "refused the credentials of ada" in origin["problem"]
    has(server, "shop/web", image)


def test_foreign_layers_stay_where_they_are(server, cli, start_server):
    second = start_server("second")
    image = big(1000)
    manifest = image.json
    manifest["layers"].append({"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                               "digest": oci.sha256(b"elsewhere"), "size": 9, "urls": ["http://127.0.0.1:1/x"]})
    raw = oci.canonical(manifest)
    with oci.Registry(second.address) as registry:
        registry.push("shop/web", None, image)
        registry.push_manifest("shop/web", "1.0", raw, oci.OCI_MANIFEST)
    kept = cli("keep", f"{second.address}/shop/web:1.0", "-o", "json").ok().json
    assert kept["digest"] == oci.sha256(raw)
    with oci.Registry(server.address) as registry:
        assert registry.get_manifest("shop/web", kept["digest"]) == raw
        assert not registry.has_blob("shop/web", oci.sha256(b"elsewhere"))


def test_schema_1_is_refused_with_the_reason(server, cli, flaky):
    raw = oci.canonical({"schemaVersion": 1, "name": "old/web", "tag": "1", "fsLayers": [], "history": []})
    flaky.fault(("application/vnd.docker.distribution.manifest.v1+prettyjws", raw), "/manifests/", 9)
    done = cli("keep", f"{flaky.address}/old/web@{oci.sha256(raw)}")
    assert done.rc == 2 and "schemaVersion" in done.stderr, done.stderr
    assert server.api("GET", "/origins")["origins"] == []


def test_only_what_another_registry_has_is_kept(server, cli, versions):
    versions(1)
    done = cli("keep", "shop/web:1.0").exits(2)
    assert "on this server already" in done.stderr


def test_origins_are_checked_and_need_push(guarded):
    image = big(1000)
    guarded.push("shop/web", "1.0", image, guarded.token)
    body = {"digest": image.digest,
            "upstream": {"registry": "ghcr.example", "repository": "shop/web", "tag": "1.0"}}
    pusher, reader = guarded.robot("ci", "push:shop/**"), guarded.robot("reader", "pull:other/**")

    def post(token, **changes):
        changed = {**body, **changes}
        return guarded.server.request("POST", "/api/v1/origins/shop%2Fweb", changed, {"Authorization": f"Bearer {token}"})

    assert post(reader)[0] == 403
    assert post(pusher)[0] == 201 and post(pusher)[0] == 200
    assert post(pusher, digest=oci.sha256(b"other"))[0] == 404
    for upstream_ in {"registry": "a b", "repository": "x"}, {"registry": "", "repository": "x"}, \
            {"registry": "ghcr.example", "repository": "../x"}, {"repository": "x"}, "ghcr.example/x", \
            {"registry": "ghcr.example", "repository": "x", "tag": "no tag"}:
        assert post(pusher, upstream=upstream_)[0] == 400, upstream_

    def seen(token):
        answer = guarded.server.api("GET", "/origins", headers={"Authorization": f"Bearer {token}"})
        return len(answer["origins"])

    assert (seen(pusher), seen(reader), seen(guarded.token)) == (1, 0, 1)
