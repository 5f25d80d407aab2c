"""The Azure Activity Log as a source of attribution: who wrote what through ARM in the last 90 days.

Rules:
- One query per subscription and time window, whatever the number of resources; narrowed to a resource group where all
  resources are in one.
- An event arrives up to 20 minutes late, so the log covers the time up to 20 minutes ago and no more.
- Whatever fails is told as `problem`, with nothing covered; what was read until then is kept.

Sources: learn.microsoft.com/rest/api/monitor/activity-logs/list (the allowed filters);
learn.microsoft.com/azure/azure-monitor/logs/data-ingestion-time (3 to 20 minutes).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from driftguard.adapters.readers.arm_answers import Failure
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
_MARGIN = timedelta(minutes=5)  # the log refuses a start of exactly 90 days ago by its own clock


class ActivityLog:
    """A Source over the client of an ArmReader: `ActivityLog(reader.client, clock)`."""

    name = NAME

    def __init__(self, client: ArmClient, clock: Clock, latency: timedelta = LATENCY) -> None:
        self._client = client
        self._clock = clock
        self._latency = latency

    def events(self, refs: Sequence[ResourceRef], since: datetime, until: datetime) -> Events:
        """The changes of these resources and of what lies below them, since ≤ time ≤ until. Never raises for trouble."""
        now = self._clock.now()
        start = max(since, now - KEPT + _MARGIN)
        problems = ["log kept 90 days"] if start > since else []
        complete = True
        rows: list[Row] = []
        deadline = self._clock.monotonic() + BUDGET
        for subscription, asked in _by_subscription(refs).items():
            failures = list(self._collect(subscription, asked, start, until, deadline, rows))
            complete = complete and not failures
            problems += failures
        covered = min(until, now - self._latency) if complete else None
        return Events(NAME, tuple(events_of(rows)), covered, "; ".join(dict.fromkeys(problems)))

    def _collect(
        self,
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
            for page in pages(self._client, path, query, subscription=subscription, deadline=deadline, most=MOST_PAGES):
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
