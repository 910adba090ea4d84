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
    assert cli("ledger", "verify", "--tables").ok()


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
    cli("ledger", "verify", "--tables", server=server).ok()


def test_R20_below_the_floor_pushes_stop_and_moves_go_on(small_disk, start_server, cli, wait_for, tmp_path):
    """24 MiB, 40 % of them for what runs: pushes stop while the ledger can be written, to the last step."""
    server = start_server(data=small_disk / "data", args=["--reserve", "40%"])
    (tmp_path / "app.yaml").write_text("app: shop\ncomponents: {web: {repository: shop/web}}\nenvironments:\n"
                                       "- {name: production, targets: [{name: a, component: web}]}\n")
    cli("apply", "-f", "app.yaml", server=server).ok()
    for version in "1.0", "1.1":
        oci.push(server, "shop/web", version, oci.make_image([{"version": version}]))
        cli("release", "create", "shop", "--version", version, "--component", f"web={version}", server=server).ok()
    assert json.loads(server.request("GET", "/readyz")[2]) == {"ready": True}
    reserve = small_disk / "data" / "reserve"
    whole = reserve.stat()
    assert whole.st_size > 4_000_000 and whole.st_blocks * 512 >= whole.st_size, "a hole reserves nothing"
    with Registry(server.address) as client:
        begun = client.request("POST", "/v2/shop/web/blobs/uploads/", b"")[1]["location"]
        filler = fill(small_disk)
        wait_for(lambda: "pushes_refused" in json.loads(server.request("GET", "/readyz")[2]), what="the floor to be seen")
        for answer in (client.request("POST", "/v2/shop/web/blobs/uploads/", b""), client.request("PATCH", begun, b"x" * 100)):
            assert answer[0] == 413, answer
            error = json.loads(answer[2])["errors"][0]
            assert error["code"] == "DENIED" and "collect --until-free" in error["message"]
        assert b"\nrepoint_pushes_refused 1\n" in server.request("GET", "/metrics")[2]
        wait_for(lambda: reserve.stat().st_size < whole.st_size, what="a step of the reserve to be given up")
        for number in range(20):  # each is a revision: an event, and pages of tables
            cli("deploy", "shop/production", f"1.{number % 2}", "--no-wait", server=server).ok()
        filler.unlink()
        wait_for(lambda: reserve.stat().st_size == whole.st_size, what="the reserve to be made again")
        assert json.loads(server.request("GET", "/readyz")[2]) == {"ready": True}
        client.push_blob("shop/web", os.urandom(100_000))
    cli("ledger", "verify", "--tables", server=server).ok()


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
