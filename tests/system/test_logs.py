"""The access log and the formats of the log."""

import base64
import fcntl
import json
import os
import re
import shlex
import signal
import socket

import pytest

from support import oci, repoint

SECRET = "s3cr3t-hunter2"


def entries(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def metric(server, name):
    text = server.request("GET", "/metrics")[2].decode()
    return int(next(line for line in text.splitlines() if line.startswith(name + " ")).rsplit(" ", 1)[1])


@pytest.fixture
def logged(start_server, tmp_path):
    path = tmp_path / "access"
    return start_server(args=["--access-log", path, "--log-format", "json"]), path


def test_one_line_a_request(logged, wait_for):
    server, path = logged
    data = os.urandom(100_000)
    status, headers, _ = server.request("POST", f"/v2/a/b/blobs/uploads/?digest={oci.sha256(data)}", data,
                                        {"X-Request-Id": "build-77/push", "User-Agent": "a \"client\"\t1"})
    assert status == 201 and headers["x-request-id"] == "build-77/push"
    assert server.request("HEAD", f"/v2/a/b/blobs/{oci.sha256(data)}")[0] == 200
    assert server.request("GET", f"/v2/a/b/blobs/{oci.sha256(data)}")[2] == data
    _, headers, _ = server.request("GET", "/nowhere", headers={"X-Request-Id": "not sane; \"id\""})
    wait_for(lambda: path.read_text().count("\n") == 4, what="four lines")
    by = {(entry["method"], entry["path"].split("/")[1] + str(entry["status"])): entry for entry in entries(path)}
    push, head, get, nowhere = (by[key] for key in (("POST", "v2201"), ("HEAD", "v2200"), ("GET", "v2200"),
                                                    ("GET", "nowhere404")))
    assert {key: push[key] for key in ("method", "path", "status", "received", "client", "account", "end",
                                       "request_id")} == {
        "method": "POST", "path": "/v2/a/b/blobs/uploads/", "status": 201, "received": 100_000,
        "client": "127.0.0.1", "account": "", "end": "whole", "request_id": "build-77/push"}
    assert push["agent"] == "a \"client\" 1" and push["duration_us"] > 0
    assert (head["method"], head["sent"], get["method"], get["sent"]) == ("HEAD", 0, "GET", 100_000)
    assert nowhere["status"] == 404 and nowhere["request_id"] == headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]+-[0-9a-f]{4}", nowhere["request_id"])
    assert os.stat(path).st_mode & 0o777 & ~0o640 == 0
    for line in server.log_text().splitlines():  # the log itself has the same format
        assert set(json.loads(line)) == {"time", "level", "area", "message"}


@pytest.mark.parametrize("form", ["text", "json", "logfmt"])
def test_never_a_secret_and_never_a_forged_line(start_server, tmp_path, cli, wait_for, form):
    path = tmp_path / "access"
    server = start_server(start=False, args=["--access-log", path, "--log-format", form, "-v"])
    cli("account", "add", "ana", "--allow", "administer", "--data", server.data, "--password-stdin",
        input=SECRET + "\n").ok()
    server.start()
    basic = base64.b64encode(f"ana:{SECRET}".encode()).decode()
    tokens = [basic, SECRET]
    status, _, body = server.request("GET", "/v2/token?service=repoint&scope=repository:a:pull&secret=" + SECRET,
                                     headers={"Authorization": "Basic " + basic})
    assert status == 200, body
    tokens.append(json.loads(body)["token"])
    server.request("GET", f"/v2/?access_token={tokens[-1]}", headers={"Authorization": f"Bearer {tokens[-1]}"})
    server.request("GET", "/v2/", headers={"Authorization": "Bearer " + SECRET})
    server.request("GET", "/%0a%1b[31m\"x\"%20status=200", headers={"User-Agent": "x\tstatus=200 \xe9"})
    assert server.request("GET", f"/api/v1/apps?token={SECRET}", headers={"Authorization": "Basic " + basic})[0] == 200
    wait_for(lambda: path.read_text().count("\n") == 5, what="five lines")
    told = path.read_text() + server.log_text()
    for secret in tokens:
        assert secret not in told
    if form == "json":
        assert [entry["account"] for entry in entries(path) if entry["path"] == "/api/v1/apps"] == ["ana"]
    elif form == "logfmt":
        fields = [dict(word.partition("=")[::2] for word in shlex.split(line))
                  for line in path.read_text().splitlines()]
        assert {(line["account"], line["status"]) for line in fields} >= {("ana", "200"), ("", "404")}
    else:
        assert re.search(r"Z 127\.0\.0\.1 ana GET /api/v1/apps 200 0 \d+ \d+ whole ", path.read_text())


def test_a_client_that_leaves_is_in_the_log(logged, wait_for):
    server, path = logged
    with socket.create_connection(("127.0.0.1", server.port)) as link:
        link.sendall(b"POST /v2/a/blobs/uploads/?digest=sha256:" + b"0" * 64
                     + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nhalf")
        wait_for(lambda: metric(server, "repoint_uploads_receiving") == 1, what="the upload")
    wait_for(lambda: any(entry["end"] == "cut" and entry["method"] == "POST" for entry in entries(path)),
             what="the line")


def test_answers_that_are_ready_have_lines_and_names_too(start_server, tmp_path, wait_for, make_image, push):
    config = tmp_path / "server.yaml"
    config.write_text("verbose: true\n")
    server = start_server(args=["-c", config])
    push(server, "shop/web", "1.0", make_image([{"a": "1"}]))
    for number in range(8):  # without a name: kept, for every event loop
        assert server.request("GET", "/v2/shop/web/manifests/1.0")[0] == 200
    answer = server.request("GET", "/v2/shop/web/manifests/1.0", headers={"X-Request-Id": "mine"})
    assert answer[1]["x-request-id"] == "mine"
    assert "x-request-id" not in server.request("GET", "/v2/shop/web/manifests/1.0")[1]
    config.write_text(f"access_log: {tmp_path}/access\nlog_format: json\n")
    os.kill(server.pid, signal.SIGHUP)
    wait_for(lambda: "reloaded" in server.log_text(), what="the reload")
    for _ in range(8):
        assert server.request("GET", "/v2/shop/web/manifests/1.0")[0] == 200
    wait_for(lambda: len(entries(tmp_path / "access")) == 8, what="eight lines")


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_rotation(logged, wait_for, number):
    server, path = logged
    server.request("GET", "/healthz")
    wait_for(lambda: len(entries(path)) == 1, what="a line")
    old = path.rename(path.with_suffix(".1"))
    server.request("GET", "/readyz")
    wait_for(lambda: len(entries(old)) == 2, what="a line in the old file")
    os.kill(server.pid, number)
    wait_for(path.exists, what="the new file")
    server.request("GET", "/healthz")
    wait_for(lambda: len(entries(path)) == 1, what="a line in the new file")
    assert len(entries(old)) == 2


def test_a_full_disk_loses_lines_and_no_request(start_server):
    server = start_server(args=["--access-log", "/dev/full"])
    for _ in range(50):
        assert server.request("GET", "/healthz")[0] == 200
    repoint.wait_for(lambda: metric(server, 'repoint_log_dropped_total{log="access"}') >= 50, what="the count")
    assert server.log_text().count("lines of the access log are lost") == 1


def ask(server, path, count, batch=250):
    """`count` requests over one connection, each of them answered."""
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port), 60 * repoint.PATIENCE) as link:
        for start in range(0, count, batch):
            now, text = min(batch, count - start), b""
            link.sendall(request * now)
            while text.count(b"ok\n") < now:
                piece = link.recv(1 << 20)
                assert piece, "the server ended the connection"
                text += piece


def read_until(fd, found, enough, wait_for):
    """Adds what comes out of a pipe to `found` until that is `enough`."""
    def more():
        try:
            while not enough(found) and (piece := os.read(fd, 1 << 16)):
                found.extend(piece)
        except BlockingIOError:
            pass
        return enough(found)
    wait_for(more, 60, what="what was written to the pipe")


def test_a_reader_that_sleeps_holds_nothing_up(start_server, tmp_path, wait_for):
    queue, pipe_bytes, line_bytes = 16384, 65536, 80  # lines that wait; what the pipe holds; no line is shorter
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, pipe_bytes)
    dropped = 'repoint_log_dropped_total{log="access"}'
    try:
        server = start_server(args=["--access-log", pipe])
        count = queue + 1500
        ask(server, "/healthz", count)  # more than queue and pipe can hold
        assert metric(server, dropped) >= count - queue - pipe_bytes // line_bytes - 1
        # it wakes: every line that is not there was counted
        text = bytearray()
        read_until(reader, text, lambda text: text.count(b"\n") > 1000, wait_for)  # so that there is room for one
        assert server.request("GET", "/awake")[0] == 404
        read_until(reader, text, lambda text: b"/awake" in text and text.endswith(b"\n"), wait_for)
        lines = bytes(text).splitlines()
        lost = metric(server, dropped)
        assert len(lines) == count + 2 - lost
        assert all(len(line) >= line_bytes and b" GET /" in line for line in lines)
        ask(server, "/healthz", 100)  # it sleeps again
        server.stop()  # nor the stop
    finally:
        os.close(reader)


def test_a_place_that_cannot_be_opened(start_server, cli, tmp_path, wait_for):
    cli("serve", "--data", tmp_path / "d", "--access-log", tmp_path / "no" / "where").exits(1)
    cli("serve", "--data", tmp_path / "d", "--log-format", "xml").exits(2)
    config = tmp_path / "server.yaml"
    config.write_text(f"access_log: {tmp_path}/one\n")
    server = start_server(args=["-c", config])
    config.write_text(f"access_log: {tmp_path}/no/where\n")
    os.kill(server.pid, signal.SIGHUP)
    wait_for(lambda: "stays where it was" in server.log_text(), what="the complaint")
    server.request("GET", "/healthz")
    wait_for(lambda: "/healthz" in (tmp_path / "one").read_text(), what="the line")
