"""A thousand hosts that pull the same release in the same moment: they wait, and nobody is refused."""

import asyncio
import hashlib
import os
import resource

import pytest

from support import oci

HOSTS = 1000
WAIT = 240  # seconds, for all of them together


async def ask(address, path):
    """(status, body) over a connection of its own, as a host that was just told to pull."""
    host, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(next(line.split(":")[1] for line in head.split("\r\n") if line.lower().startswith("content-length:")))
        return int(head.split()[1]), await reader.readexactly(length)
    finally:
        writer.close()


async def pull(address, image):
    """TRUE if every byte of it came, at the first try."""
    for kind, digest in [("manifests", image.digest)] + [("blobs", digest) for digest in image.blobs]:
        status, data = await ask(address, f"/v2/shop/web/{kind}/{digest}")
        if status != 200 or "sha256:" + hashlib.sha256(data).hexdigest() != digest:
            return False
    return True


async def pull_all(address, image):
    async with asyncio.timeout(WAIT):
        return await asyncio.gather(*(pull(address, image) for _ in range(HOSTS)))


@pytest.mark.asan
def test_R33_a_thousand_hosts_at_once_are_served_and_none_is_refused(server, make_image, push):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most[1], 4 * HOSTS), most[1]))
    try:
        image = make_image([{"data": os.urandom(256 << 10)}])
        push(server, "shop/web", "1", image)
        pulled = asyncio.run(pull_all(server.address, image))
        other = make_image([{"data": "pushed after the crowd"}])
        push(server, "shop/web", "2", other)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, most)
    assert len(pulled) == HOSTS and all(pulled), f"{pulled.count(False)} of {HOSTS} hosts got no answer or a wrong one"
