from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator, ValidationError

from driftguard.adapters.pipelines import PIPELINES
from driftguard.adapters.stores.sqlite import open_sqlite
from driftguard.flow.attribute import Actor
from driftguard.flow.check import FindingKind
from driftguard.flow.classify import ChangeClass
from driftguard.flow.decide import Action, Judged
from driftguard.flow.evidence import SCHEMA
from driftguard.flow.halt import Decision
from driftguard.flow.policy import Policy
from driftguard.flow.ports import Clock, Reader, Sealer
from driftguard.flow.reading import Cause
from driftguard.flow.resource import CLOUDS
from driftguard.flow.review import Person
from driftguard.guard import halting
from driftguard.guard.context import Checkout, Guard
from driftguard.guard.observe import Seen
from driftguard.guard.rows import HaltRow
from driftguard.guard.work import Work
from driftguard.policies_folder import policies_folder
from driftguard.policy_file import load_policy
from tests.render import told
from tests.render.told import COVERAGE, GONE_GROUP, HALTING, LASTING, MOVED, NOW, TOLD, UNCLEAR, evidence

FILE = Path(__file__).resolve().parents[2] / "docs" / "evidence.schema.json"
RULES: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
VALIDATOR = Draft202012Validator(RULES)
FINDING = RULES["$defs"]["finding"]["properties"]


@contextmanager
def guard_over(folder: Path) -> Iterator[Guard]:
    """A guard with a real store and policy; opening a halt uses no other port."""
    store = open_sqlite(folder / "store.db")
    policy: Policy = load_policy(None, folder=policies_folder())
    try:
        yield Guard(
            store=store, reader=cast(Reader, None), sources=(), sealer=cast(Sealer, None),
            targets={"exit-code": PIPELINES["exit-code"]()}, policy=lambda: policy, clock=cast(Clock, None),
            new_id=lambda: "1", checkout=cast(Checkout, None), version="1.2.3",
        )  # fmt: skip
    finally:
        store.close()


def open_halt(guard: Guard, *judged: Judged, starter: Person | None = None) -> tuple[HaltRow, dict[str, Any]]:
    """A halt as the verbs open it, and the document that was stored."""
    work = Work(guard.store, "shop-prod", NOW)
    occasion = halting.Occasion("4711", "prod", None, starter, COVERAGE, guard.policy())
    halt = halting.open_halt(guard, work, [Seen(item.finding) for item in judged], judged, occasion, "drift")
    work.commit()
    return halt, json.loads(halting.load_evidence(guard, halt))


def test_the_schema_is_a_schema_and_describes_every_member() -> None:
    Draft202012Validator.check_schema(RULES)
    assert RULES["additionalProperties"] is False
    assert RULES["properties"]["schema"]["const"] == SCHEMA
    assert list(undescribed(RULES, "evidence")) == []


def undescribed(rules: dict[str, Any], name: str) -> Iterator[str]:
    """The members without a description, and the objects of ours that let unknown members through."""
    for key, member in {**rules.get("properties", {}), **rules.get("$defs", {})}.items():
        if not member.get("description"):
            yield f"{name}.{key}"
        if member.get("properties") and member.get("additionalProperties") is not False:
            yield f"{name}.{key} is open"
        yield from undescribed(member, f"{name}.{key}")
        if isinstance(member.get("items"), dict):
            yield from undescribed(member["items"], f"{name}.{key}[]")


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        (FINDING["finding"]["enum"], FindingKind),
        (FINDING["action"]["enum"], Action),
        (FINDING["cloud"]["enum"], CLOUDS),
        (RULES["$defs"]["cause"]["enum"], Cause),
        (RULES["$defs"]["change"]["properties"]["class"]["enum"], ChangeClass),
        (RULES["$defs"]["attribution"]["properties"]["actor"]["enum"], Actor),
        (RULES["$defs"]["decision"]["properties"]["decision"]["enum"], Decision),
    ],
)
def test_the_schema_knows_exactly_the_words_of_the_code(listed: list[str], words: Any) -> None:
    assert sorted(listed) == sorted(map(str, words))


def test_evidence_as_it_is_built_follows_the_schema() -> None:
    carried = Judged(replace(MOVED, carried=True, detail="not readable now"), Action.HALT, "on_drift.person: halt")
    by_job = Judged(replace(MOVED, kind=FindingKind.MOVED_BY_JOB, other_job="net"), Action.TELL, "on_other_job: warn")
    unknown = Judged(replace(MOVED, attribution=told.nobody()), Action.HALT, "on_drift.unknown: halt")
    gone, lasting = Judged(GONE_GROUP, Action.HALT, "gone"), Judged(LASTING, Action.HALT, "lastingly forbidden")
    VALIDATOR.validate(evidence(HALTING, TOLD, UNCLEAR, carried, by_job, unknown, gone, lasting))


def test_evidence_as_a_halt_stores_it_follows_the_schema(tmp_path: Path) -> None:
    with guard_over(tmp_path) as guard:
        first, document = open_halt(guard, HALTING, TOLD, UNCLEAR, starter=Person("Bo"))
        VALIDATOR.validate(document)
        assert document["started_by"] == "Bo" and document["halt"]["earlier"] is None
        second, document = open_halt(guard, Judged(LASTING, Action.HALT, "lastingly forbidden"))
        VALIDATOR.validate(document)
        assert document["halt"]["earlier"]["halt"] == first.id != second.id


def test_evidence_of_a_halt_that_supersedes_a_decided_one_follows_the_schema(tmp_path: Path) -> None:
    with guard_over(tmp_path) as guard:
        first, _ = open_halt(guard, HALTING)
        work = Work(guard.store, "shop-prod", NOW)
        row = work.halt(first.id)
        row.decision = told.decision()
        work.save_halt(row)
        work.commit()
        _, document = open_halt(guard, Judged(LASTING, Action.HALT, "lastingly forbidden"))
        VALIDATOR.validate(document)
        assert document["halt"]["earlier"]["kept"] == [MOVED.ref.key]


@pytest.mark.parametrize(
    "damage",
    [
        {"more": 1},
        {"digest": "sha256:1"},
        {"version": 0},
        {"findings": [{}]},
        {"halt": {"id": "h-0123456789ab"}},
        {"coverage": {"read": -1, "not_read": [], "parts_not_read": {}, "scopes_not_listed": []}},
    ],
)
def test_a_document_of_another_form_is_refused(damage: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        VALIDATOR.validate({**evidence(), **damage})


@pytest.mark.parametrize("member", RULES["required"])
def test_every_member_of_the_document_is_required(member: str) -> None:
    document = evidence()
    del document[member]
    with pytest.raises(ValidationError):
        VALIDATOR.validate(document)
    assert set(RULES["properties"]) == set(RULES["required"])
