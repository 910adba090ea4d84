"""A private Podman engine: own storage, own network, own socket; nothing is left behind.

    with Podman(insecure=["127.0.0.1:5000"]) as engine:
        engine.socket                    # Docker Engine API, a unix socket
        engine.run("ps", "-a")           # podman's command line on the same storage

available() says whether this machine can run containers, and if not, why.
Only the standard library is used.
"""

import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_available = None  # (bool, why), once found out


def _limit(which, wanted):
    hard = resource.getrlimit(which)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)


def _containers_conf(directory):
    # runc: crun insists on setting limits and cgroup files that a confined root may not touch.
    # cgroupfs and the file logger: there may be no systemd. Limits: below the caller's own, and below
    # what podman cuts itself down to (the kernel's pid_max), since raising one needs a capability.
    files, processes = _limit(resource.RLIMIT_NOFILE, 8192), _limit(resource.RLIMIT_NPROC, 4096)
    return f"""[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "{directory}/tmp"
image_copy_tmp_dir = "{directory}/tmp"
[network]
network_backend = "netavark"
network_config_dir = "{directory}/networks"
default_network = "repoint"
"""


def _registries_conf(insecure):
    blocks = [f'[[registry]]\nlocation = "{place}"\ninsecure = true\n' for place in insecure]
    return 'unqualified-search-registries = []\nshort-name-mode = "disabled"\n' + "".join(blocks)


def _free_subnet():
    """Second and third byte of a 10.x.y.0/24 that no route of this machine covers."""
    used = set()
    with open("/proc/net/route") as routes:
        for line in list(routes)[1:]:
            word = int(line.split()[1], 16)
            used.add((word & 255, word >> 8 & 255, word >> 16 & 255))
    while True:
        pair = (random.randint(100, 199), random.randint(0, 255))
        if (10,) + pair not in used:
            return pair


def _network(name, bridge):
    second, third = _free_subnet()
    return {
        "name": name,
        "id": random.randbytes(32).hex(),
        "driver": "bridge",
        "network_interface": bridge,
        "created": "2026-01-01T00:00:00Z",
        "subnets": [{"subnet": f"10.{second}.{third}.0/24", "gateway": f"10.{second}.{third}.1"}],
        "ipv6_enabled": False,
        "internal": False,
        "dns_enabled": False,
        "ipam_options": {"driver": "host-local"},
    }


class Podman:
    def __init__(self, insecure=(), base=None):
        # A short path: a unix socket's name has at most 107 bytes.
        # Hex digits: podman makes an image's name of the path of a layout, and refuses `x_/layout`.
        # Short: it refuses a runroot of more than 50 bytes.
        self.dir = Path(base or tempfile.gettempdir()) / f"rpp-{random.randbytes(4).hex()}"
        self.dir.mkdir(mode=0o700)
        self.socket = str(self.dir / "podman.sock")
        self.log = self.dir / "podman.log"
        self.bridge = "rp" + random.randbytes(4).hex()
        self.process = None
        for name in ("tmp", "networks", "root", "run"):
            (self.dir / name).mkdir()
        (self.dir / "containers.conf").write_text(_containers_conf(self.dir))
        (self.dir / "networks" / "repoint.json").write_text(
            json.dumps(_network("repoint", self.bridge)))
        self.trust(insecure)

    def trust(self, insecure):
        """Names the registries that are spoken to in plain HTTP. Takes effect at the next start."""
        (self.dir / "registries.conf").write_text(_registries_conf(insecure))

    @property
    def env(self):
        return {
            **os.environ,
            "CONTAINERS_CONF": str(self.dir / "containers.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(self.dir / "registries.conf"),
            "TMPDIR": str(self.dir / "tmp"),
        }

    @property
    def command(self):
        """podman with its global options; run it with `env`."""
        return ["podman", "--root", str(self.dir / "root"), "--runroot", str(self.dir / "run"),
                "--tmpdir", str(self.dir / "tmp"), "--storage-driver", "vfs",
                "--network-config-dir", str(self.dir / "networks")]

    def run(self, *args, check=True, timeout=120, **kwargs):
        """Runs one podman command; its output as text in .stdout and .stderr."""
        done = subprocess.run([*self.command, *args], env=self.env, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, capture_output=True, **kwargs)
        if check and done.returncode != 0:
            raise RuntimeError(f"podman {' '.join(args)}: exit {done.returncode}: "
                               f"{done.stderr.strip() or done.stdout.strip()}")
        return done

    def start(self, timeout=30):
        if self.process:  # or nobody would know the first one to stop it
            raise RuntimeError("this engine runs already: stop_service() first")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.command, "system", "service", "--time=0", f"unix://{self.socket}"],
                env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)
        deadline = time.monotonic() + timeout
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                text = self.log.read_text(errors="replace")[-2000:]
                self.stop_service()
                raise RuntimeError(f"podman's service did not come up: {text}")
            time.sleep(0.05)
        return self

    def _answers(self):
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(5)
                link.connect(self.socket)
                link.sendall(b"GET /_ping HTTP/1.0\r\nHost: d\r\n\r\n")
                return b" 200 " in link.recv(64)
        except OSError:
            return False

    def stop_service(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
        Path(self.socket).unlink(missing_ok=True)

    def close(self):
        """Stops every container of this engine, then the engine, and removes all it had on disk."""
        try:
            self.run("rm", "--all", "--force", "--time", "0", check=False, timeout=60)
        except (subprocess.TimeoutExpired, FileNotFoundError):
            pass
        self.stop_service()
        self._unmount()
        if shutil.which("ip"):
            subprocess.run(["ip", "link", "delete", self.bridge], capture_output=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    def _unmount(self):
        with open("/proc/self/mounts") as mounts:
            points = [line.split()[1] for line in mounts]
        for point in sorted((p for p in points if p.startswith(str(self.dir) + "/")), reverse=True):
            subprocess.run(["umount", "-l", point], capture_output=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()


def _probe():
    """Runs one real container, with a published port's worth of network, from busybox-static."""
    for tool in ("podman", "runc"):
        if not shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            return False, f"{tool} is not installed"
    if os.geteuid() != 0:
        return False, "this machine runs the tests without root, and containers need it"
    if not Path("/bin/busybox").exists():
        return False, "busybox-static is not installed"
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from support import oci
    image = oci.make_image([{"bin/busybox": (Path("/bin/busybox").read_bytes(), 0o755)}],
                           cmd=["/bin/busybox", "true"])
    try:
        with Podman() as engine:
            oci.write_layout(image, str(engine.dir / "layout"), "probe")
            engine.run("pull", "-q", f"oci:{engine.dir}/layout:probe")
            name = engine.run("images", "-q").stdout.split()[0]
            engine.run("run", "--rm", name, "/bin/busybox", "true", timeout=60)
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as problem:
        if re.search(r"not permitted|permission denied", str(problem), re.IGNORECASE):
            return False, f"this machine lets no container run: {problem}"
        return False, f"a first container did not run: {problem}"
    return True, ""


def available():
    """(True, '') if containers run here, else (False, why). Tried once per process."""
    global _available
    if _available is None:
        _available = _probe()
    return _available


if __name__ == "__main__":
    works, why = available()
    print("containers run here" if works else f"no containers: {why}")
    sys.exit(0 if works else 1)
