"""One push, release and move after another, cut at every single step towards the disk.

A step is a sync, rename, link or unlink of the server, SQLite's own among them. Cut means that the server
is killed just before it, or that the step fails with an error of the disk. Whatever the n: what was acknowledged is
there afterwards, and the pointer names the old or the new revision (promises 3 and 6).
"""

import errno
import itertools
import time

import pytest

from promises import Witness, check_leftovers
from support.cutsync import BOTH, KILL, Cut

STEPS_AT_LEAST = 20  # fewer would mean that the cutter does not see the server
WORK_HAS = 100       # steps, about: with fewer crash points than that, each second or fifth … is cut


@pytest.fixture
def every(crash_points):
    """The distance between the steps that are cut: 1 in `make check`, more under sanitizers."""
    return max(1, WORK_HAS // crash_points)


def settled(cut):
    """The count once it stands still: a server that answers already may still sync what its start has written."""
    count = None
    while count != cut.count:
        count = cut.count
        time.sleep(0.05)
    return count


def work_with_cut(server, witness, cut, at, how):
    """Two releases and a move to each, with the cut armed `at` steps from now. True if it was reached."""
    start = settled(cut)
    cut.arm(start + at, how=how)
    witness.work(server, limit=2)
    reached = cut.count >= start + at
    cut.disarm()
    return reached


def still_right_after_restart(server, witness):
    server.kill9()
    server.start()
    witness.check(server, everything=True)


def test_R25_killed_at_every_step(start_server, tmp_path, every):
    cut = Cut(tmp_path / "cut", which=BOTH)
    server = start_server(env=cut.env)
    for at in itertools.count(1, every):
        witness = Witness(f"shop{at}")
        reached = work_with_cut(server, witness, cut, at, KILL)
        assert not witness.refusals, witness.refusals
        still_right_after_restart(server, witness)
        if not reached:
            break
    assert at > STEPS_AT_LEAST, f"only {at} steps"
    server.api("POST", "/ledger/verify", {})
    check_leftovers(server)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC], ids=errno.errorcode.get)
def test_R20_the_disk_fails_at_every_step(code, start_server, tmp_path, every):
    cut = Cut(tmp_path / "cut", which=BOTH)
    server = start_server(env=cut.env)
    told = 0
    for at in itertools.count(1, every):
        witness = Witness(f"shop{at}")
        reached = work_with_cut(server, witness, cut, at, code)
        told += bool(witness.refusals)
        assert server.process.poll() is None, f"a failing disk ended the server: {server.log_text()}"
        witness.check(server, everything=True)
        still_right_after_restart(server, witness)
        if not reached:
            break
    # A few steps only clean up, and may fail in silence; most must be heard of.
    assert told > at / every / 2, f"{told} refusals for {at} failing steps"
    server.api("POST", "/ledger/verify", {})
    check_leftovers(server)
