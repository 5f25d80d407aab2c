"""When a GET is sent again."""

from __future__ import annotations

import json

import pytest

from driftguard.adapters.readers.arm_answers import Answer, Failure
from driftguard.adapters.readers.arm_retry import holds_the_subscription, seconds_before_retry
from driftguard.flow.reading import Cause
from tests.adapters.readers.arm_stub import START


def answer(status: int, code: str = "", **headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, named, json.dumps({"error": {"code": code}}).encode())


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_trouble_is_tried_again_with_a_doubling_wait(status: int) -> None:
    assert [seconds_before_retry(answer(status), attempt, START) for attempt in (1, 2, 3, 9)] == [0.5, 1.0, 2.0, 30.0]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 301, 400, 401, 403, 404, 409, 410])
def test_a_final_answer_is_not_tried_again(status: int) -> None:
    assert seconds_before_retry(answer(status, retry_after="1"), 1, START) is None


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        ("7", 7.0),
        ("372", 30.0),
        ("0", 0.5),
        ("-3", 0.5),
        ("soon", 0.5),
        ("9" * 400, 30.0),
        ("Thu, 01 Oct 2026 12:00:09 GMT", 9.0),
        ("Thu, 01 Oct 2026 11:59:00 GMT", 0.5),
        ("Fri, 02 Oct 2026 12:00:00 GMT", 30.0),
    ],
)
def test_retry_after_is_honoured_up_to_its_cap(retry_after: str, wait: float) -> None:
    assert seconds_before_retry(answer(429, retry_after=retry_after), 1, START) == pytest.approx(wait)


def test_a_lost_connection_is_tried_again_and_a_hang_or_half_an_answer_once() -> None:
    lost, hang, half = (Failure(cause, "") for cause in (Cause.NO_CONNECTION, Cause.TIMEOUT, Cause.NOT_JSON))
    assert [seconds_before_retry(lost, n, START) for n in (1, 4)] == [0.5, 4.0]
    assert [seconds_before_retry(hang, n, START) for n in (1, 2)] == [0.5, None]
    assert [seconds_before_retry(half, n, START) for n in (1, 2)] == [0.5, None]


@pytest.mark.parametrize("cause", [Cause.OUT_OF_TIME, Cause.TOO_LARGE, Cause.REFUSED, Cause.THROTTLED])
def test_what_would_fail_again_is_not_tried_again(cause: Cause) -> None:
    assert seconds_before_retry(Failure(cause, ""), 1, START) is None


def test_only_a_429_of_the_subscription_holds_the_subscription() -> None:
    assert holds_the_subscription(answer(429, "SubscriptionRequestsThrottled"))
    assert holds_the_subscription(answer(429))
    assert not holds_the_subscription(answer(429, "ResourceRequestsThrottled"))
    assert not holds_the_subscription(answer(429, "RetryableErrorDueToAnotherOperation"))
    assert not holds_the_subscription(answer(503, "SubscriptionRequestsThrottled"))
    assert not holds_the_subscription(Failure(Cause.THROTTLED, ""))
