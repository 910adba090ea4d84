"""How often clients may come, and how many at a time. The rates are so slow that no bucket fills in a test."""

import json
import os
import re
import signal
import socket

import pytest

from guarded import Guarded, bearer
from support import oci


def metric(server, name):
    """None where there is none, or the question itself was one connection too many."""
    text = server.request("GET", "/metrics")[2].decode()
    found = re.search("^" + re.escape(name) + r" (\d+)$", text, re.MULTILINE)
    return int(found.group(1)) if found else None


def refused(answer, limit, registry):
    """It is a 429 that says when to come again, why, and whose limit it is."""
    status, headers, body = answer
    assert status == 429, body
    assert 1 <= int(headers["retry-after"]) <= 3600
    error = json.loads(body)
    error = error["errors"][0] if registry else error["error"]
    assert error["code"] == ("TOOMANYREQUESTS" if registry else "too-many")
    assert limit in error["message"] and "come again in" in error["message"]
    return True


def test_addresses_are_limited_by_class(start_server, push, make_image):
    image = make_image([{"a": "1"}])
    server = start_server(args=["--limit-pull-address", "40/h", "--limit-api-address", "3/h"])
    push(server, "shop/web", "1.0", image)  # is no pull, and no limit is on pushes
    taken = 0
    path = "/v2/shop/web/manifests/1.0"
    while server.request("GET", path)[0] == 200:
        taken += 1
    assert taken in range(30, 41)  # the push asked for blobs, too
    assert refused(server.request("GET", path), "limit_pull_address", True)
    assert refused(server.request("HEAD", path)[:2] + (server.request("GET", path)[2],), "limit_pull_address", True)
    assert server.request("POST", "/v2/shop/web/blobs/uploads/")[0] == 202
    assert [server.request("GET", "/api/v1/apps")[0] for _ in range(4)] == [200, 200, 200, 429]
    assert refused(server.request("GET", "/nowhere"), "limit_api_address", False)
    for path in ("/healthz", "/readyz"):  # whoever watches it must not take it for dead
        assert all(server.request("GET", path)[0] == 200 for _ in range(10))


def test_a_ready_answer_takes_a_token_too(start_server, push, make_image):
    server = start_server()
    image = make_image([{"a": "1"}])
    push(server, "shop/web", "1.0", image)
    server.stop()
    server.args = ["--limit-pull-address", "50/h"]
    server.start()
    with oci.Registry(server.url) as link:
        codes = [link.request("GET", f"/v2/shop/web/manifests/{image.digest}")[0] for _ in range(60)]
    assert codes == [200] * 50 + [429] * 10
    assert metric(server, 'repoint_limit_refused_total{limit="limit_pull_address"}') == 10


def test_a_refused_push_is_whole_later(start_server, push, make_image, wait_for, tmp_path):
    config = tmp_path / "server.yaml"
    config.write_text("limit_push_address: 1/h\n")
    server = start_server(args=["-c", config])
    data = os.urandom(3 << 20)
    with oci.Registry(server.url) as link:
        status, headers, _ = link.request("POST", "/v2/shop/web/blobs/uploads/")
        assert status == 202
        place = headers["location"]
        assert refused(link.request("PATCH", place, data, {"Content-Type": "application/octet-stream"}),
                       "limit_push_address", True)
        config.write_text("limit_push_address: off\n")
        os.kill(server.pid, signal.SIGHUP)
        wait_for(lambda: "changed: limit_push_address" in server.log_text(), what="the reload")
        assert link.request("PATCH", place, data, {"Content-Type": "application/octet-stream"})[0] == 202
        digest = oci.sha256(data)
        assert link.request("PUT", f"{place}?digest={digest}")[0] == 201
        assert link.get_blob("shop/web", digest) == data


def test_an_account_is_limited_wherever_it_comes_from(start_server, cli, tmp_path):
    guarded = Guarded(start_server, cli, tmp_path)
    one, other = guarded.robot("one", "read:**"), guarded.robot("two", "read:**")
    guarded.server.stop()
    guarded.server.args = ["--limit-api-account", "3/h"]
    guarded.server.start()
    for token in (one, other):
        codes = [guarded.status("GET", "/api/v1/apps", bearer(token)) for _ in range(4)]
        assert codes == [200, 200, 200, 429]
    answer = guarded.server.request("GET", "/api/v1/apps", None, bearer(one))
    assert refused(answer, "limit_api_account", False) and b"one asks the API" in answer[2]
    # who is not known is nobody's account
    assert guarded.status("GET", "/api/v1/apps", bearer("nonsense")) == 401
    told = guarded.cli("app", "list", token=one).exits(7)
    assert "come again in" in told.stderr


@pytest.mark.parametrize("flag, status, code",
                         [("--limit-connections-address", 429, "too-many"), ("--limit-connections", 503, "busy")])
def test_a_connection_too_many_is_told(start_server, wait_for, flag, status, code):
    server = start_server(args=[flag, "2"])
    links = [socket.create_connection(("127.0.0.1", server.port), 20) for _ in range(2)]
    for link in links:
        link.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert link.recv(4096).startswith(b"HTTP/1.1 200")
    answer = server.request("GET", "/api/v1/apps")
    assert answer[0] == status and answer[1]["connection"] == "close" and int(answer[1]["retry-after"]) >= 1
    error = json.loads(answer[2])["error"]
    assert error["code"] == code and flag[2:].replace("-", "_") in error["message"]
    with socket.create_connection(("127.0.0.1", server.port), 20) as link:
        link.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        link.settimeout(20)
        text = b""
        while piece := link.recv(4096):  # and it is closed: the server ends it after one answer
            text += piece
        assert text.count(b"HTTP/1.1 ") == 1 and text.startswith(b"HTTP/1.1 %d" % status)
    links.pop().close()
    wait_for(lambda: server.request("GET", "/metrics")[0] == 200, what="a free place")
    wait_for(lambda: (metric(server, f'repoint_connections_refused_total{{limit="{flag[2:].replace("-", "_")}"}}') or 0) >= 2,
             what="the count of refusals")
    for link in links:
        link.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")  # those that were in stayed in
        assert link.recv(4096).startswith(b"HTTP/1.1 200")
        link.close()


def test_very_many_too_many_are_closed(start_server):
    server = start_server(args=["--limit-connections", "1"])
    links = [socket.create_connection(("127.0.0.1", server.port), 20) for _ in range(66)]
    links[-1].settimeout(30)
    assert links[-1].recv(1) == b""
    links[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert links[0].recv(4096).startswith(b"HTTP/1.1 200")
    for link in links:
        link.close()


@pytest.mark.parametrize("setting, value, expected",
                         [("limit_pull_address", "fast", "600/m"), ("limit_push_account", "5/d", "600/m"),
                          ("limit_connections", "0", "off, or a number from 1"),
                          ("limit_connections_address", "-1", "off, or a number from 1")])
def test_nonsense_is_named(cli, tmp_path, setting, value, expected):
    config = tmp_path / "server.yaml"
    config.write_text(f"{setting}: {value}\n")
    told = cli("serve", "--data", tmp_path / "d", "-c", config).exits(2).stderr
    assert f"server.yaml:1:{len(setting) + 3}: " in told and expected in told
    flag = "--" + setting.replace("_", "-")
    assert expected in cli("serve", "--data", tmp_path / "d", f"{flag}={value}").exits(2).stderr
    assert not (tmp_path / "d").exists()
