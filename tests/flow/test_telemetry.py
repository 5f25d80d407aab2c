"""What may be told is a closed table, and what is not of its form is told as `other`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.flow.decide import Verdict
from driftguard.flow.halt import Decision
from driftguard.flow.telemetry import FORMS, INSTRUMENTS, NO_TELEMETRY, SPANS, strict
from driftguard.guard.measured import _VERDICTS

SECRETS = [
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln",
    "/subscriptions/5a0c1a9e-0000-4000-8000-000000000001/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v",
    "https://a.blob.core.windows.net/c?sig=abc%3D",
    "anna.berg@contoso.com",
    "AccountKey=Zm9vYmFyZm9vYmFyZm9vYmFy==",
    "a reason that somebody wrote",
    '{"properties": {"password": "x"}}',
    "CHG0030001",
    "shop-prod\nother: x",
    "halt\n",
]


def test_every_attribute_has_a_form_and_every_form_is_of_an_attribute() -> None:
    used = {name for one in INSTRUMENTS.values() for name in one.attributes} | {
        name for names in SPANS.values() for name in names
    }
    assert used == set(FORMS)
    assert {one.kind for one in INSTRUMENTS.values()} == {"counter", "gauge", "histogram"}


@pytest.mark.parametrize("text", SECRETS)
@pytest.mark.parametrize("name", [name for name in FORMS if name != "job"])
def test_what_is_no_measurement_becomes_other(name: str, text: str) -> None:
    assert strict((name,), {name: text}) == {name: "other"}


@pytest.mark.parametrize(
    "text", [text for text in SECRETS if text not in ("CHG0030001",) and not text.startswith("eyJ")]
)
def test_a_job_is_told_by_a_name_that_a_job_may_have_and_by_nothing_else(text: str) -> None:
    assert strict(("job",), {"job": text}) == {"job": "other"}
    assert strict(("job",), {"job": "shop-prod_1.eu"}) == {"job": "shop-prod_1.eu"}
    assert strict(("job",), {"job": "x" * 101}) == {"job": "other"}


def test_an_attribute_that_is_not_allowed_is_left_out() -> None:
    assert strict(("job",), {"job": "shop", "body": "secret"}) == {"job": "shop"}


@given(st.sampled_from(sorted(FORMS)), st.text(max_size=300))
def test_what_is_told_is_short_and_plain_whatever_came(name: str, text: str) -> None:
    told = strict((name,), {name: text})[name]
    assert len(told) <= 200 and told.isascii() and told.isprintable()


def test_the_words_of_the_verbs_are_of_the_form() -> None:
    assert set(_VERDICTS) == set(Verdict)
    decision = FORMS["decision"]
    assert isinstance(decision, frozenset) and set(map(str, Decision)) < decision


@pytest.mark.parametrize(
    "name", ["GET /api/jobs/{job}", "POST /api/jobs/{job}/checks", "GET /ui", "GET /api/openapi.json", "none"]
)
def test_a_call_is_told_by_its_row(name: str) -> None:
    assert strict(("route",), {"route": name}) == {"route": name}


@pytest.mark.parametrize(
    "name", ["GET /api/halts/h-0123456789ab", "GET /api/jobs/Shop", "DELETE /x", "GET /a?b=c", "GET //"]
)
def test_an_address_that_was_asked_for_is_not_told(name: str) -> None:
    assert strict(("route",), {"route": name}) == {"route": "other"}


def test_without_telemetry_everything_may_be_measured_and_nothing_happens() -> None:
    NO_TELEMETRY.count("x")
    NO_TELEMETRY.level("x", 1)
    NO_TELEMETRY.took("x", 1)
    NO_TELEMETRY.flush()
    with NO_TELEMETRY.joined("x"), NO_TELEMETRY.span("x") as span:
        span.tell(anything=1)
