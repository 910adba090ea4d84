"""The ways rollbacks die (docs/rollbacks.md), each tried for real on a server, an agent and a directory."""

import json
import os
import re
import subprocess
import sys
import threading

import pytest

from shop import Shop
from support import oci, otherclock, repoint


@pytest.fixture
def shop(server, cli, start_agent, tmp_path):
    return Shop(server, cli, start_agent, tmp_path)


def test_R01_a_tag_pushed_again_cannot_name_other_bytes(shop, server, tmp_path):
    image = shop.release("1.0")
    shop.deploy("1.0")
    other = shop.image("1.0")
    oci.write_layout(other, str(tmp_path / "other"), "x")
    done = subprocess.run(["skopeo", "copy", "--dest-tls-verify=false", f"oci:{tmp_path}/other:x",
                           f"docker://{server.address}/shop/web:1.0"], text=True,
                          capture_output=True)
    assert done.returncode != 0
    assert "write-once" in done.stderr and image.digest in done.stderr, done.stderr
    with oci.Registry(server.url) as registry:
        assert registry.get_manifest("shop/web", "1.0") == image.manifest
    assert shop.history()[0]["release"]["components"][0]["digest"] == image.digest
    assert shop.runs() == "1.0"


BUILD = """
import os, sys
sys.path.insert(0, sys.argv[1])
from support import oci
open(sys.argv[2], "a").write("built\\n")
address, rest = os.environ["REPOINT_IMAGE_WEB"].split("/", 1)
repository, tag = rest.rsplit(":", 1)
oci.push(address, repository, tag, oci.make_image([{"data": os.urandom(100)}]))
"""


def test_R02_the_pipeline_run_again_on_the_old_commit_builds_nothing(shop, cli, tmp_path):
    (tmp_path / "build.py").write_text(BUILD)
    log = tmp_path / "builds"
    tests = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

    def pipeline(commit, version, **kwargs):
        return cli("build", "shop", "--commit", commit, "--version", version, "-o", "json", "--",
                   sys.executable, str(tmp_path / "build.py"), tests, str(log), **kwargs)

    first = pipeline("a" * 40, "1.0").ok().json
    pipeline("b" * 40, "1.1").ok()
    again = pipeline("a" * 40, "1.0").ok().json
    assert again["components"] == first["components"] and again["number"] == first["number"]
    assert log.read_text() == "built\nbuilt\n", "the command ran again"
    # Another build smuggled in under the recorded commit is refused, and says what is recorded.
    oci.push(shop.server, "shop/web", "sneaky", shop.image("sneaky"))
    refused = cli("release", "create", "shop", "--version", "1.0", "--component", "web=sneaky",
                  "--commit", "a" * 40).exits(4)
    assert first["components"][0]["digest"][7:19] in refused.stderr


def blob_path(server, digest):
    algorithm, text = digest.split(":")
    return server.data / "blobs" / algorithm / text[:2] / text


def test_R09_one_layer_gone_turns_readiness_red_and_blocks_the_plan(shop, server, cli):
    image = shop.release("1.0")
    shop.deploy("1.0")
    shop.ship("1.1")
    cli("ready", "shop/production", "--verify").ok()
    shop.agent.kill9()  # its host has a second copy
    layer = next(d for d in image.blobs if d in str(image.manifest) and b"layers" in image.manifest
                 and d == json.loads(image.manifest)["layers"][0]["digest"])
    blob_path(server, layer).unlink()
    red = cli("ready", "shop/production").exits(6)
    assert layer[7:19] in red.stdout + red.stderr
    plan = cli("plan", "shop/production")
    assert plan.rc == 5 and layer[7:19] in plan.stdout + plan.stderr, (plan.rc, plan.stdout)
    assert layer[7:19] in shop.undo(rc=5).stderr
    assert shop.runs() == "1.1" and len(shop.history()) == 2, "refused, and nothing was touched"


def test_R08_a_flipped_bit_is_found_by_verification_and_never_served(shop, server, cli):
    image = shop.release("1.0")
    shop.deploy("1.0")
    shop.ship("1.1")
    shop.agent.kill9()  # its host has a second copy
    layer = json.loads(image.manifest)["layers"][0]["digest"]
    path = blob_path(server, layer)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    os.chmod(path, 0o644)
    path.write_bytes(data)
    red = cli("ready", "shop/production", "--verify").exits(6)
    assert layer[7:19] in red.stdout + red.stderr
    assert server.request("GET", f"/v2/shop/web/blobs/{layer}")[0] == 404, "wrong bytes were served"
    # The next push of the right bytes heals it.
    oci.push(server, "shop/web", None, image)
    cli("ready", "shop/production", "--verify").ok()
    shop.agent.start()
    shop.undo()
    assert shop.runs() == "1.0"


def test_R10_an_old_revision_is_never_forgotten(shop):
    shop.ship("1.0")
    for i in range(1, 8):  # the window is 3
        shop.ship(f"1.{i}")
    shop.undo("--to-revision", "1")
    assert shop.runs() == "1.0"
    newest = shop.history()[0]
    assert newest["number"] == 9 and newest["restores"] == 1 and newest["kind"] == "rollback"


def test_R11_undo_twice_does_not_return_to_the_bad_release(shop):
    for version in ("1.0", "1.1", "1.2"):
        shop.ship(version)
    shop.undo("--because", "1.2 is bad")
    assert shop.runs() == "1.1"
    shop.undo("--because", "1.1 is bad too")
    assert shop.runs() == "1.0", "ping-pong"
    last = shop.undo(rc=3)
    assert "--to-revision" in last.stderr
    assert shop.versions() == ["1.0", "1.1", "1.2", "1.1", "1.0"]


def test_R11_R38_failed_attempts_are_no_target_and_push_nothing_out(shop):
    shop.ship("1.0")
    for i in range(1, 6):
        shop.ship(f"1.{i}", bad=True)
    assert shop.runs() == "1.0"
    shop.ship("2.0")
    shop.undo()
    assert shop.runs() == "1.0"


def test_R12_when_the_previous_is_bad_as_well_one_goes_further_back(shop):
    for version in ("1.0", "1.1", "1.2"):
        shop.ship(version)
    shop.undo("--to-revision", "1")
    assert shop.runs() == "1.0"
    assert shop.history()[0]["restores"] == 1


def test_R22_of_two_people_rolling_back_at_once_one_wins_and_the_other_is_told(shop, server, cli):
    for version in ("1.0", "1.1", "1.2"):
        shop.ship(version)
    body = {"kind": "rollback", "expected_revision": 3, "cause": "mine"}
    answers = []

    def move(who, to_revision):
        answers.append(server.request(
            "POST", "/api/v1/apps/shop/environments/production/revisions",
            {**body, "to_revision": to_revision}, {"X-Repoint-Actor": who}))
    people = [threading.Thread(target=move, args=(f"p{i}@ops", 1 + i % 2)) for i in range(8)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert sorted(a[0] for a in answers) == [201] + [409] * 7, answers
    winner = json.loads(next(a[2] for a in answers if a[0] == 201))
    for status, _, data in answers:
        if status == 409:
            error = json.loads(data)["error"]
            assert error["code"] == "moved" and winner["actor"] in error["message"], error
    late = cli("rollout", "undo", "shop/production", "--yes", "--expect-revision", "3").exits(4)
    assert winner["actor"] in late.stderr
    assert [r["number"] for r in shop.history()] == [4, 3, 2, 1]


def test_R24_an_ambiguous_or_unknown_digest_is_refused_with_the_candidates(shop, cli):
    images = {}
    i = 0
    while True:  # two releases whose digests share their first four digits
        image = oci.make_image([{"n": str(i)}])
        twin = images.get(image.digest[:11])
        if twin:
            break
        images[image.digest[:11]] = image
        i += 1
    for version, one in (("1.0", twin), ("1.1", image)):
        oci.push(shop.server, "shop/web", version, one)
        cli("release", "create", "shop", "--version", version, "--component", f"web={version}",
            "--commit", oci.sha256(version.encode())[7:47]).ok()
    prefix = image.digest[7:11]
    for refused in (cli("deploy", "shop/production", prefix, "--no-wait").exits(3),
                    cli("trace", prefix).exits(3)):
        assert twin.digest[7:19] in refused.stderr and image.digest[7:19] in refused.stderr
    unknown = cli("deploy", "shop/production", "sha256:" + "0" * 64, "--no-wait").exits(3)
    assert "1.1" in unknown.stderr, "it does not say what there is"
    cli("deploy", "shop/production", image.digest[:7 + 20]).ok()
    assert shop.history()[0]["release"]["version"] == "1.1"


def test_R30_a_retried_request_rolls_back_once(shop, server):
    for version in ("1.0", "1.1", "1.2"):
        shop.ship(version)
    answers = [server.request("POST", "/api/v1/apps/shop/environments/production/revisions",
                              {"kind": "rollback"}, {"Idempotency-Key": "incident-7"})
               for _ in range(3)]
    assert [a[0] for a in answers] == [201, 200, 200]
    assert len({json.loads(a[2])["number"] for a in answers}) == 1
    assert len(shop.history()) == 4
    other = server.request("POST", "/api/v1/apps/shop/environments/production/revisions",
                           {"kind": "deploy", "release": "1.2"}, {"Idempotency-Key": "incident-7"})
    assert other[0] == 409, "the same key for another request must not pass for the first"


def test_R34_order_comes_from_the_ledger_and_not_from_clocks(shop, server, cli):
    """The server's clock jumps back by a day between the revisions."""
    shop.ship("1.0")
    shop.ship("1.1")
    set_back(server, days=1)
    shop.ship("1.2")
    history = shop.history()
    assert history[0]["at"] < history[1]["at"], "the clock was to jump back in this test"
    shop.undo()
    assert shop.runs() == "1.1", "'previous' was taken from a clock"
    cli("ledger", "verify", "--tables").ok()


def set_back(server, days):
    """Restarts the server with another wall clock."""
    server.stop()
    server.env.update(otherclock.Clock(f"{server.data}.clock", days=-days).env)
    server.start()


# ---- R23: several components ----

PAIR = """\
app: pair
components: {web: {repository: pair/web}, worker: {repository: pair/worker}}
environments:
  - name: production
    window: 3
    trial: 5s
    targets: [{name: web-1, component: web}, {name: worker-1, component: worker}]
"""


class Pair:
    """Two components of one release, each on a host of its own."""

    def __init__(self, server, cli, start_agent, tmp_path):
        self.server, self.cli, self.tmp, self.agents = server, cli, tmp_path, {}
        cli("apply", "-f", "-", input=PAIR).ok()
        for name in ("web", "worker"):
            self.agents[name] = start_agent({"agent": f"host-{name}", "server": server.url, "targets": [
                {"app": "pair", "environment": "production", "target": f"{name}-1", "driver": "dir",
                 "options": {"root": str(tmp_path / name)}}]}, name=f"host-{name}")

    def ship(self, version, wait=True):
        for name in ("web", "worker"):
            oci.push(self.server, f"pair/{name}", version, oci.make_image([{"version": f"{version}\n", "of": name}]))
        self.cli("release", "create", "pair", "--version", version, "--component", f"web={version}",
                 "--component", f"worker={version}").ok()
        self.cli("deploy", "pair/production", version, *([] if wait else ["--no-wait"])).ok()

    def runs(self):
        return {name: (self.tmp / name / "current/version").read_text().strip() for name in self.agents}


def test_R23_all_components_go_back_or_it_says_which_did_not(server, cli, start_agent, tmp_path):
    pair = Pair(server, cli, start_agent, tmp_path)
    pair.ship("1.0")
    pair.ship("1.1")
    assert pair.runs() == {"web": "1.1", "worker": "1.1"}
    pair.agents["worker"].stop()
    cli("rollout", "undo", "pair/production", "--yes", "--no-wait").ok()
    repoint.wait_for(lambda: pair.runs()["web"] == "1.0", what="the web to be back")
    assert pair.runs() == {"web": "1.0", "worker": "1.1"}
    status = server.api("GET", "/apps/pair/environments/production/status")
    assert status["current"]["release"]["version"] == "1.0" and status["current"]["outcome"] != "healthy"
    assert {one["name"]: one["revision"] == 3 for one in status["targets"]} == {"web-1": True, "worker-1": False}
    told = cli("rollout", "status", "pair/production").stdout
    assert re.search(r"web-1 .*1\.0", told) and re.search(r"worker-1 .*1\.1", told), told
    # Half of it is no known good release, and it converges by itself when the host is back.
    pair.agents["worker"].start()
    repoint.wait_for(lambda: pair.runs() == {"web": "1.0", "worker": "1.0"}, what="the worker to follow")
    repoint.wait_for(lambda: server.api("GET", "/apps/pair/environments/production/status")["current"]["outcome"]
                     == "healthy", what="all of it to be healthy")


# ---- R31: changed by hand ----

def test_R31_what_was_changed_by_hand_is_in_the_ledger_and_before_any_plan(shop, server, cli):
    shop.ship("1.0")
    other = os.readlink(shop.root / "current")
    shop.ship("1.1")
    shop.ship("1.2")
    os.symlink(other, shop.root / "by-hand")
    os.rename(shop.root / "by-hand", shop.root / "current")
    repoint.wait_for(lambda: cli("drift", "shop/production").rc == 4, what="the drift to be told")
    event, = [event for event in server.api("GET", "/ledger?limit=1000")["events"]
              if event["body"].get("state") == "drifted"]
    assert event["body"]["target"] == "web-1" and event["body"]["observed_digest"] == shop.images["1.0"].digest
    drifted, = [item for item in cli("plan", "shop/production", "-o", "json").ok().json["items"]
                if item["subject"] == "live state of web-1"]
    assert drifted["state"] == "not-restored" and "it runs" in drifted["reason"] and "(release 1.0)" in drifted["reason"]
    assert "web-1" in cli("rollout", "undo", "shop/production", "--yes").ok().stdout
    assert shop.versions()[-1] == "1.1" and shop.runs() == "1.1"
    repoint.wait_for(lambda: cli("drift", "shop/production").rc == 0, what="it to follow again")
