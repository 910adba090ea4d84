"""The server's configuration file: reading, checking, reloading."""

import os
import re
import signal

import pytest

from support import repoint, tls


def reload(server, wait_for, word="SIGHUP: "):
    before = server.log_text().count(word)
    os.kill(server.pid, signal.SIGHUP)
    wait_for(lambda: server.log_text().count(word) > before, what="the reload")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "server.yaml"

    def write(text):
        path.write_text(text)
        return path
    return write


def test_a_file_says_what_flags_say_and_flags_win(start_server, file, tmp_path, wait_for):
    path = file("data: elsewhere\nverbose: true\nport_file: the.port\n")
    server = start_server(args=["-c", path])  # with --data and --port-file on the command line
    assert not (tmp_path / "elsewhere").exists() and not (tmp_path / "the.port").exists()
    assert (server.data / "repoint.db").exists()
    assert server.request("GET", "/healthz")[0] == 200
    wait_for(lambda: " debug " in server.log_text(), what="the debug log")


def test_paths_are_relative_to_the_file(start_server, file, tmp_path):
    place = tmp_path / "etc"
    place.mkdir()
    (place / "s.yaml").write_text("data: ../var\nport_file: ../port\nlisten: 127.0.0.1:0\n")
    server = start_server(start=False)
    server.command = lambda: [repoint.binary(), "serve", "-c", str(place / "s.yaml")]
    server.port_file = tmp_path / "port"
    server.start()
    assert (tmp_path / "var" / "repoint.db").exists()
    assert server.request("GET", "/healthz")[0] == 200


def test_every_mistake_is_named_with_its_place(file, cli, tmp_path):
    path = file("lisen: 127.0.0.1:1\nupload_expiry: soon\nverbose: maybe\ndata: ''\nport_file: [a]\n")
    result = cli("config", "check", path, "-o", "json").exits(2)
    problems = "\n".join(result.json["problems"])
    for place, text in ((":1:1: lisen", 'did you mean "listen"'), (":2:16: upload_expiry", "duration from 1s"),
                        (":3:10: verbose", "true or false"), (":4:7: data", "something"),
                        (":5:12: port_file", "text")):
        assert re.search(re.escape(place) + ".*" + re.escape(text), problems), problems
    assert len(result.json["problems"]) == 5
    started = cli("serve", "-c", path).exits(2)
    for line in result.json["problems"]:
        assert line in started.stderr
    assert not (tmp_path / "repoint-data").exists()


def test_check_looks_at_this_machine(file, cli, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    path = file("data: file/data\nlisten: 192.0.2.1:5000\nport_file: file/port\n")
    problems = cli("config", "check", path, "-o", "json").exits(2).json["problems"]
    assert [problem.partition(":")[0] for problem in problems] == ["data", "listen", "port_file"]
    assert "192.0.2.1" in problems[1]
    cli("config", "check", path, "--syntax").ok()
    path = file("data: open\nlisten: 127.0.0.1:0\n")
    assert "others can write" in cli("config", "check", path).exits(2).stdout
    path = file("data: new/data\nlisten: 127.0.0.1:0\n")
    assert "nothing is wrong" in cli("config", "check", path).ok().stdout
    assert not (tmp_path / "new").exists()
    cli("config", "check", tmp_path / "none.yaml").exits(3)
    cli("config", "check", path, "--kind", "toaster").exits(2)


def test_check_looks_at_the_pair_for_tls(file, cli, tmp_path):
    authority = tls.Authority(tmp_path / "tls")
    cert, key = authority.issue()
    other, other_key = authority.issue("other")
    old, old_key = authority.issue("old", days=-1)
    key.chmod(0o600)

    def problems(text, rc=2):
        path = file(f"data: data\nlisten: 127.0.0.1:0\n{text}")
        return cli("config", "check", path, "-o", "json").exits(rc).json["problems"]
    assert problems(f"tls_cert: {cert}\ntls_key: {key}\nca_file: {authority.path}\n", 0) == []
    assert "give both" in problems(f"tls_cert: {cert}\n")[0] and "give both" in problems(f"tls_key: {key}\n")[0]
    mixed = problems(f"tls_cert: {cert}\ntls_key: {other_key}\n")
    assert mixed[0].startswith("tls_cert: ") and "cannot be used" in mixed[0], mixed
    old_key.chmod(0o600)
    assert "was good until" in problems(f"tls_cert: {old}\ntls_key: {old_key}\n")[0]
    assert "none.crt" in problems(f"tls_cert: none.crt\ntls_key: {key}\n")[0]
    key.chmod(0o644)
    assert "chmod 600" in problems(f"tls_cert: {cert}\ntls_key: {key}\n")[0]
    assert "found none" in problems(f"ca_file: {other_key}\n")[0] and "none.crt" in problems("ca_file: none.crt\n")[0]
    assert "has expired" in problems(f"ca_file: {old}\n")[0]
    # What the check refuses the server refuses too, for the same reason.
    path = file(f"data: data\nlisten: 127.0.0.1:0\ntls_cert: {cert}\ntls_key: {other_key}\n")
    assert "cannot be used" in cli("serve", "-c", path, timeout=30).exits(2).stderr


def test_check_of_an_agent_names_every_mistake(file, cli, tmp_path):
    (tmp_path / "token").write_text("x\n")
    (tmp_path / "token").chmod(0o644)
    path = file("agent: host-1\nserver: nowhere\nstate: state\nstatus: x\ntoken_file: token\ntargets:\n"
                "  - {app: a, environment: b, target: c, driver: dri}\n"
                "  - {app: ../x, environment: b, target: d, drivr: dir}\n"
                "  - {app: a, environment: b, target: e, driver: dir, options: {root: relative}}\n"
                "  - {app: a, environment: b, target: f, driver: dir}\n")
    problems = cli("config", "check", path, "-o", "json").exits(2).json["problems"]
    text = "\n".join(problems)
    for part in (":2:9: server: ", ":4:1: status: unknown key", ": targets[0].driver: there is no driver",
                 ": targets[1].app: ", "targets[1].drivr: unknown key; did you mean \"driver\"",
                 'targets[1]: expected the key "driver"', ": targets[2].options.root: expected an absolute",
                 "targets[3]: ", "chmod 600"):
        assert part in text, (part, text)


def test_hangup_reloads_and_says_what_cannot_be(start_server, file, wait_for):
    path = file("upload_expiry: 2h\n")
    server = start_server(args=["-c", path])
    file("upload_expiry: 3h\nverbose: true\nanonymous_pull: true\n")
    reload(server, wait_for, "takes a restart")
    assert "reloaded; changed: upload_expiry, verbose\n" in server.log_text()
    assert re.search(r"takes a restart: anonymous_pull\n", server.log_text())
    assert server.request("GET", "/healthz")[0] == 200
    wait_for(lambda: "GET /healthz: 200" in server.log_text(), what="the debug log")


def test_hangup_with_a_broken_file_changes_nothing(start_server, file, wait_for):
    path = file("verbose: false\n")
    server = start_server(args=["-c", path])
    file("verbose: true\nupload_expiry: never\nlisen: x\n")
    reload(server, wait_for)
    wait_for(lambda: server.log_text().count("nothing is changed: ") == 2, what="both mistakes")
    assert server.request("GET", "/healthz")[0] == 200
    path.unlink()
    reload(server, wait_for)
    assert server.request("GET", "/healthz")[0] == 200
    assert "GET /healthz" not in server.log_text()
