"""Recorded pairs beside what Drift Guard says of them: each line is judged as `driftguard replay` judges it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from benchmarks import corpus
from benchmarks.judgement_plain import bodies_differ, configuration_differs_at, etag_says
from driftguard.errors import OtherScope, WrongUse
from driftguard.flow.check import FindingKind
from driftguard.flow.classify import PathRules
from driftguard.flow.policy import Policy
from driftguard.flow.resource import ResourceRef, parse_ref
from driftguard.guard.replay import Verdict, judge_lines
from driftguard.policies_folder import policies_folder
from driftguard.policy_file import load_policy

FROM_GET, FROM_WRITE = "GET → GET", "write answer → GET"


@dataclass(frozen=True)
class Judged:
    """One pair and its verdict."""

    pair: dict[str, Any]
    verdict: Verdict

    @property
    def way(self) -> str:
        """How the two states were seen."""
        return FROM_GET if self.pair["before_kind"] == self.pair["after_kind"] == "get" else FROM_WRITE

    @property
    def moved(self) -> bool:
        """Whether Drift Guard calls it drift."""
        return self.verdict.finding in (FindingKind.MOVED, FindingKind.GONE)

    @property
    def in_flight(self) -> bool:
        """Whether Drift Guard says that an operation still runs."""
        return self.verdict.finding is FindingKind.IN_FLIGHT

    @property
    def etag(self) -> str:
        """What the ETag says: `moved`, `same` or `cannot tell`."""
        return etag_says(self.pair["before_etag"], self.pair["after_etag"])

    @property
    def plainly_differs(self) -> bool:
        """Whether the bodies differ as JSON, apart from their ETags."""
        return bodies_differ(self.pair["before"], self.pair["after"])

    @cached_property
    def configuration_at(self) -> list[str]:
        """Where its writable configuration differs, by the second opinion."""
        platform = rules_of(self.pair["id"], self.pair["type"]).platform
        return configuration_differs_at(
            self.pair["before"], self.pair["after"], lambda path: platform.find(path) is not None
        )


def judged(file: Path, at_most: int | None = None) -> list[Judged]:
    """The pairs of a recording, judged under the built-in policy."""
    lines = list(corpus.lines(file, at_most))
    verdicts: Iterator[Verdict] = judge_lines(lines, policy(), today())
    return [Judged(json.loads(line), verdict) for line, verdict in zip(lines, verdicts, strict=True)]


def rules_of(resource: str, type_: str) -> PathRules:
    """The path rules of a resource under the built-in policy."""
    return policy().path_rules(ref_of(resource, type_), today())


def ref_of(resource: str, type_: str) -> ResourceRef:
    """The resource under the type as recorded; the type alone where the id is none."""
    try:
        ref = parse_ref(resource)
    except (WrongUse, OtherScope):
        return ResourceRef("arm", "public", "", "", type_, "")
    return ResourceRef(ref.kind, ref.cloud, ref.tenant, ref.key, type_, ref.id)


@lru_cache(maxsize=1)
def policy() -> Policy:
    """The built-in policy."""
    return load_policy(None, folder=policies_folder())


@lru_cache(maxsize=1)
def today() -> date:
    """The day (UTC) on which this process judges."""
    return datetime.now(UTC).date()
