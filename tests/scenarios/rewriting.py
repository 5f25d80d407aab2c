"""Somebody who can write to the store, and knows how a ledger is made, writes history anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from driftguard.flow.ledger import GENESIS, next_entry
from driftguard.flow.ports import Delete, Put, Store, Write
from driftguard.guard.index import all_rows
from driftguard.guard.rows import JOB, JOB_ROW, LEDGER

Body = dict[str, Any]


def rewrite(store: Store, job: str, edit: Callable[[list[Body]], list[Body]]) -> None:
    """Give the job another ledger: `edit` changes the bodies of its entries; all hashes, and the head, are made anew."""
    old = {row.id: row for row in all_rows(store, job, LEDGER)}
    number, previous = 0, GENESIS
    writes: list[Write] = []
    for body in edit([dict(row.body) for row in old.values()]):
        number += 1
        made = next_entry(number, previous, body["at"], body["event"], body["data"])
        previous, row = made.hash, old.pop(f"{number:010d}", None)
        put = Put(LEDGER, f"{number:010d}", {"schema": 1, **made.to_dict()}, row.version if row else None)
        writes.append(put)
    writes += [Delete(LEDGER, row.id, row.version) for row in old.values()]
    head = store.get(job, JOB, JOB_ROW)
    assert head
    body = {**head.body, "ledger_number": number, "ledger_head": previous}
    store.commit(job, [*writes, Put(JOB, JOB_ROW, body, head.version)])


def remove_job(store: Store, job: str) -> None:
    """Remove every row of the job."""
    for kind in store.kinds(job):
        rows = list(all_rows(store, job, kind))
        store.commit(job, [Delete(kind, row.id, row.version) for row in rows])


def another_reason(bodies: list[Body]) -> list[Body]:
    """The second entry tells another story; none is missing."""
    return [bodies[0], {**bodies[1], "data": {**bodies[1]["data"], "run": "another"}}, *bodies[2:]]
