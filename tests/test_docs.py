"""What the documents say is what the code does: commands, tables, settings, links, targets of make."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from driftguard import __version__, errors, settings
from driftguard.flow.check import FINDINGS, Finding, FindingKind
from driftguard.flow.decide import judge
from driftguard.flow.halt import TRANSITIONS, Event, Next, State
from driftguard.flow.resource import parse_ref
from driftguard.guard import index, purged, retention_blobs, rows
from driftguard.policies_folder import policies_folder
from driftguard.policy_file import load_policy
from driftguard.sandbox import SUBSCRIPTION
from tests.documents import (
    ARCHITECTURE,
    DOCUMENTS,
    README,
    RUNBOOK,
    anchors,
    called,
    column,
    commands,
    fault,
    fenced,
    inline,
    table,
)
from tests.source_tree import ROOT

WORDS = {
    Next.STAY: "stays",
    Next.BEFORE: "the state before",
    Next.AS_DECIDED: "as decided",
    Next.NEW_ATTEMPT: "next attempt",
    Next.REFUSED: "refused",
}


def test_every_command_line_in_the_documents_is_one_of_ours() -> None:
    found = list(commands())
    assert len(found) > 30
    assert not [
        f"{where}: driftguard {' '.join(words)}: {why}" for where, words, whole in found if (why := fault(words, whole))
    ]


def test_the_check_of_command_lines_sees_what_is_wrong() -> None:
    assert fault(["scna"], False) == "no such command"
    assert "--lase" in fault(["check", "--lase"], False)
    assert fault(["check", "--gate"], True) == "lacks ['job']"
    assert fault(["check", "--gate"], False) == ""
    assert fault(["halts", "decide", "h", "accept", "--reason", "x"], True) == "not a choice: ['accept']"
    assert list(called('x=$(driftguard check --job "$J" | jq .) # driftguard no')) == [["check", "--job", "$J"]]


def all_errors(of: type[errors.DriftGuardError]) -> Iterator[type[errors.DriftGuardError]]:
    for kind in of.__subclasses__():
        yield kind
        yield from all_errors(kind)


def test_the_tables_of_exit_codes_and_errors_are_those_of_the_code() -> None:
    ours = [kind for kind in all_errors(errors.DriftGuardError) if kind.__module__ == errors.__name__]
    codes = [str(code) for code in sorted({0, *(kind.exit_code for kind in ours)})]
    assert column(README, "exit code") == column(RUNBOOK, "exit code") == codes
    told = {row[0]: int(row[1]) for row in table(RUNBOOK, "problem")[1:]}
    assert told == {kind.problem: kind.exit_code for kind in ours}


def test_the_table_of_settings_is_that_of_the_code() -> None:
    lines = [
        line for line in (settings.__doc__ or "").splitlines() if line.startswith("|") and not line.startswith("|---")
    ]
    assert table(RUNBOOK, "setting") == [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
    source = Path(settings.__file__).read_text(encoding="utf-8")
    read = set(re.findall(r'"((?:DRIFTGUARD|AZURE|APPLICATIONINSIGHTS)_[A-Z_]+)"', source))
    assert set(", ".join(column(RUNBOOK, "setting")).split(", ")) == read
    named = {
        name for path in DOCUMENTS for name in re.findall(r"\bDRIFTGUARD_[A-Z_]+\b", path.read_text(encoding="utf-8"))
    }
    assert named - {"DRIFTGUARD_CORPUS"} <= read, "the corpus is a matter of the tests"
    assert set(settings.CI_MARKS) <= set(inline(RUNBOOK.read_text(encoding="utf-8")))
    timers = set(re.findall(r"%(DRIFT_[A-Z_]+)%", (ROOT / "function_app.py").read_text(encoding="utf-8")))
    assert (
        timers == {"DRIFT_SCAN_SCHEDULE", "DRIFT_DELIVER_SCHEDULE"} <= set(inline(RUNBOOK.read_text(encoding="utf-8")))
    )


def test_the_table_of_states_is_the_one_of_the_code() -> None:
    head, *body = table(ARCHITECTURE, "event")
    states = [[State(word) for word in cell.split(", ")] for cell in head[1:]]
    assert [state for group in states for state in group] == list(State)
    assert [row[0] for row in body] == [str(event) for event in Event]
    for row in body:
        for group, cell in zip(states, row[1:], strict=True):
            for state in group:
                following = TRANSITIONS[state][Event(row[0])]
                said = WORDS[following] if isinstance(following, Next) else f"→ {following}"
                assert said == cell, f"{row[0]} in {state}"


def test_the_table_of_findings_is_the_one_of_the_code() -> None:
    told = {row[0]: row[2] for row in table(ARCHITECTURE, "finding")[1:]}
    assert list(told) == [str(kind) for _, kind in FINDINGS]
    ref = parse_ref(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg")
    default = load_policy(None, folder=policies_folder()).for_job("any")
    assert told == {str(kind): str(judge([Finding(ref, kind)], default).judged[0].action) for kind in FindingKind}


def test_the_tables_of_the_store_name_every_kind_of_row_and_blob() -> None:
    kinds = {rows.JOB, rows.CHECK, rows.HALT, rows.OUTBOX, rows.LEDGER, rows.PROPOSAL, rows.RECORD, rows.CALL}
    kinds |= {purged.PURGED}
    assert set(column(ARCHITECTURE, "row kind")) == kinds
    assert set(column(ARCHITECTURE, f"index kind (partition `{index.INDEX}`)")) == {
        index.OPEN_HALTS,
        index.DUE_NOTES,
        index.SCOPES,
        index.HALT_JOBS,
    }
    written = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "driftguard/guard").glob("*.py"))
    blobs = {f"<job>/{kind}/…" for kind in re.findall(r'f"\{[^}]+\}/([a-z]+)["/]', written)} | {
        f"<job>/{retention_blobs.TABLE}/…"
    }
    assert set(column(ARCHITECTURE, "blob")) == blobs


def test_every_link_to_a_file_or_heading_leads_somewhere() -> None:
    broken = []
    for path in DOCUMENTS:
        for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
            file, _, anchor = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            if not re.match(r"https?://", link) and (not target.exists() or (anchor and anchor not in anchors(target))):
                broken.append(f"{path.name}: {link}")
    assert not broken


def test_every_decision_is_numbered_without_a_gap_and_listed_in_the_first() -> None:
    pages = sorted((ROOT / "docs/adr").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{number:04d}" for number in range(1, len(pages) + 1)]
    first = pages[0].read_text(encoding="utf-8")
    for number, page in enumerate(pages, 1):
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {number}. ")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
        assert page is pages[0] or f"]({page.name})" in first


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[0].split())
    named: set[str] = set()
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        lines = [line for _, block in fenced(text) for line in block.splitlines()] + inline(text)
        named |= {found[1] for line in lines if (found := re.match(r"make (?:PYTHON=\S+ )?([a-z]+)", line.strip()))}
    assert {"demo", "test"} <= named <= targets


def test_the_changelog_names_this_version_and_no_document_holds_a_placeholder() -> None:
    assert f"## [{__version__}] - " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for path in DOCUMENTS:
        assert not re.search(r"\b(TODO|TBD|FIXME|XXX|lorem)\b|coming soon", path.read_text(encoding="utf-8")), path.name
        assert path.read_text(encoding="utf-8").endswith("\n"), path.name
