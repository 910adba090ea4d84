"""A shop to break: a server with one app, and a real agent with a `dir` target behind its production."""

import os

from support import oci, repoint

APPLY = """\
app: shop
components:
  web: {{repository: shop/web}}
environments:
  - name: production
    window: {window}
    trial: {trial}
    on_failure: {on_failure}
    targets: [{{name: web-1, component: web}}]
"""


class Shop:
    """What a person has: a command line, a directory that serves, and releases 1, 2, 3 …"""

    def __init__(self, server, cli, start_agent, tmp_path, window=3, trial="10s", on_failure="stop"):
        self.server, self.cli, self.root = server, cli, tmp_path / "srv"
        cli("apply", "-f", "-",
            input=APPLY.format(window=window, trial=trial, on_failure=on_failure)).ok()
        self.agent = start_agent({
            "agent": "host-1", "server": server.url,
            "targets": [{"app": "shop", "environment": "production", "target": "web-1",
                         "driver": "dir",
                         "options": {"root": str(self.root),
                                     # healthy is what does not say otherwise
                                     "probe": {"command": ["/bin/sh", "-c",
                                                           f"test ! -e {self.root}/current/bad"],
                                               "timeout": "5s"}}}]})
        self.images = {}

    def image(self, version, bad=False):
        files = {"version": f"{version}\n", "data": os.urandom(2000)}
        if bad:
            files["bad"] = "this release is never healthy\n"
        return oci.make_image([files])

    def release(self, version, bad=False, commit=None):
        image = self.images[version] = self.image(version, bad)
        oci.push(self.server, "shop/web", version, image)
        self.cli("release", "create", "shop", "--version", version, "--component", f"web={version}",
                 "--commit", commit or oci.sha256(version.encode())[7:47]).ok()
        return image

    def deploy(self, version, rc=0, **kwargs):
        return self.cli("deploy", "shop/production", version, **kwargs).exits(rc)

    def ship(self, version, bad=False):
        self.release(version, bad)
        return self.deploy(version, rc=9 if bad else 0)

    def undo(self, *args, rc=0):
        return self.cli("rollout", "undo", "shop/production", "--yes", *args).exits(rc)

    def runs(self):
        """The version that the directory really holds."""
        return (self.root / "current" / "version").read_text().strip()

    def settles_on(self, version):
        repoint.wait_for(lambda: (self.root / "current").exists() and self.runs() == version,
                         what=f"the host running {version}")

    def history(self):
        """Newest first: dictionaries as the API has them."""
        return self.server.api("GET", "/apps/shop/environments/production/revisions")["revisions"]

    def versions(self):
        """Oldest first: the versions that production was pointed at."""
        return [revision["release"]["version"] for revision in reversed(self.history())]
