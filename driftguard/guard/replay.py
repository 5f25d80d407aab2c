"""Judges recorded pairs of states with the functions and the policy that a check uses: how it does on known traffic.

Rules:
- Every line gets exactly one verdict; what cannot be judged is `unreadable` with the reason, never left out.
- A line is a JSON object with pair_id, type, api, id, before and after; every other field may be missing or null, and
  fields that are not known are passed over.
- A line is read as strictly as an answer of ARM: a doubled key or a number that JSON does not know is not readable.
- Rules of the policy match on type and id, as in a check; where the id is none that ARM could have, by the type alone.
- An `after` of null is a resource that is gone.
- Secrets are sealed before anything is compared, and verdicts hold paths only, never values.
- Lines are judged one at a time (traffic_file.py), so that a recording of any size fits into memory.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, cast

from driftguard.errors import OtherScope, WrongUse
from driftguard.flow.check import FindingKind
from driftguard.flow.classify import ChangeClass
from driftguard.flow.compare import Comparison, compare
from driftguard.flow.path import TooDeep, format_path
from driftguard.flow.policy import Policy
from driftguard.flow.reading import ETags, Json
from driftguard.flow.resource import ResourceRef, parse_ref
from driftguard.flow.secrets import seal
from driftguard.flow.strict_json import NotJson, parse_object
from driftguard.guard.firings import Bodies, redacted, shadowed
from driftguard.guard.traffic_file import MAX_LINE

NO_LABEL = "(none)"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one line says. Paths are text; `ignored` has (path, rule); `reason` is set for `unreadable` only.

    `pair_id` is None where the line has none that can be read. `ref` is the resource, None for `unreadable`; `fired` has
    (name of a rule, how often) of the rules that ignored, watched or redacted something; `shadowed` has (name of a rule that
    fits a path that differs, name of the rule that was told instead).
    """

    pair_id: str | None
    finding: FindingKind
    label: str = NO_LABEL
    configuration: tuple[str, ...] = ()
    platform: tuple[str, ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()
    reason: str = ""
    ref: ResourceRef | None = None
    fired: tuple[tuple[str, int], ...] = ()
    shadowed: tuple[tuple[str, str], ...] = ()

    @property
    def compared(self) -> bool:
        """Whether two bodies were compared: nothing is concluded from what is in flight, and of what is gone there is one."""
        return self.finding not in (FindingKind.UNREADABLE, FindingKind.IN_FLIGHT, FindingKind.GONE)

    def as_json(self) -> dict[str, Any]:
        """The verdict for machines, without the label and the rules that fired."""
        told: dict[str, Any] = {
            "pair_id": self.pair_id,
            "finding": str(self.finding),
            "configuration": list(self.configuration),
            "platform": list(self.platform),
            "ignored": [{"path": path, "rule": rule} for path, rule in self.ignored],
        }
        return {**told, "reason": self.reason} if self.reason else told


@dataclass
class ReplaySummary:
    """Counts over verdicts. `by_label` is {label: {finding: count}}; a line without a label counts under NO_LABEL.
    `not_compared` are those of `judged` that are in flight or gone.
    """

    judged: int = 0
    unreadable: int = 0
    not_compared: int = 0
    by_label: dict[str, Counter[str]] = field(default_factory=dict)
    findings: Counter[str] = field(default_factory=Counter)

    def add(self, verdict: Verdict) -> None:
        """Count one more verdict."""
        if verdict.finding is FindingKind.UNREADABLE:
            self.unreadable += 1
        else:
            self.judged += 1
            self.not_compared += not verdict.compared
        self.findings[str(verdict.finding)] += 1
        self.by_label.setdefault(verdict.label, Counter())[str(verdict.finding)] += 1

    @property
    def exit_code(self) -> int:
        """2 where a line could not be read, else 0."""
        return 2 if self.unreadable else 0


class _Unreadable(Exception):
    """Why a line cannot be judged; never leaves this module."""


class _PathsOnly:
    """Marks that live as long as one replay: verdicts hold no value, so the key need not be a secret."""

    key_id = "replay"

    def mark(self, name: str, value: str, key_id: str | None = None) -> str:
        message = f"{name}\0{value}".encode("utf-8", "surrogatepass")
        return f"secret:{self.key_id}:{hmac.new(b'replay', message, hashlib.sha256).hexdigest()[:32]}"


def judge_lines(lines: Iterable[bytes], policy: Policy, today: date) -> Iterator[Verdict]:
    """One verdict per line, in order, under a policy as it is on a day (UTC).

    Raises BadConfiguration for a damaged platform table.
    """
    for number, line in enumerate(lines, start=1):
        label, pair_id = NO_LABEL, None
        try:
            pair = _read(line)
            label, pair_id = _label(pair), _pair_id(pair)
            yield _judge(pair, label, policy, today)
        except _Unreadable as reason:
            yield Verdict(pair_id, FindingKind.UNREADABLE, label, reason=f"line {number}: {reason}")


def _read(line: bytes) -> dict[str, Json]:
    if len(line) > MAX_LINE:
        raise _Unreadable(f"longer than {MAX_LINE} bytes")
    try:
        return parse_object(line, "it")
    except NotJson as why:
        raise _Unreadable(str(why)) from None


def _label(pair: dict[str, Json]) -> str:
    label = pair.get("label")
    if label is None:
        return NO_LABEL
    return label if isinstance(label, str) else json.dumps(label)


def _pair_id(pair: dict[str, Json]) -> str | None:
    pair_id = pair.get("pair_id")
    return pair_id if isinstance(pair_id, str) else None


def _judge(pair: dict[str, Json], label: str, policy: Policy, today: date) -> Verdict:
    pair_id, type_, _, resource = (_text(pair, name) for name in ("pair_id", "type", "api", "id"))
    before, after = _body(pair, "before"), _body(pair, "after", may_be_gone=True)
    before_etags, after_etags = _etags(pair, "before_etag", before), _etags(pair, "after_etag", after)
    ref = _ref(resource, type_)
    if after is None:
        return Verdict(pair_id, FindingKind.GONE, label, ref=ref)
    redact, rules = policy.redact(ref, today), policy.path_rules(ref, today)
    try:
        old, new = (seal(body, _PathsOnly(), redact, type_=type_) for body in (before, after))
        result = compare(old, before_etags, new, after_etags, type_, rules)
    except TooDeep:
        raise _Unreadable("a body nests too deeply") from None
    return Verdict(
        pair_id,
        result.kind,
        label,
        configuration=tuple(format_path(change.path) for change in result.of_class(ChangeClass.CONFIGURATION)),
        platform=tuple(format_path(change.path) for change in result.of_class(ChangeClass.PLATFORM)),
        ignored=tuple((format_path(change.path), change.rule or "") for change in result.of_class(ChangeClass.IGNORED)),
        ref=ref,
        fired=(*_deciding(result), *_redacting(policy, ref, today, before, after)),
        shadowed=tuple(shadowed(policy, ref, today, result.changes, Bodies(old, new, type_))),
    )


def _deciding(result: Comparison) -> Iterator[tuple[str, int]]:
    """The rules that ignored or watched a path, once for each; what Azure writes is no rule's work."""
    for change in result.changes:
        if change.rule and change.kind is not ChangeClass.PLATFORM:
            yield change.rule, 1


def _redacting(policy: Policy, ref: ResourceRef, today: date, *bodies: Json) -> Iterator[tuple[str, int]]:
    for rule in policy.rules:
        if rule.redact and rule.applies(ref, today) and (times := redacted(rule, *bodies)):
            yield rule.name, times


def _ref(resource: str, type_: str) -> ResourceRef:
    """What the line is about: the id's group and name under the type as recorded; the type alone where the id is none."""
    try:
        return replace(parse_ref(resource), type=type_)
    except (WrongUse, OtherScope):
        return ResourceRef("arm", "public", "", "", type_, "")


def _text(pair: dict[str, Json], name: str) -> str:
    value = pair.get(name)
    if not isinstance(value, str):
        raise _Unreadable(f"the field {name} is missing or not text")
    return value


def _body(pair: dict[str, Json], name: str, *, may_be_gone: bool = False) -> dict[str, Json] | None:
    if may_be_gone and name in pair and pair[name] is None:
        return None
    if not isinstance(pair.get(name), dict):
        raise _Unreadable(f"the field {name} is missing or not an object")
    return cast(dict[str, Json], pair[name])


def _etags(pair: dict[str, Json], name: str, body: dict[str, Json] | None) -> ETags:
    """The ETags as recorded; those that stand in the body are taken from there where they were not recorded apart."""
    recorded = pair.get(name) or {}
    if not isinstance(recorded, dict):
        raise _Unreadable(f"the field {name} is not an object")
    body = body or {}
    return ETags(
        _etag(recorded, "header"),
        _etag(recorded, "body") or _etag_in(body),
        _etag(recorded, "properties") or _etag_in(body.get("properties")),
    )


def _etag(recorded: dict[str, Json], place: str) -> str | None:
    value = recorded.get(place)
    if value is not None and not isinstance(value, str):
        raise _Unreadable(f"the ETag of {place} is not text")
    return value


def _etag_in(value: Json) -> str | None:
    found = (value.get(name) for name in ("etag", "eTag", "@odata.etag")) if isinstance(value, dict) else ()
    return next((etag for etag in found if isinstance(etag, str)), None)
