"""The pages for people: complete, escaped, bounded, whole by themselves."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError

from driftguard.flow.decide import Action, Judged
from driftguard.flow.evidence import Coverage
from driftguard.flow.halt import State
from driftguard.flow.moment import to_text
from driftguard.render import html
from driftguard.render.html import EVIDENCE_CSP, evidence_html, halts_html, message_html
from driftguard.render.json_views import halt_view
from tests.render import told
from tests.render.told import GONE_GROUP, HALT, HALTING, HOSTILE, LASTING, MOVED, NOW, TOLD, decision, evidence

VOID = {"meta", "br", "hr", "img", "link", "input"}
OURS = set("html head meta title style body nav a main footer p h1 h2 h3 section strong ul li table caption thead tbody tr th td "
           "bdi code dl dt dd div".split())  # fmt: skip


class Page(HTMLParser):
    """What a browser would make of a page: its elements with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.style = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.text += data

    def tags(self) -> list[str]:
        return [tag for tag, _ in self.elements]


def shown(**more: Any) -> Page:
    return Page(evidence_html(evidence(), halt_view(told.halt(**more))))


def test_a_page_says_what_was_found_who_did_it_and_what_was_not_read() -> None:
    text = shown().text
    for words in (
        HALT, "shop-prod", "nsg-web (Microsoft.Network/networkSecurityGroups) in rg-shop", "was changed",
        "by ada@example.com (a person) with Azure portal at 2026-03-01 02:14:07 UTC, certain (activity-log)",
        "properties.securityRules[name=allow-ssh]", '"destinationPortRange": "22"', "(none)", "(secret aaaaaaaa…)",
        "kv-shop: forbidden AuthorizationFailed", "page 2 failed", "on_drift.person: halt",
    ):  # fmt: skip
        assert words in text, words


def test_a_page_names_the_etags_api_versions_and_request_ids_of_both_readings() -> None:
    text = shown().text
    for words in ('W/"1"', 'W/"2"', "2024-05-01", "req-1", "req-2", "corr-0", "corr-2", "2026-02-28 02:14:07 UTC"):
        assert words in text, words


def test_what_counts_for_nothing_is_told_with_the_rule_that_said_so() -> None:
    text = shown().text
    assert "sku.capacity" in text and "ignored by the rule autoscale decides the capacity" in text
    assert "properties.provisioningState" in text and "written by ARM" in text


def test_a_page_names_the_digests_the_policy_and_the_version_of_the_evidence() -> None:
    document = evidence()
    text = Page(evidence_html(document)).text
    for words in (
        document["digest"],
        "d" * 64,
        "built-in default",
        "e" * 64,
        "version 1",
        "generation 3",
        "CHG0030001",
    ):
        assert words in text, words


def test_a_page_says_where_the_halt_stands_and_what_can_be_done() -> None:
    text = shown(state=State.OPEN).text
    assert "State now: open" in text and "Nothing has been decided." in text
    assert f'driftguard halts decide {HALT} keep --reason "…"' in text
    taken = shown(state=State.KEPT, decision=decision(by="dana", reason="it is right")).text
    assert "Decided: " in taken and "dana" in taken and "it is right" in taken and "(name not proven)" in taken
    assert f"driftguard halts confirm {HALT} --in-code COMMIT" in taken


def test_without_a_halt_a_page_depends_on_the_document_alone() -> None:
    page = Page(evidence_html(evidence()))
    assert "State now" not in page.text and "What can be done" not in page.text
    assert "a" not in page.tags(), "by itself it leads nowhere"


def test_an_older_version_of_the_evidence_says_so() -> None:
    assert "This is version 1 of the evidence; the latest is 3." in shown(evidence=3).text


def test_a_group_that_is_gone_names_what_went_with_it() -> None:
    text = Page(
        evidence_html(evidence(Judged(GONE_GROUP, Action.HALT, "gone"), Judged(LASTING, Action.HALT, "unread")))
    ).text
    assert "is gone" in text and told.NSG in text and told.VAULT in text
    assert "by nobody known" in text and "Could not be read for long." in text


def test_a_page_is_well_formed_has_a_language_headings_and_heads_of_columns() -> None:
    page = shown()
    assert page.open == []
    assert page.elements[0] == ("html", {"lang": "en"})
    assert [tag for tag in page.tags() if re.fullmatch(r"h\d", tag)][:3] == ["h1", "h2", "h3"]
    assert page.tags().count("h1") == 1
    heads = [attributes for tag, attributes in page.elements if tag == "th"]
    assert heads and all(attributes.get("scope") in ("row", "col") for attributes in heads)
    assert page.tags().count("caption") == page.tags().count("table")
    viewport = next(one for tag, one in page.elements if tag == "meta" and one.get("name") == "viewport")
    assert viewport["content"] == "width=device-width, initial-scale=1"


def test_a_page_fits_a_phone_a_dark_screen_and_paper() -> None:
    style = shown().style
    for words in ("@media (max-width", "prefers-color-scheme: dark", "color-scheme: light dark", "@media print"):
        assert words in style, words


def test_a_page_loads_nothing_and_allows_its_own_style_only() -> None:
    text = evidence_html(evidence(), halt_view(told.halt()))
    page = Page(text)
    digest = b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in EVIDENCE_CSP
    assert EVIDENCE_CSP.startswith("default-src 'none';") and "frame-ancestors 'none'" in EVIDENCE_CSP
    assert "unsafe" not in EVIDENCE_CSP and "script" not in EVIDENCE_CSP
    said = next(one for tag, one in page.elements if one.get("http-equiv") == "Content-Security-Policy")
    assert said["content"] == EVIDENCE_CSP.replace("; frame-ancestors 'none'", "")  # a page cannot say that of itself
    assert set(page.tags()) <= OURS
    assert not [one for _, one in page.elements if {"style", "src", "onclick", "onload"} & one.keys()]
    assert "url(" not in page.style and "@import" not in page.style


def hostile_pages(text: str) -> list[str]:
    finding = replace(
        MOVED,
        detail=text,
        attribution=replace(told.attribution(text), client=text, why=text, operation=text),
        changes=(told.change("tags.x", text, [text]), replace(MOVED.changes[1], path=(text,), after={text: text})),
        before=replace(told.BEFORE, request_id=text, api_version=text),
    )
    judged = (Judged(finding, Action.HALT, text), Judged(finding, Action.TELL, text))
    coverage = Coverage(1, ((text, text, text),), {text: (text,)}, (text,))
    taken = decision(by=text, reason=text, proposed_by=text, decision=text)
    document = evidence(*judged, coverage=coverage, run=text, ticket=text, started_by=text, stage=text, job=text)
    halt = told.halt(
        job=text, ticket=text, decision=taken, proposal=taken, closed_at=to_text(NOW), closed_because=text,
        confirmation={"in_code": text, "for_run": text, "by": text, "at": text},
        earlier={"halt": text, "decision": taken, "kept": [text], "kept_in": ""},
        summary=[{"resource": text, "finding": "moved", "who": text}],
    )  # fmt: skip
    view = halt_view(halt)
    return [evidence_html(document, view, back="../"), halts_html([view], NOW), message_html(text, [text])]


ATTACKS = [
    HOSTILE,
    "</style><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></bdi></td></table><h1>",
    "{{ 7777777 * 11 }}{% raw %}",
    "&lt;b&gt; &#x202e; <!-- -->",
    "\u202e\u2066\u2069\u200f\x00\x1b[31m\ud800",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_text_from_outside_never_becomes_markup_or_turns_the_reading_order(text: str) -> None:
    for page in hostile_pages(text):
        read = Page(page)
        assert read.open == []
        assert set(read.tags()) <= OURS and "85555547" not in page
        assert not re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069\x00\x1b\ud800-\udfff]", page)
        assert not [one for _, one in read.elements if any(name.startswith("on") for name in one)]
        assert all(str(one["href"]).startswith(("halts/", "../")) for tag, one in read.elements if tag == "a")
        page.encode("utf-8")


@given(st.text(max_size=60))
@settings(max_examples=10)
def test_no_text_at_all_changes_the_structure_of_a_page(text: str) -> None:
    for page, plain in zip(hostile_pages(text), hostile_pages("x"), strict=True):
        assert set(Page(page).tags()) <= set(Page(plain).tags()) | OURS


def test_a_huge_evidence_stays_a_page_and_says_what_was_left_out() -> None:
    change = told.change("tags.x", "y" * 5000, "z" * 5000)
    many = [Judged(replace(MOVED, changes=(change,) * 80), Action.HALT, "halt") for _ in range(150)]
    text = evidence_html(evidence(*many, TOLD))
    assert "and 50 more resources in the evidence" in text
    assert "and 20 more changes in the evidence" in text
    assert len(text) < 15_000_000


def test_a_document_that_lacks_members_is_shown_all_the_same() -> None:
    assert Page(evidence_html({}, {})).open == []
    assert (
        Page(evidence_html({"findings": [{}], "halt": None, "coverage": 3}, {"summary": [{}], "decision": {}})).open
        == []
    )


def test_a_list_links_each_halt_and_says_how_old_it_is() -> None:
    page = Page(halts_html([halt_view(told.halt(ticket=None))], NOW.replace(hour=5)))
    assert ("a", {"href": f"halts/{HALT}"}) in page.elements
    for words in (HALT, "3h", "shop-prod", "none", "open", "nsg-web"):
        assert words in page.text, words


def test_an_empty_list_says_so() -> None:
    assert "No halt is open in a job that you may read." in Page(halts_html([], NOW)).text


def test_a_list_of_very_many_halts_is_bounded() -> None:
    assert "and 100 more" in Page(halts_html([halt_view(told.halt())] * 300, NOW)).text


def test_a_template_that_asks_for_what_it_was_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        html._page("message.html", title="only a title")


def test_the_templates_hold_no_switch_that_turns_escaping_off() -> None:
    for template in (Path(html.__file__).parent / "templates").glob("*.html"):
        text = template.read_text("utf-8")
        assert not re.search(r"\|\s*safe|autoescape|Markup|<script", text), template.name


def test_every_halting_finding_is_on_the_page() -> None:
    assert Page(evidence_html(evidence(HALTING, Judged(GONE_GROUP, Action.HALT, "gone")))).tags().count("h3") == 2
