"""The published ledger: what it proves, to whom, and what it finds (R26). Judged by repoint itself, and by
golang.org/x/mod/sumdb, which knows nothing of it."""

import contextlib
import hashlib
import json
import re
import shutil
import sqlite3
import subprocess
import threading

import pytest

from support import clients

APPLY = """\
app: shop
components:
  web: {repository: shop/web}
environments:
  - name: production
"""
NOBODY = "http://127.0.0.1:1"  # for what must ask no server
HERE = "/apps/shop/environments/production"


class Book:
    """A server whose ledger grows as it is told, its key, and what one keeps of it."""

    def __init__(self, server, cli, tmp_path):
        self.server, self.cli, self.tmp = server, cli, tmp_path
        cli("apply", "-f", "-", input=APPLY, server=server).ok()
        self.key = cli("ledger", "key", server=server).ok().stdout.strip()

    def write(self, events, cause="it smells"):
        """Two kinds of them, each with a cause."""
        for number in range(events):
            self.server.api("POST", f"{HERE}/{'resume' if number % 2 else 'pause'}", {"because": f"{cause} {number}"})
        return self

    def size(self):
        return self.server.api("GET", "/ledger?limit=1")["head"]["seq"]

    def checkpoint(self, name="kept"):
        status, _, data = self.server.request("GET", "/tlog/checkpoint")
        assert status == 200, data
        path = self.tmp / name
        path.write_bytes(data)
        return path

    def export(self, name="export", rc=0):
        told = self.cli("ledger", "export", self.tmp / name, "--key", self.key, server=self.server)
        told.exits(rc)
        return self.tmp / name

    def verify(self, *args, rc=0):
        return self.cli("ledger", "verify", *map(str, args), server=NOBODY).exits(rc)


@pytest.fixture
def book(server, cli, tmp_path):
    return Book(server, cli, tmp_path)


@pytest.fixture
def judge(tmp_path):
    program = clients.find("tlog")

    def run(*args, rc=0, given=""):
        done = subprocess.run([program, *map(str, args)], cwd=tmp_path, text=True, input=given, capture_output=True,
                              timeout=60)
        assert done.returncode == rc, done.stderr
        return done.stdout
    return run


# ---- an intruder with the database ----

def event_hash(prev, row):
    seq, at_us, actor, kind, body = row
    return hashlib.sha256(f"repoint-event-1\n{prev.hex()}\n{seq}\n{at_us}\n{actor}\n{kind}\n{body}\n".encode()).digest()


def rewrite(data, change):
    """`change` gets the list of events, [seq, at_us, actor, kind, body, texts]; the chain is made anew after it, and
    what people wrote goes with its event."""
    with contextlib.closing(sqlite3.connect(data / "repoint.db")) as db, db:
        for trigger, in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"
                                   " AND tbl_name = 'event'").fetchall():
            db.execute(f"DROP TRIGGER {trigger}")
        rows = [[*row, db.execute("SELECT field, salt, text FROM event_text WHERE seq = ?", row[:1]).fetchall()]
                for row in db.execute("SELECT seq, at_us, actor, kind, body FROM event ORDER BY seq").fetchall()]
        change(rows)
        db.execute("DELETE FROM event")
        db.execute("DELETE FROM event_text")
        prev = bytes(32)
        for number, row in enumerate(rows, 1):
            row[0] = number
            new = event_hash(prev, row[:5])
            db.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)", (*row[:5], prev, new))
            db.executemany("INSERT INTO event_text VALUES (?, ?, ?, ?)", [(number, *text) for text in row[5]])
            prev = new


def edit(rows):
    rows[4][2] = "somebody@else"


def drop(rows):
    del rows[4]


def reorder(rows):
    rows[4], rows[5] = rows[5], rows[4]


def invent(rows):
    rows.insert(4, [0, rows[4][1], "nobody@nowhere", "environment.paused", '{"app":"shop"}', []])


def cut(rows):
    del rows[4:]


@pytest.mark.parametrize("change", [edit, drop, reorder, invent, cut])
def test_R26_whoever_rewrites_the_database_is_found(book, change, cli, tmp_path, wait_for):
    book.write(9)
    kept, export = book.checkpoint(), book.export()
    book.server.stop()
    data = book.server.data
    rewrite(data, change)

    told = book.verify("--data", data, rc=6)  # by the log beside the database
    named = "and 10 were published" if change is cut else "event 5 is not the one that was published"
    assert named in told.stderr
    assert named in book.verify("--data", data, "--against", export, "--key", book.key, rc=6).stderr

    book.server.start()  # goes on, for rollbacks; and signs nothing
    wait_for(lambda: "event 5 is not the one that was published" in book.server.log_text(), what="the alarm")
    book.write(2)
    status, _, _ = book.server.request("GET", "/tlog/checkpoint")
    assert status == 500
    assert (data / "tlog" / "checkpoint").read_bytes() == kept.read_bytes()
    cli("ledger", "verify", server=book.server).exits(6)

    book.server.stop()  # the intruder takes the log and the key away, and begins a new one
    shutil.rmtree(data / "tlog")
    shutil.rmtree(data / "keys")
    book.server.start()
    book.verify("--data", data)
    cli("ledger", "consistency", kept, book.checkpoint("new"), "--key", book.key, server=book.server).exits(6)
    book.export(rc=6)
    assert "event 5 is not the one" in book.verify("--data", data, "--against", export, "--key", book.key, rc=6).stderr
    book.verify("--from", export, "--key", book.key)  # what was kept is what it was


def test_what_is_not_signed_yet_is_told(book):
    """One at the end cannot be told from one of the last second: it is said that nobody signed it."""
    book.write(3).checkpoint()
    book.server.stop()
    assert "signed" not in book.verify("--data", book.server.data).stdout
    rewrite(book.server.data, lambda rows: rows.append([0, 1, "nobody", "thing.done", "{}", []]))
    told = book.verify("--data", book.server.data)
    assert "the last 1 of them are not published and signed yet" in told.stdout
    assert book.verify("--data", book.server.data, "-o", "json").json["published"] == 4


# ---- an intruder with an export ----

def lines(export):
    path = export / "events" / "000.jsonl"
    return path, [json.loads(line) for line in path.read_text().splitlines()]


def put(path, events):
    path.write_text("".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events))


def chain_again(events):
    """Hashes as the format says, of events that are as they are exported."""
    prev = bytes(32)
    for number, event in enumerate(events, 1):
        body = dict(event["body"])
        for field, seal in event.get("sealed", {}).items():
            body[field] = {"sha256": seal["sha256"]}
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        event["seq"], event["prev"] = number, prev.hex()
        prev = event_hash(prev, (number, event["at_us"], event["actor"], event["kind"], text))
        event["hash"] = prev.hex()


def test_R26_whoever_rewrites_an_export_is_found(book):
    book.write(9)
    export = book.export()
    path, events = lines(export)
    whole = path.read_text()
    chain_again(events)
    assert [event["hash"] for event in events] == [json.loads(line)["hash"] for line in whole.splitlines()]

    def refused(text):
        told = book.verify("--from", export, "--key", book.key, rc=6).stderr
        assert text in told, told
        path.write_text(whole)

    for change, number in ((lambda e: e.__setitem__("actor", "x"), 3), (lambda e: e.__setitem__("at_us", 1), 10),
                           (lambda e: e["body"].__setitem__("because", "no"), 4)):
        events = lines(export)[1]
        change(events[number - 1])
        put(path, events)
        refused(f"event {number}")
        events = lines(export)[1]
        change(events[number - 1])
        chain_again(events)
        put(path, events)
        refused(f"event {number}")
    put(path, lines(export)[1][:-1])
    refused("event 10 is missing")
    put(path, lines(export)[1][1:])
    refused("event 1 is missing")
    events = lines(export)[1]
    put(path, [*events, {**events[-1], "seq": 11}])
    refused("event 11 is in no place that was signed")
    bundle = export / "tile/entries/000.p/10"
    entries = bundle.read_bytes()
    bundle.write_bytes(entries[:-1])
    refused("is damaged")
    bundle.unlink()
    refused("is damaged")
    bundle.write_bytes(entries)
    book.verify("--from", export, "--key", book.key)

    # entries and tiles made anew, too: only the root is left, and the key of it
    events = lines(export)[1]
    events[4]["actor"] = "x"
    chain_again(events)
    put(path, events)
    entries = [bytes.fromhex(event["hash"]) for event in events]
    (export / "tile/entries/000.p/10").write_bytes(b"".join(b"\0\x20" + entry for entry in entries))
    (export / "tile/0/000.p/10").write_bytes(b"".join(hashlib.sha256(b"\0" + entry).digest() for entry in entries))
    assert "not the root that was signed" in book.verify("--from", export, "--key", book.key, rc=6).stderr
    book.verify("--from", export, "--key", "other" + book.key[14:], rc=2)
    book.verify("--from", export, rc=2)


def test_R26_an_export_needs_nothing_but_the_key(book, judge, tmp_path):
    """More than a tile of events; exported again it goes on, and a judge who never saw repoint agrees."""
    old = book.write(120).export() / "checkpoint"
    kept = tmp_path / "old"
    shutil.copy(old, kept)
    assert judge("check", book.tmp / "export", book.key) == "121\n"
    export = book.write(180).export()
    assert judge("check", export, book.key) == "301\n"
    judge("grew", export, kept, book.key)
    book.server.stop()
    told = book.verify("--from", export, "--key", book.key, "-o", "json").json
    assert told["events"] == told["head"]["seq"] == 301
    book.verify("--from", export, "--key", book.key, "--head", f"301:{told['head']['hash']}")
    book.verify("--from", export, "--key", book.key, "--head", f"300:{told['head']['hash']}", rc=6)
    assert judge("check", book.server.data / "tlog", book.key) == "301\n"
    book.cli("ledger", "consistency", kept, "301", "--from", export, "--key", book.key, server=NOBODY).ok()


# ---- proofs ----

def test_an_event_is_proved_by_a_file(book, judge, cli, tmp_path):
    book.write(20)
    for number in (1, 2, 21):
        told = cli("ledger", "prove", number, "--key", book.key, "--out", "proof", "-o", "json", server=book.server).ok().json
        assert told["event"]["seq"] == number and told["index"] == number - 1
        judge("proof", "proof", book.key, given=told["event"]["hash"])
        judge("proof", "proof", book.key, given="00" * 32, rc=1)
    text = (tmp_path / "proof").read_text()
    book.verify("--proof", tmp_path / "proof", "--key", book.key)
    book.verify("--proof", tmp_path / "proof", rc=2)
    changed = [text.replace("index 20", "index 19"), text.replace("\n21\n", "\n22\n"),
               re.sub(r"(index 20\n)(.*\n)", r"\1", text), text.replace("tlog-proof@v1", "tlog-proof@v2"), text[:-20], ""]
    for spoilt in changed:
        assert spoilt != text
        (tmp_path / "spoilt").write_text(spoilt)
        assert book.cli("ledger", "verify", "--proof", "spoilt", "--key", book.key, server=NOBODY).rc in (2, 6), spoilt
    export = book.export()
    cli("ledger", "prove", 7, "--from", export, "--key", book.key, server=NOBODY).ok()
    cli("ledger", "prove", 22, "--from", export, server=NOBODY).exits(3)
    cli("ledger", "prove", 22, server=book.server).exits(3)
    cli("ledger", "prove", "x", server=book.server).exits(2)


def test_growth_is_proved_from_what_was_kept(book, cli):
    kept = book.write(5).checkpoint()
    later = book.write(7).checkpoint("later")
    for old, new in ((kept, later), (kept, 13), (6, later), (0, 13), (13, 13), (kept, kept)):
        cli("ledger", "consistency", old, new, "--key", book.key, server=book.server).ok()
    cli("ledger", "consistency", later, kept, server=book.server).exits(2)
    cli("ledger", "consistency", 1, 14, server=book.server).exits(6)
    cli("ledger", "consistency", "a", 14, server=book.server).exits(2)
    forged = kept.read_text().replace("\n6\n", "\n5\n")
    kept.write_text(forged)
    assert "false" in cli("ledger", "consistency", kept, later, "--key", book.key, server=book.server).exits(6).stderr
    assert "rewritten" in cli("ledger", "consistency", kept, later, server=book.server).exits(6).stderr


# ---- what people wrote ----

def test_a_cause_is_redacted_and_every_proof_holds(book, cli, tmp_path):
    server = book.server
    kept = book.write(2, cause="Ada Lovelace has the flu").checkpoint()
    book.write(1, cause="Ada Lovelace is back")
    proof = ("ledger", "prove", 2, "--key", book.key)
    before = cli(*proof, "-o", "json").ok().json
    assert before["event"]["body"]["because"] == "Ada Lovelace has the flu 0"
    for seq in (2, 3, 4):
        cli("ledger", "redact", seq, "--reason", "she asked for it").ok()
    assert "redacted already" in cli("ledger", "redact", 2, "--reason", "x").exits(4).stderr
    assert "no cause" in cli("ledger", "redact", 1, "--reason", "x").exits(4).stderr
    cli("ledger", "redact", 99, "--reason", "x").exits(3)
    cli("ledger", "redact", 2).exits(2)
    cli("ledger", "redact", "x", "--reason", "y").exits(2)
    after = cli(*proof, "-o", "json").ok().json
    assert after["event"]["hash"] == before["event"]["hash"] and after["event"]["body"]["because"] == "(redacted)"
    cli("ledger", "consistency", kept, book.checkpoint("later"), "--key", book.key).ok()
    assert "Lovelace" not in cli("ledger", "log", "-o", "json").ok().stdout
    cli("ledger", "verify", "--tables").ok()
    cli("ledger", "rebuild").ok()
    cli("ledger", "verify", "--tables").ok()
    export = book.export()
    book.verify("--from", export, "--key", book.key)
    server.stop()
    with contextlib.closing(sqlite3.connect(server.data / "repoint.db")) as db:
        assert not [row for row in db.iterdump() if "Lovelace" in row]
    for path in server.data.iterdir():
        if path.name.startswith("repoint.db"):
            assert b"Lovelace" not in path.read_bytes(), path.name

    # what goes without saying so is found
    with contextlib.closing(sqlite3.connect(server.data / "repoint.db")) as db, db:
        assert db.execute("DELETE FROM event_text WHERE seq = 5").rowcount == 1
    assert "event 5 lacks a text" in book.verify("--data", server.data, rc=6).stderr


def test_causes_are_redacted_in_every_table(server, cli, push, make_image):
    cli("apply", "-f", "-", input=APPLY.replace("production", "production\n    trial: 1s")).ok()
    for version in ("1.0", "1.1"):
        push(server, "shop/web", version, make_image([{"version": version}]))
        cli("release", "create", "shop", "--version", version, "--component", f"web={version}", "--commit",
            hashlib.sha1(version.encode()).hexdigest()).ok()
        cli("deploy", "shop/production", version, "--because", f"Ada wants {version}").ok()
    server.api("POST", f"{HERE}/holds", {"release": "1.0", "because": "Ada says no"})
    held = server.api("POST", "/retention/holds", {"app": "shop", "release": "1.1", "because": "Ada keeps it"})
    server.api("POST", f"/retention/holds/{held['id']}/end", {"because": "Ada is done"})
    server.api("POST", f"{HERE}/pause", {"because": "Ada sleeps"})
    log = server.api("GET", "/ledger?limit=1000")["events"]
    for event in log:
        if "sealed" in event:
            server.api("POST", f"/ledger/events/{event['seq']}/redact", {"because": "personal"})
    server.api("POST", "/ledger/verify")
    for table in ("/ledger?limit=1000", f"{HERE}/revisions", f"{HERE}/holds", f"{HERE}/status", "/retention/holds"):
        assert "Ada" not in json.dumps(server.api("GET", table)), table
    assert "(redacted)" in cli("rollout", "history", "shop/production").ok().stdout
    server.api("POST", "/ledger/rebuild")
    server.api("POST", "/ledger/verify")


def test_events_of_before_there_were_seals(book, cli):
    """A database as an older version left it: plain causes, no log, no key."""
    book.write(3)
    book.server.stop()
    data = book.server.data
    for name in ("tlog", "keys"):
        shutil.rmtree(data / name)

    def plain(rows):
        for row in rows:
            body = json.loads(row[4])
            for field, _, text in row[5]:
                body[field] = text
            row[4] = json.dumps(body, sort_keys=True, separators=(",", ":"))
    rewrite(data, plain)
    with contextlib.closing(sqlite3.connect(data / "repoint.db")) as db, db:
        db.execute("DROP TABLE event_text")
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
        db.execute("PRAGMA user_version = 1")
    book.server.start()
    book.key = cli("ledger", "key").ok().stdout.strip()
    with contextlib.closing(sqlite3.connect(data / "repoint.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)  # an older program must not misread it
    assert "older version" in cli("ledger", "redact", 2, "--reason", "x").exits(5).stderr
    book.write(2)
    cli("ledger", "redact", 5, "--reason", "x").ok()
    cli("ledger", "verify", "--tables").ok()
    book.verify("--from", book.export(), "--key", book.key)


# ---- keys ----

def test_a_key_is_handed_over(book, cli):
    first = book.key
    assert (book.server.data / "keys" / "ledger.key").stat().st_mode & 0o777 == 0o600
    assert (book.server.data / "keys").stat().st_mode & 0o777 == 0o700
    kept = book.write(2).checkpoint()
    keys = [first]
    for _ in range(2):
        cli("ledger", "rotate-key").exits(2)
        keys.append(cli("ledger", "rotate-key", "--because", "a drill", "-o", "json").ok().json["key"])
        assert book.checkpoint("signed").read_text().count("\u2014 ") == 2  # by both
        book.write(1)
        assert book.checkpoint("signed").read_text().count("\u2014 ") == 1
    assert len(set(keys)) == 3 and cli("ledger", "key").ok().stdout.strip() == keys[-1]
    event = book.server.api("GET", "/ledger?kind=key.rotated")["events"][-1]
    assert event["body"]["key"] == keys[2] and event["body"]["previous"] == keys[1]
    for key in keys:  # whichever one is trusted
        book.key = key
        book.verify("--from", book.export(), "--key", key)
        cli("ledger", "prove", 2, "--key", key).ok()
        cli("ledger", "verify", "--data", book.server.data, "--key", key, server=NOBODY).ok()
    cli("ledger", "consistency", kept, book.size(), "--key", first).ok()
    book.server.stop()
    book.server.start()
    assert cli("ledger", "key").ok().stdout.strip() == keys[-1]
    # a stranger's rotation is no reason to trust the stranger
    book.verify("--from", book.export(), "--key", Stranger.key, rc=6)


class Stranger:
    key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_a_rotation_that_is_cut_off_is_ended_or_undone(book, cli):
    data = book.server.data
    before = (data / "keys" / "ledger.key").read_bytes()
    after = cli("ledger", "rotate-key", "--because", "x", "-o", "json").ok().json["key"]
    new = (data / "keys" / "ledger.key").read_bytes()
    book.server.stop()
    (data / "keys" / "ledger.key").write_bytes(before)  # as if it ended between the event and the name
    (data / "keys" / "ledger.key.next").write_bytes(new)
    book.server.start()
    assert cli("ledger", "key").ok().stdout.strip() == after
    book.server.stop()
    (data / "keys" / "ledger.key.next").write_bytes(before)  # and before the event
    book.server.start()
    assert cli("ledger", "key").ok().stdout.strip() == after
    assert not (data / "keys" / "ledger.key.next").exists()
    book.verify("--from", book.export(), "--key", book.key)


def test_a_lost_key_stands_in_no_way(book, cli):
    book.write(1).checkpoint()
    book.server.stop()
    (book.server.data / "keys" / "ledger.key").unlink()
    book.server.start()
    assert "it is not published" in book.server.log_text()
    book.write(1)
    assert cli("ledger", "key").exits(3)
    cli("ledger", "verify").ok()


# ---- witnesses ----

def test_witnesses_sign_too(book, judge, cli, tmp_path):
    kept = book.write(3).checkpoint()
    for name in ("witness.example/a", "witness.example/b"):
        witness, _, note = judge("cosign", kept, name).partition("\n")
        (tmp_path / "note").write_text(note)
        cli("ledger", "cosign", "note", "--witness", witness).ok()
        cli("ledger", "cosign", "note", "--witness", witness).ok()  # again: still once
        cli("ledger", "cosign", "note", "--witness", Stranger.key).exits(6)
        cli("ledger", "cosign", "note").exits(2)
    both = book.checkpoint("both").read_text()
    assert both.count("\u2014 witness.example/") == 2 and both.startswith(kept.read_text())
    judge("check", book.export(), book.key)
    book.verify("--from", book.tmp / "export", "--key", witness)

    book.write(1)  # a later checkpoint has none; the one before is kept
    assert "witness" not in book.checkpoint("later").read_text()
    status, _, data = book.server.request("GET", "/tlog/cosigned")
    assert status == 200 and data.decode() == both
    other = kept.read_text().replace("\n4\n", "\n3\n")
    kept.write_text(other)
    witness, _, note = judge("cosign", kept, "witness.example/c").partition("\n")
    (tmp_path / "note").write_text(note)
    assert "no checkpoint of this ledger" in cli("ledger", "cosign", "note", "--witness", witness).exits(4).stderr


# ---- crashes ----

def test_R26_a_kill_at_any_point_leaves_a_log_that_goes_on(book, cli, tmp_path, crash_points):
    """Each checkpoint ever seen is the beginning of all later ones."""
    seen = []
    for point in range(min(crash_points // 4, 8)):
        stop = threading.Event()

        def write():
            with contextlib.suppress(Exception):
                while not stop.is_set():
                    book.write(2)
        writer = threading.Thread(target=write)
        writer.start()
        with contextlib.suppress(Exception):
            for _ in range(3 + 2 * point):
                seen.append(book.checkpoint(f"seen-{len(seen)}"))
        book.server.kill9()
        stop.set()
        writer.join()
        book.server.start()
        last = book.checkpoint("last")
        for kept in seen[-3:]:
            cli("ledger", "consistency", kept, last, "--key", book.key, server=book.server).ok()
    for kept in seen:
        cli("ledger", "consistency", kept, last, "--key", book.key, server=book.server).ok()
    book.verify("--from", book.export(), "--key", book.key)
    book.verify("--data", book.server.data)


@pytest.mark.parametrize("harm", ["gone", "empty", "other"])
def test_tiles_that_are_damaged_are_made_anew(book, cli, harm):
    kept = book.write(260).checkpoint()
    book.server.stop()
    tiles = [path for path in (book.server.data / "tlog" / "tile").rglob("*") if path.is_file()]
    assert len(tiles) >= 5
    for path in tiles:
        if harm == "gone":
            path.unlink()
        else:
            path.write_bytes(b"" if harm == "empty" else bytes(path.stat().st_size))
    book.server.start()
    book.write(1)
    cli("ledger", "consistency", kept, book.checkpoint("later"), "--key", book.key).ok()
    book.verify("--from", book.export(), "--key", book.key)
    book.verify("--data", book.server.data)


# ---- over HTTP ----

def test_the_log_is_static_files(book, judge):
    book.write(3)
    text = book.checkpoint().read_text()
    assert text.splitlines()[0] == book.key.split("+")[0] and text.splitlines()[1] == "4"
    for path, size in (("tile/0/000.p/4", 128), ("tile/entries/000.p/4", 136)):
        status, headers, data = book.server.request("GET", f"/tlog/{path}")
        assert status == 200 and len(data) == size, path
        assert headers["content-type"] == "application/octet-stream" and "immutable" in headers["cache-control"]
    for path in ("tile/0/001", "tile/0/000", "tile/0/000.p/5", "tile/9/000", "tile/0/../../keys/ledger.key",
                 "tile/0/%2e%2e", "tile/", "cosigned", "tile/entries/x000/000"):
        assert book.server.request("GET", f"/tlog/{path}")[0] in (400, 404), path


def test_the_log_asks_who_one_is(guarded):
    for path in ("checkpoint", "key", "tile/0/000"):
        assert guarded.server.request("GET", f"/tlog/{path}")[0] == 401
    assert guarded.server.request("GET", "/tlog/checkpoint",
                                  headers={"Authorization": f"Bearer {guarded.token}"})[0] == 200
