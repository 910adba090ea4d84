"""A collection that is cut at every single step towards the disk.

Each time something lies that nothing needs: loose blobs that the run condemns and moves out of sight, condemned ones that it
unlinks, a push that was cut off. The server is killed before a sync, rename, link or unlink of its, or that fails
with an error of the disk. Whatever the n: what is held is there with the right bytes, at once and after the restart;
the next run finishes the work; and the ledger tells each deletion once.
"""

import errno
import itertools
import os

import pytest

from promises import LOST, check_leftovers
from support import oci
from support.cutsync import BOTH, KILL, Cut
from support.otherclock import Clock
from support.repoint import Server

GRACE, KEEP = 3600, 86400  # seconds
ARGS = ["--collect-grace", "1h", "--collect-keep", "1d", "--collect-every", "365d", "--retention-every", "365d",
        "--scrub-every", "365d"]
STEPS_AT_LEAST = 15  # fewer would mean that the cutter does not see the collection
WORK_HAS = 100       # steps, about: with fewer crash points than that, each second or fifth … is cut

APP = """\
app: shop
components: {web: {repository: shop/web}}
environments: [{name: production, window: 1, targets: [{name: web-1, component: web}]}]
"""


@pytest.fixture
def every(crash_points):
    return max(1, WORK_HAS // crash_points)


class House:
    """A server with another clock, a cutter in it, and two images that must stay."""

    def __init__(self, directory):
        self.clock, self.cut = Clock(directory / "clock"), Cut(directory / "cut", which=BOTH)
        env = {**self.cut.env, **self.clock.env}
        env["LD_PRELOAD"] = f"{self.cut.env['LD_PRELOAD']}:{self.clock.env['LD_PRELOAD']}"
        self.server = Server(directory / "data", args=ARGS, env=env)
        self.gone = set()  # digests that were deleted, and nothing else may be
        self.rounds = 0

    def start(self):
        self.server.start()
        self.server.api("POST", "/apply?file=shop.yaml", APP)
        shared = {"shared": "with what goes"}
        self.kept = [oci.make_image([{"kept": str(i)}, shared]) for i in range(2)]
        self.kept.append(oci.make_artifact([b"signature"], subject=self.kept[0]))
        for number, image in enumerate(self.kept):
            oci.push(self.server, "shop/web", str(number), image)
        self.server.api("POST", "/apps/shop/releases", {"version": "1", "components": {"web": self.kept[0].digest},
                                                        "source": {"commit": "a" * 40}})
        self.server.api("POST", "/apps/shop/environments/production/revisions", {"kind": "deploy", "release": "1"})
        self.server.api("POST", "/retention/holds", {"digest": self.kept[1].digest, "because": "somebody needs it"})
        self.needed = {self.kept[0].digest: self.kept[0].manifest, self.kept[1].digest: self.kept[1].manifest,
                       self.kept[2].digest: self.kept[2].manifest}
        for image in self.kept:
            self.needed.update(image.blobs)

    def path(self, digest, area="blobs"):
        return self.server.data / area / "sha256" / digest[7:9] / digest[7:]

    def litter(self):
        """Images, of which one layer is needed, pushed and deleted."""
        self.rounds += 1
        fresh = set()
        for number in range(2):
            image = oci.make_image([{"round": f"{self.rounds}.{number}"}, {"shared": "with what goes"}])
            oci.push(self.server, "shop/web", "litter", image)
            with oci.Registry(self.server.url) as registry:
                registry.expect("deletion", (202,), "DELETE", f"/v2/shop/web/manifests/{image.digest}")
            fresh |= {image.digest, *image.blobs} - set(self.needed)
        self.gone |= fresh
        return fresh

    def collect(self):
        return self.server.api("POST", "/retention/collect", {})

    def prepare(self):
        """Something to unlink, something to condemn, and bytes that no record knows."""
        old = self.litter()
        self.clock.forward(seconds=GRACE + 60)
        self.collect()
        assert all(self.path(digest, "condemned").exists() for digest in old)
        self.clock.forward(seconds=KEEP)
        fresh = self.litter()
        stray = os.urandom(100)
        digest = oci.sha256(stray)
        self.path(digest).parent.mkdir(parents=True, exist_ok=True)
        self.path(digest).write_bytes(stray)
        self.path(digest).chmod(0o444)
        os.utime(self.path(digest), (self.clock.now, self.clock.now))
        self.gone.add(digest)
        self.clock.forward(seconds=GRACE + 60)
        return old | fresh | {digest}

    def check_needed(self):
        for digest, data in self.needed.items():
            assert self.path(digest).read_bytes() == data, digest
        with oci.Registry(self.server.url) as registry:
            for image in self.kept:
                assert registry.get_manifest("shop/web", image.digest) == image.manifest
                for digest, data in image.blobs.items():
                    assert registry.get_blob("shop/web", digest) == data

    def finish(self, litter):
        for _ in range(2):
            self.collect()
            self.clock.forward(seconds=KEEP + 60)
        self.collect()
        for digest in litter:
            assert not self.path(digest).exists() and not self.path(digest, "condemned").exists(), digest

    def unlinked(self):
        return [event["body"]["digest"] for event in self.events("blob.unlinked")]

    def events(self, kind):
        found, after = [], 0
        while True:
            page = self.server.api("GET", f"/ledger?limit=1000&kind={kind}&after={after}")["events"]
            if not page:
                return found
            found, after = found + page, page[-1]["seq"]

    def judge(self):
        """At the end of all."""
        told = self.unlinked()
        assert sorted(told) == sorted(set(told)), "a deletion is told twice"
        assert set(told) == self.gone, (set(told) ^ self.gone)
        condemned = {event["body"]["digest"] for event in self.events("blob.condemned")}
        assert condemned == self.gone
        self.server.api("POST", "/ledger/verify", {})
        check_leftovers(self.server)


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path)
    house.start()
    yield house
    if house.server.running:
        house.server.kill9()


def collect_with_cut(house, at, how):
    """Whether the cut was reached, and the status of the answer, if there was one."""
    start = house.cut.count
    house.cut.arm(start + at, how=how)
    try:
        status = house.server.request("POST", "/api/v1/retention/collect", {})[0]
    except LOST:
        status = None
    reached = house.cut.count >= start + at
    house.cut.disarm()
    return reached, status


def restart(house):
    house.server.kill9()
    house.server.start()


def test_R05_R25_killed_at_every_step_of_a_collection(house, every):
    for at in itertools.count(1, every):
        litter = house.prepare()
        restart(house)  # a process looks for stray bytes once a day, and first of all
        reached, status = collect_with_cut(house, at, KILL)
        assert reached == (status is None), (at, status)
        restart(house)
        house.check_needed()
        house.finish(litter)
        house.check_needed()
        if not reached:
            break
    assert at > STEPS_AT_LEAST, f"only {at} steps"
    house.judge()


def test_R05_R20_the_disk_fails_at_every_step_of_a_collection(house, every):
    refusals = 0
    for at in itertools.count(1, every):
        litter = house.prepare()
        restart(house)
        reached, status = collect_with_cut(house, at, errno.EIO)
        refusals += status != 200
        assert status is not None and house.server.running, f"a failing disk ended the server: {house.server.log_text()}"
        house.check_needed()
        restart(house)
        house.finish(litter)
        house.check_needed()
        if not reached:
            break
    assert at > STEPS_AT_LEAST and refusals > at / every / 2, f"{refusals} refusals in {at} steps"
    house.judge()
