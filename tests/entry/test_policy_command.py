"""`driftguard policy check` from the file to the exit code."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from driftguard.entry.cli import run
from driftguard.policies_folder import policies_folder
from driftguard.policy_file import load_policy
from tests.corpus import corpus_file

HUB = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/hub"
GOOD = """\
version: 1
rules:
  - {name: tags are free, match: {type: "Microsoft.Network/*"}, ignore: [tags], reason: the desk sets them}
  - {name: never, match: {type: Microsoft.Network/virtualNetworks}, watch: [properties.none]}
  - {name: elsewhere, match: {type: Microsoft.Compute/*}, redact: [properties.key]}
  - {name: old, match: {type: "*"}, watch: [tags], expires: 2020-01-01}
"""
BAD = "version: 1\nrules:\n  - {name: a, match: {}, ignore: [a..b]}\nmode: off\n"


def pair(tags: dict[str, Any]) -> str:
    named = {"pair_id": "p", "type": "Microsoft.Network/virtualNetworks", "api": "2024-05-01", "id": HUB}
    return json.dumps({**named, "before": {"tags": {}}, "after": {"tags": tags}})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with policies and recordings, from which the commands are called."""
    monkeypatch.chdir(tmp_path)
    for name, text in {"good.yaml": GOOD, "bad.yaml": BAD, "pairs.jsonl": f"{pair({'a': 'b'})}\n{pair({})}\n"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def called(capsys: pytest.CaptureFixture[str], *arguments: str, **environ: str) -> tuple[int, str]:
    """Exit code and standard output."""
    code = run(["policy", "check", *arguments], environ)
    return code, capsys.readouterr().out


def view(capsys: pytest.CaptureFixture[str], *arguments: str, **environ: str) -> dict[str, Any]:
    code, out = called(capsys, *arguments, "--json", **environ)
    told = json.loads(out)
    assert told["exit_code"] == code
    assert isinstance(told, dict)
    return told


def test_a_valid_policy_is_told_with_its_warnings_and_zero(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = called(capsys, "good.yaml")
    assert code == 0
    assert out.splitlines()[0].startswith(
        "good.yaml:6: warning: rule 'old' expired on 2020-01-01 and is not applied: renew"
    )
    assert out.splitlines()[-1].startswith("good.yaml: valid, 1 warning; 0 job entries, 4 rules; digest ")


def test_the_view_of_a_valid_policy(capsys: pytest.CaptureFixture[str]) -> None:
    told = view(capsys, "good.yaml")
    assert set(told) == {
        "valid", "source", "digest", "errors", "warnings", "rules", "tolerated", "jobs", "pairs", "exit_code",
    }  # fmt: skip
    policy = load_policy(Path("good.yaml"), folder=policies_folder())
    assert (told["valid"], told["source"], told["digest"]) == (True, "good.yaml", policy.digest)
    assert (told["errors"], told["rules"], told["jobs"], told["pairs"]) == ([], 4, 0, None)
    assert told["tolerated"] == len(policy.rules) - 4
    [warning] = told["warnings"]
    assert set(warning) == {"file", "line", "text", "remedy"}
    assert (warning["file"], warning["line"], warning["remedy"]) == ("good.yaml", 6, "renew or remove it")


def test_every_error_is_told_with_file_line_and_remedy_and_three(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = called(capsys, "bad.yaml")
    *errors, last = out.splitlines()
    assert (code, last) == (3, "bad.yaml: not valid, 4 errors")
    assert [line.split(": ")[0] for line in errors] == ["bad.yaml:3", "bad.yaml:3", "bad.yaml:3", "bad.yaml:4"]
    told = view(capsys, "bad.yaml")
    assert (told["valid"], told["digest"], told["rules"], told["warnings"]) == (False, None, None, [])
    assert all(error["text"] and error["remedy"] and error["line"] for error in told["errors"])


@pytest.mark.parametrize(
    ("arguments", "environ", "source"),
    [
        ((), {}, "built-in default"),
        (("--policy", "good.yaml"), {}, "good.yaml"),
        ((), {"DRIFTGUARD_POLICY": "good.yaml"}, "good.yaml"),
        (("good.yaml", "--policy", "bad.yaml"), {}, "good.yaml"),
    ],
)
def test_without_a_file_the_policy_that_would_apply_is_looked_through(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], environ: dict[str, str], source: str
) -> None:
    told = view(capsys, *arguments, **environ)
    assert (told["source"], told["valid"]) == (source, True)


def test_the_built_in_policy_and_the_shipped_rules_have_no_warning(capsys: pytest.CaptureFixture[str]) -> None:
    assert view(capsys)["warnings"] == []


BOMB = "version: 1\nx0: &x0 [a]\n" + "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]\n" for n in range(1, 12))
ODD = {
    "missing": (None, "No such file"),
    "a folder": ("folder", "Is a directory"),
    "binary": (bytes(range(256)), "not UTF-8"),
    "zeros": (b"\0" * 100, "control character"),
    "huge": (b"#" * 1_000_001, "larger than"),
    "a bomb": (BOMB.encode(), "aliases followed"),
    "deep": (b"version: 1\njobs: " + b"[" * 5000, "nested too deeply"),
    "doubled keys": (b"version: 1\nrules: []\nrules: []\n", "'rules' stands here twice"),
    "empty": (b"", "empty"),
    "no YAML": (b"{", "not valid YAML"),
    "an escape": (b"version: 1\n\x1b[2Jjobs: []\n", "control character"),
}


@pytest.mark.parametrize(("content", "said"), ODD.values(), ids=ODD.keys())
def test_a_file_that_is_none_is_one_error_and_three(
    capsys: pytest.CaptureFixture[str], folder: Path, content: bytes | str | None, said: str
) -> None:
    path = folder / "odd.yaml"
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    told = view(capsys, "odd.yaml", "--pairs", "pairs.jsonl")
    [error] = told["errors"]
    assert (told["exit_code"], error["file"], told["pairs"]) == (3, "odd.yaml", None)
    assert said in error["text"] and error["remedy"]
    code, out = called(capsys, "odd.yaml")
    assert code == 3 and len(out.splitlines()) == 2 and "\x1b" not in out


def test_recorded_pairs_tell_which_rules_fire(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "pairs.gz").write_bytes(gzip.compress((folder / "pairs.jsonl").read_bytes()))
    told = view(capsys, "good.yaml", "--pairs", "pairs.gz")["pairs"]
    assert (told["judged"], told["not_compared"], told["unreadable"]) == (2, 0, 0)
    own = [rule for rule in told["rules"] if rule["own"]]
    assert [(rule["name"], rule["state"], rule["matched"], rule["fired"]) for rule in own] == [
        ("tags are free", "fired", 2, 1),
        ("never", "never fired", 2, 0),
        ("elsewhere", "never matched", 0, 0),
        ("old", "expired", 0, 0),
    ]
    assert own[3]["expires"] == "2020-01-01" and (own[0]["file"], own[0]["line"]) == ("good.yaml", 3)
    shipped = [rule for rule in told["rules"] if not rule["own"]]
    assert shipped and all(rule["name"].startswith("tolerated: ") for rule in shipped)


def test_the_text_lists_own_and_shipped_rules_apart(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = called(capsys, "good.yaml", "--pairs", "pairs.jsonl")
    own, _, shipped = out.partition("tolerated rules, which always apply:")
    assert code == 0 and "2 pairs judged with it, 0 not readable" in own
    for name, state in {
        "tags are free": "fired",
        "never": "it matched, and nothing",
        "elsewhere": "no recorded resource fits",
        "old": "expired: it is not applied",
    }.items():
        [line] = [line for line in own.splitlines() if f"  {name}  " in line]
        assert state in line
    assert "tolerated: " in shipped and "tolerated: " not in own


SHADOWED = """\
version: 1
rules:
  - {name: first, match: {type: "Microsoft.Network/*"}, ignore: [tags], reason: x}
  - {name: second, match: {name: hub}, ignore: [tags], reason: x}
  - {name: running, match: {name: spoke}, ignore: [tags], reason: x}
"""


def test_why_a_rule_never_fired_is_told(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "shadowed.yaml").write_text(SHADOWED, encoding="utf-8")
    running = json.loads(pair({"a": "b"}).replace("/hub", "/spoke"))
    running["after"]["properties"] = {"provisioningState": "Updating"}
    with (folder / "pairs.jsonl").open("a") as file:
        file.write(json.dumps(running))
    told = view(capsys, "shadowed.yaml", "--pairs", "pairs.jsonl")["pairs"]
    own = [rule for rule in told["rules"] if rule["own"]]
    assert told["not_compared"] == 1
    assert [(rule["matched"], rule["not_compared"], rule["told_instead"]) for rule in own] == [
        (3, 1, []), (2, 0, ["first"]), (1, 1, []),
    ]  # fmt: skip
    out = called(capsys, "shadowed.yaml", "--pairs", "pairs.jsonl")[1]
    assert "3 pairs judged with it, 1 of them in flight or gone and not compared, 0 not readable" in out
    assert "never fired: another rule was told: 'first'" in out
    assert "never fired: every pair that it matched is in flight or gone, and was not compared" in out


@pytest.mark.parametrize("content", ["", "half a li"])
def test_pairs_of_which_nothing_was_judged_are_two(
    capsys: pytest.CaptureFixture[str], folder: Path, content: str
) -> None:
    (folder / "none.jsonl").write_text(content)
    assert view(capsys, "good.yaml", "--pairs", "none.jsonl")["exit_code"] == 2
    code, out = called(capsys, "good.yaml", "--pairs", "none.jsonl")
    assert code == 2 and out.splitlines()[-1] == "nothing was judged: there is no pair that could be"
    (folder / "none.yaml").write_text("version: 2\n")
    assert called(capsys, "none.yaml", "--pairs", "none.jsonl")[0] == 3


def test_a_line_that_cannot_be_read_is_two_and_the_rules_are_listed_all_the_same(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    with (folder / "pairs.jsonl").open("a") as file:
        file.write("half a li")
    told = view(capsys, "good.yaml", "--pairs", "pairs.jsonl")
    assert (told["exit_code"], told["valid"], told["pairs"]["unreadable"]) == (2, True, 1)
    assert told["pairs"]["rules"][0]["fired"] == 1


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [("none.jsonl", None, 3), ("half.gz", gzip.compress(b"{}" * 5000, mtime=0)[:-9], 2), (".", None, 3)],
)
def test_pairs_that_cannot_be_read_are_an_error_with_a_remedy(
    capsys: pytest.CaptureFixture[str], folder: Path, name: str, content: bytes | None, code: int
) -> None:
    if content is not None:
        (folder / name).write_bytes(content)
    assert run(["policy", "check", "good.yaml", "--pairs", name, "--json"], {}) == code
    told = json.loads(capsys.readouterr().out)
    assert (told["exit_code"], bool(told["remedy"])) == (code, True)


def test_in_a_process_of_its_own_pairs_come_from_the_standard_input(folder: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "driftguard", "policy", "check", "good.yaml", "--pairs", "-", "--json"],
        input=(folder / "pairs.jsonl").read_bytes(),
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert json.loads(ran.stdout)["pairs"]["judged"] == 2
    assert sorted(path.name for path in folder.iterdir()) == ["bad.yaml", "good.yaml", "pairs.jsonl"], (
        "nothing is written"
    )


def test_a_policy_check_imports_no_store_and_nothing_of_azure() -> None:
    probe = (
        "import sys; from driftguard.entry.cli import run; code = run(sys.argv[1:], {}); "
        "print(*sorted({name.partition('.')[0] for name in sys.modules})); sys.exit(code)"
    )
    ran = subprocess.run([sys.executable, "-c", probe, "policy", "check"], capture_output=True, text=True, check=False,
                         env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})  # fmt: skip
    assert ran.returncode == 0
    assert not set(ran.stdout.splitlines()[-1].split()) & {"azure", "msal", "requests", "sqlite3", "cryptography"}


def test_all_recorded_traffic_is_judged_and_every_shipped_rule_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    told = view(capsys, "--pairs", str(corpus_file("pairs.dev.jsonl.gz")))["pairs"]
    assert told["judged"] > 2000 and told["unreadable"] == 0
    assert any(rule["state"] == "fired" for rule in told["rules"])
