"""What an agent talks to, and nothing more: pointers by long poll, reports, and the bytes of artifacts.

For tests of the agent that need the server to lie, vanish and come back to the millisecond; the real server
is tested with real agents elsewhere. Only the standard library is used.
"""

import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        """Agents are killed and connections cut all the time here: nothing to tell."""


class PointerServer:
    """One app `shop`, environment `production`; each target in `targets` follows the same pointer."""

    def __init__(self, component="web", trial_ms=3000):
        self.component, self.trial_ms = component, trial_ms
        self.changed = threading.Condition()
        self.images, self.blobs, self.manifests = {}, {}, {}
        self.revisions, self.good = [], {}
        self.seq = 0
        self.reports, self.ids = [], set()
        self.fail_pulls = False
        self.refuse_pulls = None  # or a text: 403 with it
        self.pull_words = []      # what agents said of their pulls, one a poll that says it
        self.apply_undo = True
        self.port = 0
        self.httpd = None
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    # ---- its life ----

    def start(self):
        outer = self

        class Handler(_Handler):
            shop = outer

        self.httpd = _Server(("127.0.0.1", self.port), Handler)
        self.port = self.httpd.server_address[1]
        threading.Thread(target=self.httpd.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        """Nobody listens any more; polls that wait are cut."""
        httpd, self.httpd = self.httpd, None
        if httpd:
            httpd.shutdown()
            httpd.server_close()
            with self.changed:
                self.changed.notify_all()

    # ---- what is desired ----

    def add(self, version, image):
        self.images[version] = image
        self.blobs.update(image.blobs)
        self.manifests.update({item.digest: item for item in image.manifests()})

    def point(self, version, kind="deploy"):
        with self.changed:
            number = len(self.revisions) + 1
            self.revisions.append({"number": number, "version": version, "kind": kind})
            self.seq += 1
            self.changed.notify_all()
        return number

    def release(self, version):
        return {"number": sorted(self.images).index(version) + 1, "version": version, "commit": None}

    def pointer(self):
        entries, seen = [], set()
        for revision in reversed(self.revisions):
            version = revision["version"]
            if version in seen and revision is not self.revisions[-1]:
                continue
            seen.add(version)
            entries.append({"revision": revision["number"], "release": self.release(version),
                            "repository": "shop/web", "digest": self.images[version].digest,
                            "good": self.good.get(version, False)})
        current = None
        if self.revisions:
            last = self.revisions[-1]
            current = {"number": last["number"], "kind": last["kind"], "good": False,
                       "release": {**self.release(last["version"]), "components": [
                           {"name": self.component, "repository": "shop/web",
                            "digest": self.images[last["version"]].digest}]}}
        return {"seq": self.seq, "revision": current, "component": self.component,
                "trial_ms": self.trial_ms, "window": entries[:6]}

    def take(self, target, report):
        with self.changed:
            if report["id"] in self.ids:
                return
            self.ids.add(report["id"])
            report["target"] = target
            self.reports.append(report)
            last = self.revisions[-1] if self.revisions else None
            if report["state"] == "confirmed" and last and report["revision"] == last["number"]:
                self.good[last["version"]] = True
            undo = report.get("undo")
            if undo and self.apply_undo and last and last["number"] == undo["from_revision"]:
                version = next(v for v, image in self.images.items()
                               if image.digest == undo["to_digest"])
                self.good[last["version"]] = False
                self.revisions.append({"number": last["number"] + 1, "version": version,
                                       "kind": "rollback"})
                self.seq += 1
            self.changed.notify_all()

    def states(self, target="web-1", revision=None):
        return [r["state"] for r in self.reports if r["target"] == target
                and (revision is None or r["revision"] == revision)]

    def has_state(self, state, revision, target="web-1"):
        return state in self.states(target, revision)


class _Handler(BaseHTTPRequestHandler):
    shop = None
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, media_type="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(data)))
        if status != 200:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def gone(self):
        """The server stopped while this connection was open: cut it as a killed process would."""
        if self.shop.httpd is self.server:
            return False
        self.close_connection = True
        return True

    def do_GET(self):
        if self.gone():
            return
        path, _, query = self.path.partition("?")
        if path.startswith("/v2/"):
            self.bytes_of(path.rsplit("/", 1)[-1])
        elif path.endswith("/pointer"):
            self.pointer(dict(urllib.parse.parse_qsl(query)))
        else:
            self.answer(404, {"error": {"code": "not-found", "message": f"no {path}"}})

    do_HEAD = do_GET

    def bytes_of(self, digest):
        if self.shop.refuse_pulls:
            self.answer(403, {"errors": [{"code": "DENIED", "message": self.shop.refuse_pulls}]})
        elif self.shop.fail_pulls:
            self.answer(503, {"errors": [{"code": "UNKNOWN", "message": "pulls fail just now"}]})
        elif digest in self.shop.manifests:
            item = self.shop.manifests[digest]
            self.answer(200, item.manifest, item.media_type)
        elif digest in self.shop.blobs:
            self.answer(200, self.shop.blobs[digest], "application/octet-stream")
        else:
            self.answer(404, {"errors": [{"code": "BLOB_UNKNOWN", "message": digest}]})

    def pointer(self, query):
        if "pull" in query:
            self.shop.pull_words.append(query["pull"])
        until = time.monotonic() + int(query.get("wait_ms", 0)) / 1000
        with self.shop.changed:
            while ("after" in query and self.shop.seq <= int(query["after"])
                   and time.monotonic() < until and not self.gone()):
                self.shop.changed.wait(0.2)
            body = self.shop.pointer()
        if not self.gone():
            self.answer(200, body)

    def do_POST(self):
        if self.gone():
            return
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.shop.take(self.path.split("/")[-2], body)
        self.answer(200, {"seq": self.shop.seq, "pointer_revision": len(self.shop.revisions)})
