"""What a server acknowledged, kept outside of it, and the check that it still holds.

A `Witness` does one client's work: it pushes images, records releases and moves a pointer. It believes nothing
until the server has answered, and remembers what it was told and what was still unanswered when the
server died. `check` then asks a restarted server for all of it.
"""

import http.client
import os

from support import oci

APP = """\
app: {app}
components:
  web: {{repository: {app}/web}}
environments:
  - name: production
    window: 3
    targets: [{{name: web-1, component: web}}]
"""

LOST = (OSError, http.client.HTTPException)  # how a killed server looks to its clients


class Witness:
    def __init__(self, app):
        self.app = app
        self.repository = f"{app}/web"
        self.round = 0
        self.declared = False
        self.images = {}     # tag → Image, acknowledged
        self.releases = {}   # version → digest, acknowledged
        self.revisions = {}  # number → version, acknowledged
        self.moving = None   # (version, key) that was sent and not answered
        self.refusals = []   # answers that were no success and no loss of the connection

    # ---- work ----

    def work(self, server, limit=10**6):
        """Works until the connection is lost, a request is refused, or `limit` steps are done."""
        for _ in range(limit):
            try:
                self.step(server)
            except LOST:
                return
            except (oci.RegistryError, AssertionError) as refused:
                self.refusals.append(str(refused))
                return

    def step(self, server):
        if not self.declared:
            server.api("POST", "/apply?file=crash.yaml", APP.format(app=self.app))
            self.declared = True
        self.round += 1
        version = f"1.{self.round}"
        image = oci.make_image([{"app/version": version, "app/data": os.urandom(3000)}],
                               cmd=["/app/run"])
        oci.push(server, self.repository, version, image)
        self.images[version] = image
        release = server.api("POST", f"/apps/{self.app}/releases",
                             {"version": version, "components": {"web": version},
                              "source": {"commit": f"{self.round:040x}"}})
        self.releases[version] = release["components"][0]["digest"]
        self.move(server, version, f"{self.app}-{self.round}")

    def move(self, server, version, key):
        self.moving = (version, key)
        revision = server.api("POST", f"/apps/{self.app}/environments/production/revisions",
                              {"kind": "deploy", "release": version},
                              headers={"Idempotency-Key": key})
        self.moving = None
        self.revisions[revision["number"]] = version
        return revision["number"]

    # ---- judgement ----

    def check(self, server, everything=False):
        """All that was acknowledged is there, whole, and the pointer is the old or the new one."""
        self.check_images(server, everything)
        if not self.declared:
            return
        for version in self._recent(self.releases, everything):
            release = server.api("GET", f"/apps/{self.app}/releases/{version}")
            assert release["components"][0]["digest"] == self.releases[version]
        self.check_pointer(server)
        if self.moving:
            self.retry(server)

    def _recent(self, table, everything):
        return list(table) if everything else list(table)[-3:]

    def check_images(self, server, everything):
        with oci.Registry(server.url) as registry:
            for tag in self._recent(self.images, everything):
                image = self.images[tag]
                assert registry.get_manifest(self.repository, tag) == image.manifest, tag
                for digest, data in image.blobs.items():
                    assert registry.get_blob(self.repository, digest) == data, digest

    def check_pointer(self, server):
        base = f"/apps/{self.app}/environments/production"
        current = server.api("GET", f"{base}/status")["current"]
        number = current["number"] if current else 0
        version = current["release"]["version"] if current else None
        last = max(self.revisions, default=0)
        if number == last + 1:
            assert self.moving and self.moving[0] == version, "a revision that nobody asked for"
        else:
            assert number == last and version == self.revisions.get(last), (number, last, version)
        history = server.api("GET", f"{base}/revisions?limit=1000")["revisions"]
        oldest = max(0, number - 1000)
        assert [r["number"] for r in history] == list(range(number, oldest, -1)), "a gap in history"
        for revision in history:
            if revision["number"] in self.revisions:
                assert revision["release"]["version"] == self.revisions[revision["number"]]

    def retry(self, server):
        """A retried request has one effect, whether or not the first try had one (R30)."""
        version, key = self.moving
        if version in self.releases:
            number = self.move(server, version, key)
            assert number == max(self.revisions), number
            assert self.move(server, version, key) == number, "a retried request moved twice"
            self.check_pointer(server)
        self.moving = None


def check_leftovers(server):
    """Whatever a crash left behind lies where it may: every blob in its place has its digest's bytes."""
    root = server.data / "blobs"
    for algorithm in ("sha256", "sha512"):
        for path in (root / algorithm).rglob("*") if (root / algorithm).exists() else ():
            if path.is_file():
                assert oci.sha256(path.read_bytes()) == f"sha256:{path.name}", path
                assert path.stat().st_mode & 0o222 == 0, f"{path} is writable"


def judge_all(server, cli, witnesses):
    """At the end of all: everything is there, the ledger verifies, and a rebuild from it changes nothing. Returns
    what the ledger said of itself."""
    for witness in witnesses:
        witness.check(server, everything=True)
    verified = server.api("POST", "/ledger/verify", {})
    check_leftovers(server)
    server.stop()
    cli("ledger", "rebuild", "--data", server.data).ok()
    server.start()
    for witness in witnesses:
        witness.check(server, everything=True)
    return verified
