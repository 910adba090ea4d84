"""Releases know where their bytes came from, by what the bytes themselves and what refers to them say."""

import base64
import json

from support import oci

COMMIT = "8ce6f7b4c1b9d3f5a7e0c2b4d6f8091a3b5c7d9e"
OTHER = "1" * 40
SOURCE = "https://github.com/acme/shop.git"
IN_TOTO = "application/vnd.in-toto+json"
DSSE = "application/vnd.dsse.envelope.v1+json"
REVISION = "org.opencontainers.image.revision"

SHOP = """\
app: shop
components:
  web: {repository: shop/web}
environments:
  - name: production
    targets: [{name: web-1, component: web}]
"""


def statement(image, commit, version="v1"):
    """What BuildKit writes for a build from a Git context."""
    source = {"uri": f"{SOURCE}#refs/heads/main", "digest": {"sha1": commit}}
    if version == "v1":
        predicate = {
            "buildDefinition": {
                "buildType": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
                "externalParameters": {"configSource": {**source, "path": "Dockerfile"},
                                       "request": {"frontend": "dockerfile.v0"}},
                "internalParameters": {"builderPlatform": "linux/amd64"},
                "resolvedDependencies": [source]},
            "runDetails": {"builder": {"id": ""},
                           "metadata": {"invocationID": "abc", "finishedOn": "2026-03-01T10:02:30Z"}}}
    else:
        predicate = {"builder": {"id": ""}, "buildType": "https://mobyproject.org/buildkit@v1",
                     "materials": [source],
                     "invocation": {"configSource": {**source, "entryPoint": "Dockerfile"}},
                     "metadata": {"buildInvocationID": "abc"}}
    return {"_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": f"https://slsa.dev/provenance/{version}",
            "subject": [{"name": "pkg:docker/shop/web@1", "digest": {"sha256": image.digest[7:]}}],
            "predicate": predicate}


def attestation(image, document, *, artifact=True, layer_type=IN_TOTO):
    """BuildKit's attestation manifest about `image`; `artifact`: its newer form, with a subject."""
    layer = oci.canonical(document)
    config = b"{}" if artifact else oci.canonical({"architecture": "unknown", "os": "unknown",
                                                   "config": {}, "rootfs": {"type": "layers"}})
    manifest = {
        "schemaVersion": 2, "mediaType": oci.OCI_MANIFEST,
        "config": {"mediaType": oci.OCI_EMPTY if artifact else oci.OCI_CONFIG,
                   "digest": oci.sha256(config), "size": len(config)},
        "layers": [{"mediaType": layer_type, "digest": oci.sha256(layer), "size": len(layer),
                    "annotations": {"in-toto.io/predicate-type":
                                    document.get("predicateType", "https://slsa.dev/provenance/v1")}}]}
    if artifact:
        manifest["artifactType"] = "application/vnd.docker.attestation.manifest.v1+json"
        manifest["subject"] = image.descriptor()
    raw = oci.canonical(manifest)
    return oci.Image(oci.sha256(raw), oci.OCI_MANIFEST, raw,
                     {oci.sha256(layer): layer, oci.sha256(config): config})


def attested_index(pairs):
    """An index of images, each with its attestation beside it. `pairs`: (image, attestation)."""
    entries, blobs, children = [], {}, []
    for image, proof in pairs:
        entries.append(image.descriptor())
        children.append(image)
        blobs.update(image.blobs)
    for image, proof in pairs:
        entries.append({**proof.descriptor(), "platform": {"architecture": "unknown", "os": "unknown"},
                        "annotations": {"vnd.docker.reference.type": "attestation-manifest",
                                        "vnd.docker.reference.digest": image.digest}})
        children.append(proof)
        blobs.update(proof.blobs)
    raw = oci.canonical({"schemaVersion": 2, "mediaType": oci.OCI_INDEX, "manifests": entries})
    return oci.Image(oci.sha256(raw), oci.OCI_INDEX, raw, blobs, children=children)


def web(content, **kwargs):
    return oci.make_image([{"app/version": content}], **kwargs)


def create(server, cli, tag, image, *args, rc=0):
    cli("apply", "-f", "-", input=SHOP).ok()
    oci.push(server, "shop/web", tag, image)
    return cli("release", "create", "shop", "--component", f"web={tag}", "-o", "json", *args).exits(rc)


def said(release, field="commit"):
    return {one["source"]: one for one in release["provenance"] if one["field"] == field}


def test_commit_from_buildkit_attestations(server, cli):
    amd64, arm64 = web("1", architecture="amd64"), web("1", architecture="arm64")
    old = attestation(amd64, statement(amd64, COMMIT, "v0.2"), artifact=False)
    new = attestation(arm64, statement(arm64, COMMIT))
    made = create(server, cli, "1.0", attested_index([(amd64, old), (arm64, new)]))
    release = made.json
    assert release["source"]["commit"] == COMMIT
    assert release["source"]["repository"] == SOURCE
    assert release["version"] == COMMIT[:7]
    assert release["disagreements"] == [] and "warning" not in made.stderr
    commits = said(release)
    assert set(commits) == {"slsa-v0.2/configSource", "slsa-v0.2/materials", "slsa-v1/configSource",
                            "slsa-v1/resolvedDependencies"}
    document = commits["slsa-v1/configSource"]
    assert document["digest"] in new.blobs
    assert (document["attached"], document["signed"], document["trust"]) == ("index", "unsigned", 1)
    assert said(release, "created")["slsa-v1/finished"]["value"] == "2026-03-01T10:02:30Z"

    # built once per (app, commit), now that the commit is known
    again = web("2", architecture="amd64")
    proof = attestation(again, statement(again, COMMIT))
    refused = create(server, cli, "2.0", attested_index([(again, proof)]), rc=4)
    assert "read from the artifacts" in refused.stderr

    text = cli("release", "show", "shop", COMMIT[:7]).ok().stdout
    assert f"commit {COMMIT} by slsa-v1/configSource of web, unsigned" in text
    item = plan_item(server, COMMIT[:7])
    assert item["state"] == "restored" and COMMIT in item["reason"] and "unsigned" in item["reason"]
    cli("ledger", "rebuild").ok()
    assert server.api("GET", f"/apps/shop/releases/{COMMIT[:7]}") == release


def plan_item(server, ref):
    plan = server.api("POST", "/apps/shop/environments/production/plan",
                      {"kind": "deploy", "release": ref})
    return next(item for item in plan["items"] if item["subject"] == "provenance")


def test_contradicting_commit_is_recorded_and_shown(server, cli):
    image = web("1")
    proof = attestation(image, statement(image, COMMIT))
    made = create(server, cli, "1.0", attested_index([(image, proof)]), "--commit", OTHER)
    assert made.json["source"]["commit"] == OTHER
    assert f"warning: the commit {OTHER} was given, but that of component web is {COMMIT}" in made.stderr
    assert said(made.json)["caller"]["value"] == OTHER
    shown = cli("release", "show", "shop", OTHER).ok().stdout
    assert "disputed" in shown and COMMIT in shown
    item = plan_item(server, OTHER)
    assert item["state"] == "unknown" and OTHER in item["reason"] and COMMIT in item["reason"]


def test_disagreeing_sources_leave_the_commit_unknown(server, cli):
    image = web("1", labels={REVISION: OTHER}, annotations={REVISION: COMMIT})
    made = create(server, cli, "1.0", image)
    assert made.json["source"]["commit"] is None and made.json["version"] == "r1"
    assert len(made.json["disagreements"]) == 1
    assert f"annotation/{REVISION}" in made.json["disagreements"][0]
    assert f"label/{REVISION}" in made.json["disagreements"][0]
    # and the same again is the same release
    assert create(server, cli, "1.0", image).json["number"] == made.json["number"]


def test_labels_of_a_plain_image(server, cli):
    made = create(server, cli, "1.0", web("1", labels={
        REVISION: COMMIT, "org.opencontainers.image.source": "https://robot:hunter2@git.example/shop"}))
    assert made.json["source"]["commit"] == COMMIT
    assert made.json["source"]["repository"] == "https://git.example/shop"
    assert "hunter2" not in json.dumps(server.api("GET", "/ledger?limit=100"))


def test_nothing_is_known_of_a_bare_image(server, cli):
    made = create(server, cli, "1.0", web("1"), "--version", "1")
    assert made.json["provenance"] == [] and made.json["source"]["commit"] is None
    item = plan_item(server, "1")
    assert item["state"] == "unknown" and "component web" in item["reason"] and item["way_out"]


def test_referrer_in_an_envelope_is_unverified(server, cli):
    image = web("1")
    payload = base64.b64encode(oci.canonical(statement(image, COMMIT))).decode()
    envelope = {"payloadType": IN_TOTO, "payload": payload, "signatures": [{"sig": "c2ln"}]}
    oci.push(server, "shop/web", None, image)
    oci.push(server, "shop/web", None, attestation(image, envelope, layer_type=DSSE))
    made = create(server, cli, "1.0", image)
    commit = said(made.json)["slsa-v1/configSource"]
    assert (commit["attached"], commit["signed"]) == ("referrer", "unverified")
    assert made.json["source"]["commit"] == COMMIT
    assert "signature unverified" in cli("release", "show", "shop", COMMIT).ok().stdout


def test_statement_about_another_image_says_nothing(server, cli):
    image, other = web("1"), web("2")
    proof = attestation(image, statement(other, COMMIT))
    made = create(server, cli, "1.0", attested_index([(image, proof)]))
    assert made.json["source"]["commit"] is None and made.json["provenance"] == []
    assert len(made.json["disagreements"]) == 1
    assert other.digest[7:] in made.json["disagreements"][0]
    assert "is not used" in made.stderr


def test_components_from_different_commits(server, cli):
    cli("apply", "-f", "-", input="app: shop\ncomponents:\n  web: {repository: shop/web}\n"
                                  "  worker: {repository: shop/worker}\n").ok()
    oci.push(server, "shop/web", "1", web("web", labels={REVISION: COMMIT}))
    oci.push(server, "shop/worker", "1", web("worker", labels={REVISION: OTHER}))
    made = cli("release", "create", "shop", "--component", "web=1", "--component", "worker=1",
               "-o", "json").ok()
    assert made.json["source"]["commit"] is None
    assert made.stderr.startswith("warning: the commit of component web is ")


def test_build_takes_warnings_along(server, cli, tmp_path):
    cli("apply", "-f", "-", input=SHOP).ok()
    oci.push(server, "shop/web", "1.0", web("1", labels={REVISION: COMMIT}))
    built = cli("build", "shop", "--commit", OTHER, "--version", "1.0", "--", "true").ok()
    assert f"warning: the commit {OTHER} was given" in built.stderr
