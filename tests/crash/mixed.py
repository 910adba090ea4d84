"""One client's mixed work against a server that is killed under it, and what must hold afterwards.

A `Mixer` keeps, for everything that it touched, the set of states that the server may be in. A request
that was answered leaves one; a request that was not adds the one it asked for. After a restart `check` looks, and
what it sees must be among them, and stays: nothing that was there once may come and go.
"""

import json
import os
import urllib.parse

from promises import APP, LOST
from support import oci

GONE = None


class Mixer:
    def __init__(self, app, dice):
        self.app, self.dice = app, dice
        self.web, self.side = f"{app}/web", f"{app}/side"
        self.count = 0
        self.prepared = False
        self.bytes = {}      # digest → bytes, of all that was ever sent
        self.states = {}     # ("blob", repository, digest) → {True, False}; ("tag", repository, tag) → {digest, GONE}
        self.images = []     # pushed whole, to be moved to, deleted or released
        self.released = {}   # version → digest, asked for
        self.recorded = set()  # versions of those that were acknowledged
        self.pointer = {0: None}  # number → version: the current revision is one of these
        self.known = 0            # the highest revision that was acknowledged or seen
        self.reports = 0
        self.upload = None   # (location, data, acknowledged bytes)
        self.done = {}       # kind of work → how often it was acknowledged
        self.refusals = []

    # ---- work ----

    def work(self, server):
        try:
            with oci.Registry(server.url) as registry:
                while True:
                    self.step(server, registry)
        except LOST:
            return
        except (oci.RegistryError, AssertionError) as refused:
            self.refusals.append(str(refused))

    def step(self, server, registry):
        if not self.prepared:
            server.api("POST", "/apply?file=crash.yaml", APP.format(app=self.app))
            pattern = urllib.parse.quote(self.side, safe="")
            server.api("PUT", f"/repositories/policies/{pattern}", {"tag_mutability": "MUTABLE"})
            self.prepared = True
        if self.upload:
            return self.resume(registry)
        kinds = [self.chunked, self.monolithic, self.image]
        if self.images:
            kinds += [self.mount, self.move_tag, self.delete_blob, self.delete_manifest, self.release]
        if self.released:
            kinds += [self.deploy, self.undo]
        kind = self.dice.choice(kinds)
        if kind(server, registry) is not False:
            self.done[kind.__name__] = self.done.get(kind.__name__, 0) + 1

    def asked(self, key, state):
        """What may be true from now on: as before, or as asked."""
        self.states.setdefault(key, {GONE if key[0] == "tag" else False}).add(state)

    def answered(self, key, state):
        self.states[key] = {state}

    def note(self, data):
        digest = oci.sha256(data)
        self.bytes[digest] = data
        return digest

    def put_blob(self, registry, repository, data):
        key = ("blob", repository, self.note(data))
        self.asked(key, True)
        registry.push_blob(repository, data)
        self.answered(key, True)

    def chunked(self, server, registry):
        data = os.urandom(self.dice.randint(1, 60000))
        _, head, _ = registry.expect("upload", (202,), "POST", f"/v2/{self.web}/blobs/uploads/", b"")
        self.upload = [head["location"], data, 0]
        for _ in range(self.dice.randint(1, 3)):
            self.send_piece(registry)
        self.complete(registry)

    def send_piece(self, registry):
        location, data, at = self.upload
        end = min(len(data), at + self.dice.randint(1, 30000))
        if end == at:
            return
        _, head, _ = registry.expect("chunk", (202,), "PATCH", location, data[at:end],
                                     {"Content-Range": f"{at}-{end - 1}"})
        self.upload[2] = end
        assert head["range"] == f"0-{end - 1}", head

    def complete(self, registry):
        location, data, at = self.upload
        key = ("blob", self.web, self.note(data))
        self.asked(key, True)
        query = ("&" if "?" in location else "?") + "digest=" + urllib.parse.quote(key[2])
        registry.expect("end of upload", (201,), "PUT", location + query, data[at:])
        self.answered(key, True)
        self.upload = None

    def resume(self, registry):
        """A broken upload goes on after the bytes that were acknowledged. Only one whose end was asked for may be over:
        as the repository's blob, or, where that was not recorded any more, to be pushed again."""
        location, data, at = self.upload
        status, head, body = registry.request("GET", location)
        if status == 404:
            key = ("blob", self.web, oci.sha256(data))
            assert key in self.states, f"an upload with {at} acknowledged bytes was lost"
            self.answered(key, registry.has_blob(self.web, key[2]))
            self.upload = None
            return
        assert status == 204, (status, body)
        there = 0 if head["range"] == "0-0" and at == 0 else int(head["range"].split("-")[1]) + 1
        assert there >= at, f"{at} bytes were acknowledged, {there} are there"
        self.upload[2] = there
        self.complete(registry)

    def monolithic(self, server, registry):
        data = os.urandom(self.dice.randint(0, 60000))
        key = ("blob", self.web, self.note(data))
        self.asked(key, True)
        registry.expect("upload", (201,), "POST", f"/v2/{self.web}/blobs/uploads/?digest={key[2]}", data,
                        {"Content-Type": "application/octet-stream"})
        self.answered(key, True)

    def image(self, server, registry):
        self.count += 1
        tag = f"1.{self.count}"
        image = oci.make_image([{"app/version": tag, "app/data": os.urandom(500)}], cmd=["/app/run"])
        for data in image.blobs.values():
            self.put_blob(registry, self.web, data)
        self.put_manifest(registry, self.web, tag, image)
        self.images.append((tag, image))

    def put_manifest(self, registry, repository, tag, image):
        keys = [("tag", repository, tag), ("manifest", repository, self.note(image.manifest))]
        self.asked(keys[0], image.digest)
        self.asked(keys[1], True)
        registry.push_manifest(repository, tag, image.manifest, image.media_type)
        self.answered(keys[0], image.digest)
        self.answered(keys[1], True)

    def whole(self, image, repository=None):
        """Is all of it certainly there?"""
        repository = repository or self.web
        return (self.states.get(("manifest", repository, image.digest)) == {True}
                and all(self.states.get(("blob", repository, digest)) == {True}
                        for digest in image.blobs))

    def mount(self, server, registry):
        _, image = self.dice.choice(self.images)
        if not self.whole(image):
            return False
        for digest in image.blobs:
            key = ("blob", self.side, digest)
            self.asked(key, True)
            registry.expect("mount", (201,), "POST",
                            f"/v2/{self.side}/blobs/uploads/?mount={digest}&from={self.web}", b"")
            self.answered(key, True)

    def move_tag(self, server, registry):
        _, image = self.dice.choice(self.images)
        if not all(self.states.get(("blob", self.side, digest)) == {True} for digest in image.blobs):
            return False
        self.put_manifest(registry, self.side, "latest", image)

    def delete_blob(self, server, registry):
        there = [key for key, state in self.states.items()
                 if key[0] == "blob" and key[1] == self.side and state == {True}]
        if not there:
            return False
        self.delete(registry, self.dice.choice(there))

    def delete(self, registry, key):
        kind = "blobs" if key[0] == "blob" else "manifests"
        self.asked(key, False)
        status, _, body = registry.request("DELETE", f"/v2/{key[1]}/{kind}/{key[2]}")
        if status == 405 and b"it is part of release" in body:  # what a release names stays
            assert key[2] in self.needed(), body
            return self.answered(key, True)
        assert status == 202, (status, body)
        self.answered(key, False)

    def needed(self):
        digests = set()
        for _, image in self.images:
            if image.digest in self.released.values():
                digests |= {image.digest, *image.blobs}
        return digests

    def delete_manifest(self, server, registry):
        tag, image = self.dice.choice(self.images)
        key = ("manifest", self.web, image.digest)
        if self.states.get(key) != {True} or tag in self.released:
            return False
        self.asked(("tag", self.web, tag), GONE)
        self.delete(registry, key)
        self.answered(("tag", self.web, tag), GONE)

    def release(self, server, registry):
        version, image = self.dice.choice(self.images)
        if not self.whole(image) or version in self.released:
            return False
        self.released[version] = image.digest  # from here on it may be: nothing of it is deleted
        release = server.api("POST", f"/apps/{self.app}/releases",
                             {"version": version, "components": {"web": image.digest},
                              "source": {"commit": oci.sha256(version.encode())[7:47]}})
        assert release["components"][0]["digest"] == image.digest
        self.recorded.add(version)

    def point(self, server, body, version):
        """`version` may be `...`: whatever the server finds."""
        self.pointer[self.known + 1] = version
        status, _, data = server.request(
            "POST", f"/api/v1/apps/{self.app}/environments/production/revisions",
            {**body, "expected_revision": self.known})
        answer = json.loads(data)
        if status == 201:
            self.known = answer["number"]
            self.pointer = {self.known: answer["release"]["version"]}
            self.healthy(server)
            return True
        if status == 200:  # current already, healthy and everywhere: there was nothing to do
            assert answer["number"] == self.known and answer["release"]["version"] == version, answer
            del self.pointer[self.known + 1]
            return True
        assert status in (404, 409, 422), (status, answer)
        del self.pointer[self.known + 1]
        return False

    def healthy(self, server):
        version = self.pointer[self.known]
        self.reports += 1
        server.api("POST", f"/apps/{self.app}/environments/production/targets/web-1/reports",
                   {"id": f"host:{self.reports}", "agent": "host", "driver": "dir", "state": "confirmed",
                    "revision": self.known, "observed_digest": self.released[version],
                    "message": "it answers", "at": "2026-11-24T14:05:09.123Z"})

    def deploy(self, server, registry):
        version = self.dice.choice(list(self.released))
        status, _, _ = server.request("GET", f"/api/v1/apps/{self.app}/releases/{version}")
        if status == 404:  # the server was killed before it recorded it
            return False
        if self.point(server, {"kind": "deploy", "release": version}, version):
            return True
        # It was rolled back from, perhaps: then it is held until somebody lifts that.
        server.request("POST", f"/api/v1/apps/{self.app}/environments/production/holds/{version}/end",
                       {"because": "the crash is sure of it"})
        return False

    def undo(self, server, registry):
        return self.point(server, {"kind": "rollback", "cause": "crash"}, ...)

    # ---- judgement ----

    def check(self, server, everything=False):
        assert not self.refusals, self.refusals
        keys = [key for key, state in self.states.items() if everything or len(state) > 1]
        keys += list(self.states)[-20:] + self.dice.sample(list(self.states), min(10, len(self.states)))
        with oci.Registry(server.url) as registry:
            for key in dict.fromkeys(keys):
                self.check_one(registry, key)
        if self.prepared:
            self.check_releases(server, everything)
            self.check_pointer(server)

    def check_one(self, registry, key):
        kind, repository, name = key
        part = "blobs" if kind == "blob" else "manifests"
        status, head, data = registry.request("GET", f"/v2/{repository}/{part}/{name}")
        assert status in (200, 404), (key, status, data)
        digest = oci.sha256(data)
        if status == 200:
            assert self.bytes.get(digest) == data, f"{key}: bytes that nobody sent"
            assert kind == "tag" or digest == name, f"{key}: wrong bytes"
        seen = (digest if status == 200 else GONE) if kind == "tag" else status == 200
        assert seen in self.states[key], f"{key}: {seen}, but acknowledged was {self.states[key]}"
        self.states[key] = {seen}

    def check_releases(self, server, everything):
        for version in list(self.released) if everything else list(self.released)[-3:]:
            status, _, data = server.request("GET", f"/api/v1/apps/{self.app}/releases/{version}")
            if status == 200:
                assert json.loads(data)["components"][0]["digest"] == self.released[version]
            else:
                assert status == 404 and version not in self.pointer.values(), (version, status, data)
                assert version not in self.recorded, f"release {version} was acknowledged and is gone"
                del self.released[version]

    def check_pointer(self, server):
        base = f"/apps/{self.app}/environments/production"
        current = server.api("GET", f"{base}/status")["current"]
        number = current["number"] if current else 0
        version = current["release"]["version"] if current else None
        assert number in self.pointer, (number, self.pointer)
        assert self.pointer[number] in (version, ...), (number, version, self.pointer)
        history = server.api("GET", f"{base}/revisions?limit=1000")["revisions"]
        oldest = max(0, number - 1000)
        assert [r["number"] for r in history] == list(range(number, oldest, -1)), "a gap in history"
        self.known, self.pointer = number, {number: version}
