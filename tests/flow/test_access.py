"""Who may call what: the role, the kind of caller and the binding, all three, and nothing where one is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from driftguard.errors import NotAllowed
from driftguard.flow.access import Caller, Role, is_bound, require_bound, require_role
from driftguard.flow.attribute import Principal
from driftguard.flow.policy import JobPolicy
from driftguard.flow.review import Person

APP, SERVICE_PRINCIPAL = "aaaaaaaa-0001-4000-8000-000000000001", "aaaaaaaa-0001-4000-8000-0000000000ff"
ROB = "bbbbbbbb-0002-4000-8000-000000000002"
TEAM = "cccccccc-0003-4000-8000-000000000003"
PIPELINE = Caller(Person(APP, SERVICE_PRINCIPAL, APP), is_person=False, roles=frozenset({Role.PIPELINE}))
PERSON = Caller(Person("rob@contoso.com", ROB), is_person=True, groups=frozenset({TEAM}))
REVIEWER = replace(PERSON, roles=frozenset({Role.REVIEWER}))
READER = replace(PERSON, roles=frozenset({Role.READER}))
LOCAL = Caller(Person("dana", asserted=True), is_person=True, everything=True)
NOBODY_IS_BOUND = JobPolicy(job="shop")
ALL_ARE_BOUND = JobPolicy(
    job="shop", pipelines=(APP, ROB, TEAM), readers=(APP, ROB, TEAM), reviewers=(APP, SERVICE_PRINCIPAL, ROB, TEAM)
)


# Which roles a caller of a kind has, whatever roles the token names.
@pytest.mark.parametrize(
    ("is_person", "given", "has"),
    [
        (False, {Role.PIPELINE}, {Role.PIPELINE}),
        (False, {Role.READER}, {Role.READER}),
        (False, {Role.REVIEWER}, set()),
        (False, set(Role), {Role.PIPELINE, Role.READER}),
        (True, {Role.PIPELINE}, set()),
        (True, {Role.READER}, {Role.READER}),
        (True, {Role.REVIEWER}, {Role.READER, Role.REVIEWER}),
        (True, set(Role), {Role.READER, Role.REVIEWER}),
        (True, set(), set()),
        (False, set(), set()),
    ],
)
def test_a_role_counts_for_the_kind_that_may_have_it(is_person: bool, given: set[Role], has: set[Role]) -> None:
    caller = replace(PERSON if is_person else PIPELINE, is_person=is_person, roles=frozenset(given))
    assert {role for role in Role if caller.has(role)} == has
    assert {role for role in Role if is_bound(caller, role, ALL_ARE_BOUND)} == has
    for role in Role:
        if role not in has:
            with pytest.raises(NotAllowed) as caught:
                require_role(caller, role)
            assert caught.value.remedy
            with pytest.raises(NotAllowed):
                require_bound(caller, role, ALL_ARE_BOUND)


@pytest.mark.parametrize("caller", [PIPELINE, READER, REVIEWER])
def test_where_the_policy_binds_nobody_nobody_may(caller: Caller) -> None:
    assert not any(is_bound(caller, role, NOBODY_IS_BOUND) for role in Role)
    for role in caller.roles:
        with pytest.raises(NotAllowed) as caught:
            require_bound(caller, role, NOBODY_IS_BOUND)
        assert "shop" in caught.value.message
        assert "policy" in caught.value.remedy


@pytest.mark.parametrize(
    ("caller", "role", "rules"),
    [
        (PIPELINE, Role.PIPELINE, JobPolicy(pipelines=(APP.upper(),))),
        (PIPELINE, Role.PIPELINE, JobPolicy(pipelines=(SERVICE_PRINCIPAL,))),
        (PIPELINE, Role.PIPELINE, JobPolicy(principals=(Principal(app_id=APP.upper()),))),
        (PIPELINE, Role.PIPELINE, JobPolicy(principals=(Principal(object_id=SERVICE_PRINCIPAL),))),
        (REVIEWER, Role.REVIEWER, JobPolicy(reviewers=(TEAM.upper(),))),
        (REVIEWER, Role.REVIEWER, JobPolicy(reviewers=(ROB,))),
        (REVIEWER, Role.READER, JobPolicy(reviewers=(TEAM,))),
        (REVIEWER, Role.READER, JobPolicy(readers=(TEAM,))),
        (READER, Role.READER, JobPolicy(readers=(ROB,))),
    ],
)
def test_a_caller_is_bound_by_an_id_in_any_letter_case(caller: Caller, role: Role, rules: JobPolicy) -> None:
    assert is_bound(caller, role, rules)
    require_bound(caller, role, rules)


@pytest.mark.parametrize(
    ("caller", "role", "rules"),
    [
        # A principal is for who has no list of pipelines: a list says who may, all of it.
        (PIPELINE, Role.PIPELINE, JobPolicy(pipelines=(TEAM,), principals=(Principal(app_id=APP),))),
        (PIPELINE, Role.PIPELINE, JobPolicy(pipelines=(), principals=(Principal(app_id=APP),))),
        (PIPELINE, Role.PIPELINE, JobPolicy(principals=(Principal(user="rob@contoso.com", label=APP),))),
        (PIPELINE, Role.PIPELINE, JobPolicy(readers=(APP,), reviewers=(APP,))),
        (READER, Role.READER, JobPolicy(reviewers=(TEAM,), pipelines=(TEAM,))),
        (REVIEWER, Role.REVIEWER, JobPolicy(readers=(TEAM,), pipelines=(TEAM,))),
        (REVIEWER, Role.REVIEWER, JobPolicy(reviewers=("rob@contoso.com", "dana", "*", ""))),
        (REVIEWER, Role.REVIEWER, JobPolicy(identities={"rob": ("rob@contoso.com", ROB)}, reviewers=("rob",))),
    ],
)
def test_nothing_else_binds(caller: Caller, role: Role, rules: JobPolicy) -> None:
    assert not is_bound(caller, role, rules)
    with pytest.raises(NotAllowed):
        require_bound(caller, role, rules)


def test_a_person_is_not_the_application_that_they_signed_in_with() -> None:
    through = replace(REVIEWER, person=Person("rob@contoso.com", ROB, APP))
    assert APP not in through.ids
    assert not is_bound(through, Role.REVIEWER, JobPolicy(reviewers=(APP,)))


def test_too_many_groups_to_be_told_is_said_and_refused() -> None:
    many = replace(REVIEWER, groups=frozenset(), all_groups=False)
    with pytest.raises(NotAllowed) as caught:
        require_bound(many, Role.REVIEWER, JobPolicy(job="shop", reviewers=(TEAM,)))
    assert "too many groups" in caught.value.message
    assert "assigned to the application" in caught.value.remedy
    require_bound(many, Role.REVIEWER, JobPolicy(job="shop", reviewers=(ROB,)))


def test_the_one_user_of_a_service_on_their_own_machine_may_do_everything() -> None:
    for role in Role:
        require_role(LOCAL, role)
        require_bound(LOCAL, role, NOBODY_IS_BOUND)
