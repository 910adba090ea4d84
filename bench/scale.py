"""repoint alone, by what it costs to have much of something: connections, uploads at once, history."""

import http.client
import json
import subprocess
import sys
import time

import collection
import dataset
import peers
from support import oci
from table import Target

MIB = 1024 * 1024


def resident(pid, field="VmRSS"):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field)) / MIB


def open_connections(work, table, quick):
    """Keep-alive connections that have each been answered once and stay, and somebody who asks beside them."""
    count = 1000 if quick else 10000
    server = peers.Repoint(work / "open").start()
    try:
        image = oci.make_image([{"f": "1"}])
        peers.give(server, "bench/web", image)
        path = f"/v2/bench/web/manifests/{image.digest}"
        with subprocess.Popen([dataset.tool("load"), "idle", server.address, path, str(count), "5000"], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as load:
            told = json.loads(load.stdout.readline() or "null")
            if not told:
                raise RuntimeError(f"{count} connections could not be opened")
            row = f"{told['open']:,} open connections"
            table.add(f"{row}: resident", "MiB", server.name, resident(server.process.pid), Target(below=200),
                      "less")
            table.add(f"{row}: p99 of a HEAD beside them", "ms", server.name, told["p99_ms"], Target(below=20),
                      "less")
            load.stdin.close()
    finally:
        server.stop()


def large_pushes(work, table, quick):
    size = 64 * MIB if quick else 1024 * MIB
    server = peers.Repoint(work / "large").start()
    try:
        subprocess.run([dataset.tool("load"), "push", server.address, "bench/web", "8", "1", str(size), "7"],
                       check=True, stdout=subprocess.DEVNULL, timeout=300)
        table.add(f"8 × {size // MIB} MiB pushed at once: most resident", "MiB", server.name,
                  resident(server.process.pid, "VmHWM"), Target(below=100), "less")
    finally:
        server.stop()
        peers.drop_large(server.dir)


def first_answer(server):
    """Seconds from the start of the process to an answer that the ledger was needed for."""
    started = time.monotonic()
    process = subprocess.Popen(server.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    server.process = process
    while time.monotonic() - started < 60:
        link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        try:
            link.request("GET", "/v2/bench/app-1/tags/list")
            if link.getresponse().status == 200:
                return time.monotonic() - started
        except ConnectionError:
            time.sleep(0.001)
        finally:
            link.close()
    raise RuntimeError("the server did not answer")


def ledger_page(server, last):
    """Seconds for the last hundred events."""
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        link.connect()
        started = time.monotonic()
        link.request("GET", f"/api/v1/ledger?after={last - 100}&limit=100")
        events = json.loads(link.getresponse().read())["events"]
        took = time.monotonic() - started
    finally:
        link.close()
    if len(events) != 100:
        raise RuntimeError(f"{len(events)} events came instead of 100")
    return took


def push_and_kill(server, seed):
    """SIGKILL in the middle of pushes: the log of the database is what it happens to be."""
    with subprocess.Popen([dataset.tool("load"), "push", server.address, "bench/killed", "8", "200", "4096", str(seed)],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as load:
        try:
            load.wait(0.3)
        except subprocess.TimeoutExpired:
            pass
        server.kill()


def start(work, table, rounds, quick):
    manifests, blobs = (1000, 10000) if quick else (100_000, 1_000_000)
    server = peers.Repoint(work / "start", dataset.get(manifests, blobs), collection.TIMES)
    row = f"start with {manifests:,} manifests and {blobs:,} blobs, to the first answer"
    try:
        for turn in range(rounds):
            table.add(row, "ms", server.name, first_answer(server) * 1000, Target(below=200), "less")
            table.add(f"a page of 100 of {manifests + blobs:,} events", "ms", server.name,
                      ledger_page(server, manifests + blobs) * 1000, Target(below=5), "less")
            push_and_kill(server, turn + 1)
            table.add(f"{row}, after a SIGKILL", "ms", server.name, first_answer(server) * 1000, Target(below=200),
                      "less")
            server.stop()
        server.start()
        collection.clear(server)
    finally:
        server.stop()


def measure(work, table, rounds, quick):
    for name, part in (("open connections", open_connections), ("large pushes", large_pushes)):
        print(f"{name} …", file=sys.stderr, flush=True)
        part(work, table, quick)
    print("start …", file=sys.stderr, flush=True)
    start(work, table, rounds, quick)
