"""Registries with many blobs in them, made once (bench/dataset.c) and kept in ~/.cache/repoint/bench."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from support import repoint

FORMAT = 2  # of what dataset.c makes: another number makes all of them again
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "repoint" / "bench"


def tool(name):
    return Path(repoint.binary()).parents[1] / "bench" / name


def make(place, manifests, blobs):
    print(f"making a registry of {manifests:,} manifests and {blobs:,} blobs in {place} …", file=sys.stderr,
          flush=True)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    started = time.monotonic()
    subprocess.run([tool("dataset"), place, str(manifests), str(blobs)], check=True, timeout=900)
    (place / "repoint.db").rename(place / "unused.db")
    os.sync()
    (place / "whole").touch()
    print(f"that took {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def get(manifests, blobs):
    """A data directory as it was made, whatever was done with it before: nobody else may use it meanwhile."""
    place = CACHE / f"{FORMAT}-{manifests}-{blobs}"
    if not (place / "whole").exists():
        make(place, manifests, blobs)
    for leftover in place.glob("repoint.db*"):
        leftover.unlink()
    shutil.copyfile(place / "unused.db", place / "repoint.db")
    (place / "repoint.db").chmod(0o600)
    os.sync()
    return place
