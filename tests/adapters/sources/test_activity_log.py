"""The Activity Log as a source: its queries, its pages, what it covers, and what it says when it fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from driftguard.adapters.readers.arm_client import ArmClient
from driftguard.adapters.sources import SOURCES
from driftguard.adapters.sources.activity_log import ActivityLog
from driftguard.flow.ports import Source
from driftguard.flow.resource import ResourceRef, parse_ref
from tests.adapters.readers.arm_stub import (
    GROUP,
    START,
    SUBSCRIPTION,
    TOKEN,
    ArmStub,
    FakeClock,
    Reply,
    error_reply,
    json_reply,
    options_for,
    running_stub,
)

NOW = START
NSG = f"{GROUP}/providers/Microsoft.Network/networkSecurityGroups/n"
LOG = f"{SUBSCRIPTION}/providers/Microsoft.Insights/eventtypes/management/values"
OTHER = SUBSCRIPTION.replace("1", "3")
OTHER_LOG = LOG.replace(SUBSCRIPTION, OTHER)
SINCE = NOW - timedelta(hours=3)
UNTIL = NOW - timedelta(hours=1)


@pytest.fixture
def dates(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The `Date` headers of the next answers; the last one repeats."""
    following = [http_date(NOW)]

    def next_date(*_: object) -> str:
        return following.pop(0) if len(following) > 1 else following[0]

    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", next_date)
    return following


@pytest.fixture
def stub(dates: list[str]) -> Iterator[ArmStub]:
    with running_stub() as running:
        yield running


@pytest.fixture
def log(stub: ArmStub) -> Iterator[Source]:
    clock = FakeClock()
    with ArmClient(options_for(stub), clock, workers=1) as client:
        yield ActivityLog(client, clock)


def row(resource: str = NSG, at: datetime = NOW - timedelta(hours=2), **changes: Any) -> dict[str, Any]:
    return {
        "eventDataId": f"e-{resource}-{at}",
        "operationId": f"op-{resource}-{at}",
        "eventTimestamp": at.isoformat(),
        "operationName": {"value": "Microsoft.Network/networkSecurityGroups/write"},
        "category": {"value": "Administrative"},
        "status": {"value": "Succeeded"},
        "resourceId": resource,
        **changes,
    }


def http_date(at: datetime) -> str:
    return format_datetime(at, usegmt=True)


def filters(stub: ArmStub) -> list[str]:
    return [parse_qs(urlsplit(target).query)["$filter"][0] for target, _ in stub.requests]


def ref(id_: str = NSG) -> ResourceRef:
    return parse_ref(id_)


def test_the_sources_are_a_literal_table_by_name() -> None:
    assert {"activity-log": ActivityLog} == SOURCES and ActivityLog.name == "activity-log"


def test_one_query_for_all_resources_of_a_subscription_narrowed_to_their_group(stub: ArmStub, log: Source) -> None:
    stub.answer(LOG, json_reply({"value": []}))
    found = log.events([ref(), ref(NSG + "2"), ref(GROUP)], SINCE, UNTIL)
    assert (found.events, found.covered_until, found.problem) == ((), UNTIL, "")
    assert filters(stub) == [
        "eventTimestamp ge '2026-10-01T09:00:00Z' and eventTimestamp le '2026-10-01T11:00:00Z'"
        " and resourceGroupName eq 'rg-shop'"
    ]
    assert "api-version=2015-04-01" in stub.requests[0][0]


def test_several_groups_are_asked_for_without_the_group(stub: ArmStub, log: Source) -> None:
    stub.answer(LOG, json_reply({"value": []}))
    log.events([ref(), ref(NSG.replace("rg-shop", "rg-other"))], SINCE, UNTIL + timedelta(microseconds=1))
    log.events([ref(SUBSCRIPTION)], SINCE, UNTIL)
    assert filters(stub) == [
        "eventTimestamp ge '2026-10-01T09:00:00Z' and eventTimestamp le '2026-10-01T11:00:01Z'",
        "eventTimestamp ge '2026-10-01T09:00:00Z' and eventTimestamp le '2026-10-01T11:00:00Z'",
    ]


def test_a_quote_in_a_group_name_cannot_change_the_filter(stub: ArmStub, log: Source) -> None:
    stub.answer(LOG, json_reply({"value": []}))
    log.events([ref(NSG.replace("rg-shop", "x'or'1"))], SINCE, UNTIL)
    assert filters(stub)[0].endswith("resourceGroupName eq 'x''or''1'")


def test_events_on_the_resource_and_below_it_are_kept_and_no_others(stub: ArmStub, log: Source) -> None:
    below = f"{NSG}/securityRules/r"
    others = [NSG + "2", f"{NSG}2/securityRules/r", GROUP, SUBSCRIPTION, "/"]
    stub.answer(LOG, json_reply({"value": [row(NSG.upper()), row(below), *map(row, others)]}))
    found = log.events([ref()], SINCE, UNTIL)
    assert {event.resource for event in found.events} == {NSG.lower(), below.lower()}


def test_the_window_holds_exactly(stub: ArmStub, log: Source) -> None:
    tick = timedelta(microseconds=1)
    times = [SINCE - tick, SINCE, UNTIL, UNTIL + tick]
    stub.answer(LOG, json_reply({"value": [row(at=at) for at in times]}))
    assert [event.at for event in log.events([ref()], SINCE, UNTIL).events] == [SINCE, UNTIL]


def test_all_pages_are_read(stub: ArmStub, log: Source) -> None:
    first = {"value": [row(at=UNTIL)], "nextLink": f"{stub.endpoint}{LOG}?page=2"}
    stub.answer(LOG, json_reply(first), json_reply({"value": [row(at=SINCE)]}))
    assert [event.at for event in log.events([ref()], SINCE, UNTIL).events] == [SINCE, UNTIL]


@pytest.mark.parametrize(
    ("until", "covered"),
    [
        (NOW - timedelta(hours=1), NOW - timedelta(hours=1)),
        (NOW - timedelta(minutes=20), NOW - timedelta(minutes=20)),
        (NOW - timedelta(minutes=3), NOW - timedelta(minutes=20)),
        (NOW + timedelta(hours=1), NOW - timedelta(minutes=20)),
    ],
)
def test_the_last_20_minutes_are_not_covered(until: datetime, covered: datetime, stub: ArmStub, log: Source) -> None:
    stub.answer(LOG, json_reply({"value": []}))
    assert log.events([ref()], SINCE, until).covered_until == covered


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=2), -timedelta(hours=1)])
def test_the_machines_clock_does_not_say_what_is_covered(ahead: timedelta, stub: ArmStub) -> None:
    stub.answer(LOG, json_reply({"value": []}))
    clock = FakeClock(NOW + ahead)
    with ArmClient(options_for(stub), clock, workers=1) as client:
        found = ActivityLog(client, clock).events([ref()], SINCE, NOW + timedelta(days=3))
    assert found.covered_until == NOW - timedelta(minutes=20)


def test_the_earliest_answer_of_all_pages_and_subscriptions_counts(
    stub: ArmStub, log: Source, dates: list[str]
) -> None:
    dates[:] = [http_date(NOW - timedelta(minutes=minutes)) for minutes in (2, 5, 0)]
    stub.answer(LOG, json_reply({"value": [], "nextLink": f"{stub.endpoint}{LOG}?page=2"}), json_reply({"value": []}))
    stub.answer(OTHER_LOG, json_reply({"value": []}))
    found = log.events([ref(), ref(NSG.replace(SUBSCRIPTION, OTHER))], SINCE, NOW)
    assert len(stub.requests) == 3 and found.covered_until == NOW - timedelta(minutes=25)


@pytest.mark.parametrize("date", ["", "soon", "Thu, 99 Oct 2026 12:00:00 GMT"])
def test_an_answer_without_a_date_covers_nothing(date: str, stub: ArmStub, log: Source, dates: list[str]) -> None:
    dates[:] = [http_date(NOW), date]
    stub.answer(LOG, json_reply({"value": [], "nextLink": f"{stub.endpoint}{LOG}?page=2"}), json_reply({"value": []}))
    found = log.events([ref()], SINCE, UNTIL)
    assert (found.covered_until, found.problem) == (None, "")


def test_a_start_before_what_is_kept_is_moved_and_told(stub: ArmStub, log: Source) -> None:
    stub.answer(LOG, json_reply({"value": []}))
    found = log.events([ref()], NOW - timedelta(days=200), UNTIL)
    assert (found.problem, found.covered_until) == ("log kept 90 days", UNTIL)
    assert filters(stub)[0].startswith("eventTimestamp ge '2026-07-03T12:05:00Z'")


def test_a_window_before_what_is_kept_asks_nothing_and_says_so(stub: ArmStub, log: Source) -> None:
    found = log.events([ref()], NOW - timedelta(days=200), NOW - timedelta(days=100))
    assert (found.events, found.problem, stub.requests) == ((), "log kept 90 days", [])


@pytest.mark.parametrize(
    "reply",
    [
        error_reply(403, "AuthorizationFailed"),
        error_reply(401, "ExpiredAuthenticationToken"),
        error_reply(401, "InvalidAuthenticationTokenTenant"),
        error_reply(503, "ServerTimeout"),
        json_reply({"Code": "BadRequest", "Message": "no"}, 400),
        Reply(200, b"<html>"),
        Reply(200, b'{"value": [', mode="half"),
        Reply(mode="hang"),
        Reply(mode="reset"),
        json_reply({"value": 7}),
        json_reply({"value": [], "nextLink": "https://evil.example/"}),
        json_reply({"value": [7]}),
    ],
)
def test_a_log_that_fails_covers_nothing_and_says_so(reply: Reply, stub: ArmStub, log: Source) -> None:
    stub.answer(LOG, reply)
    found = log.events([ref()], SINCE, UNTIL)
    assert found.covered_until is None and found.problem and "\n" not in found.problem
    assert TOKEN not in found.problem


def test_one_subscription_that_fails_uncovers_all_but_keeps_the_others_events(stub: ArmStub, log: Source) -> None:
    stub.answer(LOG, json_reply({"value": [row()]}))
    stub.answer(OTHER_LOG, error_reply(403, "AuthorizationFailed"))
    found = log.events([ref(), ref(NSG.replace(SUBSCRIPTION, OTHER))], SINCE, UNTIL)
    assert len(found.events) == 1 and found.covered_until is None and OTHER[-12:] in found.problem


def test_what_the_log_cannot_know_is_a_problem(stub: ArmStub, log: Source) -> None:
    tenant_level = ref("/providers/Microsoft.Management/managementGroups/g")
    assert log.events([tenant_level], SINCE, UNTIL).covered_until is None
    assert log.events([replace(ref(), cloud="china")], SINCE, UNTIL).problem
    assert stub.requests == []


def test_no_resource_is_no_query(stub: ArmStub, log: Source) -> None:
    found = log.events([], SINCE, UNTIL)
    assert (found.events, found.covered_until, found.problem, stub.requests) == ((), UNTIL, "", [])


def test_times_of_another_zone_are_asked_for_in_utc(stub: ArmStub, log: Source) -> None:
    stub.answer(LOG, json_reply({"value": []}))
    log.events([ref()], SINCE.astimezone(), UNTIL.astimezone(UTC))
    assert "ge '2026-10-01T09:00:00Z'" in filters(stub)[0]
