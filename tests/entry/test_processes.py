"""The command line in processes of its own: exit codes as a pipeline sees them, a full disk, a closed pipe."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from driftguard.sandbox import SUBSCRIPTION
from tests.adapters.readers.arm_stub import Reply, running_stub
from tests.entry.cli_shop import Shop, cli_shop

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-shop-network"
VNET = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet-shop"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    """A shop whose job has recorded a network."""
    with cli_shop(tmp_path, capsys) as made:
        assert made("record", "--job", "shop", "--resource", VNET).code == 0
        yield made


def process(
    shop: Shop, *arguments: str, before: Callable[[], None] | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """`python -m driftguard ARGUMENTS` with the shop's environment; `before` runs in the new process first."""
    return subprocess.run(
        [sys.executable, "-m", "driftguard", *arguments],
        cwd=shop.folder,
        env={**plain_environment(), **shop.environ, **environ},
        preexec_fn=before,
        capture_output=True,
        text=True,
        check=False,
    )


def plain_environment() -> dict[str, str]:
    """No bytecode is written: Python does not notice that a full disk cut it short, and every later start would fail."""
    kept = ("PATH", "HOME", "LANG", "SYSTEMROOT", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def test_a_pipeline_sees_the_exit_codes(shop: Shop) -> None:
    clear = process(shop, "check", "--job", "shop", "--run", "1", "--json")
    assert (clear.returncode, json.loads(clear.stdout)["exit_code"]) == (0, 0)
    assert process(shop, "check", "--job", "shop", "--run", "2").returncode == 4
    clearance = json.loads(clear.stdout)["clearance"]
    assert process(shop, "record", "--job", "shop", "--run", "1", "--clearance", clearance).returncode == 0
    shop.sandbox.patch(VNET, {"tags": {"by": "hand"}}, as_="person-portal")
    halted = process(shop, "check", "--job", "shop", "--run", "3")
    assert halted.returncode == 1 and halted.stdout.startswith("HALT")
    assert process(shop, "check", "--job", "nobody").returncode == 2
    wrong = process(shop, "check", "--job", "a/b")
    assert (wrong.returncode, wrong.stdout) == (3, "")
    assert wrong.stderr.startswith("driftguard: ") and "Traceback" not in wrong.stderr
    assert process(shop, "chekc").returncode == 3


def test_inside_ci_the_run_comes_from_the_ci_system(shop: Shop) -> None:
    ran = process(shop, "check", "--job", "shop", "--json", TF_BUILD="True", BUILD_BUILDID="4711")
    assert (ran.returncode, json.loads(ran.stdout)["run"]) == (0, "4711")


def test_a_full_disk_lets_nothing_proceed_and_keeps_the_old_baseline(shop: Shop) -> None:
    clearance = json.loads(process(shop, "check", "--job", "shop", "--run", "1", "--json").stdout)["clearance"]
    before = shop.written()

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    for arguments in (
        ("check", "--job", "shop", "--run", "1"),
        ("record", "--job", "shop", "--run", "1", "--clearance", clearance),
        ("record", "--job", "new", "--resource", VNET),
    ):
        ran = process(shop, *arguments, before=no_room)
        assert (ran.returncode, ran.stdout) == (2, ""), ran.stderr
        assert str(shop.store) in ran.stderr and "Traceback" not in ran.stderr
        assert "free space" in ran.stderr
    assert shop.written() == before
    done = process(shop, "record", "--job", "shop", "--run", "1", "--clearance", clearance)
    assert done.returncode == 0, done.stderr


def test_a_reader_that_hangs_up_makes_no_exit_code_of_zero_or_one(shop: Shop) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as closed:
        ran = subprocess.run(
            [sys.executable, "-m", "driftguard", "jobs", "show", "shop", "--json"],
            cwd=shop.folder,
            env={**plain_environment(), **shop.environ},
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert ran.returncode not in (0, 1)
    assert b"Traceback" not in ran.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("jobs", "show", "shop"), 2),
        (("jobs", "show", "shop", "--json"), 2),
        (("policy", "check", "--json"), 2),
        (("--help",), 2),
        (("halts",), 3),
        (("replay", "none", "--json"), 3),
    ],
)
def test_a_full_output_is_one_line_and_never_zero_or_one(shop: Shop, arguments: tuple[str, ...], code: int) -> None:
    command = [sys.executable, "-m", "driftguard", *arguments]
    environ = {**plain_environment(), **shop.environ}
    with open("/dev/full", "wb") as full:
        ran = subprocess.run(
            command, cwd=shop.folder, env=environ, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
        assert (ran.returncode, ran.stderr.count("\n")) == (code, 0 if arguments == ("halts",) else 1), ran.stderr
        assert "internal fault" not in ran.stderr
        both = subprocess.run(command, cwd=shop.folder, env=environ, stdout=full, stderr=full, check=False)
        assert both.returncode == code


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("check", "--job", "shop", "--run", "1"), 0),
        (("check", "--job", "nobody", "--run", "1"), 2),
        (("jobs", "list", "--json"), 0),
        (("chekc",), 3),
        (("--version",), 0),
    ],
)
def test_closed_streams_change_no_exit_code_and_no_file(
    shop: Shop, arguments: tuple[str, ...], code: int, closed: tuple[int, ...]
) -> None:
    def close() -> None:
        for number in closed:
            os.close(number)

    command = [sys.executable, "-m", "driftguard", *arguments]
    environ = {**plain_environment(), **shop.environ}
    ran = subprocess.run(command, cwd=shop.folder, env=environ, preexec_fn=close, check=False)
    assert ran.returncode == code
    assert process(shop, "jobs", "list").returncode == 0


def test_an_interrupt_during_a_check_decides_nothing(shop: Shop) -> None:
    before = shop.written()
    with running_stub() as silent:
        silent.answer(VNET, Reply(mode="hang"))
        environ = shop.environ | {"DRIFTGUARD_ARM_ENDPOINT": silent.endpoint, "DRIFTGUARD_READ_TIMEOUT": "0.3"}
        with subprocess.Popen(
            [sys.executable, "-m", "driftguard", "check", "--job", "shop", "--run", "1"],
            cwd=shop.folder,
            env={**plain_environment(), **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            while not silent.requests and running.poll() is None:
                time.sleep(0.02)
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=60)
    assert running.returncode == 2, err
    assert out == "" and "Traceback" not in err
    assert shop.written() == before
