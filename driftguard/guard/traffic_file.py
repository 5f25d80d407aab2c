"""Reads recorded traffic line by line.

Rules:
- Plain and gzip files are told apart by their first bytes; `-` is the standard input.
- One line is in memory at a time, at most MAX_LINE bytes of it: neither a long file nor a long line fills the memory.
- A file that breaks off is an error, never a shorter file.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from io import BufferedReader
from pathlib import Path
from typing import cast

from driftguard.errors import CannotTell, NotFound, WrongUse

MAX_LINE = 16 * 2**20  # bytes; an ARM answer is a small part of it
_GZIP = b"\x1f\x8b"


def open_lines(path: str) -> Iterator[bytes]:
    """The lines of a file, plain or gzip (told by its first bytes); `-` is the standard input.

    A line longer than MAX_LINE is cut one byte beyond it, the rest of it is passed over. Raises NotFound and WrongUse
    for a file that cannot be opened, CannotTell for one that breaks off.
    """
    with ExitStack() as stack:
        plain = cast(BufferedReader, sys.stdin.buffer) if path == "-" else stack.enter_context(_opened(path))
        try:
            if plain.peek(2).startswith(_GZIP):
                yield from _lines(stack.enter_context(gzip.open(plain)))
            else:
                yield from _lines(plain)
        except (EOFError, gzip.BadGzipFile, zlib.error, OSError) as error:
            raise CannotTell(
                f"{path} breaks off or is damaged ({type(error).__name__})", "copy the file again and start over"
            ) from error


def _opened(path: str) -> BufferedReader:
    try:
        return Path(path).open("rb")
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}", "name a file of recorded pairs, or - for the input") from None
    except (OSError, ValueError) as error:
        raise WrongUse(f"{path} cannot be opened ({type(error).__name__})", "name a file that can be read") from None


def _lines(stream: BufferedReader | gzip.GzipFile) -> Iterator[bytes]:
    while line := stream.readline(MAX_LINE + 1):
        rest = line
        while len(rest) > MAX_LINE and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_LINE + 1)
        yield line
