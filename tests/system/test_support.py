"""The tests' own tools: images are deterministic, and a finding in a log is found."""

import gzip
import io
import json
import tarfile

import pytest

from support import oci, repoint


def test_images_are_deterministic(make_image):
    layers = [{"b/run": (b"#!/bin/sh\n", 0o755), "a": "text"}]
    one, two = make_image(layers, cmd=["/b/run"]), make_image(layers, cmd=["/b/run"])
    assert one.digest == two.digest == oci.sha256(one.manifest)
    assert make_image(layers, cmd=["/other"]).digest != one.digest


def test_layers_hold_what_was_given(make_image):
    image = make_image([{"d/run": (b"x", 0o755)}])
    blob = image.blobs[image.layer_digests[0]]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob))) as tar:
        assert [(m.name, oct(m.mode)) for m in tar] == [("d", "0o755"), ("d/run", "0o755")]
        assert tar.extractfile("d/run").read() == b"x"


def test_config_names_the_uncompressed_layer(make_image):
    image = make_image([{"f": "x"}])
    config = json.loads(image.blobs[image.config_digest])
    layer = gzip.decompress(image.blobs[image.layer_digests[0]])
    assert config["rootfs"]["diff_ids"] == [oci.sha256(layer)]


def test_index_closure_lists_children_first(make_image):
    children = [make_image([{"f": arch}], architecture=arch) for arch in ("amd64", "arm64")]
    index = oci.make_index(children)
    assert [m.digest for m in index.manifests()] == [c.digest for c in children] + [index.digest]
    assert [m["platform"]["architecture"] for m in index.json["manifests"]] == ["amd64", "arm64"]


@pytest.mark.parametrize("text", [
    "==1==ERROR: AddressSanitizer: heap-use-after-free",
    "WARNING: ThreadSanitizer: data race (pid=1)",
    "src/base/digest.c:12:3: runtime error: shift exponent 64 is too large",
    "==9==ERROR: LeakSanitizer: detected memory leaks",
    "(repoint:12): GLib-CRITICAL **: 10:00:00.000: g_strdup: assertion 'x' failed",
])
def test_findings_are_found(tmp_path, text):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "server.log").write_text("all well\n")
    assert repoint.findings(tmp_path) == []
    log = tmp_path / "deep" / "other.log"
    log.write_text(text + "\n")
    assert len(repoint.findings(tmp_path)) == 1
    log.unlink()


def test_result_tells_the_unexpected_status():
    result = repoint.Result(["ready"], 6, "out", "err")
    assert result.exits(6) is result
    with pytest.raises(AssertionError, match="exit 6, expected 0"):
        result.ok()


def test_an_engine_is_started_once(engine):
    """The first one would have nobody left who could stop it."""
    with pytest.raises(RuntimeError, match="runs already"):
        engine.start()
    assert engine.process.poll() is None
