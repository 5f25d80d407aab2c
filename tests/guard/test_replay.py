from __future__ import annotations

import gzip
import io
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.errors import CannotTell, NotFound, WrongUse
from driftguard.flow.check import FindingKind
from driftguard.flow.diff import PathRules
from driftguard.flow.path import PathPattern, PatternSet
from driftguard.guard.traffic_file import MAX_LINE, open_lines
from driftguard.guard.replay import ReplaySummary, Verdict, replay
from tests.corpus import corpus_file

SETTLED = {"name": "v", "etag": '"1"', "properties": {"a": 1, "noise": 1, "provisioningState": "Succeeded"}}
PAIR: dict[str, Any] = {
    "pair_id": "p1",
    "type": "Microsoft.Network/virtualNetworks",
    "api": "2024-05-01",
    "id": "/subscriptions/x",
    "before": SETTLED,
    "after": SETTLED,
}


def with_properties(**properties: Any) -> dict[str, Any]:
    return {**SETTLED, "properties": {**SETTLED["properties"], **properties}}  # type: ignore[dict-item]  # a dict above


def rules_for(type_: str) -> PathRules:
    assert type_ == PAIR["type"]
    return PathRules(
        platform=PatternSet([(PathPattern.parse("properties.noise"), "read-only")]),
        ignore=PatternSet([(PathPattern.parse("properties.scaled"), "autoscale")]),
    )


def judge(lines: Iterable[bytes | str]) -> list[Verdict]:
    return list(replay(lines, rules_for))


def judge_pair(**fields: Any) -> Verdict:
    [verdict] = judge([json.dumps({**PAIR, **fields})])
    return verdict


def test_an_equal_pair_is_unchanged() -> None:
    assert judge_pair().as_json() == {
        "pair_id": "p1",
        "finding": "unchanged",
        "configuration": [],
        "platform": [],
        "ignored": [],
    }


def test_every_difference_is_told_by_path_and_class() -> None:
    verdict = judge_pair(after=with_properties(a=2, noise=2, scaled=3, tags={"a.b": "x"}))
    assert verdict.as_json() == {
        "pair_id": "p1",
        "finding": "moved",
        "configuration": ["properties.a", "properties.tags"],
        "platform": ["properties.noise"],
        "ignored": [{"path": "properties.scaled", "rule": "autoscale"}],
    }


@pytest.mark.parametrize(
    ("fields", "finding"),
    [
        ({"after": None}, "gone"),
        ({"after": with_properties(noise=2)}, "touched"),
        ({"after": with_properties(scaled=2)}, "touched"),
        ({"after": with_properties(provisioningState="Failed")}, "touched"),
        ({"after": {**SETTLED, "etag": '"2"'}}, "touched"),
        ({"before_etag": {"header": 'W/"1"'}, "after_etag": {"header": 'W/"2"', "body": None}}, "touched"),
        ({"before_etag": {"header": 'W/"1"', "body": "1"}, "after_etag": {"header": None, "other": 1}}, "unchanged"),
        ({"before_etag": None, "after_etag": None, "label": None, "seconds": "x", "new field": []}, "unchanged"),
        ({"after": with_properties(provisioningState="Updating")}, "inflight"),
        ({"before": with_properties(nested=[{"provisioningState": "Creating"}])}, "inflight"),
        ({"before": {}, "after": {}}, "unchanged"),
    ],
)
def test_findings(fields: dict[str, Any], finding: str) -> None:
    assert judge_pair(**fields).as_json()["finding"] == finding


def without(name: str) -> str:
    return json.dumps({key: value for key, value in PAIR.items() if key != name})


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\n",
        "{",
        "[]",
        "null",
        b"\xff\xfe\xfd",
        "1" * 5000,
        "[" * 100_000,
        *(without(name) for name in PAIR),
        *(json.dumps({**PAIR, name: None}) for name in PAIR if name != "after"),
        *(json.dumps({**PAIR, name: 7}) for name in PAIR),
        json.dumps({**PAIR, "before_etag": "x"}),
        json.dumps({**PAIR, "after_etag": {"header": 1}}),
        json.dumps(PAIR).replace('"a": 1', '"a": ' + "[" * 300 + "]" * 300),
        " " * (MAX_LINE + 1),
    ],
)
def test_a_line_that_cannot_be_judged_is_unreadable_with_a_reason_and_the_next_is_judged(line: str | bytes) -> None:
    broken, good = judge([line, json.dumps(PAIR)])
    assert (broken.finding, good.pair_id) == (FindingKind.UNREADABLE, "p1")
    assert broken.as_json()["reason"].startswith("line 1: ")


def test_a_line_that_cannot_be_judged_keeps_its_pair_id_where_it_has_one() -> None:
    named, nameless = judge([json.dumps({"pair_id": "p9"}), json.dumps({**PAIR, "pair_id": 9})])
    assert (named.pair_id, nameless.pair_id) == ("p9", None)


@given(st.lists(st.binary(max_size=20) | st.text(max_size=20)))
def test_every_line_gets_exactly_one_verdict(lines: list[bytes | str]) -> None:
    assert len(judge(lines)) == len(lines)


def test_verdicts_hold_no_value_of_a_resource() -> None:
    verdict = judge_pair(
        before=with_properties(password="canary-1", value="canary-2", list=[{"adminPassword": "canary-3"}]),
        after=with_properties(password="canary-4", value="canary-5", list=[{"adminPassword": "canary-6"}]),
    )
    assert len(verdict.configuration) == 3
    assert "canary" not in json.dumps(verdict.as_json())


def test_the_summary_counts_findings_by_label_and_sets_the_exit_code() -> None:
    lines = [
        json.dumps({**PAIR, **more})
        for more in ({"label": "quiet"}, {"label": "quiet", "after": None}, {}, {"label": 3})
    ]
    summary = ReplaySummary()
    for verdict in judge(lines):
        summary.add(verdict)
    assert (summary.judged, summary.unreadable, summary.exit_code) == (4, 0, 0)
    assert summary.findings == {"unchanged": 3, "gone": 1}
    assert summary.by_label == {"quiet": {"unchanged": 1, "gone": 1}, "(none)": {"unchanged": 1}, "3": {"unchanged": 1}}
    for verdict in judge(['{"label": "quiet"}', "{"]):
        summary.add(verdict)
    assert (summary.judged, summary.unreadable, summary.exit_code) == (4, 2, 2)
    assert summary.by_label["quiet"]["unreadable"] == summary.by_label["(none)"]["unreadable"] == 1


def test_lines_are_read_from_plain_and_gzip_files_whatever_their_names(tmp_path: Path) -> None:
    content = b"one\ntwo\n\nlast"
    plain, packed = tmp_path / "plain.gz", tmp_path / "packed.jsonl"
    plain.write_bytes(content)
    packed.write_bytes(gzip.compress(content))
    for path in (plain, packed):
        assert list(open_lines(str(path))) == [b"one\n", b"two\n", b"\n", b"last"]


def test_a_dash_is_the_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(gzip.compress(b"one\n")))))
    assert list(open_lines("-")) == [b"one\n"]


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert list(open_lines(str(tmp_path / "empty"))) == []


def test_a_line_beyond_the_limit_is_one_unreadable_line(tmp_path: Path) -> None:
    file = tmp_path / "long"
    file.write_bytes(b" " * (3 * MAX_LINE) + b"\n" + json.dumps(PAIR).encode())
    assert [verdict.finding for verdict in judge(open_lines(str(file)))] == [
        FindingKind.UNREADABLE,
        FindingKind.UNCHANGED,
    ]


@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: data[:30] + b"\x00" * 40 + data[70:]])
def test_a_file_that_breaks_off_or_is_damaged_is_an_error(tmp_path: Path, damage: Any) -> None:
    file = tmp_path / "broken"
    file.write_bytes(damage(gzip.compress(bytes(range(256)) * 20)))
    with pytest.raises(CannotTell, match="breaks off or is damaged"):
        list(open_lines(str(file)))


def test_a_file_that_cannot_be_opened_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="missing"):
        list(open_lines(str(tmp_path / "missing")))
    for path in (str(tmp_path), "a\0b"):
        with pytest.raises(WrongUse):
            list(open_lines(path))


def test_all_recorded_pairs_are_judged_and_states_that_are_not_final_are_in_flight() -> None:
    file = str(corpus_file("pairs.dev.jsonl.gz"))
    pairs = [json.loads(line) for line in open_lines(file)]
    summary = ReplaySummary()
    for pair, verdict in zip(pairs, replay(open_lines(file), lambda type_: PathRules()), strict=True):
        summary.add(verdict)
        assert verdict.pair_id == pair["pair_id"]
        if pair["nested_nonterminal"]:
            assert verdict.finding is FindingKind.IN_FLIGHT
        elif pair["terminal_both"]:
            assert verdict.finding is not FindingKind.IN_FLIGHT
    assert (summary.judged, summary.exit_code) == (len(pairs), 0)
