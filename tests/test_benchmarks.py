"""The benchmarks run, print their table and write nothing; how long anything takes is not judged here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.row import Row, any_missed, shown

ROOT = Path(__file__).parents[1]


def files() -> dict[Path, int]:
    """Every file that a benchmark could write into the project, with its size."""
    folders = ("benchmarks", "driftguard", "policies", "docs")
    found = [*ROOT.glob("*"), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]
    return {path: path.stat().st_size for path in found if path.is_file() and path.suffix != ".pyc"}


def test_a_quick_run_measures_every_row_and_writes_nothing_into_the_project() -> None:
    before = set(files())
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    for what in (
        "check of 40",
        "memory of a check",
        "form, diff against deepdiff",
        "replay of recorded traffic",
        "start of driftguard",
        "demo",
    ):
        assert what in ran.stdout
    assert set(files()) == before
    assert "missed" not in ran.stdout and " ok " not in ran.stdout


def test_a_row_over_its_bound_is_missed_and_the_run_fails() -> None:
    good, bad, unknown = Row("a", 1.0, 2.0), Row("b", 3.0, 2.0), Row("c", None, 2.0, note="no traffic")
    assert [row.result for row in (good, bad, unknown)] == ["ok", "missed", "not measured"]
    assert any_missed([good, bad]) and not any_missed([good, unknown])
    assert "no traffic" in shown(unknown)


def test_counts_are_whole_numbers_and_no_name_runs_into_its_figure() -> None:
    long = "x" * 90
    assert shown(Row(long, 1234, 2.0, "")).split() == [long, "1,234", "2", "missed"]
    assert shown(Row("a", 0.0, 0.0, "", "note")).split() == ["a", "0", "0", "ok", "note"]
    assert "0.50 %" in shown(Row("a", 0.5, None, "%"))


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["sped"])
    assert ended.value.code == 2
    assert "speed" in capsys.readouterr().err
