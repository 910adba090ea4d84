"""Who may do what: accounts, tokens, scopes; real registry clients, the command line and agents."""

import json
import os
import re
import shutil
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from guarded import PASSWORD, Guarded, basic, bearer
from shop import APPLY
from support import oci, repoint

SOURCES = Path(__file__).resolve().parents[2] / "src" / "server"


# ---- the doors ----

def routes():
    """(method, path, need) of every route, as the tables say."""
    found = []
    for name in "api.c", "v2.c", "system.c":
        text = (SOURCES / name).read_text()
        macros = dict(re.findall(r'#define (\w+)\s+("[^"]*")', text))
        rows = re.findall(r'\{ "([A-Z]+)",\s+((?:\w+ ?)?(?:"[^"]*")?),[^{}]*?(RP_NEED_\w+),', text)
        assert len(rows) == text.count("RP_NEED_"), name
        for method, template, need in rows:
            for macro, value in macros.items():
                template = re.sub(rf"\b{macro}\b", value, template)
            path = template.replace('"', "").replace(" ", "")
            digest = "sha256:" + "0" * 64
            repository = "shop/web" if path.startswith("/v2/") else "shop%2Fweb"
            path = path.replace("{digest}", digest).replace("{name}", repository)
            found.append((method, re.sub(r"\{\w+\}", "x", path), need))
    return found


def test_every_route_asks_who_comes(guarded):
    table = routes()
    assert len(table) > 40 and all(path.startswith("/") for _, path, _ in table)
    for method, path, need in table:
        for credentials in {}, bearer("rpt_000000000000_" + "A" * 43), bearer("x"), {"Authorization": "Basic"}:
            status, head, _ = guarded.server.request(method, path, b"" if method != "GET" else None, credentials)
            if need == "RP_NEED_NOTHING":
                continue
            assert status == 401, (method, path, credentials)
            assert head["www-authenticate"].startswith("Bearer realm="), (method, path)
    for path in "/healthz", "/readyz":
        assert guarded.status("GET", path) == 200
    assert guarded.status("GET", "/v2/token") == 401


def test_every_route_asks_for_its_scope(guarded):
    """An account without any scope: 403 everywhere, but where any account will do."""
    token = guarded.robot("nobody")
    for method, path, need in routes():
        status, _, data = guarded.server.request(method, path, b"{}" if method != "GET" else None, bearer(token))
        if need in ("RP_NEED_NOTHING", "RP_NEED_ACCOUNT"):
            continue
        assert status == 403 and b"nobody may not do this: it lacks " in data, (method, path, data)


def test_without_an_account_nobody_is_asked(server):
    assert server.request("GET", "/v2/")[0] == 200
    assert server.api("GET", "/whoami") == {"account": None, "token": None, "allow": []}
    assert server.api("GET", "/apps", headers=basic("who", "ever")) == {"apps": []}
    ticket = json.loads(server.request("GET", "/v2/token")[2])["token"]
    assert server.request("GET", "/v2/", headers=bearer(ticket))[0] == 200


def test_the_first_account_closes_the_doors_of_a_running_server(server, cli, tmp_path):
    refused = cli("account", "add", "ci", "--allow", "push:**", "--password-stdin", input=PASSWORD)
    assert refused.rc == 5 and "administer" in refused.stderr
    assert server.request("GET", "/api/v1/apps")[0] == 200
    cli("account", "add", "ada", "--allow", "administer", "--password-stdin", input=PASSWORD).ok()
    assert server.request("GET", "/api/v1/apps")[0] == 401
    assert server.request("GET", "/api/v1/apps", headers=basic("ada", PASSWORD))[0] == 200
    last = server.request("DELETE", "/api/v1/accounts/ada", headers=basic("ada", PASSWORD))
    assert last[0] == 422 and b"last account that may administer" in last[2]


def test_beyond_loopback_an_account_is_needed(start_server, cli, tmp_path):
    def serve(data):
        return cli("serve", "--data", data, "--listen", "0.0.0.0:0", timeout=30)
    refused = serve(tmp_path / "empty").exits(5)
    assert "repoint account add" in refused.stderr
    cli("account", "add", "ada", "--allow", "administer", "--password-stdin", "--data", tmp_path / "full",
        input=PASSWORD).ok()
    server = start_server(data=tmp_path / "full", args=["--listen", "0.0.0.0:0"])
    assert server.request("GET", "/v2/")[0] == 401


def test_challenge_names_the_realm_and_the_scope(guarded):
    def challenge(method, path, headers=None):
        return guarded.server.request(method, path, headers=headers)[1]["www-authenticate"]
    realm = f'Bearer realm="{guarded.server.url}/v2/token",service="repoint"'
    assert challenge("GET", "/v2/") == realm
    assert challenge("HEAD", "/v2/shop/web/manifests/1.0") == realm + ',scope="repository:shop/web:pull"'
    assert challenge("POST", "/v2/shop/web/blobs/uploads/") == realm + ',scope="repository:shop/web:pull,push"'
    named = challenge("GET", "/v2/", {"Host": "hub.example:8443", "X-Forwarded-Proto": "https"})
    assert 'realm="https://hub.example:8443/v2/token"' in named
    assert "evil" not in challenge("GET", "/v2/", {"Host": 'evil",x="'})
    assert '"x' not in challenge("GET", "/v2/a%22x/manifests/1")


# ---- tickets and tokens ----

def test_token_flow(guarded):
    ci = guarded.robot("ci", "push:shop/*")
    status, _, data = guarded.server.request("GET", "/v2/token?service=repoint&scope=repository:shop/web:pull",
                                             headers=basic("ci", ci))
    answer = json.loads(data)
    assert status == 200 and answer["token"] == answer["access_token"] and answer["expires_in"] == 300
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for body, wanted in ((f"grant_type=password&username=ci&password={ci}&service=repoint", 200),
                         (f"grant_type=refresh_token&refresh_token={ci}&service=repoint", 200),
                         ("grant_type=password&username=ada&password=correct+horse%20battery", 200),
                         ("grant_type=password&username=ada&password=wrong", 401),
                         ("grant_type=refresh_token&refresh_token=wrong", 400),
                         ("", 400)):
        assert guarded.status("POST", "/v2/token", form, body) == wanted, body
    ticket = answer["token"]
    assert guarded.status("GET", "/v2/", bearer(ticket)) == 200
    assert guarded.status("GET", "/v2/shop/web/tags/list", bearer(ticket)) == 404
    assert guarded.status("GET", "/v2/other/tags/list", bearer(ticket)) == 403
    assert guarded.status("GET", "/api/v1/whoami", bearer(ticket)) == 401
    # What is taken away counts at once.
    allow = f"/api/v1/accounts/ci/allow"
    assert guarded.status("PUT", allow, bearer(guarded.token), {"allow": []}) == 200
    assert guarded.status("GET", "/v2/shop/web/tags/list", bearer(ticket)) == 403
    for row in guarded.server.api("GET", "/tokens", headers=bearer(guarded.token))["tokens"]:
        if row["account"] == "ci":
            guarded.server.api("DELETE", f"/tokens/{row['token']}", headers=bearer(guarded.token))
    assert guarded.status("GET", "/v2/", bearer(ticket)) == 401
    assert guarded.status("GET", "/v2/token", basic("ci", ci)) == 401


def test_wrong_passwords_are_counted(guarded):
    for _ in range(10):
        assert guarded.status("GET", "/api/v1/apps", basic("ada", "a wrong guess")) == 401
    status, head, _ = guarded.server.request("GET", "/api/v1/apps", headers=basic("ada", PASSWORD))
    assert status == 429 and 1 <= int(head["retry-after"]) <= 60
    assert guarded.status("GET", "/v2/token", basic("ada", PASSWORD)) == 429
    # Tokens cannot be guessed, so whoever has one is not kept out.
    assert guarded.status("GET", "/api/v1/apps", bearer(guarded.token)) == 200


def test_a_token_makes_no_other(guarded):
    guarded.server.api("POST", "/accounts", {"account": "bob", "password": PASSWORD, "allow": ["read:*"]},
                       headers=bearer(guarded.token))
    token = guarded.server.api("POST", "/tokens", {}, headers=basic("bob", PASSWORD))["secret"]
    assert guarded.status("POST", "/api/v1/tokens", bearer(token), {}) == 403
    assert guarded.status("POST", "/api/v1/tokens", basic("bob", PASSWORD), {"account": "ada"}) == 403
    path = "/api/v1/accounts/bob/password"
    assert guarded.status("PUT", path, bearer(token), {"password": "another password"}) == 403
    assert guarded.status("PUT", path, basic("bob", PASSWORD), {"password": "short"}) == 400
    assert guarded.status("PUT", path, basic("bob", PASSWORD), {"password": "another password"}) == 200
    assert guarded.status("GET", "/api/v1/whoami", basic("bob", PASSWORD)) == 401
    assert guarded.status("PUT", "/api/v1/accounts/ada/password", basic("bob", "another password"),
                          {"password": PASSWORD}) == 403
    mine = guarded.server.api("GET", "/tokens", headers=bearer(token))["tokens"]
    assert [row["account"] for row in mine] == ["bob"]
    ada = next(row["token"] for row in guarded.server.api("GET", "/tokens", headers=bearer(guarded.token))["tokens"]
               if row["account"] == "ada")
    assert guarded.status("DELETE", f"/api/v1/tokens/{ada}", bearer(token)) == 403
    limited = guarded.issue("ada", allow=["read:*"])
    assert guarded.status("GET", "/api/v1/apps", bearer(limited)) == 200
    assert guarded.status("POST", "/api/v1/tokens", bearer(limited), {}) == 403
    assert guarded.status("GET", "/api/v1/accounts", bearer(limited)) == 403


def test_accounts_outlive_the_process_and_no_secret_is_written_down(guarded):
    ci = guarded.robot("ci", "push:shop/*")
    ticket = json.loads(guarded.server.request("GET", "/v2/token", headers=basic("ci", ci))[2])["token"]
    guarded.status("GET", "/api/v1/apps", basic("ada", "a wrong guess"))
    guarded.server.kill9()
    guarded.server.args = ["--verbose"]
    guarded.server.start()
    assert guarded.status("GET", "/v2/", bearer(ci)) == 200
    assert guarded.status("GET", "/v2/", bearer(ticket)) == 401  # its key died with the process
    guarded.status("GET", f"/v2/token?account=ci", basic("ci", ci))
    guarded.cli("ledger", "verify", "--tables", token=guarded.token).ok()
    guarded.server.stop()
    guarded.cli("ledger", "rebuild", "--data", guarded.data).ok()
    written = guarded.server.log_text().encode()
    written += b"".join(path.read_bytes() for path in guarded.data.glob("repoint.db*"))
    for secret in PASSWORD, ci.split("_", 2)[2], guarded.token.split("_", 2)[2], "a wrong guess", ticket:
        assert secret.encode() not in written
    guarded.server.start()
    assert guarded.status("GET", "/v2/", bearer(ci)) == 200


# ---- scopes on the registry ----

def test_repositories_are_apart(guarded):
    shop, other = guarded.robot("shop", "push:shop/*"), guarded.robot("other", "push:other/*")
    image = oci.make_image([{"a": os.urandom(2000)}])
    guarded.push("shop/web", "1.0", image, shop)
    manifest = "/v2/shop/web/manifests/1.0"
    assert guarded.status("GET", manifest, bearer(shop)) == 200
    assert guarded.status("GET", manifest, bearer(other)) == 403
    assert guarded.status("GET", "/v2/_catalog", bearer(shop)) == 403
    assert guarded.status("GET", "/v2/_catalog", bearer(guarded.token)) == 200
    with pytest.raises(oci.RegistryError) as refused:
        guarded.push("shop/web", "2.0", image, other)
    assert refused.value.code == "DENIED"
    # A mount must not hand out what one may not pull, whether it says where it lies or not.
    blob = image.config_digest
    for query in f"mount={blob}&from=shop/web", f"mount={blob}":
        path = "/v2/other/web/blobs/uploads/?" + query
        assert guarded.status("POST", path, bearer(other), b"") == 202, query
        assert guarded.status("POST", path, bearer(guarded.token), b"") == 201, query
    assert guarded.status("GET", f"/v2/other/web/blobs/{blob}", bearer(other)) == 200


def test_an_upload_of_others_is_theirs(guarded):
    shop, other = guarded.robot("shop", "push:shop/*"), guarded.robot("other", "push:other/*")
    _, head, _ = guarded.server.request("POST", "/v2/shop/web/blobs/uploads/", b"", bearer(shop))
    session = head["location"]
    assert guarded.status("PATCH", session, bearer(other), b"evil") == 403
    assert guarded.status("PATCH", session, None, b"x" * 3_000_000) == 401
    assert guarded.status("PATCH", session, basic("ada", "a wrong guess"), b"x" * 3_000_000) == 401
    status, head, _ = guarded.server.request("PATCH", session, b"good", bearer(shop))
    assert status == 202 and head["range"] == "0-3"
    status, head, _ = guarded.server.request("PATCH", session, b"more", basic("ada", PASSWORD))
    assert status == 202 and head["range"] == "0-7"


def test_anonymous_pull(start_server, cli, tmp_path):
    guarded = Guarded(start_server, cli, tmp_path, args=["--anonymous-pull"])
    image = oci.make_image([{"a": "1"}])
    guarded.push("shop/web", "1.0", image, guarded.token)
    manifest = "/v2/shop/web/manifests/1.0"
    assert guarded.status("GET", manifest) == 200
    assert guarded.status("PUT", manifest, None, b"{}") == 401
    assert guarded.status("GET", "/v2/") == 401  # or clients would never offer what they have
    assert guarded.status("GET", "/api/v1/apps") == 401
    assert guarded.status("GET", "/api/v1/whoami") == 401
    ticket = json.loads(guarded.server.request("GET", "/v2/token")[2])["token"]
    assert guarded.status("GET", "/v2/", bearer(ticket)) == 200
    assert guarded.status("GET", manifest, bearer(ticket)) == 200
    assert guarded.status("POST", "/v2/shop/web/blobs/uploads/", bearer(ticket), b"") == 401
    assert guarded.status("GET", manifest, basic("ada", "a wrong guess")) == 401


# ---- real clients ----

def client(program, *args, check=True, env=None, input=None):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    done = subprocess.run([program, *map(str, args)], capture_output=True, text=True, timeout=180, input=input,
                          env={**os.environ, **(env or {})})
    if check:
        assert done.returncode == 0, done.stderr
    return done


def test_skopeo_logs_in_pushes_pulls_and_is_refused(guarded, tmp_path):
    ci, auth = guarded.robot("ci", "push:shop/*"), tmp_path / "auth.json"
    image = oci.make_image([{"a": os.urandom(100_000)}, {"b": "2"}], cmd=["/a"])
    oci.write_layout(image, tmp_path / "layout", "v")
    source, place = f"oci:{tmp_path}/layout:v", f"docker://{guarded.server.address}/shop/web:1.0"

    def skopeo(*args, **kwargs):
        return client("skopeo", *args, env={"REGISTRY_AUTH_FILE": str(auth)}, **kwargs)

    def login(account, password, check=True):
        return skopeo("login", "--tls-verify=false", "-u", account, "--password-stdin", guarded.server.address,
                      input=password, check=check)
    refused = skopeo("copy", "--dest-tls-verify=false", source, place, check=False)
    assert refused.returncode != 0
    assert login("ci", "rpt_000000000000_" + "A" * 43, check=False).returncode != 0
    login("ci", ci)
    skopeo("copy", "--dest-tls-verify=false", source, place)
    seen = json.loads(skopeo("inspect", "--tls-verify=false", place).stdout)
    assert seen["Digest"] == image.digest
    skopeo("copy", "--src-tls-verify=false", place, f"dir:{tmp_path}/back")
    denied = skopeo("copy", "--dest-tls-verify=false", source, f"docker://{guarded.server.address}/other/web:1.0",
                    check=False)
    assert denied.returncode != 0 and "403" in denied.stderr  # of a HEAD, which has no text
    login("ada", PASSWORD)
    skopeo("copy", "--src-tls-verify=false", "--dest-tls-verify=false", place,
           f"docker://{guarded.server.address}/other/web:1.0")


def test_buildah_logs_in_and_pushes(guarded, tmp_path):
    ci, auth = guarded.robot("ci", "push:shop/*"), tmp_path / "auth.json"
    image = oci.make_image([{"a": "1"}], cmd=["/a"])
    oci.write_layout(image, tmp_path / "layout", "v")

    def buildah(*args, **kwargs):
        return client("buildah", "--root", tmp_path / "root", "--runroot", tmp_path / "run", "--storage-driver",
                      "vfs", *args, env={"REGISTRY_AUTH_FILE": str(auth)}, **kwargs)
    buildah("login", "--tls-verify=false", "-u", "ci", "--password-stdin", guarded.server.address, input=ci)
    name = buildah("pull", f"oci:{tmp_path}/layout:v").stdout.strip()
    try:
        buildah("push", "--tls-verify=false", name, f"docker://{guarded.server.address}/shop/built:1.0")
        denied = buildah("push", "--tls-verify=false", name, f"docker://{guarded.server.address}/other/built:1.0",
                         check=False)
        assert denied.returncode != 0 and "403" in denied.stderr
    finally:
        buildah("rmi", "--all", check=False)
    assert guarded.status("GET", "/v2/shop/built/manifests/1.0", bearer(ci)) == 200


@pytest.fixture
def server(request):
    """The guarded one, for the engine to trust; a plain one where a test takes no `guarded`."""
    if "guarded" in request.fixturenames:
        return request.getfixturevalue("guarded").server
    return request.getfixturevalue("start_server")()


def test_podman_logs_in_pulls_and_pushes(guarded, engine, tmp_path):
    reader, ci = guarded.robot("reader", "pull:shop/*"), guarded.robot("ci", "push:shop/*")
    image = oci.make_image([{"a": "1"}, {"b": "2"}], cmd=["/a"])
    guarded.push("shop/web", "1.0", image, ci)
    name, auth = f"{guarded.server.address}/shop/web", tmp_path / "auth.json"
    assert engine.run("pull", f"{name}:1.0", check=False).returncode != 0

    def login(account, token):
        engine.run("login", "--authfile", str(auth), "-u", account, "-p", token, guarded.server.address)
    login("reader", reader)
    engine.run("pull", "--authfile", str(auth), f"{name}:1.0")
    engine.run("tag", f"{name}:1.0", f"{name}:again")
    denied = engine.run("push", "--authfile", str(auth), f"{name}:again", check=False)
    assert denied.returncode != 0 and "it lacks push:shop/web" in denied.stderr + denied.stdout
    login("ci", ci)
    engine.run("push", "--authfile", str(auth), f"{name}:again")


# ---- the command line ----

def test_login_and_logout(guarded):
    assert guarded.cli("app", "list").exits(5).stderr.count("repoint login") == 1
    guarded.cli("login", "-u", "ada", "--password-stdin", input="a wrong guess").exits(5)
    guarded.cli("login", "-u", "ada", "--password-stdin", input=PASSWORD + "\n").ok()
    kept = guarded.tmp / "home" / "repoint" / "credentials.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    token = json.loads(kept.read_text())["servers"][guarded.server.url]["token"]
    assert PASSWORD not in kept.read_text()
    guarded.cli("app", "list").ok()
    assert len(guarded.cli("token", "ls", "-o", "json").ok().json["tokens"]) == 2
    kept.chmod(0o644)
    assert "chmod 600" in guarded.cli("app", "list").exits(5).stderr
    kept.chmod(0o600)
    guarded.cli("logout").ok()
    guarded.cli("app", "list").exits(5)
    assert guarded.status("GET", "/api/v1/apps", bearer(token)) == 401  # not only forgotten: revoked
    guarded.cli("login", "--password-stdin", input=guarded.token).ok()
    guarded.cli("account", "ls").ok()


def test_accounts_and_tokens_by_command(guarded):
    def ada(*args, **kwargs):
        return guarded.cli(*args, token=guarded.token, **kwargs)
    ada("account", "add", "ci", "--robot", "--allow", "push:shop/*", "--allow", "release:shop").ok()
    ada("account", "add", "ci", "--robot").exits(4)
    ada("account", "add", "bob", "--allow", "fly:shop", "--password-stdin", input=PASSWORD).exits(2)
    ada("account", "add", "bob", "--password-stdin", input=PASSWORD).ok()
    token = ada("token", "create", "ci", "--label", "pipeline", "--expires", "12h").ok().stdout.strip()
    assert re.fullmatch(r"rpt_[0-9a-f]{12}_[\w-]{43}", token)
    assert ada("token", "create", "ci", "--expires", "soon").exits(2)
    row = next(row for row in ada("token", "ls", "-o", "json").ok().json["tokens"] if row["label"])
    assert row["account"] == "ci" and row["label"] == "pipeline" and "secret" not in row
    listed = ada("account", "ls").ok().stdout
    assert "push:shop/* release:shop" in listed
    refused = guarded.cli("account", "ls", token=token).exits(5)
    assert "lacks administer" in refused.stderr
    ada("account", "allow", "ci", "--allow", "pull:**").ok()
    assert guarded.status("GET", "/v2/_catalog", bearer(token)) == 200
    ada("account", "passwd", "bob", "--password-stdin", input="another password").ok()
    assert guarded.status("GET", "/api/v1/whoami", basic("bob", "another password")) == 200
    ada("token", "revoke", row["token"]).ok()
    ada("token", "revoke", row["token"]).exits(3)
    assert guarded.status("GET", "/v2/", bearer(token)) == 401
    ada("account", "rm", "bob").ok()
    ada("account", "rm", "ada").exits(5)
    ada("account", "add", "eve", "--data", guarded.data, "--password-stdin", input=PASSWORD).exits(4)
    events = ada("ledger", "log", "--limit", "100", "-o", "json").ok().json["events"]
    kinds = {event["kind"] for event in events}
    assert {"account.created", "account.changed", "account.removed", "token.issued", "token.revoked"} <= kinds
    assert events[-1]["actor"] == "ada (tester@test)"


def test_artifacts_by_command(guarded):
    """The verbs that speak to the registry itself bring the token too."""
    shop, reader = guarded.robot("shop", "push:shop/*", "push:copy/*"), guarded.robot("reader", "pull:shop/*")
    (guarded.tmp / "notes.txt").write_text("text\n" * 1000)
    guarded.cli("artifact", "push", "shop/notes:1", "notes.txt").exits(5)
    guarded.cli("artifact", "push", "shop/notes:1", "notes.txt", token=shop).ok()
    guarded.cli("artifact", "push", "shop/notes:2", "notes.txt", token=reader).exits(5)
    guarded.cli("artifact", "pull", "shop/notes:1", "out", "--unpack", token=reader).ok()
    assert (guarded.tmp / "out" / "notes.txt").read_text() == "text\n" * 1000
    guarded.cli("artifact", "cp", "shop/notes:1", "copy/notes:1", token=shop).ok()
    guarded.cli("artifact", "inspect", "copy/notes:1", token=reader).exits(5)
    guarded.cli("tag", "ls", "copy/notes", token=shop).ok()


def test_a_forgotten_password_is_replaced_on_the_host(guarded):
    new = "a password that is remembered"
    guarded.cli("account", "passwd", "ada", "--password-stdin", "--data", guarded.data, input=new).exits(4)
    guarded.server.stop()
    guarded.cli("account", "passwd", "ada", "--password-stdin", "--data", guarded.data, input=new).ok()
    token = guarded.cli("token", "create", "ada", "--data", guarded.data).ok().stdout.strip()
    guarded.server.start()
    assert guarded.status("GET", "/api/v1/whoami", basic("ada", new)) == 200
    assert guarded.status("GET", "/api/v1/whoami", basic("ada", PASSWORD)) == 401
    assert guarded.status("GET", "/api/v1/whoami", bearer(token)) == 200


def test_who_moved_the_pointer_is_known(guarded):
    """A pipeline may release and deploy to one environment; the record names its account, whatever it claims."""
    apply = APPLY.format(window=3, trial="10s", on_failure="stop").replace(
        "  - name: production", "  - name: staging\n    targets: []\n  - name: production")
    assert guarded.cli("apply", "-f", "-", input=apply, token=guarded.robot("x", "release:shop")).rc == 5
    guarded.cli("apply", "-f", "-", input=apply, token=guarded.token).ok()
    ci = guarded.robot("ci", "push:shop/*", "release:shop", "deploy:shop/staging")
    guarded.push("shop/web", "1.0", oci.make_image([{"a": "1"}]), ci)
    guarded.cli("release", "create", "shop", "--version", "1.0", "--component", "web=1.0", token=ci,
                actor="the boss").ok()
    guarded.cli("deploy", "shop/staging", "1.0", "--no-wait", token=ci, actor="the boss").ok()
    refused = guarded.cli("deploy", "shop/production", "1.0", "--no-wait", token=ci).exits(5)
    assert "it lacks deploy:shop/production" in refused.stderr
    history = guarded.cli("rollout", "history", "shop/staging", "-o", "json", token=ci).ok().json
    assert history["revisions"][0]["actor"] == "ci (the boss)"


# ---- agents ----

def agent_config(guarded, token, driver, options):
    secret = guarded.tmp / "agent.token"
    secret.write_text(token + "\n")
    secret.chmod(0o600)
    return {"agent": "host-1", "server": guarded.server.url, "token_file": str(secret),
            "targets": [{"app": "shop", "environment": "production", "target": "web-1", "driver": driver,
                         "options": options}]}


def ship(guarded, version, image):
    guarded.push("shop/web", version, image, guarded.token)
    guarded.cli("release", "create", "shop", "--version", version, "--component", f"web={version}",
                token=guarded.token).ok()
    return guarded.cli("deploy", "shop/production", version, token=guarded.token)


@pytest.fixture
def declared(guarded):
    guarded.cli("apply", "-f", "-", input=APPLY.format(window=3, trial="10s", on_failure="stop"),
                token=guarded.token).ok()
    return guarded


def test_agent_with_a_token_follows_its_pointer(declared, start_agent, tmp_path):
    guarded, root = declared, tmp_path / "srv"
    token = guarded.robot("host-1", "agent:shop/production/web-1")
    agent = start_agent(agent_config(guarded, token, "dir", {"root": str(root)}))
    ship(guarded, "1.0", oci.make_image([{"version": "1.0", "data": os.urandom(2000)}])).ok()
    ship(guarded, "1.1", oci.make_image([{"version": "1.1", "data": os.urandom(2000)}])).ok()
    assert (root / "current" / "version").read_text() == "1.1"
    # It may pull what its target runs, and nothing else.
    guarded.push("secret/web", "1.0", oci.make_image([{"a": "1"}]), guarded.token)
    assert guarded.status("GET", "/v2/shop/web/manifests/1.0", bearer(token)) == 200
    assert guarded.status("GET", "/v2/secret/web/manifests/1.0", bearer(token)) == 403
    assert guarded.status("PUT", "/v2/shop/web/manifests/2.0", bearer(token), b"{}") == 403
    assert guarded.status("GET", "/api/v1/apps/shop/environments/production/targets/web-2/pointer",
                          bearer(token)) == 403
    # Going back on the host is recorded as the account's, with who did it there.
    agent.cli("undo", "--because", "it is slow").ok()

    def newest():
        path = "/apps/shop/environments/production/revisions"
        return guarded.server.api("GET", path, headers=bearer(guarded.token))["revisions"][0]
    repoint.wait_for(lambda: newest()["kind"] == "rollback", 30, "the server re-pointing")
    assert newest()["actor"] == "host-1 (tester@test)"


def test_agent_without_its_token_says_so_and_still_goes_back(declared, start_agent, tmp_path):
    guarded, root = declared, tmp_path / "srv"
    config = agent_config(guarded, guarded.robot("host-1", "agent:shop/production/web-1"), "dir",
                          {"root": str(root)})
    agent = start_agent(config)
    ship(guarded, "1.0", oci.make_image([{"version": "1.0"}])).ok()
    ship(guarded, "1.1", oci.make_image([{"version": "1.1"}])).ok()
    agent.stop()
    Path(config["token_file"]).unlink()
    refused = agent.cli("--once")
    assert refused.rc != 0 and "token_file" in refused.stderr
    agent.cli("undo").ok()
    assert (root / "current" / "version").read_text() == "1.0"


def test_a_rotated_token_needs_no_restart(declared, start_agent, tmp_path):
    guarded, root = declared, tmp_path / "srv"
    old = guarded.robot("host-1", "agent:shop/production/web-1")
    config = agent_config(guarded, old, "dir", {"root": str(root)})
    agent = start_agent(config)
    ship(guarded, "1.0", oci.make_image([{"version": "1.0"}])).ok()
    pid = agent.pid
    guarded.server.api("DELETE", f"/tokens/{old.split('_')[1]}", headers=bearer(guarded.token))
    assert guarded.status("GET", "/v2/", bearer(old)) == 401
    # The poll that waits ends with news, and the next one is refused.
    image = oci.make_image([{"version": "1.1"}])
    guarded.push("shop/web", "1.1", image, guarded.token)
    guarded.cli("release", "create", "shop", "--version", "1.1", "--component", "web=1.1", token=guarded.token).ok()
    guarded.cli("deploy", "shop/production", "1.1", "--no-wait", token=guarded.token).ok()
    repoint.wait_for(lambda: "asking for the pointer" in agent.log_text(), 60, "the agent being refused")
    secret = Path(config["token_file"])
    fresh = secret.with_suffix(".new")
    fresh.write_text(guarded.issue("host-1") + "\n")
    fresh.chmod(0o600)
    fresh.rename(secret)
    repoint.wait_for(lambda: (root / "current" / "version").read_text() == "1.1", 60, "the new token being used")
    assert agent.pid == pid and "there is a new token" in agent.log_text()


READY = "/apps/shop/environments/production/ready"
POINTER = "/api/v1/apps/shop/environments/production/targets/web-1/pointer?agent=host-1"


def credentials(guarded, state):
    """Waits until the agent's credentials are said to be so; the whole answer."""
    def told():
        ready = guarded.server.api("GET", READY, headers=bearer(guarded.token))
        assert [one["target"] for one in ready["credentials"]] == ["web-1"]
        return ready if ready["credentials"][0]["state"] == state else None
    return repoint.wait_for(told, 60, f"credentials being {state}")


def two_releases(guarded, start_agent, root, token):
    agent = start_agent(agent_config(guarded, token, "dir", {"root": str(root)}))
    ship(guarded, "1.0", oci.make_image([{"version": "1.0"}])).ok()
    ship(guarded, "1.1", oci.make_image([{"version": "1.1"}])).ok()
    ready = credentials(guarded, "work")
    assert ready["ready"] and ready["credentials"][0]["tried_at"]
    shown = guarded.cli("ready", "shop/production", token=guarded.token).ok()
    assert "credentials of web-1: its host may pull" in shown.stdout
    return agent


@pytest.mark.parametrize("how", ["revoked", "expired", "right"])
def test_R21_credentials_of_a_host_that_fail_are_told_before_the_day(declared, start_agent, tmp_path, how):
    guarded = declared
    token = guarded.robot("host-1", "agent:shop/production/web-1")
    agent = two_releases(guarded, start_agent, tmp_path / "srv", token)
    if how == "revoked":
        guarded.server.api("DELETE", f"/tokens/{token.split('_')[1]}", headers=bearer(guarded.token))
    elif how == "expired":
        agent.stop()
        assert guarded.status("GET", POINTER, bearer(guarded.issue("host-1", expires_in_s=10))) == 200
    else:
        guarded.server.api("PUT", "/accounts/host-1/allow", {"allow": ["pull:shop/**"]}, headers=bearer(guarded.token))
    red = credentials(guarded, "refused")
    assert not red["ready"] and all(one["ready"] for one in red["revisions"])
    reason, = red["reasons"]
    wanted = {"revoked": "was revoked", "expired": "expired at", "right": "it lacks agent:shop/production/web-1"}[how]
    assert reason.startswith("credentials of web-1: token ") and wanted in reason and "token_file" in reason
    shown = guarded.cli("ready", "shop/production", token=guarded.token).exits(6)
    assert "NOT READY" in shown.stdout and wanted in shown.stdout and wanted in shown.stderr


def test_R21_what_a_host_finds_out_counts_until_its_next_try(declared, start_agent, tmp_path):
    guarded = declared
    token = guarded.robot("host-1", "agent:shop/production/web-1")
    agent = two_releases(guarded, start_agent, tmp_path / "srv", token)
    agent.stop()
    assert guarded.status("GET", POINTER + "&pull=refused%20by%20the%20proxy", bearer(token)) == 200
    ready = guarded.server.api("GET", READY, headers=bearer(guarded.token))
    assert not ready["ready"] and "credentials of web-1: refused by the proxy" in ready["reasons"][0]
    agent.start()
    assert credentials(guarded, "work")["ready"]


def test_R21_a_poll_that_waited_says_nothing_newer_than_a_later_one(declared):
    guarded = declared
    token = bearer(guarded.robot("host-1", "agent:shop/production/web-1"))
    seq = json.loads(guarded.server.request("GET", POINTER, None, token)[2])["seq"]
    waits = threading.Thread(target=guarded.status,
                             args=("GET", f"{POINTER}&pull=ok&after={seq}&wait_ms=200000", token))
    waits.start()
    credentials(guarded, "work")
    assert guarded.status("GET", POINTER + "&pull=no", token) == 200
    guarded.push("shop/web", "1.0", oci.make_image([{"version": "1.0"}]), guarded.token)
    guarded.cli("release", "create", "shop", "--version", "1.0", "--component", "web=1.0", token=guarded.token).ok()
    guarded.cli("deploy", "shop/production", "1.0", "--no-wait", token=guarded.token).ok()
    waits.join()  # it is answered, after another look
    assert credentials(guarded, "refused")["credentials"][0]["message"] == "no"


def test_container_agent_pulls_with_its_token(declared, engine, start_agent, tmp_path):
    guarded = declared
    token = guarded.robot("host-1", "agent:shop/production/web-1")
    busybox = Path("/bin/busybox")
    if not busybox.exists():
        pytest.skip("busybox-static is not installed")
    image = oci.make_image([{"bin/busybox": (busybox.read_bytes(), 0o755)}],
                           cmd=["/bin/busybox", "sleep", "600"])
    start_agent(agent_config(guarded, token, "container",
                             {"socket": engine.socket, "network": "none", "stop_timeout": "1s"}))
    ship(guarded, "1.0", image).ok()
    running = json.loads(engine.run("ps", "--format", "json").stdout)
    assert len(running) == 1 and image.digest in json.dumps(running)
