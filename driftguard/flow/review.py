"""Who may decide on a halt, and what a decision must say.

Rules:
- A reviewer is neither the author of the change nor the one who started the run, compared by object id, every name that
  the identity provider tells, app id and the policy's identities (all accounts of one person count as that person).
- Author unknown: refused, needs a second reviewer (default), or allowed, as the policy says. More starters than are
  remembered: refused, or needs a second reviewer.
- A second reviewer is another person than the first, and takes the same decision.
- A reason is required. Keep names where the change is, or will be, in the code when it is confirmed.
- Waive is for what cannot be read or does not settle, and names the resources. Overwrite, or keep, of a halt that also holds
  such resources names them too; overwriting a resource that an earlier decision kept needs it named.
- A decision is bound to the halt's digest and to the evidence version that was seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from driftguard.errors import NotAllowed, WrongUse
from driftguard.flow.attribute import Actor, Event, Own, actor_of
from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.halt import Decision

UNREAD = (FindingKind.UNREADABLE, FindingKind.IN_FLIGHT)
Identities = Mapping[str, Sequence[str]]
_LONGEST_REASON = 2000


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, by whichever ids are known. `asserted`: nobody proved the name (in process, without a service).

    `aliases` are further names that the identity provider tells of the person, such as a mail address beside the user name.
    """

    name: str = ""
    object_id: str = ""
    app_id: str = ""
    asserted: bool = False
    aliases: tuple[str, ...] = ()

    def accounts(self, identities: Identities) -> frozenset[str]:
        """All names that this person is known by, lower case."""
        own = _folded(self.name, self.object_id, self.app_id, *self.aliases)
        people = [_folded(person, *accounts) for person, accounts in identities.items()]
        # An account may stand under several people: whoever shares one is the same person, in whatever order they stand.
        while linked := [known for known in people if known & own and not known <= own]:
            own = own.union(*linked)
        return own

    def to_dict(self) -> dict[str, Any]:
        """As JSON; `aliases` stand there only where there are any."""
        told = {"name": self.name, "object_id": self.object_id, "app_id": self.app_id, "asserted": self.asserted}
        return {**told, "aliases": list(self.aliases)} if self.aliases else told

    @staticmethod
    def from_dict(stored: Mapping[str, Any]) -> Person:
        """The inverse of `to_dict`."""
        aliases = tuple(stored.get("aliases") or ())
        return Person(stored["name"], stored["object_id"], stored["app_id"], stored["asserted"], aliases)


def _folded(*names: str) -> frozenset[str]:
    """The names as they are compared: without regard to case and outer blanks, empty ones left out."""
    return frozenset(name.strip().casefold() for name in names if name.strip())


def same_person(one: Person, other: Person, identities: Identities) -> bool:
    """Whether the two are known to be one person."""
    return bool(one.accounts(identities) & other.accounts(identities))


def authors_of(findings: Iterable[Finding]) -> tuple[list[Person], bool]:
    """The known authors of the findings' changes, and whether any change has no known author.

    What could not be read has no author, and needs none.
    """
    authors: list[Person] = []
    unknown = False
    for finding in findings:
        if finding.kind in UNREAD:
            continue
        writers = finding.attribution.writers if finding.attribution else ()
        named = [author_of(event) for event in writers]
        unknown = unknown or not writers or any(_is_nameless(event) for event in writers)
        authors.extend(person for person in dict.fromkeys(named) if person.accounts({}) and person not in authors)
    return authors, unknown


def author_of(event: Event) -> Person:
    """The writer of an event; the client application is a name of it only where no person signed in through it."""
    return Person(event.caller, event.object_id, "" if event.is_person is True else event.app_id)


def _is_nameless(event: Event) -> bool:
    """Whether a person may have made the event and nothing says which one."""
    names_nobody = not _folded(event.caller, event.object_id)
    return names_nobody and actor_of(event, Own()) in (Actor.PERSON, Actor.UNKNOWN)


def require_four_eyes(
    reviewer: Person, *, authors: Iterable[Person], starter: Person | None, identities: Identities
) -> None:
    """Raises NotAllowed where the reviewer made the change or started the run."""
    if not _folded(reviewer.name, reviewer.object_id):
        raise NotAllowed("a decision needs somebody who takes it", "say who you are: --as NAME")
    if any(same_person(reviewer, author, identities) for author in authors):
        raise NotAllowed(
            f"{reviewer.name} made this change and may not decide on it", "ask another reviewer (four eyes)"
        )
    if starter is not None and same_person(reviewer, starter, identities):
        raise NotAllowed(
            f"{reviewer.name} started the halted run and may not decide on it", "ask another reviewer (four eyes)"
        )


def needs_second(author_unknown: bool, rule: str) -> bool:
    """Whether a second reviewer is needed. `rule` is the policy's `unknown_author`. Raises NotAllowed for `refuse`."""
    if not author_unknown or rule == "allow":
        return False
    if rule == "refuse":
        raise NotAllowed(
            "the author of the change is not known, and the policy refuses a decision without one",
            "wait for the attribution to arrive, then check again; or set `unknown_author: second_reviewer`",
        )
    return True


def needs_second_starter(starters_left_out: bool, rule: str) -> bool:
    """As `needs_second`, where more people started runs that met the halt than are remembered: one may be the reviewer.

    What the policy allows for an author who is not known says nothing of these, so `allow` needs a second reviewer as well.
    """
    if starters_left_out and rule == "refuse":
        raise NotAllowed(
            "more people started the halted runs than are remembered, and the policy refuses a decision by one of them",
            "stop this halt; the next check opens it anew",
        )
    return starters_left_out


def require_reason(reason: str) -> str:
    """The reason, trimmed. Raises WrongUse for none, or one that is too long."""
    text = reason.strip()
    if not text or len(text) > _LONGEST_REASON:
        raise WrongUse("a decision needs a reason of at most 2000 characters", "add --reason TEXT")
    return text


def require_named(decision: Decision, findings: Sequence[Finding], kept: Iterable[str], named: Iterable[str]) -> None:
    """Checks that a decision fits the findings and names the resources it must name.

    `kept` are the keys that an earlier decision kept, `named` the keys that the reviewer named. Raises NotAllowed.
    """
    unread = {finding.ref.key for finding in findings if finding.kind in UNREAD}
    readable = [finding for finding in findings if finding.kind not in UNREAD]
    if decision is Decision.STOP:
        return
    if decision is Decision.WAIVE and readable:
        raise NotAllowed(
            "waive is only for what could not be read, and this halt holds changes",
            "decide overwrite or keep, and name the unreadable resources with --resource",
        )
    if decision is not Decision.WAIVE and not readable:
        raise NotAllowed("nothing here was read, so there is nothing to overwrite or keep", "decide waive or stop")
    needed = set(unread)
    if decision is Decision.OVERWRITE:
        needed |= set(kept) & {finding.ref.key for finding in readable}
    missing = sorted(needed - set(named))
    if missing:
        raise NotAllowed(
            f"{decision} must name what it passes over: {', '.join(missing)}",
            "repeat the command with " + " ".join(f"--resource {key}" for key in missing),
        )
