"""Who changed it: joins the events of the sources to one resource.

Rules:
- Only events inside the bracket count: after the state was last seen good, up to when it was first seen changed. Both are
  times of a server's `Date` header, which has whole seconds: the second of the later one belongs to the bracket.
- An event on something below the resource counts as a write to it (a security rule is part of its group).
- Each writer has a class; the finding's class is the one a halt must be most careful with (`CARE`): a person who wrote
  beside a pipeline makes it a person's change.
- `our pipeline` is a principal of the job's policy. It is *proven* only where the correlation id is one of the job's own
  deployments as well; a correlation id alone proves nothing, since callers choose it.
- No event is not "nobody": the class is unknown, with the reason (log lag, source down, nothing found).
- A source tells of the kinds of resource that it names, and covers no other: where none tells of a kind, nothing of that
  kind is ever covered, and nobody is known to have written it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from driftguard.flow.resource import ResourceRef

DATE_TICK = timedelta(seconds=1)
_SEGMENTS_OF_A_GROUP = 4  # /subscriptions/S/resourceGroups/G


@dataclass(frozen=True, slots=True)
class Event:
    """One operation on a resource as a source tells it; times UTC. Any text may be empty where the source had none.

    `resource` is the lower-cased id that was written: the resource itself or something below it.
    `caller` is a person's user name or an application's id; `app_id` is the client application, `object_id` the principal.
    `is_person` is None where the source does not tell.
    """

    source: str
    id: str
    resource: str
    operation: str
    at: datetime
    caller: str
    object_id: str
    app_id: str
    is_person: bool | None
    client: str
    correlation_id: str
    category: str
    client_ip: str = ""


@dataclass(frozen=True, slots=True)
class Events:
    """A source's answer. `covered_until`: nothing before it can still arrive (None: nothing is known).

    `problem` is one line where the source failed, else empty. `kinds`: of which kinds of resource it tells.
    """

    source: str
    events: tuple[Event, ...]
    covered_until: datetime | None
    problem: str = ""
    kinds: tuple[str, ...] = ("arm",)


class Actor(StrEnum):
    """The class of a writer; the words are the keys of the policy's `on_drift`."""

    PERSON = "person"
    UNKNOWN = "unknown"
    OTHER_AUTOMATION = "other_automation"
    OUR_PIPELINE = "our_pipeline"
    AZURE_POLICY = "azure_policy"
    AUTOSCALE = "autoscale"
    PLATFORM = "platform"


CARE = tuple(Actor)  # most careful first
_NEVER_EXCUSES = (Actor.PERSON, Actor.UNKNOWN, Actor.OTHER_AUTOMATION)


@dataclass(frozen=True, slots=True)
class Principal:
    """An identity that writes for a job; compared by whichever ids are given, without regard to case."""

    app_id: str = ""
    object_id: str = ""
    user: str = ""
    label: str = ""

    def wrote(self, event: Event) -> bool:
        """Whether the event was made by this principal. A person who signed in through the same client is not it."""
        mine = {text.lower() for text in (self.object_id, self.user) if text}
        theirs = {text.lower() for text in (event.object_id, event.caller) if text}
        if mine & theirs:
            return True
        # The client names the writer only where the source says that no person stood behind it.
        as_app = {event.caller.lower(), event.app_id.lower() if event.is_person is False else ""}
        return bool(self.app_id) and event.is_person is not True and self.app_id.lower() in as_app


@dataclass(frozen=True, slots=True)
class Own:
    """What is known of the job's own writing: its principals, the correlation ids of its deployments, and since when its
    last clearance stands (None where it never had one).
    """

    principals: tuple[Principal, ...] = ()
    correlation_ids: frozenset[str] = frozenset()
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Attribution:
    """Who, when, how, and how sure: `certain` where an event names the writer, else `unknown` with `why`.

    `bracket` is (last seen good, first seen changed). `writers` are all events in it, newest first. `proven`, `probable`:
    how sure it is that the job itself made all of it. `covered`: a source has told everything up to the bracket's end, so
    no other writer can still turn up. `untold`: no source tells who writes resources of this kind, so nobody ever will.
    """

    actor: Actor
    sure: str
    who: str
    object_id: str
    app_id: str
    client: str
    operation: str
    correlation_id: str
    at: datetime | None
    bracket: tuple[datetime, datetime]
    proven: bool = False
    probable: bool = False
    covered: bool = False
    why: str = ""
    writers: tuple[Event, ...] = field(default=())
    untold: bool = False


def attribute(ref: ResourceRef, answers: Iterable[Events], bracket: tuple[datetime, datetime], own: Own) -> Attribution:
    """The attribution of one resource's difference from what the sources answered."""
    untold = is_untold(answers := list(answers), ref.kind)
    answers = [answer for answer in answers if ref.kind in answer.kinds]
    covered = is_covered(answers, bracket[1])
    writers = writers_of(ref, answers, bracket)
    if not writers:
        why = f"no source tells who writes a {ref.kind}" if untold else _why_nobody(answers, bracket)
        return _by_nobody_known(bracket, covered, why, untold)
    # What the job itself is proven to have written explains nothing that it did not: its last write may share the second
    # of the reading that was recorded.
    writers = [event for event in writers if not is_proven(event, own)] or writers
    classes = {event: actor_of(event, own) for event in writers}
    actor = min(classes.values(), key=CARE.index)
    if actor not in _NEVER_EXCUSES and all(event.at < bracket[0] + DATE_TICK for event in writers):
        # It may have been written before the reading that was recorded in the same second: then it explains nothing.
        why = "the only known write is of the second in which the recorded state was read"
        return _by_nobody_known(bracket, covered, why)
    named = next(event for event in writers if classes[event] is actor)
    return Attribution(
        actor=actor,
        sure="unknown" if actor is Actor.UNKNOWN else "certain",
        who=_label(named, own),
        object_id=named.object_id,
        app_id=named.app_id,
        client=named.client,
        operation=named.operation,
        correlation_id=named.correlation_id,
        at=named.at,
        bracket=bracket,
        proven=all(is_proven(event, own) for event in writers),
        probable=all(is_probable(event, own) for event in writers),
        covered=covered,
        writers=tuple(writers),
    )


def _by_nobody_known(bracket: tuple[datetime, datetime], covered: bool, why: str, untold: bool = False) -> Attribution:
    return Attribution(
        Actor.UNKNOWN, "unknown", "", "", "", "", "", "", None, bracket, covered=covered, why=why, untold=untold
    )


def writers_of(ref: ResourceRef, answers: Iterable[Events], bracket: tuple[datetime, datetime]) -> list[Event]:
    """The events that reach the resource inside the bracket; newest first, one per operation and writer.

    Those on it, or below it, and every deletion above it. Where nothing was written on it, also what was written on its
    parents: a PUT of a network carries its subnets.
    """
    since, until = bracket
    inside = [event for answer in answers for event in answer.events if since <= event.at < until + DATE_TICK]
    on_it = [event for event in inside if event.resource == ref.key or event.resource.startswith(ref.key + "/")]
    above = [event for event in inside if _is_above(event.resource, ref.key)]
    reaching = on_it + [event for event in above if is_deletion(event)]
    reaching = reaching or [event for event in above if not _is_of_a_scope(event)]
    newest: dict[tuple[str | bool | None, ...], Event] = {}
    for event in sorted(reaching, key=lambda event: (event.at, event.id), reverse=True):
        newest.setdefault(_writing(event), event)
    return list(newest.values())


def is_deletion(event: Event) -> bool:
    """Whether the operation takes something away: a deletion, or a move to another place."""
    operation = event.operation.lower()
    return operation.endswith(("/delete", "/moveresources/action"))


def deletes(event: Event, ref: ResourceRef) -> bool:
    """Whether the event took the resource away: itself, or something above it."""
    return is_deletion(event) and (event.resource == ref.key or _is_above(event.resource, ref.key))


def _is_above(resource: str, key: str) -> bool:
    """Whether `resource` is a parent of `key`, or a scope that holds it: what follows it are whole pairs of segments."""
    return bool(resource) and key.startswith(resource + "/") and key[len(resource) :].count("/") % 2 == 0


def _is_of_a_scope(event: Event) -> bool:
    """Whether it was written on a resource group or subscription, whose own properties are no part of what is in it."""
    return event.resource.count("/") <= _SEGMENTS_OF_A_GROUP


def _writing(event: Event) -> tuple[str | bool | None, ...]:
    """What makes two events one writing. The writer is part of it: callers choose the correlation id, also another's."""
    writer = (event.caller.lower(), event.object_id.lower(), event.app_id.lower(), event.is_person, event.category)
    return (event.correlation_id or event.id, event.operation, event.resource, *writer)


def actor_of(event: Event, own: Own) -> Actor:
    """The class of one event's writer."""
    category = event.category.lower()
    if category.startswith("autoscale"):
        return Actor.AUTOSCALE
    if category.startswith("policy"):
        return Actor.AZURE_POLICY
    if any(principal.wrote(event) for principal in own.principals):
        return Actor.OUR_PIPELINE
    if event.is_person is True:
        return Actor.PERSON
    if category.startswith("platform"):
        return Actor.PLATFORM
    if event.is_person is False and (event.caller or event.object_id or event.app_id):
        return Actor.OTHER_AUTOMATION
    return Actor.UNKNOWN


def is_proven(event: Event, own: Own) -> bool:
    """Whether the job itself made this event: its principal and the correlation id of one of its deployments agree."""
    return event.correlation_id.lower() in own.correlation_ids and actor_of(event, own) is Actor.OUR_PIPELINE


def is_probable(event: Event, own: Own) -> bool:
    """Whether a principal of the job made this event since the job's last clearance."""
    if own.since is None or event.at < own.since:
        return False
    return actor_of(event, own) is Actor.OUR_PIPELINE


def is_covered(answers: Iterable[Events], until: datetime, kind: str | None = None) -> bool:
    """Whether a source has told everything up to `until`; with a `kind`, one that tells of resources of that kind."""
    telling = (answer for answer in answers if kind is None or kind in answer.kinds)
    return any(a.covered_until is not None and a.covered_until >= until and not a.problem for a in telling)


def is_untold(answers: Iterable[Events], kind: str) -> bool:
    """Whether there are sources, and none of them tells who writes resources of this kind."""
    answers = list(answers)
    return bool(answers) and not any(kind in answer.kinds for answer in answers)


def is_foreign(event: Event, own: Own) -> bool:
    """Whether somebody other than the job positively made this event.

    An application where no principal of the job is configured is not known to be foreign: it may be the job itself.
    Such a write is told as unproven instead of halting every record of a job whose policy names no principal.
    """
    actor = actor_of(event, own)
    if actor is Actor.OUR_PIPELINE:
        return False
    if actor in (Actor.OTHER_AUTOMATION, Actor.UNKNOWN):
        # A resource provider works on behalf of a deployment, under its correlation id; nobody else is excused by that id.
        by_azure = bool(event.client) and event.is_person is False
        return bool(own.principals) and not (by_azure and event.correlation_id.lower() in own.correlation_ids)
    return actor is Actor.PERSON


def _label(event: Event, own: Own) -> str:
    mine: Sequence[Principal] = [principal for principal in own.principals if principal.wrote(event)]
    label = mine[0].label if mine else ""
    return label or event.caller or event.object_id or event.app_id


def _why_nobody(answers: Sequence[Events], bracket: tuple[datetime, datetime]) -> str:
    problems = [f"{answer.source}: {answer.problem}" for answer in answers if answer.problem]
    if problems:
        return "; ".join(problems)
    if not answers:
        return "no source of attribution is set up"
    late = [answer.source for answer in answers if answer.covered_until is None or answer.covered_until < bracket[1]]
    if late:
        return f"no event yet; {', '.join(late)} may still tell"
    return f"no event in {', '.join(answer.source for answer in answers)}"
