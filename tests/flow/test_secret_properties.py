"""What holds of every secret, wherever it stands: nothing of it remains, and whether it changed can still be told."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from driftguard.flow.canonical import canonical, fingerprint
from driftguard.flow.check import FindingKind
from driftguard.flow.classify import PathRules
from driftguard.flow.compare import Comparison, compare
from driftguard.flow.reading import ETags
from driftguard.flow.secrets import is_mark, seal
from tests.flow.bodies import TestSealer, bodies

TYPE = "Microsoft.Web/sites"
_DIGITS = re.compile(r"[0-9a-f]{32}")

secrets = st.text(st.characters(), min_size=1, max_size=40)
other_bodies = bodies.map(
    lambda body: {key: item for key, item in body.items() if key not in ("properties", "headers")}
)


def by_name(secret: Any) -> Any:
    return {"adminPassword": secret}


def by_neighbour(secret: Any) -> Any:
    return {"env": [{"name": "plain", "value": "x"}, {"name": "DB_PASSWORD", "value": secret}]}


def in_settings(secret: Any) -> Any:
    return {"siteConfig": {"appSettings": [{"name": "ANYTHING", "value": secret}]}}


def deep_below(secret: Any) -> Any:
    return {"protectedSettings": {"list": [[{"x": secret}]]}}


def in_a_text(secret: Any) -> Any:
    return {"url": f"Server=db;Password={secret}"}


places = st.sampled_from([by_name, by_neighbour, in_settings, deep_below])


def sealed(properties: Any, rest: Any) -> Any:
    return seal({**rest, "properties": properties}, TestSealer(), type_=TYPE)


def compared(before: Any, after: Any) -> Comparison:
    return compare(before, ETags(), after, ETags(), TYPE, PathRules())


def marks_in(value: Any) -> list[str]:
    if isinstance(value, dict | list):
        return [mark for item in (value.values() if isinstance(value, dict) else value) for mark in marks_in(item)]
    return [value] if is_mark(value) else []


def without_digests(value: Any) -> Any:
    """The sealed body with every mark's digits struck out: all that one can learn without the key."""
    if isinstance(value, dict):
        return {key: without_digests(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_digests(item) for item in value]
    return _DIGITS.sub("", value) if is_mark(value) else value


@given(places, secrets, secrets, other_bodies)
def test_but_for_the_digits_of_the_mark_all_secrets_leave_the_same_body(
    place: Any, one: str, other: str, rest: dict[str, Any]
) -> None:
    bodies_ = [sealed(place(secret), rest) for secret in (one, other)]
    assert fingerprint(without_digests(bodies_[0])) == fingerprint(without_digests(bodies_[1]))
    assert len({len(mark) for body in bodies_ for mark in marks_in(body["properties"])}) == 1


@given(places, secrets, secrets)
def test_equal_secrets_have_equal_marks_and_different_ones_different_marks(place: Any, one: str, other: str) -> None:
    first, again, second = (marks_in(sealed(place(secret), {})) for secret in (one, one, other))
    assert len(first) == 1
    assert first == again
    assert (first == second) == (one == other)


@given(places, secrets, secrets, other_bodies)
def test_a_changed_secret_is_drift_and_an_equal_one_is_not(
    place: Any, one: str, other: str, rest: dict[str, Any]
) -> None:
    quiet = {key: item for key, item in rest.items() if key != "provisioningState"}
    before, after = sealed(place(one), quiet), sealed(place(other), quiet)
    told = compared(before, after)
    if told.in_flight is None:
        assert told.kind is (FindingKind.UNCHANGED if one == other else FindingKind.MOVED)


@given(st.text("aZ09+/=~_", min_size=8, max_size=40))
def test_a_text_that_holds_a_secret_is_sealed_as_a_whole(secret: str) -> None:
    [mark] = marks_in(sealed(in_a_text(secret), {}))
    assert sealed(in_a_text(secret), {})["properties"] == {"url": mark}


@given(places, secrets)
def test_the_canonical_form_keeps_a_mark_as_it_is(place: Any, secret: str) -> None:
    body = sealed(place(secret), {})
    assert marks_in(canonical(body, TYPE)) == marks_in(body)
