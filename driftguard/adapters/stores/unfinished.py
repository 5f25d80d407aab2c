"""Refuses to work with a store that is only partly copied: it lacks jobs and halts that the other store has.

Rules:
- Asked by every adapter when a store is opened for work, and again while it is open: a copy into it may begin then.
- Only the copy itself opens one that is unfinished.
"""

from __future__ import annotations

from collections.abc import Mapping

from driftguard.errors import BadConfiguration
from driftguard.flow import copy_mark
from driftguard.flow.copy_mark import KIND, PARTITION, ROW
from driftguard.flow.ports import Row

__all__ = ["KIND", "PARTITION", "ROW", "refuse_unfinished_fact", "refuse_unfinished_row"]


def refuse_unfinished_row(mark: Row | None, where: str) -> None:
    """Raises BadConfiguration where the store, known to people as `where`, is the unfinished copy of another one.

    `mark` is the row of the mark (PARTITION, KIND, ROW) as the store has it, or None.
    """
    if mark is not None and copy_mark.is_unfinished(mark.body):
        raise _unfinished(where)


def refuse_unfinished_fact(facts: Mapping[str, str], where: str) -> None:
    """As `refuse_unfinished_row`, with the facts that the store keeps about itself."""
    state = facts.get(copy_mark.FACT)
    if state not in (None, copy_mark.WITHDRAWN) and copy_mark.is_unfinished({"state": state}):
        raise _unfinished(where)


def _unfinished(where: str) -> BadConfiguration:
    return BadConfiguration(
        f"the store {where} is an unfinished copy",
        f"run `driftguard store copy FROM {where}` again with the same FROM until it says that the copy is whole",
    )
