"""How right the judgement is on recorded traffic. `python -m benchmarks.judgement` lists every pair behind the figures.

Rules:
- Pairs of two GETs, and pairs that begin with the answer to a write, are counted apart, under the bound of both together.
- Quiet pairs (nobody wrote) are beside what the ETag and a plain comparison of the bodies say of them.
- Where a pair was written, a second opinion (judgement_plain.py) says whether its writable configuration differs.
- Nothing is tuned to the recordings here: the policy is the built-in one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from benchmarks.corpus import LIMITS, PAIRS, absent, recorded_pairs
from benchmarks.judgement_pairs import FROM_GET, FROM_WRITE, Judged, judged
from benchmarks.row import Row

FALSE_ALARMS = 2.0  # pairs
_QUICK_LINES = 100
_SHOWN, _PATHS = 3, 6
_SETTLED = {True: "final", None: "no state"}


def rows(*, quick: bool = False) -> Iterator[Row]:
    """False alarms and overlooked changes, each way of recording apart; one row that says so without a recording."""
    file = recorded_pairs()
    if file is None:
        yield Row("judgement of recorded pairs", None, note=absent(PAIRS))
        return
    pairs = judged(file, _QUICK_LINES if quick else None)
    yield Row("recorded pairs judged", len(pairs), unit="", note=f"limits: {LIMITS}")
    for settled, word in _SETTLED.items():
        for way, seen in _by_way(_labelled(pairs, "quiet", settled)):
            yield _quiet(f"quiet, {word}, {way}: called drift", seen)
    for way, seen in _by_way(_labelled(pairs, "quiet", False)):
        yield _running(f"quiet, running, {way}: called drift", seen)
    for way, seen in _by_way(pairs):
        yield _written(f"written, {way}: change overlooked", seen)


def _by_way(pairs: Sequence[Judged]) -> Iterator[tuple[str, list[Judged]]]:
    """All of a class, then each way of recording."""
    yield "all", list(pairs)
    for way in (FROM_GET, FROM_WRITE):
        yield way, [pair for pair in pairs if pair.way == way]


def false_alarms(pairs: Sequence[Judged], settled: bool | None) -> list[Judged]:
    """The quiet pairs of a class (True: final, None: no state, False: running) that are called drift."""
    return [pair for pair in _labelled(pairs, "quiet", settled) if pair.moved]


def overlooked(pairs: Sequence[Judged]) -> list[Judged]:
    """The written pairs whose configuration differs and that are neither called drift nor told as in flight."""
    return [pair for pair in changed_among(pairs) if not pair.moved and not pair.in_flight]


def changed_among(pairs: Sequence[Judged]) -> list[Judged]:
    """The settled pairs that were written and whose writable configuration differs."""
    return [pair for pair in _settled_and_written(pairs) if pair.configuration_at]


def unchanged_among(pairs: Sequence[Judged]) -> list[Judged]:
    """The settled pairs that were written and differ only in form, or where Azure writes by itself."""
    return [pair for pair in _settled_and_written(pairs) if pair.plainly_differs and not pair.configuration_at]


def _settled_and_written(pairs: Sequence[Judged]) -> list[Judged]:
    return [pair for settled in _SETTLED for pair in _labelled(pairs, "self-written", settled)]


def _labelled(pairs: Iterable[Judged], label: str, settled: bool | None) -> list[Judged]:
    return [pair for pair in pairs if pair.pair["label"] == label and pair.pair["terminal_both"] is settled]


def _quiet(what: str, pairs: list[Judged]) -> Row:
    etags = Counter(pair.etag for pair in pairs)
    plain = sum(pair.plainly_differs for pair in pairs)
    note = (
        f"of {len(pairs)}; ETag: {etags['moved']} moved, {etags['cannot tell']} cannot tell; bodies as they are: {plain} "
        f"differ{_in_flight(pairs)}{_named([pair for pair in pairs if pair.moved])}"
    )
    return Row(what, sum(pair.moved for pair in pairs), FALSE_ALARMS, "", note)


def _running(what: str, pairs: list[Judged]) -> Row:
    told = Counter(str(pair.verdict.finding) for pair in pairs)
    note = f"of {len(pairs)}; " + ", ".join(f"{count} {finding}" for finding, count in told.most_common())
    return Row(what, sum(pair.moved for pair in pairs), 0.0, "", note + _named([pair for pair in pairs if pair.moved]))


def _written(what: str, pairs: list[Judged]) -> Row:
    differing = changed_among(pairs)
    missed = overlooked(pairs)
    drift = sum(pair.moved for pair in differing)
    note = (
        f"of {len(differing)} whose configuration differs: {drift} called drift{_in_flight(differing)}; "
        f"{len(unchanged_among(pairs))} more differ in form or where Azure writes{_named(missed)}"
    )
    return Row(what, len(missed), 0.0, "", note)


def _in_flight(pairs: list[Judged]) -> str:
    count = sum(pair.in_flight for pair in pairs)
    return f"; {count} in flight, not judged" if count else ""


def _named(pairs: list[Judged]) -> str:
    if not pairs:
        return ""
    more = ", …" if len(pairs) > _SHOWN else ""
    return "; " + ", ".join(str(pair.pair["pair_id"]) for pair in pairs[:_SHOWN]) + more


def _details(pairs: list[Judged]) -> Iterator[str]:
    """Every pair behind a figure, with its paths (never a value), for a person to judge."""
    for title, chosen, paths in _LISTS:
        yield f"{title}:"
        for pair in filter(chosen, pairs):
            verdict = pair.verdict
            yield f"  {pair.pair['pair_id']} {pair.way} {pair.pair['type']}: {verdict.finding}"
            yield from _first("differs", paths(pair))
            yield from _first("ignored", [f"{path} ({rule})" for path, rule in verdict.ignored])
            yield from _first("platform", verdict.platform)


def _first(word: str, paths: Sequence[str]) -> Iterator[str]:
    yield from (f"      {word} {path}" for path in paths[:_PATHS])
    if len(paths) > _PATHS:
        yield f"      {word} at {len(paths) - _PATHS} more"


_LISTS: tuple[tuple[str, Callable[[Judged], bool], Callable[[Judged], Sequence[str]]], ...] = (
    (
        "quiet and called drift",
        lambda pair: pair.moved and pair.pair["label"] == "quiet",
        lambda pair: pair.verdict.configuration,
    ),
    (
        "written, with another configuration, and not called drift",
        lambda pair: bool(not pair.moved and changed_among([pair])),
        lambda pair: pair.configuration_at,
    ),
    (
        "written, and different only in form or where Azure writes",
        lambda pair: bool(unchanged_among([pair])),
        lambda pair: pair.verdict.configuration,
    ),
)


if __name__ == "__main__":
    if (recording := recorded_pairs()) is None:
        raise SystemExit(absent(PAIRS))
    print("\n".join(_details(judged(recording))))
