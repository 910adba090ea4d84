"""Registries with many blobs in them, made once (bench/dataset.c) and kept in ~/.cache/repoint/bench."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from support import repoint

FORMAT = 3  # of what dataset.c makes: with another number all are made again
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "repoint" / "bench"


def tool(name):
    return Path(repoint.binary()).parents[1] / "bench" / name


def wanted_format():
    tables = subprocess.run([tool("dataset"), "format"], text=True, check=True, stdout=subprocess.PIPE).stdout
    return f"{FORMAT} {tables}"


def make(place, manifests, blobs):
    """Files that are there already stay: of another format only the database is."""
    print(f"making a registry of {manifests:,} manifests and {blobs:,} blobs in {place} …", file=sys.stderr,
          flush=True)
    (place / "format").unlink(missing_ok=True)
    remove_databases(place, "*.db*")
    place.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    subprocess.run([tool("dataset"), place, str(manifests), str(blobs)], check=True, timeout=900)
    (place / "repoint.db").rename(place / "unused.db")
    os.sync()
    (place / "format").write_text(wanted_format())
    print(f"that took {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def remove_databases(place, pattern):
    for path in place.glob(pattern):
        path.unlink()


def get(manifests, blobs):
    """A data directory as it was made, whatever was done with it before: nobody else may use it meanwhile."""
    place = CACHE / f"{manifests}-{blobs}"
    if not (place / "format").exists() or (place / "format").read_text() != wanted_format():
        make(place, manifests, blobs)
    remove_databases(place, "repoint.db*")
    shutil.copyfile(place / "unused.db", place / "repoint.db")
    (place / "repoint.db").chmod(0o600)
    os.sync()
    return place
