"""The whole build, on small wheels that are made here: what it reads, what it writes, and what ends it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.tools.small_packages import MODEL, READ, RESOURCE, WRITE, crud, model, resource_model
from tools import build_platform_paths
from tools.build_platform_paths import main
from tools.platform_paths.wheels import Pin
from tools.platform_paths.write import is_table

TOYS, GAMES = "Microsoft.Toys", "Microsoft.Games"


class Place:
    """A cache, a folder for tables, and the pins of the wheels that were made."""

    def __init__(self, folder: Path) -> None:
        self.cache, self.out, self.pins, self.index = (
            folder / name for name in ("cache", "out", "pins.txt", "index.txt")
        )
        self.cache.mkdir()
        self.pins.write_text("", encoding="utf-8")

    def wheel(self, name: str, *types: str, files: dict[str, str] | None = None) -> Path:
        """Makes a wheel with a GET and a PUT of each type, and pins it."""
        path = self.cache / f"azure_mgmt_{name}-1.0.0-py3-none-any.whl"
        root = f"azure/mgmt/{name}"
        facts = model("Facts", ("size", "Optional[int]", WRITE), ("state", "Optional[str]", READ))
        operations = "".join(crud(f"{RESOURCE}{kind}/{{accountName}}", "Shop", "Shop") for kind in types)
        texts = {"models/_models.py": MODEL + facts + resource_model("Shop", "Facts"), "models/_enums.py": ""}
        texts |= {"operations/_operations.py": operations} | (files or {})
        with zipfile.ZipFile(path, "w") as file:
            for name_in_it, text in texts.items():
                file.writestr(f"{root}/{name_in_it}", text)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        with self.pins.open("a", encoding="utf-8") as pins:
            pins.write(f"azure-mgmt-{name}==1.0.0 --hash=sha256:{digest}\n")
        return path

    def build(self, *only: str) -> int:
        arguments = ["--cache", str(self.cache), "--out", str(self.out), "--index", str(self.index)]
        return main([*arguments, *(["--only", *only] if only else [])], [self.pins])

    def tables(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.out.iterdir())}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    def no_download(pins: object, cache: object) -> None:
        raise AssertionError(f"not in the cache: {pins}")

    monkeypatch.setattr(build_platform_paths, "_download", no_download)
    return Place(tmp_path)


def test_a_build_writes_one_file_for_each_namespace_and_the_same_bytes_again(place: Place) -> None:
    place.wheel("toys", f"{TOYS}/shops", f"{GAMES}/boards")
    assert place.build() == 0
    first = place.tables()
    assert json.loads(first[f"{TOYS}.json"]) == {
        f"{TOYS}/shops": {"package": "azure-mgmt-toys 1.0.0", "read_only": ["properties.state"]}
    }
    assert place.build() == 0
    assert place.tables() == first and list(first) == [f"{GAMES}.json", f"{TOYS}.json"]


def test_a_part_is_built_from_every_package_of_its_namespaces_and_leaves_the_others_as_they_are(place: Place) -> None:
    place.wheel("toys", f"{TOYS}/shops")
    place.wheel("dolls", f"{TOYS}/dolls", f"{GAMES}/boards")
    unread = place.wheel("dice", f"{GAMES}/dice")
    place.build()
    before = place.tables()
    unread.unlink()
    (place.out / f"{TOYS}.json").write_bytes(b"{}")
    (place.out / f"{GAMES}.json").write_bytes(b"as it is")
    assert place.build("Azure_Mgmt_Toys") == 0, "an underscore and letter case tell no packages apart"
    assert place.tables() == before | {f"{GAMES}.json": b"as it is"}


def test_a_part_that_nothing_is_known_of_is_refused_with_what_to_do(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.wheel("toys", f"{TOYS}/shops")
    for name, problem in (
        ("azure-mgmt-toys", "build everything first"),
        ("toys", "not among the pinned packages: toys"),
    ):
        assert place.build(name) == 1
        assert problem in capsys.readouterr().err
    place.build()
    place.wheel("dolls", f"{TOYS}/dolls")
    assert place.build("azure-mgmt-dolls") == 1
    assert "no namespace is known of azure-mgmt-dolls" in capsys.readouterr().err


def test_a_package_that_speaks_of_a_new_namespace_is_not_built_alone(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.wheel("toys", f"{TOYS}/shops", f"{GAMES}/boards")
    place.index.write_text("microsoft.toys azure-mgmt-toys\n", encoding="utf-8")
    assert place.build("azure-mgmt-toys") == 1
    assert "new of these packages: microsoft.games" in capsys.readouterr().err


def test_a_wheel_that_is_not_the_pinned_one_ends_the_build_and_nothing_is_written(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    path = place.wheel("toys", f"{TOYS}/shops")
    path.write_bytes(path.read_bytes() + b"more")
    assert place.build() == 1
    assert f"{path.name} is not the pinned wheel" in capsys.readouterr().err
    assert not place.out.exists()


def test_a_file_that_is_not_understood_ends_the_build_with_its_name(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.wheel("toys", files={"operations/_operations.py": "def ("})
    assert place.build() == 1
    assert "azure-mgmt-toys 1.0.0: azure/mgmt/toys/operations/_operations.py" in capsys.readouterr().err


def test_a_pin_without_a_digest_is_refused(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.pins.write_text("azure-mgmt-toys==1.0.0\n", encoding="utf-8")
    assert place.build() == 1
    assert "without --hash=sha256:…: azure-mgmt-toys" in capsys.readouterr().err


def test_only_what_is_missing_and_needed_is_downloaded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    toys, dolls = place.wheel("toys", f"{TOYS}/shops"), place.wheel("dolls", f"{GAMES}/dolls")
    place.build()
    kept = toys.read_bytes()
    toys.unlink()
    dolls.unlink()
    asked: list[str] = []

    def download(pins: list[Pin], cache: Path) -> None:
        asked.extend(pin.line.partition("==")[0] for pin in pins)
        (cache / toys.name).write_bytes(kept)

    monkeypatch.setattr(build_platform_paths, "_download", download)
    assert place.build("azure-mgmt-toys") == 0
    assert asked == ["azure-mgmt-toys"]


def test_a_download_that_gives_another_wheel_is_an_error(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place.wheel("toys", f"{TOYS}/shops").unlink()
    monkeypatch.setattr(build_platform_paths, "_download", lambda pins, cache: None)
    assert place.build() == 1
    assert "azure-mgmt-toys 1.0.0 is not among the wheels" in capsys.readouterr().err


def test_pip_is_asked_for_the_pinned_digest_and_what_it_refuses_ends_the_build(tmp_path: Path) -> None:
    wheels, cache = tmp_path / "wheels", tmp_path / "cache"
    wheels.mkdir()
    cache.mkdir()
    with zipfile.ZipFile(wheels / "toys-1.0.0-py3-none-any.whl", "w") as file:
        file.writestr("toys-1.0.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr("toys-1.0.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toys\nVersion: 1.0.0\n")
    digest = hashlib.sha256((wheels / "toys-1.0.0-py3-none-any.whl").read_bytes()).hexdigest()
    address = (wheels / "toys-1.0.0-py3-none-any.whl").as_uri()
    build_platform_paths._download([Pin("1.0.0", frozenset({digest}), f"{address} --hash=sha256:{digest}")], cache)
    assert [path.name for path in cache.iterdir()] == ["toys-1.0.0-py3-none-any.whl"]
    wrong = Pin("1.0.0", frozenset({"0" * 64}), f"{address} --hash=sha256:{'0' * 64}")
    with pytest.raises(subprocess.CalledProcessError):
        build_platform_paths._download([wrong], tmp_path / "other")


def test_a_full_build_removes_the_tables_of_namespaces_that_are_gone_and_no_other_file(place: Place) -> None:
    place.wheel("toys", f"{TOYS}/shops", f"{GAMES}/boards")
    place.build()
    old = (place.out / f"{GAMES}.json").read_text("utf-8")
    others = {
        "Microsoft.Other.json": old,  # it is of another namespace
        "notes.json": '{"a": 1}',
        "list.json": "[]",
        "empty.json": "{}\n",
        "broken.json": "{",
        "Microsoft.Mine.json": '{"Microsoft.Mine/a": {"package": "by hand", "read_only": []}}',  # in another form
    }
    for name, text in others.items():
        (place.out / name).write_text(text, encoding="utf-8")
    (place.out / "Microsoft.Gone.json").write_text(old.replace(GAMES, "Microsoft.Gone"), encoding="utf-8")
    assert is_table(place.out / "Microsoft.Gone.json")
    assert place.build() == 0
    assert set(place.tables()) == {f"{TOYS}.json", f"{GAMES}.json", *others}


def test_a_table_that_cannot_be_put_in_its_place_leaves_the_old_one_and_nothing_beside_it(place: Place) -> None:
    place.wheel("toys", f"{TOYS}/shops")
    (place.out / f"{TOYS}.json").mkdir(parents=True)
    assert place.build() == 1
    assert [path.name for path in place.out.iterdir()] == [f"{TOYS}.json"]
