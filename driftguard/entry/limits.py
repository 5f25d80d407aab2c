"""How much of everything a verb takes: the same in process and through a service, and refused with the same words.

Rules:
- What is within these limits fits into a request (http/layers.py), and the models of the HTTP interface take it.
- A text that no file or message could hold (half of a surrogate pair) is refused; one that is left empty says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from driftguard.errors import WrongUse

if TYPE_CHECKING:
    from driftguard.entry.verbs import JobChange
    from driftguard.flow.review import Person
    from driftguard.guard.answer import Ask
    from driftguard.guard.recorded import Recording
    from driftguard.guard.review import Confirming, Deciding

NAME = 256  # characters of a run, a stage, a ticket, a clearance, somebody's name
REFERENCE = 1000  # of a commit, or the address of a pull request
ID = 2048  # of a resource's id, or a path in it, as ASCII with escapes
RESOURCES = 2000  # named by one call
RECORDED = 200_000  # named by one record
RECORDED_CHARACTERS = 30_000_000  # of all of them
JOBS = 1000  # of one scan


def require_ask(ask: Ask) -> None:
    """Raises WrongUse, as all of these, for what a check does not take."""
    if not ask.run:
        raise WrongUse("a check needs the run that it is for", "name it: --run RUN")
    _names(run=ask.run, stage=ask.stage, ticket=ask.ticket, started_by=_name(ask.started_by))
    _ids(ask.resources, RESOURCES)


def require_recording(call: Recording) -> None:
    """What a record takes."""
    _names(
        run=call.run,
        stage=call.stage,
        ticket=call.ticket,
        started_by=_name(call.started_by),
        clearance=call.clearance,
    )
    naming = call.naming
    _ids(naming.deployments, RESOURCES, "deployments")
    _ids(naming.scopes, RESOURCES, "scopes")
    _ids(naming.resources, RECORDED)
    if sum(map(_size, naming.resources)) > RECORDED_CHARACTERS:
        raise WrongUse(
            f"the ids of the resources have more than {RECORDED_CHARACTERS} characters", "name their groups: --scope ID"
        )


def require_deciding(call: Deciding) -> None:
    """What a decision takes."""
    _names(reviewer=_name(call.reviewer))
    _text("in_code", call.in_code, REFERENCE)
    _text("reason", call.reason)
    _ids(call.resources, RESOURCES)


def require_confirming(call: Confirming) -> None:
    """What a confirmation takes."""
    _names(reviewer=_name(call.reviewer), for_run=call.for_run)
    _text("in_code", call.in_code, REFERENCE)


def require_change(change: JobChange) -> None:
    """What a change of a job takes."""
    _names(reviewer=_name(change.by), clearance=change.clearance)
    _text("reason", change.reason)
    _ids(change.resources, RESOURCES)


def require_explaining(resource: str, path: str | None) -> None:
    """What an explanation takes."""
    _ids((resource,), 1)
    _text("path", path, ID)


def require_scanning(jobs: Sequence[str] | None) -> None:
    """What a scan takes."""
    if len(jobs or ()) > JOBS:
        raise WrongUse(f"more than {JOBS} jobs are named", "scan every job: name none")


def _names(**texts: str | None) -> None:
    for name, text in texts.items():
        _text(name, text, NAME)


def _text(name: str, text: str | None, most: int | None = None) -> None:
    """`most` is in characters; None: the verb itself has a limit."""
    if text is None:
        return
    if most is not None and len(text) > most:
        raise WrongUse(f"{name} is longer than {most} characters", "shorten it")
    if not _is_text(text):
        raise WrongUse(f"{name} holds what is no character", "write it in UTF-8")


def _ids(ids: Sequence[str], most: int, what: str = "resources") -> None:
    if len(ids) > most:
        raise WrongUse(f"more than {most} {what} are named", "name fewer in one call")
    if any(_size(one) > ID or not _is_text(one) for one in ids):
        raise WrongUse(f"one of the {what} is no id: longer than {ID} characters, or no text", "name it by its id")


def _size(text: str) -> int:
    """Characters that it takes in JSON."""
    return len(text.encode("ascii", "backslashreplace"))


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _name(person: Person | None) -> str | None:
    """The name that somebody chose; one that was proven is as long as it is."""
    return person.name if person and person.asserted else None
