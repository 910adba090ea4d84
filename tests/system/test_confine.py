"""A server that gives up what it does not need: everything still works, and the rest is out of its reach."""

import ctypes
import os
import platform
import re
import shutil
import signal
import struct
import subprocess
import tempfile
from pathlib import Path

import pytest

from shop import Shop
from support import oci, repoint, tls

SANITIZED = any(name in os.environ for name in ("ASAN_OPTIONS", "TSAN_OPTIONS"))
SOMEBODY, GROUP = 4242, 4343  # a user and a group that no system has


def landlock():
    """Linux's number of landlock_create_ruleset is the same on every machine."""
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall(444, None, 0, 1) >= 2


needs_landlock = pytest.mark.skipif(not landlock(), reason="landlock: this kernel has none")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="user: only root can become somebody else")


def status_of(server, field):
    text = Path(f"/proc/{server.pid}/status").read_text()
    return re.search(rf"^{field}:[ \t]*(.*)$", text, re.MULTILINE).group(1).split()


def holds(server, by):
    text = server.request("GET", "/metrics")[2].decode()
    return int(re.search(rf'^repoint_confined{{by="{by}"}} (\d)$', text, re.MULTILINE).group(1))


def hang_up(server, wait_for, word):
    before = server.log_text().count(word)
    os.kill(server.pid, signal.SIGHUP)
    wait_for(lambda: server.log_text().count(word) > before, what=word)


@needs_landlock
def test_all_work_goes_on(start_server, start_agent, cli, tmp_path, wait_for):
    authority = tls.Authority(tmp_path / "tls")
    cert, key = authority.issue()
    logs = tmp_path / "logs"
    logs.mkdir()
    config = tmp_path / "etc" / "server.yaml"
    config.parent.mkdir()
    config.write_text(f"confine: require\ntls_cert: {cert}\ntls_key: {key}\naccess_log: {logs}/access.log\n")
    server = start_server(args=["-c", config], start=False)
    server.ca = str(authority.path)
    server.port_file = tmp_path / "run" / "port"
    server.port_file.parent.mkdir()
    server.start()
    assert holds(server, "landlock") == 1 and holds(server, "syscalls") == (0 if SANITIZED else 1)
    assert status_of(server, "NoNewPrivs") == ["1"]
    assert SANITIZED or status_of(server, "Seccomp") == ["2"]

    def trusting(*args, **kwargs):
        return cli(*args, server=server, env={"REPOINT_CA_FILE": server.ca}, **kwargs)
    made = {}
    shop = Shop(server, trusting, lambda config: made.setdefault(
        "agent", start_agent({**config, "ca_file": server.ca})), tmp_path)
    for version in ("1", "2"):
        shop.ship(version)
    shop.settles_on("2")
    shop.undo()
    shop.settles_on("1")
    with oci.Registry(server.url, ca=server.ca) as link:
        big = os.urandom(5 << 20)
        assert link.get_blob("shop/web", link.push_blob("shop/web", big)) == big
    # what changes while it runs
    shown = server.log_text().count("shows the certificate")
    authority.issue()
    wait_for(lambda: server.log_text().count("shows the certificate") > shown, what="the new certificate")
    (logs / "access.log").rename(logs / "access.log.1")
    config.with_suffix(".new").write_text(config.read_text() + "upload_expiry: 3h\n")
    config.with_suffix(".new").rename(config)  # as editors do it
    hang_up(server, wait_for, "changed: upload_expiry")
    assert server.request("GET", "/healthz")[0] == 200
    wait_for(lambda: "/healthz" in (logs / "access.log").read_text(), what="the new log")
    made["agent"].stop()
    server.stop()  # drains
    trusting("ledger", "verify", "--tables", "--data", server.data).ok()


@needs_landlock
@pytest.mark.parametrize("mode", ["require", "off"])
def test_other_places_are_out_of_reach(start_server, tmp_path, wait_for, mode):
    for name in ("logs", "elsewhere", "run"):
        (tmp_path / name).mkdir()
    config = tmp_path / "run" / "server.yaml"
    text = f"confine: {mode}\naccess_log: ../logs/a.log\n"
    config.write_text(text)
    server = start_server(args=["-c", config], start=False)
    server.port_file = tmp_path / "run" / "port"
    server.start()
    config.write_text(text.replace("logs", "elsewhere"))
    if mode == "off":
        hang_up(server, wait_for, "changed: access_log")
        assert (tmp_path / "elsewhere" / "a.log").exists()
        assert holds(server, "landlock") == holds(server, "syscalls") == 0
        return
    hang_up(server, wait_for, "gets to a new place by a restart")
    assert not (tmp_path / "elsewhere" / "a.log").exists()
    server.request("GET", "/healthz")
    wait_for(lambda: "/healthz" in (tmp_path / "logs" / "a.log").read_text(), what="the old log")


@needs_landlock
def test_data_on_another_disk_stays_in_reach(start_server, tmp_path, push, make_image):
    server = start_server()
    image = make_image([{"a": "1"}])
    push(server, "shop/web", "1.0", image)
    server.stop()
    (tmp_path / "disk").mkdir()
    shutil.move(server.data / "blobs", tmp_path / "disk" / "blobs")
    (server.data / "blobs").symlink_to(tmp_path / "disk" / "blobs")
    server.args = ["--confine", "require"]
    server.port_file = tmp_path / "run" / "port"
    server.port_file.parent.mkdir()
    server.start()
    push(server, "shop/web", "2.0", make_image([{"a": "2"}]))
    with oci.Registry(server.url) as link:
        assert link.get_manifest("shop/web", "1.0") == image.manifest


def without_landlock(server):
    """Starts `server` on a kernel that says it has no Landlock: a filter says so for it."""
    rules = [(0x20, 0, 0, 0), (0x15, 0, 1, 444), (0x06, 0, 0, 0x00050000 | 38), (0x06, 0, 0, 0x7FFF0000)]
    program = b"".join(struct.pack("HBBI", *rule) for rule in rules)
    script = (f"import ctypes, os, struct, sys\nprogram = ctypes.create_string_buffer({program!r})\n"
              "libc = ctypes.CDLL(None)\n"
              f"filter = struct.pack('HxxxxxxP', {len(rules)}, ctypes.addressof(program))\n"
              "assert libc.prctl(38, 1, 0, 0, 0) == 0\n"  # PR_SET_NO_NEW_PRIVS
              "assert libc.prctl(22, 2, filter, 0, 0) == 0\n"  # PR_SET_SECCOMP
              "os.execv(sys.argv[1], sys.argv[1:])\n")
    with open(server.log, "ab") as log:
        server.process = subprocess.Popen(["/usr/bin/python3", "-c", script, *server.command()], stdout=log,
                                          stderr=log, stdin=subprocess.DEVNULL)
    return server


@pytest.mark.plain
@pytest.mark.skipif(platform.architecture()[0] != "64bit", reason="landlock: the filter is for 64 bits")
def test_where_the_kernel_has_none(start_server, wait_for):
    server = without_landlock(start_server(start=False))
    wait_for(server.ready, what="the port file")
    assert "less confined than it could be: the kernel offers no Landlock" in server.log_text()
    assert holds(server, "landlock") == 0 and holds(server, "syscalls") == 1
    server.stop()
    strict = start_server(name="strict", args=["--confine", "require"], start=False)
    without_landlock(strict)
    assert strict.process.wait(30) == 1
    assert "confine: require cannot be had: the kernel offers no Landlock" in strict.log_text()
    strict.process = None


# ---- becoming somebody else ----

@pytest.fixture
def house(tmp_path):
    """A directory that others can get to, which pytest's cannot be. To be named before `start_server`: it goes last then."""
    with tempfile.TemporaryDirectory(prefix="repoint-test-", dir="/tmp") as name:
        place = Path(name)
        place.chmod(0o755)
        (place / "run").mkdir()
        os.chown(place / "run", SOMEBODY, GROUP)
        yield place


def start_as(server, house):
    server.data, server.port_file = house / "data", house / "run" / "port"
    return server


@needs_root
def test_root_becomes_somebody_for_good(house, start_server, push, make_image, wait_for):
    config = house / "server.yaml"
    config.write_text(f"user: {SOMEBODY}\ngroup: {GROUP}\n")
    server = start_as(start_server(args=["-c", config], start=False), house)
    server.start()
    push(server, "shop/web", "1.0", make_image([{"a": "1"}]))
    assert status_of(server, "Uid") == [str(SOMEBODY)] * 4 and status_of(server, "Gid") == [str(GROUP)] * 4
    assert status_of(server, "Groups") == [] and holds(server, "user") == 1
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status_of(server, name)[0], 16) == 0
    for thread in Path(f"/proc/{server.pid}/task").iterdir():  # each, and not only the first
        text = (thread / "status").read_text()
        assert re.search(rf"^Uid:\t{SOMEBODY}\t", text, re.MULTILINE) and "CapEff:\t0000000000000000" in text
    assert {path.stat().st_uid for path in server.data.rglob("*")} == {SOMEBODY}
    config.write_text(config.read_text() + "upload_expiry: 3h\n")
    hang_up(server, wait_for, "changed: upload_expiry")
    server.stop()
    server.start()  # over what it made itself


@needs_root
def test_what_belongs_to_root_is_named(house, start_server, cli):
    args = ["--user", str(SOMEBODY), "--group", str(GROUP)]
    server = start_as(start_server(args=args, start=False), house)
    cli("account", "add", "ada", "--allow", "administer", "--password-stdin", "--data", server.data,
        input="correct horse battery\n", server="http://127.0.0.1:1").ok()  # as root, which is easily done
    with open(server.log, "ab") as log:
        assert subprocess.run(server.command(), stdout=log, stderr=log, timeout=60).returncode == 5
    assert f"chown -R {SOMEBODY}:{GROUP} {server.data}" in server.log_text()
    subprocess.run(["chown", "-R", f"{SOMEBODY}:{GROUP}", str(server.data)], check=True)
    server.start()
    assert server.request("GET", "/readyz")[0] == 200


@needs_root
def test_somebody_cannot_become_another(house, start_server, cli):
    server = start_as(start_server(args=["--user", "4244", "--group", "4244"], start=False), house)
    with open(server.log, "ab") as log:
        done = subprocess.run(server.command(), stdout=log, stderr=log, timeout=60, user=SOMEBODY, group=GROUP,
                              extra_groups=[], cwd="/")
    # it cannot make the other's data directory, or cannot become them
    assert done.returncode in (1, 5) and not (server.data / "repoint.db").exists()
    (house / "data").mkdir()
    os.chown(house / "data", 4244, 4244)
    with open(server.log, "ab") as log:
        done = subprocess.run(server.command(), stdout=log, stderr=log, timeout=60, user=SOMEBODY, group=GROUP,
                              extra_groups=[], cwd="/")
    assert done.returncode == 5 and "only root can become 4244" in server.log_text()


def test_users_that_are_not_there(cli, tmp_path):
    config = tmp_path / "server.yaml"
    config.write_text("user: no-such-user\nlisten: 127.0.0.1:0\n")
    assert "useradd" in cli("config", "check", config).exits(2).stdout
    assert "useradd" in cli("serve", "-c", config, "--data", tmp_path / "d").exits(2).stderr
    config.write_text("group: root\nlisten: 127.0.0.1:0\n")
    assert "no `user`" in cli("config", "check", config).exits(2).stdout
    assert "say `user` too" in cli("serve", "-c", config, "--data", tmp_path / "d").exits(2).stderr
    assert not (tmp_path / "d").exists()
