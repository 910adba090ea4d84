"""The cutter itself: it counts every step, and cuts exactly where it is told to."""

import errno
import os
import signal
import subprocess

import pytest

from support.cutsync import BOTH, DURABLE, KILL, Cut

# Five steps: three durable ones, two visible ones.
PROGRAM = """
import os, sys
os.chdir(sys.argv[1])
for step in (lambda: os.fsync(fd), lambda: os.fdatasync(fd), lambda: os.rename("a", "b"),
             lambda: os.unlink("b"), lambda: os.fsync(fd)):
    fd = os.open("a", os.O_CREAT | os.O_WRONLY)
    try:
        step()
        print("done", flush=True)
    except OSError as error:
        print(error.errno, flush=True)
"""


def run(cut, directory):
    directory.mkdir(exist_ok=True)
    return subprocess.run(["/usr/bin/python3", "-c", PROGRAM, str(directory)],
                          env={**os.environ, **cut.env}, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("which, steps", [(DURABLE, 3), (BOTH, 5)])
def test_counts(tmp_path, which, steps):
    cut = Cut(tmp_path / "cut", which=which)
    assert run(cut, tmp_path / "work").stdout.split() == ["done"] * 5
    assert cut.count == steps


@pytest.mark.parametrize("at", range(1, 6))
def test_kills_before_the_nth_step(tmp_path, at):
    cut = Cut(tmp_path / "cut", at=at, how=KILL, which=BOTH)
    done = run(cut, tmp_path / "work")
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.split() == ["done"] * (at - 1)
    assert cut.count == at


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_fails_the_nth_step_alone(tmp_path, code):
    cut = Cut(tmp_path / "cut", at=2, how=code)
    assert run(cut, tmp_path / "work").stdout.split() == ["done", str(code), "done", "done", "done"]


def test_fails_several_in_a_row(tmp_path):
    cut = Cut(tmp_path / "cut")
    cut.arm(2, how=errno.EIO, repeat=9)
    assert run(cut, tmp_path / "work").stdout.split() == ["done", "5", "done", "done", "5"]


def test_a_cut_that_cannot_work_does_not_pass_for_one(tmp_path):
    cut = Cut(tmp_path / "cut")
    cut.path.unlink()
    assert run(cut, tmp_path / "work").returncode == -signal.SIGABRT
