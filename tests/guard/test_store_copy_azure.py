"""A store copy into Azure Storage and out of it: killed, resumed, and with a source that is in use."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks.filled_store import fill
from driftguard.adapters.stores.azure import AzureStore, open_azure_store
from driftguard.adapters.stores.keys import REMEMBERED
from driftguard.adapters.stores.sqlite import open_sqlite
from driftguard.errors import BadConfiguration, CannotTell, WrongUse
from driftguard.flow.copy_mark import COPYING
from driftguard.flow.ports import Put
from driftguard.guard.rows import JOB, JOB_ROW
from tests.azurite.server import Azurite
from tests.contracts.store_worker import NOBODY
from tests.guard.test_store_copy import (
    NOW,
    Around,
    Killed,
    copied,
    halt_more,
    killed_before_write,
    mark_of,
    require_equal,
    require_whole_jobs,
)

Open = Callable[..., Any]
# Before the mark, among the blobs, among the rows; every place is tried on SQLite.
PLACES = (1, 12, 36)


@pytest.fixture
def stores(azurite: Azurite, tmp_path: Path) -> Iterator[dict[str, Open]]:
    """How to open a new store of each kind, or the one of a name; all are closed at the end."""
    with ExitStack() as stack:
        numbers = itertools.count()

        def in_azure(*, address: str = "", unfinished: bool = False) -> AzureStore:
            store = open_azure_store(
                address or azurite.store(),
                NOBODY,
                connection=azurite.connection,
                may_begin=True,
                new_id=lambda: uuid.uuid4().hex,
                unfinished=unfinished,
            )
            return stack.enter_context(closing(store))

        def in_a_file(*, unfinished: bool = False) -> Any:
            path = tmp_path / f"{next(numbers)}.db"
            return stack.enter_context(closing(open_sqlite(path, unfinished=unfinished)))

        yield {"azure": in_azure, "sqlite": in_a_file}


def filled(store: Any) -> Any:
    fill(store, 8, 4, NOW)
    store.update_meta(lambda: {REMEMBERED + "0123456789abcdef": ""})
    return store


@pytest.mark.parametrize(("from_", "to"), [("sqlite", "azure"), ("azure", "sqlite")])
def test_killed_between_writes_the_copy_goes_on_to_the_digest_of_one_that_was_not(
    stores: dict[str, Open], from_: str, to: str
) -> None:
    source = filled(stores[from_]())
    whole = copied(source, stores["sqlite"](unfinished=True))
    for place in PLACES:
        target = stores[to](unfinished=True)
        with pytest.raises(Killed):
            copied(source, killed_before_write(target, place))
        require_whole_jobs(target)
        told = copied(source, target)
        assert (told.digest, told.rows, told.blobs) == (whole.digest, whole.rows, whole.blobs)
    require_equal(source, target)


@pytest.mark.parametrize(("from_", "to"), [("sqlite", "azure"), ("azure", "sqlite")])
def test_a_job_is_copied_as_it_was_at_one_moment_while_a_writer_goes_on(
    stores: dict[str, Open], from_: str, to: str
) -> None:
    source, target = filled(stores[from_]()), stores[to](unfinished=True)
    reads, written = [0], [0]

    def busy(call: str) -> Callable[..., Any]:
        def read(store: Any, *given: Any, **named: Any) -> Any:
            reads[0] += 1
            if reads[0] % 5 == 0 and written[0] < 6:
                written[0] += 1
                halt_more(store, f"payments-{written[0] % 4}", written[0])
            return getattr(store, call)(*given, **named)

        return read

    copied(Around(source, **{call: busy(call) for call in ("list", "get", "version", "kinds")}), target)
    assert written == [6]
    assert require_whole_jobs(target) == [f"payments-{number}" for number in range(4)]


def test_a_service_that_had_the_empty_target_open_is_refused_or_found_out(stores: dict[str, Open]) -> None:
    source = filled(stores["sqlite"]())
    target = stores["azure"](unfinished=True)
    service = stores["azure"](address=target.address)
    service.update_meta(dict)
    assert service.partitions() == []
    wrote: list[str] = []

    def kinds(store: Any, name: str) -> list[str]:
        if name == "payments-3" and not wrote:
            try:
                service.commit("theirs", [Put(JOB, JOB_ROW, {}, None)])
                wrote.append("written")
            except BadConfiguration:
                wrote.append("refused")
        found: list[str] = store.kinds(name)
        return found

    try:
        copied(Around(source, kinds=kinds), target)
    except CannotTell:
        assert wrote == ["written"] and mark_of(target)["state"] == COPYING
        assert target.get("theirs", JOB, JOB_ROW)
    else:
        assert wrote == ["refused"]


def test_a_service_that_records_before_the_mark_keeps_its_store(stores: dict[str, Open]) -> None:
    source = filled(stores["sqlite"]())
    target = stores["azure"](unfinished=True)
    service = stores["azure"](address=target.address)
    service.update_meta(dict)
    done: list[bool] = []

    def commit(store: Any, *given: Any) -> Any:
        if not done:
            done.append(True)
            service.commit("theirs", [Put(JOB, JOB_ROW, {}, None)])
        return store.commit(*given)

    with pytest.raises(WrongUse, match="is not empty"):
        copied(source, Around(target, commit=commit))
    anew = stores["azure"](address=target.address)
    assert anew.partitions() == ["theirs"]
    assert anew.commit("theirs", [Put(JOB, "2", {}, None)])
