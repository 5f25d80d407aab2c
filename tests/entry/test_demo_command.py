"""`driftguard demo`: the folder that it may use, and what it answers where it has none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from driftguard.entry.cli import run

ROOT = Path(__file__).parents[2]


def test_the_demo_tells_its_story_in_one_object_and_keeps_what_it_made_in_a_new_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "new" / "kept"
    assert run(["demo", "--json", "--keep", str(kept)], {}) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] and told["halt"]["actor"] == "anna.berg@contoso.com"
    assert {"name", "command", "exit_code", "seconds"} == set(told["steps"][-1]) and told["steps"][-1]["exit_code"] == 0
    assert {"store.db", "policy.yaml", "tickets"} <= {path.name for path in kept.iterdir()}


@pytest.mark.parametrize("json_too", [False, True], ids=["for people", "for machines"])
def test_a_folder_that_holds_something_is_refused_and_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], json_too: bool
) -> None:
    (tmp_path / "policy.yaml").write_text("mine")
    assert run(["demo", "--keep", str(tmp_path), *(["--json"] if json_too else [])], {}) == 3
    told = capsys.readouterr()
    assert told.err.count("\n") == 1 and "is not empty" in told.err
    assert (json.loads(told.out)["exit_code"] == 3) if json_too else (told.out == "")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_cannot_be_made_is_a_wrong_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert run(["demo", "--json", "--keep", str(tmp_path / "file" / "below")], {}) == 3
    told = capsys.readouterr()
    assert told.err.count("\n") == 1 and json.loads(told.out)["problem"] == "wrong-use"


def test_a_demo_without_a_temporary_folder_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    # tempfile tries /tmp and others by itself: only a process that looks nowhere else finds none.
    code = (
        f"import sys, tempfile; tempfile.tempdir = {str(tmp_path / 'none')!r}; from driftguard.entry.cli import run; "
    )
    ran = subprocess.run(
        [sys.executable, "-c", code + "sys.exit(run(['demo'], {}))"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (3, "", 1), ran.stderr
    assert "TMPDIR" in ran.stderr
