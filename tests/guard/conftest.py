from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from driftguard.adapters.stores.sqlite import SqliteStore, open_sqlite


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """A real store of its own."""
    opened = open_sqlite(tmp_path / "store.db")
    try:
        yield opened
    finally:
        opened.close()
