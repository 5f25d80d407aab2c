"""Whether every single edit of a recorded body is called drift. `python -m benchmarks.mutations` lists what is not.

Rules:
- Edited are all settled answers to GETs, each distinct body once, in two processes.
- Left out is what the tables call read-only. What a tolerated rule ignores is counted apart.
- The same bodies in another form (mutations_formal.py) must be unchanged, with the same fingerprint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from benchmarks.corpus import OBSERVATIONS, absent, recorded_observations
from benchmarks.mutations_judged import Judged, Reading, counted, judge, settled_readings
from benchmarks.row import Row

TOLERATED_PERCENT = 0.5
_PROCESSES, _CHUNK, _QUICK_LINES, _QUICK_EDITS, _SHOWN = 2, 25, 100, 5, 3


def rows(*, quick: bool = False) -> Iterator[Row]:
    """Edits that are no drift, edits that are tolerated, and forms that are told; one row that says so without recordings."""
    file = recorded_observations()
    if file is None:
        yield Row("every edit of recorded bodies", None, note=absent(OBSERVATIONS))
        return
    readings = settled_readings(file, _QUICK_LINES if quick else None)
    total = judge(readings, _QUICK_EDITS) if quick else judged(readings)
    tried = ", ".join(f"{count:,} {kind}" for kind, count in total.tried.items())
    found = f"; {len(total.missed)} kinds: {_first(counted(total.missed))}" if total.missed else ""
    note = f"{total.bodies:,} bodies: {tried}; {total.left_out.total():,} left out, Azure writes there{found}"
    yield Row("edits that are not called drift", total.missed.total(), 0.0, "", note)
    share = 100 * total.tolerated.total() / max(1, total.tried.total())
    by_rule = Counter[str]()
    for (*_, why), count in total.tolerated.items():
        by_rule[why] += count
    note = "; ".join(f"{count:,} {why}" for why, count in by_rule.most_common(_SHOWN))
    yield Row("edits that a tolerated rule ignores", share, TOLERATED_PERCENT, "%", note)
    told = total.respelled
    yield Row("bodies in another form that are told", told.total(), 0.0, "", _first(iter(told)))


def judged(readings: list[Reading]) -> Judged:
    """Counts over every edit of every reading."""
    total = Judged()
    by_size = sorted(readings, key=lambda reading: len(str(reading.body)))
    chunks = [by_size[start::_CHUNK] for start in range(_CHUNK)]
    with ProcessPoolExecutor(_PROCESSES) as processes:
        for counts in processes.map(judge, chunks):
            total.add(counts)
    return total


def _first(told: Iterator[str]) -> str:
    return "; ".join(" ".join(line.split()) for line, _ in zip(told, range(_SHOWN), strict=False))


def _all() -> Iterator[str]:
    if (recording := recorded_observations()) is None:
        raise SystemExit(absent(OBSERVATIONS))
    total = judged(settled_readings(recording))
    yield f"{total.bodies} bodies, tried: {dict(total.tried)}"
    of_arm = Counter({told: count for told, count in total.left_out.items() if "Azure Resource Manager" in told[3]})
    yield f"left out: {total.left_out.total()}, of them by ARM's own names: {of_arm.total()}"
    yield from counted(of_arm)
    for title, told in (("missed", total.missed), ("tolerated", total.tolerated)):
        yield f"{title}: {told.total()}"
        yield from counted(told)
    yield f"in another form and told: {total.respelled.total()}"
    yield from (f"{count:6} {what}" for what, count in total.respelled.most_common())


if __name__ == "__main__":
    for line in _all():
        print(line)
