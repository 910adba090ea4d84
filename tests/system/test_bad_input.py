"""What people and machines get wrong, told through the command line: a clear text, the right exit status,
and nothing lost. Uploads that lie or break off: test_registry.py; servers and agents that share a
directory: test_registry.py, test_agent.py; a full disk of the server: test_durability.py, test_clients.py."""

import json
import os
import tarfile

import pytest

from guarded import bearer
from shop import APPLY, Shop
from support import oci
from support.oci import Entry


@pytest.fixture
def shop(server, cli, start_agent, tmp_path):
    shop = Shop(server, cli, start_agent, tmp_path)
    shop.ship("1.0")
    return shop


UNKNOWN = [
    (("deploy", "shop/production", "9.9"), 'no release "9.9"', "1.0"),
    (("deploy", "shop/nowhere", "1.0"), 'no environment "nowhere"', "production"),
    (("deploy", "nothing/production", "1.0"), 'no app "nothing"', "repoint app list"),
    (("rollout", "undo", "shop/production", "--to-revision", "99", "--yes"), "no revision 99", "1"),
    (("rollout", "history", "shop/production", "--revision", "99"), "no revision 99", "1"),
    (("rollout", "history", "shop/nowhere"), 'no environment "nowhere"', "production"),
    (("rollout", "status", "nothing/production"), 'no app "nothing"', "repoint app list"),
    (("plan", "shop/nowhere"), 'no environment "nowhere"', "production"),
    (("ready", "shop/nowhere"), 'no environment "nowhere"', "production"),
    (("release", "show", "shop", "9.9"), 'no release "9.9"', "1.0"),
    (("app", "show", "nothing"), 'no app "nothing"', "there are: shop"),
    (("trace", "sha256:000000"), "no manifest", "sha256:000000"),
]


@pytest.mark.plain
def test_what_is_unknown_is_named_beside_what_there_is(shop):
    for args, what, instead in UNKNOWN:
        told = shop.cli(*args).exits(3)
        assert what in told.stderr and instead in told.stderr, told.stderr
        assert told.stderr.count("\n") <= 2 and not told.stdout
    assert shop.versions() == ["1.0"] and shop.runs() == "1.0"


BROKEN_APP = [
    ("app: shop\ncomponents: {web: {repository: shop/web}\n", "repoint.yaml:3:1", ","),
    ("app: shop\ncomponents:\n  web: {repo: shop/web}\n", "repoint.yaml:3:9", "repository"),
    ("app: shop\ncomponents:\n  web: {repository: shop/web}\nenvironments:\n  - {name: p, window: few}\n",
     "repoint.yaml:5:23", "number"),
]
BROKEN_AGENT = [
    ("agent: a\nserver: http://127.0.0.1:1\nstate: /s\ntargets: [\n", "agent.yaml:5:1", "expected a mapping"),
    ("agent: a\nserver: http://127.0.0.1:1\nstate: /s\ntargets:\n"
     "  - {app: shop, environment: p, target: t, driver: dir, options: {rot: /srv}}\n",
     "agent.yaml:5:67", "root"),
]


@pytest.mark.parametrize("text, place, expected", BROKEN_APP)
def test_a_broken_repoint_yaml_is_told_by_place(server, cli, tmp_path, text, place, expected):
    (tmp_path / "repoint.yaml").write_text(text)
    told = cli("apply", "-f", "repoint.yaml").exits(2)
    assert place in told.stderr and expected in told.stderr, told.stderr
    assert cli("app", "list", "-o", "json").ok().json == {"apps": []}


@pytest.mark.parametrize("text, place, expected", BROKEN_AGENT)
def test_a_broken_agent_yaml_is_told_by_place(cli, tmp_path, text, place, expected):
    (tmp_path / "agent.yaml").write_text(text)
    told = cli("agent", "-c", "agent.yaml", "--once").exits(2)
    assert place in told.stderr and expected in told.stderr, told.stderr


HOSTILE = {
    "parent": ([Entry("../../escaped", b"out")], ".."),
    "parent-inside": ([Entry("a/../../escaped", b"out")], ".."),
    "absolute": ([Entry("/{place}/escaped", b"out")], "absolute"),
    "device": ([Entry("null", type=tarfile.CHRTYPE)], "device"),
    "fifo": ([Entry("pipe", type=tarfile.FIFOTYPE)], "pipe"),
    "symlink-out": ([Entry("out", type=tarfile.SYMTYPE, linkname="../../..")], "out"),
    "through-symlink": ([Entry("out", type=tarfile.SYMTYPE, linkname="{place}"),
                         Entry("out/escaped", b"out")], "out"),
    "hardlink-out": ([Entry("secret", type=tarfile.LNKTYPE, linkname="../../secret")], "secret"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_R30_a_hostile_tar_is_refused_by_the_agent_and_told_to_the_person(shop, tmp_path, name):
    place = tmp_path / "elsewhere"
    place.mkdir()
    (shop.root / "secret").write_text("mine")
    entries, told = HOSTILE[name]
    for entry in entries:
        entry.name = entry.name.replace("/{place}", str(place))
        entry.linkname = entry.linkname.replace("{place}", str(place))
    oci.push(shop.server, "shop/web", "2.0", oci.make_image([[Entry("version", b"2.0\n"), *entries]]))
    shop.cli("release", "create", "shop", "--version", "2.0", "--component", "web=2.0").ok()
    before = os.readlink(shop.root / "current")
    failed = shop.deploy("2.0", rc=9)
    assert "web-1" in failed.stderr and told in failed.stderr, failed.stderr
    assert "repoint rollout undo shop/production" in failed.stderr
    assert os.readlink(shop.root / "current") == before and shop.runs() == "1.0"
    assert not list(tmp_path.rglob("escaped")) and not list(place.iterdir())
    target = shop.cli("rollout", "status", "shop/production", "-o", "json").exits(9).json["targets"][0]
    assert target["state"] == "failed" and target["observed_release"]["version"] == "1.0"
    shop.undo()
    assert shop.runs() == "1.0"


def test_R20_a_full_disk_of_the_host_is_told_to_the_person(server, cli, start_agent, tmp_path, small_disk):
    shop = Shop(server, cli, start_agent, small_disk)
    shop.ship("1.0")
    oci.push(server, "shop/web", "2.0", oci.make_image([{"version": "2.0\n", "big": bytes(30_000_000)}]))
    cli("release", "create", "shop", "--version", "2.0", "--component", "web=2.0").ok()
    # there may be room in a moment, so the agent goes on trying for as long as the environment lets it
    cli("apply", "-f", "-", input=APPLY.format(window=3, trial="2s", on_failure="stop")
        .replace("    trial", "    progress_deadline: 5s\n    trial")).ok()
    failed = shop.deploy("2.0", rc=9)
    assert "the disk is full" in failed.stdout, failed.stdout
    assert "the disk is full" in failed.stderr, failed.stderr
    assert shop.runs() == "1.0"
    shop.undo()
    shop.ship("2.1")
    assert shop.runs() == "2.1"


@pytest.mark.parametrize("method,path,body,said", [
    ("POST", "/tokens", {"account": "ci", "expires_in": 60}, 'did you mean "expires_in_s"'),  # else: one that never ends
    ("POST", "/accounts", {"account": "x", "robots": True, "allow": ["pull:**"]}, 'did you mean "robot"'),
    ("POST", "/retention/run", {"repo": "shop/web"}, "known here: repository"),  # else: all repositories
    ("POST", "/retention/collect", {"dry_run": True}, "known here: dry, until_free_bytes"),  # else: not dry
])
def test_a_misspelt_field_is_not_taken_for_left_out(guarded, method, path, body, said):
    guarded.robot("ci", "pull:**")
    status, _, data = guarded.server.request(method, "/api/v1" + path, body, bearer(guarded.token))
    message = json.loads(data)["error"]["message"]
    assert status == 400 and said in message and "unknown field" in message, data
