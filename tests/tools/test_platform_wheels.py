"""What is read out of wheels, and what is refused: they come from outside."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from tools.platform_paths import wheels
from tools.platform_paths.wheels import from_wheel, pinned

NAME = "azure_mgmt_x-1.0-py3-none-any.whl"
SOURCE = "azure/mgmt/x/models/_models.py"


def wheel(folder: Path, content: bytes = b"", name: str = NAME) -> Path:
    with zipfile.ZipFile(folder / name, "w") as file:
        file.writestr(SOURCE, content)
    return folder / name


def test_a_wheel_gives_its_name_its_version_and_its_texts(tmp_path: Path) -> None:
    sources = from_wheel(wheel(tmp_path, b"x = 1"))
    assert (sources.name, sources.version, sources.files) == ("azure-mgmt-x", "1.0", {SOURCE: "x = 1"})


def test_a_file_that_is_no_wheel_is_refused(tmp_path: Path) -> None:
    for path, problem in ((tmp_path / "x.whl", "named"), (tmp_path / NAME, "not a wheel")):
        path.write_bytes(b"no zip")
        with pytest.raises(ValueError, match=problem):
            from_wheel(path)


def test_a_wheel_is_held_to_its_digest(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    assert from_wheel(path, frozenset({right, "0" * 64}))
    with pytest.raises(ValueError, match=f"{NAME} is not the pinned wheel"):
        from_wheel(path, frozenset({"0" * 64}))


def test_a_text_that_is_not_utf_8_is_refused_with_the_name_of_the_wheel(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{NAME} .*{SOURCE} is not UTF-8"):
        from_wheel(wheel(tmp_path, b"\xff\xfe"))


def test_a_damaged_wheel_is_refused_with_its_name(tmp_path: Path) -> None:
    path = wheel(tmp_path, b"some = 'text that is stored as it is'")
    path.write_bytes(path.read_bytes().replace(b"stored", b"broken"))
    with pytest.raises(ValueError, match=f"{NAME} .*CRC"):
        from_wheel(path)


@pytest.mark.parametrize(
    ("limit", "problem"), [("_LARGEST_SOURCE", "too large to be"), ("_LARGEST_PACKAGE", "are too")]
)
def test_a_wheel_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, problem: str
) -> None:
    monkeypatch.setattr(wheels, limit, 3)
    with pytest.raises(ValueError, match=f"{NAME} .*{problem}"):
        from_wheel(wheel(tmp_path, b"1234"))


def test_a_pin_that_is_not_exact_is_refused() -> None:
    with pytest.raises(ValueError, match="name==version"):
        pinned(["azure-mgmt-x>=1.0"])


def test_a_pin_has_its_version_and_its_digests() -> None:
    line = f"Azure_Mgmt.X==1.0 --hash=sha256:{'a' * 64} --hash=sha256:{'b' * 64}"
    pin = pinned(["# a comment", "", f"{line}  # why"])["azure-mgmt-x"]
    assert (pin.version, pin.digests, pin.line) == ("1.0", frozenset({"a" * 64, "b" * 64}), line)
