"""The whole story of the demo, told by the real commands on Azure Storage, and what other processes then find there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from driftguard.entry import demo
from driftguard.entry.cli import run
from driftguard.system_clock import SystemClock
from tests.azurite.server import Azurite
from tests.scenarios.places import on
from tests.scenarios.processes import ended, start
from tests.world import VNET, world


def test_the_demo_plays_on_azure_storage_and_other_processes_find_it_whole(
    azurite: Azurite, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Second readings are due at once: tests/entry/test_demo_command.py plays it with its waits.
    monkeypatch.setattr(SystemClock, "sleep", lambda clock, seconds: None)
    place, kept = on(azurite), tmp_path / "kept"
    words = ["demo", "--json", "--keep", str(kept), "--store", place.store]
    assert run(words, place.environment) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] and told["halt"]["actor"] == "anna.berg@contoso.com"
    assert [step["exit_code"] for step in told["steps"] if step["command"].startswith("driftguard ")] == [
        0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0,
    ]  # fmt: skip
    assert not list(kept.rglob("*.db")), "nothing of the store lies on this machine"
    halt = told["halt"]["id"]
    evidence = next(kept.rglob(f"{halt}.evidence-*.json"))
    policy = {"DRIFTGUARD_POLICY": str(kept / "policy.yaml")}
    elsewhere = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **place.environment, **policy}
    asked = {
        name: start(elsewhere, *words)
        for name, words in {
            "verify": ["verify", str(evidence), "--store"],
            "halts": ["halts", "list", "--all", "--json"],
            "doctor": ["doctor", "--json"],
        }.items()
    }
    answers = {name: ended(process) for name, process in asked.items()}
    assert answers["verify"][0] == 0, answers["verify"]
    assert [one["id"] for one in json.loads(answers["halts"][1])["halts"]] == [halt]
    assert answers["doctor"][0] in (0, 2), answers["doctor"]
    secrets = [place.connection or "", place.secret_key or ""]
    assert not any(secret in text for _, *texts in answers.values() for text in texts for secret in secrets)


def test_a_store_that_knows_the_job_is_refused(
    azurite: Azurite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = on(azurite)
    with world(tmp_path, place=place) as telling:
        telling.first_record(VNET, job=demo.JOB)
    assert run(["demo", "--json", "--store", place.store], place.environment) == 3
    assert "has a job shop-prod already" in capsys.readouterr().err


def test_without_a_key_for_secrets_the_story_goes_wrong_at_its_first_record(
    azurite: Azurite, capsys: pytest.CaptureFixture[str]
) -> None:
    place = on(azurite)
    environ = {name: value for name, value in place.environment.items() if name != "DRIFTGUARD_SECRET_KEY"}
    assert run(["demo", "--store", place.store], environ) == 2
    assert "DRIFTGUARD_SECRET_KEY" in capsys.readouterr().out
