"""Registry clients of others: where they are, and each with a home and a secret of its own.

    tool = Tool(find("crane"), tmp_path)           # or skips, with the reason
    tool.secret("127.0.0.1:5000", "ci", token)     # what a Kubernetes pull secret holds
    tool("pull", "127.0.0.1:5000/shop/web:1.0", "out").stdout
"""

import base64
import functools
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .repoint import PATIENCE, TOP


@functools.lru_cache
def built():
    """{name: {"version", "peer", and "path" or "why"}} of those that scripts/clients builds."""
    return json.loads(subprocess.run([TOP / "scripts" / "clients", "--where"], check=True, text=True,
                                     capture_output=True).stdout)


def find(name):
    """The path of a client's program. Skips the test where there is none."""
    if name in built():
        if "path" not in built()[name]:
            pytest.skip(f"clients: {built()[name]['why']} ({name})")
        return built()[name]["path"]
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        pytest.skip(f"{name} is not installed")
    return path


def pull_secret(address, account, token):
    """The document of a `kubernetes.io/dockerconfigjson` secret."""
    auth = base64.b64encode(f"{account}:{token}".encode()).decode()
    return {"auths": {address: {"auth": auth}}}


class Tool:
    """A client's command line. It knows nothing of whoever runs the tests: its home is `directory`."""

    def __init__(self, program, directory, options=()):
        self.program, self.options = program, list(options)
        self.home = Path(directory) / "home"
        self.config = self.home / ".docker" / "config.json"
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.env = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
        self.env |= {"HOME": str(self.home), "DOCKER_CONFIG": str(self.config.parent),
                     "REGISTRY_AUTH_FILE": str(self.config),
                     **{f"XDG_{kind}_HOME": str(self.home / kind.lower()) for kind in ("CONFIG", "CACHE", "DATA")}}

    def through(self, command):
        """Runs it by another command, which ends with it."""
        self.options = [*command[1:], self.program, *self.options]
        self.program = command[0]

    def secret(self, address, account, token):
        self.config.write_text(json.dumps(pull_secret(address, account, token)))
        self.config.chmod(0o600)

    def __call__(self, *args, check=True, input=None, cwd=None, timeout=120, text=True, env=None):
        """Runs it to its end; its output is in .stdout and .stderr."""
        given = {"input": input} if input is not None else {"stdin": subprocess.DEVNULL}
        done = subprocess.run([self.program, *self.options, *map(str, args)], env={**self.env, **(env or {})},
                              capture_output=True, cwd=cwd or self.home, timeout=timeout * PATIENCE, text=text,
                              **given)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, done.args))}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done
