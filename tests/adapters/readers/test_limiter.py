"""The token bucket: documented start, corrected by headers, stopped by 429."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from driftguard.adapters.readers.limiter import Limits, TokenBucket, remaining_reads
from tests.adapters.readers.arm_stub import FakeClock

LATER = 1e9


def take(bucket: TokenBucket, times: int, deadline: float = LATER) -> list[bool]:
    return [bucket.take(deadline) for _ in range(times)]


def test_250_reads_pass_at_once_and_then_25_a_second(clock: FakeClock) -> None:
    bucket = TokenBucket(clock)
    assert all(take(bucket, 250)) and clock.monotonic() == 0
    assert all(take(bucket, 50))
    assert clock.monotonic() == pytest.approx(2.0)


def test_the_header_is_believed_minus_the_requests_under_way(clock: FakeClock) -> None:
    bucket = TokenBucket(clock)
    take(bucket, 4)
    bucket.give_back({"x-ms-ratelimit-remaining-subscription-reads": "5"})  # 3 are still under way
    take(bucket, 2)
    assert clock.monotonic() == 0
    bucket.take(LATER)
    assert clock.monotonic() == pytest.approx(1 / 25)


def test_a_larger_bucket_than_documented_is_used(clock: FakeClock) -> None:
    bucket = TokenBucket(clock)
    bucket.take(LATER)
    bucket.give_back({"x-ms-ratelimit-remaining-subscription-reads": "16499"})
    assert all(take(bucket, 16_000)) and clock.monotonic() == 0


def test_an_answer_without_the_header_leaves_the_count(clock: FakeClock) -> None:
    bucket = TokenBucket(clock)
    take(bucket, 250)
    for _ in range(250):
        bucket.give_back({})
    bucket.take(LATER)
    assert clock.monotonic() > 0


def test_a_429_holds_everybody_until_its_end(clock: FakeClock) -> None:
    bucket = TokenBucket(clock)
    bucket.take(LATER)
    bucket.block(7.0)
    assert bucket.blocked
    assert not bucket.take(deadline=6.9) and clock.monotonic() == 0
    assert bucket.take(deadline=7.1)
    assert clock.monotonic() == pytest.approx(7.0) and not bucket.blocked


def test_a_token_that_comes_after_the_deadline_is_refused_at_once_and_not_used_up(clock: FakeClock) -> None:
    bucket = TokenBucket(clock)
    take(bucket, 250)
    assert take(bucket, 100, deadline=0.01) == [False] * 100
    assert clock.slept == []
    assert bucket.take(deadline=0.05)


def test_many_threads_together_take_no_more_than_the_pace(clock: FakeClock) -> None:
    bucket = TokenBucket(clock)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: bucket.take(LATER), range(300)))
    assert clock.monotonic() >= 50 / 25 - 1e-6


def test_subscriptions_do_not_share_a_bucket(clock: FakeClock) -> None:
    limits = Limits(clock)
    limits.of("a").block(60)
    assert limits.of("b").take(deadline=0.0)
    assert limits.of("a") is limits.of("a")


@pytest.mark.parametrize(
    ("headers", "remaining"),
    [
        ({}, None),
        ({"x-ms-ratelimit-remaining-subscription-reads": "249"}, 249),
        ({"x-ms-ratelimit-remaining-subscription-writes": "3"}, None),
        ({"x-ms-ratelimit-remaining-subscription-deletes": "3"}, None),
        (
            {
                "x-ms-ratelimit-remaining-subscription-global-reads": "3749",
                "x-ms-ratelimit-remaining-subscription-resource-requests": "14",
            },
            14,
        ),
        ({"x-ms-ratelimit-remaining-resource": "Microsoft.Compute/HighCostGet3Min;133"}, None),
        ({"x-ms-ratelimit-remaining-tenant-reads": "-5"}, None),
        ({"x-ms-ratelimit-remaining-tenant-reads": "٣"}, None),
        ({"x-ms-ratelimit-remaining-tenant-reads": "9" * 400}, 1_000_000),
    ],
)
def test_the_fewest_remaining_reads_count_and_nonsense_does_not(
    headers: dict[str, str], remaining: float | None
) -> None:
    assert remaining_reads(headers) == remaining
