"""Help is there for every command, starts at once, and needs nothing of Azure and no store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from driftguard.entry.cli import COMMANDS, run

# What a command that only tells how to call it has no business with.
HEAVY = ("azure", "msal", "requests", "urllib3", "sqlite3", "rich", "yaml", "cryptography", "http", "ssl", "asyncio")
PROBE = """
import sys
from driftguard.entry.cli import run
code = run(sys.argv[1:], {})
print("modules:", *sorted({name.partition(".")[0] for name in sys.modules}))
print("ours:", *sorted(name for name in sys.modules if name.startswith("driftguard.")))
sys.exit(code)
"""


def commands() -> Iterator[tuple[str, ...]]:
    """Every command and subcommand there is."""
    for name, (load, _) in COMMANDS.items():
        yield (name,)
        command = load()
        if isinstance(command, click.Group):
            yield from ((name, sub) for sub in command.commands)


def probed(*arguments: str) -> tuple[int, str, set[str], list[str]]:
    """Exit code, output, top-level modules and our own modules of a call in a process of its own."""
    ran = subprocess.run([sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=False)
    told, _, rest = ran.stdout.rpartition("modules:")
    modules, _, ours = rest.partition("ours:")
    assert "Traceback" not in ran.stderr
    return ran.returncode, told, set(modules.split()), ours.split()


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    assert run([*command, "--help"], {}) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"Usage: driftguard {' '.join(command)}")
    assert len(told.splitlines()) > 4


def test_the_overview_names_every_command_and_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"], {}) == 0
    told = capsys.readouterr().out
    assert not [name for name in COMMANDS if f"  {name}" not in told]
    assert not [code for code in "01234" if f"{code} " not in told]


@pytest.mark.parametrize("command", [(), ("halts",), ("jobs",), ("policy",), ("store",)], ids=" ".join)
def test_without_arguments_a_group_shows_its_help_and_is_a_wrong_call(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    assert run(command, {}) == 3
    bare = capsys.readouterr()
    assert run([*command, "--help"], {}) == 0
    assert (bare.out, bare.err) == (capsys.readouterr().out, "")


@pytest.mark.parametrize("arguments", ["--help", "--version", "check --help", "halts decide --help"])
def test_help_imports_nothing_of_azure_and_no_store(arguments: str) -> None:
    code, told, modules, ours = probed(*arguments.split())
    assert code == 0 and told
    assert not modules & set(HEAVY)
    assert not [
        name for name in ours if name.startswith(("driftguard.adapters", "driftguard.guard", "driftguard.render"))
    ]


def test_a_command_that_needs_no_azure_imports_none_of_it(tmp_path: Path) -> None:
    code, _, modules, _ = probed("halts", "list", "--store", str(tmp_path / "none.db"))
    assert code == 3
    assert not modules & {"azure", "msal", "requests", "cryptography"}
