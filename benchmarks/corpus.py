"""Where recorded ARM traffic lies, and its lines. It is data of its own, not of the project.

Rules:
- DRIFTGUARD_CORPUS names the folder; without it, `shared/corpus` beside the checkout is taken.
- Recordings of another half (`pairs.test.jsonl.gz`) are taken where those of the usual name are absent.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

_BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared" / "corpus"  # ../shared/corpus
PAIRS, OBSERVATIONS = "pairs.dev.jsonl.gz", "observations.dev.jsonl.gz"
LIMITS = (
    "gaps are short (half of the settled quiet pairs under 2 s, none over half an hour), api-versions mostly 2014 to 2022, "
    "quiet means that no write was recorded: this proves how forms and side effects behave, not what days of platform "
    "activity do"
)


def recorded_pairs() -> Path | None:
    """The file of recorded pairs, or None where there is none."""
    return _recorded(PAIRS)


def recorded_observations() -> Path | None:
    """The file of single readings, or None where there is none."""
    return _recorded(OBSERVATIONS)


def absent(name: str) -> str:
    """What a row says where there is no such file."""
    return f"no {name}: set DRIFTGUARD_CORPUS to its folder"


def lines(file: Path, at_most: int | None = None) -> Iterator[bytes]:
    """The lines of a recording, or the first of them."""
    with gzip.open(file) as opened:
        yield from islice(opened, at_most)


def _recorded(name: str) -> Path | None:
    folder = Path(os.environ.get("DRIFTGUARD_CORPUS") or _BESIDE_THE_CHECKOUT)
    usual, stem = folder / name, name.partition(".")[0]
    return usual if usual.is_file() else next(iter(sorted(folder.glob(f"{stem}.*.jsonl.gz"))), None)
