"""The place for anchors in a folder: files appear whole, stay as they are, and lie under no other name."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from driftguard.adapters.anchors.folder import FolderAnchors
from driftguard.errors import BadConfiguration, Unavailable

NAME = "heads/2026-03-02-00ab12.json"


def test_a_kept_file_can_be_written_by_nobody_and_nothing_else_is_left(tmp_path: Path) -> None:
    FolderAnchors(tmp_path).put_once(NAME, b"x")
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o444
    assert list((tmp_path / ".drafts").iterdir()) == []
    assert [path.name for path in (tmp_path / "heads").iterdir()] == [Path(NAME).name]


def test_a_process_that_was_killed_while_it_wrote_leaves_nothing_that_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = FolderAnchors(tmp_path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", killed)
        with pytest.raises(KeyboardInterrupt):
            place.put_once(NAME, b"x")
    assert (place.names(), place.read(NAME)) == ([], None)
    assert place.put_once(NAME, b"x") is True


def test_a_folder_that_was_replaced_by_a_file_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadConfiguration):
        FolderAnchors(tmp_path / "file").names()


def test_a_disk_that_is_full_is_unavailable_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable) as refused:
        FolderAnchors(tmp_path).put_once(NAME, b"x")
    assert "No space left on device" in refused.value.message and refused.value.remedy
    monkeypatch.undo()
    assert FolderAnchors(tmp_path).names() == []


def test_what_is_a_folder_under_that_name_is_unavailable_and_not_nothing(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir(parents=True)
    with pytest.raises(Unavailable):
        FolderAnchors(tmp_path).read(NAME)
    assert FolderAnchors(tmp_path).put_once(NAME, b"x") is False
