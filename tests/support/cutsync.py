"""Cutting a process at its n-th step towards the disk: see tests/crash/cutsync.c.

    cut = Cut(tmp_path / "cut")
    server = start_server(env=cut.env)       # counts from here
    cut.arm(cut.count + 3)                   # killed before its third sync from now on
    cut.arm(5, how=errno.ENOSPC)             # or: the fifth of all fails
"""

import os
import struct
from pathlib import Path

from . import repoint

DURABLE, VISIBLE, BOTH = 1, 2, 3
KILL = 0
FIELDS = "=QQQQQ"


def library():
    return repoint.built("tests/crash/cutsync.so")


class Cut:
    """How, and at which step, processes started with `.env` end. `which`: steps that count."""

    def __init__(self, path, at=0, how=KILL, which=DURABLE, repeat=1):
        self.path = Path(path)
        self.path.write_bytes(struct.pack(FIELDS, 0, at, how, which, repeat))

    @property
    def env(self):
        return {"LD_PRELOAD": str(library()), "CUTSYNC": str(self.path)}

    @property
    def count(self):
        """Steps taken so far."""
        return struct.unpack_from("=Q", self.path.read_bytes())[0]

    def arm(self, at, how=KILL, repeat=1):
        """Cuts at step `at`, counted from the start of all; `repeat` steps fail with an errno."""
        fd = os.open(self.path, os.O_WRONLY)
        try:
            os.pwrite(fd, struct.pack("=Q", how), 16)
            os.pwrite(fd, struct.pack("=Q", repeat), 32)
            os.pwrite(fd, struct.pack("=Q", at), 8)
        finally:
            os.close(fd)

    def disarm(self):
        self.arm(0)
