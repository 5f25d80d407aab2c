"""Writes a planned entry: the file is the old one or the new one, never a part of it.

Rules:
- A file that changed since it was looked at is left alone, and so is one that appeared meanwhile.
- A file keeps its mode; a new one can be read by everybody (0644), since it holds no secret. A link stays a link.
"""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from driftguard.errors import WrongUse
from driftguard.policy_file.new_entry import Outcome, Plan

_NEW = 0o644


def can_be_written(plan: Plan) -> Plan:
    """The plan, given up where its file is none that can be replaced. Writes nothing."""
    if plan.outcome is not Outcome.TO_WRITE or plan.file is None:
        return plan
    file = plan.file.resolve()
    if plan.before is not None and not file.is_file():
        return plan.not_written(Outcome.BY_HAND, f"{plan.file} is no plain file", "paste the entry by hand")
    needed = [file.parent, file] if plan.before is not None else [file.parent]
    if not all(os.access(each, os.W_OK) for each in needed):
        return plan.not_written(Outcome.BY_HAND, f"{plan.file} cannot be written", "paste the entry by hand")
    return plan


def write_entry(plan: Plan) -> Plan:
    """Write what is planned; the plan as it is done. Raises WrongUse where the file changed meanwhile, or cannot be written."""
    if plan.outcome is not Outcome.TO_WRITE or plan.file is None or plan.content is None:
        return plan
    file = plan.file.resolve()
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name[:100]}.", suffix=".draft", dir=file.parent)
        draft = Path(name)
        try:
            with os.fdopen(handle, "wb") as written:
                written.write(plan.content)
                written.flush()
                os.fsync(written.fileno())
            draft.chmod(_NEW if plan.before is None else stat.S_IMODE(file.stat().st_mode))
            _take_its_place(draft, file, plan)
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()
    except OSError as error:
        raise WrongUse(
            f"{plan.file} cannot be written ({error.strerror}); the entry was not written",
            "make its folder writable, or run it again with --dry-run and paste the entry",
        ) from error
    return Plan(Outcome.WRITTEN, plan.entry, plan.file, plan.where, plan.why, plan.remedy)


def _take_its_place(draft: Path, file: Path, plan: Plan) -> None:
    """Raises WrongUse, OSError."""
    try:
        if plan.before is None:
            os.link(draft, file)  # never replaces a file
            return
        if file.read_bytes() != plan.before:
            raise _changed(plan)
    except (FileExistsError, FileNotFoundError) as error:
        raise _changed(plan) from error
    draft.replace(file)


def _changed(plan: Plan) -> WrongUse:
    return WrongUse(f"{plan.file} changed while the job was looked at; nothing was written", "run it again")
