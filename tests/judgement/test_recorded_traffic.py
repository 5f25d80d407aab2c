"""The judgement on recorded traffic: a sample of what `python -m benchmarks mutations` edits, and all of it in the soak."""

from __future__ import annotations

import random

import pytest

from benchmarks.corpus import OBSERVATIONS, PAIRS
from benchmarks.judgement import FALSE_ALARMS, changed_among, false_alarms, overlooked
from benchmarks.judgement_pairs import Judged
from benchmarks.judgement_pairs import judged as judged_pairs
from benchmarks.mutations import TOLERATED_PERCENT
from benchmarks.mutations import judged as judged_in_processes
from benchmarks.mutations_judged import Judged as JudgedEdits
from benchmarks.mutations_judged import judge, settled_readings
from tests.corpus import corpus_file

SEED, BODIES, EDITS = 20, 400, 12


def holds(total: JudgedEdits) -> None:
    """Every edit is drift, or tolerated by a rule that says so, and another form is no change."""
    assert total.missed == {}
    assert total.respelled == {}


def test_every_edit_in_a_sample_of_recorded_bodies_is_drift_and_another_form_is_not() -> None:
    readings = settled_readings(corpus_file(OBSERVATIONS))
    sample = random.Random(SEED).sample(readings, min(BODIES, len(readings)))
    total = judge(sample, EDITS, SEED)
    assert total.bodies == len(sample)
    assert total.tried.total() > len(sample)
    holds(total)


@pytest.mark.soak
def test_every_edit_of_every_recorded_body_is_drift_and_another_form_is_not() -> None:
    total = judged_in_processes(settled_readings(corpus_file(OBSERVATIONS)))
    holds(total)
    assert total.tolerated.total() <= TOLERATED_PERCENT / 100 * total.tried.total()


def named(pairs: list[Judged]) -> list[str]:
    return [pair.pair["pair_id"] for pair in pairs]


def test_what_nobody_wrote_is_hardly_ever_called_drift_and_every_recorded_change_is() -> None:
    pairs = judged_pairs(corpus_file(PAIRS))
    for settled in (True, None):
        assert any(pair.pair["terminal_both"] is settled for pair in pairs)
        assert len(false_alarms(pairs, settled)) <= FALSE_ALARMS, named(false_alarms(pairs, settled))
    assert [pair for pair in pairs if pair.pair["terminal_both"] is False]
    assert named(false_alarms(pairs, False)) == []
    assert [pair for pair in changed_among(pairs) if pair.moved]
    assert named(overlooked(pairs)) == []
    assert named([pair for pair in changed_among(pairs) if pair.in_flight and pair.verdict.configuration]) == []
