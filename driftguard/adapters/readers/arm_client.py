"""GETs to ARM with one sign-in, one limiter and one retry, all within a deadline.

Rules:
- Every GET has one deadline for all its tries, waits and bytes.
- What is retried, and when, stands in `arm_retry.py`; how fast may be asked, in `limiter.py`.
- A next page is asked for only at the scheme, host and port that answered the first one.
- Every request that was sent is counted, by what it asked for and the class of its answer; how long one waited for ARM's
  limits is measured. Nothing of an address or an answer is told.
- A 401 is raised, because the sign-in is wrong for everything that follows; every other answer or failure is returned.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from urllib.parse import quote, unquote, urlencode, urlsplit

from driftguard.adapters.readers.arm_answers import Answer, Failure, error_code
from driftguard.adapters.readers.arm_credential import refused_sign_in
from driftguard.adapters.readers.arm_kinds import kind_of_request
from driftguard.adapters.readers.arm_options import ArmOptions
from driftguard.adapters.readers.arm_retry import holds_the_subscription, seconds_before_retry
from driftguard.adapters.readers.arm_transport import ArmTransport, out_of_time
from driftguard.adapters.readers.limiter import Limits, Token, TokenBucket
from driftguard.flow.http_answers import INVALID, answer_class
from driftguard.flow.ports import Clock
from driftguard.flow.reading import Cause

_PORTS = {"https": 443, "http": 80}
_WORTH_TELLING = 0.001  # seconds; less is no waiting
_NOT_AN_OUTAGE = (Cause.REFUSED, Cause.TOO_LARGE)  # an answer came, and was not taken
_KEPT_IN_PATH = "/:@!$&'()*+,;=~"
_KEPT_IN_QUERY = "%=&$+,:;/?@!()*~'"


class ArmClient:
    """GETs with one connection pool. Safe across threads; `close` gives the connections back."""

    def __init__(self, options: ArmOptions, clock: Clock, workers: int = 32) -> None:
        self.options = options
        self._clock = clock
        self._transport = ArmTransport(options, clock, connections=workers)
        self._limits = Limits(clock)

    def get(self, path: str, query: Mapping[str, str], *, subscription: str, deadline: float) -> Answer | Failure:
        """The answer to GET `path` (an ARM id or a path below one). `deadline` in monotonic seconds of the clock.

        Raises OtherScope where the subscription is of another tenant, Unavailable where no sign-in is possible.
        """
        rest = f"{quote(path, safe=_KEPT_IN_PATH)}?{urlencode(query, quote_via=quote, safe='$')}"
        return self._get(self._transport.base_url + rest, subscription, deadline)

    def follow(self, link: object, *, subscription: str, deadline: float) -> Answer | Failure:
        """The answer to a `nextLink`; REFUSED where that is not of the same scheme, host and port. Raises as `get`."""
        base = self._transport.base_url
        if not isinstance(link, str) or _origin(link) is None or _origin(link) != _origin(base):
            return Failure(Cause.REFUSED, "the next page is said to be on another host; it was not asked for")
        parts = urlsplit(link)
        rest = f"{quote(parts.path, safe=_KEPT_IN_PATH + '%')}?{quote(parts.query, safe=_KEPT_IN_QUERY)}"
        return self._get(base + rest, subscription, deadline)

    def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        self._transport.close()

    def __enter__(self) -> ArmClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _get(self, url: str, subscription: str, deadline: float) -> Answer | Failure:
        bucket = self._limits.of(subscription)
        outcome: Answer | Failure = out_of_time()
        for attempt in range(1, self.options.max_tries + 1):
            token = self._take(bucket, deadline)
            if token is None:
                return _throttled() if attempt == 1 and bucket.blocked else outcome
            headers: Mapping[str, str] | None = None
            try:
                outcome = self._transport.send(url, deadline)
                headers = outcome.headers if isinstance(outcome, Answer) else None
            finally:
                bucket.give_back(token, headers)
            self._count(url, outcome)
            if isinstance(outcome, Answer) and outcome.status == 401:
                raise refused_sign_in(outcome)
            wait = seconds_before_retry(outcome, attempt, self._clock.now())
            if wait is None:
                break
            if holds_the_subscription(outcome):
                bucket.block(wait)
            if attempt == self.options.max_tries or self._clock.monotonic() + wait >= deadline:
                break
            self._clock.sleep(wait)
            if isinstance(outcome, Answer) and outcome.status == 429:
                self._waited(wait)
        return outcome

    def _take(self, bucket: TokenBucket, deadline: float) -> Token | None:
        began = self._clock.monotonic()
        token = bucket.take(deadline)
        self._waited(self._clock.monotonic() - began)
        return token

    def _waited(self, seconds: float) -> None:
        if seconds >= _WORTH_TELLING:
            self.options.telemetry.took("driftguard.arm.throttled_seconds", seconds)

    def _count(self, url: str, outcome: Answer | Failure) -> None:
        kind = kind_of_request(unquote(urlsplit(url).path))
        self.options.telemetry.count("driftguard.arm.requests", kind=kind, answer=_class_of(outcome))


def _class_of(outcome: Answer | Failure) -> str:
    if isinstance(outcome, Answer):
        return answer_class(outcome.status, error_code(outcome))
    return INVALID if outcome.cause in _NOT_AN_OUTAGE else answer_class(0)


def _throttled() -> Failure:
    return Failure(Cause.THROTTLED, "ARM answered 429 before, and its pause is longer than the time that is left")


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of a URL; None where it is not a plain http(s) address."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc or port is None:
        return None
    return parts.scheme, parts.hostname, port
