"""Yesterday's and today's code work on one store in turn, as during a rolling upgrade: both really run.

Yesterday's is taken from the git history; without it the test skips.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from driftguard.sandbox import Sandbox
from tests.entry.cli_shop import POLICY
from tests.scenarios.steps import ROBS_DNS, SHOP_DNS
from tests.world import JOB, VNET

ROOT = Path(__file__).parents[2]
YESTERDAY = "5a8100fe210394a7936d72533227515023f8ca96"


@pytest.fixture(scope="session")
def yesterdays_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the code of the version before stores could be copied."""
    if not (ROOT / ".git").exists():
        pytest.skip("no git history here: yesterday's code cannot be taken from it")
    packed = subprocess.run(
        ["git", "-C", str(ROOT), "archive", YESTERDAY, "driftguard", "policies"], capture_output=True, check=False
    )
    if packed.returncode:
        pytest.skip("the git history here does not reach back to yesterday's code: fetch all of it")
    folder = tmp_path_factory.mktemp("yesterday")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@dataclass
class Versions:
    """Two versions of the command line on one store."""

    sandbox: Sandbox
    environ: dict[str, str]
    old: Path

    def by_old(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        return self._run(self.old, *arguments)

    def by_new(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        return self._run(ROOT, *arguments)

    def _run(self, code: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit code and answer of a command of the version in the folder `code`."""
        ran = subprocess.run(
            [sys.executable, "-m", "driftguard", *arguments, "--json"],
            cwd=code,
            env={**self.environ, "PYTHONPATH": str(code)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert "internal fault" not in ran.stderr, ran.stderr
        return ran.returncode, json.loads(ran.stdout)

    def set_dns(self, server: str, as_: str) -> None:
        self.sandbox.advance(60)
        self.sandbox.patch(VNET, {"properties": {"dhcpOptions": {"dnsServers": [server]}}}, as_=as_)
        self.sandbox.advance(60)


@pytest.fixture
def versions(tmp_path: Path, yesterdays_code: Path) -> Iterator[Versions]:
    with Sandbox() as sandbox:
        (tmp_path / "policy.yaml").write_text(POLICY)
        ours = {
            "DRIFTGUARD_STORE": str(tmp_path / "store.db"),
            "DRIFTGUARD_POLICY": str(tmp_path / "policy.yaml"),
            "DRIFTGUARD_ARM_ENDPOINT": sandbox.endpoint,
            "DRIFTGUARD_ARM_TOKEN": "pipeline",
            "DRIFTGUARD_LOG_LATENCY": "0",
        }
        yield Versions(sandbox, {"PATH": os.environ["PATH"], **ours}, yesterdays_code)


def test_yesterdays_code_is_another_one(versions: Versions) -> None:
    ran = [versions.by_old("store", "copy", "a", "b"), versions.by_new("store", "copy", "a", "b")]
    assert ran[0][0] == 3 and "No such command" in ran[0][1]["message"]
    assert ran[1][0] == 3 and "there is no store" in ran[1][1]["message"]


def test_both_versions_carry_one_halt_through_in_turn(versions: Versions) -> None:
    assert versions.by_old("record", "--job", JOB, "--resource", VNET)[0] == 0
    versions.set_dns(ROBS_DNS, "person-portal")
    code, answer = versions.by_new("check", "--job", JOB, "--run", "1")
    assert code == 1
    halt = answer["halt"]["id"]
    assert versions.by_old("check", "--job", JOB, "--run", "1")[1]["halt"]["id"] == halt
    decide = ("halts", "decide", halt, "overwrite", "--reason", "agreed", "--as", "dana@contoso.com")
    assert versions.by_old(*decide)[0] == 0
    code, answer = versions.by_new("check", "--job", JOB, "--run", "2")
    assert code == 0
    versions.set_dns(SHOP_DNS, "pipeline")
    recorded = ("record", "--job", JOB, "--run", "2", "--clearance", answer["clearance"], "--resource", VNET)
    assert versions.by_new(*recorded)[0] == 0
    assert versions.by_old("check", "--job", JOB, "--run", "3")[0] == 0
    for listed in (versions.by_old, versions.by_new):
        code, told = listed("halts", "list", "--all")
        assert code == 0 and [one["state"] for one in told["halts"]] == ["resolved"]


def test_what_one_version_copied_the_other_works_with(versions: Versions, tmp_path: Path) -> None:
    assert versions.by_old("record", "--job", JOB, "--resource", VNET)[0] == 0
    copy = tmp_path / "copy.db"
    assert versions.by_new("store", "copy", str(tmp_path / "store.db"), str(copy))[0] == 0
    (tmp_path / "store.db.key").rename(tmp_path / "copy.db.key")
    versions.environ["DRIFTGUARD_STORE"] = str(copy)
    assert versions.by_old("check", "--job", JOB, "--run", "1")[0] == 0
    assert versions.by_new("check", "--job", JOB, "--run", "1")[0] == 0
