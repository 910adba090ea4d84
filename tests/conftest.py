"""Fixtures of the system and crash tests. Every test gets servers, agents and a client of its own, in its
own directory; what it starts is stopped, and any sanitizer report in any log fails it."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from support import oci, podman, repoint  # noqa: E402

SANITIZER_OPTIONS = ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")


@pytest.fixture(autouse=True)
def no_findings(request, tmp_path, monkeypatch):
    """Sends sanitizer reports of all children to files of this test, and fails it if there are any."""
    for name in SANITIZER_OPTIONS:
        if name in os.environ:
            monkeypatch.setenv(name, os.environ[name] + f":log_path={tmp_path}/sanitizer.{name[0]}")
    yield
    found = repoint.findings(tmp_path)
    if found:
        pytest.fail("a process reported a defect:\n" + "\n".join(found), pytrace=False)


@pytest.fixture
def started(tmp_path, no_findings):
    """Started processes; the fixture ends them, and those that still run must end well."""
    processes = []
    yield processes
    problems = []
    for process in reversed(processes):
        try:
            process.stop()
        except AssertionError as problem:
            problems.append(str(problem))
    for process in processes:
        if isinstance(process, repoint.Server):  # hundreds of them would fill a disk until the run is over
            (process.data / "reserve").unlink(missing_ok=True)
    if problems:  # pytest shows one error of a test's end: this one says all
        problems += repoint.findings(tmp_path)
    assert not problems, "\n".join(problems)


@pytest.fixture
def start_server(tmp_path, started):
    """start_server(name="server", args=[…], env={…}, data=PATH, start=True) → support.repoint.Server"""
    def make(name="server", args=(), env=None, data=None, start=True):
        server = repoint.Server(data or tmp_path / name, log=tmp_path / f"{name}.log", args=args,
                                env=env)
        started.append(server)
        return server.start() if start else server
    return make


@pytest.fixture
def server(start_server):
    """A running server: .url .address .port .data .log .api() .request() .stop() .kill9() .start()"""
    return start_server()


@pytest.fixture
def start_agent(tmp_path, started):
    """start_agent(config, name="agent", start=True) → support.repoint.Agent (.stop .kill9 .start .cli)"""
    def make(config, name="agent", args=(), env=None, start=True):
        config.setdefault("state", str(tmp_path / name / "state"))
        agent = repoint.Agent(config, tmp_path / name, args=args, env=env)
        started.append(agent)
        return agent.start() if start else agent
    return make


@pytest.fixture
def cli(request, tmp_path):
    """cli(*args, server=…, env=…, input=…, timeout=…, cwd=…) → Result (.rc .stdout .stderr .json
    .ok() .exits(N)). Talks to the `server` fixture's server if the test has one."""
    def run(*args, server=None, **kwargs):
        if server is None and "server" in request.fixturenames:
            server = request.getfixturevalue("server")
        kwargs.setdefault("cwd", tmp_path)
        return repoint.run_cli(*args, server=server, **kwargs)
    return run


@pytest.fixture
def make_image():
    """support.oci.make_image; see there also make_artifact, make_index, Entry."""
    return oci.make_image


@pytest.fixture
def push():
    """push(server, repository, tag, image) → digest"""
    return oci.push


@pytest.fixture
def free_port():
    """free_port() → a loopback port nobody listens on."""
    return repoint.free_port


@pytest.fixture
def wait_for():
    """wait_for(condition, timeout=20, what="…") → what the condition returned"""
    return repoint.wait_for


@pytest.fixture
def versions(server):
    """versions(n, repository="shop/web") → n pushed images (tags 1.0, 1.1, …) with different bytes."""
    counter = itertools.count()

    def make(count, repository="shop/web"):
        images = []
        for _ in range(count):
            i = next(counter)
            image = oci.make_image([{"app/version": f"{i}\n", "app/data": os.urandom(512)}],
                                   cmd=["/app/run"])
            oci.push(server, repository, f"1.{i}", image)
            images.append(image)
        return images
    return make


@pytest.fixture
def engine(server):
    """A private Podman that trusts the server; skips, with the reason, where containers cannot run."""
    works, why = podman.available()
    if not works:
        pytest.skip(f"containers: {why}")
    with podman.Podman(insecure=[server.address]) as running:
        yield running


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of 24 MiB, mounted for as long as the test runs."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", place],
                          capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot mount a tmpfs: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def crash_points():
    """How many kill points a crash test is to try: many on the plain build, fewer under sanitizers."""
    return int(os.environ.get("REPOINT_CRASH_POINTS", "40"))
