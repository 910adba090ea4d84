"""What was acknowledged is there, whatever happens: SIGKILL in the middle of pushes, a full disk."""

import json
import os
import random
import threading

import pytest

from support import oci
from support.oci import Registry, sha256


def push_until_killed(address, seed, acknowledged):
    """Pushes images as fast as it can; notes each blob and tag for which it saw a 201."""
    rng = random.Random(seed)
    try:
        with Registry(address, timeout=20) as client:
            for i in range(10_000):
                image = oci.make_image([rng.randbytes(rng.choice((10, 4000, 300_000)))],
                                       compress=None)
                name = f"shop/w{seed}"
                for digest, data in image.blobs.items():
                    client.push_blob(name, data, digest)
                    acknowledged.append(("blob", name, digest, data))
                client.push_manifest(name, f"1.{i}", image.manifest, image.media_type)
                acknowledged.append(("tag", name, f"1.{i}", image.manifest))
    except (OSError, oci.http.client.HTTPException):
        pass  # it was killed


def check_all(address, acknowledged):
    with Registry(address) as client:
        for kind, name, key, data in acknowledged:
            if kind == "blob":
                assert client.get_blob(name, key) == data
            else:
                assert client.get_manifest(name, key) == data


@pytest.mark.parametrize("round_", range(3))
def test_R25_acknowledged_pushes_survive_sigkill(server, cli, wait_for, round_):
    rng = random.Random(round_)
    everything = []
    for kill in range(3):
        acknowledged = []
        threads = [threading.Thread(target=push_until_killed,
                                    args=(server.address, round_ * 100 + kill * 10 + i, acknowledged))
                   for i in range(4)]
        for thread in threads:
            thread.start()
        wanted = rng.randint(1, 60)
        wait_for(lambda: len(acknowledged) >= wanted, timeout=60, what="some pushes")
        server.kill9()
        for thread in threads:
            thread.join()
        server.start()
        everything += acknowledged
        check_all(server.address, everything)
    assert cli("ledger", "verify").ok()


def test_no_wrong_bytes_after_sigkill_of_an_upload(server):
    data = os.urandom(4 << 20)
    with Registry(server.address) as client:
        _, head, _ = client.request("POST", "/v2/a/blobs/uploads/", b"")
        location = head["location"]
        client.expect("chunk", (202,), "PATCH", location, data[:2 << 20])
    server.kill9()
    server.start()
    with Registry(server.address) as client:
        assert client.request("HEAD", f"/v2/a/blobs/{sha256(data)}")[0] == 404
        status, head, _ = client.request("GET", location)
        assert status == 204
        have = int(head["range"].split("-")[1]) + 1
        assert have <= 2 << 20
        status, _, body = client.request("PUT", f"{location}?digest={sha256(data)}", data[have:])
        assert status == 201, body
        assert client.get_blob("a", sha256(data)) == data


# ---- a full disk ----

def fill(place):
    """Takes all that is left, to the last byte."""
    filler = place / "filler"
    with open(filler, "wb", buffering=0) as out:
        size = 1 << 20
        while size:
            try:
                out.write(b"\0" * size)
            except OSError:
                size //= 2
    return filler


def test_R20_full_disk_refuses_pushes_and_loses_nothing(small_disk, start_server, cli):
    server = start_server(data=small_disk / "data")
    image = oci.make_image([os.urandom(100_000)], compress=None)
    oci.push(server, "shop/web", "1.0", image)
    filler = fill(small_disk)
    blob = os.urandom(3 << 20)
    with Registry(server.address) as client:
        status, head, body = client.request("POST", f"/v2/shop/web/blobs/uploads/?digest={sha256(blob)}",
                                            blob)
        assert status == 413, (status, body)
        error = json.loads(body)["errors"][0]
        assert error["code"] == "DENIED" and "space" in error["message"].lower()
        # what is there is still served
        assert client.get_manifest("shop/web", "1.0") == image.manifest
        for digest, data in image.blobs.items():
            assert client.get_blob("shop/web", digest) == data
        assert client.request("HEAD", f"/v2/shop/web/blobs/{sha256(blob)}")[0] == 404
        filler.unlink()
        client.push_blob("shop/web", blob)
        assert client.get_blob("shop/web", sha256(blob)) == blob
    cli("ledger", "verify", server=server).ok()


def test_R20_upload_goes_on_once_there_is_space(small_disk, start_server):
    server = start_server(data=small_disk / "data")
    blob = os.urandom(6 << 20)
    with Registry(server.address) as client:
        location = client.request("POST", "/v2/a/blobs/uploads/", b"")[1]["location"]
        client.expect("chunk", (202,), "PATCH", location, blob[:2 << 20])
        filler = fill(small_disk)
        status, _, body = client.request("PATCH", location, blob[2 << 20:])
        assert status == 413, (status, body)
        filler.unlink()
        status, head, _ = client.request("GET", location)
        assert status == 204
        have = int(head["range"].split("-")[1]) + 1
        assert have >= 2 << 20
        status, _, body = client.request("PUT", f"{location}?digest={sha256(blob)}", blob[have:])
        assert status == 201, body
        assert client.get_blob("a", sha256(blob)) == blob
