"""The agent on its host: a directory that a real HTTP process serves, and a server that vanishes and lies."""

import hashlib
import os
import re
import random
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from support import oci, repoint
from support.pointer_server import PointerServer


def digest_of_tree(root):
    """One hash over all names and bytes below `root`."""
    total = hashlib.sha256()
    for path in sorted(Path(root).rglob("*")):
        total.update(str(path.relative_to(root)).encode() + b"\0")
        if path.is_file():
            total.update(path.read_bytes())
    return total.hexdigest()


class Site:
    """busybox httpd over ROOT/current, an agent, and the server that it follows."""

    def __init__(self, tmp_path, start_agent, trial_ms=3000, state=None, root=None):
        self.shop = PointerServer(trial_ms=trial_ms)
        self.root = root or tmp_path / "srv"
        self.root.mkdir(parents=True, exist_ok=True)
        self.port = repoint.free_port()
        # httpd enters its home once, so it gets the root, and `current` is looked up for each request
        self.httpd = subprocess.Popen(
            ["busybox", "httpd", "-f", "-p", f"127.0.0.1:{self.port}", "-h", str(self.root)],
            stdin=subprocess.DEVNULL)
        config = {"agent": "host-1", "server": self.shop.url,
                  "targets": [self.target("web-1", self.root)]}
        if state:
            config["state"] = str(state)
        self.agent = start_agent(config, start=False)

    def target(self, name, root):
        return {"app": "shop", "environment": "production", "target": name, "driver": "dir",
                "options": {"root": str(root),
                            "probe": {"http": f"http://127.0.0.1:{self.port}/current/healthz",
                                      "timeout": "2s", "expect": 200, "contains": "fine"}}}

    def add(self, version, bad=False):
        files = {"version": version, "healthz": "sick" if bad else "fine",
                 "data": hashlib.sha512(version.encode()).digest() * 64}
        self.shop.add(version, oci.make_artifact([files]))
        return self

    def ship(self, version, bad=False):
        """Deploys and waits for the end that is due."""
        if version not in self.shop.images:
            self.add(version, bad)
        number = self.shop.point(version)
        end = "reverted" if bad else "confirmed"
        repoint.wait_for(lambda: self.shop.has_state(end, number), 30,
                         f"{version} {end}: {self.shop.states(revision=number)}")
        return number

    def get(self, path="version"):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/current/{path}", timeout=5) as reply:
                return reply.read().decode()
        except (urllib.error.URLError, OSError):
            return None

    def serves(self, version, timeout=20):
        repoint.wait_for(lambda: self.get() == version, timeout, f"serving {version}")

    def is_local(self, *versions):
        """The window's bytes lie ready on the host, and the server was told."""
        want = {self.shop.images[version].digest for version in versions}
        repoint.wait_for(lambda: self.shop.reports and want <= set(self.shop.reports[-1]["local"]),
                         20, f"{versions} local")

    def close(self):
        self.shop.stop()
        if self.httpd:
            self.httpd.kill()
            self.httpd.wait()


@pytest.fixture
def make_site(tmp_path, start_agent):
    """make_site(trial_ms=…, state=…, root=…) → a Site that serves 1.0"""
    if not shutil.which("busybox"):
        pytest.skip("needs busybox")
    sites = []

    def make(**kwargs):
        site = Site(tmp_path, start_agent, **kwargs)
        sites.append(site)
        site.agent.start()
        site.ship("1.0")
        site.serves("1.0")
        return site
    yield make
    for site in sites:
        site.close()


@pytest.fixture
def site(make_site):
    return make_site()


def last_message(site, state):
    return [r["message"] for r in site.shop.reports if r["state"] == state][-1]


# ---- following ----

def test_it_deploys_what_the_pointer_names_and_tells_what_it_sees(site):
    site.ship("1.1")
    assert site.get() == "1.1"
    assert site.shop.states(revision=2)[:4] == ["preparing", "prepared", "trial", "confirmed"]
    seen = [r for r in site.shop.reports if r["state"] == "confirmed"][-1]
    assert seen["observed_digest"] == site.shop.images["1.1"].digest
    site.is_local("1.0", "1.1")
    numbers = [int(r["id"].split(":")[1]) for r in site.shop.reports]
    assert numbers == sorted(numbers)


def test_R21_it_tries_its_credentials_on_the_window_and_tells(site):
    repoint.wait_for(lambda: site.shop.pull_words[-1:] == ["ok"], 30, "the first try")
    site.shop.refuse_pulls = "this token has expired"
    site.add("1.1")
    site.shop.point("1.1")
    repoint.wait_for(lambda: "this token has expired" in site.shop.pull_words[-1], 30, "the refusal")
    site.shop.refuse_pulls = None
    site.add("1.2")
    site.shop.point("1.2")
    repoint.wait_for(lambda: site.shop.pull_words[-1] == "ok", 30, "the next try")
    # A registry that has troubles of its own says nothing of credentials.
    site.serves("1.2")
    site.shop.fail_pulls = True
    before = len(site.shop.pull_words)
    site.add("1.3")
    site.shop.point("1.3")
    repoint.wait_for(lambda: len(site.shop.pull_words) > before, 30, "the next poll")
    assert site.shop.pull_words[-1] == "ok"


def test_it_says_why_it_cannot_fetch_and_goes_on_trying(site):
    site.add("1.1")
    site.shop.fail_pulls = True
    site.shop.point("1.1")
    repoint.wait_for(lambda: any("cannot lay" in r["message"] for r in site.shop.reports), 60,
                     "the reason")
    assert site.get() == "1.0"
    assert "failed" not in site.shop.states(revision=2)
    site.shop.fail_pulls = False
    repoint.wait_for(lambda: site.shop.has_state("confirmed", 2), 60, "1.1 after all")


def test_wrong_bytes_fail_and_the_old_release_stays(site):
    site.add("1.1")
    layer = site.shop.images["1.1"].layer_digests[0]
    site.shop.blobs[layer] = b"x" * len(site.shop.blobs[layer])
    site.shop.point("1.1")
    repoint.wait_for(lambda: site.shop.has_state("failed", 2), 60, "failed")
    assert site.get() == "1.0"


def test_a_refused_tar_fails_and_nothing_escapes(site, tmp_path):
    site.shop.add("evil", oci.make_artifact(
        [[oci.Entry("healthz", b"fine"), oci.Entry("../../escaped", b"out")]]))
    site.shop.point("evil")
    repoint.wait_for(lambda: site.shop.has_state("failed", 2), 60, "failed")
    assert ".." in last_message(site, "failed")
    assert site.get() == "1.0" and not list(tmp_path.rglob("escaped"))


def test_a_change_by_hand_is_told_and_left_alone(site):
    site.ship("1.1")
    before = os.readlink(site.root / "current")
    other = next(p for p in (site.root / "releases").iterdir()
                 if p.name not in before and p.is_dir())
    os.symlink(f"releases/{other.name}", site.root / "by-hand")
    os.rename(site.root / "by-hand", site.root / "current")
    repoint.wait_for(lambda: site.shop.reports[-1]["state"] == "drifted", 30, "drifted")
    assert site.shop.reports[-1]["observed_digest"] == site.shop.images["1.0"].digest
    assert site.get() == "1.0"


def test_a_failing_target_does_not_disturb_another(make_site, tmp_path):
    site = make_site()
    site.agent.stop()
    broken = site.target("web-2", tmp_path / "srv2")
    broken["options"]["probe"] = {"command": ["/bin/false"], "timeout": "1s"}
    site.agent.config["targets"].append(broken)
    site.agent.write()
    site.agent.start()
    site.ship("1.1")
    repoint.wait_for(lambda: site.shop.has_state("failed", 2, "web-2"), 30, "web-2 failed")
    assert site.get() == "1.1"


# ---- errors at start ----

def test_a_wrong_configuration_names_the_place(start_agent, tmp_path):
    agent = start_agent({"agent": "a", "server": "http://127.0.0.1:1", "targets": []}, start=False)
    agent.path.write_text("agent: a\nserver: http://127.0.0.1:1\nstate: /s\ntargets:\n"
                          "  - {app: shop, environment: p, target: t, driver: dri}\n")
    done = agent.cli().exits(2)
    assert "agent.yaml:5:" in done.stderr and "dri" in done.stderr and "dir" in done.stderr


def test_two_agents_on_one_state_directory(site):
    done = site.agent.cli().exits(4)
    assert str(site.agent.pid) in done.stderr
    assert site.agent.running


# ---- what is let go of ----

class Store:
    """STATE/store of an agent, looked at from outside."""

    def __init__(self, agent):
        self.root = agent.dir / "state" / "store"

    def blobs(self, place="blobs"):
        return {f"sha256:{path.name}" for path in (self.root / place / "sha256").glob("??/*")}

    def plant(self, count):
        """So many blobs that nothing needs."""
        junk = [hashlib.sha256(f"junk {i}".encode()).hexdigest() for i in range(count)]
        for name in junk:
            (self.root / "blobs" / "sha256" / name[:2]).mkdir(exist_ok=True)
            (self.root / "blobs" / "sha256" / name[:2] / name).write_text("junk")
        return {f"sha256:{name}" for name in junk}


def window_of(site):
    """All blobs of the releases that the window names, and the versions, newest first."""
    versions = [entry["release"]["version"] for entry in site.shop.pointer()["window"]]
    images = [site.shop.images[version] for version in versions]
    return {digest for image in images for digest in (image.digest, *image.blobs)}, versions


def test_what_leaves_the_window_leaves_the_store_and_the_oldest_can_be_undone_to(site):
    store = Store(site.agent)
    for i in range(1, 9):
        site.ship(f"1.{i}")
    needed, versions = window_of(site)
    assert len(versions) == 6 and "1.0" not in versions
    repoint.wait_for(lambda: store.blobs() == needed, 60, "the store being tidy")
    assert "let go of" in site.agent.log_text()
    site.is_local(*versions)
    site.shop.stop()
    site.agent.stop()
    oldest = versions[-1]
    site.agent.cli("undo", "--to-revision", str(1 + int(oldest.split(".")[1]))).ok()
    assert site.get() == oldest


def test_R25_a_sweep_that_is_killed_is_gone_on_with(site):
    store = Store(site.agent)
    site.ship("1.1")
    site.ship("1.2")
    needed, versions = window_of(site)
    count = 4000
    while True:
        site.agent.stop()
        junk = store.plant(count)
        site.agent.start()
        repoint.wait_for(lambda: len(store.blobs() & junk) < count, 60, "a sweep", every=0.001)
        site.agent.kill9()
        left = store.blobs() & junk
        assert needed <= store.blobs()
        if left:
            break
        count *= 4  # it was faster than we are
    site.agent.start()
    repoint.wait_for(lambda: store.blobs() == needed and not store.blobs("condemned"), 60, "the rest being gone")
    site.shop.stop()
    site.agent.kill9()
    site.agent.cli("undo", "--to-revision", "1").ok()
    assert site.get() == versions[-1] == "1.0"


# ---- R19: the server is gone ----

@pytest.mark.parametrize("running", [True, False], ids=["agent-runs", "no-agent"])
def test_R19_undo_on_the_host_with_the_server_gone(site, running):
    before = digest_of_tree(site.root / "current")
    site.ship("1.1")
    site.is_local("1.0", "1.1")
    site.shop.stop()
    if not running:
        site.agent.stop()
    report = site.agent.cli("undo", "--because", "fire", "-o", "json", actor="me@host").ok().json
    assert site.get() == "1.0" and digest_of_tree(site.root / "current") == before
    assert (report["from_revision"], report["to_revision"]) == (2, 1) and report["recorded"]
    assert re.search(r"server seen .*, \d+ reports? waiting for it$", site.agent.cli("status").ok().stdout, re.M)

    # Held there, also by a new process, until the server has a word newer than the one it undid.
    if running:
        site.agent.stop()
    site.shop.apply_undo = False
    site.shop.start()
    site.agent.start()
    repoint.wait_for(lambda: site.shop.has_state("undone", 2), 30, "undone reported")
    undo = next(r["undo"] for r in site.shop.reports if "undo" in r)
    assert undo["from_revision"] == 2 and undo["cause"] == "fire" and undo["actor"] == "me@host"
    assert undo["to_digest"] == site.shop.images["1.0"].digest
    time.sleep(1)
    assert site.get() == "1.0"

    site.shop.point("1.0", "rollback")
    repoint.wait_for(lambda: site.shop.has_state("confirmed", 3), 30, "followed again")
    assert site.get() == "1.0"
    site.ship("1.2")
    assert site.get() == "1.2"
    repoint.wait_for(lambda: "waiting" not in site.agent.cli("status").ok().stdout, 30, "all told")


def test_R19_the_agent_starts_and_undoes_with_no_server_at_all(site):
    site.ship("1.1")
    site.is_local("1.0", "1.1")
    site.agent.kill9()
    site.shop.stop()
    site.agent.start()
    site.agent.cli("undo").ok()
    assert site.get() == "1.0"
    status = site.agent.cli("status", "-o", "json").ok().json
    assert status["running"] and status["pid"] == site.agent.pid
    assert status["targets"][0]["override"]["from_revision"] == 2
    assert status["targets"][0]["outbox"] >= 1


def test_R19_what_is_not_local_is_refused_and_nothing_is_touched(site):
    site.agent.stop()
    done = site.agent.cli("undo").exits(3)
    assert "what runs now" in done.stderr and site.get() == "1.0"


# ---- R20: the disk is full ----

@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)],
                          capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot mount a tmpfs: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place):
    """To the last byte: with big writes, then small ones."""
    with open(place / "filler", "ab", buffering=0) as out:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    out.write(b"\0" * size)
            except OSError:
                pass


@pytest.mark.parametrize("running", [True, False], ids=["agent-runs", "no-agent"])
def test_R20_undo_on_a_full_disk(make_site, small_disk, running):
    site = make_site(state=small_disk / "state", root=small_disk / "srv")
    before = digest_of_tree(site.root / "current")
    site.ship("1.1")
    site.is_local("1.0", "1.1")
    site.shop.stop()
    if not running:
        site.agent.stop()
    fill(small_disk)
    report = site.agent.cli("undo", "-o", "json").ok().json
    assert site.get() == "1.0" and digest_of_tree(site.root / "current") == before
    assert report["recorded"]
    os.unlink(small_disk / "filler")
    site.shop.start()
    if not running:
        site.agent.start()
    repoint.wait_for(lambda: site.shop.has_state("confirmed", 3), 40, "re-pointed by the server")
    assert site.get() == "1.0"


def test_R20_going_back_alone_on_a_full_disk(make_site, small_disk):
    site = make_site(state=small_disk / "state", root=small_disk / "srv", trial_ms=2000)
    site.add("1.1", bad=True)
    number = site.shop.point("1.1")
    repoint.wait_for(lambda: site.shop.has_state("trial", number), 30, "trial")
    fill(small_disk)
    repoint.wait_for(lambda: site.shop.has_state("reverted", number), 30, "reverted")
    assert site.get() == "1.0"


# ---- R25: killed half-way ----

def test_R25_agent_killed_at_random_points(site):
    seed = int(os.environ.get("REPOINT_SEED", "25"))
    chance = random.Random(seed)
    trees = {"1.0": digest_of_tree(site.root / "current")}
    runs = "1.0"
    for i in range(1, 26):
        version = f"2.{i}"
        site.add(version)
        number = site.shop.point(version)
        time.sleep(chance.uniform(0, 0.25))
        site.agent.kill9()
        # Either the old or the new, whole.
        now = site.get()
        assert now in (runs, version), f"seed {seed}, round {i}: {now}"
        tree = digest_of_tree(site.root / "current")
        assert tree == trees.setdefault(now, tree), f"seed {seed}, round {i}: other bytes"
        site.agent.start()
        repoint.wait_for(lambda: site.shop.has_state("confirmed", number), 60,
                         f"seed {seed}, round {i}: {site.shop.states(revision=number)}")
        assert site.get() == version
        tree = digest_of_tree(site.root / "current")
        assert tree == trees.setdefault(version, tree), f"seed {seed}, round {i}: other bytes"
        runs = version


def test_R25_agent_killed_during_a_bad_trial_still_goes_back(make_site):
    site = make_site(trial_ms=1500)
    for i in range(4):
        site.add(f"bad{i}", bad=True)
        number = site.shop.point(f"bad{i}")
        repoint.wait_for(lambda: site.shop.has_state("trial", number), 30, "trial")
        time.sleep(i * 0.5)
        site.agent.kill9()
        site.agent.start()
        repoint.wait_for(lambda: site.shop.has_state("reverted", number), 30, "reverted")
        assert site.get() == "1.0"


# ---- R44: a bad switch ----

def test_R44_a_bad_release_goes_back_by_itself(make_site):
    site = make_site(trial_ms=1000)
    before = digest_of_tree(site.root / "current")
    number = site.ship("1.1", bad=True)
    assert site.get() == "1.0" and digest_of_tree(site.root / "current") == before
    assert "1.0" in last_message(site, "reverted") and "healthz" in last_message(site, "reverted")
    time.sleep(1.5)
    assert site.get() == "1.0"
    assert site.shop.states(revision=number).count("trial") == 1
    site.ship("1.2")
    assert site.get() == "1.2"


def test_R44_cut_off_just_after_the_switch(make_site):
    site = make_site(trial_ms=2000)
    site.add("1.1", bad=True)
    number = site.shop.point("1.1")
    site.serves("1.1")
    site.shop.stop()
    site.serves("1.0", 30)
    site.shop.start()
    repoint.wait_for(lambda: site.shop.has_state("reverted", number), 40, "reverted reported")


def test_a_failed_rollback_is_not_rolled_back(make_site):
    site = make_site(trial_ms=1000)
    site.ship("1.1")
    site.agent.config["targets"][0]["options"]["probe"]["contains"] = "never"
    site.agent.stop()
    site.agent.write()
    site.agent.start()
    number = site.shop.point("1.0", "rollback")
    repoint.wait_for(lambda: site.shop.has_state("failed", number), 30, "failed")
    time.sleep(1)
    assert site.get() == "1.0"
