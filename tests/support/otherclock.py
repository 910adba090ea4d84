"""Another wall clock for a process: see otherclock.c. Monotonic clocks and the times of files stay true.

    clock = Clock(tmp_path / "clock", days=30)
    server = start_server(env=clock.env)
    clock.forward(days=1)                    # at once
"""

import os
import struct
import time
from datetime import timedelta
from pathlib import Path

from . import repoint


def library():
    return repoint.built("tests/support/otherclock.so")


class Clock:
    """As far ahead of ours as is said, in what timedelta() takes; less than 0 is behind."""

    def __init__(self, path, **ahead):
        self.path, self.ahead = Path(path), 0
        self.path.write_bytes(struct.pack("=q", 0))
        self.forward(**ahead)

    def forward(self, **by):
        self.ahead += int(timedelta(**by).total_seconds())
        fd = os.open(self.path, os.O_WRONLY)  # never cut to nothing: processes map it
        try:
            os.pwrite(fd, struct.pack("=q", self.ahead), 0)
        finally:
            os.close(fd)

    @property
    def now(self):
        return time.time() + self.ahead

    @property
    def env(self):
        return {"LD_PRELOAD": str(library()), "OTHERCLOCK": str(self.path)}
