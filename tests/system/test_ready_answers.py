"""Answers to manifests that are kept, headers and all, and sent again: nobody may tell the difference."""

import http.client

import pytest

from support import oci

ACCEPT = {"Accept": oci.OCI_MANIFEST}


class Link:
    """One connection, so that one event loop answers; it fails if the server closes it."""

    def __init__(self, server):
        host, port = server.address.rsplit(":", 1)
        self.http = http.client.HTTPConnection(host, int(port), timeout=30)
        self.http.connect()
        self.socket = self.http.sock

    def ask(self, method, path, headers=None, body=None):
        assert self.http.sock is self.socket, "the connection was not kept"
        self.http.request(method, path, body, {**ACCEPT, **(headers or {})})
        answer = self.http.getresponse()
        data = answer.read()
        head = {k.lower(): v for k, v in answer.getheaders() if k.lower() != "date"}
        return answer.status, head, data


@pytest.fixture
def link(server):
    link = Link(server)
    yield link
    link.http.close()


@pytest.fixture
def image(make_image):
    return make_image([{"version": "1"}])


def path_of(image):
    return f"/v2/shop/web/manifests/{image.digest}"


def count(server, status):
    text = server.request("GET", "/metrics")[2].decode()
    return sum(int(line.split()[-1]) for line in text.splitlines()
               if line.startswith("repoint_http_requests_total{method=\"GET\"") and
               "manifests/{reference}" in line and f'status="{status}"' in line)


def test_the_same_answer_again_over_one_connection(server, link, image, push):
    push(server, "shop/web", "v", image)
    path = path_of(image)
    first = link.ask("GET", path)
    assert first[0] == 200 and first[2] == image.manifest
    for _ in range(3):
        assert link.ask("GET", path) == first
        assert link.ask("HEAD", path) == (200, first[1], b"")


def test_a_condition_is_still_looked_at(server, link, image, push):
    push(server, "shop/web", "v", image)
    path = path_of(image)
    etag = [link.ask("GET", path) for _ in range(2)][1][1]["etag"]
    assert link.ask("GET", path, {"If-None-Match": etag})[0] == 304
    assert link.ask("HEAD", path, {"If-None-Match": etag})[0] == 304
    assert link.ask("GET", path, {"If-None-Match": '"another"'})[0] == 200


def test_another_method_is_another_matter(server, link, image, push):
    push(server, "shop/web", "v", image)
    path = path_of(image)
    for _ in range(2):
        assert link.ask("GET", path)[0] == 200
    assert link.ask("POST", path)[0] == 405
    assert link.ask("GET", path, body=b"a body that nobody wants")[0] == 200
    assert link.ask("GET", path)[2] == image.manifest


def test_what_is_deleted_is_gone_at_once(server, link, image, push):
    push(server, "shop/web", "v", image)
    path = path_of(image)
    for _ in range(2):
        assert link.ask("GET", path)[0] == 200
    assert link.ask("DELETE", path)[0] == 202
    assert link.ask("GET", path)[0] == 404
    assert link.ask("HEAD", path)[0] == 404


def test_a_tag_that_moves_is_followed_at_once(server, link, image, make_image, push):
    server.api("PUT", "/repositories/policies/shop%2Fweb", {"tag_mutability": "MUTABLE"}, expect=200)
    push(server, "shop/web", "v", image)
    other = make_image([{"version": "2"}])
    for _ in range(2):
        assert link.ask("GET", "/v2/shop/web/manifests/v")[2] == image.manifest
    push(server, "shop/web", "v", other)
    assert link.ask("GET", "/v2/shop/web/manifests/v")[2] == other.manifest


def test_the_first_account_shuts_the_door_at_once(server, link, image, push):
    push(server, "shop/web", "v", image)
    path = path_of(image)
    for _ in range(2):
        assert link.ask("GET", path)[0] == 200
    server.api("POST", "/accounts", {"account": "ada", "password": "correct horse battery",
                                     "allow": ["administer"]})
    assert link.ask("GET", path)[0] == 401
    assert link.ask("HEAD", path)[0] == 401


def test_all_are_counted(server, link, image, push):
    push(server, "shop/web", "v", image)
    before = count(server, 200)
    for _ in range(5):
        link.ask("GET", path_of(image))
    link.ask("HEAD", path_of(image))
    assert count(server, 200) == before + 6
