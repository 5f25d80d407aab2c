"""`driftguard replay` from the file to the exit code."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from driftguard.entry.cli import run

VNET = "/subscriptions/x/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v"


def pair(before: dict[str, Any], after: dict[str, Any] | None, **more: Any) -> str:
    """One line of a recording."""
    named = {"pair_id": "p1", "type": "Microsoft.Network/virtualNetworks", "api": "2024-05-01", "id": VNET}
    return json.dumps({**named, "before": before, "after": after, **more})


def test_recorded_pairs_are_judged_offline_whatever_they_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording, verdicts = tmp_path / "pairs.jsonl.gz", tmp_path / "verdicts.jsonl"
    one, two = {"properties": {"a": 1}}, {"properties": {"a": 2}}
    recording.write_bytes(gzip.compress("\n".join([pair(one, one), pair(one, two), pair(one, None)]).encode()))
    assert run(["replay", str(recording), "--verdicts", str(verdicts), "--json"], {}) == 0
    assert json.loads(capsys.readouterr().out)["judged"] == 3
    assert [json.loads(line)["finding"] for line in verdicts.read_text().splitlines()] == ["unchanged", "moved", "gone"]


def test_a_line_that_cannot_be_judged_is_two_and_the_others_are_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = tmp_path / "pairs.jsonl"
    recording.write_text("\n".join([pair({}, {}), "half a li", pair({}, {})]))
    assert run(["replay", str(recording), "--json"], {}) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["judged"], told["unreadable"]) == (2, 1)


def test_verdicts_that_cannot_be_written_are_three(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = tmp_path / "pairs.jsonl"
    recording.write_text(pair({}, {}))
    assert run(["replay", str(recording), "--verdicts", str(tmp_path / "none" / "v.jsonl")], {}) == 3
    assert capsys.readouterr().err.startswith("driftguard: ")
