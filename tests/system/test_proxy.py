"""Repositories that are filled from another registry when somebody asks: once, verified, kept, and served when upstream
is gone, down, slow, full of errors or of something else."""

import hashlib
import json
import os
import socket
import threading

import pytest

from support import clients, oci, upstream


@pytest.fixture
def there(docker_registry):
    return docker_registry()


@pytest.fixture
def flaky(there, started):
    proxy = upstream.Flaky(there.address)
    started.append(proxy)
    return proxy


def config(tmp_path, address, name="server.yaml", **more):
    """A server.yaml with one rule: mirror/NAME here is NAME there."""
    rule = {"pattern": "mirror/**", "upstream": f"http://{address}", "strip": "mirror/", "tags": "always", **more}
    path = tmp_path / name
    path.write_text(json.dumps({"proxy": [rule]}))
    return "-c", str(path)


@pytest.fixture
def here(start_server, tmp_path, flaky):
    """here(**rule): a server before the flaky proxy before docker-registry."""
    def start(**rule):
        return start_server("here", config(tmp_path, flaky.address, **rule))
    return start


def big(size=3_000_000):
    return oci.make_image([{"data": os.urandom(size)}, {"b": os.urandom(1000)}])


def get(server, path, method="GET", headers=None):
    with oci.Registry(server.address) as link:
        return link.request(method, path, None, headers or {})


def manifest(server, name, reference, method="GET"):
    return get(server, f"/v2/{name}/manifests/{reference}", method)


def blob(server, name, digest, method="GET", headers=None):
    return get(server, f"/v2/{name}/blobs/{digest}", method, headers)


def pull(server, name, reference, image):
    status, head, raw = manifest(server, name, reference)
    assert status == 200 and raw == image.manifest, (status, raw[:500])
    assert head["docker-content-digest"] == image.digest
    for digest, data in image.blobs.items():
        status, _, got = blob(server, name, digest)
        assert status == 200 and got == data, (status, len(got), len(data))
    return head


def events(server):
    return server.api("GET", "/ledger?limit=1000")["events"]


def asked(flaky, method, what):
    return [path for verb, path, _ in flaky.seen if verb == method and what in path]


def metric(server, line):
    text = get(server, "/metrics")[2].decode()
    return int(next(row for row in text.splitlines() if row.startswith(line)).split()[-1])


def test_the_first_pull_keeps_and_the_second_needs_nobody(here, there, flaky, cli):
    image = big()
    oci.push(there.address, "shop/web", "1.0", image)
    server = here(tags="never")
    assert manifest(server, "mirror/shop/web", "1.0", "HEAD")[1]["docker-content-digest"] == image.digest
    size = blob(server, "mirror/shop/web", image.layer_digests[0], "HEAD")
    assert size[0] == 200 and int(size[1]["content-length"]) == len(image.blobs[image.layer_digests[0]])
    pull(server, "mirror/shop/web", "1.0", image)
    pull(server, "mirror/shop/web", image.digest, image)
    there.stop()
    flaky.stop()
    head = pull(server, "mirror/shop/web", "1.0", image)
    assert "warning" not in head, "nobody was to be asked"
    origin, = server.api("GET", f"/origins?digest={image.digest}")["origins"]
    assert origin["upstream"] == {"registry": flaky.address, "repository": "shop/web", "tag": "1.0"}
    assert [event["kind"] for event in events(server)].count("artifact.kept") == 1
    assert metric(server, "repoint_proxy_fetched_bytes_total") >= 3_000_000
    assert metric(server, 'repoint_proxy_requests_total{result="hit"}') >= 4
    cli("ledger", "verify", "--tables", server=server).ok()
    assert manifest(server, "mirror/shop/web", "2.0")[0] == 502, "what is not here cannot be had now"
    assert manifest(server, "other/web", "1.0")[0] == 404, "no rule, no upstream"


def test_what_upstream_does_not_have(here, there):
    oci.push(there.address, "shop/web", "1.0", big(1000))
    server = here()
    status, _, raw = manifest(server, "mirror/shop/web", "9.9")
    assert status == 404 and json.loads(raw)["errors"][0]["code"] == "MANIFEST_UNKNOWN"
    missing = "sha256:" + "0" * 64
    for method in "GET", "HEAD":
        assert blob(server, "mirror/shop/web", missing, method)[0] == 404
        assert manifest(server, "mirror/shop/web", missing, method)[0] == 404
    assert events(server) == []


def test_down_or_gone_upstream_what_is_kept_is_served_and_it_says_so(here, there, flaky):
    image = big(500_000)
    oci.push(there.address, "shop/web", "1.0", image)
    server = here()
    assert "warning" not in pull(server, "mirror/shop/web", "1.0", image)
    assert "warning" not in pull(server, "mirror/shop/web", "1.0", image), "upstream was asked, and agrees"
    with oci.Registry(there.address) as link:
        link.expect("delete", (202,), "DELETE", f"/v2/shop/web/manifests/{image.digest}")
        for digest in image.blobs:
            link.expect("delete", (202,), "DELETE", f"/v2/shop/web/blobs/{digest}")
    head = pull(server, "mirror/shop/web", "1.0", image)
    assert head["warning"].startswith("199 repoint") and "gone upstream" in head["warning"]
    there.stop()
    flaky.stop()
    for _ in range(2):
        head = pull(server, "mirror/shop/web", "1.0", image)
        assert head["warning"].startswith("111 repoint"), head
    assert metric(server, 'repoint_proxy_requests_total{result="stale"}') >= 3
    assert manifest(server, "mirror/shop/web", "1.1")[0] == 502


def test_a_tag_that_moves_upstream_follows_the_policy(here, there, cli):
    old, new = big(1000), big(2000)
    oci.push(there.address, "shop/web", "latest", old)
    server = here()
    pull(server, "mirror/shop/web", "latest", old)
    oci.push(there.address, "shop/web", "latest", new)
    head = pull(server, "mirror/shop/web", "latest", old)
    assert new.digest in head["warning"] and "write-once" in head["warning"]
    cli("repo", "set", "mirror/*", "--tags", "mutable", server=server).ok()
    assert "warning" not in pull(server, "mirror/shop/web", "latest", new)
    pull(server, "mirror/shop/web", old.digest, old)
    moved, = [event for event in events(server) if event["kind"] == "tag.moved"]
    assert moved["body"]["from"] == old.digest and moved["body"]["digest"] == new.digest


def test_a_tag_is_believed_for_as_long_as_it_says(here, there, flaky):
    image = big(1000)
    oci.push(there.address, "shop/web", "1.0", image)
    server = here(tags="1h")
    pull(server, "mirror/shop/web", "1.0", image)
    before = len(flaky.seen)
    pull(server, "mirror/shop/web", "1.0", image)
    assert len(flaky.seen) == before
    assert metric(server, 'repoint_proxy_requests_total{result="hit"}') >= 3


@pytest.mark.parametrize("what", ["wrong", "truncate"])
def test_wrong_bytes_are_never_kept_nor_whole(here, there, flaky, what):
    image = big()
    layer = image.layer_digests[0]
    oci.push(there.address, "shop/web", "1.0", image)
    server = here()
    assert manifest(server, "mirror/shop/web", "1.0")[0] == 200
    flaky.fault(what, layer, 99)
    got = read_raw(server, f"/v2/mirror/shop/web/blobs/{layer}")
    assert b" 502 " in got[:20] or len(got.partition(b"\r\n\r\n")[2]) < len(image.blobs[layer])
    flaky.faults.clear()
    flaky.fault(what, "/manifests/", 99)
    other = big(1000)
    oci.push(there.address, "shop/web", "1.1", other)
    assert manifest(server, "mirror/shop/web", other.digest)[0] == 502
    flaky.faults.clear()
    pull(server, "mirror/shop/web", "1.0", image)
    pull(server, "mirror/shop/web", "1.1", other)


def read_raw(server, path):
    """All that comes until the connection is closed."""
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port)), timeout=60) as link:
        link.sendall(f"GET {path} HTTP/1.1\r\nHost: {server.address}\r\nConnection: close\r\n\r\n".encode())
        got = b""
        while True:
            try:
                piece = link.recv(1 << 16)
            except ConnectionError:
                return got
            if not piece:
                return got
            got += piece


def test_a_connection_that_is_cut_upstream_is_gone_on_with(here, there, flaky):
    image = big()
    layer = image.layer_digests[0]
    oci.push(there.address, "shop/web", "1.0", image)
    server = here()
    flaky.fault("reset", layer, 2)
    pull(server, "mirror/shop/web", "1.0", image)
    assert any(wanted for method, path, wanted in flaky.seen if layer in path and method == "GET")


def test_fifty_at_once_are_one_question(here, there, flaky):
    image = big(6_000_000)
    layer = image.layer_digests[0]
    oci.push(there.address, "shop/web", "1.0", image)
    flaky.fault("slow", layer, 1)
    server = here(tags="1h")
    results, barrier = [], threading.Barrier(50)

    def one():
        barrier.wait()
        try:
            pull(server, "mirror/shop/web", "1.0", image)
            results.append(None)
        except BaseException as error:  # pylint: disable=broad-except
            results.append(error)

    threads = [threading.Thread(target=one) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert results == [None] * 50
    assert len(asked(flaky, "GET", layer)) == 1
    assert len(asked(flaky, "GET", "/manifests/")) == 1
    assert [event["kind"] for event in events(server)].count("manifest.added") == 1


def test_parts_of_what_is_on_its_way(here, there, flaky):
    image = big(6_000_000)
    layer = image.layer_digests[0]
    data = image.blobs[layer]
    oci.push(there.address, "shop/web", "1.0", image)
    flaky.fault("slow", layer, 1)
    server = here()
    wanted = [("bytes=0-99", data[:100]), ("bytes=3000000-", data[3000000:]), ("bytes=-7", data[-7:])]
    got = [None] * len(wanted)

    def part(number):
        got[number] = blob(server, "mirror/shop/web", layer, headers={"Range": wanted[number][0]})

    threads = [threading.Thread(target=part, args=(number,)) for number in range(len(wanted))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for (status, head, body), (_, expected) in zip(got, wanted):
        assert status == 206 and body == expected and head["content-range"].endswith(f"/{len(data)}")
    assert len(asked(flaky, "GET", layer)) == 1


def test_429_is_heeded_and_what_is_kept_goes_on(here, there, flaky):
    image, other = big(1000), big(2000)
    oci.push(there.address, "shop/web", "1.0", image)
    oci.push(there.address, "shop/web", "1.1", other)
    server = here()
    pull(server, "mirror/shop/web", "1.0", image)
    flaky.retry_after = "600"
    flaky.fault(429, "/manifests/", 1)
    status, head, raw = manifest(server, "mirror/shop/web", "1.1")
    assert status == 429 and int(head["retry-after"]) > 1, raw
    before = len(flaky.seen)
    assert manifest(server, "mirror/shop/web", "1.1")[0] == 429
    assert pull(server, "mirror/shop/web", "1.0", image)["warning"].startswith("111 ")
    assert len(flaky.seen) == before, "it was left alone"


def test_pushes_are_refused_with_the_reason(here, there, start_server, tmp_path):
    image = big(1000)
    oci.push(there.address, "shop/web", "1.0", image)
    server = here()
    with oci.Registry(server.address) as link:
        status, _, raw = link.request("POST", "/v2/mirror/shop/web/blobs/uploads/", None, {})
        assert status == 403 and there.address not in raw.decode() and "push: true" in raw.decode()
        status, _, raw = link.request("PUT", "/v2/mirror/shop/web/manifests/1.0", image.manifest,
                                      {"Content-Type": oci.OCI_MANIFEST})
        assert status == 403 and "takes no pushes" in raw.decode()
    assert events(server) == []
    oci.push(server.address, "other/web", "1.0", image)
    second = start_server("second", config(tmp_path, there.address, "second.yaml", push=True))
    oci.push(second.address, "mirror/own/web", "1.0", image)


def test_containerds_names(here, there, flaky):
    """`/v2/shop/web/manifests/1.0?ns=HOST`, as containerd asks a mirror."""
    image = big(1000)
    oci.push(there.address, "shop/web", "1.0", image)
    server = here()
    status, head, raw = manifest(server, "shop/web", f"1.0?ns={flaky.address}")
    assert status == 200 and raw == image.manifest
    for digest, data in image.blobs.items():
        assert get(server, f"/v2/shop/web/blobs/{digest}?ns={flaky.address}")[2] == data
    assert manifest(server, "mirror/shop/web", image.digest)[0] == 200, "it is kept under its name here"
    assert manifest(server, "shop/web", "1.0?ns=elsewhere.example")[0] == 404
    assert manifest(server, "shop/web", "1.0")[0] == 404


def test_with_the_servers_own_credentials(server, cli, start_server, docker_registry, tmp_path):
    there = docker_registry(("ada", "right"), name="locked")
    image = big(1000)
    auths = {word: upstream.auth_file(tmp_path / f"{word}.json", **{there.address: ("ada", word)})
             for word in ("wrong", "right")}
    oci.push(server, "start/web", "1", image)
    cli("artifact", "cp", "start/web:1", f"{there.address}/shop/web:1.0", env={"REGISTRY_AUTH_FILE": auths["right"]}).ok()
    for word, status in ("wrong", 502), ("none", 502), ("right", 200):
        rule = {"credentials_file": auths[word]} if word in auths else {}
        proxy = start_server(word, config(tmp_path, there.address, f"{word}.yaml", **rule),
                             env={"REGISTRY_AUTH_FILE": auths["right"]})
        got, _, raw = manifest(proxy, "mirror/shop/web", "1.0")
        assert got == status, raw
        if word == "wrong":
            assert "refused the credentials of ada" in raw.decode() and "server.yaml" in raw.decode()


def test_who_may_not_pull_brings_nothing_in(guarded, tmp_path, there):
    """Who comes is asked by us, whatever upstream asks; and by the name that the repository has here."""
    image = big(1000)
    oci.push(there.address, "shop/web", "1.0", image)
    server = guarded.server
    server.stop()
    server.args = [*server.args, *config(tmp_path, there.address)]
    server.start()
    reader, stranger = guarded.robot("reader", "pull:mirror/**"), guarded.robot("stranger", "pull:shop/**")
    for path in "/v2/mirror/shop/web/manifests/1.0", f"/v2/shop/web/manifests/1.0?ns={there.address}":
        with oci.Registry(server.address) as link:
            assert link.request("GET", path, None, {})[0] == 401
        with oci.Registry(server.address, token=stranger) as link:
            assert link.request("GET", path, None, {})[0] == 403
        with oci.Registry(server.address, token=reader) as link:
            assert link.request("GET", path, None, {})[0] == 200


def test_a_restart_in_the_middle_goes_on(here, there, flaky):
    """A server that stops does not wait for upstream, and its client is not told that this was all."""
    image = big(20_000_000)
    layer = image.layer_digests[0]
    oci.push(there.address, "shop/web", "1.0", image)
    server = here()
    flaky.fault("slow", layer, 1)
    got = []
    thread = threading.Thread(target=lambda: got.append(read_raw(server, f"/v2/mirror/shop/web/blobs/{layer}")))
    thread.start()
    while not asked(flaky, "GET", layer):
        pass
    server.stop()
    thread.join(60)
    body = got[0].partition(b"\r\n\r\n")[2]
    assert len(body) < len(image.blobs[layer]) or body == image.blobs[layer]
    server.start()
    pull(server, "mirror/shop/web", "1.0", image)


def test_skopeo_copies_through_it(here, there, tmp_path):
    index = oci.make_index([oci.make_image([{"a": arch}], architecture=arch) for arch in ("amd64", "arm64")])
    oci.push(there.address, "shop/web", "1.0", index)
    server = here()
    tool = clients.Tool(clients.find("skopeo"), tmp_path, ())
    tool("copy", "--all", "--src-tls-verify=false", f"docker://{server.address}/mirror/shop/web:1.0",
             f"oci:{tmp_path}/layout:1.0")
    raw = json.loads((tmp_path / "layout" / "index.json").read_text())
    assert raw["manifests"][0]["digest"] == index.digest
    for item in index.manifests():
        path = tmp_path / "layout" / "blobs" / "sha256" / item.digest.partition(":")[2]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


@pytest.mark.parametrize("rule, problem", [
    ({"upstream": "ghcr.io"}, "no address of a registry"),
    ({"tags": "sometimes"}, "expected always, never or a duration"),
    ({"pattern": ""}, "expected a pattern"),
    ({"colour": "red"}, "colour"),
    ({"credentials_file": ""}, "expected a file"),
])
def test_a_mistake_in_a_rule_is_named(cli, tmp_path, rule, problem):
    _, path = config(tmp_path, "127.0.0.1:1", **rule)
    done = cli("config", "check", "--kind", "server", path)
    said = done.stdout + done.stderr
    assert done.rc == 2 and problem in said and "proxy[0]" in said, said
