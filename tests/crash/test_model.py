"""Random schedules of all that changes what is kept, judged by a model.

Pushes, moves of tags, deletions, deployments, undos, holds, policies, collections, flipped bits, time that passes and
kills: whatever comes after what, nothing held goes, nothing wrong is served, and in the end nothing stays that nothing
reaches. REPOINT_MODEL_STEPS and REPOINT_MODEL_SEED say how many steps, and which. A schedule that fails is made short and kept
beside the logs; those in schedules/ failed once.
"""

import json
import os
from pathlib import Path

import pytest

from player import Player, make_schedule
from shrink import failure_of, keep, shrink

STEPS = int(os.environ.get("REPOINT_MODEL_STEPS", "0"))
SCHEDULE = 250  # steps on one server
KEPT = sorted((Path(__file__).parent / "schedules").glob("*.json"))


def play(tmp_path, seed, steps):
    schedule = make_schedule(seed, steps)
    player = Player(tmp_path / f"model-{seed}")
    try:
        player.play(schedule)
    except AssertionError as wrong:
        failure = str(wrong), player.at
        short = shrink(tmp_path, schedule, failure, float(os.environ.get("REPOINT_MODEL_SHRINK", "60")))
        kept = Path(os.environ.get("REPOINT_MODEL_KEEP", tmp_path)) / f"schedule-{seed}.json"
        keep(kept, short, failure)
        raise AssertionError(f"seed {seed}, step {failure[1]} {schedule[failure[1]]}: {failure[0]}\n"
                             f"a schedule of {len(short)} steps that fails is in {kept}:\n{short}") from wrong
    return player


@pytest.mark.asan
def test_R03_R04_R05_R25_random_schedules(tmp_path, crash_points):
    steps = STEPS or max(250, 2 * crash_points)
    seed = int(os.environ.get("REPOINT_MODEL_SEED", "801"))
    counts, kills, end = {}, 0, seed + max(1, steps // SCHEDULE)
    print(f"REPOINT_MODEL_SEED={seed}")
    for one in range(seed, end):
        player = play(tmp_path, one, SCHEDULE)
        kills += player.kills
        for name, count in player.counts.items():
            counts[name] = counts.get(name, 0) + count
    print(f"{sum(counts.values())} steps, {kills} kills within one: {counts}")
    assert counts.get("collect") and counts.get("retain") and counts.get("deploy"), counts


@pytest.mark.asan
def test_schedules_that_failed_once(tmp_path):
    for path in KEPT:
        failure = failure_of(tmp_path / path.stem, json.loads(path.read_text())["steps"])
        assert failure is None, (path, failure)
