"""Reads recorded traffic line by line.

Rules:
- Plain and gzip files are told apart by their first bytes; `-` is the standard input.
- One line is in memory at a time, at most MAX_LINE bytes of it: neither a long file nor a long line fills the memory.
- A line that has not ended after ENDLESS bytes is an error, and a device is refused: reading comes to an end.
- A file that breaks off is an error, never a shorter file.
"""

from __future__ import annotations

import gzip
import os
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedReader
from pathlib import Path
from typing import cast

from driftguard.errors import CannotTell, NotFound, WrongUse

MAX_LINE = 16 * 2**20  # bytes; an ARM answer is a small part of it
ENDLESS = 32 * MAX_LINE
_GZIP = b"\x1f\x8b"


@contextmanager
def open_lines(path: str) -> Iterator[Lines]:
    """The lines of a file, plain or gzip (told by its first bytes); `-` is the standard input.

    A line longer than MAX_LINE is cut one byte beyond it, the rest of it is passed over. Raises NotFound and WrongUse
    for a file that cannot be opened, before any line is read; reading raises CannotTell for one that breaks off, and for a
    line without an end.
    """
    with ExitStack() as stack:
        plain = cast(BufferedReader, sys.stdin.buffer) if path == "-" else stack.enter_context(_opened(path))
        yield Lines(path, plain)


class Lines:
    """The lines of an opened file, once."""

    def __init__(self, path: str, plain: BufferedReader) -> None:
        self._path = "the standard input" if path == "-" else path
        self._plain = plain

    def __iter__(self) -> Iterator[bytes]:
        try:
            if self._plain.peek(2).startswith(_GZIP):
                with gzip.open(self._plain) as unpacked:
                    yield from _lines(unpacked, self._path)
            else:
                yield from _lines(self._plain, self._path)
        except (EOFError, zlib.error, OSError) as error:
            told = f"{self._path} breaks off or is damaged ({_said(error)})"
            raise CannotTell(told, "copy the file again and start over") from error

    def is_file(self, other: Path) -> bool:
        """Whether these lines are read from that very file, under whichever name."""
        try:
            return os.path.samestat(os.fstat(self._plain.fileno()), other.stat())
        except OSError:  # there is no such file, or the input is none
            return False


def _opened(path: str) -> BufferedReader:
    try:
        _refuse_device(path, os.stat(path).st_mode)
        return Path(path).open("rb")
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}", "name a file of recorded pairs, or - for the input") from None
    except (OSError, ValueError) as error:
        raise WrongUse(f"{path} cannot be opened ({_said(error)})", "name a file that can be read") from None


def _refuse_device(path: str, mode: int) -> None:
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise WrongUse(f"{path} is a device", "name a file of recorded pairs, or - for the input")


def _said(error: Exception) -> str:
    """What happened, in words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, ValueError):
        return "no file can have that name"
    return "it ends too early" if isinstance(error, EOFError) else "its compressed data is not in order"


def _lines(stream: BufferedReader | gzip.GzipFile, path: str) -> Iterator[bytes]:
    while line := stream.readline(MAX_LINE + 1):
        rest, passed = line, len(line)
        while len(rest) > MAX_LINE and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_LINE + 1)
            passed += len(rest)
            if passed > ENDLESS:
                told = f"{path} has a line of more than {ENDLESS:,} bytes"
                raise CannotTell(told, "name a recording: each of its lines is one pair, as a JSON object")
        yield line
