from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from driftguard.flow.check import Finding
from driftguard.flow.decide import Action, Judged
from driftguard.flow.evidence import Coverage
from driftguard.flow.moment import to_text
from driftguard.render.markdown import note_markdown
from tests.render import told
from tests.render.told import GONE_GROUP, HALT, HALTING, HOSTILE, LASTING, MOVED, NOW, TOLD, decision, evidence, note

MARKDOWN = MarkdownIt("commonmark").enable("table")
BUDGET = 30_000


def tags(text: str) -> set[str]:
    """The HTML elements that the note becomes."""
    return set(re.findall(r"<([a-z0-9]+)", MARKDOWN.render(text)))


PLAIN = {"h1", "h2", "p", "strong", "code", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"}


def hostile(text: str) -> Finding:
    return replace(
        MOVED,
        detail=text,
        attribution=replace(told.attribution(text), client=text, why=text),
        changes=(told.change("tags.x", text, [text]), replace(MOVED.changes[1], path=(text,), after=text)),
    )


def hostile_note(text: str) -> str:
    judged = (Judged(hostile(text), Action.HALT, text), Judged(hostile(text), Action.TELL, text))
    coverage = Coverage(1, ((text, text, text),), {text: (text,)}, (text,))
    taken = decision(by=text, reason=text, proposed_by=text)
    document = evidence(*judged, coverage=coverage, run=text, ticket=text, started_by=text)
    return note_markdown(
        note(document, ticket=text, decision=taken, proposal=taken, closed_at=to_text(NOW), closed_because=text),
        evidence_at=text,
    )


def test_a_note_says_what_was_halted_and_where_it_stands() -> None:
    text = note_markdown(note())
    assert f"# Halt `{HALT}`: the automated update of `shop-prod` was stopped" in text
    assert (
        "**State now: `open`.** Halted 2026-03-01 02:14:07 UTC, run `4711`, ticket `CHG0030001`. What is there" in text
    )


def test_a_note_says_who_did_it_when_and_how_sure() -> None:
    assert (
        "`by ada@example.com (a person) with Azure portal at 2026-03-01 02:14:07 UTC, certain (activity-log)`"
        in note_markdown(note())
    )


def test_before_and_after_stand_in_a_table() -> None:
    text = note_markdown(note())
    assert '| `nsg-web` | `tags.owner` | `"shop"` | `(none)` |' in text
    assert "| `nsg-web` | `properties.adminPassword` | `(secret aaaaaaaa…)` | `(secret bbbbbbbb…)` |" in text
    assert MARKDOWN.render(text).count("<tr>") == 1 + 3


def test_a_note_says_what_counts_for_nothing_and_what_was_not_read() -> None:
    text = note_markdown(note())
    assert "`vmss-shop: sku.capacity (ignored by the rule autoscale decides the capacity)`" in text
    assert "`nsg-web: properties.provisioningState (written by ARM)`" in text
    assert "`kv-shop: forbidden AuthorizationFailed`" in text


def test_a_note_says_what_can_be_done_with_the_commands() -> None:
    text = note_markdown(note())
    for decided in ("keep", "overwrite", "stop"):
        assert f'`driftguard halts decide {HALT} {decided} --reason "…"`' in text


def test_a_note_carries_the_anchor_against_rewriting() -> None:
    told_of = note()
    text = note_markdown(told_of, evidence_at="h.json")
    assert f"Digest of the evidence: `{told_of.evidence_digest}`" in text
    assert f"Head of the ledger of `shop-prod`: `1:{'c' * 64}`" in text
    assert f"Evidence version 1: `h.json`, or `driftguard halts show {HALT} --evidence --version 1`" in text


def test_a_decided_note_says_by_whom_and_why() -> None:
    text = note_markdown(note(state="kept", decision=decision()))
    assert "**State now: `kept`.**" in text
    assert "- Decided: `keep` by `cy@example.com` (name not proven), 2026-03-01 03:14:07 UTC: `needed tonight`" in text
    assert f"`driftguard halts confirm {HALT} --in-code COMMIT`" in text


def test_a_resolved_note_says_why_and_offers_no_decision() -> None:
    text = note_markdown(
        note(state="resolved", closed_at=to_text(NOW), closed_because="everything is as recorded again")
    )
    assert "- Closed 2026-03-01 02:14:07 UTC: `everything is as recorded again`" in text
    assert "halts decide" not in text


def test_a_note_shows_proposal_confirmation_and_the_decision_before() -> None:
    confirmation = {"in_code": "abc123", "for_run": "4712", "by": "cy", "asserted": True, "at": to_text(NOW)}
    earlier = {"halt": "h-000000000001", "decision": decision("overwrite"), "kept": []}
    text = note_markdown(note(state="proposed", proposal=decision(), confirmation=confirmation, earlier=earlier))
    assert "- Before, on `h-000000000001`: `overwrite` by" in text
    assert "- Proposed: `keep` by `cy@example.com`" in text
    assert "- Confirmed to be in the code: `abc123`, for run `4712` only by `cy`" in text


def test_a_missing_group_and_something_unreadable_are_told_without_a_table() -> None:
    document = evidence(Judged(GONE_GROUP, Action.HALT, "gone"), Judged(LASTING, Action.HALT, "lastingly forbidden"))
    text = note_markdown(note(document))
    assert "rg-shop (Microsoft.Resources/resourceGroups) is gone" in text
    assert "kv-shop (Microsoft.KeyVault/vaults) in rg-shop could not be read (forbidden)" in text
    assert "| Resource |" not in text
    assert f"--resource {told.VAULT}`" in text


def test_evidence_that_is_not_what_its_digest_says_is_not_shown() -> None:
    for told_of in (
        replace(note(), evidence_digest="sha256:" + "1" * 64),
        replace(note(), evidence=b"{"),
        replace(note(), evidence=b"[]"),
    ):
        text = note_markdown(told_of)
        assert "The evidence does not match its digest" in text
        assert "nsg-web" not in text
        assert f"Digest of the evidence: `{told_of.evidence_digest}`" in text


def test_a_story_that_anybody_may_have_written_stays_text() -> None:
    text = hostile_note(HOSTILE)
    assert tags(text) <= PLAIN
    for told_plainly in re.split(r"`[^`\n]*`", text):  # what stands outside of code spans
        assert "@all" not in told_plainly and "http" not in told_plainly and "HALT over" not in told_plainly
    assert all(line.isprintable() for line in text.split("\n"))
    assert "##vso[" not in text


@settings(max_examples=60)
@given(st.text(st.sampled_from("`|\\<>[]()!*_#@&;\n\r\t~-=+:/ \x00\u2028a.{}$\"'"), min_size=1, max_size=60))
def test_no_text_ends_its_code_span_or_its_cell(text: str) -> None:
    rendered = hostile_note(text)
    assert tags(rendered) <= PLAIN
    rows = re.findall(r"<tr>.*?</tr>", MARKDOWN.render(rendered), re.DOTALL)
    assert rows and all(len(re.findall(r"<t[hd]>", row)) == 4 for row in rows)
    assert rendered.count("\n## ") == note_markdown(note()).count("\n## ")


@pytest.mark.parametrize("filler", ["x", "\x00", "`", "|", "'"])
def test_a_note_stays_within_its_budget_whatever_the_evidence_holds(filler: str) -> None:
    long = filler * 1200
    names = [
        f"/subscriptions/{told.GROUP.split('/')[2]}/resourceGroups/{'g' * 90}/providers/A.B/{'t' * 90}/{n}{'n' * 280}"
        for n in range(24)
    ]
    many = tuple(told.change("p", long + "1", long + "2") for _ in range(24))
    changed = [replace(hostile(long), ref=told.ref(name), changes=many) for name in names]
    unread = [replace(LASTING, ref=told.ref(name), detail=long) for name in names]
    judged = [Judged(one, Action.HALT, long) for one in (*changed, *unread)] + [
        Judged(one, Action.TELL, long) for one in changed
    ]
    coverage = Coverage(
        1, tuple((name, long, long) for name in names), {long + str(n): (long,) for n in range(50)}, (long,) * 50
    )
    taken = decision(by=long, reason=long, proposed_by=long)
    status: dict[str, Any] = {
        "decision": taken,
        "proposal": taken,
        "confirmation": {"in_code": long, "for_run": long, "by": long, "at": long},
    }
    earlier = {"halt": long, "decision": taken, "kept": [name.lower() for name in names]}
    for state in ("open", "proposed", "kept"):
        told_of = note(
            evidence(*judged, coverage=coverage),
            ticket=long,
            state=state,
            earlier=earlier,
            closed_at=to_text(NOW),
            closed_because=long,
            **status,
        )
        text = note_markdown(replace(told_of, run=long, job=long, ledger_head=long), evidence_at=long)
        assert len(text) < BUDGET
        assert "more changes in the evidence" in text


def test_a_change_that_halts_is_told_once() -> None:
    text = note_markdown(note(evidence(HALTING, TOLD)))
    assert text.count("tags.owner") == 1
