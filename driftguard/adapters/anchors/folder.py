"""Anchors as files of a folder: best on another machine's disk, or on one that keeps files as they were written.

Rules:
- The folder must be there: one that is not mounted is no place to begin a new history in.
- A file appears whole or not at all, is on the disk before its name is, and is never written again (mode 0444).
- What is being written lies in `.drafts/` beside `heads/`, so that `heads/` itself may forbid removing and renaming
  (`chattr +a`). Names that begin with a dot are not listed.
- Only regular files are read: a pipe that somebody put among them holds nobody up.
"""

from __future__ import annotations

import os
import stat
from builtins import list as List  # the port has a method `names`; the type is named as in the other ports
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from driftguard.adapters.anchors import limits
from driftguard.adapters.stores.files import draft, fill, flush_folder, place_once
from driftguard.errors import BadConfiguration, Unavailable
from driftguard.flow.ports import Anchors

_FILE_MODE = 0o444
_DRAFTS = ".drafts"
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)  # opening a pipe waits for nobody; not known to Windows


class FolderAnchors(Anchors):
    """The port `Anchors` on a folder. Nothing is looked at before the first call.

    Every call raises BadConfiguration where the folder is not there, Unavailable where it cannot be read or written;
    `read` NotADocument for what is too large or no file.
    """

    def __init__(self, folder: Path) -> None:
        self.where = str(folder)
        self._folder = folder

    def put_once(self, name: str, data: bytes) -> bool:
        limits.check_name(name)
        limits.check_size(data)
        path = self._folder / name
        with self._reachable():
            if path.exists():
                return False
            self._make(path.parent)
            drafts = self._folder / _DRAFTS
            self._make(drafts)
            with draft(drafts / path.name) as new:
                fill(new, data)
                new.chmod(_FILE_MODE)
                return place_once(new, path)

    def read(self, name: str) -> bytes | None:
        limits.check_name(name)
        with self._reachable():
            try:
                file = os.open(self._folder / name, _READ)
            except FileNotFoundError:
                return None
            try:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise limits.no_file(self.where, name)
                with open(file, "rb", closefd=False) as content:
                    data = content.read(limits.MOST_BYTES + 1)
            finally:
                os.close(file)
        if len(data) > limits.MOST_BYTES:
            raise limits.too_large(self.where, name)
        return data

    def names(self) -> List[str]:
        with self._reachable():
            return sorted(self._names(self._folder, ""))

    def close(self) -> None:
        """Nothing is held open."""

    def _names(self, folder: Path, before: str) -> Iterator[str]:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = before + entry.name
                if not limits.is_name(name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    yield from self._names(Path(entry.path), f"{name}/")
                else:
                    yield name

    def _make(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            flush_folder(folder.parent)

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            if not self._folder.is_dir():
                raise BadConfiguration(
                    f"the folder for anchors {self.where} is not there",
                    "mount or make it, or set DRIFTGUARD_ANCHORS to the right place",
                )
            yield
        except OSError as error:
            raise Unavailable(
                f"the folder for anchors {self.where} cannot be used ({error.strerror or type(error).__name__})",
                "check that it is mounted, has space, and that this user may write in it",
            ) from None
