"""The token bucket: documented start, corrected by headers, stopped by 429."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from driftguard.adapters.readers.limiter import Limits, Token, TokenBucket, remaining_reads
from tests.adapters.readers.arm_stub import FakeClock

LATER = 1e9


def take(bucket: TokenBucket, times: int, deadline: float = LATER) -> list[Token]:
    """Tokens, as many as are given of so many asked for."""
    return [token for _ in range(times) if (token := bucket.take(deadline))]


def left(number: int) -> dict[str, str]:
    """The headers of an answer."""
    return {"x-ms-ratelimit-remaining-subscription-reads": str(number)}


def at_once(bucket: TokenBucket) -> int:
    """How many tokens the bucket still gives without a wait."""
    return len(take(bucket, 300, deadline=0.0))


def test_250_reads_pass_at_once_and_then_25_a_second(clock: FakeClock) -> None:
    bucket = TokenBucket(clock)
    assert len(take(bucket, 250)) == 250 and clock.monotonic() == 0
    assert len(take(bucket, 50)) == 50
    assert clock.monotonic() == pytest.approx(2.0)


def test_the_header_is_believed_minus_the_requests_under_way(clock: FakeClock) -> None:
    bucket = TokenBucket(clock)
    first, *_ = take(bucket, 4)
    bucket.give_back(first, left(5))  # 3 are still under way
    take(bucket, 2)
    assert clock.monotonic() == 0
    bucket.take(LATER)
    assert clock.monotonic() == pytest.approx(1 / 25)


def test_a_larger_bucket_than_documented_is_used(clock: FakeClock) -> None:
    bucket = TokenBucket(clock)
    [token] = take(bucket, 1)
    bucket.give_back(token, left(16499))
    assert len(take(bucket, 16_000)) == 16_000 and clock.monotonic() == 0


def test_answers_that_arrive_out_of_order_never_raise_the_count_above_what_arm_has(clock: FakeClock) -> None:
    """ARM had 12, and counted both requests: 10 are left, in whichever order the two answers arrive."""
    for order in ((0, 1), (1, 0)):
        bucket = TokenBucket(clock)
        tokens = take(bucket, 2)
        for place in order:
            bucket.give_back(tokens[place], left(11 - place))
        assert at_once(bucket) <= 10


def test_an_answer_of_before_does_not_undo_what_was_taken_since(clock: FakeClock) -> None:
    bucket = TokenBucket(clock)
    slow, quick = take(bucket, 2)
    bucket.give_back(quick, left(10))
    more = take(bucket, 5)
    for number, token in enumerate(more):
        bucket.give_back(token, left(9 - number))
    bucket.give_back(slow, left(11))
    assert at_once(bucket) == 5


def test_an_answer_that_says_less_lowers_the_count_at_once(clock: FakeClock) -> None:
    bucket = TokenBucket(clock)
    first, second = take(bucket, 2)
    bucket.give_back(first, left(200))
    bucket.give_back(second, left(3))  # another client of the same subscription
    assert at_once(bucket) == 3


def test_the_count_recovers_with_the_first_answer_to_a_later_request(clock: FakeClock) -> None:
    bucket = TokenBucket(clock)
    first, second = take(bucket, 2)
    bucket.give_back(first, left(3))
    bucket.give_back(second, left(250))
    [later] = take(bucket, 1)
    bucket.give_back(later, left(249))
    assert at_once(bucket) == 249


def test_many_answers_in_any_order_stay_below_what_arm_has(clock: FakeClock) -> None:
    dice = Random(7)
    for _ in range(50):
        bucket, arm = TokenBucket(clock), 40
        sent: list[Token] = []
        answers: list[tuple[Token, int]] = []
        for _ in range(60):
            sent += take(bucket, min(dice.randrange(4), 8 - len(sent) - len(answers)), deadline=0.0)
            dice.shuffle(sent)
            while sent and dice.random() < 0.6:
                arm -= 1
                answers.append((sent.pop(), arm))
            dice.shuffle(answers)
            while answers and dice.random() < 0.6:
                token, remaining = answers.pop()
                bucket.give_back(token, left(max(0, remaining)))
        assert arm >= 0, "ARM would have answered 429"


def test_an_answer_without_the_header_leaves_the_count(clock: FakeClock) -> None:
    bucket = TokenBucket(clock)
    for token in take(bucket, 250):
        bucket.give_back(token, {})
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
    assert take(bucket, 100, deadline=0.01) == []
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
