"""What every place for anchors keeps, whichever product is behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from driftguard.adapters.anchors import ANCHORS
from driftguard.adapters.anchors.azure import AzureAnchors
from driftguard.adapters.anchors.folder import FolderAnchors
from driftguard.adapters.anchors.limits import MOST_BYTES
from driftguard.errors import BadConfiguration, WrongUse
from driftguard.flow.ports import Anchors
from tests.adapters.anchors.places import azure_anchors, new_container
from tests.azurite.server import Azurite

NAME = "heads/2026-03-02-00ab12.json"
Open = Callable[[str], Anchors]


@pytest.fixture(params=list(ANCHORS))
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens handles on a place: on the one of this test, or on one that is `missing`."""
    handles: list[Anchors] = []
    if request.param == "folder":
        (tmp_path / "there").mkdir()

        def open_one(which: str) -> Anchors:
            return FolderAnchors(tmp_path / which)
    else:
        azurite: Azurite = request.getfixturevalue("azurite")
        names = {"there": new_container(azurite), "missing": azurite.new_name()}

        def open_one(which: str) -> Anchors:
            return azure_anchors(azurite, names[which])

    def open_kept(which: str) -> Anchors:
        handles.append(open_one(which))
        return handles[-1]

    yield open_kept
    for handle in handles:
        handle.close()


@pytest.fixture
def place(opened: Open) -> Anchors:
    return opened("there")


def test_every_place_is_in_the_table_and_is_known_by_its_address(place: Anchors) -> None:
    assert {"folder": FolderAnchors, "azure": AzureAnchors} == ANCHORS
    assert place.where


def test_what_is_kept_is_read_again_by_every_handle(place: Anchors, opened: Open) -> None:
    data = bytes(range(256)) * 100
    assert place.put_once(NAME, data) is True
    assert opened("there").read(NAME) == place.read(NAME) == data


def test_a_name_is_taken_once_and_what_it_holds_never_changes(place: Anchors, opened: Open) -> None:
    assert place.put_once(NAME, b"first") is True
    assert place.put_once(NAME, b"second") is False
    assert opened("there").put_once(NAME, b"first") is False
    assert place.read(NAME) == b"first"


def test_what_was_never_kept_is_nothing(place: Anchors) -> None:
    assert place.read(NAME) is None
    assert place.names() == []


def test_names_are_all_names_sorted(place: Anchors) -> None:
    names = [f"heads/2026-{month:02d}-0{day}-00ab12.json" for month in (12, 1, 7) for day in (3, 1)]
    for name in [*names, "other.txt", "a/b/c.json"]:
        place.put_once(name, b"x")
    assert place.names() == sorted([*names, "other.txt", "a/b/c.json"])


def test_of_many_writers_at_once_exactly_one_succeeds(opened: Open) -> None:
    count = 8
    handles, ready = [opened("there") for _ in range(count)], threading.Barrier(count)

    def put(number: int) -> bool:
        ready.wait()
        return handles[number].put_once(NAME, b"%d" % number * 1000)

    with ThreadPoolExecutor(count) as threads:
        won = list(threads.map(put, range(count)))
    assert won.count(True) == 1
    assert handles[0].read(NAME) == b"%d" % won.index(True) * 1000
    assert handles[0].names() == [NAME]


def test_a_place_that_is_not_there_is_said_and_never_made(opened: Open) -> None:
    missing = opened("missing")
    for ask in (lambda: missing.put_once(NAME, b"x"), lambda: missing.read(NAME), missing.names):
        with pytest.raises(BadConfiguration) as refused:
            ask()
        assert "is not there" in refused.value.message and refused.value.remedy


@pytest.mark.parametrize(
    "name",
    ["", "/x", "x/", "../x", "heads/../../x", ".hidden", "heads/.x", "a b", "a\\b", "a%2fb", "é", "x" * 201, "a\n"],
)
def test_a_name_that_leads_elsewhere_is_refused(place: Anchors, name: str) -> None:
    for ask in (lambda: place.put_once(name, b"x"), lambda: place.read(name)):
        with pytest.raises(WrongUse):
            ask()
    assert place.names() == []


def test_what_is_too_large_is_refused_before_it_is_sent(place: Anchors) -> None:
    with pytest.raises(WrongUse):
        place.put_once(NAME, b"x" * (MOST_BYTES + 1))
    assert place.names() == []


def test_a_handle_that_was_closed_connects_anew(place: Anchors) -> None:
    place.put_once(NAME, b"x")
    place.close()
    place.close()
    assert place.read(NAME) == b"x"
