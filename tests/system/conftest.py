"""Fixtures of the system tests alone."""

import pytest

from guarded import Guarded


@pytest.fixture
def guarded(start_server, cli, tmp_path):
    """A server with accounts, and what one does with it."""
    return Guarded(start_server, cli, tmp_path)
