from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.entry.http.service import Shop
from tests.entry.http.service import shop as open_shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """The service over a world with one recorded job."""
    with open_shop(tmp_path) as opened:
        yield opened
