"""Under a service manager: sockets from outside, and telling it how one is."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

from support import oci, repoint


class UnixLink(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def get(link, path):
    link.request("GET", path)
    answer = link.getresponse()
    return answer.status, answer.read()


class Manager:
    """A NOTIFY_SOCKET that is listened to."""

    def __init__(self, place):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(place)
        self.socket.settimeout(20 * repoint.PATIENCE)

    def next(self, name):
        """The next message that has NAME=, as a dictionary."""
        while True:
            fields = dict(line.partition("=")[::2] for line in self.socket.recv(4096).decode().splitlines())
            if name in fields:
                return fields


@pytest.mark.parametrize("abstract", [False, True])
def test_the_manager_is_told(start_server, tmp_path, abstract):
    name = f"repoint-test-{os.getpid()}-{repoint.free_port()}"
    manager = Manager("\0" + name if abstract else str(tmp_path / "notify"))
    config = tmp_path / "server.yaml"
    config.write_text("verbose: false\n")
    server = start_server(start=False, args=["-c", config],
                          env={"NOTIFY_SOCKET": "@" + name if abstract else str(tmp_path / "notify")})
    server.start()
    ready = manager.next("READY")
    assert ready["READY"] == "1" and server.url in ready["STATUS"]
    assert server.request("GET", "/readyz")[0] == 200
    os.kill(server.pid, signal.SIGHUP)
    assert int(manager.next("RELOADING")["MONOTONIC_USEC"]) > 0
    assert manager.next("READY")["READY"] == "1"
    server.stop()
    assert manager.next("STOPPING")["STOPPING"] == "1"


def test_the_watchdog_is_fed(start_server, tmp_path):
    manager = Manager(str(tmp_path / "notify"))
    server = start_server(env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"})
    for _ in range(5):
        assert manager.next("WATCHDOG")["WATCHDOG"] == "1"
    os.kill(server.pid, signal.SIGSTOP)  # a process that hangs does not feed it
    manager.socket.settimeout(1)
    try:
        with pytest.raises(TimeoutError):
            for _ in range(100):
                manager.next("WATCHDOG")
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_another_process_watchdog_is_not_fed(start_server, tmp_path):
    manager = Manager(str(tmp_path / "notify"))
    server = start_server(env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000",
                               "WATCHDOG_PID": "1"})
    manager.next("READY")
    server.stop()
    assert "WATCHDOG" not in manager.next("STOPPING")
    lost = start_server(name="lost", env={"NOTIFY_SOCKET": "/nowhere/at/all"})
    assert lost.request("GET", "/healthz")[0] == 200


def start_with(server, sockets, pid=None):
    """Starts `server` as a service manager does: LISTEN_PID is only known after the fork."""
    fds = [each.fileno() for each in sockets]
    script = (f"import os, sys\nfds = [os.dup2(fd, fd + 200) for fd in {fds}]\n"
              "for at, fd in enumerate(fds): os.dup2(fd, 3 + at); os.set_inheritable(3 + at, True)\n"
              f"os.environ.update(LISTEN_PID=str({pid} or os.getpid()), LISTEN_FDS=str(len(fds)))\n"
              "os.execv(sys.argv[1], sys.argv[1:])\n")
    command = server.command()
    with open(server.log, "ab") as log:
        server.process = subprocess.Popen(["/usr/bin/python3", "-c", script, *command], pass_fds=fds, stdout=log,
                                          stderr=log, stdin=subprocess.DEVNULL)
    return server


def listening(address):
    kind = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    found = socket.socket(kind)
    found.bind(address)
    found.listen(64)
    return found


def test_several_sockets_of_both_kinds(start_server, tmp_path, wait_for, make_image, push):
    path = str(tmp_path / "repoint.sock")
    sockets = [listening(path), listening(("127.0.0.1", 0)), listening(("127.0.0.1", 0))]
    server = start_server(start=False)
    ignored = server.port
    start_with(server, sockets)
    # connections wait in the sockets while the server starts
    assert get(UnixLink(path), "/healthz") == (200, b"ok\n")
    for each in sockets[1:]:
        server.port = each.getsockname()[1]
        assert server.request("GET", "/healthz")[0] == 200
    push(server, "shop/web", "1.0", make_image([{"a": "1"}]))
    assert get(UnixLink(path), "/v2/shop/web/tags/list")[0] == 200
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", ignored)) != 0
    server.stop()
    assert "stopped" in server.log_text() and os.path.exists(path)


def test_what_is_no_listening_socket_is_refused(start_server, tmp_path):
    one, other = socket.socketpair()
    server = start_with(start_server(start=False), [one])
    assert server.process.wait(30) == 2
    assert re.search("socket 1 of the service manager: .*does not listen", server.log_text())
    server.process = None
    other.close()


def test_sockets_for_another_process_are_left_alone(start_server, wait_for):
    held = listening(("127.0.0.1", 0))
    server = start_with(start_server(start=False), [held], pid=1)
    wait_for(server.ready, what="the port file")
    assert server.request("GET", "/healthz")[0] == 200
    assert server.port != held.getsockname()[1]


def test_a_socket_beyond_loopback_needs_an_account(start_server):
    server = start_with(start_server(start=False), [listening(("0.0.0.0", 0))])
    assert server.process.wait(30) == 5
    assert "nobody who comes is asked" in server.log_text()
    server.process = None


@pytest.mark.skipif(not shutil.which("systemd-socket-activate"), reason="systemd: no systemd-socket-activate here")
def test_systemd_socket_activate(tmp_path, wait_for, free_port):
    port, path = free_port(), tmp_path / "s.sock"
    passed = [f"--setenv={name}={os.environ[name]}"  # it starts what it starts with an environment of its own
              for name in os.environ if name == "G_SLICE" or name.endswith("SAN_OPTIONS")]
    with open(tmp_path / "activate.log", "wb") as log:
        process = subprocess.Popen(["systemd-socket-activate", *passed, "-l", f"127.0.0.1:{port}", "-l", str(path),
                                    repoint.binary(), "serve", "--data", str(tmp_path / "data")],
                                   stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        wait_for(path.exists, what="the socket")
        assert not (tmp_path / "data").exists()  # nobody came yet
        assert get(UnixLink(path), "/readyz")[0] == 200
        with oci.Registry(f"http://127.0.0.1:{port}", 30) as link:
            assert link.request("GET", "/v2/")[0] == 200
    finally:
        process.terminate()
        process.wait(30)
    assert "stopped" in (tmp_path / "activate.log").read_text()
