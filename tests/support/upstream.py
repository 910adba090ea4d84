"""Registries that are not ours: Debian's docker-registry, with or without a login. Started on loopback, stopped by pid."""

import base64
import ctypes
import ctypes.util
import json
import shutil
import subprocess

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
