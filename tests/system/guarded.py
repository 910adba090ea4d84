"""A server that asks who comes, and what one does with it."""

import base64

from support import oci

PASSWORD = "correct horse battery"


def basic(account, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{account}:{password}".encode()).decode()}


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


class Guarded:
    """A server with the administrator `ada`, and a command line that is logged in as her."""

    def __init__(self, start_server, cli, tmp_path, args=(), ca=None):
        """`ca`: who vouches for the server, if `args` make it speak TLS."""
        self.tmp, self._cli = tmp_path, cli
        self.data = tmp_path / "server"
        self.cli("account", "add", "ada", "--allow", "administer", "--password-stdin", "--data", self.data,
                 input=PASSWORD + "\n", server="http://127.0.0.1:1").ok()
        self.server = start_server(data=self.data, args=args, start=False)
        self.server.ca = ca
        self.server.start()
        self.token = self.issue("ada")

    def cli(self, *args, token=None, server=None, home="home", **kwargs):
        env = {"XDG_CONFIG_HOME": str(self.tmp / home), **({"REPOINT_TOKEN": token} if token else {})}
        return self._cli(*args, env=env, server=server or self.server, **kwargs)

    def issue(self, account, **more):
        return self.server.api("POST", "/tokens", {"account": account, **more},
                               headers=basic("ada", PASSWORD))["secret"]

    def robot(self, name, *allow):
        """A new robot's token."""
        self.server.api("POST", "/accounts", {"account": name, "robot": True, "allow": allow},
                        headers=bearer(self.token))
        return self.issue(name)

    def status(self, method, path, headers=None, body=None):
        return self.server.request(method, path, body, headers)[0]

    def push(self, repository, tag, image, token):
        with oci.Registry(self.server.url, token=token, ca=self.server.ca) as registry:
            return registry.push(repository, tag, image)
