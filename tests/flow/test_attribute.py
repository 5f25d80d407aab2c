"""Who changed it: brackets, classes of writers, what is proven, and why nobody is named."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from driftguard.flow.attribute import (
    CARE,
    Actor,
    Event,
    Own,
    Principal,
    actor_of,
    attribute,
    deletes,
    is_foreign,
    is_proven,
    writers_of,
)
from driftguard.flow.resource import parse_ref
from tests.flow.findings import BRACKET, GROUP, NOON, event, events, ref

PIPELINE = Principal(app_id="APP-Pipeline", object_id="OID-Pipeline", label="release pipeline")
OWN = Own((PIPELINE,), frozenset({"corr-own"}))
NOTHING_KNOWN = Own()
MINUTE = timedelta(minutes=1)


def by_pipeline(**more: object) -> Event:
    plain = event(
        caller="app-pipeline",
        object_id="oid-pipeline",
        app_id="app-pipeline",
        is_person=False,
        correlation_id="corr-own",
    )
    return replace(plain, **more)  # type: ignore[arg-type]  # reason: a test names only what it changes


# One event of each class, as a source tells it.
OF_CLASS = {
    Actor.PERSON: event(),
    Actor.UNKNOWN: event(is_person=None, caller="", object_id="", app_id=""),
    Actor.OTHER_AUTOMATION: event(is_person=False, caller="other-app", object_id="oid-other", app_id="other-app"),
    Actor.OUR_PIPELINE: by_pipeline(),
    Actor.AZURE_POLICY: event(category="Policy", is_person=False),
    Actor.AUTOSCALE: event(category="Autoscale", is_person=None),
    Actor.PLATFORM: event(category="Platform", is_person=None, caller="", object_id="", app_id=""),
}


@pytest.mark.parametrize("actor", Actor)
def test_every_class_is_told_apart(actor: Actor) -> None:
    assert actor_of(OF_CLASS[actor], OWN) is actor


def test_the_order_of_care_is_the_order_of_the_design() -> None:
    assert [str(actor) for actor in CARE] == [
        "person",
        "unknown",
        "other_automation",
        "our_pipeline",
        "azure_policy",
        "autoscale",
        "platform",
    ]


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(Actor, 2)))
def test_of_two_writers_the_one_to_be_most_careful_with_names_the_change(one: Actor, other: Actor) -> None:
    writers = [
        replace(OF_CLASS[one], id="1", correlation_id="c1"),
        replace(OF_CLASS[other], id="2", correlation_id="c2"),
    ]
    worst = min(one, other, key=CARE.index)
    for told in (writers, writers[::-1]):
        found = attribute(ref(), [events(*told)], BRACKET, OWN)
        assert found.actor is worst
        assert len(found.writers) == 2
        assert found.sure == ("unknown" if worst is Actor.UNKNOWN else "certain")


def test_a_person_who_wrote_before_the_pipeline_is_named_although_the_pipeline_wrote_last() -> None:
    last = by_pipeline(id="2", at=NOON - MINUTE, correlation_id="corr-else")
    found = attribute(ref(), [events(last, event(id="1"))], BRACKET, OWN)
    assert (found.actor, found.who, found.client) == (Actor.PERSON, "dana@contoso.com", "Azure portal")
    assert [one.id for one in found.writers] == ["2", "1"]
    assert not found.proven


@pytest.mark.parametrize(
    ("seconds_from_noon", "counts"),
    [(-3601, False), (-3600.001, False), (-3600, True), (-1, True), (0, True), (0.999, True), (1, False), (60, False)],
)
def test_only_events_inside_the_bracket_count_and_the_servers_last_second_is_inside(
    seconds_from_noon: float, counts: bool
) -> None:
    at = NOON + timedelta(seconds=seconds_from_noon)
    assert bool(writers_of(ref(), [events(event(at=at))], BRACKET)) is counts


@pytest.mark.parametrize(
    ("resource", "counts"),
    [
        (ref().key, True),
        (f"{ref().key}/subnets/default", True),
        (f"{ref().key}/providers/microsoft.authorization/locks/l", True),
        (ref("vnet-10").key, False),
        (ref("vnet").key, False),
        (ref().key.rpartition("/")[0], False),
        ("", False),
    ],
)
def test_an_event_below_the_resource_counts_as_a_write_to_it_and_a_neighbours_does_not(
    resource: str, counts: bool
) -> None:
    assert bool(writers_of(ref(), [events(event(resource=resource))], BRACKET)) is counts


def test_the_events_of_one_operation_by_one_writer_are_one_whatever_their_order() -> None:
    began, ended = event(id="1"), event(id="2", at=NOON - MINUTE)
    for told in ([began, ended], [ended, began]):
        assert writers_of(ref(), [events(*told), events(*told, source="other")], BRACKET) == [ended]


@pytest.mark.parametrize("ours_first", [False, True])
def test_a_person_who_borrows_the_pipelines_correlation_id_is_not_hidden_by_its_event(ours_first: bool) -> None:
    told = [by_pipeline(id="1"), event(id="2", correlation_id="corr-own")]
    found = attribute(ref(), [events(*(told if ours_first else told[::-1]))], BRACKET, OWN)
    assert (found.actor, found.proven, [one.id for one in found.writers]) == (Actor.PERSON, False, ["2"])


def test_what_the_job_is_proven_to_have_written_explains_nothing_that_somebody_else_may_have_written() -> None:
    own = by_pipeline(id="2", at=NOON - MINUTE)
    for actor in Actor:
        if actor is not Actor.OUR_PIPELINE:
            found = attribute(ref(), [events(own, OF_CLASS[actor])], BRACKET, OWN)
            assert (found.actor, found.proven, found.writers) == (actor, False, (OF_CLASS[actor],))
    assert attribute(ref(), [events(own)], BRACKET, OWN).writers == (own,)


def test_events_without_a_correlation_id_are_told_apart_by_their_own_id() -> None:
    told = [event(id=name, correlation_id="") for name in ("1", "2")]
    assert len(writers_of(ref(), [events(*told)], BRACKET)) == 2


PERSON_AT_OUR_CLIENT = event(app_id="app-pipeline")


@pytest.mark.parametrize(
    ("one", "ours"),
    [
        (by_pipeline(), True),
        (by_pipeline(app_id="APP-PIPELINE", object_id="", caller=""), True),
        (by_pipeline(app_id="", caller="", object_id="OID-PIPELINE"), True),
        (by_pipeline(is_person=None), True),
        (by_pipeline(is_person=None, object_id="", app_id=""), True),
        (PERSON_AT_OUR_CLIENT, False),
        (replace(PERSON_AT_OUR_CLIENT, is_person=None), False),
        (replace(PERSON_AT_OUR_CLIENT, caller="app-pipeline"), False),
        (event(is_person=False, caller="", object_id="", app_id=""), False),
        (event(is_person=False, app_id="other", object_id="oid-other", caller="other"), False),
    ],
)
def test_an_app_id_makes_an_application_ours_and_never_a_person_at_the_same_client(one: Event, ours: bool) -> None:
    assert PIPELINE.wrote(one) is ours
    assert (actor_of(one, OWN) is Actor.OUR_PIPELINE) is ours


def test_a_principal_may_be_a_user_and_an_empty_one_is_nobody() -> None:
    assert Principal(user="Dana@Contoso.com").wrote(event())
    assert Principal(object_id="OID-dana").wrote(event())
    for one in OF_CLASS.values():
        assert not Principal(label="nobody").wrote(one)


@pytest.mark.parametrize("principal", [False, True])
@pytest.mark.parametrize("correlation", [False, True])
def test_a_write_is_proven_ours_only_by_principal_and_correlation_id_together(
    principal: bool, correlation: bool
) -> None:
    writer = by_pipeline() if principal else OF_CLASS[Actor.OTHER_AUTOMATION]
    one = replace(writer, correlation_id="CORR-own" if correlation else "corr-else")
    assert is_proven(one, OWN) is (principal and correlation)
    assert attribute(ref(), [events(one)], BRACKET, OWN).proven is (principal and correlation)


def test_one_unproven_writer_makes_the_change_unproven() -> None:
    told = [by_pipeline(id="1"), by_pipeline(id="2", correlation_id="corr-else")]
    found = attribute(ref(), [events(*told)], BRACKET, OWN)
    assert (found.actor, found.proven) == (Actor.OUR_PIPELINE, False)
    assert not attribute(ref(), [events(by_pipeline(correlation_id=""))], BRACKET, Own((PIPELINE,))).proven


@pytest.mark.parametrize("correlation", ["corr-own", "corr-else"])
@pytest.mark.parametrize("own", [OWN, replace(OWN, principals=())])
@pytest.mark.parametrize("actor", Actor)
def test_a_write_is_foreign_where_somebody_else_positively_made_it(actor: Actor, own: Own, correlation: str) -> None:
    told = replace(OF_CLASS[actor], correlation_id=correlation, client="")
    by_known_others = bool(own.principals)  # a correlation id excuses nobody: callers choose it
    expected = {
        Actor.PERSON: True,
        Actor.UNKNOWN: by_known_others,
        Actor.OTHER_AUTOMATION: by_known_others,
    }
    # Without principals our own pipeline is one application among others.
    assert is_foreign(told, own) is expected.get(actor, False)


def test_a_resource_provider_is_excused_by_the_correlation_id_of_our_deployment_and_by_no_other() -> None:
    provider = replace(OF_CLASS[Actor.OTHER_AUTOMATION], client="App Service", is_person=False)
    assert not is_foreign(replace(provider, correlation_id="corr-own"), OWN)
    assert is_foreign(replace(provider, correlation_id="corr-else"), OWN)


def test_what_was_written_above_a_resource_counts_where_nothing_was_written_on_it_and_a_deletion_always() -> None:
    subnet = parse_ref(f"{ref().id}/subnets/default")
    on_parent = event(id="1", resource=ref().key, correlation_id="c-1")
    on_group = event(id="2", resource=GROUP.lower(), operation="Microsoft.Resources/tags/write", correlation_id="c-2")
    gone = event(
        id="3",
        resource=GROUP.lower(),
        operation="Microsoft.Resources/subscriptions/resourceGroups/delete",
        correlation_id="c-3",
    )
    on_it = event(id="4", resource=subnet.key, correlation_id="c-4")
    assert writers_of(subnet, [events(on_parent, on_group)], BRACKET) == [on_parent]
    assert writers_of(subnet, [events(on_parent, on_it)], BRACKET) == [on_it]
    assert {one.id for one in writers_of(subnet, [events(on_it, gone)], BRACKET)} == {"3", "4"}
    assert deletes(gone, subnet) and not deletes(on_parent, subnet)


def test_a_write_in_the_second_of_the_recorded_reading_never_excuses_what_is_found_later() -> None:
    early = BRACKET[0] + timedelta(milliseconds=300)
    own = by_pipeline(at=early, correlation_id="corr-own")
    found = attribute(ref(), [events(own)], BRACKET, OWN)
    assert (found.actor, found.proven) == (Actor.UNKNOWN, False)
    assert attribute(ref(), [events(event(at=early))], BRACKET, OWN).actor is Actor.PERSON


def test_the_label_of_the_policy_names_our_pipeline_and_others_are_named_by_what_is_known() -> None:
    def who(one: Event) -> str:
        return attribute(ref(), [events(one)], BRACKET, OWN).who

    assert who(by_pipeline()) == "release pipeline"
    assert who(event()) == "dana@contoso.com"
    assert who(event(caller="")) == "oid-dana"
    assert who(event(caller="", object_id="")) == "app-portal"


def test_no_event_is_not_nobody_and_the_reason_is_told() -> None:
    def why(*answers: object) -> str:
        found = attribute(ref(), answers, BRACKET, OWN)  # type: ignore[arg-type]  # reason: given as events() below
        assert (found.actor, found.sure, found.at, found.proven, found.writers) == (
            Actor.UNKNOWN,
            "unknown",
            None,
            False,
            (),
        )
        assert found.bracket == BRACKET
        return found.why

    assert why() == "no source of attribution is set up"
    assert why(events()) == "no event in log"
    assert why(events(covered_until=None)) == "no event yet; log may still tell"
    assert why(events(covered_until=NOON - MINUTE)) == "no event yet; log may still tell"
    assert why(events(problem="403"), events(source="other")) == "log: 403"
    assert why(events(event(at=NOON + MINUTE))) == "no event in log"


def test_a_source_that_fails_hides_nothing_of_another() -> None:
    found = attribute(
        ref(), [events(problem="down", covered_until=None), events(event(), source="other")], BRACKET, OWN
    )
    assert (found.actor, found.who, found.why) == (Actor.PERSON, "dana@contoso.com", "")


def test_answers_may_come_one_at_a_time() -> None:
    assert attribute(ref(), iter([events(event())]), BRACKET, NOTHING_KNOWN).actor is Actor.PERSON


def test_a_write_by_the_jobs_principal_is_probable_only_since_its_last_clearance() -> None:
    mine = event(caller="pipeline-app", object_id="p-1", is_person=False)
    principals = (Principal(object_id="p-1"),)
    for since, probable in ((None, False), (mine.at, True), (mine.at + timedelta(seconds=1), False)):
        found = attribute(ref(), [events(mine)], BRACKET, Own(principals, since=since))
        assert (found.actor, found.probable) == (Actor.OUR_PIPELINE, probable)


def test_an_attribution_is_covered_only_where_a_source_has_told_everything_up_to_the_end_of_the_bracket() -> None:
    end = BRACKET[1]
    for covered_until, problem, covered in (
        (end, "", True),
        (end - timedelta(seconds=1), "", False),
        (None, "", False),
        (end, "one page failed", False),
    ):
        answer = events(covered_until=covered_until, problem=problem)
        assert attribute(ref(), [answer], BRACKET, Own()).covered is covered
