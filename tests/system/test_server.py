"""The server as a process: long polls, stopping, many connections."""

import json
import os
import random
import signal
import socket
import threading

from support import oci
from support.oci import Registry

SHOP = """
app: shop
components:
  web: {repository: shop/web}
environments:
  - name: staging
    targets:
      - {name: web-1, component: web}
"""


def apply(server, text=SHOP):
    status, _, body = server.request("POST", "/api/v1/apply?file=repoint.yaml", text.encode())
    assert status == 200, body
    return json.loads(body)["seq"]


class Poll(threading.Thread):
    """A long poll of the environment's status."""

    def __init__(self, server, after, wait_ms=60_000):
        super().__init__(daemon=True)
        self.path = f"/apps/shop/environments/staging/status?after={after}&wait_ms={wait_ms}"
        self.server, self.answer, self.error = server, None, None
        self.start()

    def run(self):
        try:
            self.answer = self.server.api("GET", self.path)
        except Exception as error:  # told to the test, which knows whether it may be
            self.error = error

    def result(self, timeout=30):
        self.join(timeout)
        assert not self.is_alive(), "the long poll was not answered"
        assert self.error is None, self.error
        return self.answer


def waiting(server):
    text = server.request("GET", "/metrics")[2].decode()
    return int(next(line for line in text.splitlines()
                    if line.startswith("repoint_http_waiting ")).split()[1])


def test_long_poll_is_woken_by_a_commit(server, wait_for):
    apply(server)
    seq = server.api("GET", "/apps/shop/environments/staging/status")["seq"]
    polls = [Poll(server, seq) for _ in range(50)]
    wait_for(lambda: waiting(server) == 50, what="50 waiting polls")
    image = oci.make_image([{"a": "1"}])
    oci.push(server, "shop/web", "1.0", image)
    server.api("POST", "/apps/shop/releases", {"version": "1.0", "components": {"web": "1.0"}})
    server.api("POST", "/apps/shop/environments/staging/revisions",
               {"kind": "deploy", "release": "1.0"})
    for poll in polls:
        answer = poll.result()
        assert answer["seq"] > seq and answer["current"]["number"] == 1
    assert waiting(server) == 0


def test_long_poll_ends_at_its_deadline(server):
    apply(server)
    seq = server.api("GET", "/apps/shop/environments/staging/status")["seq"]
    answer = Poll(server, seq, wait_ms=50).result()
    assert answer["seq"] == seq and answer["current"] is None


def test_long_poll_of_an_old_sequence_answers_at_once(server):
    apply(server)
    assert Poll(server, 0).result()["seq"] > 0


def test_stop_answers_long_polls(server, wait_for):
    apply(server)
    seq = server.api("GET", "/apps/shop/environments/staging/status")["seq"]
    polls = [Poll(server, seq) for _ in range(20)]
    wait_for(lambda: waiting(server) == 20, what="20 waiting polls")
    server.stop()
    for poll in polls:
        assert poll.result()["seq"] == seq


def test_poll_whose_client_left(server, wait_for):
    apply(server)
    seq = server.api("GET", "/apps/shop/environments/staging/status")["seq"]
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(f"GET /api/v1/apps/shop/environments/staging/status?after={seq}"
                           "&wait_ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        wait_for(lambda: waiting(server) == 1, what="a waiting poll")
    apply(server, SHOP + "      - {name: web-2, component: web}\n")
    wait_for(lambda: waiting(server) == 0, what="the poll being gone")
    assert server.request("GET", "/healthz")[0] == 200


def test_stop_lets_a_running_upload_finish(server, wait_for):
    data = os.urandom(200_000)
    path = f"/v2/a/blobs/uploads/?digest={oci.sha256(data)}"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n"
                           "Expect: 100-continue\r\n\r\n".encode())
        assert b" 100 " in connection.recv(1000)
        connection.sendall(data[:100_000])
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "finishing" in server.log_text(), what="the signal being seen")
        connection.sendall(data[100_000:])
        answer = connection.recv(4000)
        assert answer.startswith(b"HTTP/1.1 201 ") and b"Connection: close" in answer
    assert server.wait() == 0
    server.start()
    with Registry(server.address) as registry:
        assert registry.get_blob("a", oci.sha256(data)) == data


def test_sigint_stops_it_too(server):
    server.process.send_signal(signal.SIGINT)
    assert server.wait() == 0


def test_many_idle_connections(server):
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(400)]
    try:
        assert server.request("GET", "/healthz")[0] == 200
        for connection in idle:
            connection.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        for connection in idle:
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    finally:
        for connection in idle:
            connection.close()


def test_json_body_too_large(server):
    status, _, body = server.request("POST", "/api/v1/apps/shop/releases",
                                     b'{"version":"' + b"x" * (2 << 20) + b'"}')
    assert status == 413 and json.loads(body)["error"]["code"] == "too-large"


def push_and_poll(server, seed):
    """Uploads of all kinds, some cut off in the middle, until the server is gone."""
    rng = random.Random(seed)
    try:
        with Registry(server.address, timeout=20) as registry:
            while True:
                data = rng.randbytes(rng.choice((10, 5000, 700_000, 2_000_000)))
                path = f"/v2/a/blobs/uploads/?digest={oci.sha256(data)}"
                kind = rng.randrange(4)
                if kind == 0:
                    registry.request("POST", path, data)
                elif kind == 1:
                    registry.push_blob("a", data)
                elif kind == 2:
                    location = registry.request("POST", "/v2/a/blobs/uploads/", b"")[1]["location"]
                    for i in range(0, len(data), 300_000):
                        registry.request("PATCH", location, data[i:i + 300_000])
                else:
                    with socket.create_connection(("127.0.0.1", server.port)) as cut:
                        cut.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n"
                                    f"Content-Length: {len(data)}\r\n\r\n".encode()
                                    + data[:len(data) // 2])
    except (OSError, KeyError, oci.RegistryError, oci.http.client.HTTPException):
        pass  # it has stopped


def test_stop_in_the_middle_of_everything(server, wait_for):
    apply(server)
    for round_ in range(4):
        threads = [threading.Thread(target=push_and_poll, args=(server, round_ * 10 + i))
                   for i in range(5)]
        for thread in threads:
            thread.start()
        polls = [Poll(server, 1 << 40) for _ in range(5)]
        wait_for(lambda: waiting(server) == 5, what="5 waiting polls")
        server.stop()
        for thread in threads + polls:
            thread.join(30)
            assert not thread.is_alive()
        server.start()
    assert server.request("GET", "/readyz")[0] == 200
