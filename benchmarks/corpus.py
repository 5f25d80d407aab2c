"""Where recorded ARM traffic lies. It is data of its own, not of the project.

DRIFTGUARD_CORPUS names the folder; without it, `shared/corpus` beside the checkout is taken.
"""

from __future__ import annotations

import os
from pathlib import Path

_BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared" / "corpus"  # ../shared/corpus
PAIRS = "pairs.dev.jsonl.gz"


def recorded_pairs() -> Path | None:
    """The file of recorded pairs, or None where there is none."""
    path = Path(os.environ.get("DRIFTGUARD_CORPUS") or _BESIDE_THE_CHECKOUT) / PAIRS
    return path if path.is_file() else None
