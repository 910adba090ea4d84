"""The container driver on a real Podman, driven step by step; the registry may go away at any time."""

import http.server
import json
import subprocess
import threading
import urllib.request
from pathlib import Path

import pytest

from support import oci, podman, repoint

# The driver itself runs under sanitizers in the unit suite, against an engine that answers at once.
pytestmark = pytest.mark.plain

TARGET = "shop/production/web-1"
BUSYBOX = Path("/bin/busybox")


class ReadOnlyRegistry:
    """Serves images by digest, and can be shut down in the middle."""

    def __init__(self):
        self.things = {}
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/v2/":
                    return self.answer("application/json", b"{}")
                kind, data = registry.things.get(self.path, (None, None))
                if data is None:
                    return self.send_error(404)
                return self.answer(kind, data)

            do_HEAD = do_GET

            def answer(self, kind, data):
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Docker-Content-Digest", oci.sha256(data))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = "127.0.0.1:%d" % self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def put(self, image):
        for digest, data in image.blobs.items():
            self.things[f"/v2/shop/web/blobs/{digest}"] = ("application/octet-stream", data)
        for item in image.manifests():
            self.things[f"/v2/shop/web/manifests/{item.digest}"] = (item.media_type, item.manifest)
        return image

    def close(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def registry():
    running = ReadOnlyRegistry()
    yield running
    running.close()


@pytest.fixture
def podman_engine(registry):
    works, why = podman.available()
    if not works:
        pytest.skip(f"containers: {why}")
    with podman.Podman(insecure=[registry.address]) as running:
        yield running


def web_image(version, cmd=None, index=False):
    image = oci.make_image([{"bin/busybox": (BUSYBOX.read_bytes(), 0o755),
                             "www/index.html": f"version {version}\n"}],
                           cmd=cmd or ["/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/www"])
    return oci.make_index([image]) if index else image


class Target:
    def __init__(self, tmp_path, registry, engine, **options):
        self.registry, self.engine, self.state = registry, engine, tmp_path / "target"
        self.state.mkdir()
        self.port = repoint.free_port()
        self.write(**options)

    def write(self, **options):
        options = {"socket": self.engine.socket, "ports": [f"127.0.0.1:{self.port}:80"],
                   "stop_timeout": "1s", **options}
        (self.state / "options.yaml").write_text(json.dumps(options, indent=1) + "\n")

    def run(self, *steps, offline=False):
        drive = Path(repoint.binary()).parents[1] / "tests" / "unit" / "drive"
        address = ("-" if offline else "") + self.registry.address
        done = subprocess.run(
            [drive, "container", self.state / "options.yaml", address, TARGET, self.state, *steps],
            capture_output=True, text=True, timeout=120 * repoint.PATIENCE)
        assert not done.stderr, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode in (0, 1) and ("error" in lines[-1]) == (done.returncode == 1)
        return lines

    def ok(self, *steps, **kwargs):
        last = self.run(*steps, **kwargs)[-1]
        assert "error" not in last, last
        return last

    def fails(self, *steps, **kwargs):
        last = self.run(*steps, **kwargs)[-1]
        assert "error" in last, last
        return last

    def serves(self):
        url = f"http://127.0.0.1:{self.port}/"

        def look():
            try:
                return urllib.request.urlopen(url, timeout=5).read().decode().strip()
            except OSError:
                return None
        return repoint.wait_for(look, what=url)

    def containers(self):
        """name → id, running or not"""
        text = self.engine.run("ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.ID}}").stdout
        return dict(line.split() for line in text.splitlines())


@pytest.fixture
def target(tmp_path, registry, podman_engine):
    return Target(tmp_path, registry, podman_engine)


def ref(image):
    return f"shop/web@{image.digest}"


@pytest.mark.parametrize("index", [False, True], ids=["image", "index"])
def test_going_back_needs_no_pull_and_makes_nothing(target, registry, index):
    one, two = (registry.put(web_image(v, index=index)) for v in ("1", "2"))
    assert target.ok("observe")["running"] is False
    target.ok("prepare", ref(one), "prepare", ref(two))
    assert target.ok("observe")["running"] is False
    for image, text in (one, "version 1"), (two, "version 2"):
        seen = target.ok("point", ref(image), "point", ref(image), "probe", "observe")
        assert seen["running"] and seen["intact"] and seen["digest"] == image.digest, seen
        assert target.serves() == text
    before = target.containers()
    assert len(before) == 2 and all(name.startswith("repoint-shop-production-web-1-")
                                    for name in before)
    registry.close()
    target.ok("verify", ref(one), "prepare", ref(one), "point", ref(one), offline=True)
    assert target.serves() == "version 1"
    assert target.ok("observe", offline=True)["digest"] == one.digest
    assert target.containers() == before


def test_stopped_by_hand_is_seen_and_healed(target, registry):
    one = registry.put(web_image("1"))
    target.ok("prepare", ref(one), "point", ref(one))
    name = next(iter(target.containers()))
    target.engine.run("stop", "-t", "0", name)
    seen = target.ok("observe")
    assert seen["running"] is False and name in seen["detail"], seen
    assert target.fails("probe")["error"] == "unhealthy"
    target.ok("point", ref(one), "probe")
    assert target.serves() == "version 1"
    # gone altogether: prepared anew, from the image that is still there
    target.engine.run("rm", "-f", "-t", "0", name)
    assert target.fails("point", ref(one))["error"] == "not-found"
    target.ok("prepare", ref(one), "point", ref(one), offline=True)
    assert target.serves() == "version 1"


def test_what_does_not_start_leaves_the_old_one_running(target, registry):
    one, bad = registry.put(web_image("1")), registry.put(web_image("2", cmd=["/no/such/program"]))
    target.ok("prepare", ref(one), "point", ref(one), "prepare", ref(bad))
    failure = target.fails("point", ref(bad))
    assert "what ran before was started again" in failure["message"], failure["message"]
    assert target.ok("observe")["digest"] == one.digest
    assert target.serves() == "version 1"


def test_a_crash_loop_is_unhealthy(target, registry):
    bad = registry.put(web_image("1", cmd=["/bin/busybox", "false"]))
    target.ok("prepare", ref(bad), "point", ref(bad))

    def unhealthy():
        last = target.run("probe")[-1]
        return last.get("error") == "unhealthy" and last
    assert repoint.wait_for(unhealthy, what="an unhealthy probe")


def test_unknown_digest_is_told_from_the_stream(target, registry):
    one, never_pushed = registry.put(web_image("1")), web_image("2")
    target.ok("prepare", ref(one), "point", ref(one))
    failure = target.fails("prepare", ref(never_pushed))
    assert never_pushed.digest in failure["message"] and "cannot pull" in failure["message"]
    assert target.ok("observe")["digest"] == one.digest


def test_prune_removes_containers_and_images_not_kept(target, registry):
    images = [registry.put(web_image(v)) for v in "123"]
    for image in images:
        target.ok("prepare", ref(image))
    target.ok("point", ref(images[1]), "prune", images[0].digest)
    assert len(target.containers()) == 2
    target.ok("verify", ref(images[0]), "verify", ref(images[1]))
    assert target.fails("verify", ref(images[2]))["error"] == "not-found"
    left = target.engine.run("images", "--digests", "--format", "{{.Digest}}").stdout.split()
    assert sorted(set(left)) == sorted([images[0].digest, images[1].digest])
    assert target.serves() == "version 2"


def test_a_name_that_somebody_else_took(target, registry):
    one = registry.put(web_image("1"))
    target.ok("prepare", ref(one))
    name = next(iter(target.containers()))
    target.engine.run("rm", name)
    target.engine.run("create", "--name", name, f"{registry.address}/{ref(one)}")
    failure = target.fails("prepare", ref(one))
    assert failure["error"] == "conflict" and name in failure["message"], failure
    assert target.fails("point", ref(one))["error"] == "conflict"
    target.ok("prune", "-")
    assert name in target.containers()


def test_options_shape_the_container(target, registry):
    one = registry.put(web_image("1", cmd=["/bin/busybox", "true"]))
    target.write(command=["/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/data"],
                 env={"COLOUR": "blue"}, labels={"team": "shop"}, network="bridge",
                 volumes=[f"{target.state}:/data:ro"], ulimits={"nofile": "256:512", "nproc": 1024})
    (target.state / "index.html").write_text("from the volume\n")
    target.ok("prepare", ref(one), "point", ref(one))
    assert target.serves() == "from the volume"
    facts = json.loads(target.engine.run("inspect", next(iter(target.containers()))).stdout)[0]
    assert "COLOUR=blue" in facts["Config"]["Env"]
    labels = facts["Config"]["Labels"]
    assert labels["team"] == "shop" and labels["repoint.target"] == TARGET
    assert labels["repoint.digest"] == one.digest
    assert labels["repoint.repository"] == f"{registry.address}/shop/web"
    assert facts["ImageName"] == f"{registry.address}/{ref(one)}"
    limits = {limit["Name"]: (limit["Soft"], limit["Hard"])
              for limit in facts["HostConfig"]["Ulimits"]}
    assert limits["RLIMIT_NOFILE"] == (256, 512) and limits["RLIMIT_NPROC"] == (1024, 1024)


def test_no_engine(target, registry):
    target.engine.stop_service()
    failure = target.fails("observe")
    assert failure["error"] == "unreachable" and target.engine.socket in failure["message"]
