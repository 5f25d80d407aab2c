"""The platform tables held against the witness: what agrees, what differs, what the page tells of it."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from driftguard.errors import BadConfiguration
from tests.source_tree import ROOT
from tests.tools.generated_commands import WIDGET, command, known, operation, sent, show
from tools.azure_cli_flags import wheel
from tools.azure_cli_flags.compare import Comparison, Hidden, compare
from tools.azure_cli_flags.document import document
from tools.azure_cli_flags.findings import Findings
from tools.azure_cli_flags.operations import read_operations
from tools.azure_cli_flags.source import Sources
from tools.azure_cli_flags.tables import read_tables
from tools.azure_cli_flags.verdicts import read_verdicts

BODY = """
    top.id = AAZStrType(flags={"read_only": True})
    top.properties = AAZObjectType()
    properties = top.properties
    properties.state = AAZStrType(flags={"read_only": True})
    properties.size = AAZStrType()
    properties.seen = AAZObjectType()
    properties.seen.by = AAZStrType(flags={"read_only": True})
    properties.seen.at = AAZStrType(flags={"read_only": True})
    properties.mixed = AAZObjectType()
    properties.mixed.one = AAZStrType(flags={"read_only": True})
    properties.mixed.two = AAZStrType()
    properties.link = AAZObjectType()
    properties.link.id = AAZStrType()
    properties.link.address = AAZStrType(flags={"read_only": True})
    properties.only_here = AAZStrType(serialized_name="onlyHere", flags={"read_only": True})
"""
PUT = operation("PUT", WIDGET, "2025-01-01", sent('_builder.set_prop("size", AAZStrType, ".size")'))


def tables(folder: Path, *read_only: str) -> Path:
    table = {"Microsoft.Toys/Widgets": {"package": "azure-mgmt-toys 1.0.0", "read_only": sorted(read_only)}}
    (folder / "Microsoft.Toys.json").write_text(json.dumps(table), encoding="utf-8")
    return folder


def compared(folder: Path, *read_only: str) -> Comparison:
    [one] = compare(read_tables(tables(folder, *read_only)), known(show(BODY), command(PUT)))
    return one


def test_a_table_agrees_with_a_flag_on_the_path_above_it_or_on_all_below_it(tmp_path: Path) -> None:
    agreeing = ["properties.STATE", "properties.seen", "properties.mixed.one", "properties.link", "properties.onlyHere"]
    one = compared(tmp_path, *agreeing, "properties.neverHeardOf")
    assert one.agrees and one.table_paths == len(agreeing)
    assert one.cli_paths == 6, "without the id, which is no matter of the tables"


def test_a_path_that_is_not_flagged_is_told_with_what_is_open_below_it_and_who_writes_it(tmp_path: Path) -> None:
    one = compared(tmp_path, "properties.size", "properties.mixed", "properties.seen", "properties.state")
    assert one.hidden == [
        Hidden("properties.mixed", ("properties.mixed.two",), 2, ""),
        Hidden("properties.size", ("properties.size",), 1, "2025-01-01"),
    ]
    assert (one.written, one.written_hidden) == (1, 1)
    assert one.missing == ["properties.link.address", "properties.onlyHere"]


def test_a_path_that_a_command_writes_is_told_whatever_its_flag_says(tmp_path: Path) -> None:
    put = operation("PUT", WIDGET, "2025-01-01", sent('_builder.set_prop("state", AAZStrType, ".state")'))
    shown = show('top.state = AAZStrType(flags={"read_only": True})')
    [one] = compare(read_tables(tables(tmp_path, "state")), known(shown, command(put)))
    assert one.hidden == [Hidden("state", (), 1, "2025-01-01")]


def test_a_type_whose_last_segment_is_a_parameter_stands_for_those_without_a_url(tmp_path: Path) -> None:
    table = {f"Microsoft.Toys/zones/{kind}": {"package": "p 1", "read_only": ["fqdn"]} for kind in ("A", "links")}
    (tmp_path / "Microsoft.Toys.json").write_text(json.dumps(table), encoding="utf-8")
    zone = WIDGET.replace("widgets", "zones")
    records = show('top.fqdn = AAZStrType(flags={"read_only": True})', url=f"{zone}/{{recordType}}/{{name}}")
    links = show("top.fqdn = AAZStrType()", url=f"{zone}/links/{{name}}")
    found = compare(read_tables(tmp_path), known(records, links))
    assert [(one.entry.title, one.agrees) for one in found] == [
        ("Microsoft.Toys/zones/A", True),
        ("Microsoft.Toys/zones/links", False),
    ]


def findings(folder: Path, verdicts: str) -> Findings:
    (folder / "verdicts.yaml").write_text(textwrap.dedent(verdicts), encoding="utf-8")
    reading = read_operations(Sources({"a/aaz/latest/toys/_show.py": show(BODY), "b.py": command(PUT)}))
    entries = read_tables(tables(folder, "properties.size", "properties.mixed"))
    return Findings("azure-cli 0.0.1", entries, reading, read_verdicts(folder / "verdicts.yaml"))


def test_what_is_to_be_done_is_told(tmp_path: Path) -> None:
    found = findings(
        tmp_path,
        """
        - {right: azure-cli, why: it is written, paths: {Microsoft.Toys/Widgets: [properties.size, properties.mended]}}
        - {right: table, why: it was, paths: {Microsoft.Toys/Widgets: [properties.gone]}}
        """,
    )
    assert list(found.open_questions()) == [
        "no verdict on Microsoft.Toys/Widgets properties.mixed",
        "the table is wrong about Microsoft.Toys/Widgets properties.size: correct it",
        "no such difference any more: Microsoft.Toys/Widgets properties.gone",
    ]
    assert "| Microsoft.Toys/Widgets | `properties.mended` | it is written |" in document(found).splitlines()


def test_the_page_tells_the_figures_every_difference_and_its_verdict_and_is_the_same_each_time(tmp_path: Path) -> None:
    verdicts = """
        - {right: unclear, why: nobody knows, paths: {Microsoft.Toys/Widgets: ["**"]}}
    """
    page = document(findings(tmp_path, verdicts))
    assert page == document(findings(tmp_path, verdicts)) and page.endswith("\n") and not page.endswith("\n\n")
    for line in (
        "| witness | azure-cli 0.0.1 |",
        "| of these, azure-cli agrees | 0 (0.0 %) |",
        "| `properties.mixed` | flags 1 of 2 properties below | unclear | nobody knows |",
        "| `properties.size` | writes at 2025-01-01 | unclear | nobody knows |",
        "| Microsoft.Toys/Widgets | 5 | `properties.link.address`, `properties.onlyHere`, `properties.seen.at`,"
        " `properties.seen.by`, `properties.state` |",
    ):
        assert line in page.splitlines()


@pytest.mark.parametrize(
    "wrong",
    [
        "- {right: nobody, why: x, paths: {A/b: [c]}}",
        "- {right: table, why: x, paths: {A/b: [1]}}",
        "- {right: table, why: x}",
        "- {right: table, why: x, paths: {A/b: [c]}, more: y}",
        "- {right: table, why: x, paths: {A/b: [c, c]}}",
    ],
)
def test_a_verdict_that_is_none_is_an_error_with_a_remedy(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "v.yaml").write_text(wrong, encoding="utf-8")
    with pytest.raises(BadConfiguration) as caught:
        read_verdicts(tmp_path / "v.yaml")
    assert caught.value.remedy


def test_the_committed_page_speaks_of_the_committed_tables_the_pinned_witness_and_every_verdict() -> None:
    page = (ROOT / "docs/platform-paths.md").read_text(encoding="utf-8")
    types = {resource_type for resource_type, _ in read_tables(ROOT / "policies/platform")}
    assert f"| witness | {wheel.pinned()} |" in page
    assert f"| resource types in the tables | {len(types):,} |" in page, "run make platform"
    for (resource_type, path), verdict in read_verdicts().items():
        assert resource_type in page and verdict.why in page and (path == "**" or f"`{path}`" in page)
