"""Where recorded ARM traffic lies, for tests and benchmarks that can use it. It is data of its own, not of the project.

DRIFTGUARD_CORPUS names the folder; without it, `shared/corpus` beside the checkout is taken.
A test skips where it is absent.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared" / "corpus"  # ../shared/corpus
CORPUS = Path(os.environ.get("DRIFTGUARD_CORPUS") or _BESIDE_THE_CHECKOUT)


def corpus_file(name: str) -> Path:
    """The path of a file of the corpus, such as `pairs.dev.jsonl.gz`. Skips the test where there is none."""
    path = CORPUS / name
    if not path.is_file():
        pytest.skip(f"no recorded traffic at {path}: set DRIFTGUARD_CORPUS to the folder that holds {name}")
    return path
