"""Registries that are not ours: Debian's docker-registry, with or without a login. Started on loopback, stopped by pid."""

import base64
import ctypes
import ctypes.util
import json
import shutil
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import oci, repoint


def bcrypt(password):
    crypt = ctypes.CDLL(ctypes.util.find_library("crypt") or "libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    return crypt(password.encode(), b"$2b$04$abcdefghijklmnopqrstuu").decode()


def auth_file(path, **accounts):
    """An auth.json: auth_file(path, **{"127.0.0.1:5000": ("user", "password")})."""
    path.parent.mkdir(parents=True, exist_ok=True)
    auths = {host: {"auth": base64.b64encode(f"{user}:{word}".encode()).decode()}
             for host, (user, word) in accounts.items()}
    path.write_text(json.dumps({"auths": auths}))
    return str(path)


class DockerRegistry:
    """`login`: (user, password) that it demands by Basic."""

    def __init__(self, directory, login=None):
        self.dir, self.login = directory, login
        self.port = repoint.free_port()
        self.process = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        self.dir.mkdir(exist_ok=True)
        config = {"version": 0.1, "log": {"level": "warn"}, "http": {"addr": self.address},
                  "storage": {"filesystem": {"rootdirectory": str(self.dir / "data")},
                              "delete": {"enabled": True}}}
        if self.login:
            (self.dir / "htpasswd").write_text(f"{self.login[0]}:{bcrypt(self.login[1])}\n")
            config["auth"] = {"htpasswd": {"realm": "upstream", "path": str(self.dir / "htpasswd")}}
        (self.dir / "config.yml").write_text(json.dumps(config))
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen([shutil.which("docker-registry"), "serve", str(self.dir / "config.yml")],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        repoint.wait_for(self._answers, what="start of docker-registry")
        return self

    def _answers(self):
        assert self.process.poll() is None, (self.dir / "log").read_text()
        try:
            with self.client() as link:
                return link.request("GET", "/v2/", None, {})[0] in (200, 401)
        except OSError:
            return False

    def client(self):
        return oci.Registry(self.address)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        """Connections are cut all the time here."""


class Flaky:
    """Before a registry (or on its own, without `behind`): passes reads on, and does to them what `faults` say, each
    (what, path contains, times): a pair is (media type, bytes) to answer with, an int is a status (with Retry-After, 0 unless `retry_after` says), `reset` cuts the body half-way,
    `truncate` ends it half-way as if that were all, `wrong` changes a byte, `slow` sends it piece by piece.
    `seen` has all requests: (method, path, range)."""

    def __init__(self, behind):
        self.behind, self.faults, self.seen = behind, [], []
        self.lock = threading.Lock()
        self.retry_after = "0"  # seconds, of statuses
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                outer.answer(self)

            do_HEAD = do_GET

        self.httpd = _Quiet(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.httpd.server_address[1]}"
        threading.Thread(target=self.httpd.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.httpd.shutdown()
        self.httpd.server_close()

    def fault(self, what, contains, times=1):
        self.faults.append([what, contains, times])

    def _strike(self, method, path):
        with self.lock:
            for fault in self.faults:
                if method == "GET" and fault[1] in path and fault[2] > 0:
                    fault[2] -= 1
                    return fault[0]
        return None

    def answer(self, link):
        wanted = link.headers.get("Range")
        with self.lock:
            self.seen.append((link.command, link.path, wanted))
        what = self._strike(link.command, link.path)
        if isinstance(what, int):
            link.send_response(what)
            link.send_header("Retry-After", self.retry_after)
            link.send_header("Content-Length", "0")
            link.end_headers()
            return
        if isinstance(what, tuple):
            link.send_response(200)
            link.send_header("Content-Type", what[0])
            link.send_header("Content-Length", str(len(what[1])))
            link.end_headers()
            link.wfile.write(what[1])
            return
        passed = {name: link.headers[name] for name in ("Accept", "Range", "Authorization") if name in link.headers}
        with oci.Registry(self.behind) as registry:
            status, head, body = registry.request(link.command, link.path, None, passed)
        if what == "wrong":
            body = body[:-1] + bytes([body[-1] ^ 1])
        length = head.get("content-length", "0") if link.command == "HEAD" else str(len(body))
        if what == "truncate":
            body = body[: len(body) // 2]
            length = str(len(body))
        link.send_response(status)
        for name in "content-type", "docker-content-digest", "content-range", "www-authenticate":
            if name in head:
                link.send_header(name, head[name])
        link.send_header("Content-Length", length)
        link.end_headers()
        if what == "reset":
            link.wfile.write(body[: len(body) // 2])
            link.wfile.flush()
            link.close_connection = True
            link.connection.shutdown(2)
        elif what == "slow":
            for at in range(0, len(body), 65536):
                link.wfile.write(body[at:at + 65536])
                time.sleep(0.01)
        elif link.command == "GET":
            link.wfile.write(body)
