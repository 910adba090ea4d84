"""Plays the steps of a schedule against a real server and judges it by the model after each.

A step is a name and a number. All that it chooses, it chooses by that number among what there is, so that a schedule is
still one when steps are taken out of it: that is how a failing one is made short.
"""

import http.client
import json
import os
import random
import time
import urllib.parse
from pathlib import Path

from model import APP, ENVIRONMENTS, SLACK, Model, seconds
from promises import LOST
from support import oci
from support.cutsync import BOTH, KILL, Cut
from support.otherclock import Clock
from support.repoint import Server
from universe import REPOSITORIES

GRACE, KEEP = 3600, 86400  # seconds
SERVE = ["--collect-grace", "1h", "--collect-keep", "1d", "--collect-every", "365d", "--retention-every", "365d",
         "--scrub-every", "365d"]
LOOK_AT_ALL_EVERY = 25  # steps
CUT_WITHIN = 10         # steps towards the disk
COLLECTION_HAS = 20     # of them, about, where there is much to collect

WEIGHTS = {
    "push": 16, "push_what_lacks": 8, "move_tag": 6, "delete_tag": 5, "delete_manifest": 8, "delete_blob": 2,
    "release": 6, "deploy": 7, "undo": 4, "observe": 3, "hold": 3, "unhold": 3, "set_policy": 4, "drop_policy": 2,
    "retain": 8, "collect": 10, "pass_time": 10, "flip": 2, "heal": 3, "verify": 2, "ready": 3, "kill": 1,
    "cut": 5, "settle": 1, "scrub": 4, "restore": 4, "cut_collection": 4, "lose": 1,
}


def make_schedule(seed, length):
    dice = random.Random(seed)
    names, weights = list(WEIGHTS), list(WEIGHTS.values())
    return [[dice.choices(names, weights)[0], dice.randrange(10**9)] for _ in range(length)]


NEVER_CUT = ("cut", "cut_collection", "kill", "settle", "flip", "lose", "pass_time")


class Player:
    def __init__(self, directory):
        directory = Path(directory)
        directory.mkdir(parents=True)
        self.clock = Clock(directory / "clock")
        self.cut_at = Cut(directory / "cut", which=BOTH)
        env = {**self.cut_at.env, **self.clock.env}
        env["LD_PRELOAD"] = f"{self.cut_at.env['LD_PRELOAD']}:{self.clock.env['LD_PRELOAD']}"
        self.server = Server(directory / "data", args=SERVE, env=env)
        self.model = Model()
        self.universe = self.model.universe
        self.registry = None
        self.dice = None
        self.policies = set()
        self.counts = {}
        self.kills = self.reports = 0

    # ---- running ----

    def play(self, schedule):
        """Raises AssertionError where the server did what it must not; `at` is then the step."""
        self.at = -1
        try:
            self.up()
            self.server.api("POST", "/apply?file=model.yaml", APP)
            self.server.api("PUT", "/repositories/policies/" + urllib.parse.quote(REPOSITORIES[1], safe=""),
                            {"tag_mutability": "MUTABLE"})
            for self.at, (name, number) in enumerate(schedule):
                self.dice = random.Random(number)
                self.step(name)
                self.look(everything=self.at % LOOK_AT_ALL_EVERY == 0)
            self.dice = random.Random(0)
            self.settle()
            self.finish()
        except oci.RegistryError as refused:
            raise AssertionError(f"refused: {refused}") from refused
        finally:
            if self.registry:
                self.registry.close()
            if self.server.running:
                self.server.kill9()

    def up(self):
        self.server.start()
        if self.registry:
            self.registry.close()
        self.registry = oci.Registry(self.server.url)

    def step(self, name):
        done = getattr(self, name)()
        self.model.answered()
        self.notice_healed()
        key = name if done is not False else name + " (nothing to do)"
        self.counts[key] = self.counts.get(key, 0) + 1

    def finish(self):
        self.server.api("POST", "/ledger/verify", {})
        self.registry.close()
        assert self.server.stop() == 0

    def ask(self, method, path, body=None, wanted=(200, 201, 202), refused=()):
        """The JSON answer, or None if it was refused with one of `refused`."""
        status, _, data = self.server.request(method, "/api/v1" + path, body)
        if status in refused:
            return None
        assert status in wanted, f"{method} {path}: HTTP {status}: {data[:1500]}"
        return json.loads(data) if data else {}

    def pick(self, things):
        things = list(things)
        return self.dice.choice(things) if things else None

    def is_hurt(self, digest):
        """Some of it is damaged, or was taken out by hand: what needs it whole may be refused."""
        parts = self.universe.parts(digest)
        return bool(parts & self.model.damaged) or any(blob in parts for _, blob in self.model.missing)

    # ---- pushing ----

    def put_blob(self, repository, blob):
        self.registry.push_blob(repository, self.universe.bytes[blob])
        self.model.missing.discard((repository, blob))
        self.model.damaged.discard(blob)

    def put_manifest(self, repository, one, tag=None):
        self.model.may(("manifest", repository, one.digest), True)
        if tag:
            self.model.may(("tag", repository, tag), one.digest)
        self.registry.push_manifest(repository, tag or one.digest, one.manifest, one.media_type)
        self.model.set(("manifest", repository, one.digest), True)
        self.model.damaged.discard(one.digest)
        if tag:
            self.model.set(("tag", repository, tag), one.digest)
            self.model.used_tags.add((repository, tag))
        self.model.answered()

    def choose_tag(self, repository, one):
        if one is self.universe.signature:
            tag = self.universe.signature_tag()
        else:
            tag = self.pick([None, "a", "b", "c", "d", "e", f"v-{one.digest[7:12]}"])
        there = self.model.tags[repository].get(tag)
        if there and there != one.digest and repository == REPOSITORIES[0]:
            return None
        return tag

    def push_one(self, repository, one, lazily):
        """`lazily`: as clients do, who ask first, and take the answer for granted for less than the time of grace."""
        lacks = [blob for blob in sorted(one.blobs) if not (lazily and self.registry.has_blob(repository, blob))]
        if lazily and self.dice.random() < 0.5:
            self.wait(self.dice.randint(1, GRACE // 2))
            self.ask_collect()
        for blob in lacks:
            self.put_blob(repository, blob)
        for item in one.manifests():
            self.put_manifest(repository, item, self.choose_tag(repository, one) if item is one else None)

    def push(self):
        self.push_one(self.pick(REPOSITORIES), self.pick(self.universe.all), lazily=False)

    def push_what_lacks(self):
        one = self.pick(self.universe.all)
        repository = self.pick(REPOSITORIES)
        if self.is_hurt(one.digest):
            return False
        self.push_one(repository, one, lazily=True)
        return True

    def move_tag(self):
        repository = REPOSITORIES[1]
        digest = self.pick(sorted(self.model.manifests[repository] - self.model.damaged))
        if not digest:
            return False
        one = self.universe.by_digest[digest]
        if self.is_hurt(digest) or not self.model.manifests[repository] >= self.universe.manifests(digest):
            return False
        self.put_manifest(repository, one, self.pick("abcde"))
        return True

    # ---- deleting ----

    def delete_tag(self):
        repository = self.pick(REPOSITORIES)
        tag = self.pick(sorted(self.model.tags[repository]))
        if not tag:
            return False
        self.model.may(("tag", repository, tag), None)
        wanted = (202, 405) if tag == self.universe.signature_tag() else (202,)  # a signature stays with what it signs
        if self.registry.expect("deletion of a tag", wanted, "DELETE", f"/v2/{repository}/manifests/{tag}")[0] == 202:
            self.model.set(("tag", repository, tag), None)
        return True

    def must_stay(self, digest):
        return digest in self.model.held(self.clock.now) | self.model.released()

    def may_stay(self, digest):
        return bool(self.model.damaged) or digest in self.model.held(self.clock.now, -SLACK) | self.model.released()

    def delete_by_hand(self, path, digest):
        """TRUE if it went."""
        must, may = self.must_stay(digest), self.may_stay(digest)
        status, _, data = self.registry.request("DELETE", path)
        assert status in (202, 405, 409), (path, status, data)
        assert status != 202 or not must, f"{path} was deleted although {self.who_needs(digest)} needs it"
        assert status == 202 or may, f"{path} is refused although nothing needs it: {data}"
        return status == 202

    def who_needs(self, digest):
        now = self.clock.now
        roots = {root for root in self.model.roots(now, SLACK) if digest in self.model.attached({root})}
        windows = {name: self.model.window(name, now, SLACK) for name in ENVIRONMENTS}
        return f"something held ({roots}; windows {windows}, holds {self.model.holds}, running {self.model.running})" \
            if roots else "a release"

    def delete_manifest(self):
        at = self.pick(self.model.present())
        if not at:
            return False
        repository, digest = at
        if not self.must_stay(digest):
            self.model.may(("manifest", repository, digest), False)
            self.expect_tags_of(repository, [digest])
        if self.delete_by_hand(f"/v2/{repository}/manifests/{digest}", digest):
            self.model.set(("manifest", repository, digest), False)
        return True

    def expect_tags_of(self, repository, digests):
        for tag, to in self.model.tags[repository].items():
            if to in digests:
                self.model.may(("tag", repository, tag), None)

    def delete_blob(self):
        at = self.pick(self.model.present())
        blob = self.pick(self.universe.own_blobs(at[1])) if at else None
        if not blob or (at[0], blob) in self.model.missing:
            return False
        if self.registry.request("HEAD", f"/v2/{at[0]}/blobs/{blob}")[0] != 200:
            return False
        if not self.must_stay(blob):
            self.model.missing.add((at[0], blob))  # at once: a kill leaves it either way
        if self.delete_by_hand(f"/v2/{at[0]}/blobs/{blob}", blob):
            self.model.missing.add((at[0], blob))
        else:
            self.model.missing.discard((at[0], blob))
        return True

    # ---- releases ----

    def release(self):
        digest = self.pick(sorted(digest for digest in self.model.manifests["shop/web"]
                                  if digest not in self.universe.subjects))
        if not digest or digest == self.universe.signature.digest:
            return False
        version = f"1.{self.at}"
        self.model.releases[version] = digest
        answer = self.ask("POST", "/apps/shop/releases",
                          {"version": version, "components": {"web": digest}, "source": {"commit": f"{self.at:040x}"}},
                          refused=self.refusals_of(digest, "shop/web"))
        if not answer:
            del self.model.releases[version]
        return True

    def refusals_of(self, digest, repository):
        """What is refused only because not all of an artifact is there."""
        whole = not self.is_hurt(digest) and self.model.manifests[repository] >= self.universe.manifests(digest)
        return () if whole else (404, 405, 409, 422, 500)

    def history(self):
        for name in ENVIRONMENTS:
            path = f"/apps/shop/environments/{name}/revisions?limit=1000"
            self.model.history[name] = self.server.api("GET", path)["revisions"]

    def point(self, environment, body, digest=None, more=()):
        known = self.model.history[environment]
        body["expected_revision"] = known[0]["number"] if known else 0
        refused = (404, 405, 409, 422) if not digest else (*self.refusals_of(digest, "shop/web"), *more)
        answer = self.ask("POST", f"/apps/shop/environments/{environment}/revisions", body, refused=refused)
        self.history()
        if answer:
            self.report(environment)
        return True

    def report(self, environment):
        """An agent tries what is current and says how that went."""
        row = self.model.history[environment][0]
        self.reports += 1
        well = self.dice.random() < 0.75
        digest = self.model.releases[row["release"]["version"]]
        body = {"id": f"host:{environment}-{self.reports}-{self.at}", "agent": "host", "driver": "dir",
                "state": "confirmed" if well else "failed", "revision": row["number"], "message": "it was tried"}
        if well:
            body["observed_digest"] = digest
            self.model.running[environment] = {digest}
        else:
            body["observed_digest"] = self.pick(sorted(self.model.running.get(environment, {digest})))
        self.ask("POST", f"/apps/shop/environments/{environment}/targets/web-1/reports", body)
        self.history()

    def end_trials(self):
        for environment, history in self.model.history.items():
            if history and history[0]["outcome"] == "progressing":
                self.report(environment)

    def deploy(self):
        version = self.pick(sorted(version for version, digest in self.model.releases.items()
                                   if digest in self.model.manifests["shop/web"]))
        if not version:
            return False
        environment = self.pick(ENVIRONMENTS)
        held, lifted = self.model.held_by(environment).get(version, 0), self.model.lifts.get((environment, version), 0)
        if held > lifted:
            return self.lift(environment, version)
        # It may be that the lifting was cut off.
        return self.point(environment, {"kind": "deploy", "release": version}, self.model.releases[version],
                          more=(422,) if held else ())

    def lift(self, environment, version):
        """What was rolled back from is refused, until somebody lifts that."""
        path = f"/apps/shop/environments/{environment}"
        self.ask("POST", f"{path}/revisions", {"kind": "deploy", "release": version}, wanted=(),
                 refused=(404, 405, 409, 422, 500))
        self.model.lifts[environment, version] = self.model.history[environment][0]["number"]
        self.ask("POST", f"{path}/holds/{version}/end", {"because": "the model is sure of it"})
        return True

    def undo(self):
        return self.point(self.pick(ENVIRONMENTS), {"kind": "rollback", "cause": "the model says so"})

    def observe(self):
        self.end_trials()
        return True

    # ---- retention ----

    def hold(self):
        digest = self.pick(sorted(digest for digest in self.universe.by_digest if self.model.somewhere(digest)))
        if not digest:
            return False
        until = self.clock.now + self.dice.choice([300, 7200, 200000]) if self.dice.random() < 0.5 else None
        body = {"digest": digest, "because": "the model looks at it"}
        if until:
            body["until"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until))
        answer = self.ask("POST", "/retention/holds", body)
        self.model.holds[answer["id"]] = (digest, until)
        return True

    def unhold(self):
        chosen = self.pick(sorted(self.model.holds))
        if not chosen:
            return False
        digest, until = self.model.holds.pop(chosen)
        self.ask("POST", f"/retention/holds/{chosen}/end", {"because": "seen"}, refused=(404, 409) if until else ())
        return True

    def set_policy(self):
        pattern = self.pick(["*", "shop/web", "shop/side"])
        selection = self.pick([
            {"countType": "imageCountMoreThan", "countNumber": self.dice.randint(1, 6)},
            {"countType": "sinceImagePushed", "countUnit": "days", "countNumber": self.dice.randint(1, 3)}])
        selection["tagStatus"] = self.pick(["any", "untagged"])
        self.ask("PUT", "/retention/policies/" + urllib.parse.quote(pattern, safe=""),
                 {"rules": [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]})
        self.policies.add(pattern)
        return True

    def drop_policy(self):
        pattern = self.pick(sorted(self.policies))
        if not pattern:
            return False
        self.policies.discard(pattern)
        self.ask("DELETE", "/retention/policies/" + urllib.parse.quote(pattern, safe=""), wanted=(204, 404))
        return True

    def retain(self):
        held = self.model.held(self.clock.now)
        for repository, digest in self.model.present():
            if digest not in held:
                self.model.may(("manifest", repository, digest), False)
                self.expect_tags_of(repository, [digest])
        told = self.ask("POST", "/retention/run", {}, refused=(405, 500) if self.model.damaged else ())
        told = told or {"repositories": [], "problems": []}
        assert self.model.damaged or not told["problems"], told["problems"]
        gone = [(one["repository"], image["digest"]) for one in told["repositories"] for image in one["goes"]]
        for repository, digest in gone:
            assert digest not in held, f"a policy took {digest} from {repository}, and it is held"
        self.adopt()
        return True

    def ask_collect(self, wanted=(200,)):
        refused = (405, 409, 500, 503) if self.model.damaged else ()
        return self.ask("POST", "/retention/collect", {}, wanted=wanted, refused=refused)

    def collect(self):
        told = self.ask_collect()
        assert not told or not told["held"]["blobs"] or self.model.held(self.clock.now, -SLACK), told

    def condemned(self):
        """Digests whose bytes lie out of sight and can be restored."""
        return sorted(f"sha256:{path.name}" for path in (self.server.data / "condemned").rglob("*")
                      if path.is_file() and len(path.name) == 64)

    def restore(self):
        """A layer comes back alone; an image whole, and into a repository, unless some of it was unlinked or damaged."""
        digest = self.pick(self.condemned())
        if not digest:
            return False
        inside = self.universe.manifests(digest) if digest in self.universe.by_digest else set()
        for repository in REPOSITORIES:
            for one in inside:
                self.model.may(("manifest", repository, one), True)
        # A kill leaves some that are recorded as gone.
        told = self.ask("POST", f"/retention/condemned/{digest}/restore", {},
                        refused=(404, 500) if inside else (404,) if self.kills else ())
        self.adopt()
        if told:
            assert digest in told["restored"], told
            assert self.stored(digest).read_bytes() == self.universe.bytes[digest] or digest in self.model.damaged, digest
        return True

    def wait(self, by):
        self.end_trials()
        self.clock.forward(seconds=by)

    def pass_time(self):
        self.wait(self.dice.choice([600, 5000, 40000, 100000, 3 * 86400]))

    # ---- damage ----

    def stored(self, digest):
        algorithm, hexes = digest.split(":")
        return self.server.data / "blobs" / algorithm / hexes[:2] / hexes

    def to_damage(self):
        """Something that is needed; or None, as what is damaged stands in the way of much."""
        if len(self.model.damaged) > 1:
            return None
        return self.pick(sorted(digest for digest in self.model.reachable() if self.stored(digest).exists()))

    def damage(self, digest):
        self.model.damaged.add(digest)
        self.model.noticed.discard(digest)
        return True

    def flip(self):
        digest = self.to_damage()
        if not digest:
            return False
        path = self.stored(digest)
        data = bytearray(path.read_bytes())
        data[self.dice.randrange(len(data))] ^= 1 << self.dice.randrange(8)
        path.chmod(0o644)
        before = path.stat()
        path.write_bytes(data)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        path.chmod(0o444)
        return self.damage(digest)

    def notice_healed(self):
        """By a push that was cut off before it was answered, or by what still lay condemned."""
        right = {digest for digest in self.model.damaged
                 if self.stored(digest).exists() and self.stored(digest).read_bytes() == self.universe.bytes[digest]}
        if right:
            self.model.damaged -= right - {one["digest"] for one in self.ask("GET", "/scrub")["damaged"]}

    def lose(self):
        """A file that is no longer there, without a word."""
        digest = self.to_damage()
        if not digest:
            return False
        self.stored(digest).unlink()
        return self.damage(digest)

    def heal(self):
        """The next push of the right bytes."""
        for digest in sorted(self.model.damaged):
            repositories = [r for r, one in self.model.present() if digest in self.universe.parts(one)]
            if digest not in self.universe.by_digest:
                for repository in repositories or REPOSITORIES:
                    self.put_blob(repository, digest)
        for digest in sorted(self.model.damaged):
            self.heal_manifest(digest)
        assert not self.model.damaged

    def heal_manifest(self, digest):
        one = self.universe.by_digest[digest]
        named_in = [r for r, other in self.model.present() if digest in self.universe.manifests(other)]
        for repository in dict.fromkeys([r for r in named_in if digest in self.model.manifests[r]] or named_in
                                        or REPOSITORIES):
            self.push_one(repository, one, lazily=False)

    def ready(self):
        environment = self.pick(ENVIRONMENTS)
        by_hash = self.dice.random() < 0.5
        told = self.ask("GET", f"/apps/shop/environments/{environment}/ready?verify={'hash' if by_hash else 'recorded'}")
        versions = [revision["release"]["version"] for revision in told["revisions"]]
        wanted = self.model.window(environment, self.clock.now)
        unsure = {len(self.model.window(environment, self.clock.now, slack)) for slack in (SLACK, -SLACK)}
        assert versions == wanted or len(unsure) > 1, f"the window of {environment} is {versions}, expected {wanted}"
        for revision in told["revisions"]:
            problems = revision["bytes"]["problems"]
            digest = self.model.releases[revision["release"]["version"]]
            hurt = self.universe.parts(digest) & self.model.damaged
            # A rollback can bring back into the window what a policy took when it was out of it.
            assert problems or digest in self.model.manifests["shop/web"], f"{environment} is ready without {digest}"
            assert hurt or not problems or not self.model.is_whole(digest, "shop/web"), f"{environment}, {revision['release']['version']}: {problems}"
            assert not (hurt and by_hash) or problems, f"{environment} is ready with {hurt} damaged"
            self.model.noticed |= hurt if by_hash else set()

    def scrub(self):
        """Reads again what is asked for: what is damaged of it is told, and nothing else is."""
        kind = self.pick(["digest", "repository", "environment"])
        needed = set()
        if kind == "digest":
            what = self.pick(sorted({digest for _, digest in self.model.present()}))
            needed = self.universe.parts(what) if what else needed
        elif kind == "repository":
            repository = self.pick(REPOSITORIES)
            what = f"repo:{repository}" if self.model.manifests[repository] else None
            needed = self.model.parts_in(repository)
        else:
            environment = self.pick(ENVIRONMENTS)
            what = f"env:shop/{environment}"
            for version in self.model.window(environment, self.clock.now, SLACK):
                if self.model.is_whole(self.model.releases[version], "shop/web"):
                    needed |= self.universe.parts(self.model.releases[version])
        if not what:
            return False
        told = self.ask("POST", "/scrub", {"what": what})
        assert not told["failed"] and set(told["healed"]) <= self.model.damaged, told
        damaged, taken_out = set(told["damaged"]) - set(told["healed"]), {blob for _, blob in self.model.missing}
        assert damaged <= self.model.damaged, f"{damaged - self.model.damaged} are right, and called damaged"
        # A child that was deleted from every repository stays for its index, and nobody can ask for it.
        needed = {digest for digest in needed if digest not in self.universe.by_digest or self.model.somewhere(digest)}
        unseen = (needed & self.model.damaged) - damaged - taken_out
        assert not unseen, f"{what} was read, and {unseen} are not called damaged"
        self.model.noticed |= damaged
        return True

    def verify(self):
        self.ask("POST", "/ledger/verify", {})

    # ---- kills ----

    def kill(self):
        self.server.kill9()
        self.up()
        self.adopt()

    def cut(self):
        """Another step, and the server killed somewhere in it."""
        return self.cut_within(self.pick([name for name in WEIGHTS if name not in NEVER_CUT]), CUT_WITHIN)

    def cut_collection(self):
        """The next one goes on where it was."""
        self.wait(self.dice.choice([GRACE + SLACK, KEEP + SLACK]))
        self.cut_within("collect", COLLECTION_HAS)
        self.ask_collect()
        return True

    def cut_within(self, inner, steps):
        at = self.cut_at.count + self.dice.randint(1, steps)
        self.cut_at.arm(at, how=KILL)
        try:
            getattr(self, inner)()
            self.cut_at.disarm()
            if self.cut_at.count >= at:
                raise ConnectionError("killed after it had answered")
        except LOST:
            self.server.kill9()
            self.cut_at.disarm()
            self.kills += 1
            self.up()
            self.adopt_all()
        return inner

    def adopt_all(self):
        """What was asked for and not answered is either way; the server says which."""
        self.history()
        self.adopt()
        versions = set()
        for version in list(self.model.releases):
            status = self.server.request("GET", f"/api/v1/apps/shop/releases/{version}")[0]
            assert status in (200, 404)
            if status == 404:
                assert version == f"1.{self.at}", f"release {version} was acknowledged and is gone"
                versions.add(version)
        for version in versions:
            del self.model.releases[version]
        known = {hold["id"]: hold for hold in self.ask("GET", "/retention/holds?all=1")["holds"]}
        assert set(self.model.holds) <= set(known), "a hold was lost"
        for number, hold in known.items():
            if number not in self.model.holds and hold["state"] != "ended":
                until = seconds(hold["until"]) if hold.get("until") else None
                self.model.holds[number] = (hold["digest"], until)
        self.observed()
        self.end_trials()

    def observed(self):
        for environment in ENVIRONMENTS:
            status = self.ask("GET", f"/apps/shop/environments/{environment}/status")
            seen = {target["observed_digest"] for target in status["targets"] if target.get("observed_digest")}
            self.model.running[environment] = seen

    def adopt(self):
        """Looks at every membership and tag; what is not as the model says must be one of what was asked for."""
        keys = [("manifest", r, d) for r in REPOSITORIES for d in self.universe.by_digest]
        keys += [("tag", r, tag) for r in REPOSITORIES for tag in list(self.model.tags[r])]
        keys += [key for key in self.model.pending if key not in keys]
        seen = {key: self.see(key) for key in keys}
        for key, value in seen.items():
            assert value == self.model.state(key) or value in self.model.pending.get(key, ()), \
                f"{key} is {value}, and {self.model.state(key)} was acknowledged"
        for key, value in seen.items():
            if value != self.model.state(key):
                self.model.set(key, value)
        self.model.answered()

    def see(self, key):
        """Its state."""
        kind, repository, name = key
        status, head, data = self.registry.request("GET", f"/v2/{repository}/manifests/{name}")
        if status == 200:
            digest = oci.sha256(data)
            assert digest in self.universe.by_digest, f"{key}: bytes that nobody sent"
            return digest if kind == "tag" else True
        known = name if kind == "manifest" else self.model.state(key)
        if known in self.model.damaged:
            return self.see_damaged(key, known)
        assert status == 404, (key, status, data)
        return None if kind == "tag" else False

    def see_damaged(self, key, digest):
        """What the records say, where the bytes cannot be had."""
        kind, repository, name = key
        status, _, data = self.server.request("GET", f"/api/v1/trace/{digest}")
        assert status in (200, 404), (key, status, data)
        here = [at for at in json.loads(data).get("where", []) if at["repository"] == repository]
        if kind == "manifest":
            return bool(here)
        return digest if any(name in at["tags"] for at in here) else None

    # ---- judgement ----

    def look(self, everything=False):
        self.history()
        self.look_at_disk()
        present = self.model.present()
        if not everything:
            held = self.model.held(self.clock.now)
            present = self.dice.sample(present, min(2, len(present))) \
                + self.dice.sample([at for at in present if at[1] in held], min(2, sum(at[1] in held for at in present)))
        for repository, digest in present:
            self.look_at(repository, "manifests", digest)
            for blob in self.universe.own_blobs(digest):
                if (repository, blob) not in self.model.missing:
                    self.look_at(repository, "blobs", blob)

    def look_at_disk(self):
        for digest in sorted(self.model.held_bytes(self.clock.now)):
            path = self.stored(digest)
            assert path.exists(), f"the bytes of {digest} are gone, and {self.who_needs(digest)} needs it"
            assert path.read_bytes() == self.universe.bytes[digest], f"{digest} is held and has the wrong bytes"

    def look_at(self, repository, kind, digest):
        path = f"/v2/{repository}/{kind}/{digest}"
        try:
            status, _, data = self.registry.request("GET", path)
        except (http.client.IncompleteRead, ConnectionError):
            assert digest in self.model.damaged, f"{path} was cut off"
            return
        if status == 200:
            right = data == self.universe.bytes[digest]
            unnoticed = digest in self.model.damaged - self.model.noticed and kind == "blobs"
            assert right or unnoticed, f"{path}: wrong bytes were served as right ones"
        else:
            assert digest in self.model.damaged, f"{path} is gone: HTTP {status}: {data[:300]}"

    def settle(self):
        """In the end all goes that nothing reaches, and only that."""
        self.heal()
        self.kill()  # what a cut-off push left is looked for once a day of a process, and first of all
        for _ in range(4):
            self.wait(2 * KEEP)
            self.ask_collect()
        self.look(everything=True)
        stored = {f"sha256:{path.name}" for area in ("blobs", "condemned")
                  for path in (self.server.data / area).rglob("*") if path.is_file() and len(path.name) == 64}
        reachable = self.model.reachable()
        useless = stored - reachable - self.model.held(self.clock.now, -SLACK)
        assert not useless, f"what nothing reaches stays: {sorted(useless)}"
        assert stored >= reachable, f"what is needed is gone: {sorted(reachable - stored)}"
