"""The registry half over raw HTTP: what registry clients do, and what they should not."""

import hashlib
import json
import os
import re
import socket
import threading
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import oci
from support.oci import Registry, sha256

BLOB = bytes(range(256)) * 8  # 2048 bytes
ABSENT = "sha256:" + "0" * 64


@pytest.fixture
def registry(server):
    with Registry(server.address) as connection:
        yield connection


def start(registry, repository="a/b"):
    status, head, _ = registry.request("POST", f"/v2/{repository}/blobs/uploads/", b"")
    assert status == 202
    return head["location"]


def with_digest(location, digest):
    return location + ("&" if "?" in location else "?") + "digest=" + urllib.parse.quote(digest)


def code_of(body):
    errors = json.loads(body)["errors"]
    assert set(errors[0]) >= {"code", "message"} and errors[0]["message"]
    return errors[0]["code"]


def raw(server, text, body=b"", timeout=20):
    """Sends bytes as they are; everything that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout) as connection:
        connection.sendall(text.replace("\n", "\r\n").encode() + body)
        got = b""
        while piece := connection.recv(65536):
            got += piece
        return got


# ---- base ----

def test_base(registry):
    status, head, body = registry.request("GET", "/v2/")
    assert (status, body) == (200, b"{}")
    assert head["docker-distribution-api-version"] == "registry/2.0"
    assert head["content-length"] == "2"
    status, head, body = registry.request("HEAD", "/v2/")
    assert (status, head["content-length"], body) == (200, "2", b"")


def test_unknown_paths_and_methods(registry):
    status, _, body = registry.request("GET", "/v2/a/nothing")
    assert status == 404 and code_of(body) == "NAME_UNKNOWN"
    status, head, body = registry.request("PATCH", "/v2/a/manifests/x", b"x")
    assert status == 405 and code_of(body) == "UNSUPPORTED"
    assert {m.strip() for m in head["allow"].split(",")} == {"GET", "HEAD", "PUT", "DELETE"}
    status, _, body = registry.request("GET", "/nowhere")
    assert status == 404 and json.loads(body)["error"]["code"] == "not-found"


def test_system_routes(server, registry):
    assert registry.request("GET", "/healthz")[0] == 200
    assert json.loads(registry.request("GET", "/readyz")[2]) == {"ready": True}
    assert b"/v2/" in registry.request("GET", "/")[2]
    registry.push_blob("a/b", BLOB)
    text = registry.request("GET", "/metrics")[2].decode()
    assert re.search(r'requests_total\{method="PUT",route="[^"]*uploads/\{id\}",status="201"\} 1', text)
    assert re.search(r"^repoint_blobs 1$", text, re.M)
    assert re.search(r"^repoint_ledger_seq 1$", text, re.M)
    assert re.search(r"^repoint_http_received_bytes_total 2048$", text, re.M)


# ---- blobs ----

def test_push_and_pull_blob(registry):
    digest = registry.push_blob("a/b", BLOB)
    status, head, body = registry.request("GET", f"/v2/a/b/blobs/{digest}")
    assert (status, body) == (200, BLOB)
    assert head["docker-content-digest"] == digest
    assert head["content-length"] == "2048"
    status, head, body = registry.request("HEAD", f"/v2/a/b/blobs/{digest}")
    assert (status, head["content-length"], head["docker-content-digest"], body) == (
        200, "2048", digest, b"")


def test_blob_belongs_to_its_repository(registry):
    digest = registry.push_blob("a/b", BLOB)
    status, _, body = registry.request("GET", f"/v2/other/blobs/{digest}")
    assert status == 404 and code_of(body) == "BLOB_UNKNOWN"


@pytest.mark.parametrize("wanted, expected", [
    ("bytes=500-1499", (500, 1499)),
    ("bytes=500-", (500, 2047)),
    ("bytes=-500", (1548, 2047)),
    ("bytes=2000-5000", (2000, 2047)),
    ("bytes=500-0", None),
    ("bytes=5000-10000", None),
])
def test_range(registry, wanted, expected):
    digest = registry.push_blob("a/b", BLOB)
    for method in "GET", "HEAD":
        status, head, body = registry.request(method, f"/v2/a/b/blobs/{digest}",
                                              headers={"Range": wanted})
        if expected is None:
            assert status == 416 and head["content-range"] == "bytes */2048"
            continue
        first, last = expected
        assert status == 206 and head["content-range"] == f"bytes {first}-{last}/2048"
        assert head["content-length"] == str(last - first + 1)
        assert body == (BLOB[first:last + 1] if method == "GET" else b"")


def test_not_modified(registry):
    digest = registry.push_blob("a/b", BLOB)
    path = f"/v2/a/b/blobs/{digest}"
    etag = registry.request("GET", path)[1]["etag"]
    status, _, body = registry.request("GET", path, headers={"If-None-Match": etag})
    assert (status, body) == (304, b"")
    assert registry.request("GET", path, headers={"If-None-Match": '"other"'})[0] == 200


def test_accepting_gzip_gets_plain_bytes(registry):
    digest = registry.push_blob("a/b", BLOB)
    _, head, body = registry.request("GET", f"/v2/a/b/blobs/{digest}",
                                     headers={"Accept-Encoding": "gzip"})
    assert body == BLOB and "content-encoding" not in head


def test_large_blob_survives(registry):
    data = os.urandom(1 << 20) * 9 + b"tail"
    digest = registry.push_blob("a/b", data)
    assert sha256(registry.get_blob("a/b", digest)) == digest


# ---- uploads ----

def test_monolithic_post(registry):
    digest = sha256(BLOB)
    path = f"/v2/a/b/blobs/uploads/?digest={urllib.parse.quote(digest)}"
    status, head, _ = registry.request("POST", path, BLOB)
    assert status == 201 and head["docker-content-digest"] == digest
    assert registry.request("GET", head["location"])[2] == BLOB


def test_monolithic_post_with_wrong_digest(registry):
    status, _, body = registry.request("POST", f"/v2/a/b/blobs/uploads/?digest={ABSENT}", BLOB)
    assert status == 400 and code_of(body) == "DIGEST_INVALID"
    status, _, body = registry.request("POST", "/v2/a/b/blobs/uploads/?digest=sha256:bad", BLOB)
    assert status == 400 and code_of(body) == "DIGEST_INVALID"
    assert registry.request("HEAD", f"/v2/a/b/blobs/{sha256(BLOB)}")[0] == 404


def test_upload_without_slash_at_the_end(registry):
    assert registry.request("POST", "/v2/a/b/blobs/uploads", b"")[0] == 202


def test_chunks(registry):
    location = start(registry)
    for first in range(0, 2048, 512):
        status, head, _ = registry.request(
            "PATCH", location, BLOB[first:first + 512],
            {"Content-Range": f"{first}-{first + 511}", "Content-Type": "application/octet-stream"})
        assert status == 202 and head["range"] == f"0-{first + 511}"
        location = head["location"]
    status, head, _ = registry.request("PUT", with_digest(location, sha256(BLOB)), b"")
    assert status == 201
    assert registry.request("GET", head["location"])[2] == BLOB


def test_last_chunk_in_the_put(registry):
    location = start(registry)
    registry.expect("chunk", (202,), "PATCH", location, BLOB[:1000], {"Content-Range": "0-999"})
    status, _, _ = registry.request("PUT", with_digest(location, sha256(BLOB)), BLOB[1000:],
                                    {"Content-Range": "1000-2047"})
    assert status == 201


def test_chunk_out_of_order_changes_nothing(registry):
    location = start(registry)
    registry.expect("chunk", (202,), "PATCH", location, BLOB[:1000], {"Content-Range": "0-999"})
    for method, target, content_range in (
            ("PATCH", location, "1500-2047"),
            ("PATCH", location, "0-547"),  # a chunk that it has already
            ("PATCH", location, "1000-9999"),  # not as long as it says
            ("PUT", with_digest(location, sha256(BLOB)), "1500-2047")):
        status, head, body = registry.request(method, target, BLOB[1500:],
                                              {"Content-Range": content_range})
        assert status == 416 and code_of(body) == "BLOB_UPLOAD_INVALID", content_range
        assert head["range"] == "0-999"
    status, head, _ = registry.request("GET", with_digest(location, sha256(BLOB)))
    assert (status, head["range"]) == (204, "0-999")
    status, _, body = registry.request("PATCH", location, b"x", {"Content-Range": "nonsense"})
    assert status == 400 and code_of(body) == "BLOB_UPLOAD_INVALID"
    assert registry.request("PUT", with_digest(location, sha256(BLOB)), BLOB[1000:])[0] == 201


def test_stream_of_chunked_encoding(registry):
    location = start(registry)
    status, head, _ = registry.request("PATCH", location, iter([BLOB[:100], BLOB[100:]]))
    assert (status, head["range"]) == (202, "0-2047")
    assert registry.request("PUT", with_digest(location, sha256(BLOB)), b"")[0] == 201


def test_nothing_follows_a_piece_that_was_refused(registry):
    """More than is announced comes, and more of it waits already when that is noticed."""
    data = os.urandom(9_000_000)
    location = start(registry)
    pieces = (data[at:at + 100_000] for at in range(0, len(data), 100_000))
    status, _, body = registry.request("PATCH", location, pieces, {"Content-Range": "0-1099999"})
    assert status == 416 and code_of(body) == "BLOB_UPLOAD_INVALID"
    status, head, _ = registry.request("GET", location)
    assert status == 204
    have = int(head["range"].split("-")[1]) + 1
    assert have <= 1_100_000
    rest = data[have if have > 1 else 0:]  # an empty upload says 0-0 as well
    assert registry.request("PUT", with_digest(location, sha256(data)), rest)[0] == 201
    assert sha256(registry.get_blob("a/b", sha256(data))) == sha256(data)


def test_many_large_pushes_at_once(server):
    """More than there are workers that hash: each arrives in its order, whoever has to wait for whom."""
    blobs = [os.urandom(1 << 20) * 7 + bytes([i]) * (100_000 * i) for i in range(6)]

    def push_and_pull(data):
        with Registry(server.address) as connection:
            return connection.get_blob("a/b", connection.push_blob("a/b", data)) == data
    with ThreadPoolExecutor(len(blobs)) as pool:
        assert all(pool.map(push_and_pull, blobs))


def test_empty_blob(server, registry):
    location = start(registry)
    status, head, _ = registry.request("GET", location)
    assert (status, head["range"]) == (204, "0-0")
    answer = raw(server, f"PUT {with_digest(location, sha256(b''))} HTTP/1.1\nHost: x\n"
                         "Transfer-Encoding: chunked\nConnection: close\n\n0\n\n")
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert registry.get_blob("a/b", sha256(b"")) == b""


def test_wrong_digest_is_refused(registry):
    location = start(registry)
    status, _, body = registry.request("PUT", with_digest(location, ABSENT), BLOB)
    assert status == 400 and code_of(body) == "DIGEST_INVALID"
    assert registry.request("HEAD", f"/v2/a/b/blobs/{ABSENT}")[0] == 404
    status, _, body = registry.request("PUT", start(registry), BLOB)
    assert status == 400 and code_of(body) == "DIGEST_INVALID"


def test_sha512(registry):
    digest = "sha512:" + hashlib.sha512(BLOB).hexdigest()
    registry.push_blob("a/b", BLOB, digest)
    status, head, body = registry.request("GET", f"/v2/a/b/blobs/{digest}")
    assert (status, head["docker-content-digest"], body) == (200, digest, BLOB)


def test_digest_algorithm_is_checked_at_the_start(registry):
    for algorithm, name in ("sha256", sha256(BLOB)), ("sha512", "sha512:" + hashlib.sha512(BLOB).hexdigest()):
        status, head, _ = registry.request("POST", f"/v2/a/b/blobs/uploads/?digest-algorithm={algorithm}", b"")
        assert status == 202
        assert registry.request("PUT", with_digest(head["location"], name), BLOB)[0] == 201
        assert registry.get_blob("a/b", name) == BLOB
    status, _, body = registry.request("POST", "/v2/a/b/blobs/uploads/?digest-algorithm=md5", b"")
    assert status == 400 and code_of(body) == "DIGEST_INVALID"


def test_manifest_by_sha512(registry):
    image = oci.make_image([{"a": "1"}])
    digest = "sha512:" + hashlib.sha512(image.manifest).hexdigest()
    for name, data in image.blobs.items():
        registry.push_blob("shop/web", data, name)
    kind = {"Content-Type": image.media_type}
    status, head, _ = registry.request("PUT", f"/v2/shop/web/manifests/{digest}?tag=1.0", image.manifest, kind)
    assert (status, head["docker-content-digest"], head["oci-tag"]) == (201, digest, "1.0")
    for reference in digest, "1.0":
        status, head, body = registry.request("GET", f"/v2/shop/web/manifests/{reference}")
        assert (status, head["docker-content-digest"], body) == (200, digest, image.manifest)
    # the same bytes under their other name are another manifest, and a tag keeps the name it was given
    assert registry.request("HEAD", f"/v2/shop/web/manifests/{image.digest}")[0] == 404
    assert registry.request("PUT", "/v2/shop/web/manifests/1.0", image.manifest, kind)[0] == 403
    registry.push_manifest("shop/web", image.digest, image.manifest, image.media_type)
    for reference in digest, image.digest:
        assert registry.request("HEAD", f"/v2/shop/web/manifests/{reference}")[1]["docker-content-digest"] == reference


def test_unknown_upload(registry):
    for method in "GET", "PATCH", "PUT", "DELETE":
        path = "/v2/a/b/blobs/uploads/6f9619ff-8b86-4011-b42d-00c04fc964ff"
        status, _, body = registry.request(method, with_digest(path, sha256(BLOB)), BLOB)
        assert status == 404 and code_of(body) == "BLOB_UPLOAD_UNKNOWN", method


def test_upload_of_another_repository(registry):
    location = start(registry, "a/b")
    status, _, body = registry.request("GET", location.replace("/a/b/", "/c/d/"))
    assert status == 404 and code_of(body) == "BLOB_UPLOAD_UNKNOWN"


def test_cancel(registry):
    location = start(registry)
    registry.expect("chunk", (202,), "PATCH", location, BLOB)
    assert registry.request("DELETE", location)[0] == 204
    assert registry.request("GET", location)[0] == 404


def test_location_of_a_finished_upload_is_stale(registry):
    location = start(registry)
    registry.expect("put", (201,), "PUT", with_digest(location, sha256(BLOB)), BLOB)
    status, _, body = registry.request("PATCH", location, BLOB)
    assert status == 404 and code_of(body) == "BLOB_UPLOAD_UNKNOWN"


@pytest.mark.parametrize("size", [2000, 3_000_000])
def test_truncated_upload_leaves_no_blob(server, registry, wait_for, size):
    data = os.urandom(size)
    location = start(registry)
    head = (f"PUT {with_digest(location, sha256(data))} HTTP/1.1\r\nHost: x\r\n"
            f"Content-Length: {size}\r\n\r\n").encode()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head + data[:size // 2])

    def goes_on():
        """It may have been looked at before the server knew of what was sent, and then it was not free yet."""
        status, head, _ = registry.request("GET", location)
        if status != 204:
            return False
        have = 0 if head["range"] == "0-0" else int(head["range"].split("-")[1]) + 1
        assert have <= size // 2
        assert registry.request("HEAD", f"/v2/a/b/blobs/{sha256(data)}")[0] == 404
        return registry.request("PUT", with_digest(location, sha256(data)), data[have:],
                                {"Content-Range": f"{have}-{size - 1}"})[0] == 201
    wait_for(goes_on, what="the upload being free again")


def test_resume_after_restart(server, registry):
    location = start(registry)
    registry.expect("chunk", (202,), "PATCH", location, BLOB[:1000])
    server.stop()
    server.start()
    registry.close()
    status, head, _ = registry.request("GET", location)
    assert (status, head["range"]) == (204, "0-999")
    assert registry.request("PUT", with_digest(location, sha256(BLOB)), BLOB[1000:])[0] == 201
    assert registry.get_blob("a/b", sha256(BLOB)) == BLOB


def test_abandoned_uploads_are_deleted(start_server, wait_for):
    server = start_server(args=["--upload-expiry", "1s"])
    uploads = server.data / "uploads"
    with Registry(server.address) as registry:
        location = registry.request("POST", "/v2/a/blobs/uploads/", b"")[1]["location"]
        registry.expect("chunk", (202,), "PATCH", location, b"half of it")
        assert len(list(uploads.iterdir())) == 1
        wait_for(lambda: not list(uploads.iterdir()), what="the upload being deleted")
        wait_for(lambda: registry.request("PATCH", location, b"the rest")[0] == 404, what="it being unknown")
        registry.push_blob("a", b"whole")
    wait_for(lambda: "janitor: deleted 1 upload to which nothing was added for 1 s" in server.log_text(),
             what="the log")


def test_uploads_in_progress_stay(start_server, wait_for):
    server = start_server(args=["--upload-expiry", "1s"])
    with Registry(server.address) as registry, Registry(server.address) as other:
        location = registry.request("POST", "/v2/a/blobs/uploads/", b"")[1]["location"]
        lost = other.request("POST", "/v2/a/blobs/uploads/", b"")[1]["location"]
        blob = b""
        while "deleted 1 upload" not in server.log_text():  # the other one
            registry.expect("chunk", (202,), "PATCH", location, b"more")
            blob += b"more"
        assert other.request("GET", lost)[0] == 404
        status, _, body = registry.request("PUT", f"{location}?digest={sha256(blob)}", b"")
        assert status == 201, body


def test_an_upload_expiry_that_is_none(cli, tmp_path):
    for word in ("soon", "0s", "10", "400d"):
        told = cli("serve", "--data", tmp_path / "d", "--upload-expiry", word).exits(2).stderr
        assert "--upload-expiry: expected a duration" in told and word in told


def test_two_clients_one_blob(server):
    data = os.urandom(3 << 20)
    results = []

    def push():
        with Registry(server.address) as client:
            results.append(client.push_blob("a/b", data))
    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [sha256(data)] * 4


def test_upload_is_used_by_one_at_a_time(server, registry, wait_for):
    location = start(registry)
    with socket.create_connection(("127.0.0.1", server.port)) as busy:
        busy.sendall((f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n"
                      "Expect: 100-continue\r\n\r\n").encode())
        assert b"100" in busy.recv(1000)
        busy.sendall(b"12345")
        # Until that request has its upload. Not too often: to be asked is to be used, for a moment.
        status, head, body = wait_for(
            lambda: (lambda answer: answer[0] == 503 and answer)(registry.request("GET", location)),
            what="the upload in use", every=0.05)
        assert head["retry-after"] and "message" in json.loads(body)["errors"][0]
        busy.sendall(b"67890")
        assert b" 202 " in busy.recv(1000)
    assert registry.request("GET", location)[1]["range"] == "0-9"


# ---- mounts ----

def test_mount(registry):
    digest = registry.push_blob("a/b", BLOB)
    query = f"?mount={urllib.parse.quote(digest)}&from={urllib.parse.quote('a/b', safe='')}"
    status, head, _ = registry.request("POST", "/v2/c/d/blobs/uploads/" + query, b"")
    assert status == 201 and head["docker-content-digest"] == digest
    assert registry.request("GET", head["location"])[2] == BLOB
    assert registry.request("POST", f"/v2/e/blobs/uploads/?mount={digest}", b"")[0] == 201


def test_mount_of_what_nobody_has_starts_an_upload(registry):
    for query in (f"?mount={ABSENT}&from=a/b", f"?mount={ABSENT}"):
        status, head, _ = registry.request("POST", "/v2/c/d/blobs/uploads/" + query, b"")
        assert status == 202
        assert registry.request("PUT", with_digest(head["location"], sha256(BLOB)), BLOB)[0] == 201


# ---- manifests ----

@pytest.mark.parametrize("docker", [False, True])
def test_image(server, registry, docker):
    image = oci.make_image([{"a": "1"}], cmd=["/a"], docker=docker)
    oci.push(server, "shop/web", "1.0", image)
    for reference in "1.0", image.digest:
        status, head, body = registry.request("GET", f"/v2/shop/web/manifests/{reference}")
        assert (status, body) == (200, image.manifest)
        assert head["content-type"] == image.media_type
        assert head["docker-content-digest"] == image.digest
        status, head, body = registry.request("HEAD", f"/v2/shop/web/manifests/{reference}")
        assert (status, body) == (200, b"")
        assert head["content-length"] == str(image.size)
        assert head["docker-content-digest"] == image.digest


def test_index_and_nested_index(server, registry):
    images = [oci.make_image([{"a": arch}], architecture=arch) for arch in ("amd64", "arm64")]
    index = oci.make_index([oci.make_index(images)])
    oci.push(server, "shop/web", "1.0", index)
    status, head, body = registry.request("GET", "/v2/shop/web/manifests/1.0")
    assert (status, body, head["content-type"]) == (200, index.manifest, oci.OCI_INDEX)


def test_artifact_with_subject(server, registry):
    image = oci.make_image([{"a": "1"}])
    sbom = oci.make_artifact([{"sbom": "x"}], artifact_type="application/vnd.test+sbom",
                             subject=image)
    for digest, data in sbom.blobs.items():
        registry.push_blob("shop/web", data, digest)
    status, head, _ = registry.request("PUT", f"/v2/shop/web/manifests/{sbom.digest}",
                                       sbom.manifest, {"Content-Type": sbom.media_type})
    assert status == 201 and head["oci-subject"] == image.digest
    path = f"/v2/shop/web/referrers/{image.digest}"
    _, head, body = registry.request("GET", path)
    assert head["content-type"] == oci.OCI_INDEX
    listed = json.loads(body)
    assert listed["mediaType"] == oci.OCI_INDEX and listed["schemaVersion"] == 2
    assert [d["digest"] for d in listed["manifests"]] == [sbom.digest]
    assert listed["manifests"][0]["artifactType"] == "application/vnd.test+sbom"
    # the plus of a media type stays one, encoded or not
    for value, count in (("application/vnd.test%2Bsbom", 1), ("application/vnd.test+sbom", 1),
                         ("application/other", 0)):
        _, head, body = registry.request("GET", f"{path}?artifactType={value}")
        assert head["oci-filters-applied"] == "artifactType"
        assert len(json.loads(body)["manifests"]) == count, value


def test_referrers_are_never_unknown(registry):
    status, _, body = registry.request("GET", f"/v2/no/such/referrers/{ABSENT}")
    assert status == 200 and json.loads(body)["manifests"] == []
    assert registry.request("GET", "/v2/no/such/referrers/sha256:bad")[0] == 400


def test_manifest_with_missing_blobs(registry):
    image = oci.make_image([{"a": "1"}])
    status, _, body = registry.request("PUT", "/v2/shop/web/manifests/1.0", image.manifest,
                                       {"Content-Type": image.media_type})
    assert status == 404 and code_of(body) == "MANIFEST_BLOB_UNKNOWN"
    for digest in image.blobs:
        assert digest in body.decode()
    assert registry.request("GET", "/v2/shop/web/manifests/1.0")[0] == 404


def test_manifest_put_under_wrong_digest(server, registry):
    image = oci.make_image([{"a": "1"}])
    oci.push(server, "shop/web", None, image)
    for reference in ABSENT, "sha256:baddigeststring":
        status, _, body = registry.request("PUT", f"/v2/shop/web/manifests/{reference}",
                                           image.manifest, {"Content-Type": image.media_type})
        assert status == 400 and code_of(body) == "DIGEST_INVALID"


def test_manifest_that_is_none(registry):
    for data in b"", b"{", b"[]", b'{"schemaVersion":2}':
        status, _, body = registry.request("PUT", "/v2/shop/web/manifests/1.0", data,
                                           {"Content-Type": oci.OCI_MANIFEST})
        assert status == 400 and code_of(body) == "MANIFEST_INVALID", data


def test_invalid_names(registry):
    for name in "UPPER", "a//b", "-a", "a" * 256:
        status, _, body = registry.request("GET", f"/v2/{name}/manifests/1.0")
        assert status in (400, 404) and code_of(body) in ("NAME_INVALID", "NAME_UNKNOWN"), name
    status, _, body = registry.request("POST", "/v2/UPPER/blobs/uploads/", b"")
    assert status == 400 and code_of(body) == "NAME_INVALID"
    assert registry.request("GET", "/v2/a/manifests/.bad")[0] in (400, 404)


def test_words_of_the_paths_as_names(server):
    image = oci.make_image([{"a": "1"}])
    for name in "foo/blobs/uploads", "foo/manifests", "tags/list", "manifests":
        oci.push(server, name, "v1", image)
        with Registry(server.address) as registry:
            assert registry.get_manifest(name, "v1") == image.manifest
            _, _, body = registry.request("GET", f"/v2/{name}/tags/list")
            assert json.loads(body) == {"name": name, "tags": ["v1"]}


def test_R01_tag_is_write_once(server, registry):
    first, second = (oci.make_image([{"a": text}]) for text in "12")
    oci.push(server, "shop/web", "1.0", first)
    oci.push(server, "shop/web", "1.0", first)
    oci.push(server, "shop/web", None, second)
    status, _, body = registry.request("PUT", "/v2/shop/web/manifests/1.0", second.manifest,
                                       {"Content-Type": second.media_type})
    assert status == 403 and code_of(body) == "DENIED"
    message = json.loads(body)["errors"][0]["message"]
    assert "1.0" in message and first.digest in message
    assert registry.get_manifest("shop/web", "1.0") == first.manifest


def test_tags_with_a_digest_push(server, registry):
    first, second = (oci.make_image([{"a": text}]) for text in "12")
    oci.push(server, "shop/web", "taken", second)
    oci.push(server, "shop/web", None, first)
    put = ("PUT", f"/v2/shop/web/manifests/{first.digest}")
    status, _, body = registry.request(put[0], put[1] + "?tag=a&tag=taken", first.manifest,
                                       {"Content-Type": first.media_type})
    assert status == 403 and code_of(body) == "DENIED"
    assert registry.request("HEAD", "/v2/shop/web/manifests/a")[0] == 404
    status, head, _ = registry.request(put[0], put[1] + "?tag=a&tag=b", first.manifest,
                                       {"Content-Type": first.media_type})
    assert status == 201 and head["oci-tag"] in ("b", "a, b")
    assert registry.get_manifest("shop/web", "b") == first.manifest


def test_large_manifest_and_too_large_ones(server, registry):
    image = oci.make_image([{"a": "1"}], annotations={f"k{i}": "v" * 10000 for i in range(390)})
    assert image.size > 3_900_000
    oci.push(server, "shop/web", "large", image)
    assert registry.get_manifest("shop/web", "large") == image.manifest
    for body in b" " * (9 << 20), iter([b" " * (1 << 20)] * 9):  # the second goes out chunked
        status, _, answer = registry.request("PUT", "/v2/shop/web/manifests/x", body,
                                             {"Content-Type": oci.OCI_MANIFEST})
        assert status == 413 and code_of(answer) == "SIZE_INVALID"
    assert registry.request("GET", "/v2/")[0] == 200  # on the same connection


# ---- lists ----

def test_tags(server, registry):
    status, _, body = registry.request("GET", "/v2/no/such/tags/list")
    assert status == 404 and code_of(body) == "NAME_UNKNOWN"
    image = oci.make_image([{"a": "1"}])
    tags = ["B", "a", "c", "v1.0"]
    for tag in reversed(tags):
        oci.push(server, "shop/web", tag, image)
    path = "/v2/shop/web/tags/list"
    _, head, body = registry.request("GET", path)
    assert json.loads(body) == {"name": "shop/web", "tags": tags} and "link" not in head
    _, head, body = registry.request("GET", path + "?last=a")
    assert json.loads(body)["tags"] == ["c", "v1.0"]
    _, head, body = registry.request("GET", path + "?n=0")
    assert json.loads(body)["tags"] == [] and "link" not in head
    seen, target = [], path + "?n=3"
    while target:
        _, head, body = registry.request("GET", target)
        seen += json.loads(body)["tags"]
        link = re.fullmatch(r'<([^>]+)>; rel="next"', head.get("link", ""))
        target = link and link[1]
    assert seen == tags
    assert registry.request("GET", path + "?n=x")[0] == 400


def test_catalog(registry):
    for name in "b", "a/x", "c":
        registry.push_blob(name, BLOB)
    _, head, body = registry.request("GET", "/v2/_catalog?n=2")
    assert json.loads(body)["repositories"] == ["a/x", "b"]
    target = re.match(r"<([^>]+)>", head["link"])[1]
    assert json.loads(registry.request("GET", target)[2])["repositories"] == ["c"]


# ---- HTTP itself ----

def test_connection_is_kept_after_a_refusal(registry):
    registry.connection.connect()
    local = registry.connection.sock.getsockname()
    for path in ("/v2/a/b/blobs/uploads/6f9619ff-8b86-4011-b42d-00c04fc964ff", "/v2/UPPER/manifests/x",
                 "/v2/a/nothing"):
        status, _, _ = registry.request("PUT", path, os.urandom(3 << 20))
        assert status in (400, 404)
        assert registry.connection.sock.getsockname() == local


def test_actor_is_recorded(server, registry, tmp_path):
    registry.request("POST", f"/v2/a/b/blobs/uploads/?digest={sha256(b'1')}", b"1",
                     {"X-Repoint-Actor": "ann@laptop"})
    for i, actor in enumerate(("", "x" * 129, "a\tb")):
        data = str(i + 2).encode()
        registry.request("POST", f"/v2/a/b/blobs/uploads/?digest={sha256(data)}", data,
                         {"X-Repoint-Actor": actor})
    server.stop()
    import sqlite3
    with sqlite3.connect(server.data / "repoint.db") as db:
        actors = [row[0] for row in db.execute("SELECT actor FROM event ORDER BY seq")]
    assert actors == ["ann@laptop"] + ["anonymous@127.0.0.1"] * 3


def test_absolute_target(server):
    answer = raw(server, "GET http://example.test/v2/ HTTP/1.1\nHost: x\nConnection: close\n\n")
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_second_server_on_the_same_data(server, start_server, cli):
    done = cli("serve", "--data", server.data, "--listen", "127.0.0.1:0")
    assert done.rc == 4
    assert str(server.pid) in done.stderr


def test_beyond_loopback_needs_consent(cli, tmp_path):
    done = cli("serve", "--data", tmp_path / "d", "--listen", "0.0.0.0:0", server="http://unused")
    assert done.rc == 5 and "--allow-anonymous" in done.stderr


def test_port_that_is_taken(server, cli, tmp_path):
    done = cli("serve", "--data", tmp_path / "d", "--listen", server.address)
    assert done.rc == 4 and server.address in done.stderr


def test_stop_with_open_connections(server, registry):
    assert registry.request("GET", "/v2/")[0] == 200  # kept alive
    location = start(registry)
    registry.expect("chunk", (202,), "PATCH", location, BLOB)
    server.stop()
    server.start()
    registry.close()
    assert registry.request("GET", location)[1]["range"] == "0-2047"
