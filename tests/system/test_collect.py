"""How bytes go: through the real server, with clients that push meanwhile and kills in between."""

import hashlib
import http.client
import json
import os
import threading
import time
from pathlib import Path

import pytest

from support import oci
from support.oci import Registry

APP = """\
app: shop
components: {web: {repository: shop/web}}
environments: [{name: production, window: 2, targets: [{name: a, component: web}]}]
"""
QUICK = ["--collect-grace", "1s", "--collect-keep", "1s", "--collect-every", "1h"]
PATIENT = ["--collect-grace", "1s", "--collect-keep", "1h", "--collect-every", "1h"]


def image(text):
    return oci.make_image([{"file": text}])


def stored(server, digest, area="blobs"):
    algorithm, hexes = digest.split(":")
    return Path(server.data, area, algorithm, hexes[:2], hexes).exists()


def collect(server, **body):
    return server.api("POST", "/retention/collect", body)


def kinds(server, kind):
    return [event for event in server.api("GET", f"/ledger?limit=1000&kind={kind}")["events"]]


def delete(server, repository, digest):
    with Registry(server.address) as registry:
        assert registry.request("DELETE", f"/v2/{repository}/manifests/{digest}")[0] == 202


def condemn(server, digest, wait_for):
    """Collects until the digest is out of sight: one second after it was last touched."""
    wait_for(lambda: (collect(server), not stored(server, digest))[1], what="the blob to be condemned", every=0.2)
    assert stored(server, digest, "condemned")


def collect_and_be_cut_off(server):
    try:
        collect(server)
    except (OSError, http.client.HTTPException):
        pass


def verify(cli, server):
    cli("ledger", "verify", "--tables", server=server).ok()


def test_R05_a_child_a_layer_and_a_release_are_never_collected(start_server, cli, wait_for, tmp_path):
    server = start_server(args=QUICK)
    one, two, released, other = image("one"), image("two"), image("released"), image("other")
    index = oci.make_index([one, two])
    oci.push(server, "shop/web", "index", index)
    oci.push(server, "shop/web", "released", released)
    oci.push(server, "shop/web", "other", other)
    (tmp_path / "repoint.yaml").write_text(APP)
    cli("apply", "-f", "repoint.yaml", server=server).ok()
    cli("release", "create", "shop", "--component", "web=released", server=server).ok()
    delete(server, "shop/web", one.digest)  # a child by itself: its index still names it
    delete(server, "shop/web", other.digest)
    wait_for(lambda: (collect(server), not stored(server, other.digest))[1], what="the garbage to go", every=0.2)
    wait_for(lambda: (collect(server), not stored(server, other.digest, "condemned"))[1],
             what="the garbage to be unlinked", every=0.2)
    for wanted in index, one, two, released:
        assert stored(server, wanted.digest)
    for layer in json.loads(one.manifest)["layers"] + json.loads(released.manifest)["layers"]:
        assert stored(server, layer["digest"])
    gone = {event["body"]["digest"] for event in kinds(server, "blob.unlinked")}
    assert other.digest in gone and one.digest not in gone and released.digest not in gone
    assert all(event["body"]["rule"] == "no manifest names it" for event in kinds(server, "blob.condemned"))
    cli("ledger", "verify", "--tables", server=server).ok()


def test_what_is_condemned_can_be_restored_or_named_again(start_server, cli, wait_for):
    server = start_server(args=PATIENT)
    gone = image("gone")
    layer = json.loads(gone.manifest)["layers"][0]["digest"]
    oci.push(server, "shop/web", "1", gone)
    delete(server, "shop/web", gone.digest)
    condemn(server, layer, wait_for)
    dry = cli("retention", "collect", "--dry-run", "-o", "json", server=server).ok().json
    assert dry["dry"] and dry["waiting"]["blobs"] >= 3 and not dry["unlinked"]["blobs"]
    cli("retention", "restore", layer, server=server).ok()
    assert stored(server, layer)
    assert kinds(server, "blob.rescued")[-1]["body"] == {"digest": layer}
    assert cli("retention", "restore", "sha256:" + "0" * 64, server=server).rc == 3
    with Registry(server.address) as registry:
        for name in ("HEAD", "GET"):  # who asks is told that it is there, and so it is
            condemn(server, layer, wait_for)
            assert registry.request(name, f"/v2/shop/web/blobs/{layer}")[0] == 200
            assert stored(server, layer)
        condemn(server, layer, wait_for)
        assert registry.request("POST", f"/v2/shop/other/blobs/uploads/?mount={layer}&from=shop/web")[0] == 201
        condemn(server, layer, wait_for)
    oci.push(server, "shop/web", "2", gone)
    verify(cli, server)


def test_R05_an_image_that_went_comes_back_whole(start_server, cli, wait_for, tmp_path):
    server = start_server(args=PATIENT)
    one, two = image("one"), image("two")
    index = oci.make_index([one, two])
    oci.push(server, "shop/web", "1.0", index)
    oci.push(server, "shop/base", "1.0", one)
    (tmp_path / "repoint.yaml").write_text(APP)
    cli("apply", "-f", "repoint.yaml", server=server).ok()
    for digest in index.digest, one.digest, two.digest:
        delete(server, "shop/web", digest)
    # Loose, then condemned: each time whole, in the repository that it went from.
    for turn in range(2):
        if turn:
            delete(server, "shop/web", index.digest)
            delete(server, "shop/web", two.digest)
            condemn(server, two.digest, wait_for)
            condemn(server, json.loads(two.manifest)["layers"][0]["digest"], wait_for)
            condemn(server, index.digest, wait_for)
        done = cli("retention", "restore", index.digest, "-o", "json", server=server).ok().json
        assert done["repository"] == "shop/web" and {index.digest, two.digest} <= set(done["restored"]), done
        with Registry(server.address) as registry:
            for made in index, one, two:
                assert registry.get_manifest("shop/web", made.digest) == made.manifest
        for layer in json.loads(two.manifest)["layers"]:
            assert stored(server, layer["digest"])
        assert json.loads(server.request("GET", "/v2/shop/web/tags/list")[2])["tags"] == []
    # What is left out now would go again: it is needed, as any image is.
    time.sleep(1.2)
    collect(server)
    assert stored(server, index.digest) and stored(server, two.digest)
    verify(cli, server)


def test_R05_what_cannot_come_back_whole_is_named(start_server, cli, wait_for):
    server = start_server(args=QUICK)
    gone = image("gone")
    layer = json.loads(gone.manifest)["layers"][0]["digest"]
    oci.push(server, "shop/web", "1", gone)
    delete(server, "shop/web", gone.digest)
    wait_for(lambda: (collect(server), not stored(server, layer, "condemned") and not stored(server, layer))[1],
             what="the layer to be unlinked", every=0.2)
    refused = cli("retention", "restore", gone.digest, server=server)
    assert refused.rc == 3 and "a push brings it back" in refused.stderr


def test_R06_no_push_meets_a_collection(start_server, cli):
    """Clients that ask with HEAD and send only what is missing, beside collections that never stop."""
    server = start_server(args=QUICK)
    stop, problems = threading.Event(), []

    def client(number):
        try:
            for turn in range(12):
                made = image(f"layer {turn % 4}")
                repository = f"team{number}/web"
                oci.push(server, repository, f"{turn}", made)
                with Registry(server.address) as registry:
                    assert registry.get_manifest(repository, made.digest) == made.manifest
                    for layer in json.loads(made.manifest)["layers"]:
                        data = registry.get_blob(repository, layer["digest"])
                        assert hashlib.sha256(data).hexdigest() == layer["digest"][7:]
                delete(server, repository, made.digest)
        except BaseException as problem:  # pylint: disable=broad-except
            problems.append(problem)

    def collector():
        while not stop.is_set():
            collect(server)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(3)]
    background = threading.Thread(target=collector)
    for thread in [*threads, background]:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    background.join()
    assert not problems, problems
    verify(cli, server)


def test_a_kill_in_a_collection_loses_nothing_that_is_needed(start_server, cli, wait_for):
    server = start_server(args=QUICK)
    kept = image("kept")
    oci.push(server, "shop/web", "kept", kept)
    for turn in range(4):
        garbage = [image(f"garbage {turn} {i}") for i in range(6)]
        for i, one in enumerate(garbage):
            oci.push(server, "shop/web", f"{turn}-{i}", one)
        for one in garbage:
            delete(server, "shop/web", one.digest)
        for _ in range(3):
            running = threading.Thread(target=collect_and_be_cut_off, args=(server,))
            running.start()
            running.join(0.05 * turn)
            server.kill9()
            running.join()
            server.start()
        with Registry(server.address) as registry:
            assert registry.get_manifest("shop/web", "kept") == kept.manifest
            for blob in json.loads(kept.manifest)["layers"]:
                registry.get_blob("shop/web", blob["digest"])
        for one in garbage:
            wait_for(lambda one=one: (collect(server), not stored(server, one.digest)
                                      and not stored(server, one.digest, "condemned"))[1],
                     what="the garbage to go", every=0.2)
        verify(cli, server)


def test_R20_room_is_made_down_to_what_is_needed(start_server, cli, wait_for, small_disk):
    server = start_server(data=small_disk / "data", args=PATIENT)
    kept, gone = (oci.make_image([{"file": os.urandom(3 << 20)}]) for _ in range(2))
    oci.push(server, "shop/web", "kept", kept)
    oci.push(server, "shop/web", "gone", gone)
    delete(server, "shop/web", gone.digest)
    layer = json.loads(gone.manifest)["layers"][0]["digest"]
    condemn(server, layer, wait_for)
    free = collect(server, dry=True)["free_bytes"]
    done = cli("retention", "collect", "--until-free", str(free + (1 << 20)), server=server).ok()
    assert "unlinked" in done.stdout
    assert not stored(server, layer, "condemned")
    short = cli("retention", "collect", "--until-free", "1TB", server=server)
    assert short.rc == 8 and "is needed" in short.stderr
    with Registry(server.address) as registry:
        assert registry.get_manifest("shop/web", "kept") == kept.manifest
        registry.get_blob("shop/web", json.loads(kept.manifest)["layers"][0]["digest"])
    assert kinds(server, "blob.unlinked")[-1]["body"]["rule"] == "its room was needed"


def test_a_schedule_collects_by_itself(start_server, wait_for):
    server = start_server(args=["--collect-grace", "1s", "--collect-keep", "1s", "--collect-every", "1s"])
    gone = image("gone")
    oci.push(server, "shop/web", "1", gone)
    delete(server, "shop/web", gone.digest)
    wait_for(lambda: kinds(server, "blob.unlinked"), what="the schedule to collect")
    metrics = lambda: server.request("GET", "/metrics")[2]  # noqa: E731
    wait_for(lambda: b"repoint_collector_runs_total" in metrics(), what="the run to end")
    assert b"repoint_blobs_condemned " in metrics()


@pytest.mark.parametrize("size", ["", "x", "0", "1XB", "-1", "99999999999999999999TB"])
def test_a_size_that_is_none(cli, size):
    result = cli("retention", "collect", "--until-free", size)
    assert result.rc == 2 and "--until-free" in result.stderr
