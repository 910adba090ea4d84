"""Engines of others, each private: own state, own socket, no iptables rule, stopped by its pid.

    with Dockerd(tmp) as engine:
        engine.run("pull", "127.0.0.1:5000/shop/web:1.0").stdout
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from .clients import Tool, find
from .repoint import PATIENCE, wait_for


def in_place_of(path, directory):
    """The beginning of a command that sees `directory` at `path`, which is there, and shows it to nobody else."""
    return ["unshare", "--mount", "sh", "-c", f'mount --bind "{directory}" "{path}" && exec "$@"', "sh"]


class Daemon:
    """A daemon that listens on a unix socket of its own, and the command line that talks to it."""

    program = None
    client = None

    def __init__(self, directory, address=None, ca=None):
        # A short path: a unix socket's name has at most 107 bytes, and these add directories of their own.
        self.dir = Path(tempfile.gettempdir()) / f"rpd-{random.randbytes(4).hex()}"
        self.address, self.ca = address, ca  # of a registry, as far as it must be told about it
        self.socket = self.dir / "s"
        self.log = Path(directory) / f"{self.program}.log.txt"
        self.path = find(self.program)
        self.run = Tool(find(self.client), directory, self.client_options())
        self.dir.mkdir(mode=0o700)
        self.process = None

    def command(self):
        raise NotImplementedError

    def client_options(self):
        raise NotImplementedError

    def ready(self):
        with socket.socket(socket.AF_UNIX) as link:
            try:
                link.connect(str(self.socket))
            except OSError:
                return False
        return self.run(*self.hello, check=False).returncode == 0

    def _up(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.program} ended at its start:\n{self.log.read_text()[-4000:]}")
        return self.ready()

    def __enter__(self):
        # Without what a sanitizer preloads or asks for: these are programs of others.
        env = {key: value for key, value in self.run.env.items() if key not in ("LD_PRELOAD",)}
        env["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        try:
            wait_for(self._up, 60, f"start of {self.program}", every=0.1)
        except BaseException:
            self.close()
            raise
        return self

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30 * PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._unmount()
        shutil.rmtree(self.dir, ignore_errors=True)

    def _unmount(self):
        with open("/proc/self/mounts") as mounts:
            points = [line.split()[1] for line in mounts]
        for point in sorted((p for p in points if p.startswith(f"{self.dir}/")), reverse=True):
            subprocess.run(["umount", "-l", point], capture_output=True)

    def __exit__(self, *_):
        self.close()


class Dockerd(Daemon):
    """Docker's engine, with its own containerd and its own /etc/docker, which is `etc`. Registries on loopback are
    spoken to in plain HTTP by default."""

    program, client, hello = "dockerd", "docker", ("version",)

    @property
    def etc(self):
        return self.dir / "etc"

    def command(self):
        self.etc.mkdir(exist_ok=True)
        return [*in_place_of("/etc/docker", self.etc), self.path, "--data-root", self.dir / "data", "--exec-root", self.dir / "exec",
                "--pidfile", self.dir / "pid", "-H", f"unix://{self.socket}", "--iptables=false", "--ip-masq=false",
                "--bridge=none", "--storage-driver=vfs"]

    def client_options(self):
        return ["-H", f"unix://{self.socket}"]


class Containerd(Daemon):
    """containerd, without what serves Kubernetes."""

    program, client, hello = "containerd", "ctr", ("version",)

    def command(self):
        config = self.dir / "config.toml"
        config.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        return [self.path, "--config", config, "--root", self.dir / "root", "--state", self.dir / "state",
                "--address", self.socket]

    def client_options(self):
        return ["-a", str(self.socket)]

    def hosts(self, name, url, *lines):
        """A hosts directory that sends whoever wants the registry `name` to `url`, of which `lines` say more, as
        TOML. There must be a [host], or this one refuses the file."""
        place = self.dir / "hosts" / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "hosts.toml").write_text("\n".join([f'server = "{url}"', f'[host."{url}"]', *lines, ""]))
        return place.parent


class Buildkitd(Daemon):
    """BuildKit, which runs its steps with runc."""

    program, client, hello = "buildkitd", "buildctl", ("debug", "workers")

    def command(self):
        config = self.dir / "buildkitd.toml"
        how = f'ca = ["{self.ca}"]' if self.ca else "http = true"
        config.write_text(f'[registry."{self.address}"]\n{how}\n')
        return [self.path, "--config", config, "--root", self.dir / "root", "--addr", f"unix://{self.socket}",
                "--oci-worker=true", "--containerd-worker=false", "--oci-worker-snapshotter=native",
                "--oci-worker-net=host", "--oci-worker-binary", find("runc"), "--oci-cni-binary-dir", "/nonexistent"]

    def client_options(self):
        return ["--addr", f"unix://{self.socket}"]
