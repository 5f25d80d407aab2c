"""What a deployment left: the fate of every resource, snapshots without secrets, and sets that come back as they were."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.flow.canonical import canonical, fingerprint
from driftguard.flow.path import PathPattern, PatternSet
from driftguard.flow.reading import Cause, ETags, Outcome, Reading
from driftguard.flow.record import (
    Baseline,
    Entry,
    Fate,
    Provenance,
    Snapshot,
    Traces,
    fate_of,
    reseal_snapshot,
    take_snapshot,
)
from driftguard.flow.resource import parse_ref
from tests.flow.bodies import TestSealer, bodies
from tests.flow.findings import GROUP, NOON, ref

EVERY = [Traces(*flags) for flags in itertools.product((False, True), repeat=10)]


def as_designed(t: Traces) -> str:
    """The fate by the words of the design, from the outside in: can it be read, does a halt hold it, was it named."""
    read = t.gone or (t.found and t.settled)
    if not read and t.recorded and t.decided_badly:
        return "held by a halt"  # waived as unreadable, and unreadable still
    if not read:
        return "pending" if t.named or t.foreign_write else "keeps its old snapshot"
    if t.reverted:
        return "reverted: held by a halt"
    if t.decided_badly:
        return "held by a halt"
    if t.recorded and t.foreign_write:
        return "held by a halt"
    match (t.gone, t.recorded, t.named):
        case (True, True, _) if t.own_deletion:
            return "retired"
        case (True, True, _):
            return "held by a halt" if t.log_complete else "pending"
        case (True, False, _):
            return "pending"
        case (False, _, True):
            return "recorded"
        case _:
            return "keeps its old snapshot"


def test_every_resource_has_the_fate_that_the_design_says() -> None:
    assert len(EVERY) == 1024
    assert {traces: fate_of(traces) for traces in EVERY} == {traces: Fate(as_designed(traces)) for traces in EVERY}


def test_only_what_was_read_at_rest_named_and_is_nobody_elses_becomes_the_baseline() -> None:
    for traces in EVERY:
        if fate_of(traces) is Fate.RECORDED:
            assert traces.found and traces.settled and traces.named
            assert not traces.gone and not traces.reverted and not traces.decided_badly
            assert not (traces.recorded and traces.foreign_write)
        if fate_of(traces) is Fate.RETIRED:
            assert traces.gone and traces.recorded and not traces.foreign_write


SEALER = TestSealer()
NO_RULES = PatternSet()
CANARY = "canary-6f1d"
BODY = {
    "id": ref().id,
    "name": "vnet-1",
    "properties": {
        "adminPassword": f"{CANARY}-1",
        "nested": [{"name": "DB_PASSWORD", "value": f"{CANARY}-2"}, {"sharedKey": f"{CANARY}-3"}],
        "own": f"{CANARY}-4",
        "open": "text",
    },
}


def reading(body: dict[str, Any] | None = BODY, **more: Any) -> Reading:
    etags = ETags('W/"1"', "1", None)
    return replace(
        Reading(ref(), "2024-05-01", Outcome.FOUND, NOON, body, etags, "request", "correlation", 200), **more
    )


def test_a_snapshot_that_is_sealed_once_more_has_the_fingerprint_of_what_it_holds_then() -> None:
    stored = take_snapshot(reading(), SEALER, PatternSet())
    own = PatternSet([(PathPattern.parse("properties.own"), "own rule")])
    assert reseal_snapshot(stored, SEALER, PatternSet()) is stored
    assert reseal_snapshot(stored, SEALER, own) == take_snapshot(reading(), SEALER, own)


def test_a_snapshot_holds_no_secret_and_keeps_everything_else() -> None:
    redact = PatternSet([(PathPattern.parse("properties.own"), "own rule")])
    snapshot = take_snapshot(reading(), SEALER, redact)
    assert CANARY not in json.dumps(snapshot.to_dict())
    assert json.dumps(snapshot.body).count("secret:k1:") == 4
    assert snapshot.body["properties"]["open"] == "text"
    assert CANARY in json.dumps(BODY), "the reading itself is left as it is"
    assert snapshot.fingerprint == fingerprint(canonical(snapshot.body, snapshot.ref.type))
    assert (snapshot.api_version, snapshot.at, snapshot.request_id, snapshot.key_id) == (
        "2024-05-01",
        NOON,
        "request",
        "k1",
    )


def test_a_changed_secret_changes_the_fingerprint_under_one_key() -> None:
    other = {**BODY, "properties": {**BODY["properties"], "adminPassword": "another"}}  # type: ignore[dict-item]  # reason: a dict above
    prints = [take_snapshot(reading(body), SEALER, NO_RULES).fingerprint for body in (BODY, other, BODY)]
    assert prints[0] == prints[2] != prints[1]


def test_a_snapshot_for_a_comparison_is_sealed_with_the_baselines_key() -> None:
    old = take_snapshot(reading(), SEALER, NO_RULES)
    now = take_snapshot(reading(), TestSealer("k2"), NO_RULES, key_id=old.key_id)
    assert (now.key_id, now.fingerprint) == ("k1", old.fingerprint)
    assert take_snapshot(reading(), TestSealer("k2"), NO_RULES).key_id == "k2"


@pytest.mark.parametrize(("outcome", "cause"), [(Outcome.MISSING, None), (Outcome.UNREADABLE, Cause.TIMEOUT)])
def test_there_is_no_snapshot_of_what_was_not_found(outcome: Outcome, cause: Cause | None) -> None:
    with pytest.raises(ValueError, match="found"):
        take_snapshot(reading(None, outcome=outcome, cause=cause), SEALER, NO_RULES)


short = st.none() | st.text(max_size=8)
entries = st.builds(
    Entry,
    ref=st.sampled_from([ref("a"), ref("B"), parse_ref(GROUP, cloud="china", tenant="t")]),
    api_version=st.text(max_size=8),
    etags=st.builds(ETags, short, short, short),
    fingerprint=st.text(max_size=8),
    at=st.just(NOON),
    request_id=short,
    correlation_id=short,
    key_id=st.text(max_size=4),
    pack=st.text(max_size=8),
    line=st.integers(0, 9),
    provenance=st.sampled_from(Provenance),
    proven=st.booleans(),
)


def stored(value: Any) -> Any:
    return json.loads(json.dumps(value))


@given(entries, bodies)
def test_entries_and_snapshots_come_back_as_they_were(entry: Entry, body: dict[str, Any]) -> None:
    assert Entry.from_dict(stored(entry.to_dict())) == entry
    snapshot = entry.with_body(body)
    back = Snapshot.from_dict(stored(snapshot.to_dict()))
    assert repr(back) == repr(snapshot)  # by their text: NaN is not equal to itself
    assert (
        Entry.of(snapshot, pack=entry.pack, line=entry.line, provenance=entry.provenance, proven=entry.proven) == entry
    )


@given(st.lists(entries, max_size=3, unique_by=lambda entry: entry.ref.key), short, short)
def test_a_baseline_comes_back_with_every_entry_by_its_key(
    told: list[Entry], run: str | None, ticket: str | None
) -> None:
    baseline = Baseline("job", 7, NOON, "dana", run, ticket, {entry.ref.key: entry for entry in told})
    assert Baseline.from_dict(stored(baseline.to_dict())) == baseline
