"""The server killed with SIGKILL at random points of pushes, releases and pointer moves, hundreds of times.

Promises 3 (the pointer names the old or the new revision) and 6 (what was acknowledged is durable).
REPOINT_CRASH_POINTS says how often (`make check`: 300 times, fewer under sanitizers).
"""

import os
import random
import threading
import time

from promises import Witness, judge_all
from support.repoint import PATIENCE


def moves(witnesses):
    return sum(len(witness.revisions) for witness in witnesses)


def test_R25_R30_server_killed_at_random_points(start_server, cli, crash_points):
    seed = int(os.environ.get("REPOINT_CRASH_SEED", str(time.time_ns() % 10**6)))
    print(f"REPOINT_CRASH_SEED={seed}")
    dice = random.Random(seed)
    server = start_server()
    witnesses = [Witness("shop"), Witness("blog")]
    turn = 0
    # On a slow build little happens before a kill: go on until there was something to lose.
    while turn < crash_points or moves(witnesses) < 5:
        turn += 1
        clients = [threading.Thread(target=w.work, args=(server,)) for w in witnesses]
        for client in clients:
            client.start()
        time.sleep(dice.uniform(0, 0.12 * PATIENCE))
        server.kill9()
        for client in clients:
            client.join()
        server.start()
        for witness in witnesses:
            assert not witness.refusals, witness.refusals
            witness.check(server, everything=turn % 50 == 0)
        if turn % 20 == 0:
            server.api("POST", "/ledger/verify", {})
    judge_all(server, cli, witnesses)
