"""Logging in to other registries with what Docker and Podman keep: files, identity tokens, helpers; and what is
said when that has expired."""

import base64
import json
import os

import pytest

from guarded import PASSWORD
from support import oci, upstream


@pytest.fixture
def login(tmp_path, cli):
    """login(auths, *args) runs the command line with that auth.json and no other."""
    def run(auths, *args, helper=None, **more):
        path = tmp_path / "auth.json"
        path.write_text(json.dumps(auths) if isinstance(auths, dict) else auths)
        env = {"REGISTRY_AUTH_FILE": str(path), "HOME": str(tmp_path)}
        if helper:
            env["PATH"] = f"{helper}:{os.environ['PATH']}"
        return cli(*args, env=env, **more)
    return run


def entry(address, user, password):
    return {"auths": {address: {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}}}


def test_a_registry_that_asks_by_basic(server, login, docker_registry):
    there = docker_registry(("ada", "right"))
    image = oci.make_image([{"a": "1"}])
    oci.push(server, "shop/web", "1.0", image)
    to = f"{there.address}/shop/web:1.0"
    none = login({}, "artifact", "cp", "shop/web:1.0", to).exits(5)
    assert there.address in none.stderr and "there is none for it" in none.stderr, none.stderr
    wrong = login(entry(there.address, "ada", "expired"), "artifact", "cp", "shop/web:1.0", to).exits(5)
    assert "refused the credentials of ada from" in wrong.stderr and "auth.json" in wrong.stderr
    assert "docker login" in wrong.stderr and "expired" not in wrong.stderr.replace("wrong, or expired", "")
    login(entry(there.address, "ada", "right"), "artifact", "cp", "shop/web:1.0", to).ok()
    back = login(entry(there.address, "ada", "right"), "artifact", "inspect", to, "-o", "json").ok().json
    assert back["digest"] == image.digest


def test_a_registry_that_asks_by_ticket(guarded, start_server, tmp_path, login):
    """Our own server with accounts: Bearer challenges, one scope a repository, for pull and for push."""
    here = start_server("here")
    image = oci.make_image([{"a": "1"}, {"b": "2"}])
    oci.push(here, "shop/web", "1.0", image)
    there = guarded.server.address
    token = guarded.robot("ci", "push:shop/**")
    right = entry(there, "ci", token)
    login({}, "artifact", "cp", "shop/web:1.0", f"{there}/shop/web:1.0", server=here).exits(5)
    login(right, "artifact", "cp", "shop/web:1.0", f"{there}/shop/web:1.0", server=here).ok()
    seen = login(right, "artifact", "inspect", f"{there}/shop/web:1.0", "-o", "json", server=here).ok().json
    assert seen["digest"] == image.digest
    # an account that may read this repository only is told so, and nothing is taken for something else
    reader = guarded.robot("reader", "pull:other/**")
    refused = login(entry(there, "reader", reader), "artifact", "inspect", f"{there}/shop/web:1.0", server=here)
    assert refused.rc == 5 and "status 403" in refused.stderr, refused.stderr


def test_the_longest_key_counts(server, login, docker_registry):
    there = docker_registry(("ada", "right"))
    oci.push(server, "shop/web", "1.0", oci.make_image([{"a": "1"}]))
    auths = entry(there.address, "ada", "wrong")
    auths["auths"].update(entry(f"{there.address}/shop", "ada", "right")["auths"])
    login(auths, "artifact", "cp", "shop/web:1.0", f"{there.address}/shop/web:1.0").ok()
    login(auths, "artifact", "cp", "shop/web:1.0", f"{there.address}/other/web:1.0").exits(5)


def write_helper(directory, name, answer, status=0):
    directory.mkdir(exist_ok=True)
    program = directory / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\n[ \"$1\" = get ] || exit 9\ncat > '{directory}/asked'\n"
                       f"cat <<'E'\n{answer}\nE\nexit {status}\n")
    program.chmod(0o755)


def test_credential_helpers(server, login, docker_registry, tmp_path):
    there = docker_registry(("ada", "right"))
    oci.push(server, "shop/web", "1.0", oci.make_image([{"a": "1"}]))
    to = f"{there.address}/shop/web:1.0"
    helpers = tmp_path / "bin"
    for auths in {"credHelpers": {there.address: "test"}}, {"credsStore": "test"}, \
            {"auths": {there.address: {}}, "credsStore": "test"}:
        write_helper(helpers, "test", json.dumps({"ServerURL": there.address, "Username": "ada", "Secret": "right"}))
        login(auths, "artifact", "cp", "shop/web:1.0", to, helper=helpers).ok()
        assert (helpers / "asked").read_text().strip() == there.address
    write_helper(helpers, "test", "credentials not found in native keychain", 1)
    none = login({"credsStore": "test"}, "artifact", "inspect", to, helper=helpers).exits(5)
    assert "there is none for it" in none.stderr
    write_helper(helpers, "test", "the keychain is locked", 1)
    locked = login({"credsStore": "test"}, "artifact", "inspect", to, helper=helpers).exits(1)
    assert "docker-credential-test" in locked.stderr and "the keychain is locked" in locked.stderr
    absent = login({"credsStore": "absent"}, "artifact", "inspect", to, helper=helpers)
    assert absent.rc != 0 and "docker-credential-absent does not start" in absent.stderr
    evil = login({"credsStore": "../../bin/x"}, "artifact", "inspect", to, helper=helpers)
    assert evil.rc == 2 and "no name of a credential helper" in evil.stderr


@pytest.mark.parametrize("text", ["{", '{"auths": {"HOST": {"auth": "bm90aGluZw=="}}}'])
def test_a_broken_file_is_said(server, login, docker_registry, text):
    there = docker_registry(("ada", "right"))
    done = login(text.replace("HOST", there.address), "artifact", "inspect", f"{there.address}/shop/web:1.0")
    assert done.rc == 2 and "auth.json" in done.stderr, done.stderr


def test_own_files_ask_nobody_else(guarded, cli, tmp_path):
    """Our own server is asked with our own token, whatever these files hold."""
    guarded.push("shop/web", "1.0", oci.make_image([{"a": "1"}]), guarded.token)
    path = upstream.auth_file(tmp_path / "auth.json", **{guarded.server.address: ("ada", PASSWORD)})
    done = cli("artifact", "inspect", "shop/web:1.0", server=guarded.server,
               env={"REGISTRY_AUTH_FILE": path, "XDG_CONFIG_HOME": str(tmp_path / "nothing")})
    assert done.rc == 5, done.stdout
