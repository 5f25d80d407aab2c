"""Refuses to work with a store that is only partly copied: it lacks jobs and halts that the other store has.

Rules:
- Asked when a store is opened for work, by every adapter. Only the copy itself opens one that is unfinished.
"""

from __future__ import annotations

from driftguard.errors import BadConfiguration
from driftguard.flow import copy_mark
from driftguard.flow.copy_mark import KIND, PARTITION, ROW
from driftguard.flow.ports import Row, Store

__all__ = ["KIND", "PARTITION", "ROW", "refuse_unfinished", "refuse_unfinished_row"]


def refuse_unfinished(store: Store, where: str) -> None:
    """Raises BadConfiguration where the store, known to people as `where`, is the unfinished copy of another one."""
    refuse_unfinished_row(store.get(PARTITION, KIND, ROW), where)


def refuse_unfinished_row(mark: Row | None, where: str) -> None:
    """As `refuse_unfinished`, with the row of the mark (PARTITION, KIND, ROW) as the store has it, or None."""
    if mark is not None and copy_mark.is_unfinished(mark.body):
        raise BadConfiguration(
            f"the store {where} is an unfinished copy",
            f"run `driftguard store copy FROM {where}` again with the same FROM until it says that the copy is whole",
        )
