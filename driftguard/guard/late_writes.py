"""What a log tells late of the time between clearance and record.

Rules:
- Every verb that works on a job first asks again about the times that the log did not cover, for a day.
- A resource that somebody else wrote then gets its old snapshot back, and the halt opens that the record would have opened.
- What was known already, or was accepted by a reviewer since, is not held again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from driftguard.flow.attribute import (
    DATE_TICK,
    Attribution,
    Event,
    Events,
    Own,
    attribute,
    is_covered,
)
from driftguard.flow.check import FindingKind
from driftguard.flow.evidence import Coverage
from driftguard.flow.moment import from_text
from driftguard.flow.policy import Policy
from driftguard.flow.record import Entry, Fate, Provenance
from driftguard.flow.resource import ResourceRef, with_parents
from driftguard.guard import accepting
from driftguard.guard.blobs import load_baseline
from driftguard.guard.context import Guard
from driftguard.guard.observe import Observer
from driftguard.guard.rows import JobRow
from driftguard.guard.run_window import foreign_writers, holds_writes, occasion, own_writing
from driftguard.guard.work import Work

_ASK_THE_LOG = timedelta(days=1)

_MOST_WINDOWS = 40


def told_writes(
    answers: Sequence[Events], refs: Sequence[ResourceRef], span: tuple[datetime, datetime], own: Own
) -> list[str]:
    """What names each write by somebody else that the sources tell of by now; a log tells one operation in several rows."""
    return sorted({_name_of(event) for ref in refs for event in foreign_writers(answers, ref, span, own)})


def await_the_log(job: JobRow, window: dict[str, Any]) -> None:
    """Remember one more window that a log may still tell of.

    Beyond `_MOST_WINDOWS` the two oldest become one: rather a halt too many than a write that nobody learns of.
    """
    windows = [*_windows(job), window]
    if len(windows) > _MOST_WINDOWS:
        windows[:2] = [{**windows[0], "until": windows[1]["until"]}]
    _set_windows(job, windows)


def look_again(guard: Guard, work: Work, policy: Policy) -> None:
    """Ask the log again about each time between clearance and record; hold what somebody else wrote in it."""
    job, windows = work.job, _windows(work.job)
    if not windows:
        return
    rules = policy.for_job(job.name)
    waiting: list[dict[str, Any]] = []
    late: dict[str, _Late] = {}
    for window in windows:
        before = _before(guard, window)
        span, own = (from_text(window["since"]), from_text(window["until"])), own_writing(rules, window)
        # Of all that was recorded before, also of what this record retired as gone: somebody else may have deleted it.
        accepted = set(window.get("accepted", []))
        refs = [entry.ref for entry in before.values() if entry.ref.key not in accepted]
        answers = [source.events(with_parents(refs), span[0], span[1] + DATE_TICK) for source in guard.sources]
        known = set(window.get("known", []))
        for ref in refs:
            if any(_name_of(event) not in known for event in foreign_writers(answers, ref, span, own)):
                late.setdefault(ref.key, _Late(before[ref.key], attribute(ref, answers, span, own), window))
        if not is_covered(answers, span[1]) and work.now < span[1] + _ASK_THE_LOG:
            known |= set(told_writes(answers, refs, span, own))
            # What an earlier window's record should not have taken is no state to go back to for a later one.
            instead = {key: one.came_from for key, one in late.items() if one.window is not window}
            waiting.append({**window, "known": sorted(known), "instead": {**window.get("instead", {}), **instead}})
    if late and holds_writes(rules):
        _hold_back(guard, work, policy, late)
    if waiting != windows:
        _set_windows(job, waiting)
        work.commit()


@dataclass(frozen=True)
class _Late:
    """A resource that somebody else wrote in a window: its snapshot from before, who wrote it, and the window."""

    before: Entry
    author: Attribution
    window: dict[str, Any]

    @property
    def came_from(self) -> str:
        """The baseline that holds the snapshot from before."""
        return str(self.window.get("instead", {}).get(self.before.ref.key, self.window["baseline"]))


def _before(guard: Guard, window: dict[str, Any]) -> dict[str, Entry]:
    """The entries that were recorded before the window."""
    before = load_baseline(guard.store, window["baseline"]).entries
    older = {name: load_baseline(guard.store, name).entries for name in set(window.get("instead", {}).values())}
    return {**before, **{key: older[name][key] for key, name in window.get("instead", {}).items()}}


def forget_writes(job: JobRow, keys: Sequence[str]) -> None:
    """What a reviewer accepted since is no longer held for a write that a log tells late."""
    windows = _windows(job)
    _set_windows(job, [{**each, "accepted": sorted({*each.get("accepted", []), *keys})} for each in windows])


def named_baselines(job: JobRow) -> set[str]:
    """The baselines from which a resource may get its old snapshot back."""
    return {name for window in _windows(job) for name in (window["baseline"], *window.get("instead", {}).values())}


def halts_of_windows(job: JobRow) -> set[str]:
    """The halts under which the runs were cleared whose writes a log may still tell of."""
    return {window["halt"] for window in _windows(job) if window.get("halt")}


def rename_baselines(job: JobRow, new: Mapping[str, str]) -> None:
    """Name other blobs instead: {name: new name}; what is not among them stays."""
    windows = []
    for window in _windows(job):
        instead = {key: new.get(name, name) for key, name in window.get("instead", {}).items()}
        window = {**window, "baseline": new.get(window["baseline"], window["baseline"])}
        windows.append({**window, "instead": instead} if instead else window)
    _set_windows(job, windows)


def _windows(job: JobRow) -> list[dict[str, Any]]:
    """What a log may still tell of, oldest first."""
    if job.window is None:
        return []
    latest = {key: value for key, value in job.window.items() if key != "earlier"}
    return [*job.window.get("earlier", []), latest]


def _set_windows(job: JobRow, windows: Sequence[dict[str, Any]]) -> None:
    job.window = {**windows[-1], "earlier": list(windows[:-1])} if windows else None


def _name_of(event: Event) -> str:
    return " ".join((event.correlation_id or event.id, event.operation, event.resource)).lower()


def _hold_back(guard: Guard, work: Work, policy: Policy, late: dict[str, _Late]) -> None:
    """Give the resources their old snapshot back, and open the halt that the record would have opened.

    The snapshot also goes back where nothing differs from it at the moment, or nothing can be read: nobody has accepted
    what the record took in its place.
    """
    entries = load_baseline(guard.store, work.job.baseline).entries
    before = {key: one.before for key, one in late.items()}
    observer = Observer(guard, work.job, policy, before, replace(policy.for_job(work.job.name), stability_reads=1))
    seen = observer.observe_each([before[key] for key in sorted(before)])
    taken = []
    for item in seen:
        found = replace(item.finding, attribution=late[item.finding.ref.key].author)
        if found.kind is FindingKind.GONE or found.ref.key in entries:
            halts = found.kind is FindingKind.GONE or found.configuration
            taken.append(accepting.Taken(item, Fate.HELD, held=found if halts else None))
    if not taken:
        return
    window = next(reversed(late.values())).window
    record = "r-" + guard.new_id()
    change = accepting.Swap(taken, Provenance.CLEARANCE, window["by"], window["run"], window["ticket"], record)
    back = {key: before[key] for key in (item.seen.finding.ref.key for item in taken)}
    coverage = Coverage(read=len(seen))
    halt = accepting.swap(guard, work, change, occasion(guard, policy, window, coverage), {**entries, **back})
    if halt and work.job.lease and from_text(work.job.lease.until) > work.now:
        work.job.lease = None  # the run that held it is being stopped
