"""Telling a service manager how one is."""

import os
import signal
import socket

import pytest

from support import repoint


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
