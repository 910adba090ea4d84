"""A quota limits what the repositories of a pattern have together: exactly, whoever pushes at the same time."""

import json
import sqlite3
import threading
from urllib.parse import quote

import pytest

from support import oci
from support.oci import Registry

POLICIES = "/repositories/policies"


@pytest.fixture
def registry(server):
    with Registry(server.address) as connection:
        yield connection


def limit(server, pattern, size):
    return server.api("PUT", f"{POLICIES}/{quote(pattern, safe='')}", {"quota_bytes": size})


def about(server, repository):
    return server.api("GET", f"{POLICIES}?repository={quote(repository)}")


def used(server, pattern):
    return {one["pattern"]: one["used_bytes"] for one in server.api("GET", POLICIES)["quotas"]}[pattern]


def blob(number, size=1000):
    return (b"%08d" % number) * (size // 8)


def post(registry, repository, data):
    """A whole blob in one request."""
    status, _, body = registry.request(
        "POST", f"/v2/{repository}/blobs/uploads/?digest={oci.sha256(data)}", data,
        {"Content-Type": "application/octet-stream"})
    return status, body


def start(registry, repository):
    status, head, _ = registry.request("POST", f"/v2/{repository}/blobs/uploads/", b"")
    assert status == 202
    return head["location"]


def send_in_pieces(registry, repository, data):
    """As Docker does: a PATCH, then an empty PUT. The status of the PUT."""
    place = start(registry, repository)
    assert registry.request("PATCH", place, data, {"Content-Type": "application/octet-stream"})[0] == 202
    return registry.request("PUT", f"{place}?digest={oci.sha256(data)}", b"")[0], place


def uploads(server):
    return len(list((server.data / "uploads").iterdir()))


def is_refusal(status, body):
    error = json.loads(body)["errors"][0]
    assert (status, error["code"]) == (413, "DENIED"), error
    return error["message"]


def whole(server):
    server.api("POST", "/ledger/verify")
    server.api("POST", "/ledger/rebuild")
    server.api("POST", "/ledger/verify")


def test_exactly_the_limit_fits_and_the_text_says_it_all(server, registry):
    limit(server, "shop/*", 3000)
    for number in range(3):
        assert post(registry, "shop/web", blob(number))[0] == 201
    text = is_refusal(*post(registry, "shop/api", blob(3, 8)))
    assert "shop/*" in text and "3.0 kB of 3.0 kB" in text and "8 B" in text and "repo set 'shop/*' --quota" in text
    assert post(registry, "other/web", blob(3))[0] == 201, "no quota of that"
    assert about(server, "shop/web")["use"] == {"bytes": 3000, "objects": 3}
    assert about(server, "shop/api")["use"] == {"bytes": 0, "objects": 0}
    assert about(server, "shop/web")["quotas"] == [{"pattern": "shop/*", "limit_bytes": 3000, "used_bytes": 3000}]
    assert about(server, "other/web")["quotas"] == []
    assert post(registry, "shop/web", blob(0))[0] == 201, "what is there already is no more"
    limit(server, "shop/*", 3008)
    assert post(registry, "shop/api", blob(3, 8))[0] == 201
    limit(server, "shop/*", None)
    assert post(registry, "shop/api", blob(4))[0] == 201
    limit(server, "shop/*", 0)
    assert used(server, "shop/*") == 4008
    assert post(registry, "shop/web", blob(0))[0] == 201
    is_refusal(*post(registry, "shop/web", blob(9)))
    whole(server)
    assert used(server, "shop/*") == 4008


def test_every_way_in_is_counted(server, registry):
    limit(server, "shop/*", 2500)
    for number in range(2):
        assert send_in_pieces(registry, "shop/web", blob(number))[0] == 201
    is_refusal(*post(registry, "shop/web", blob(2)))
    assert send_in_pieces(registry, "shop/web", blob(2))[0] == 413
    # an empty blob fits into nothing; a mount does not
    assert post(registry, "shop/web", b"")[0] == 201
    status, _, body = registry.request(
        "POST", f"/v2/shop/api/blobs/uploads/?mount={oci.sha256(blob(0))}&from=shop/web", b"")
    is_refusal(status, body)
    assert registry.request("POST", f"/v2/other/api/blobs/uploads/?mount={oci.sha256(blob(0))}&from=shop/web",
                            b"")[0] == 201
    # a manifest counts too
    image = oci.make_image([{"file": "x"}])
    limit(server, "shop/*", None)
    for digest, data in image.blobs.items():
        registry.push_blob("shop/web", data, digest)
    have = about(server, "shop/web")["use"]
    limit(server, "shop/*", have["bytes"] + image.size - 1)
    status, _, body = registry.request("PUT", "/v2/shop/web/manifests/1.0", image.manifest,
                                       {"Content-Type": image.media_type})
    is_refusal(status, body)
    assert registry.request("HEAD", f"/v2/shop/web/manifests/{image.digest}")[0] == 404
    limit(server, "shop/*", have["bytes"] + image.size)
    for tag in "1.0", "again":
        registry.push_manifest("shop/web", tag, image.manifest, image.media_type)
    assert about(server, "shop/web")["use"] == {"bytes": have["bytes"] + image.size, "objects": have["objects"] + 1}
    # the same bytes as a blob are the same digest
    assert post(registry, "shop/web", image.manifest)[0] == 201
    assert used(server, "shop/*") == have["bytes"] + image.size
    assert registry.request("DELETE", f"/v2/shop/web/blobs/{image.digest}")[0] == 202
    assert used(server, "shop/*") == have["bytes"] + image.size
    assert registry.request("DELETE", f"/v2/shop/web/manifests/{image.digest}")[0] == 202
    assert used(server, "shop/*") == have["bytes"]
    assert registry.request("DELETE", f"/v2/shop/web/blobs/{oci.sha256(blob(0))}")[0] == 202
    assert used(server, "shop/*") == have["bytes"] - 1000
    assert post(registry, "shop/web", blob(7))[0] == 201
    whole(server)
    assert used(server, "shop/*") == have["bytes"]


def test_a_particular_policy_is_no_way_around_a_quota(server, registry):
    limit(server, "*", 4000)
    limit(server, "shop/*", 1000)
    server.api("PUT", f"{POLICIES}/shop%2Fweb", {"tag_mutability": "MUTABLE"})
    assert post(registry, "shop/web", blob(0))[0] == 201
    assert "shop/*" in is_refusal(*post(registry, "shop/web", blob(1)))
    for number in range(3):
        assert post(registry, "a/b", blob(number))[0] == 201
    assert "of * is used up" in is_refusal(*post(registry, "a/c", blob(0)))
    assert [one["pattern"] for one in about(server, "shop/web")["quotas"]] == ["*", "shop/*"]
    assert (used(server, "*"), used(server, "shop/*")) == (4000, 1000)
    server.request("DELETE", f"/api/v1{POLICIES}/shop%2F*")
    server.request("DELETE", f"/api/v1{POLICIES}/*")
    assert post(registry, "shop/web", blob(5))[0] == 201
    whole(server)


def test_what_is_announced_is_refused_whatever_its_bytes_are(server, registry):
    """The name is not of these bytes, which nobody found out: they were not looked at."""
    limit(server, "shop/*", 2_000_000)
    digest = oci.sha256(b"something large")
    is_refusal(*registry.request("POST", f"/v2/shop/web/blobs/uploads/?digest={digest}", b"x" * 2_000_001)[::2])
    place = start(registry, "shop/web")
    assert registry.request("PATCH", place, blob(1))[0] == 202 and uploads(server) == 1
    is_refusal(*registry.request("PUT", f"{place}?digest={digest}", b"x" * 1_999_001)[::2])
    assert registry.request("GET", place)[0] == 404 and uploads(server) == 0
    assert registry.request("POST", f"/v2/shop/web/blobs/uploads/?digest={digest}", b"x" * 2_000_000)[0] == 400
    assert post(registry, "shop/web", blob(1, 2_000_000))[0] == 201


def test_refused_uploads_leave_nothing_behind(server, registry):
    limit(server, "shop/*", 100)
    status, place = send_in_pieces(registry, "shop/web", blob(1))
    assert status == 413
    assert registry.request("GET", place)[0] == 404
    assert uploads(server) == 0
    assert not any((server.data / "blobs").rglob(oci.sha256(blob(1)).removeprefix("sha256:")))


def test_damaged_blobs_can_be_pushed_again_into_a_full_repository(server, registry):
    image = oci.make_image([{"file": "x" * 5000}])
    oci.push(server, "shop/web", "1.0", image)
    limit(server, "shop/*", 0)
    digest = image.layer_digests[0]
    path = next((server.data / "blobs").rglob(digest.removeprefix("sha256:")))
    path.chmod(0o644)
    path.write_bytes(image.blobs[digest][:-1])
    assert registry.request("GET", f"/v2/shop/web/blobs/{digest}")[0] == 404
    assert post(registry, "shop/web", image.blobs[digest])[0] == 201
    assert registry.get_blob("shop/web", digest) == image.blobs[digest]
    whole(server)


def test_many_pushes_at_once_never_exceed_it(server):
    """200 blobs that each would fit, into room for 25 of them: just those 25 are taken."""
    limit(server, "shop/*", 25 * 1000)
    limit(server, "*", 60 * 1000)
    gate = threading.Barrier(8)
    results = [[] for _ in range(8)]

    def pusher(worker):
        with Registry(server.address) as mine:
            gate.wait()
            for number in range(25):
                data = blob(worker * 100 + number)
                way = number % 3
                if way == 0:
                    status = post(mine, f"shop/r{worker % 3}", data)[0]
                elif way == 1:
                    status = send_in_pieces(mine, f"shop/r{worker % 3}", data)[0]
                else:
                    post(mine, "other/x", data)
                    status = mine.request("POST", f"/v2/shop/r{worker % 3}/blobs/uploads/"
                                          f"?mount={oci.sha256(data)}&from=other/x", b"")[0]
                    status = 413 if status == 202 else status  # it did not get into other/x
                results[worker].append(status)

    threads = [threading.Thread(target=pusher, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = [status for result in results for status in result]
    assert set(statuses) == {201, 413} and statuses.count(201) == 25
    assert used(server, "shop/*") == 25_000
    assert used(server, "*") <= 60_000
    assert sum(about(server, f"shop/r{n}")["use"]["bytes"] for n in range(3)) == 25_000
    whole(server)
    assert used(server, "shop/*") == 25_000


def test_collecting_makes_room(start_server, wait_for):
    server = start_server(args=["--collect-grace", "1s", "--collect-keep", "1s", "--collect-every", "1h"])
    image = oci.make_image([{"file": "x" * 3000}])
    with Registry(server.address) as registry:
        for repository in "shop/web", "shop/copy":
            oci.push(server, repository, "1.0", image)
        room = 2 * about(server, "shop/web")["use"]["bytes"]
        limit(server, "shop/*", room)
        for repository in "shop/web", "shop/copy":
            assert registry.request("DELETE", f"/v2/{repository}/manifests/{image.digest}")[0] == 202
        stored = sum(len(data) for digest, data in image.blobs.items() if digest != image.digest)
        assert used(server, "shop/*") == 2 * stored, "bytes that are stored count"
        is_refusal(*post(registry, "shop/web", blob(1, room)))
        wait_for(lambda: (server.api("POST", "/retention/collect", {}), used(server, "shop/*") == 0)[1],
                 what="the bytes being collected", every=0.2)
        assert about(server, "shop/web")["use"] == {"bytes": 0, "objects": 0}
        assert post(registry, "shop/web", blob(1, room))[0] == 201
    whole(server)


def test_a_data_directory_from_before_quotas_is_counted(server, registry):
    image = oci.make_image([{"file": "x"}])
    oci.push(server, "shop/web", "1.0", image)
    before = about(server, "shop/web")["use"]
    server.stop()
    with sqlite3.connect(server.data / "repoint.db") as db:
        for table in "repository_use", "repository_quota":
            db.execute(f"DROP TABLE {table}")
        for kind in "came", "went":
            for table in "repo_blob", "manifest":
                db.execute(f"DROP TRIGGER {table}_{kind}")
    server.start()
    assert about(server, "shop/web")["use"] == before and before["objects"] == 3
    whole(server)


def test_the_command_line_sets_and_shows_them(server, cli):
    oci.push(server, "shop/web", "1.0", oci.make_image([{"file": "x"}]))
    answer = cli("-o", "json", "repo", "set", "shop/*", "--quota", "10GiB").ok().json
    assert answer["quota_bytes"] == 10 * 2**30
    text = cli("repo", "show", "shop/web").ok().stdout
    use = about(server, "shop/web")["use"]["bytes"]
    assert text.count(f"{use} B") == 2 and text.count("10.7 GB") == 3 and "shop/*" in text
    assert "10.7 GB" in cli("repo", "show").ok().stdout
    assert "expected a size" in cli("repo", "set", "shop/*", "--quota", "lots").exits(2).stderr
    assert cli("-o", "json", "repo", "set", "shop/*", "--quota", "none").ok().json["quota_bytes"] is None
    assert "QUOTA OF" not in cli("repo", "show").ok().stdout


@pytest.mark.parametrize("value", [-1, 2**53 + 1, "10GB", 1.5, True, []], ids=str)
def test_a_quota_is_a_number_of_bytes(server, value):
    text = server.api("PUT", f"{POLICIES}/shop", {"quota_bytes": value}, expect=400)["error"]["message"]
    assert "quota_bytes" in text
