"""Who may decide on a halt, and what a decision must say."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.errors import NotAllowed, WrongUse
from driftguard.flow.attribute import Actor
from driftguard.flow.check import Finding, FindingKind
from driftguard.flow.halt import Decision
from driftguard.flow.policy import UnknownAuthor
from driftguard.flow.review import (
    UNREAD,
    Person,
    authors_of,
    needs_second,
    require_four_eyes,
    require_named,
    require_reason,
    same_person,
)
from tests.flow.findings import attribution, event, finding, ref

DANA = Person("dana@contoso.com", "oid-dana")
ERIN = Person("erin@contoso.com", "oid-erin")
IDENTITIES = {"Dana Doe": ("dana@contoso.com", "dana-admin@contoso.com", "app-of-dana"), "Erin": ("erin@contoso.com",)}
NOBODY: Mapping[str, Sequence[str]] = {}


def allowed(
    reviewer: Person,
    authors: Sequence[Person] = (),
    starter: Person | None = None,
    identities: Mapping[str, Sequence[str]] = NOBODY,
) -> bool:
    try:
        require_four_eyes(reviewer, authors=authors, starter=starter, identities=identities)
    except NotAllowed:
        return False
    return True


@pytest.mark.parametrize(
    "same",
    [
        Person("dana@contoso.com"),
        Person("DANA@Contoso.COM"),
        Person(" dana@contoso.com "),
        Person("somebody", "OID-Dana"),
        Person("oid-dana"),
        Person("x", app_id="dana@contoso.com"),
    ],
)
def test_who_made_the_change_or_started_the_run_does_not_decide_by_whichever_name(same: Person) -> None:
    assert not allowed(same, authors=[DANA])
    assert not allowed(same, starter=DANA)
    assert not allowed(DANA, authors=[ERIN, same])
    assert allowed(ERIN, authors=[same], starter=same)


@pytest.mark.parametrize("one", ["dana@contoso.com", "DANA-admin@contoso.com", "App-of-Dana", "dana doe"])
@pytest.mark.parametrize("other", ["dana@contoso.com", "dana-admin@contoso.com", "app-of-dana", "Dana Doe"])
def test_all_accounts_of_one_person_are_that_person(one: str, other: str) -> None:
    assert not allowed(Person(one), authors=[Person("", other)], identities=IDENTITIES)
    assert not allowed(Person("", one), starter=Person("", "", other), identities=IDENTITIES)
    assert allowed(Person(one), authors=[ERIN], starter=ERIN, identities=IDENTITIES)


@given(st.permutations(range(4)))
def test_people_who_share_accounts_are_one_person_in_whatever_order_they_stand(order: list[int]) -> None:
    chain = {f"p{link}": (f"a{link}", f"a{link + 1}") for link in order}
    assert same_person(Person("a0"), Person("a4"), chain)
    assert not same_person(Person("a0"), Person("a5"), chain)


def test_people_without_a_name_are_not_one_person() -> None:
    assert not same_person(Person(), Person(), {"": ("",), "x": ("", "  ")})
    assert allowed(ERIN, authors=[Person(), Person(" ")], identities={"x": ("",)})


@pytest.mark.parametrize("nobody", [Person(), Person("  ", "\t"), Person(app_id="app")])
def test_a_decision_needs_somebody_who_takes_it(nobody: Person) -> None:
    with pytest.raises(NotAllowed, match="needs somebody") as refused:
        require_four_eyes(nobody, authors=[], starter=None, identities=NOBODY)
    assert refused.value.remedy


def test_a_person_comes_back_from_json_as_it_was() -> None:
    for person in (DANA, Person(), Person("a", "b", "c", asserted=True), Person("a", aliases=("b", "c"))):
        assert Person.from_dict(person.to_dict()) == person


def test_a_person_without_aliases_is_written_and_read_as_before_there_were_any() -> None:
    written = {"name": "a", "object_id": "b", "app_id": "", "asserted": False}
    assert Person("a", "b").to_dict() == written
    assert Person.from_dict(written) == Person("a", "b")


def test_who_started_a_run_under_another_of_their_names_does_not_decide() -> None:
    guest = Person("dana_fabrikam.com#EXT#@contoso.onmicrosoft.com", "oid", aliases=("dana@fabrikam.com",))
    assert not allowed(guest, starter=Person("Dana@Fabrikam.com", asserted=True))
    assert not allowed(guest, authors=[Person("dana@fabrikam.com")])
    assert not allowed(guest, starter=Person("d"), identities={"d": ("dana@fabrikam.com",)})
    assert allowed(guest, authors=[ERIN], starter=ERIN)


WRITTEN = [kind for kind in FindingKind if kind not in UNREAD]


def moved(*writers: object) -> Finding:
    return finding(FindingKind.MOVED, attribution=attribution(Actor.PERSON, *writers))  # type: ignore[arg-type]  # reason: events


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_change_without_a_writer_has_an_unknown_author(kind: FindingKind) -> None:
    assert authors_of([finding(kind)]) == ([], True)
    assert authors_of([finding(kind, attribution=attribution(Actor.UNKNOWN))]) == ([], True)


@pytest.mark.parametrize("kind", UNREAD)
def test_what_could_not_be_read_has_no_author_and_needs_none(kind: FindingKind) -> None:
    assert authors_of([finding(kind)]) == ([], False)
    assert authors_of([]) == ([], False)


def test_every_writer_of_every_finding_is_an_author_once() -> None:
    erin = event(caller="erin@contoso.com", object_id="")
    authors, unknown = authors_of([moved(event(), erin), moved(event(id="again"))])
    assert authors == [Person("dana@contoso.com", "oid-dana"), Person("erin@contoso.com")]
    assert not unknown


def test_one_change_without_an_author_beside_known_ones_leaves_an_author_unknown() -> None:
    assert authors_of([moved(event()), finding(FindingKind.GONE, "b")]) == ([DANA], True)


@pytest.mark.parametrize(
    ("nameless", "unknown"),
    [
        (event(caller="", object_id=""), True),
        (event(caller=" ", object_id="", is_person=None), True),
        (event(caller="", object_id="", is_person=None, category="Autoscale"), False),
        (event(caller="", object_id="", is_person=None, category="Policy"), False),
        (event(caller="", object_id="", app_id="app-x", is_person=False), False),
    ],
)
def test_a_person_without_a_name_among_the_writers_leaves_an_author_unknown(nameless: object, unknown: bool) -> None:
    authors, found = authors_of([moved(event(), nameless)])
    assert (DANA in authors, found) == (True, unknown)


def test_the_owner_of_an_application_is_the_author_of_what_it_wrote_and_a_users_client_is_not() -> None:
    by_app = event(caller="oid-of-app", object_id="oid-of-app", app_id="app-of-dana", is_person=False)
    assert not allowed(DANA, authors=authors_of([moved(by_app)])[0], identities=IDENTITIES)
    by_erin_there = event(caller="erin@contoso.com", object_id="oid-erin", app_id="app-of-dana")
    assert allowed(DANA, authors=authors_of([moved(by_erin_there)])[0], identities=IDENTITIES)


@pytest.mark.parametrize(
    ("unknown", "rule", "second"),
    [
        (False, UnknownAuthor.REFUSE, False),
        (False, UnknownAuthor.SECOND_REVIEWER, False),
        (False, UnknownAuthor.ALLOW, False),
        (True, UnknownAuthor.SECOND_REVIEWER, True),
        (True, UnknownAuthor.ALLOW, False),
        (True, "a word that nobody knows", True),
    ],
)
def test_an_unknown_author_needs_what_the_policy_says(unknown: bool, rule: str, second: bool) -> None:
    assert needs_second(unknown, rule) is second


def test_an_unknown_author_is_refused_where_the_policy_says_so() -> None:
    with pytest.raises(NotAllowed, match="not known") as refused:
        needs_second(True, UnknownAuthor.REFUSE)
    assert "second_reviewer" in refused.value.remedy


def test_a_reason_is_required_and_trimmed() -> None:
    assert require_reason(" because \n") == "because"
    assert require_reason("x" * 2000) == "x" * 2000
    for text in ("", " \n\t", "x" * 2001):
        with pytest.raises(WrongUse, match="reason"):
            require_reason(text)


# What a halt may hold: something read (r), something unread (u), and something read that an earlier decision kept (k).
READ, UNREADABLE, KEPT = "read", "unread", "kept"
HOLDS = [set(chosen) for size in (1, 2, 3) for chosen in itertools.combinations((READ, UNREADABLE, KEPT), size)]
NAMED = [set(chosen) for size in range(4) for chosen in itertools.combinations((READ, UNREADABLE, KEPT), size)]


def accepts(decision: Decision, holds: set[str], named: set[str]) -> bool:
    """The words of the design: what may be decided on such a halt, and what must be named for it."""
    reads, unread, kept = bool(holds & {READ, KEPT}), UNREADABLE in holds, KEPT in holds
    match decision:
        case Decision.STOP:
            return True
        case Decision.WAIVE:
            return not reads and UNREADABLE in named
        case Decision.KEEP:
            return reads and (not unread or UNREADABLE in named)
        case Decision.OVERWRITE:
            return reads and (not unread or UNREADABLE in named) and (not kept or KEPT in named)


@pytest.mark.parametrize("decision", Decision)
@pytest.mark.parametrize("holds", HOLDS)
def test_a_decision_names_exactly_what_it_passes_over(decision: Decision, holds: set[str]) -> None:
    findings = [finding(FindingKind.UNREADABLE if name == UNREADABLE else FindingKind.MOVED, name) for name in holds]
    kept = [ref(KEPT).key, ref("kept-and-no-longer-different").key]
    for named in NAMED:
        keys = [ref(name).key for name in named]
        if accepts(decision, holds, named):
            require_named(decision, findings, kept, keys)
            continue
        with pytest.raises(NotAllowed) as refused:
            require_named(decision, findings, kept, keys)
        assert refused.value.remedy


@pytest.mark.parametrize("kind", WRITTEN)
def test_whatever_was_read_is_decided_and_not_waived(kind: FindingKind) -> None:
    require_named(Decision.OVERWRITE, [finding(kind)], [], [])
    with pytest.raises(NotAllowed, match="holds changes"):
        require_named(Decision.WAIVE, [finding(kind)], [], [ref().key])


@pytest.mark.parametrize("kind", UNREAD)
def test_the_refusal_says_what_to_name(kind: FindingKind) -> None:
    with pytest.raises(NotAllowed) as refused:
        require_named(Decision.WAIVE, [finding(kind, "b"), finding(kind, "a")], [], [])
    assert refused.value.remedy.endswith(f"--resource {ref('a').key} --resource {ref('b').key}")
