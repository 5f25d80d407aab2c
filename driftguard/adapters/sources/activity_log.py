"""The Azure Activity Log as a source of attribution: who wrote what through ARM in the last 90 days.

Rules:
- One query per subscription and time window, whatever the number of resources; narrowed to a resource group where all
  resources are in one.
- An event arrives up to 20 minutes late, so the log covers the time up to 20 minutes ago and no more.
- "Now" is the `Date` header of the log's own answers, the earliest of them: a machine whose clock is ahead never covers
  what can still arrive. An answer without that header covers nothing.
- It tells of what is written through ARM; of resources of another kind, such as blobs, it is asked nothing and covers nothing.
- Whatever fails is told as `problem`, with nothing covered; what was read until then is kept.

Sources: learn.microsoft.com/rest/api/monitor/activity-logs/list (the allowed filters);
learn.microsoft.com/azure/azure-monitor/logs/data-ingestion-time (3 to 20 minutes).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

from driftguard.adapters.readers.arm_answers import Answer, Failure, server_time
from driftguard.adapters.readers.arm_client import ArmClient
from driftguard.adapters.readers.arm_pages import pages
from driftguard.adapters.sources.activity_rows import NAME, NotARow, Row, events_of, row_of
from driftguard.errors import DriftGuardError
from driftguard.flow.attribute import Events
from driftguard.flow.ports import Clock
from driftguard.flow.resource import ResourceRef

LATENCY = timedelta(minutes=20)
KEPT = timedelta(days=90)
BUDGET = 120.0  # seconds for all queries of one call
API_VERSION = "2015-04-01"
MOST_PAGES = 500  # of 200 events each
KINDS = ("arm",)
_MARGIN = timedelta(minutes=5)  # the log refuses a start of exactly 90 days ago by its own clock
_NO_DATE = datetime.min.replace(tzinfo=UTC)  # earlier than every date: one answer without a date leaves none


class ActivityLog:
    """A Source over the client of an ArmReader: `ActivityLog(reader.client, clock)`."""

    name = NAME
    kinds: tuple[str, ...] = KINDS

    def __init__(self, client: ArmClient, clock: Clock, latency: timedelta = LATENCY) -> None:
        self._client = client
        self._clock = clock
        self._latency = latency

    def events(self, refs: Sequence[ResourceRef], since: datetime, until: datetime) -> Events:
        """The changes of these resources and of what lies below them, since ≤ time ≤ until. Never raises for trouble."""
        refs = [ref for ref in refs if ref.kind in KINDS]
        start = max(since, self._clock.now() - KEPT + _MARGIN)
        problems = ["log kept 90 days"] if start > since else []
        complete = True
        rows: list[Row] = []
        dated = _Dated(self._client)
        deadline = self._clock.monotonic() + BUDGET
        for subscription, asked in _by_subscription(refs).items():
            failures = list(self._collect(dated, subscription, asked, start, until, deadline, rows))
            complete = complete and not failures
            problems += failures
        covered = self._covered(until, dated.dates, asked_nothing=not refs) if complete else None
        return Events(NAME, tuple(events_of(rows)), covered, "; ".join(dict.fromkeys(problems)), KINDS)

    def _covered(self, until: datetime, dates: Sequence[datetime], *, asked_nothing: bool) -> datetime | None:
        """Up to when nothing can still arrive, by the times at which the log answered."""
        if asked_nothing:
            return until
        answered = min(dates, default=_NO_DATE)
        return None if answered == _NO_DATE else min(until, answered - self._latency)

    def _collect(
        self,
        dated: _Dated,
        subscription: str,
        refs: Sequence[ResourceRef],
        since: datetime,
        until: datetime,
        deadline: float,
        rows: list[Row],
    ) -> Iterator[str]:
        """Adds the rows of one subscription to `rows`; yields what went wrong."""
        if since > until:
            return
        if not subscription or any(ref.cloud != self._client.options.cloud for ref in refs):
            yield "the log covers only resources of a subscription in the cloud of the settings"
            return
        keys = {ref.key for ref in refs}
        path = f"/subscriptions/{subscription}/providers/Microsoft.Insights/eventtypes/management/values"
        query = {"api-version": API_VERSION, "$filter": _filter(refs, since, until)}
        strange = 0
        try:
            client = cast(ArmClient, dated)  # reason: `pages` asks for no more than `get` and `follow`
            for page in pages(client, path, query, subscription=subscription, deadline=deadline, most=MOST_PAGES):
                if isinstance(page, Failure):
                    yield f"the log of subscription {subscription} was not read to its end: {page.detail}"
                    break
                for raw in page:
                    try:
                        row = row_of(raw)
                    except NotARow:
                        strange += 1
                        continue
                    if row and since <= row.at <= until and _is_at_or_below(row.resource, keys):
                        rows.append(row)
        except DriftGuardError as error:
            yield f"the log of subscription {subscription} was not read: {error}"
        if strange:
            yield f"{strange} events of subscription {subscription} cannot be read"


class _Dated:
    """The client's `get` and `follow`, which keep the time of every answer by its `Date` header."""

    def __init__(self, client: ArmClient) -> None:
        self._client = client
        self.dates: list[datetime] = []

    def get(self, path: str, query: Mapping[str, str], *, subscription: str, deadline: float) -> Answer | Failure:
        return self._kept(self._client.get(path, query, subscription=subscription, deadline=deadline))

    def follow(self, link: object, *, subscription: str, deadline: float) -> Answer | Failure:
        return self._kept(self._client.follow(link, subscription=subscription, deadline=deadline))

    def _kept(self, answer: Answer | Failure) -> Answer | Failure:
        if isinstance(answer, Answer):
            self.dates.append(server_time(answer, _NO_DATE))
        return answer


def _by_subscription(refs: Sequence[ResourceRef]) -> dict[str, list[ResourceRef]]:
    found: dict[str, list[ResourceRef]] = {}
    for ref in refs:
        found.setdefault(ref.subscription, []).append(ref)
    return found


def _filter(refs: Sequence[ResourceRef], since: datetime, until: datetime) -> str:
    """The filter in one of the few forms that the log allows; whole seconds, widened to hold the window."""
    last = until if until.microsecond == 0 else until + timedelta(seconds=1)
    text = f"eventTimestamp ge '{_seconds(since)}' and eventTimestamp le '{_seconds(last)}'"
    groups = {ref.resource_group for ref in refs}
    if len(groups) == 1 and (group := groups.pop()):
        text += f" and resourceGroupName eq '{group.replace(chr(39), chr(39) * 2)}'"
    return text


def _seconds(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _is_at_or_below(resource: str, keys: set[str]) -> bool:
    while resource:
        if resource in keys:
            return True
        resource = resource.rpartition("/")[0]
    return False
