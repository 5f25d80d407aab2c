"""A job's new entry in a policy file: where it goes, and the file with it in its place.

Rules:
- Everything else of the file stays as it is, byte for byte; the new lines stand in the list `jobs`, in block style.
- The first entry that fits a job applies. One that is for everybody (`*`) gets the new entry before it; any narrower one was
  written for this job: then nothing is written.
- The new file is loaded before it is written: it says exactly what the old one said, and the new entry applies to the job.
- A file that this cannot be done to (flow style, aliases, odd line ends) is left alone; a person pastes the entry.
- An unfinished file (empty, only comments, `jobs:` without a list) says what it would say once it is finished.
"""

from __future__ import annotations

import json
import re
import stat
import tempfile
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from driftguard.errors import BadConfiguration, WrongUse
from driftguard.flow.policy import JobPolicy, Mode, Policy
from driftguard.policy_file import load_policy
from driftguard.policy_file.entry_place import Odd, place_of
from driftguard.policy_file.tree import MAX_BYTES
from driftguard.policy_file.unfinished import finished

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE | re.ASCII)
_BY_HAND = "paste the entry by hand, as the first one in the list `jobs` that fits the job"
_BOM = b"\xef\xbb\xbf"


class Outcome(StrEnum):
    """What becomes of the entry."""

    TO_WRITE = "to write"
    WRITTEN = "written"
    ALREADY = "already there"
    NO_FILE = "no file named"
    BY_HAND = "by hand"


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A job's entry in observe mode, with ids that are GUIDs: of applications in `principals` and `pipelines`."""

    job: str
    principals: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises WrongUse for an id that is no GUID: the policy would bind nobody by it."""
        for text in (*self.principals, *self.pipelines, *self.readers, *self.reviewers):
            if not _GUID.match(text):
                raise WrongUse(
                    f"{text[:80]!r} is no id of an application, group or person",
                    "give the GUID, such as 11111111-2222-3333-4444-555555555555",
                )

    def lines(self) -> list[str]:
        """The entry as one element of the list, without its indentation."""
        lines = [f"- match: {json.dumps(self.job)}", f"  mode: {Mode.OBSERVE}"]
        if self.principals:
            lines.append(f"  principals: [{', '.join(f'{{app_id: {_quoted(one)}}}' for one in self.principals)}]")
        for key in ("pipelines", "readers", "reviewers"):
            if ids := getattr(self, key):
                lines.append(f"  {key}: [{', '.join(map(_quoted, ids))}]")
        return lines


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done with an entry. `where` is its `file:line`, or that of the entry that applies already.

    `why` says why nothing is written, or what the new entry changes for the job; `content` is the whole new file, `before`
    the file that it was made of, None where there is none. `said` is what the file says without the entry, None where there
    is none; `is_unfinished`: no other command takes the file as it is. `enforced_by` is the entry (its match and place) by
    which the job is enforced today.
    """

    outcome: Outcome
    entry: NewEntry
    file: Path | None = None
    where: str = ""
    why: str = ""
    remedy: str = ""
    content: bytes | None = None
    before: bytes | None = None
    said: Policy | None = None
    is_unfinished: bool = False

    @property
    def enforced_by(self) -> str:
        """Which entry of the file enforces the job today; empty where none does."""
        found = _first(self.said, self.entry.job) if self.said else None
        return f"the entry for {found.match!r} at {found.where}" if found and found.mode is Mode.ENFORCE else ""

    @property
    def text(self) -> str:
        """The entry as it is pasted below `jobs:`."""
        return "\n".join(f"  {line}" for line in self.entry.lines())

    def not_written(self, outcome: Outcome, why: str, remedy: str = "") -> Plan:
        """The plan, given up for this reason."""
        return replace(self, outcome=outcome, why=why, remedy=remedy, content=None)


def plan_entry(file: Path | None, entry: NewEntry, *, folder: Path) -> Plan:
    """What is to be done; `folder` is the folder `policies/`. Writes nothing. Raises BadConfiguration for a wrong file."""
    if file is None:
        remedy = "name a policy file with --policy or DRIFTGUARD_POLICY; it is made where it is not there"
        return Plan(Outcome.NO_FILE, entry, why="no policy file is named", remedy=remedy)
    if not _is_there(file):
        return _new_file(file, entry)
    before, old = _before(file, folder)
    data = before if old else finished(before)
    is_unfinished = old is None
    old = old or _load(data, file, folder)
    if already := _already(old, entry, file):
        return replace(already, said=old)
    plan = Plan(Outcome.TO_WRITE, entry, file, before=before, said=old, is_unfinished=is_unfinished)
    try:
        content, place = _with_entry(data, old, entry)
        line = _loaded(content, old, entry, place, folder)
    except Odd as odd:
        return plan.not_written(Outcome.BY_HAND, f"{file}: {odd}", _BY_HAND)
    except BadConfiguration:
        why = f"{file}: with the entry in its place the file would not say the same"
        return plan.not_written(Outcome.BY_HAND, why, _BY_HAND)
    return replace(plan, content=content, where=f"{file}:{line}", why=_no_longer_applies(old, entry))


def _is_there(file: Path) -> bool:
    """Whether the file is there. Raises BadConfiguration for what is none: a pipe would be waited for without end."""
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "no file can have that name"
        raise BadConfiguration(f"{file}: the policy file cannot be read ({reason})", "name it again") from None
    if not stat.S_ISREG(mode):
        raise BadConfiguration(f"{file} is no plain file, and nothing can be put into it", "name a policy file")
    return True


def _before(file: Path, folder: Path) -> tuple[bytes, Policy | None]:
    """The file's bytes, and what it says; None where it is unfinished. Raises BadConfiguration for a wrong file."""
    try:
        try:
            said = load_policy(file, folder=folder)
        except BadConfiguration:
            before = _if_unfinished(file, folder)
            if before is None:
                raise
            return before, None
        return file.read_bytes(), said
    except OSError as error:
        raise BadConfiguration(f"{file}: the policy file cannot be read ({error.strerror})", "name it again") from None


def _if_unfinished(file: Path, folder: Path) -> bytes | None:
    """The file's bytes, if all that is wrong with it is that it is not finished. Raises OSError."""
    before = file.read_bytes() if file.stat().st_size <= MAX_BYTES else b""
    data = finished(before)
    if data == before:
        return None
    try:
        _load(data, file, folder)
    except BadConfiguration:
        return None
    return before


def _load(data: bytes, file: Path, folder: Path) -> Policy:
    """What the file would say with this content. Raises BadConfiguration."""
    with tempfile.TemporaryDirectory() as elsewhere:
        draft = Path(elsewhere) / "policy.yaml"
        draft.write_bytes(data)
        return replace(load_policy(draft, folder=folder), source=str(file))


def _quoted(text: str) -> str:
    return json.dumps(text.lower())


def _new_file(file: Path, entry: NewEntry) -> Plan:
    if not file.parent.is_dir():
        raise BadConfiguration(f"{file}: its folder does not exist", "make the folder, or name another file")
    lines = ["version: 1", "jobs:", *(f"  {line}" for line in entry.lines())]
    content = "".join(f"{line}\n" for line in lines).encode()
    return Plan(Outcome.TO_WRITE, entry, file, f"{file}:3", content=content)


def _already(old: Policy, entry: NewEntry, file: Path) -> Plan | None:
    """The plan where an entry of the file is for this job already."""
    found = _first(old, entry.job)
    if found is not None and not _is_for_everybody(found):
        why = f"the entry for {found.match!r} at {found.where} applies to the job already (mode: {found.mode})"
        return Plan(Outcome.ALREADY, entry, file, found.where, why, "edit it, or put the new entry before it")
    hidden = next((one for one in old.jobs if one.match == entry.job), None)
    if hidden is not None and found is not None:
        why = f"the entry for {hidden.match!r} at {hidden.where} never applies: {found.match!r} at {found.where} comes first"
        return Plan(Outcome.BY_HAND, entry, file, hidden.where, why, "move it before that one")
    return None


def _first(policy: Policy, job: str) -> JobPolicy | None:
    found = policy.for_job(job)
    return found if found.match else None


def _is_for_everybody(entry: JobPolicy) -> bool:
    return set(entry.match) <= set("*?")


def _no_longer_applies(old: Policy, entry: NewEntry) -> str:
    found = _first(old, entry.job)
    if found is None:
        return ""
    return (
        f"what the entry for {found.match!r} at {found.where} sets no longer applies to the job: repeat what it needs"
    )


def _with_entry(data: bytes, old: Policy, entry: NewEntry) -> tuple[bytes, int]:
    """The file with the entry in its place, and the entry's number in the list. Raises Odd, BadConfiguration."""
    text = data.decode("utf-8-sig")
    root = yaml.compose(text, Loader=yaml.SafeLoader)  # it was read as a policy before
    if root is None:
        raise Odd("it is empty")
    found = _first(old, entry.job)
    number = next((at for at, one in enumerate(old.jobs) if found and one.where == found.where), len(old.jobs))
    place = place_of(text, root, number)
    newline = "\r\n" if "\r\n" in text else "\n"
    before, after = text[: place.start], text[place.end :]
    if before and not before.endswith("\n"):
        before += newline
    lines = [place.head, *(f"{place.indent}{line}" for line in entry.lines())]
    new = before + "".join(line + newline for line in lines if line) + after
    return (_BOM if data.startswith(_BOM) else b"") + new.encode(), number


def _loaded(content: bytes, old: Policy, entry: NewEntry, place: int, folder: Path) -> int:
    """The line of the entry in the new file. Raises Odd where the file does not say what it said, BadConfiguration."""
    new = _load(content, Path("policy.yaml"), folder)
    effective = new.for_job(entry.job)
    others = (*new.jobs[:place], *new.jobs[place + 1 :])
    if effective.match != entry.job or effective.mode is not Mode.OBSERVE or _said(new, others) != _said(old, old.jobs):
        raise Odd("with the entry in its place the file would not say the same")
    return int(effective.where.rpartition(":")[2])


def _said(policy: Policy, jobs: tuple[JobPolicy, ...]) -> Any:
    """Everything that a policy says, without the places where it says it."""

    def plain(value: Any) -> Any:
        return asdict(value, dict_factory=lambda items: {key: item for key, item in items if key != "where"})

    entries = [plain(one) for one in (*jobs, policy.defaults, *policy.rules)]
    return entries, dict(policy.api_versions), dict(policy.unread_settings)
