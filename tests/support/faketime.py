"""Another wall clock for one process, by libfaketime; monotonic clocks stay true."""

import glob

LIBRARIES = "/usr/lib/*/faketime/libfaketimeMT.so.1"


def environment(offset):
    """`offset` as faketime(1) writes it: `-1d`, `+2h`."""
    found = glob.glob(LIBRARIES)
    if not found:
        raise RuntimeError(f"no {LIBRARIES}: install libfaketime")
    return {"LD_PRELOAD": found[0], "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1"}
