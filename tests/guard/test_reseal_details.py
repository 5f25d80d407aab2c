"""The paths that a detail names are sealed once more, in every form in which a detail names paths."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.classify import ChangeClass
from driftguard.flow.diff import Change
from driftguard.flow.path import Element, Path, format_path
from driftguard.flow.resource import parse_ref
from driftguard.guard.reseal_details import sealed_detail
from driftguard.guard.stability import Readings, told
from driftguard.guard.unsettled import NOT_FINAL
from tests.world import VNET

REF = parse_ref(VNET)
PLAIN: Path = ("properties", "size")
NAMED: Path = ("properties", "rules", Element("name", "Loud-Heron"), "port")
COMMA: Path = ("properties", "rules", Element("name", "Loud, Heron: it differed in one reading and 3 more"), "port")


def hide(path: Path) -> Path:
    return tuple(Element(step.key, "hidden") if isinstance(step, Element) else step for step in path)


def reading(paths: Sequence[Path], value: int) -> Finding:
    """A reading that differs at these paths; as recorded where there are none."""
    changes = tuple(Change(path, 0, value, ChangeClass.CONFIGURATION) for path in paths)
    return Finding(REF, FindingKind.MOVED if paths else FindingKind.UNCHANGED, changes)


def flapping(*readings: Finding) -> str:
    """What is told of these readings, of which the last two have to agree."""
    known = Readings()
    for one in readings:
        known.add(one)
    return told(readings[-1], known, 2).detail


FORMS = {
    "agreed in the end": (1, 2, 2),
    "as recorded in the end": (1, 0, 0),
    "never agreed": (1, 2, 3),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
@pytest.mark.parametrize("many", [1, 2, 9])
def test_every_form_of_flapping_is_told_with_its_paths_sealed(form: tuple[int, ...], many: int) -> None:
    paths = [NAMED, *((*NAMED, f"part{number}") for number in range(many - 1))]
    text = flapping(*(reading(paths if value else [], value) for value in form))
    assert text.count("Loud-Heron") == min(many, 5)
    assert sealed_detail(text, hide) == text.replace("Loud-Heron", "hidden")
    assert sealed_detail(text, lambda path: path) == text


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_paths_that_cannot_be_told_apart_are_left_out(form: tuple[int, ...]) -> None:
    text = flapping(*(reading([COMMA, PLAIN] if value else [], value) for value in form))
    assert "Heron" in text
    sealed = sealed_detail(text, hide)
    assert sealed.startswith("flapping: ") and "Heron" not in sealed


@pytest.mark.parametrize("before", ["", "pending since the last record: "])
def test_a_state_that_is_not_final_is_told_with_its_path_sealed(before: str) -> None:
    for path in (NAMED, COMMA):
        text = f"{before}{format_path(path)} {NOT_FINAL}"
        assert sealed_detail(text, hide) == f"{before}{format_path(hide(path))} {NOT_FINAL}"
    assert sealed_detail(f"{before}[what is this {NOT_FINAL}", hide) == f"{before}a state {NOT_FINAL}"


def test_a_detail_that_names_no_path_stays_as_it_is() -> None:
    for text in ("", "it does not exist", "not readable now (timeout): taken to be as it was when the halt opened"):
        assert sealed_detail(text, hide) == text
