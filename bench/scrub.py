"""Reading all bytes again: `repoint scrub --now` beside `sha256sum` of the same files on one core."""

import os
import subprocess
import time

import peers
from support import oci, repoint
from table import Target

MIB = 1024 * 1024
REPOSITORY = "bench/scrub"
SUM = "sha256sum"


def fill(server, quick):
    """Few large blobs and many small ones; their sizes, added up."""
    sizes = [8 * MIB] * 2 + [64 * 1024] * 64 if quick else [64 * MIB] * 6 + [4 * MIB] * 24 + [64 * 1024] * 512
    with oci.Registry(server.address) as registry:
        for size in sizes:
            registry.push_blob(REPOSITORY, os.urandom(size))
    return sum(sizes)


def forget(files):
    """What the page cache has of them: both read what the disk has."""
    os.sync()
    for file in files:
        fd = os.open(file, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def scrub(server):
    started = time.monotonic()
    told = repoint.run_cli("scrub", "--now", f"repo:{REPOSITORY}", "-o", "json", server=f"http://{server.address}",
                           timeout=600).ok().json
    return time.monotonic() - started, told["bytes"]


def sha256sum(files):
    started = time.monotonic()
    subprocess.run(["taskset", "-c", "0", SUM, "--", *files], check=True, stdout=subprocess.DEVNULL, timeout=600)
    return time.monotonic() - started


def measure(work, table, rounds, quick):
    server = peers.Repoint(work / "scrub").start()
    try:
        size = fill(server, quick)
        files = sorted(path for path in (server.data / "blobs").rglob("*") if path.is_file())
        row = f"scrub, {len(files)} blobs of {size // MIB} MiB"
        for _ in range(rounds):
            forget(files)
            took, read = scrub(server)
            if read != size:
                raise RuntimeError(f"scrub read {read} bytes of {size}")
            forget(files)
            other = sha256sum(files)
            table.add(row, "MiB/s", server.name, size / MIB / took)
            table.add(f"{row}: rate / that of sha256sum on one core", "×", server.name, other / took,
                      Target(above=0.9))
    finally:
        server.stop()
        peers.drop_large(server.dir)
