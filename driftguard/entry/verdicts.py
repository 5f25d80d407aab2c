"""The file of verdicts that replay writes.

Rules:
- The file is whole or as it was: verdicts go to another file beside it, which takes its name at the end.
- What is no plain file (a pipe, a device) is written to as it is: it cannot be replaced.
- The file that is read from is never written to.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from driftguard.errors import CannotTell, WrongUse

Write = Callable[[Mapping[str, Any]], None]


@contextmanager
def verdicts_file(out: str | None, is_input: Callable[[Path], bool]) -> Iterator[Write]:
    """What writes one verdict as a line of the file `out`; of None it writes nothing. `is_input` knows the file read from.

    Raises WrongUse for a file that cannot be written, CannotTell where writing stops on the way (a full disk).
    """
    if out is None:
        yield lambda verdict: None
        return
    path = _target(out, is_input)
    replaced = path.is_file() or not path.exists()
    written_to = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part") if replaced else path
    file = _open(written_to, out)
    try:
        yield lambda verdict: _write(file, verdict, out)
        _end(file, out)
        if replaced:
            _take_its_place(written_to, path, out)
    finally:
        with suppress(OSError):  # what matters was written by _end, or is given up
            file.close()
        if replaced:
            with suppress(OSError):
                written_to.unlink(missing_ok=True)


def _target(out: str, is_input: Callable[[Path], bool]) -> Path:
    """The file itself, where the name is a link to it."""
    try:
        path = Path(out).resolve()
        if path.is_dir():
            raise WrongUse(f"{out} is a folder", "name a file for the verdicts")
    except (OSError, ValueError, RuntimeError) as error:
        raise _cannot_open(out, error) from error
    if is_input(path):
        raise WrongUse(f"{out} is the recording itself", "name another file for the verdicts")
    return path


def _open(path: Path, out: str) -> IO[str]:
    try:
        return path.open("w", encoding="ascii")
    except (OSError, ValueError) as error:
        raise _cannot_open(out, error) from error


def _write(file: IO[str], verdict: Mapping[str, Any], out: str) -> None:
    try:
        file.write(json.dumps(verdict) + "\n")
    except OSError as error:
        raise _stopped(out, error) from error


def _end(file: IO[str], out: str) -> None:
    try:
        file.close()
    except OSError as error:
        raise _stopped(out, error) from error


def _take_its_place(written: Path, path: Path, out: str) -> None:
    try:
        if path.exists():
            shutil.copymode(path, written)
        os.replace(written, path)
    except OSError as error:
        raise _cannot_open(out, error) from error


def _cannot_open(out: str, error: Exception) -> WrongUse:
    told = error.strerror if isinstance(error, OSError) else "no file can have that name"
    return WrongUse(f"the verdicts cannot be written to {out}: {told}", "name a file that can be written")


def _stopped(out: str, error: OSError) -> CannotTell:
    return CannotTell(
        f"the verdicts could not be written to {out}: {error.strerror}",
        "free space on its disk and replay again; a file of that name is as it was",
    )
