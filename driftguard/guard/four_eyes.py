"""Four eyes over what differs now: who made the changes that somebody is about to accept, or to take out of a job.

Rules:
- Everything concerned is read, also what no check has met yet. What cannot be read, or is not settled, has no author.
- Of a resource that was never recorded nobody knows what changed: whoever is known to have written it, as far back as the
  sources tell, is its author. Where they know of no write, and may still tell of one, its author is not known.
- Taking resources out of a job has no second step. Where a change has no known author, and the policy asks for a second
  reviewer, it is refused: what differs is accepted first, by a proposal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from driftguard.errors import NotAllowed
from driftguard.flow.attribute import DATE_TICK, is_covered, writers_of
from driftguard.flow.check import Finding
from driftguard.flow.policy import Policy
from driftguard.flow.record import Entry
from driftguard.flow.resource import with_parents
from driftguard.flow.review import Person, author_of, authors_of, needs_second, require_four_eyes
from driftguard.guard.context import Guard
from driftguard.guard.looking import attributed
from driftguard.guard.observe import Observer
from driftguard.guard.work import Work

_AS_FAR_BACK = timedelta(days=89)  # within the 90 days that the Activity Log keeps


def differing(guard: Guard, work: Work, policy: Policy, entries: Sequence[Entry]) -> list[Finding]:
    """What differs from the baseline now, with who made it: also where no check has met it yet."""
    rules = policy.for_job(work.job.name)
    by_key = {entry.ref.key: entry for entry in entries}
    observer = Observer(guard, work.job, policy, by_key, replace(rules, stability_reads=1))
    seen = attributed(guard, work.job, rules, observer.observe_each(entries))
    return [item.finding for item in seen if item.finding.attribution]


def writers_of_new(guard: Guard, entries: Iterable[Entry]) -> tuple[list[Person], bool]:
    """Who is known to have written resources that were never recorded, and whether a source may still tell of somebody.

    An application is nobody who could accept.
    """
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.ref.subscription, entry.ref.resource_group), []).append(entry)
    people: dict[Person, None] = {}
    unknown = False
    for group in groups.values():  # one question a group: sources narrow it down
        since, until = guard.clock.now() - _AS_FAR_BACK, max(entry.at for entry in group)
        refs = with_parents([entry.ref for entry in group])
        answers = [source.events(refs, since, until + DATE_TICK) for source in guard.sources]
        for entry in group:
            writers = writers_of(entry.ref, answers, (since, entry.at))
            unknown = unknown or not (writers or is_covered(answers, entry.at, entry.ref.kind))
            people |= dict.fromkeys(author_of(event) for event in writers if event.is_person is not False)
    return [person for person in people if person.accounts({})], unknown


def require_another(guard: Guard, work: Work, entries: Sequence[Entry], by: Person) -> None:
    """Raises NotAllowed where `by` made a change of these resources, or may have: they are about to leave the job."""
    policy = guard.policy()
    rules = policy.for_job(work.job.name)
    authors, unknown = authors_of(differing(guard, work, policy, entries))
    require_four_eyes(by, authors=authors, starter=None, identities=rules.identities)
    if needs_second(unknown, rules.unknown_author):
        raise NotAllowed(
            f"something of the job {work.job.name} differs from what is recorded, and who changed it is not known",
            "have it accepted first: driftguard record without a clearance, and two reviewers accept the proposal",
        )
