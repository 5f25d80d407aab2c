"""Asks git whether the checked-out commit contains another one.

A shallow clone or a pull request's number cannot be told: then a reviewer names the run instead.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}\Z")
_TIMEOUT = 20.0


class GitCheckout:
    """The checkout in a folder; git is only asked to compare commits, never to fetch."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def contains(self, commit: str) -> bool | None:
        """Whether HEAD contains the commit; None where git, the commit or a full history is not at hand."""
        if not _COMMIT.match(commit):
            return None
        known = self._git("cat-file", "-e", f"{commit}^{{commit}}")
        if known != 0:
            return None  # not fetched, shallow, or no checkout at all
        answer = self._git("merge-base", "--is-ancestor", commit, "HEAD")
        return {0: True, 1: False}.get(answer)

    def _git(self, *words: str) -> int:
        try:
            done = subprocess.run(
                ["git", "-C", str(self._folder), *words],
                capture_output=True,
                timeout=_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return -1
        return done.returncode
