"""Letting bytes go that nothing needs: beside docker-registry's garbage-collect, and by what a store has."""

import hashlib
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time

import dataset
import peers
from support import oci
from table import Target

MIB = 1024 * 1024
# The shortest times that can be set: what is measured is the work, not the waiting.
TIMES = ("--collect-grace", "1s", "--collect-keep", "1s", "--collect-every", "365d", "--scrub-every", "365d")
PAUSE_S = 1.2
OWN, DOCKER = peers.Repoint.name, peers.DockerRegistry.name


def api(server, path, body):
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
    try:
        link.request("POST", f"/api/v1{path}", json.dumps(body), {"Content-Type": "application/json"})
        answer = link.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: HTTP {answer.status}: {text[:1000]}")
        return json.loads(text)
    finally:
        link.close()


def collect(server):
    """(seconds, what it did)"""
    started = time.monotonic()
    told = api(server, "/retention/collect", {})
    return time.monotonic() - started, told


class Pushes:
    """Blobs that no manifest names, and no two of which are the same."""

    def __init__(self, server, seed=1):
        self.server, self.seed = server, seed

    def push(self, count, clients=8):
        """What the load client says; `count` is rounded down to what is even for the clients."""
        self.seed += 1
        done = subprocess.run([dataset.tool("load"), "push", self.server.address, "bench/loose", str(clients),
                               str(count // clients), "4096", str(self.seed)],
                              text=True, check=True, stdout=subprocess.PIPE, timeout=180)
        return json.loads(done.stdout)


def clear(server):
    """Lets all go that is loose: what cut-off pushes of other measurements left."""
    while True:
        time.sleep(PAUSE_S)
        told = collect(server)[1]
        if told["condemned"]["blobs"] + told["unlinked"]["blobs"] + told["waiting"]["blobs"] == 0:
            return


def collect_loose(server, loose):
    """Seconds that it takes to condemn and then to unlink `loose` blobs, without the times in between."""
    time.sleep(PAUSE_S)
    first, condemned = collect(server)
    time.sleep(PAUSE_S)
    second, unlinked = collect(server)
    if condemned["condemned"]["blobs"] != loose or unlinked["unlinked"]["blobs"] != loose:
        raise RuntimeError(f"{loose} loose blobs were not collected: {condemned} {unlinked}")
    return first + second


# ---- by what a store has ----

def unlink_by_hand(work, count):
    """Seconds to unlink as many files of the same size: what the file system takes of it. One that tells the disk
    what is free (`discard`) takes most."""
    place = work / "by-hand"
    place.mkdir(parents=True)
    for number in range(count):
        (place / str(number)).write_bytes(os.urandom(4096))
    os.sync()
    started = time.monotonic()
    for number in range(count):
        (place / str(number)).unlink()
    took = time.monotonic() - started
    place.rmdir()
    return took


def of_store(work, table, blobs, rounds, same):
    """A registry of so many blobs: 1 % of it, then `same` blobs `rounds` times; the seconds of those."""
    server = peers.Repoint(work / f"collect-{blobs}", dataset.get(blobs // 10, blobs), TIMES).start()
    big = blobs >= 1_000_000
    try:
        loose = blobs // 100 // 8 * 8
        pushes = Pushes(server)
        table.add(f"{blobs:,} blobs, none loose: first collection, which looks through the store", "s", OWN,
                  collect(server)[0], better="less")
        clear(server)
        pushes.push(loose)
        table.add(f"{blobs:,} blobs, {loose:,} loose: collection", "s", OWN, collect_loose(server, loose),
                  Target(below=30) if big else None, "less")
        table.add(f"{blobs:,} blobs, {loose:,} loose: as many files unlinked by hand", "s", OWN,
                  unlink_by_hand(work, loose), better="less")
        times = []
        for _ in range(rounds):
            pushes.push(same)
            times.append(collect_loose(server, same))
            table.add(f"{blobs:,} blobs, {same:,} loose: collection", "s", OWN, times[-1], better="less")
        table.add(f"{blobs:,} blobs, after all that: most resident", "MiB", OWN, server.peak_bytes() / MIB,
                  Target(below=150) if big else None, "less")
        return times
    finally:
        server.stop()


def measure(work, table, rounds, quick):
    sizes, same = ((1000, 10_000), 80) if quick else ((10_000, 100_000, 1_000_000), 1000)
    medians = {}
    for blobs in sizes:
        print(f"collection, {blobs:,} blobs …", file=sys.stderr, flush=True)
        medians[blobs] = statistics.median(of_store(work, table, blobs, rounds, same))
    least, most = sizes[0], sizes[-1]
    table.add(f"{same:,} loose of {most:,} blobs / of {least:,}: collection", "×", OWN,
              medians[most] / medians[least], Target(below=1.5), "less")


# ---- beside docker-registry ----

class Docker(peers.DockerRegistry):
    """Files laid out as it does itself, without a push for each."""

    def write_blob(self, data):
        name = hashlib.sha256(data).hexdigest()
        place = self.dir / "data/docker/registry/v2/blobs/sha256" / name[:2] / name
        place.mkdir(parents=True)
        (place / "data").write_bytes(data)
        return {"digest": f"sha256:{name}", "size": len(data), "mediaType": "application/octet-stream"}

    def fill(self, manifests, blobs):
        for number in range(manifests):
            parts = [self.write_blob(f"{number} {part}".encode()) for part in range(blobs // manifests)]
            manifest = self.write_blob(oci.canonical({"schemaVersion": 2, "mediaType": oci.OCI_MANIFEST,
                                                      "config": parts[0], "layers": parts[1:]}))
            place = self.dir / f"data/docker/registry/v2/repositories/bench/app-{number % 1000}"
            (place / "_layers").mkdir(parents=True, exist_ok=True)
            place /= f"_manifests/revisions/sha256/{manifest['digest'][7:]}"
            place.mkdir(parents=True)
            (place / "link").write_text(manifest["digest"])

    def add_loose(self, count, turn):
        return [self.write_blob(f"loose {turn} {number}".encode()) for number in range(count)]

    def has(self, blob):
        name = blob["digest"][7:]
        return (self.dir / "data/docker/registry/v2/blobs/sha256" / name[:2] / name / "data").exists()

    def collect(self):
        self.command()
        started = time.monotonic()
        subprocess.run([self.program(), "garbage-collect", str(self.dir / "config.yml")], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=600)
        return time.monotonic() - started


def pushes_beside(server, pushes, count):
    """(what the load client says of pushes while collections run, what those did)"""
    done, told = threading.Event(), []

    def go_on():
        while not done.is_set():
            told.append(collect(server))
            done.wait(0.05)
    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        return pushes.push(count), told
    finally:
        done.set()
        thread.join()


def compare_own(work, table, row, manifests, loose, rounds):
    server = peers.Repoint(work / "gc", dataset.get(manifests, 3 * manifests), TIMES).start()
    try:
        pushes = Pushes(server, 1000)
        clear(server)
        for _ in range(rounds):
            alone = pushes.push(loose)
            time.sleep(PAUSE_S)
            beside, told = pushes_beside(server, pushes, loose)
            if told[0][1]["condemned"]["blobs"] < loose:
                raise RuntimeError(f"not all of {loose} loose blobs were condemned: {told[0][1]}")
            table.add(f"{row}: collection beside pushes", "s", OWN, told[0][0], better="less")
            table.add(f"{row}: p99 of a push, with collection / without", "×", OWN,
                      beside["p99_ms"] / alone["p99_ms"], Target(below=1.2), "less")
            table.add(f"{row}: pushes refused for", "s", OWN, 0.0, better="less")  # load ends at the first that is
    finally:
        server.stop()


def compare_docker(work, table, row, manifests, loose, rounds):
    docker = Docker(work / "gc-docker")
    docker.fill(manifests, 3 * manifests)
    for turn in range(rounds):
        blobs = docker.add_loose(loose, turn)
        took = docker.collect()
        if any(docker.has(blob) for blob in blobs):
            raise RuntimeError("docker-registry garbage-collect left what no manifest names")
        table.add(f"{row}: collection beside pushes", "s", DOCKER, took, better="less")
        table.add(f"{row}: pushes refused for", "s", DOCKER, took, better="less")
    shutil.rmtree(docker.dir)


def compare(work, table, rounds, quick):
    manifests, loose = (100, 80) if quick else (10_000, 3000)
    row = f"{manifests:,} manifests, {loose:,} loose blobs"
    print(f"gc, {row} …", file=sys.stderr, flush=True)
    compare_own(work, table, row, manifests, loose, rounds)
    if peers.DockerRegistry.program():
        compare_docker(work, table, row, manifests, loose, rounds)
