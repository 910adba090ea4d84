"""What a repository allows is set by pattern, recorded, and holds from the next request on."""

import json
from urllib.parse import quote

import pytest

from support import oci
from support.oci import Registry

HEX = "0123456789abcdef" * 4
POLICIES = "/repositories/policies"


@pytest.fixture
def registry(server):
    with Registry(server.address) as connection:
        yield connection


def configure(server, pattern, expect=200, **fields):
    return server.api("PUT", f"{POLICIES}/{quote(pattern, safe='')}", fields, expect=expect)


def effective(server, repository):
    return server.api("GET", f"{POLICIES}?repository={quote(repository)}")["policy"]


def events(server, prefix):
    return server.api("GET", f"/ledger?limit=1000&kind={prefix}")["events"]


def image(text):
    return oci.make_image([{"file": text}])


def put_tag(registry, repository, tag, what):
    """The status and body of pushing the manifest under a tag; its parts are there already."""
    status, _, body = registry.request("PUT", f"/v2/{repository}/manifests/{tag}", what.manifest,
                                       {"Content-Type": what.media_type})
    return status, body


def two_images(server, repository):
    pair = image("one"), image("two")
    for number, one in enumerate(pair):
        oci.push(server, repository, f"part-{number}", one)
    return pair


def test_default_policy(server):
    assert effective(server, "shop/web") == {
        "pattern": None, "tag_mutability": "IMMUTABLE", "exclusions": [], "sparse": "deny",
        "deletion": "allow", "burnt_tags": "off", "quota_bytes": None}
    assert server.api("GET", POLICIES) == {"policies": [], "quotas": []}


MODES = [  # mode, exclusions, tags that move, tags that stay
    ("IMMUTABLE", [], [], ["1.0", "latest"]),
    ("MUTABLE", [], ["1.0", "latest"], []),
    ("IMMUTABLE_WITH_EXCLUSION", ["latest", "dev-*"], ["latest", "dev-", "dev-7"], ["latest2", "xdev-1", "1.0"]),
    ("MUTABLE_WITH_EXCLUSION", ["v*.*", "*-final"], ["latest", "v1"], ["v1.0", "v.", "a-final"]),
]


@pytest.mark.parametrize("mode, exclusions, moving, fixed", MODES, ids=[mode[0] for mode in MODES])
def test_tags_move_where_the_policy_says_so(server, registry, mode, exclusions, moving, fixed):
    configure(server, "shop/*", tag_mutability=mode, exclusions=exclusions)
    one, two = two_images(server, "shop/web")
    signatures = [f"sha256-{HEX}{ending}" for ending in ("", ".sig", ".att", ".sbom")]
    for tag in moving + fixed + signatures + [f"sha256-{HEX}.txt"]:
        assert put_tag(registry, "shop/web", tag, one)[0] == 201
        assert put_tag(registry, "shop/web", tag, one)[0] == 201, "the same again is no change"
    for tag in moving + signatures:
        assert put_tag(registry, "shop/web", tag, two)[0] == 201, tag
        assert registry.get_manifest("shop/web", tag) == two.manifest
    for tag in fixed:
        status, body = put_tag(registry, "shop/web", tag, two)
        assert status == 403 and json.loads(body)["errors"][0]["code"] == "DENIED", tag
        assert one.digest in json.loads(body)["errors"][0]["message"]
        assert json.loads(body)["errors"][0]["detail"] == {"tag": tag, "existing": one.digest, "pushed": two.digest}
        assert registry.get_manifest("shop/web", tag) == one.manifest
    # what was left can still be pulled, and the ledger knows all that a tag ever named
    assert registry.get_manifest("shop/web", one.digest) == one.manifest
    moved = [event["body"] for event in events(server, "tag.moved")]
    assert moved == [{"repository": "shop/web", "tag": tag, "from": one.digest, "digest": two.digest}
                     for tag in moving + signatures]
    server.api("POST", "/ledger/verify")


def test_the_most_particular_pattern_counts(server):
    for pattern in "*", "shop/*", "shop/web", "*/web", "shop/w*", "shop/*w":
        configure(server, pattern, sparse="allow")
    for repository, wanted in (("shop/web", "shop/web"), ("shop/worker", "shop/w*"), ("a/web", "*/web"),
                               ("shop/a/b", "shop/*"), ("shop", "*"), ("shop/how", "shop/*w")):
        assert effective(server, repository)["pattern"] == wanted
    assert [policy["pattern"] for policy in server.api("GET", POLICIES)["policies"]] == [
        "*", "*/web", "shop/*", "shop/*w", "shop/w*", "shop/web"]


def test_a_change_keeps_the_rest_and_the_same_is_not_recorded(server):
    configure(server, "shop/*", tag_mutability="IMMUTABLE_WITH_EXCLUSION", exclusions=["latest"])
    whole = configure(server, "shop/*", deletion="deny", burnt_tags="on")
    assert whole == {"pattern": "shop/*", "tag_mutability": "IMMUTABLE_WITH_EXCLUSION",
                     "exclusions": ["latest"], "sparse": "deny", "deletion": "deny", "burnt_tags": "on",
                     "quota_bytes": None}
    assert configure(server, "shop/*", burnt_tags="on") == whole
    assert [event["body"] for event in events(server, "repository.configured")][-1] == whole
    assert len(events(server, "repository.configured")) == 2
    assert configure(server, "shop/*", tag_mutability="MUTABLE")["exclusions"] == []
    server.api("POST", "/ledger/rebuild")
    assert effective(server, "shop/web")["deletion"] == "deny"
    assert server.request("DELETE", f"/api/v1{POLICIES}/shop%2F*")[0] == 204
    assert effective(server, "shop/web")["deletion"] == "allow"
    server.api("DELETE", f"{POLICIES}/shop%2F*", expect=404)
    server.api("POST", "/ledger/verify")


@pytest.mark.parametrize("pattern, fields, says", [
    ("shop/*", {"tag_mutability": "mutable"}, "tag_mutability"),
    ("shop/*", {"tag_mutability": "IMMUTABLE_WITH_EXCLUSION"}, "1 to 5"),
    ("shop/*", {"tag_mutability": "IMMUTABLE_WITH_EXCLUSION", "exclusions": list("abcdef")}, "at most 5"),
    ("shop/*", {"tag_mutability": "IMMUTABLE_WITH_EXCLUSION", "exclusions": ["a?"]}, "exclusion"),
    ("shop/*", {"tag_mutability": "IMMUTABLE_WITH_EXCLUSION", "exclusions": ["a" * 129]}, "1 to 128"),
    ("shop/*", {"exclusions": ["a"]}, "WITH_EXCLUSION"),
    ("shop/*", {"sparse": "yes"}, "sparse"),
    ("shop/*", {"deletion": True}, "deletion"),
    ("shop/*", {"colour": "red"}, "colour"),
    ("Shop/?", {"sparse": "allow"}, "pattern"),
    ("a" * 256, {"sparse": "allow"}, "pattern"),
], ids=range(11))
def test_what_is_no_policy_is_refused(server, pattern, fields, says):
    answer = configure(server, pattern, expect=400, **fields)
    assert answer["error"]["code"] == "invalid" and says in answer["error"]["message"]
    assert server.api("GET", POLICIES)["policies"] == []


def test_sparse_repositories_take_what_is_not_whole(server, registry, cli):
    child = image("elsewhere")
    index = oci.make_index([child])
    status, body = put_tag(registry, "shop/web", "1", index)
    assert status == 404 and json.loads(body)["errors"][0]["code"] == "MANIFEST_BLOB_UNKNOWN"
    configure(server, "mirror/*", sparse="allow")
    assert put_tag(registry, "mirror/web", "1", index)[0] == 201
    assert put_tag(registry, "mirror/web", "2", child)[0] == 201
    assert registry.get_manifest("mirror/web", "1") == index.manifest
    # and a release still needs every byte
    cli("apply", "-f", "-", input="app: shop\ncomponents: {web: {repository: mirror/web}}\n"
        "environments: [{name: staging, targets: [{name: a, component: web}]}]\n").ok()
    refused = cli("release", "create", "shop", "--version", "1", "--component", "web=1").exits(6)
    assert "missing" in refused.stderr


def test_burnt_tags_never_name_other_bytes(server, registry):
    configure(server, "shop/web", burnt_tags="on", tag_mutability="MUTABLE")
    one, two = two_images(server, "shop/web")
    for delete in "1.0", one.digest:  # by name, and with what it names
        assert put_tag(registry, "shop/web", "1.0", one)[0] == 201
        assert registry.request("DELETE", f"/v2/shop/web/manifests/{delete}")[0] == 202
        status, body = put_tag(registry, "shop/web", "1.0", two)
        assert status == 403 and "burnt" in json.loads(body)["errors"][0]["message"]
        assert json.loads(body)["errors"][0]["detail"] == {"tag": "1.0", "pushed": two.digest}
    assert put_tag(registry, "shop/web", "1.0", one)[0] == 201
    configure(server, "shop/web", burnt_tags="off")
    assert registry.request("DELETE", "/v2/shop/web/manifests/1.0")[0] == 202
    assert put_tag(registry, "shop/web", "1.0", two)[0] == 201


def test_many_tags_at_once_are_given_all_or_none(server, registry):
    configure(server, "shop/web", tag_mutability="MUTABLE_WITH_EXCLUSION", exclusions=["1.*"])
    one, two = two_images(server, "shop/web")
    path = "/v2/shop/web/manifests/"
    kind = {"Content-Type": one.media_type}
    status, head, _ = registry.request("PUT", f"{path}{one.digest}?tag=1.0&tag=latest&tag=latest",
                                       one.manifest, kind)
    assert status == 201
    before = len(events(server, "tag."))
    status, _, body = registry.request("PUT", f"{path}{two.digest}?tag=latest&tag=1.0", two.manifest, kind)
    assert status == 403
    assert json.loads(body)["errors"][0]["detail"] == {"tag": "1.0", "existing": one.digest, "pushed": two.digest}
    assert len(events(server, "tag.")) == before
    assert registry.get_manifest("shop/web", "latest") == one.manifest
    many = "&".join(f"tag=t{n}" for n in range(33))
    assert registry.request("PUT", f"{path}{two.digest}?{many}", two.manifest, kind)[0] == 414
    assert registry.request("PUT", f"{path}latest?tag=x", two.manifest, kind)[0] == 400


def test_repo_set_and_show(server, cli):
    assert "no policies" in cli("repo", "show").ok().stdout
    shown = cli("repo", "set", "shop/*", "--tags", "immutable", "--except", "latest", "--except", "dev-*",
                "-o", "json").ok().json
    assert shown["tag_mutability"] == "IMMUTABLE_WITH_EXCLUSION" and shown["exclusions"] == ["latest", "dev-*"]
    assert cli("repo", "show", "shop/web", "-o", "json").ok().json["policy"] == shown
    out = cli("repo", "set", "shop/*", "--sparse", "allow", "--deletion", "deny", "--burnt-tags", "on").ok().stdout
    assert "latest, dev-*" in out and "deny" in out
    assert "shop/*" in cli("repo", "show").ok().stdout
    assert "(default)" in cli("repo", "show", "other").ok().stdout
    for wrong in (["shop/*"], ["shop/*", "--except", "a"], ["shop/*", "--tags", "maybe"],
                  ["shop/*", "--remove", "--sparse", "deny"], ["shop/*", "--sparse", "perhaps"]):
        cli("repo", "set", *wrong).exits(2)
    cli("repo", "set", "shop/*", "--remove").ok()
    cli("repo", "set", "shop/*", "--remove").exits(3)
