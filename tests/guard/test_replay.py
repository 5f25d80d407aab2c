from __future__ import annotations

import gzip
import io
import json
import sys
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftguard.errors import CannotTell, NotFound, WrongUse
from driftguard.flow.check import FindingKind
from driftguard.flow.path import PathPattern
from driftguard.flow.platform_table import PlatformPaths, PlatformTable
from driftguard.flow.policy import Match, Policy, Rule
from driftguard.guard.replay import ReplaySummary, Verdict, judge_lines
from driftguard.guard.traffic_file import MAX_LINE, open_lines
from tests.corpus import corpus_file

SETTLED = {"name": "v", "etag": '"1"', "properties": {"a": 1, "noise": 1, "provisioningState": "Succeeded"}}
NAMED = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups"
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


TODAY = date(2026, 10, 1)
TABLE = PlatformTable("a table", PlatformPaths((PathPattern.parse("properties.noise"),)))
POLICY = Policy(
    source="a test",
    digest="",
    platform=lambda type_: TABLE if type_.lower() == PAIR["type"].lower() else None,
    rules=(
        Rule("autoscale", Match(type=PAIR["type"]), ignore=("properties.scaled",)),
        Rule("one group", Match(resource_group="rg-shop-*"), ignore=("properties.of_group",)),
        Rule("one name", Match(name="v-*"), ignore=("properties.of_name",)),
        Rule("one id", Match(id="*/virtualnetworks/v-1"), ignore=("properties.of_id",)),
        Rule("keys", Match(type="*"), redact=("properties.list",)),
    ),
)


def judge(lines: Iterable[bytes | str]) -> list[Verdict]:
    return list(judge_lines((line.encode() if isinstance(line, str) else line for line in lines), POLICY, TODAY))


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


@pytest.mark.parametrize(
    ("resource", "ignored"),
    [
        ("/subscriptions/x", []),  # no id that ARM could have: by its type alone
        (f"{NAMED}/rg-other/providers/Microsoft.Network/virtualNetworks/w", []),
        (f"{NAMED}/RG-Shop-1/providers/Microsoft.Network/virtualNetworks/w", ["of_group"]),
        (f"{NAMED}/rg-shop-1/providers/Microsoft.Network/virtualNetworks/V-1", ["of_group", "of_id", "of_name"]),
        (f"{NAMED}/rg-other/providers/Microsoft.Network/virtualNetworks/v-2", ["of_name"]),
    ],
)
def test_rules_on_group_name_and_id_are_applied_as_in_a_check(resource: str, ignored: list[str]) -> None:
    changed = dict.fromkeys(("of_group", "of_id", "of_name"), 2)
    told = judge_pair(id=resource, after=with_properties(**changed)).as_json()
    assert [one["path"] for one in told["ignored"]] == [f"properties.{name}" for name in ignored]
    assert len(told["configuration"]) == len(changed) - len(ignored)


def test_what_the_policy_redacts_is_sealed_before_anything_is_compared() -> None:
    verdict = judge_pair(
        before=with_properties(list=["canary"]), after=with_properties(list=[{"name": "canary", "value": 1}])
    )
    assert verdict.finding is FindingKind.MOVED and "canary" not in json.dumps(verdict.as_json())
    assert judge_pair(before=with_properties(list=[1]), after=with_properties(list=["1"])).configuration == ()


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
        json.dumps({**PAIR, "seconds": float("nan")}),
        json.dumps({**PAIR, "after": {"a": float("inf")}}),
        json.dumps(PAIR).replace('"a": 1', '"a": 1e999'),
        json.dumps(PAIR).replace('"a": 1', '"a": 1, "a": 2'),
        json.dumps(PAIR)[:-1] + ', "after": {}}',
        b"\xff\xfe\xfd",
        "1" * 5000,
        "[" * 100_000,
        '{"a":' * 100_000,
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


def lines_of(path: Path | str) -> list[bytes]:
    with open_lines(str(path)) as lines:
        return list(lines)


def test_lines_are_read_from_plain_and_gzip_files_whatever_their_names(tmp_path: Path) -> None:
    content = b"one\ntwo\n\nlast"
    plain, packed = tmp_path / "plain.gz", tmp_path / "packed.jsonl"
    plain.write_bytes(content)
    packed.write_bytes(gzip.compress(content))
    for path in (plain, packed):
        assert lines_of(path) == [b"one\n", b"two\n", b"\n", b"last"]


def test_a_dash_is_the_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(gzip.compress(b"one\n")))))
    assert lines_of("-") == [b"one\n"]


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert lines_of(tmp_path / "empty") == []


def test_a_line_beyond_the_limit_is_one_unreadable_line(tmp_path: Path) -> None:
    file = tmp_path / "long"
    file.write_bytes(b" " * (3 * MAX_LINE) + b"\n" + json.dumps(PAIR).encode())
    assert [verdict.finding for verdict in judge(lines_of(file))] == [
        FindingKind.UNREADABLE,
        FindingKind.UNCHANGED,
    ]


class Endless(io.RawIOBase):
    """An input that never comes to an end, and has no line in it."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return len(buffer)


def test_a_line_without_an_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Endless())))
    monkeypatch.setattr("driftguard.guard.traffic_file.MAX_LINE", 1000)
    monkeypatch.setattr("driftguard.guard.traffic_file.ENDLESS", 5000)
    with pytest.raises(CannotTell, match="the standard input has a line of more than 5,000 bytes"):
        lines_of("-")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
def test_a_device_is_refused(device: str) -> None:
    if not Path(device).is_char_device():
        pytest.skip(f"no {device} here")
    with pytest.raises(WrongUse, match="is a device"):
        lines_of(device)


@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: data[:30] + b"\x00" * 40 + data[70:]])
def test_a_file_that_breaks_off_or_is_damaged_is_an_error(tmp_path: Path, damage: Any) -> None:
    file = tmp_path / "broken"
    file.write_bytes(damage(gzip.compress(bytes(range(256)) * 20)))
    with pytest.raises(CannotTell, match="breaks off or is damaged") as caught:
        lines_of(file)
    assert "Error" not in caught.value.message and "Gzip" not in caught.value.message


def test_the_file_read_from_is_known_under_every_name(tmp_path: Path) -> None:
    file, link, other = tmp_path / "file", tmp_path / "link", tmp_path / "other"
    file.touch()
    other.touch()
    link.symlink_to(file)
    with open_lines(str(file)) as lines:
        assert [lines.is_file(path) for path in (file, link, other, tmp_path / "none")] == [True, True, False, False]


def test_a_file_that_cannot_be_opened_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="missing"):
        lines_of(tmp_path / "missing")
    for path in (str(tmp_path), "a\0b"):
        with pytest.raises(WrongUse):
            lines_of(path)


def test_all_recorded_pairs_are_judged_and_states_that_are_not_final_are_in_flight() -> None:
    lines = lines_of(corpus_file("pairs.dev.jsonl.gz"))
    pairs = [json.loads(line) for line in lines]
    summary = ReplaySummary()
    for pair, verdict in zip(pairs, judge(lines), strict=True):
        summary.add(verdict)
        assert verdict.pair_id == pair["pair_id"]
        if pair["nested_nonterminal"]:
            assert verdict.finding is FindingKind.IN_FLIGHT
        elif pair["terminal_both"]:
            assert verdict.finding is not FindingKind.IN_FLIGHT
    assert (summary.judged, summary.exit_code) == (len(pairs), 0)
