"""The server killed under a mixed load, at random points and, every third time, right before a step to the disk.

Promises 3, 5 and 6: nothing that was acknowledged is lost, nothing that is served is wrong, and the ledger verifies.
`make crash KILLS=…` kills as often as wanted; `make check` a few dozen times.
"""

import collections
import os
import random
import threading
import time

from mixed import Mixer
from promises import judge_all
from support.cutsync import BOTH, KILL, Cut
from support.repoint import PATIENCE

CUT_EVERY = 3      # kills
CUT_WITHIN = 40    # steps towards the disk
VERIFY_EVERY = 20  # kills
LOOK_EVERY = 100   # kills: at everything


def kill_under_load(server, mixers, cut, dice, by_cut):
    """True if it was the cut that killed it."""
    clients = [threading.Thread(target=mixer.work, args=(server,)) for mixer in mixers]
    if by_cut:
        cut.arm(cut.count + dice.randint(1, CUT_WITHIN), how=KILL)
    for client in clients:
        client.start()
    end = time.monotonic() + (5 if by_cut else dice.uniform(0, 0.15)) * PATIENCE
    while server.running and time.monotonic() < end:
        time.sleep(0.002)
    cut_off = not server.running
    server.kill9()
    for client in clients:
        client.join()
    cut.disarm()
    return cut_off


def test_R25_killed_under_a_mixed_load(start_server, cli, tmp_path, crash_points):
    seed = int(os.environ.get("REPOINT_CRASH_SEED", str(time.time_ns() % 10**6)))
    kills = int(os.environ.get("REPOINT_CRASH_KILLS", "0")) or max(9, crash_points // 5)
    print(f"REPOINT_CRASH_SEED={seed}")
    dice = random.Random(seed)
    cut = Cut(tmp_path / "cut", which=BOTH)
    server = start_server(env=cut.env)
    mixers = [Mixer(name, random.Random(dice.random())) for name in ("shop", "blog", "wiki")]
    cuts = 0
    for turn in range(1, kills + 1):
        cuts += kill_under_load(server, mixers, cut, dice, by_cut=turn % CUT_EVERY == 0)
        server.start()
        for mixer in mixers:
            mixer.check(server, everything=turn % LOOK_EVERY == 0)
        if turn % VERIFY_EVERY == 0:
            server.api("POST", "/ledger/verify", {})
    verified = judge_all(server, cli, mixers)
    done = sum((collections.Counter(mixer.done) for mixer in mixers), collections.Counter())
    print(f"{kills} kills, {cuts} of them right before a step to the disk; acknowledged: {dict(done)}; "
          f"things looked after: {sum(len(mixer.states) for mixer in mixers)}; {verified}")
    assert cuts > 0, "no cut was reached"
    assert sum(done.values()) > 0, "nothing was ever acknowledged"
