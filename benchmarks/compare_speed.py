"""How long it takes to compare two bodies, beside deepdiff and jsonpatch on the same bodies in the same run.

Rules:
- Bodies are made here (compare_speed_bodies.py); each figure is over one body of each type.
- *Check* is what a check does with a body: canonical form and fingerprint, and where it moved the canonical form of the
  recorded body and the changes with their classes.
- Beside others only the comparison is measured, all on the same two canonical bodies: neither deepdiff nor jsonpatch brings
  a body into a form. deepdiff does the same job with `ignore_order=True` only.
- All take turns, and the best of several rounds counts: what the machine does when nobody disturbs it.
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
from driftguard.flow.compare import compare
from driftguard.flow.diff import diff
from driftguard.flow.reading import ETags
from driftguard.policies_folder import policies_folder
from driftguard.policy_file import load_policy

CHECK_MS, TABLE_MS, TEN_TIMES_THE_SIZE = 2.0, 20.0, 12.0
OF_DEEPDIFF, OF_JSONPATCH = 100 / 30, 100.0  # percent of their time
_SMALL, _LARGE = 30_000, 300_000  # bytes
_LARGEST_TABLE = "Microsoft.Network/virtualNetworks"
_NO_ETAGS = ETags()
_EDITS: dict[str, Callable[[Body], Body]] = {"no difference": read_again, "one leaf changed": with_one_leaf_changed}


def rows(*, quick: bool = False) -> Iterator[Row]:
    """A check of one body, the same for ten times the size, the comparison beside others, and loading a table."""
    rounds = 1 if quick else 40
    for edit in _EDITS:
        small, large = (_Pairs(size, edit) for size in (_SMALL, _SMALL if quick else _LARGE))
        ours = _best(rounds, [small.check])[0]
        ten_times = _best(max(1, rounds // 5), [large.check])[0]
        yield Row(f"check of a 30 KB body, {edit}", ours / len(small), CHECK_MS, "ms", "canonical form and comparison")
        times = ten_times / ours
        yield Row(f"the same at 300 KB, {edit}", times, TEN_TIMES_THE_SIZE, "x", f"{ten_times / len(large):.1f} ms")
        yield from _beside_others(small, edit, 1 if quick else 8)
    yield _table(1 if quick else 8)


def _beside_others(pairs: _Pairs, edit: str, rounds: int) -> Iterator[Row]:
    check, ours, patch, deep, in_order = _best(
        rounds, [pairs.check, pairs.diff, pairs.jsonpatch, pairs.deepdiff, pairs.deepdiff_in_order]
    )
    note = f"{ours / len(pairs):.2f} against {deep / len(pairs):.1f} ms, in order {in_order / len(pairs):.1f} ms"
    with_form = f"; with our canonical form of both {100 * check / deep:.1f} %"
    yield Row(f"comparison against deepdiff, {edit}", 100 * ours / deep, OF_DEEPDIFF, "%", note + with_form)
    note = f"{ours / len(pairs):.2f} against {patch / len(pairs):.2f} ms"
    with_form = f"; with our canonical form of both {100 * check / patch:.0f} %"
    yield Row(f"comparison against jsonpatch, {edit}", 100 * ours / patch, OF_JSONPATCH, "%", note + with_form)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A recorded body and the one that is read, as they are and in canonical form."""

    before: Body
    after: Body

    @property
    def type(self) -> str:
        return str(self.before["type"])


class _Pairs:
    """The pairs of one size and one edit; each method works on all of them once."""

    def __init__(self, size: int, edit: str) -> None:
        self._read = [_Pair(body, _EDITS[edit](body)) for body in bodies(size)]
        self._canonical = [
            _Pair(canonical(pair.before, pair.type), canonical(pair.after, pair.type)) for pair in self._read
        ]
        self._fingerprints = [fingerprint(pair.before) for pair in self._canonical]
        self._rules = [rules_of(str(pair.before["id"]), pair.type) for pair in self._read]

    def __len__(self) -> int:
        return len(self._read)

    def check(self) -> None:
        for pair, known, rules in zip(self._read, self._fingerprints, self._rules, strict=True):
            compare(pair.before, _NO_ETAGS, pair.after, _NO_ETAGS, pair.type, rules, before_fingerprint=known)

    def diff(self) -> None:
        for pair, rules in zip(self._canonical, self._rules, strict=True):
            diff(pair.before, pair.after, rules)

    def jsonpatch(self) -> None:
        for pair in self._canonical:
            jsonpatch.make_patch(pair.before, pair.after)

    def deepdiff(self) -> None:
        for pair in self._canonical:
            DeepDiff(pair.before, pair.after, ignore_order=True)

    def deepdiff_in_order(self) -> None:
        for pair in self._canonical:
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
    """The fewest milliseconds of each; they take turns."""
    best = [float("inf")] * len(works)
    for _ in range(rounds):
        gc.collect()  # nobody pays for what another left behind
        best = [min(known, _milliseconds(work)) for known, work in zip(best, works, strict=True)]
    return best


def _milliseconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000
