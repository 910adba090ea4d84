"""Small OCI images and artifacts in plain Python, and a plain registry client to push them.

Everything here is deterministic: the same arguments give the same digests on every machine.
Only the standard library is used.

    image = make_image([{"app/hello": "hi\n", "bin/run": (b"#!/bin/sh\n", 0o755)}], cmd=["/bin/run"])
    image.digest, image.manifest, image.blobs            # str, bytes, {digest: bytes}
    push("127.0.0.1:5000", "shop/web", "1.0", image)
"""

import gzip
import hashlib
import http.client
import io
import json
import os
import platform as _platform
import ssl
import tarfile
import urllib.parse
from dataclasses import dataclass, field

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def canonical(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def machine():
    """This machine's architecture by its OCI name."""
    names = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
    return names.get(_platform.machine(), _platform.machine())


@dataclass
class Entry:
    """A tar member that a plain dict cannot say: a link, a device, a hostile name."""

    name: str
    data: bytes = b""
    mode: int = 0o644
    type: bytes = tarfile.REGTYPE
    linkname: str = ""
    uid: int = 0
    gid: int = 0


@dataclass
class Image:
    """A manifest (or index) with its closure. `blobs` holds config and layers of children too."""

    digest: str
    media_type: str
    manifest: bytes
    blobs: dict = field(default_factory=dict)
    children: list = field(default_factory=list)  # Image, of an index
    config_digest: str = ""
    layer_digests: list = field(default_factory=list)
    platform: dict = None

    @property
    def size(self):
        return len(self.manifest)

    @property
    def json(self):
        return json.loads(self.manifest)

    def descriptor(self):
        out = {"mediaType": self.media_type, "digest": self.digest, "size": len(self.manifest)}
        if self.platform:
            out["platform"] = self.platform
        return out

    def manifests(self):
        """Children first, this one last: the order in which a push is accepted."""
        for child in self.children:
            yield from child.manifests()
        yield self


def make_layer(files, parents=True):
    """An uncompressed tar of a dict name → bytes | str | (bytes, mode), or of a list of Entry."""
    entries = files if isinstance(files, (list, tuple)) else _entries(files, parents)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for entry in entries:
            info = tarfile.TarInfo()
            info.name = entry.name
            info.mode, info.type, info.linkname = entry.mode, entry.type, entry.linkname
            info.uid, info.gid, info.mtime = entry.uid, entry.gid, 0
            info.size = len(entry.data) if entry.type == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(entry.data) if info.size else None)
    return out.getvalue()


def _entries(files, parents):
    made = set()
    for name, content in files.items():
        if parents:
            parts = name.strip("/").split("/")[:-1]
            for i in range(len(parts)):
                directory = "/".join(parts[: i + 1])
                if directory not in made:
                    made.add(directory)
                    yield Entry(directory, type=tarfile.DIRTYPE, mode=0o755)
        if isinstance(content, Entry):
            yield content
            continue
        data, mode = content if isinstance(content, tuple) else (content, 0o644)
        yield Entry(name, data.encode() if isinstance(data, str) else data, mode)


def _pack(layer, compress, base):
    """(blob, media type, diff id) of a layer given as a dict, a list of Entry or ready-made bytes."""
    tar = bytes(layer) if isinstance(layer, (bytes, bytearray)) else make_layer(layer)
    if compress == "gzip":
        suffix = ".gzip" if base == DOCKER_LAYER else "+gzip"
        return gzip.compress(tar, 6, mtime=0), base + suffix, sha256(tar)
    return tar, base, sha256(tar)


def make_image(layers, *, cmd=None, entrypoint=None, env=None, labels=None, user=None,
               architecture=None, os_name="linux", variant=None, annotations=None,
               compress="gzip", docker=False, config=None, subject=None):
    """A runnable image. `layers`: see make_layer(); bytes are taken as a tar. `config`: bytes to use as
    they are instead of the generated one."""
    blobs, descriptors, diff_ids = {}, [], []
    for layer in layers:
        blob, media_type, diff_id = _pack(layer, compress, DOCKER_LAYER if docker else OCI_LAYER)
        blobs[sha256(blob)] = blob
        descriptors.append({"mediaType": media_type, "digest": sha256(blob), "size": len(blob)})
        diff_ids.append(diff_id)
    platform = {"architecture": architecture or machine(), "os": os_name}
    if variant:
        platform["variant"] = variant
    if config is None:
        run = {"Cmd": cmd, "Entrypoint": entrypoint, "Env": env, "Labels": labels, "User": user}
        config = canonical({
            **platform,
            "config": {key: value for key, value in run.items() if value is not None},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created_by": "make_image"} for _ in diff_ids],
        })
    return _manifest(blobs, config, DOCKER_CONFIG if docker else OCI_CONFIG, descriptors,
                     DOCKER_MANIFEST if docker else OCI_MANIFEST, annotations=annotations,
                     subject=subject, platform=platform)


def make_artifact(layers, *, artifact_type="application/vnd.repoint.files.v1", annotations=None,
                  compress="gzip", titles=None, subject=None):
    """An OCI artifact: tar layers, an empty config. What the `dir` driver unpacks."""
    blobs, descriptors = {}, []
    for i, layer in enumerate(layers):
        blob, media_type, _ = _pack(layer, compress, OCI_LAYER)
        blobs[sha256(blob)] = blob
        descriptor = {"mediaType": media_type, "digest": sha256(blob), "size": len(blob)}
        if titles:
            descriptor["annotations"] = {"org.opencontainers.image.title": titles[i]}
        descriptors.append(descriptor)
    return _manifest(blobs, b"{}", OCI_EMPTY, descriptors, OCI_MANIFEST,
                     artifact_type=artifact_type, annotations=annotations, subject=subject)


def _manifest(blobs, config, config_type, layers, media_type, *, artifact_type=None,
              annotations=None, subject=None, platform=None):
    blobs[sha256(config)] = config
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {"mediaType": config_type, "digest": sha256(config), "size": len(config)},
        "layers": layers,
    }
    if artifact_type:
        manifest["artifactType"] = artifact_type
    if annotations:
        manifest["annotations"] = annotations
    if subject:
        manifest["subject"] = subject.descriptor()
    raw = canonical(manifest)
    return Image(sha256(raw), media_type, raw, blobs, config_digest=sha256(config),
                 layer_digests=[layer["digest"] for layer in layers], platform=platform)


def make_index(images, *, annotations=None, docker=False, subject=None):
    """A multi-platform index of images (or of further indexes)."""
    index = {
        "schemaVersion": 2,
        "mediaType": DOCKER_LIST if docker else OCI_INDEX,
        "manifests": [image.descriptor() for image in images],
    }
    if annotations:
        index["annotations"] = annotations
    if subject:
        index["subject"] = subject.descriptor()
    raw = canonical(index)
    blobs = {}
    for image in images:
        blobs.update(image.blobs)
    return Image(sha256(raw), index["mediaType"], raw, blobs, children=list(images))


def write_layout(image, directory, tag):
    """Writes an OCI image layout, for `skopeo copy oci:DIR:TAG …`."""
    blob_dir = os.path.join(directory, "blobs", "sha256")
    os.makedirs(blob_dir, exist_ok=True)
    everything = dict(image.blobs)
    everything.update({item.digest: item.manifest for item in image.manifests()})
    for digest, data in everything.items():
        with open(os.path.join(blob_dir, digest.split(":")[1]), "wb") as out:
            out.write(data)
    entry = {**image.descriptor(), "annotations": {"org.opencontainers.image.ref.name": tag}}
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
    with open(os.path.join(directory, "oci-layout"), "w") as out:
        out.write('{"imageLayoutVersion":"1.0.0"}')
    with open(os.path.join(directory, "index.json"), "w") as out:
        json.dump(index, out)


class RegistryError(Exception):
    def __init__(self, what, status, body):
        super().__init__(f"{what}: HTTP {status}: {body[:2000].decode('utf-8', 'replace')}")
        self.status, self.body = status, body

    @property
    def code(self):
        """The first distribution-spec error code, or ''."""
        try:
            return json.loads(self.body)["errors"][0]["code"]
        except (ValueError, LookupError, TypeError):
            return ""


class Registry:
    """One connection to a registry at `address` (host:port, http://host:port, or https:// with `ca`, a file), with a
    bearer's `token` if given."""

    def __init__(self, address, timeout=120, token=None, ca=None):
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.address = address.split("://")[-1].rstrip("/")
        self.timeout = timeout
        if address.startswith("https://"):
            self.connection = http.client.HTTPSConnection(self.address, timeout=timeout,
                                                          context=ssl.create_default_context(cafile=ca))
        else:
            self.connection = http.client.HTTPConnection(self.address, timeout=timeout)

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def request(self, method, path, body=None, headers=None):
        """(status, headers with lower-case names, body). Never raises for a status."""
        if "://" in path:
            parts = urllib.parse.urlsplit(path)
            path = parts.path + ("?" + parts.query if parts.query else "")
        try:
            self.connection.request(method, path, body=body, headers={**self.headers, **(headers or {})})
            reply = self.connection.getresponse()
            data = reply.read()
        except Exception:
            self.connection.close()
            raise
        return reply.status, {k.lower(): v for k, v in reply.getheaders()}, data

    def expect(self, what, wanted, method, path, body=None, headers=None):
        status, head, data = self.request(method, path, body, headers)
        if status not in wanted:
            raise RegistryError(what, status, data)
        return status, head, data

    def has_blob(self, repository, digest):
        return self.request("HEAD", f"/v2/{repository}/blobs/{digest}")[0] == 200

    def push_blob(self, repository, data, digest=None):
        digest = digest or sha256(data)
        _, head, _ = self.expect("start of upload", (202,), "POST",
                                 f"/v2/{repository}/blobs/uploads/", b"")
        location = head["location"]
        location += ("&" if "?" in location else "?") + "digest=" + urllib.parse.quote(digest)
        self.expect(f"upload of {digest}", (201,), "PUT", location, data,
                    {"Content-Type": "application/octet-stream"})
        return digest

    def push_manifest(self, repository, reference, data, media_type):
        _, head, _ = self.expect(f"manifest {repository}:{reference}", (201,), "PUT",
                                 f"/v2/{repository}/manifests/{reference}", data,
                                 {"Content-Type": media_type})
        return head.get("docker-content-digest")

    def get_manifest(self, repository, reference):
        accept = ", ".join((OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST))
        return self.expect(f"manifest {repository}:{reference}", (200,), "GET",
                           f"/v2/{repository}/manifests/{reference}", headers={"Accept": accept})[2]

    def get_blob(self, repository, digest):
        return self.expect(f"blob {digest}", (200,), "GET",
                           f"/v2/{repository}/blobs/{digest}")[2]

    def push(self, repository, tag, image):
        for digest, data in image.blobs.items():
            if not self.has_blob(repository, digest):
                self.push_blob(repository, data, digest)
        for item in image.manifests():
            reference = tag if tag and item is image else item.digest
            self.push_manifest(repository, reference, item.manifest, item.media_type)
        return image.digest


def push(server, repository, tag, image):
    """Pushes an image and all below it, as `tag` or, with None, by digest only; returns the digest.
    `server`: an address, or anything with a `.url`."""
    with Registry(getattr(server, "url", server), ca=getattr(server, "ca", None)) as registry:
        return registry.push(repository, tag, image)
