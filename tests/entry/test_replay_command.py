"""`driftguard replay` from the file to the exit code."""

from __future__ import annotations

import gzip
import json
import os
import resource
import stat
import subprocess
import sys
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


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A recording of one pair, in a folder with verdicts of before."""
    (tmp_path / "old.jsonl").write_text("verdicts of before\n")
    path = tmp_path / "pairs.jsonl"
    path.write_text(pair({}, {}))
    return path


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("none.jsonl",), 3),
        (("pairs.jsonl", "--policy", "none.yaml"), 3),
        (("pairs.jsonl", "--policy", "bad.yaml"), 3),
        (("half.gz",), 2),
    ],
    ids=["no such file", "no such policy", "a bad policy", "a file that breaks off"],
)
def test_a_replay_that_fails_leaves_the_verdicts_of_before_as_they_were(
    recording: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
) -> None:
    folder = recording.parent
    monkeypatch.chdir(folder)
    (folder / "bad.yaml").write_text("version: 1\nmodus: observe\n")
    (folder / "half.gz").write_bytes(gzip.compress(recording.read_bytes() * 50)[:-12])
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for out in ("old.jsonl", "new.jsonl"):
        assert run(["replay", *arguments, "--verdicts", out], {}) == code
        assert capsys.readouterr().err.count("\n") == 1
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_verdicts_are_never_written_over_the_recording(
    recording: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(recording.parent)
    before = recording.read_bytes()
    (recording.parent / "link.jsonl").symlink_to(recording)
    (recording.parent / "hard.jsonl").hardlink_to(recording)
    for out in ("pairs.jsonl", "./pairs.jsonl", str(recording), "link.jsonl", "hard.jsonl"):
        assert run(["replay", "pairs.jsonl", "--verdicts", out], {}) == 3
        assert "the recording itself" in capsys.readouterr().err
    assert recording.read_bytes() == before


def test_verdicts_take_the_place_and_the_mode_of_those_of_before_and_follow_a_link(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = recording.parent / "old.jsonl"
    old.chmod(0o640)
    link = recording.parent / "link.jsonl"
    link.symlink_to(old)
    assert run(["replay", str(recording), "--verdicts", str(link)], {}) == 0
    assert json.loads(old.read_text())["finding"] == "unchanged"
    assert link.is_symlink() and stat.S_IMODE(old.stat().st_mode) == 0o640
    assert sorted(path.name for path in recording.parent.iterdir()) == ["link.jsonl", "old.jsonl", "pairs.jsonl"]


def test_verdicts_may_go_to_a_device(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", str(recording), "--verdicts", "/dev/null"], {}) == 0
    assert Path("/dev/null").is_char_device()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_device_is_one_line_with_the_remedy(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", str(recording), "--verdicts", "/dev/full"], {}) == 2
    told = capsys.readouterr()
    assert told.err.count("\n") == 1 and "free space" in told.err and told.out == ""


def test_a_full_disk_leaves_the_verdicts_of_before_as_they_were(recording: Path) -> None:
    recording.write_text("\n".join([pair({}, {})] * 500))

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    ran = subprocess.run(
        [sys.executable, "-m", "driftguard", "replay", "pairs.jsonl", "--verdicts", "old.jsonl"],
        cwd=recording.parent,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=no_room,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2 and "free space" in ran.stderr and ran.stderr.count("\n") == 1, ran.stderr
    assert (recording.parent / "old.jsonl").read_text() == "verdicts of before\n"
    assert sorted(path.name for path in recording.parent.iterdir()) == ["old.jsonl", "pairs.jsonl"]


def test_verdicts_that_cannot_be_written_are_three(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = tmp_path / "pairs.jsonl"
    recording.write_text(pair({}, {}))
    assert run(["replay", str(recording), "--verdicts", str(tmp_path / "none" / "v.jsonl")], {}) == 3
    assert capsys.readouterr().err.startswith("driftguard: ")
