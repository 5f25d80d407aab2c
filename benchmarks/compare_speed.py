"""How long it takes to compare two bodies, beside deepdiff and jsonpatch on the same bodies in the same run.

Rules:
- Bodies are made here (compare_speed_bodies.py); each figure is over one body of each type.
- *Form, diff* is the canonical form of the body that was read, compared with that of the recorded one.
- *Check* is `compare`, all that judging two bodies takes: canonical form, fingerprint and states, and where the fingerprint
  moved the canonical form of the recorded body too, and the changes with their classes.
- deepdiff and jsonpatch get the bodies as they were read: they know no form. deepdiff does the same job with
  `ignore_order=True` only.
- All take turns, some runs each, and the best run counts: what the machine does when nobody disturbs it.
- A check is shown beside others with a bound where no difference is found, as nearly always; a changed body is brought into
  form on both sides, which the others do not do at all: those rows are for reading.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import jsonpatch
from deepdiff import DeepDiff

from benchmarks.compare_speed_bodies import Body, bodies, read_again, with_one_leaf_changed
from benchmarks.judgement_pairs import ref_of, rules_of, today
from benchmarks.row import Row
from driftguard.flow.canonical import canonical, fingerprint
from driftguard.flow.classify import PathRules
from driftguard.flow.compare import compare
from driftguard.flow.diff import diff
from driftguard.flow.reading import ETags, Json
from driftguard.policies_folder import policies_folder
from driftguard.policy_file import load_policy

CHECK_MS, TABLE_MS, TEN_TIMES_THE_SIZE = 2.0, 20.0, 12.0
OF_DEEPDIFF, OF_JSONPATCH = 100 / 30, 100.0  # percent of their time
_IN_A_ROW = 3
_SMALL, _LARGE = 30_000, 300_000  # bytes
_LARGEST_TABLE = "Microsoft.Network/virtualNetworks"
_NO_ETAGS = ETags()
_NO_DIFFERENCE = "no difference"
_EDITS: dict[str, Callable[[Body], Body]] = {_NO_DIFFERENCE: read_again, "one leaf changed": with_one_leaf_changed}


def rows(*, quick: bool = False) -> Iterator[Row]:
    """A check of one body, the same for ten times the size, the comparison beside others, and loading a table."""
    rounds = 1 if quick else 40
    for edit in _EDITS:
        small, large = (_Pairs(size, edit) for size in (_SMALL, _LARGE))
        ours = _best(rounds, [small.check])[0]
        ten_times = _best(max(1, rounds // 2), [large.check])[0]
        yield Row(f"check of a 30 KB body, {edit}", ours / len(small), CHECK_MS, "ms", "canonical form and comparison")
        times = ten_times / ours
        yield Row(f"the same at 300 KB, {edit}", times, TEN_TIMES_THE_SIZE, "x", f"{ten_times / len(large):.1f} ms")
        yield from _beside_others(small, edit, 1 if quick else 10)
    yield _table(1 if quick else 8)


def _beside_others(pairs: _Pairs, edit: str, rounds: int) -> Iterator[Row]:
    form, check, deep, in_order, patch = _best(
        rounds, [pairs.form_and_diff, pairs.check, pairs.deepdiff, pairs.deepdiff_in_order, pairs.jsonpatch]
    )
    of_patch = OF_JSONPATCH if edit == _NO_DIFFERENCE else None
    for what, ours, bounds in (
        ("form, diff", form, (OF_DEEPDIFF, OF_JSONPATCH)),
        ("check", check, (None, of_patch)),
    ):
        note = f"{ours / len(pairs):.2f} against {deep / len(pairs):.1f} ms, in order {in_order / len(pairs):.1f} ms"
        yield Row(f"{what} against deepdiff, {edit}", 100 * ours / deep, bounds[0], "%", note)
        note = f"{ours / len(pairs):.2f} against {patch / len(pairs):.2f} ms"
        yield Row(f"{what} against jsonpatch, {edit}", 100 * ours / patch, bounds[1], "%", note)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A recorded body and the one that is read, and what is known of the recorded one."""

    before: Body
    after: Body
    recorded_form: Json
    recorded_fingerprint: str
    type: str
    rules: PathRules


def _pair(body: Body, edit: str) -> _Pair:
    type_ = str(body["type"])
    form = canonical(body, type_)
    return _Pair(body, _EDITS[edit](body), form, fingerprint(form), type_, rules_of(str(body["id"]), type_))


class _Pairs:
    """The pairs of one size and one edit; each method works on all of them once."""

    def __init__(self, size: int, edit: str) -> None:
        self._pairs = [_pair(body, edit) for body in bodies(size)]

    def __len__(self) -> int:
        return len(self._pairs)

    def form_and_diff(self) -> None:
        for pair in self._pairs:
            diff(pair.recorded_form, canonical(pair.after, pair.type), pair.rules)

    def check(self) -> None:
        for pair in self._pairs:
            known = pair.recorded_fingerprint
            compare(pair.before, _NO_ETAGS, pair.after, _NO_ETAGS, pair.type, pair.rules, before_fingerprint=known)

    def jsonpatch(self) -> None:
        for pair in self._pairs:
            jsonpatch.make_patch(pair.before, pair.after)

    def deepdiff(self) -> None:
        for pair in self._pairs:
            DeepDiff(pair.before, pair.after, ignore_order=True)

    def deepdiff_in_order(self) -> None:
        for pair in self._pairs:
            DeepDiff(pair.before, pair.after)


def _table(rounds: int) -> Row:
    """How long it takes to load the largest table and to make the rules of one type of it, with a policy that judged nothing."""
    ref, times = ref_of("", _LARGEST_TABLE), []
    for _ in range(rounds):
        fresh = load_policy(None, folder=policies_folder())
        times.append(_milliseconds(lambda: fresh.path_rules(ref, today())))  # noqa: B023  # called at once
    note = f"{_LARGEST_TABLE.partition('/')[0]}, best of {rounds}"
    return Row("loading the largest table of read-only paths", min(times), TABLE_MS, "ms", note)


def _best(rounds: int, works: Sequence[Callable[[], object]]) -> list[float]:
    """The fewest milliseconds of each; they take turns, some runs in a row each: the first one finds cold caches."""
    best = [float("inf")] * len(works)
    for _ in range(rounds):
        gc.collect()  # nobody pays for what another left behind
        best = [
            min(known, *(_milliseconds(work) for _ in range(_IN_A_ROW)))
            for known, work in zip(best, works, strict=True)
        ]
    return best


def _milliseconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000
