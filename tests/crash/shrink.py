"""Makes a failing schedule short: steps are taken out as long as what is left still fails in the same way."""

import json
import re
import time

from player import Player


def failure_of(directory, schedule):
    """None, or what was wrong and at which step."""
    player = Player(directory)
    try:
        player.play(schedule)
    except AssertionError as wrong:
        return str(wrong), player.at
    return None


def kind_of(text):
    """What stays the same of a failure when digests and versions differ."""
    return re.sub(r"sha256:[0-9a-f]+|[0-9.]+|v-\w+", "…", text)[:60]


def shrink(directory, schedule, failure, seconds=300):
    """`failure`: as failure_of() says. The shortest schedule that was found in that time."""
    end = time.monotonic() + seconds
    text, at = failure
    schedule = schedule[:at + 1]
    size, tries = max(1, len(schedule) // 2), 0
    while size >= 1:
        start, shorter = 0, False
        while start < len(schedule):
            if time.monotonic() > end:
                return schedule
            trial = schedule[:start] + schedule[start + size:]
            tries += 1
            found = failure_of(directory / f"shrink-{tries}", trial)
            if found and kind_of(found[0]) == kind_of(text):
                schedule, shorter = trial[:found[1] + 1], True
            else:
                start += size
        size = size // 2 if size > 1 or not shorter else 1
    return schedule


def keep(path, schedule, failure):
    lines = ",\n  ".join(json.dumps(step) for step in schedule)
    path.write_text('{"failure": %s,\n "steps": [\n  %s]}\n' % (json.dumps(failure[0][:500]), lines))
