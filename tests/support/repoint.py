"""Running the real binary: servers, agents and commands. Used by pytest, the demo and the benchmarks.

The binary is the one that REPOINT_BIN names, else build/repoint of this checkout.
Only the standard library is used.
"""

import json
import os
import random
import re
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import oci

TOP = Path(__file__).resolve().parents[2]

# How much longer than usual everything may take: sanitizers are slow.
PATIENCE = float(os.environ.get("REPOINT_TEST_PATIENCE", "1"))

# What no process of ours may ever print: findings of sanitizers and of GLib.
FINDINGS = re.compile(
    r"ERROR: (Address|Leak|Memory)Sanitizer|WARNING: ThreadSanitizer|runtime error: "
    r"|AddressSanitizer:DEADLYSIGNAL|-(CRITICAL|ERROR) \*\*|GLib.*assertion .* failed")


def binary():
    path = os.environ.get("REPOINT_BIN") or str(TOP / "build" / "src" / "repoint")
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"no repoint binary at {path}: run make, or set REPOINT_BIN")
    return path


def built(path):
    """What the build made for tests."""
    found = Path(os.environ.get("REPOINT_BUILD") or TOP / "build") / path
    if not found.exists():
        raise RuntimeError(f"{found} is not built")
    return found


def free_port():
    """A TCP port that nobody listens on (yet), below those that the kernel hands out by itself: a server of
    another test that asks for any port cannot get it while its owner is between two starts."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randint(10000, max(10100, first - 1))
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            return port


def wait_for(condition, timeout=20, what="condition", every=0.02):
    """Calls `condition` until it returns something true, which is returned; raises after `timeout` s."""
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout * PATIENCE:.0f} s")
        time.sleep(every)


@dataclass
class Result:
    args: list
    rc: int
    stdout: str
    stderr: str

    @property
    def json(self):
        return json.loads(self.stdout)

    def ok(self):
        return self.exits(0)

    def exits(self, status):
        """Itself, if it ended with `status`."""
        assert self.rc == status, (
            f"repoint {' '.join(map(str, self.args))}: exit {self.rc}, expected {status}\n"
            f"--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}")
        return self


def run_cli(*args, server=None, env=None, input=None, timeout=60, cwd=None, actor="tester@test"):
    """Runs one command to its end. `server`: a Server or an URL. `input`: text for its stdin."""
    environment = {**os.environ, "REPOINT_ACTOR": actor, **(env or {})}
    if server is not None:
        environment["REPOINT_SERVER"] = getattr(server, "url", server)
    done = subprocess.run([binary(), *map(str, args)], env=environment, cwd=cwd,
                          input="" if input is None else input, text=True, capture_output=True,
                          timeout=timeout * PATIENCE)
    return Result(list(args), done.returncode, done.stdout, done.stderr)


class Process:
    """A long-running repoint process with its log; started and killed as often as wanted."""

    name = "repoint"

    def __init__(self, log, env=None):
        self.log = Path(log)
        self.env = dict(env or {})
        self.process = None

    def command(self):
        raise NotImplementedError

    def ready(self):
        return True

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def start(self, wait=True, timeout=20):
        assert not self.running, f"{self.name} is running already"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), env={**os.environ, **self.env},
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if wait:
            wait_for(self._up, timeout, f"start of {self.name}")
        return self

    def _up(self):
        status = self.process.poll()
        if status is not None:
            self.process = None
            raise AssertionError(f"{self.name} ended at its start with status {status}:\n"
                                 f"{self.log_text()[-4000:]}")
        return self.ready()

    def stop(self, timeout=20):
        """SIGTERM, and it must end well. Returns its exit status; nothing if it does not run."""
        if not self.process:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise AssertionError(f"{self.name} did not end within {timeout * PATIENCE:.0f} s of "
                                 f"SIGTERM:\n{self.log_text()[-4000:]}") from None
        self.process = None
        assert status == 0, f"{self.name} ended with {status}:\n{self.log_text()[-4000:]}"
        return status

    def kill9(self):
        """SIGKILL; returns when it is gone."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def wait(self, timeout=30):
        """Waits for its own end; the exit status (negative: the signal)."""
        status = self.process.wait(timeout * PATIENCE)
        self.process = None
        return status


class Server(Process):
    """`repoint serve`. It keeps its port over restarts, so that agents and clients find it again."""

    name = "repoint serve"

    def __init__(self, data, log=None, args=(), env=None, port=0):
        self.data = Path(data)
        super().__init__(log or self.data.parent / f"{self.data.name}.server.log", env)
        self.port_file = self.data.parent / f"{self.data.name}.port"
        self.args = [str(arg) for arg in args]
        self.port = port or free_port()
        self.ca = None  # with --tls-cert among `args`: the file of the authority that vouches for it

    @property
    def url(self):
        return f"{'https' if self.ca else 'http'}://127.0.0.1:{self.port}"

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def command(self):
        self.port_file.unlink(missing_ok=True)
        return [binary(), "serve", "--data", str(self.data), "--listen", f"127.0.0.1:{self.port}",
                "--port-file", str(self.port_file), *self.args]

    def ready(self):
        try:
            text = self.port_file.read_text().strip()
        except FileNotFoundError:
            return False
        if not text:
            return False
        self.port = int(text)
        return True

    def request(self, method, path, body=None, headers=None, timeout=60):
        """(status, headers, body) on a connection of its own; bodies that are no bytes go as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        with oci.Registry(self.url, timeout * PATIENCE, ca=self.ca) as link:
            return link.request(method, path, body, headers)

    def api(self, method, path, body=None, expect=(200, 201), headers=None, timeout=60):
        """The JSON answer of /api/v1 + path; the status must be (one of) `expect`."""
        status, _, data = self.request(method, "/api/v1" + path, body, headers, timeout)
        wanted = (expect,) if isinstance(expect, int) else expect
        assert status in wanted, f"{method} {path}: HTTP {status}, expected {wanted}: {data[:4000]}"
        return json.loads(data)


class Agent(Process):
    """`repoint agent -c …`. `config` is the document; it is written as YAML (JSON is YAML)."""

    name = "repoint agent"

    def __init__(self, config, directory, log=None, args=(), env=None):
        self.dir = Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        super().__init__(log or self.dir / "agent.log", env)
        self.config = config
        self.path = self.dir / "agent.yaml"
        self.args = [str(arg) for arg in args]
        self.write()

    def write(self):
        self.path.write_text(json.dumps(self.config, indent=2) + "\n")

    def command(self):
        return [binary(), "agent", "-c", str(self.path), *self.args]

    def ready(self):
        """It says so; before that a SIGTERM would find no handler."""
        return f"(pid {self.pid}) follows" in self.log_text()

    def cli(self, *args, **kwargs):
        """`repoint agent ARGS… -c its configuration`, as somebody on the host would."""
        return run_cli("agent", *args, "-c", self.path, **kwargs)


def findings(directory):
    """Sanitizer reports and GLib criticals in any log below `directory`: a list of texts."""
    found = []
    for path in sorted(Path(directory).rglob("*")):
        if not (path.name.endswith(".log") or path.name.startswith("sanitizer.")):
            continue
        if path.is_symlink() or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        if FINDINGS.search(text):
            start = max(0, FINDINGS.search(text).start() - 500)
            found.append(f"{path}:\n{text[start:start + 8000]}")
    return found
