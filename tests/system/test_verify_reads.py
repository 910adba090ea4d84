"""`--verify-reads`: a share of what is pulled is hashed on the way out, and damage does not get out whole."""

import http.client
import os
import signal
import sqlite3
import threading

import pytest

from support import oci
from support.oci import Registry

DATA = os.urandom(1 << 20) + b"the end"  # several pieces and a remainder
DIGEST = oci.sha256(DATA)


def blob_file(server, digest=DIGEST, area="blobs"):
    return server.data / area / "sha256" / digest[7:9] / digest[7:]


def damage(server, at, digest=DIGEST):
    """One bit flips; size and name stay as they are."""
    path = blob_file(server, digest)
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)
    return bytes(data)


def metric(server, name):
    for line in server.request("GET", "/metrics")[2].decode().splitlines():
        if line.startswith(name + " "):
            return int(line.split()[1])
    raise AssertionError(name)


def pull(server, headers=None):
    """Status, and all bytes that came before the connection ended."""
    connection = http.client.HTTPConnection(server.address, timeout=60)
    connection.request("GET", f"/v2/shop/web/blobs/{DIGEST}", headers=headers or {})
    answer = connection.getresponse()
    try:
        body, cut = answer.read(), False
    except http.client.IncompleteRead as error:
        body, cut = error.partial, True
    connection.close()
    return answer.status, body, cut


def damaged_events(server):
    return [event["body"] for event in server.api("GET", "/ledger?limit=1000&kind=blob.damaged")["events"]]


@pytest.fixture
def start(start_server):
    def make(share):
        server = start_server(args=["--verify-reads", share])
        with Registry(server.address) as registry:
            registry.push_blob("shop/web", DATA)
        return server
    return make


def verified_at(server):
    with sqlite3.connect(f"file:{server.data}/repoint.db?mode=ro", uri=True) as db:
        return db.execute("SELECT at_us FROM verified WHERE digest = ? AND ok = 1", (DIGEST,)).fetchone()[0]


def test_what_is_right_is_served_and_counts_as_verified(start, wait_for):
    server = start("100%")
    pushed_at = verified_at(server)
    for _ in range(3):
        assert pull(server) == (200, DATA, False)
    wait_for(lambda: verified_at(server) > pushed_at, what="the time being written down")
    assert metric(server, "repoint_reads_checked_total") == 3
    assert metric(server, "repoint_reads_damaged_total") == 0
    assert damaged_events(server) == []


@pytest.mark.parametrize("at", [0, 1 << 19, len(DATA) - 1], ids=["first", "middle", "last"])
def test_a_flipped_bit_never_gets_out_whole(start, wait_for, at):
    server = start("100%")
    found = oci.sha256(damage(server, at))
    status, body, cut = pull(server)
    assert status == 200 and cut and len(body) < len(DATA)
    events = wait_for(lambda: damaged_events(server), what="the damage being recorded")
    assert events == [{"digest": DIGEST, "found": found}]
    assert blob_file(server, area="quarantine").exists() and not blob_file(server).exists()
    wait_for(lambda: "is damaged" in server.log_text(), what="a line in the log")
    assert DIGEST in server.log_text()
    assert metric(server, "repoint_reads_damaged_total") == 1
    # from now on it is not there, until somebody brings it again
    assert pull(server)[0] == 404
    with Registry(server.address) as registry:
        registry.push_blob("shop/web", DATA)
    assert pull(server) == (200, DATA, False)
    server.api("POST", "/ledger/verify")


def test_ranges_and_heads_cost_no_hashing(start):
    server = start("100%")
    damage(server, 500_000)
    assert pull(server, {"Range": "bytes=0-99"}) == (206, DATA[:100], False)
    with Registry(server.address) as registry:
        assert registry.request("HEAD", f"/v2/shop/web/blobs/{DIGEST}")[0] == 200
        assert registry.request("GET", f"/v2/shop/web/blobs/{DIGEST}", None,
                                {"If-None-Match": f'"{DIGEST}"'})[0] == 304
    assert metric(server, "repoint_reads_checked_total") == 0
    assert damaged_events(server) == []


def test_off_hashes_nothing_and_a_reload_begins_it(start_server, tmp_path, wait_for):
    config = tmp_path / "server.yaml"
    config.write_text("verify_reads: off\n")
    server = start_server(args=["-c", str(config)])
    with Registry(server.address) as registry:
        registry.push_blob("shop/web", DATA)
    wrong = damage(server, 77)
    assert pull(server) == (200, wrong, False)
    assert metric(server, "repoint_reads_checked_total") == 0
    config.write_text("verify_reads: 100%\n")
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "changed: verify_reads" in server.log_text(), what="the reload")
    assert pull(server)[2]
    wait_for(lambda: damaged_events(server), what="the damage being recorded")


def test_a_share_is_a_share(start):
    """Of 400 reads at a half, fewer than 120 or more than 280 come about once in 10^15 times."""
    server = start("50%")
    with Registry(server.address) as registry:
        registry.push_blob("shop/web", b"small")
        for _ in range(400):
            assert registry.get_blob("shop/web", oci.sha256(b"small")) == b"small"
    assert 120 <= metric(server, "repoint_reads_checked_total") <= 280


def test_an_empty_blob_has_nothing_to_look_at(start):
    server = start("100%")
    with Registry(server.address) as registry:
        registry.push_blob("shop/web", b"")
        assert registry.get_blob("shop/web", oci.sha256(b"")) == b""


def test_many_at_once_find_the_same_damage_once(start, wait_for):
    server = start("100%")
    damage(server, 1000)
    results = []
    threads = [threading.Thread(target=lambda: results.append(pull(server))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(status == 404 or (status == 200 and cut) for status, _, cut in results), \
        [(status, len(body), cut) for status, body, cut in results]
    wait_for(lambda: damaged_events(server), what="the damage being recorded")
    server.stop()
    server.start()
    assert len(damaged_events(server)) == 1


@pytest.mark.parametrize("share", ["", "1", "-1%", "101%", "1.00001%", ".5%", "1.%", "1%%", "all", "1e1%"])
def test_a_share_that_is_none(cli, tmp_path, share):
    result = cli("serve", "--data", str(tmp_path / "data"), "--verify-reads", share).exits(2)
    assert "--verify-reads: expected" in result.stderr
