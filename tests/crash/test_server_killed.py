"""The server killed with SIGKILL at random points of pushes, releases and pointer moves, hundreds of times.

Promises 3 (the pointer names the old or the new revision) and 6 (what was acknowledged is durable).
REPOINT_CRASH_POINTS says how often (`make check`: 300 times, fewer under sanitizers).
"""

import os
import random
import threading
import time

from promises import Witness, check_leftovers


def test_R25_R30_server_killed_at_random_points(start_server, cli, crash_points):
    seed = int(os.environ.get("REPOINT_CRASH_SEED", str(time.time_ns() % 10**6)))
    print(f"REPOINT_CRASH_SEED={seed}")
    dice = random.Random(seed)
    server = start_server()
    witnesses = [Witness("shop"), Witness("blog")]
    for turn in range(crash_points):
        clients = [threading.Thread(target=w.work, args=(server,)) for w in witnesses]
        for client in clients:
            client.start()
        time.sleep(dice.uniform(0, 0.12))
        server.kill9()
        for client in clients:
            client.join()
        server.start()
        last = turn == crash_points - 1
        for witness in witnesses:
            assert not witness.refusals, witness.refusals
            witness.check(server, everything=last or turn % 50 == 49)
        if last or turn % 20 == 19:
            server.api("POST", "/ledger/verify", {})
    check_leftovers(server)
    moves = sum(len(w.revisions) for w in witnesses)
    assert moves >= 5, "too little happened between the kills for this test to mean anything"
    server.stop()
    cli("ledger", "rebuild", "--data", server.data).ok()
    server.start()
    for witness in witnesses:
        witness.check(server, everything=True)
