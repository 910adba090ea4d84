"""The service of the demo: a shop in three versions, a real HTTP server (busybox httpd) in an image of its own.

Version 3 is the release that every team ships one day: it starts, its health check is green, and
its checkout is broken.
"""
import os
import shutil
import stat
import subprocess

VERSIONS = ("1.0.0", "2.0.0", "3.0.0")
PORT = 8080

CHECKOUT_OK = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\nshop %s: paid\\n'
"""
CHECKOUT_BROKEN = """#!/bin/sh
printf 'Status: 500 Internal Server Error\\r\\nContent-Type: text/plain\\r\\n\\r\\n'
printf 'shop %s: cannot reach the payment service\\n'
"""
START = """#!/bin/sh
here=${0%%/*}
exec "$here/bin/busybox" httpd -f -p "${PORT:-%d}" -h "$here/www"
""" % PORT
# As process 1 of a container busybox httpd ignores SIGTERM: it says so, rather than make each stop wait.
CONTAINERFILE = """FROM scratch
COPY app /
STOPSIGNAL SIGKILL
ENTRYPOINT ["/bin/busybox", "httpd", "-f", "-p", "%d", "-h", "/www"]
""" % PORT


def _write(path, text, executable=False):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    if executable:
        os.chmod(path, stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)


def write_source(directory, version):
    """Writes what a developer would have committed as `version`."""
    app = os.path.join(directory, "app")
    shutil.rmtree(app, ignore_errors=True)
    _write(os.path.join(app, "www/index.html"), f"shop {version}\n")
    _write(os.path.join(app, "www/healthz"), "ok\n")
    checkout = CHECKOUT_BROKEN if version.startswith("3.") else CHECKOUT_OK
    _write(os.path.join(app, "www/cgi-bin/checkout"), checkout % version, executable=True)
    _write(os.path.join(app, "start"), START, executable=True)
    _write(os.path.join(directory, "Containerfile"), CONTAINERFILE)
    os.makedirs(os.path.join(app, "bin"), exist_ok=True)
    shutil.copy("/bin/busybox", os.path.join(app, "bin/busybox"))
    if not os.path.lexists(os.path.join(app, "bin/sh")):
        os.symlink("busybox", os.path.join(app, "bin/sh"))


def commit(directory, version):
    """Commits the source of `version` in the demo's own Git repository and returns the commit."""
    def git(*args):
        subprocess.run(["git", "-c", "user.name=demo", "-c", "user.email=demo@localhost", "-c",
                        "commit.gpgsign=false", "-C", directory, *args], check=True,
                       stdout=subprocess.DEVNULL)
    if not os.path.isdir(os.path.join(directory, ".git")):
        os.makedirs(directory, exist_ok=True)
        git("init", "-q")
    write_source(directory, version)
    git("add", "-A")
    git("commit", "-q", "-m", f"shop {version}")
    return subprocess.run(["git", "-C", directory, "rev-parse", "HEAD"], check=True,
                          capture_output=True, text=True).stdout.strip()
