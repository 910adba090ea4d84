"""The programs in docs/format-*.md, as written there, on what a real server left on disk."""

import contextlib
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from shop import Shop

DOCS = Path(__file__).resolve().parents[2] / "docs"


def program(page):
    found = re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text(), re.M | re.S)
    assert len(found) == 1, f"{page} has {len(found)} programs"
    return found[0]


@pytest.fixture
def prove(tmp_path):
    def run(data):
        return subprocess.run([sys.executable, "-c", program("format-ledger.md")], cwd=data, text=True,
                              capture_output=True, timeout=60)
    return run


@pytest.fixture
def shop(server, cli, start_agent, tmp_path):
    shop = Shop(server, cli, start_agent, tmp_path)
    shop.ship("1.0")
    shop.ship("1.1")
    shop.undo("--because", "Überraschung \"\\ 🔥")
    return shop


def test_the_ledger_can_be_proved_without_repoint(shop, prove, cli):
    shop.agent.stop()
    head = cli("ledger", "verify", "--tables", "-o", "json").ok().json["head"]
    told = prove(shop.server.data)  # while it runs
    assert told.stdout.split() == ["head", str(head["seq"]), head["hash"]], told.stderr
    shop.server.stop()
    assert prove(shop.server.data).stdout == told.stdout


CHANGES = {
    "a body": "UPDATE event SET body = replace(body, 'rollback', 'deploy') WHERE body LIKE '%\"rollback\"%'",
    "a cause": "UPDATE event_text SET text = replace(text, 'Überraschung', 'Routine') WHERE text LIKE '%Überraschung%'",
    "its salt": "UPDATE event_text SET salt = zeroblob(16) WHERE text LIKE '%Überraschung%'",
    "an actor": "UPDATE event SET actor = 'somebody@else' WHERE seq = 2",
    "a time": "UPDATE event SET at_us = at_us + 1 WHERE seq = 3",
    "a missing event": "DELETE FROM event WHERE seq = 4",
}


def test_the_program_finds_what_repoint_finds(shop, prove, cli, tmp_path):
    shop.agent.stop()
    shop.server.stop()
    for number, (name, change) in enumerate(CHANGES.items()):
        data = shutil.copytree(shop.server.data, tmp_path / f"changed-{number}")
        assert prove(data).returncode == 0
        with contextlib.closing(sqlite3.connect(data / "repoint.db")) as db, db:
            for trigger, in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"
                                       " AND tbl_name = 'event'").fetchall():
                db.execute(f"DROP TRIGGER {trigger}")
            assert db.execute(change).rowcount == 1, name
        told = prove(data)
        assert told.returncode != 0 and "was changed" in told.stderr, name
        cli("ledger", "verify", "--tables", "--data", data, server="http://127.0.0.1:1").exits(6)
