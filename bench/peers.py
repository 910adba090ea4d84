"""The servers that are compared: repoint, Debian's docker-registry, distribution v3, and nginx as the limit
for a file.

Each listens on a free loopback port, keeps its files below one directory and is stopped by its pid.
"""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from support import oci, repoint

TOP = Path(__file__).resolve().parents[1]


class Peer:
    """name, address, start(), stop(), pids(), peak_bytes()"""

    name = "?"
    syncs = None  # what is synced before a push is acknowledged, as strace shows it

    def __init__(self, directory):
        self.dir = Path(directory) / self.name.split()[0]
        self.dir.mkdir(parents=True)
        self.port = repoint.free_port()
        self.process = None
        self.peak = 0

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, cwd=self.dir)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise RuntimeError(f"{self.name} did not start: "
                                       f"{(self.dir / 'log').read_text()[-2000:]}") from None
                time.sleep(0.02)

    def pids(self):
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], text=True,
                                  capture_output=True).stdout.split()
        return [self.process.pid, *map(int, children)]

    def peak_bytes(self):
        """The most memory that its processes have had resident (VmHWM), added up."""
        total = 0
        for pid in self.pids():
            try:
                for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                    if line.startswith("VmHWM:"):
                        total += int(line.split()[1]) * 1024
            except FileNotFoundError:
                pass
        return total

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None


class Repoint(Peer):
    name = "repoint"
    syncs = "the bytes, the directory that names them and the record in its ledger"

    def __init__(self, directory, data=None, args=()):
        super().__init__(directory)
        self.data, self.args = data or self.dir / "data", args

    def command(self):
        return [repoint.binary(), "serve", "--data", str(self.data), "--listen", self.address, *self.args]


class DockerRegistry(Peer):
    name = "docker-registry"
    syncs = "the bytes and a link in the repository, no directory"

    @staticmethod
    def program():
        return shutil.which("docker-registry")

    def command(self):
        config = self.dir / "config.yml"
        config.write_text(f"""version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {self.dir}/data}}
  delete: {{enabled: true}}
http: {{addr: {self.address}}}
""")
        return [self.program(), "serve", str(config)]


class Distribution(DockerRegistry):
    """The same program two major versions on; `make bench` builds it where a recent Go is."""

    name = "distribution v3"
    syncs = "the bytes, a link in the repository and the directory of the link, not the one that names the bytes"

    @staticmethod
    def program():
        told = subprocess.run([sys.executable, str(TOP / "scripts" / "clients"), "--where"], text=True, check=True,
                              stdout=subprocess.PIPE).stdout
        return json.loads(told)["distribution"].get("path")


class Nginx(Peer):
    """Serves the same bytes at the same paths as plain files: what a good file server can do here."""

    name = "nginx (limit)"

    def command(self):
        config = self.dir / "nginx.conf"
        config.write_text(f"""daemon off;
worker_processes auto;
pid {self.dir}/pid;
error_log {self.dir}/log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  sendfile on;
  sendfile_max_chunk 0;
  tcp_nopush on;
  keepalive_requests 1000000000;
  open_file_cache max=100;
  default_type application/octet-stream;
  client_body_temp_path {self.dir}/t1; proxy_temp_path {self.dir}/t2; fastcgi_temp_path {self.dir}/t3;
  uwsgi_temp_path {self.dir}/t4; scgi_temp_path {self.dir}/t5;
  server {{ listen {self.address}; root {self.dir}/root; }}
}}
user root;
""")
        return ["/usr/sbin/nginx", "-c", str(config), "-e", str(self.dir / "log"), "-p", str(self.dir)]

    def put(self, repository, image):
        for kind, items in (("manifests", {i.digest: i.manifest for i in image.manifests()}),
                            ("blobs", image.blobs)):
            directory = self.dir / "root" / "v2" / repository / kind
            directory.mkdir(parents=True, exist_ok=True)
            for digest, data in items.items():
                (directory / digest).write_bytes(data)


def drop_large(directory, since=0):
    """Makes room: the large blobs that came since. Databases are large too, and are none of them."""
    for path in Path(directory).rglob("blobs/**/*"):
        try:
            status = path.stat()
            if path.is_file() and status.st_size >= 1 << 20 and status.st_mtime >= since:
                path.unlink()
        except FileNotFoundError:
            pass


def give(peer, repository, image):
    """Lays the image into the server, and reads it back: what is measured later is right."""
    if isinstance(peer, Nginx):
        peer.put(repository, image)
    else:
        oci.push(peer.address, repository, None, image)
    with oci.Registry(peer.address) as registry:
        for digest in image.blobs:
            if oci.sha256(registry.get_blob(repository, digest)) != digest:
                raise RuntimeError(f"{peer.name} serves other bytes than it was given")
        if oci.sha256(registry.get_manifest(repository, image.digest)) != image.digest:
            raise RuntimeError(f"{peer.name} serves another manifest than it was given")
