"""TLS: real clients, certificates that change while the server runs, and certificates that are wrong."""

import base64
import http.server
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from guarded import PASSWORD
from shop import Shop
from support import oci, repoint, tls


@pytest.fixture
def server(authority, start_server):
    cert, key = authority.issue()
    made = start_server(args=["--tls-cert", cert, "--tls-key", key], start=False)
    made.ca = str(authority.path)
    return made.start()


@pytest.fixture
def trusting(cli, server):
    def run(*args, **kwargs):
        return cli(*args, env={"REPOINT_CA_FILE": server.ca, **kwargs.pop("env", {})}, **kwargs)
    return run


def shown(server, version=None):
    """The certificate that a new connection is shown."""
    context = ssl.create_default_context(cafile=server.ca)
    if version:
        context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", server.port), 20) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as link:
            return link.getpeercert(True)


def client(program, *args, env=None, check=True):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    done = subprocess.run([program, *map(str, args)], capture_output=True, text=True, timeout=180,
                          env={**os.environ, **(env or {})})
    assert not check or done.returncode == 0, done.stderr
    return done


def test_tls_12_and_13_and_nothing_older(server):
    for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
        assert shown(server, version)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(server.ca)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.options |= ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3
    with socket.create_connection(("127.0.0.1", server.port), 20) as plain, pytest.raises(OSError):
        old.wrap_socket(plain, server_hostname="127.0.0.1")


def test_large_bodies_both_ways(server, trusting, tmp_path):
    data = os.urandom(10 * 1024 * 1024)
    with oci.Registry(server.url, ca=server.ca) as link:
        digest = link.push_blob("shop/web", data)
        status, _, back = link.request("GET", f"/v2/shop/web/blobs/{digest}")
        assert status == 200 and back == data
        status, _, part = link.request("GET", f"/v2/shop/web/blobs/{digest}", headers={"Range": "bytes=7-70000"})
        assert status == 206 and part == data[7:70001]
        # One that is refused is read to its end and answered, and the connection goes on.
        status, _, answer = link.request("POST", "/api/v1/apps", b"x" * (10 * 1024 * 1024))
        assert status in (404, 405, 413), answer
        assert link.request("GET", "/healthz")[0] == 200
    (tmp_path / "big").write_bytes(data)
    trusting("artifact", "push", "shop/big:1", "big").ok()
    trusting("artifact", "pull", "shop/big:1", "out", "--unpack").ok()
    assert (tmp_path / "out" / "big").read_bytes() == data


def test_an_upload_whose_client_went_away_is_let_go(server, wait_for):
    with oci.Registry(server.url, ca=server.ca) as link:
        _, head, _ = link.request("POST", "/v2/shop/web/blobs/uploads/", b"")
        path = head["location"]
        link.connection.putrequest("PATCH", path)
        link.connection.putheader("Content-Length", str(50_000_000))
        link.connection.endheaders()
        link.connection.send(b"x" * 3_000_000)
    with oci.Registry(server.url, ca=server.ca) as link:
        def goes_on():
            status, head, _ = link.request("GET", path)
            if status != 204:
                return False
            begin = int(head.get("range", "0-0").split("-")[1]) + 1
            return link.request("PATCH", path, b"more", {"Content-Range": f"{begin}-{begin + 3}"})[0] == 202
        wait_for(goes_on, 30, "the upload being free again")


def test_skopeo_and_curl(server, authority, tmp_path):
    image = oci.make_image([{"a": os.urandom(3_000_000)}, {"b": "2"}], cmd=["/a"])
    oci.write_layout(image, tmp_path / "layout", "v")
    place, certs = f"docker://{server.address}/shop/web:1.0", tmp_path / "certs"
    certs.mkdir()
    refused = client("skopeo", "copy", "--dest-cert-dir", certs, f"oci:{tmp_path}/layout:v", place, check=False)
    assert refused.returncode != 0 and "certificate" in refused.stderr
    shutil.copy(authority.path, certs / "ca.crt")
    client("skopeo", "copy", "--dest-cert-dir", certs, f"oci:{tmp_path}/layout:v", place)
    assert json.loads(client("skopeo", "inspect", "--cert-dir", certs, place).stdout)["Digest"] == image.digest
    client("skopeo", "copy", "--src-cert-dir", certs, place, f"dir:{tmp_path}/back")
    assert client("curl", "-fsS", "--cacert", authority.path, f"{server.url}/v2/").stdout
    assert client("curl", "-fsS", f"{server.url}/v2/", check=False).returncode == 60


def test_podman_logs_in_where_the_realm_is_https(server, authority, engine, trusting, tmp_path):
    trusting("account", "add", "ada", "--allow", "administer", "--password-stdin", input="correct horse battery").ok()
    certs = tmp_path / "certs"
    certs.mkdir()
    shutil.copy(authority.path, certs / "ca.crt")
    engine.trust([])  # no plain HTTP
    auth = ("--authfile", str(tmp_path / "auth.json"), "--cert-dir", str(certs))
    engine.run("login", *auth, "-u", "ada", "-p", "correct horse battery", server.address)
    image = oci.make_image([{"a": "1"}], cmd=["/a"])
    oci.write_layout(image, tmp_path / "layout", "v")
    client("skopeo", "copy", "--dest-authfile", tmp_path / "auth.json", "--dest-cert-dir", certs,
           f"oci:{tmp_path}/layout:v", f"docker://{server.address}/shop/web:1.0")
    engine.run("pull", *auth, f"{server.address}/shop/web:1.0")


def test_agent_follows_and_goes_back_over_tls(server, trusting, start_agent, tmp_path):
    def start(config):
        return start_agent({**config, "ca_file": server.ca})
    shop = Shop(server, trusting, start, tmp_path)
    shop.ship("1.0")
    shop.ship("1.1")  # by its long poll, which the agent is in
    shop.undo()
    assert (tmp_path / "srv" / "current" / "version").read_text() == "1.0\n"
    server.stop()  # its long poll is answered, or this would fail
    server.start()
    shop.ship("1.2")


# ---- certificates that change ----

def test_a_new_pair_is_taken_up_and_no_connection_is_lost(server, authority, wait_for):
    before = shown(server)
    with oci.Registry(server.url, ca=server.ca) as link:
        digest = link.push_blob("shop/web", os.urandom(5_000_000))
        _, head, _ = link.request("POST", "/v2/shop/web/blobs/uploads/", b"")
        link.connection.putrequest("PATCH", head["location"])
        link.connection.putheader("Content-Length", "2000000")
        link.connection.endheaders()
        link.connection.send(b"a" * 1_000_000)
        authority.issue()
        wait_for(lambda: shown(server) != before, 20, "the new certificate")
        link.connection.send(b"b" * 1_000_000)
        reply = link.connection.getresponse()
        reply.read()
        assert reply.status == 202
        assert link.request("GET", f"/v2/shop/web/blobs/{digest}")[0] == 200


def test_new_pairs_under_load(server, authority):
    """Requests on old and new connections go on while the pair changes many times."""
    failures, done = [], threading.Event()

    def ask():
        try:
            while not done.is_set():
                with oci.Registry(server.url, ca=server.ca) as link:
                    for _ in range(3):
                        assert link.request("GET", "/healthz")[0] == 200
        except Exception as problem:  # whatever it is, it is lost
            failures.append(problem)
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        authority.issue()
        os.kill(server.pid, signal.SIGHUP)
        shown(server)
    done.set()
    for thread in threads:
        thread.join()
    assert not failures, failures


def test_sighup_reads_again(server, authority, wait_for):
    reads = server.log_text().count("shows the certificate")
    os.kill(server.pid, signal.SIGHUP)
    wait_for(lambda: server.log_text().count("shows the certificate") == reads + 1, 20, "reading again")
    assert server.running


@pytest.mark.parametrize("damage", ["no-key", "wrong-key", "no-pem", "expired", "gone"])
def test_a_broken_pair_is_refused_and_the_old_one_serves(server, authority, wait_for, damage):
    before = shown(server)
    cert, key = authority.dir / "server.crt", authority.dir / "server.key"
    if damage == "no-key":
        key.write_text("")
    elif damage == "wrong-key":
        shutil.copy(authority.issue("other")[1], key)
    elif damage == "no-pem":
        cert.write_bytes(os.urandom(3000))
    elif damage == "expired":
        authority.issue(days=-1)
    else:
        cert.unlink()
    wait_for(lambda: "the new pair is refused" in server.log_text(), 20, "a line about it")
    assert shown(server) == before
    cert.touch()
    authority.issue()
    wait_for(lambda: shown(server) != before, 20, "the repaired pair")


@pytest.mark.parametrize("args, told", [
    (["--tls-cert", "{cert}"], "--tls-key"),
    (["--tls-cert", "{cert}", "--tls-key", "/nowhere.key"], "/nowhere.key"),
    (["--tls-cert", "{cert}", "--tls-key", "{other}"], "cannot be used"),
])
def test_no_start_with_a_broken_pair(cli, authority, tmp_path, args, told):
    cert, other = authority.issue()[0], authority.issue("other")[1]
    args = [arg.format(cert=cert, other=other) for arg in args]
    refused = cli("serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0", *args)
    assert refused.rc != 0 and told in refused.stderr


# ---- clients that must not trust ----

def test_who_does_not_know_the_authority_is_told_what_to_do(server, cli, tmp_path):
    assert "--ca-file" in cli("app", "list").exits(7).stderr
    cli("app", "list", "--ca-file", server.ca).ok()
    (tmp_path / "no.pem").write_text("nothing\n")
    assert "no.pem" in cli("app", "list", "--ca-file", "no.pem").exits(7).stderr
    began = time.monotonic()
    assert "--ca-file" in cli("tag", "ls", "shop/web").exits(7).stderr  # the registry's client, without retrying
    assert time.monotonic() - began < 60 * repoint.PATIENCE
    for name in "test authority", "somebody else":  # the same name with another key, too
        other = tls.Authority(tmp_path / name, name)
        assert "--ca-file" in cli("app", "list", "--ca-file", other.path).exits(7).stderr


@pytest.mark.parametrize("how, told", [({"days": -1}, "has expired"), ({"address": "127.0.0.2"}, "another name")])
def test_expired_and_misnamed_certificates(authority, start_server, cli, how, told):
    cert, key = authority.issue(**how)
    server = start_server(args=["--tls-cert", cert, "--tls-key", key])
    server.ca = str(authority.path)
    refused = cli("app", "list", "--ca-file", authority.path, server=server).exits(7)
    assert told in refused.stderr


def test_schemes_mixed_up(server, start_server, cli):
    assert "https://" in cli("app", "list", server=server.url.replace("https", "http")).exits(7).stderr
    plain = start_server("plain")
    assert "http://" in cli("app", "list", server=plain.url.replace("http", "https")).exits(7).stderr


class Front(http.server.BaseHTTPRequestHandler):
    """A registry that sends whoever asks to another host for a ticket, as Docker Hub does: what comes with one it hands on."""

    protocol_version = "HTTP/1.1"

    def hand_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with oci.Registry(self.server.behind.url, ca=self.server.behind.ca) as link:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
            status, head, data = link.request(self.command, self.path, body or None, headers)
        self.server.seen.append((self.path, status))
        self.send_response(status)
        for name, value in head.items():
            if name.lower() not in ("content-length", "connection", "date", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", head.get("content-length", "0") if self.command == "HEAD" else str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = hand_on

    def log_message(self, *args):
        pass


@pytest.fixture
def front(authority, start_server, cli, tmp_path):
    """(it, a token); it speaks HTTP, as what is on loopback does, and who gives the tickets TLS."""
    cert, key = authority.issue()
    cli("account", "add", "ada", "--allow", "administer", "--password-stdin", "--data", tmp_path / "guarded",
        input=PASSWORD + "\n").ok()
    token = cli("token", "create", "ada", "--data", tmp_path / "guarded").ok().stdout.strip()
    behind = start_server(data=tmp_path / "guarded", name="guarded", args=["--tls-cert", cert, "--tls-key", key], start=False)
    behind.ca = str(authority.path)
    behind.start()
    link = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Front)
    link.daemon_threads, link.behind, link.seen = True, behind, []
    threading.Thread(target=link.serve_forever, args=(0.05,), daemon=True).start()
    yield link, token
    link.shutdown()
    link.server_close()


def test_a_ticket_from_another_host_is_asked_for_with_the_same_authority(front, server, trusting, cli, tmp_path):
    link, token = front
    address = f"127.0.0.1:{link.server_address[1]}"
    image = oci.make_image([{"a": "1"}])
    with oci.Registry(server.url, ca=server.ca) as here:
        here.push("shop/web", "1.0", image)
    auth = tmp_path / "auth.json"
    auth.write_text(json.dumps({"auths": {address: {"auth": base64.b64encode(f"ada:{token}".encode()).decode()}}}))
    env = {"REGISTRY_AUTH_FILE": str(auth), "HOME": str(tmp_path)}
    trusting("artifact", "cp", "shop/web:1.0", f"{address}/shop/web:1.0", env=env).ok()
    statuses = [status for _, status in link.seen]
    assert 401 in statuses and 201 in statuses
    assert not any(path.startswith("/v2/token") for path, _ in link.seen)  # that was asked of the other host
    seen = trusting("artifact", "inspect", f"{address}/shop/web:1.0", "-o", "json", env=env).ok().json
    assert seen["digest"] == image.digest
    blind = cli("artifact", "inspect", f"{address}/shop/web:1.0", env=env, server=server).exits(7)
    assert link.behind.url in blind.stderr and "--ca-file" in blind.stderr, blind.stderr
