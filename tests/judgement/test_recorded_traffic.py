"""The judgement on recorded traffic: a sample of what `python -m benchmarks mutations` edits, and all of it in the soak."""

from __future__ import annotations

import random

import pytest

from benchmarks.corpus import OBSERVATIONS, PAIRS
from benchmarks.judgement import changed_among
from benchmarks.judgement_pairs import judged as judged_pairs
from benchmarks.mutations import TOLERATED_PERCENT
from benchmarks.mutations import judged as judged_in_processes
from benchmarks.mutations_judged import Judged, judge, settled_readings
from tests.corpus import corpus_file

SEED, BODIES, EDITS = 20, 400, 12


def holds(total: Judged) -> None:
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


def test_nothing_that_still_runs_is_called_drift_and_no_recorded_change_is_overlooked() -> None:
    pairs = judged_pairs(corpus_file(PAIRS))
    running = [pair for pair in pairs if pair.pair["terminal_both"] is False]
    assert running
    assert [pair.pair["pair_id"] for pair in running if pair.pair["label"] == "quiet" and pair.moved] == []
    overlooked = [pair.pair["pair_id"] for pair in changed_among(pairs) if not (pair.moved or pair.in_flight)]
    assert overlooked == []
