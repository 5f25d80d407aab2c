"""Azurite for the tests: which Node.js runs it, and that an installation that failed is tried again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.azurite import server
from tests.source_tree import ROOT

LOCK = "tests/azurite/node_modules/.package-lock.json"


def command(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / name
    made.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    made.chmod(0o755)
    return made


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose programs are in system/, and a venv whose are in venv/."""
    monkeypatch.setenv("PATH", str(tmp_path / "system"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "python"))
    return tmp_path


def test_a_node_that_is_too_old_is_not_used_before_the_installed_one(machine: Path) -> None:
    command(machine / "system", "node", "echo v18.20.4")
    assert "install Node.js 20" in server.why_not()
    installed = command(machine / "venv", "node", "echo v20.18.0")
    assert server._node() == str(installed)


def test_the_machine_s_node_is_used_where_it_is_new_enough(machine: Path) -> None:
    assert server._node() is None
    there = command(machine / "system", "node", "echo v22.1.0")
    assert server._node() == str(there)


@pytest.mark.parametrize("script", ["exit 1", "echo nothing", "echo v"])
def test_a_node_that_does_not_tell_its_version_is_not_used(machine: Path, script: str) -> None:
    command(machine / "system", "node", script)
    assert server._node() is None


def test_half_an_installation_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "azurite.js"
    script.touch()
    monkeypatch.setattr(server, "SCRIPT", script)
    monkeypatch.setattr(server, "INSTALLED", tmp_path / ".package-lock.json")
    monkeypatch.setattr(server, "_node", lambda: "node")
    assert "only in part" in server.why_not()
    (tmp_path / ".package-lock.json").touch()
    assert server.why_not() == ""


def test_make_goes_on_without_azurite_and_tries_again_until_it_is_installed(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("pyproject.toml", "setup.py", "requirements.txt", "tests/azurite/package-lock.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    command(tmp_path / ".venv" / "bin", "python", "exit 1")
    (tmp_path / ".venv" / "ready-to-develop").touch()
    command(tmp_path / "programs", "node", "echo v20.18.0")
    npm = "echo once >>calls; [ -f ../../up ] || exit 1; mkdir -p node_modules; touch node_modules/.package-lock.json"
    command(tmp_path / "programs", "npm", npm)
    environment = {**os.environ, "PATH": f"{tmp_path / 'programs'}:{os.environ['PATH']}"}

    def make() -> tuple[int, str, int]:
        done = subprocess.run(
            ["make", LOCK], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stderr, len((tmp_path / "tests/azurite/calls").read_text().splitlines())

    for times in (1, 2):
        code, told, called = make()
        assert (code, called) == (0, times) and "the next make tries again" in told
    (tmp_path / "up").touch()
    assert make() == (0, "", 3)
    assert make() == (0, "", 3), "nothing is installed twice"
