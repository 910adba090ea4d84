"""Everything the demo starts, and how it is stopped again: one temporary directory, processes by pid."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

import story

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests"))
from support import podman, repoint  # noqa: E402, F401
from support.repoint import free_port, wait_for  # noqa: E402, F401


def get(url, timeout=2):
    """(status, body); status 0 while nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


class World:
    def __init__(self):
        self.binary = repoint.binary()
        self.dir = tempfile.mkdtemp(prefix="repoint-demo-")
        self.processes = []
        self.cleanups = []
        self.server = None
        self.env = dict(os.environ, REPOINT_ACTOR="demo@localhost", NO_COLOR="1")

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def start(self, name, argv, **more):
        log = open(self.path(f"{name}.log"), "ab")
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env=self.env, start_new_session=True, **more)
        self.processes.append((name, process))
        return process

    def start_server(self):
        port_file = self.path("port")
        self.start("server", [self.binary, "serve", "--data", self.path("data"), "--listen",
                              "127.0.0.1:0", "--port-file", port_file])
        port = wait_for(lambda: os.path.exists(port_file) and open(port_file).read().strip(),
                        what="the server")
        self.registry = f"127.0.0.1:{port}"
        self.server = f"http://{self.registry}"
        self.env["REPOINT_SERVER"] = self.server

    def repoint(self, *args, show=True, expect=0, env=None):
        """Runs a verb as a person would; its output is part of the story."""
        if show:
            story.command(["repoint", *args])
        done = subprocess.run([self.binary, *args], env={**self.env, **(env or {})}, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL)
        if show:
            story.output(done.stdout + done.stderr)
        if done.returncode != expect:
            if not show:
                story.output(done.stdout + done.stderr)
            raise SystemExit(f"demo: repoint {' '.join(args)} ended with {done.returncode}, "
                             f"expected {expect}; logs are in {self.dir}")
        return done.stdout

    def ask(self, *args):
        return json.loads(self.repoint(*args, "-o", "json", show=False))

    def close(self):
        for name, process in reversed(self.processes):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for name, process in reversed(self.processes):
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        for cleanup in reversed(self.cleanups):
            cleanup()
        subprocess.run(["chmod", "-R", "u+w", self.dir], check=False)
        shutil.rmtree(self.dir, ignore_errors=False)
