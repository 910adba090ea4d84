"""What lifecycle policies let go, and what holds keep from them: real pushes and deployments, time by another clock."""

import json
from urllib.parse import quote

import pytest

from shop import Shop
from support import oci, otherclock
from support.oci import Registry


READY = "/apps/shop/environments/production/ready"


def count_rule(number, priority=1, **selection):
    selection = {"tagStatus": "any", **selection}
    return {"rulePriority": priority, "action": {"type": "expire"},
            "selection": {**selection, "countType": "imageCountMoreThan", "countNumber": number}}


def age_rule(days, priority=1, **selection):
    selection = {"tagStatus": "any", **selection}
    return {"rulePriority": priority, "action": {"type": "expire"},
            "selection": {**selection, "countType": "sinceImagePushed", "countUnit": "days",
                          "countNumber": days}}


def attach(server, pattern, *rules, expect=200, **more):
    return server.api("PUT", f"/retention/policies/{quote(pattern, safe='')}",
                      {"rules": list(rules), **more}, expect=expect)


def run(server, repository=None):
    told = server.api("POST", "/retention/run", {"repository": repository} if repository else {})
    assert told["problems"] == []
    return told


def preview(server, repository):
    told = server.api("GET", f"/retention/preview?repository={quote(repository)}")
    assert told["problems"] == []
    return told["repositories"][0]


def digests(images):
    return {image["digest"] for image in images}


def there(server, repository, image):
    with Registry(server.address) as registry:
        return registry.request("HEAD", f"/v2/{repository}/manifests/{image.digest}")[0] == 200


def events(server, kind):
    return server.api("GET", f"/ledger?limit=1000&kind={kind}")["events"]


def later(server, **ahead):
    """Restarts the server with its wall clock put forward."""
    server.stop()
    server.env.update(otherclock.Clock(f"{server.data}.clock", **ahead).env)
    server.start()


@pytest.fixture
def shop(server, cli, start_agent, tmp_path):
    return Shop(server, cli, start_agent, tmp_path, window=2)


def test_R03_a_policy_cannot_take_what_a_window_reaches(shop, server, cli):
    images = {version: shop.release(version) for version in ("1", "2", "3", "4")}
    for version in images:
        shop.deploy(version)
    attach(server, "shop/*", age_rule(7))
    later(server, days=30)
    seen = preview(server, "shop/web")
    assert digests(seen["goes"]) == {images["1"].digest}
    saved = {image["digest"]: image for image in seen["saved"]}
    assert set(saved) == {images[version].digest for version in "234"}
    assert saved[images["2"].digest]["by"] == "hold"
    assert "the window of shop/production, revision 2" in saved[images["2"].digest]["text"]
    assert "the window of shop/production reaches 3 images" in seen["warnings"][0]
    assert there(server, "shop/web", images["1"]), "a preview changes nothing"

    told = run(server)
    assert digests(told["repositories"][0]["goes"]) == {images["1"].digest}
    assert not there(server, "shop/web", images["1"])
    assert run(server)["images"] == 0
    event = events(server, "manifest.deleted")[-1]
    assert event["body"]["rule"]["text"] == "rule 1 (pushed more than 7 days ago, of any tag)"
    assert event["body"]["rule"]["pattern"] == "shop/*" and event["body"]["tags"] == ["1"]
    ready = cli("ready", "shop/production", "-o", "json").ok().json
    assert ready["ready"]
    shop.undo()
    shop.undo()
    assert shop.runs() == "2", "every release of the window can be gone back to"
    cli("ledger", "verify", "--tables").ok()


def test_R04_an_untagged_digest_that_runs_stays(shop, server, cli):
    images = {version: shop.release(version) for version in ("1", "2", "3", "4", "5")}
    shop.deploy("1")
    with Registry(server.address) as registry:
        for version in ("1", "2"):
            assert registry.request("DELETE", f"/v2/shop/web/manifests/{version}")[0] == 202
    attach(server, "*", age_rule(1, tagStatus="untagged"))
    later(server, days=9)
    told = run(server)["repositories"][0]
    assert digests(told["goes"]) == {images["2"].digest}
    assert digests(told["saved"]) == {images["1"].digest}
    reasons = {reason["kind"] for reason in told["saved"][0]["reasons"]}
    assert reasons == {"window", "running"}
    why = cli("retention", "why", images["1"].digest).ok().stdout
    assert "held for the window of shop/production, revision 1" in why
    assert "held for what runs on shop/production/web-1" in why
    assert "went from shop/web" in cli("retention", "why", images["2"].digest).ok().stdout


def signature_of(image, text):
    return oci.make_artifact([{"signature": text}], subject=image)


def test_R05_children_and_referrers_of_what_is_held_stay(server, cli, shop):
    platforms = [oci.make_image([{"file": name}]) for name in ("amd64", "arm64")]
    index = oci.make_index(platforms)
    oci.push(server, "shop/web", "multi", index)
    signature = signature_of(index, "one")
    counter = signature_of(signature, "two")
    cosign = oci.make_artifact([{"signature": "by tag"}])
    for one in (signature, counter):
        with Registry(server.address) as registry:
            for digest, data in one.blobs.items():
                registry.push_blob("shop/web", data)
            status = registry.request("PUT", f"/v2/shop/web/manifests/{one.digest}", one.manifest,
                                      {"Content-Type": one.media_type})[0]
            assert status == 201
    oci.push(server, "shop/web", index.digest.replace(":", "-") + ".sig", cosign)
    loose = oci.make_image([{"file": "loose"}])
    oci.push(server, "shop/web", "loose", loose)
    cli("release", "create", "shop", "--version", "multi", "--component", "web=multi", "--commit",
        "a" * 40).ok()
    server.api("POST", "/apps/shop/environments/production/revisions",
               {"kind": "deploy", "release": "multi", "cause": "a test", "expected_revision": 0})
    attach(server, "*", age_rule(1))
    later(server, days=9)
    told = run(server)["repositories"][0]
    assert digests(told["goes"]) == {loose.digest}
    for image in (index, *platforms, signature, counter, cosign):
        assert there(server, "shop/web", image), image
    # By hand neither: the guard knows referrers too.
    with Registry(server.address) as registry:
        for image in (platforms[0], signature, counter, cosign):
            assert registry.request("DELETE", f"/v2/shop/web/manifests/{image.digest}")[0] == 405


def test_R38_failed_attempts_push_nothing_out_of_the_window(shop, server):
    good = [shop.release(version) for version in ("1", "2", "3")]
    for version in ("1", "2", "3"):
        shop.deploy(version)
    for number in range(4):
        shop.ship(f"bad-{number}", bad=True)
    attach(server, "*", count_rule(1))
    run(server)
    assert all(there(server, "shop/web", image) for image in good[1:]), "both known good ones stay"
    assert there(server, "shop/web", shop.images["bad-3"]), "what is pointed at stays"
    assert not there(server, "shop/web", shop.images["bad-0"])
    shop.undo()
    assert shop.runs() == "3"


def test_windows_by_time(server, cli, start_agent, tmp_path):
    shop = Shop(server, cli, start_agent, tmp_path, window="{for: 30d}")
    images = [shop.release(version) for version in ("1", "2", "3", "4")]
    shop.deploy("1")
    shop.deploy("2")
    attach(server, "*", count_rule(1))
    later(server, days=20)
    shop.deploy("3")
    later(server, days=40)
    shop.deploy("4")
    # 1 was left forty days ago; 2 ran until twenty days ago; 3 until now.
    assert digests(run(server)["repositories"][0]["goes"]) == {images[0].digest}
    later(server, days=400)
    assert digests(run(server)["repositories"][0]["goes"]) == {images[1].digest}
    assert there(server, "shop/web", images[2]), "the last known good is always in"
    assert len(cli("ready", "shop/production", "-o", "json").ok().json["revisions"]) == 2


def test_holds_of_people_win_until_they_end(server, cli, versions):
    images = versions(4)
    server.api("PUT", "/retention/policies/*", {"rules": [count_rule(1)]})
    hold = cli("retention", "hold", images[0].digest, "--because", "the auditors", "--for", "10d",
               "-o", "json").ok().json
    assert hold["state"] == "held" and hold["until"]
    assert digests(run(server)["repositories"][0]["goes"]) == {i.digest for i in images[1:3]}
    assert "the auditors" in cli("retention", "holds").ok().stdout
    with Registry(server.address) as registry:
        status, _, body = registry.request("DELETE", f"/v2/shop/web/manifests/{images[0].digest}")
    assert status == 405 and b"the auditors" in body
    later(server, days=11)
    assert server.api("GET", "/retention/holds")["holds"] == []
    assert digests(run(server)["repositories"][0]["goes"]) == {images[0].digest}
    cli("ledger", "verify", "--tables").ok()


def test_a_hold_on_a_release_holds_all_of_it_and_can_be_ended(server, cli, versions):
    cli("apply", "-f", "-", input="""\
app: shop
components: {web: {repository: shop/web}}
environments: [{name: production, targets: [{name: a, component: web}]}]
""").ok()
    images = versions(3)
    cli("release", "create", "shop", "--version", "1.0", "--component", "web=1.0").ok()
    server.api("PUT", "/retention/policies/shop%2F*", {"rules": [count_rule(1)]})
    number = cli("retention", "hold", "shop", "1.0", "--because", "kept for the demo", "-o",
                 "json").ok().json["id"]
    run(server)
    assert there(server, "shop/web", images[0]) and not there(server, "shop/web", images[1])
    cli("retention", "unhold", number, "--because", "the demo is over").ok()
    cli("retention", "unhold", number).exits(3)
    run(server)
    assert not there(server, "shop/web", images[0])
    ended = cli("retention", "holds", "--all", "-o", "json").ok().json["holds"]
    assert [(one["state"], one["ended_because"]) for one in ended] == [("ended", "the demo is over")]
    cli("retention", "hold", "shop", "9.9", "--because", "x").exits(3)
    cli("retention", "hold", images[1].digest[:20], "--because", "x").exits(3)
    cli("retention", "hold", images[2].digest).exits(2)
    cli("retention", "hold", images[2].digest, "--because", "x", "--until", "2001-01-01").exits(2)


def test_policies_are_attached_by_pattern_and_checked(server, cli, tmp_path, versions):
    versions(1)
    (tmp_path / "ecr.json").write_text(json.dumps({"rules": [count_rule(5)]}))
    (tmp_path / "more.yaml").write_text("""\
rules:
  - rulePriority: 1
    description: builds of branches
    selection: {tagStatus: tagged, tagPatternList: ["dev-*"], countType: sinceImagePushed, countUnit: days, countNumber: 3}
    action: {type: expire}
keep:
  - deployedWithin: 90d
  - {lastKnownGood: 5, environment: "*/production"}
""")
    cli("retention", "set", "*", "-f", "ecr.json").ok()
    cli("retention", "set", "shop/*", "-f", "more.yaml").ok()
    count = len(events(server, "lifecycle."))
    cli("retention", "set", "shop/*", "-f", "more.yaml").ok()
    assert len(events(server, "lifecycle.")) == count, "what changes nothing is not recorded"
    shown = cli("retention", "show", "shop/web", "-o", "json").ok().json["policies"]
    assert [policy["pattern"] for policy in shown] == ["shop/*"]
    assert "builds of branches" in cli("retention", "show", "shop/web").ok().stdout
    (tmp_path / "bad.json").write_text(json.dumps({"rules": [count_rule(0)]}))
    refused = cli("retention", "set", "*", "-f", "bad.json").exits(2)
    assert "rules[0].selection.countNumber: must be 1 to" in refused.stderr
    cli("retention", "unset", "shop/*").ok()
    cli("retention", "unset", "shop/*").exits(3)
    assert cli("retention", "show", "shop/web", "-o", "json").json["policies"][0]["pattern"] == "*"
    cli("ledger", "verify", "--tables").ok()
    cli("ledger", "rebuild").ok()
    assert [p["pattern"] for p in server.api("GET", "/retention/policies")["policies"]] == ["*"]


def test_pulls_are_seen_and_keep(server, versions):
    images = versions(3)
    attach(server, "*", count_rule(1), keep=[{"pulledWithin": "7d"}])
    with Registry(server.address) as registry:
        assert registry.request("HEAD", "/v2/shop/web/manifests/1.1")[0] == 200  # no pull
        assert registry.get_manifest("shop/web", "1.0") == images[0].manifest
    server.stop()  # written down at the latest now
    server.start()
    seen = preview(server, "shop/web")
    assert digests(seen["goes"]) == {images[1].digest}
    assert [image["by"] for image in seen["saved"]] == ["keep"]
    later(server, days=8)
    assert digests(preview(server, "shop/web")["goes"]) == {image.digest for image in images[:2]}


def test_what_a_run_frees_is_told(server, versions):
    images = versions(3)
    attach(server, "*", count_rule(2))
    only = {digest: data for digest, data in images[0].blobs.items()
            if not any(digest in image.blobs for image in images[1:])}
    expected = sum(map(len, only.values())) + len(images[0].manifest)
    assert preview(server, "shop/web")["bytes_freed"] == expected
    oci.push(server, "other/copy", "same", images[0])
    assert preview(server, "shop/web")["bytes_freed"] == 0


def test_released_and_expired_is_told_by_the_plan(shop, server, cli):
    images = [shop.release(version) for version in ("1", "2", "3", "4", "5")]
    for version in ("1", "2", "3", "4", "5"):
        shop.deploy(version)
    attach(server, "*", count_rule(1))
    assert digests(run(server)["repositories"][0]["goes"]) == {i.digest for i in images[:2]}
    shop.deploy("1", rc=5)
    assert shop.runs() == "5"
    # It is not in the way of deleting other things by hand.
    other = oci.make_image([{"file": "other"}])
    oci.push(server, "shop/web", "other", other)
    with Registry(server.address) as registry:
        assert registry.request("DELETE", f"/v2/shop/web/manifests/{other.digest}")[0] == 202
        assert registry.request("DELETE", f"/v2/shop/web/manifests/{images[2].digest}")[0] == 405


def stored(server, digest):
    algorithm, hexes = digest.split(":")
    return (server.data / "blobs" / algorithm / hexes[:2] / hexes).exists()


def test_what_expired_is_collected_by_its_rule_and_nobody_counts_on_it(shop, server, cli):
    images = {version: shop.release(version) for version in ("1", "2", "3", "4", "5")}
    server.api("POST", "/origins/shop%2Fweb", {"digest": images["1"].digest, "upstream": {
        "registry": "ghcr.example", "repository": "team/web"}}, expect=201)
    for version in images:
        shop.deploy(version)
    assert server.api("GET", READY)["gone"] == []
    attach(server, "*", count_rule(1))
    rule = "rule 1 (more than 1 image of any tag)"
    run(server)
    own = {version: set(image.blobs) - set(images["5"].blobs) for version, image in images.items()}
    later(server, days=2)
    server.api("POST", "/retention/collect", {})
    # Condemned and not yet unlinked: it can be brought back, and is told so.
    seen = server.api("GET", READY)["gone"]
    assert [(one["release"]["version"], one["restorable"]) for one in seen] == [("2", True), ("1", True)]
    back = f"`repoint retention restore {images['2'].digest}`"
    assert back in " ".join(cli("ready", "shop/production").ok().stdout.split())
    assert back in [item for item in cli("plan", "shop/production", "2", "-o", "json").json["items"]
                    if item["state"] == "blocked"][0]["way_out"]
    told = cli("retention", "restore", images["2"].digest).ok().stdout
    assert "to shop/web with all that it needs" in told and "they were: 2" in told
    assert [one["release"]["version"] for one in server.api("GET", READY)["gone"]] == ["1"]
    assert not cli("plan", "shop/production", "2", "-o", "json").ok().json["blocked"]
    oci.push(server, "shop/web", "newer", oci.make_image([{"file": "newer"}]))
    run(server)  # nothing holds it yet, and it is not the newest any more
    later(server, days=15)
    server.api("POST", "/retention/collect", {})
    later(server, days=28)
    server.api("POST", "/retention/collect", {})
    for version in "12":
        for kind in ("blob.condemned", "blob.unlinked"):
            found = {event["body"]["digest"]: event["body"]["rule"] for event in events(server, kind)}
            assert own[version] | {images[version].digest} <= set(found) and all(found.values())
        assert not any(stored(server, digest) for digest in own[version])
    for version in "345":
        assert all(stored(server, digest) for digest in images[version].blobs), "the window is whole"

    ready = cli("ready", "shop/production").ok().stdout
    assert "cannot come back: 2 (revision 2), which went" in ready and rule in " ".join(ready.split())
    seen = server.api("GET", READY)
    assert seen["ready"] and [(one["release"]["version"], one["revision"]) for one in seen["gone"]] == [("2", 2), ("1", 1)]
    assert not any(one["restorable"] for one in seen["gone"])
    assert {one["departures"][0]["rule"] for one in seen["gone"]} == {rule}
    for version, way in (("1", f"`repoint keep ghcr.example/team/web@{images['1'].digest} --as shop/web`"),
                         ("2", "`repoint import` a bundle that has it")):
        plan = cli("plan", "shop/production", version, "-o", "json").json
        item, = [item for item in plan["items"] if item["state"] == "blocked"]
        assert plan["blocked"] and f"by {rule}" in item["reason"] and "cannot come back" in item["reason"]
        assert way in item["way_out"] and f"build commit {oci.sha256(version.encode())[7:47]} again" in item["way_out"]
        assert rule in shop.deploy(version, rc=5).stderr
    # The same bytes under the same digest make it one that can be gone back to.
    oci.push(server, "shop/web", "again", images["2"])
    assert [one["release"]["version"] for one in server.api("GET", READY)["gone"]] == ["1"]
    shop.deploy("2")
    assert shop.runs() == "2"
    cli("ledger", "verify", "--tables").ok()
    cli("ledger", "rebuild").ok()
    assert [one["revision"] for one in server.api("GET", READY)["gone"]] == [1]


def test_what_was_deleted_by_hand_is_said_to_be(shop, server, cli):
    """Nobody can delete what a release names; an image without one can, and the ledger knows who did it."""
    loose = oci.make_image([{"file": "loose"}])
    oci.push(server, "shop/web", "loose", loose)
    with Registry(server.address) as registry:
        assert registry.request("DELETE", f"/v2/shop/web/manifests/{loose.digest}")[0] == 202
    gone, = cli("retention", "why", "shop/web:loose", "-o", "json").ok().json["deleted"]
    assert gone["rule"] is None and gone["tags"] == ["loose"] and gone["digest"] == loose.digest
    assert "by hand" in cli("retention", "why", loose.digest).ok().stdout


def test_what_cannot_be_told_stops_everything(shop, server, cli):
    """Held by its window, and its manifest is damaged: nobody can say what it needs."""
    image = shop.release("1")
    shop.deploy("1")
    spare = [oci.make_image([{"file": str(number)}]) for number in range(3)]
    for number, one in enumerate(spare):
        oci.push(server, "shop/web", f"spare-{number}", one)
    attach(server, "*", count_rule(1))
    shop.agent.stop()  # it would give back the bytes
    hexes = image.digest.split(":")[1]
    path = server.data / "blobs" / "sha256" / hexes[:2] / hexes
    server.stop()
    path.chmod(0o644)
    path.write_bytes(b"x" * len(image.manifest))
    server.start()
    status, _, body = server.request("POST", "/api/v1/retention/run", {})
    assert status == 405 and b"nothing is deleted while it cannot be told" in body, body
    assert all(there(server, "shop/web", one) for one in spare)
    oci.push(server, "shop/web", "1", image)
    assert run(server)["images"] == 2


def test_the_server_runs_policies_by_itself(start_server, wait_for):
    server = start_server(args=["--retention-every", "1s"])
    images = [oci.make_image([{"file": str(number)}]) for number in range(3)]
    for number, image in enumerate(images):
        oci.push(server, "shop/web", str(number), image)
    attach(server, "*", count_rule(1))
    gone = wait_for(lambda: len(found := events(server, "manifest.deleted")) == 2 and found,
                    what="two images going by themselves")
    assert {event["actor"] for event in gone} == {"repoint"}
    assert there(server, "shop/web", images[2])


def test_why_says_when(server, cli, versions):
    images = versions(2)
    attach(server, "*", count_rule(3))
    assert "goes after 2 more pushes, by rule 1 (more than 3 images of any tag)" in cli(
        "retention", "why", images[0].digest).ok().stdout
    attach(server, "*", age_rule(5))
    seen = cli("retention", "why", images[0].digest, "-o", "json").ok().json
    assert seen["repositories"][0]["goes_at"] and seen["held"] == []
    cli("retention", "unset", "*").ok()
    assert "no lifecycle policy counts here" in cli("retention", "why", images[0].digest).ok().stdout


def test_why_takes_what_people_call_it(shop, server, cli):
    images = {version: shop.release(version) for version in ("1", "2", "3", "4")}
    for version in images:
        shop.deploy(version)
    attach(server, "*", count_rule(1))
    run(server)
    for name in ("shop/web:4", f"shop/web@{images['4'].digest}", f"shop/web@{images['4'].digest[:20]}",
                 f"{server.address}/shop/web:4", images["4"].digest, images["4"].digest[7:19]):
        seen = cli("retention", "why", name, "-o", "json").ok().json
        assert seen["digest"] == images["4"].digest and seen["held"] and seen["deleted"] == []
    # What went is still known by the tag that went with it.
    gone = cli("retention", "why", "shop/web:1", "-o", "json").ok().json
    assert gone["digest"] == images["1"].digest and gone["repositories"] == []
    assert gone["deleted"][0]["tags"] == ["1"] and gone["deleted"][0]["actor"]
    assert gone["deleted"][0]["rule"] == "rule 1 (more than 1 image of any tag)"
    assert "went from shop/web" in cli("retention", "why", "shop", "1").ok().stdout
    release = cli("retention", "why", "shop", "4", "-o", "json").ok().json
    assert release["release"] == "4"
    assert [(one["component"], one["digest"]) for one in release["components"]] == [("web", images["4"].digest)]
    assert "web sha256:" in cli("retention", "why", "shop", "4").ok().stdout
    cli("retention", "why", "shop/web:never").exits(3)
    cli("retention", "why", "nowhere/web:1").exits(3)
    cli("retention", "why", "shop", "never").exits(3)
    cli("retention", "why", "shop/web").exits(2)


def test_an_index_goes_before_its_children(server):
    platforms = [oci.make_image([{"file": name}]) for name in ("a", "b")]
    index = oci.make_index(platforms)
    oci.push(server, "shop/web", "multi", index)
    oci.push(server, "shop/web", "new", oci.make_image([{"file": "new"}]))
    attach(server, "*", count_rule(1))
    run(server)
    gone = [event["body"]["digest"] for event in events(server, "manifest.deleted")]
    assert gone[0] == index.digest and set(gone[1:]) == {one.digest for one in platforms}


def test_advice_follows_how_far_people_went_back(shop, server, cli):
    for version in ("1", "2", "3"):
        shop.ship(version)
    assert advice(server)["rollbacks"] == 0 and advice(server)["advised"]["releases"] == 3
    later(server, days=3)
    shop.undo()  # to 2, which was left three days ago
    shop.undo()  # to 1: 2 and 3 ran since
    one = advice(server)
    assert (one["rollbacks"], one["versions_back"]) == (2, 2)
    assert 3 * 86400_000 <= one["age_ms"] < 3 * 86400_000 + 600_000
    assert one["advised"] == {"releases": 4, "for_days": 7}
    assert [cost["days"] for cost in one["costs"]] == [7, 30, 90]
    assert one["costs"][1]["bytes"] == one["bytes_per_release"] * one["costs"][1]["releases"]
    assert "{releases: 4, for: 7d}" in cli("retention", "advise").ok().stdout


def advice(server):
    return server.api("GET", "/retention/advise")["environments"][0]


def test_what_went_and_is_pushed_again_is_kept_for_its_release_again(server, cli, shop):
    old = shop.release("1")
    for version in ("2", "3", "4"):
        shop.release(version)
        shop.deploy(version)
    attach(server, "shop/web", count_rule(1))
    assert old.digest in digests(run(server)["repositories"][0]["goes"])
    with Registry(server.address) as registry:
        # the guard has looked, and knows that release 1 has nothing here that could be kept
        loose = oci.make_image([{"file": "loose"}])
        oci.push(server, "shop/web", "loose", loose)
        assert registry.request("DELETE", f"/v2/shop/web/manifests/{loose.digest}")[0] == 202
        oci.push(server, "shop/web", "again", old)
        status, _, body = registry.request("DELETE", f"/v2/shop/web/manifests/{old.digest}")
        assert status == 405 and "release 1 of app shop" in json.loads(body)["errors"][0]["message"]
    cli("deploy", "shop/production", "1").ok()


def test_a_child_that_another_repository_lost_stops_nothing(server, cli, shop):
    """What is held lies in two repositories, and in one of them not whole: retention and collection go on."""
    index = oci.make_index([oci.make_image([{"file": name}]) for name in ("amd64", "arm64")])
    for repository in ("copy/web", "shop/web"):  # the first by name is the one that is looked at
        oci.push(server, repository, "multi", index)
    oci.push(server, "shop/web", "newer", oci.make_image([{"file": "newer"}]))
    with Registry(server.address) as registry:
        child = index.children[0].digest
        assert registry.request("DELETE", f"/v2/copy/web/manifests/{child}")[0] == 202
        cli("retention", "hold", index.digest, "--because", "it is looked at").ok()
        attach(server, "*", count_rule(1))
        assert index.digest in {image["digest"] for one in run(server)["repositories"] for image in one["saved"]}
        server.api("POST", "/retention/collect", {})
        status, _, body = registry.request("DELETE", f"/v2/shop/web/manifests/{child}")
        assert status == 405 and b"it is looked at" in body, "the child is part of what is held"
