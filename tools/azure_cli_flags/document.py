"""Writes docs/platform-paths.md: what the tables are, and how far the witness agrees with them.

Rules:
- The text depends on nothing but the tables, the pinned azure-cli and the verdicts: two runs give the same bytes.
- Sections without anything to tell are left out, but for the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tools.azure_cli_flags.compare import Comparison, Hidden
from tools.azure_cli_flags.findings import Findings
from tools.azure_cli_flags.knowledge import Known
from tools.azure_cli_flags.verdicts import TABLE

INTRODUCTION = """\
# The paths that Azure writes itself

Azure writes some properties of a resource itself: states, identifiers, addresses, what other resources refer to it. A
difference there is not a person's change. Drift Guard knows these paths from the tables in `policies/platform/`, one file
for each provider namespace: a difference on such a path is told as a platform difference and halts nothing, unless a policy
watches the path.

The tables are made from the models in Azure's own SDK packages for Python: a path is in a table where the models mark it as
read-only, or where an answer has it and no request of the packages carries it. In doubt a path counts as writable: one that
is wrongly called read-only would hide a person's change, one that is missing costs a false halt.

Read-only for a PUT does not mean that nobody can change it. A POST (publish, share, failover), a PUT of another resource, or
a PUT of a value that is never shown again, of which only a digest or a date is left, changes such paths too. Those that are
known stand in two lists, and they count as configuration:

- `tools/platform_paths/exceptions.yaml`: the path is left out of the tables. There each has what changes it.
- `watch` in [policies/tolerated.yaml](../policies/tolerated.yaml): the path stays in the tables, and a change of it counts,
  often under a condition: what is running at the moment, new identifiers, connections that others made.

Both lists were made by hand, from the requests that the packages know. No witness tells whether they are complete.

Where a table is wrong for you, a policy file corrects it: `watch` makes a path count again, `ignore` takes one out. See
[policies/README.md](../policies/README.md).

## Make them anew

```sh
make platform
```

It downloads the packages of `tools/platform_packages*.txt` and the witness of `tools/azure_cli_package.txt`, reads them as
text and writes `policies/platform/` and this page. Nothing of them is installed or run, and Drift Guard itself needs none.
This page alone is made by

```sh
python -m tools.cross_check_platform_paths --cache DIR --out docs/platform-paths.md
```

which also ends with 1 where a difference that matters has no verdict, a table is known to be wrong, or a verdict has no
difference any more. The verdicts stand in `tools/azure_cli_flags/verdicts.yaml`.

## The witness

The generated commands of azure-cli carry schemas of their own, in which read-only properties have a flag. They are made
from the same public API descriptions as the SDK packages, but by another generator, at other times, and mostly of other
api-versions. azure-cli has such commands for a part of Azure only; the figures below say how large it is. Compared is what
both know:

- A path of a table agrees where azure-cli flags it, something above it, or everything below it.
- A flagged path of azure-cli agrees where the table has it, something above it, or everything below it.
- What Drift Guard handles by rule is left out: `id`, `name`, `type`, `etag`, `tags`, `location`, `systemData` and
  `provisioningState` of a resource or of a part of it; so is what stands in a resource embedded in an embedded resource.

Not compared is everything else: types and paths that azure-cli does not know, and whether a POST or a request to another
resource changes a path that both call read-only.
"""


def document(findings: Findings) -> str:
    """The whole page, ending with a newline."""
    parts = [INTRODUCTION, *_figures(findings), *_hidden(findings), *_only_read(findings)]
    parts += [*_corrected(findings), *_missing(findings)]
    return "\n".join([*parts, *_unknown(findings), *_unread(findings)]).rstrip("\n") + "\n"


def _figures(findings: Findings) -> Iterator[str]:
    every = findings.compared
    yield "## Figures\n"
    yield "| what | number |"
    yield "|---|---|"
    yield f"| witness | {findings.witness} |"
    yield f"| resource types in the tables | {len({entry.type.lower() for entry in findings.tables.values()}):,} |"
    yield f"| types that azure-cli reads (a name with a shape of its own counts as one) | {len(findings.known):,} |"
    yield f"| known to both | {len(every):,} |"
    yield f"| of these, no path of a table differs | {_share(sum(not one.hidden for one in every), len(every))} |"
    yield f"| of these, no path of either side differs | {_share(sum(one.agrees for one in every), len(every))} |"
    all_paths = sum(len(entry.read_only) for entry in findings.tables.values())
    known_paths = _sum(every, lambda one: one.table_paths)
    yield f"| read-only paths in the tables | {all_paths:,} |"
    yield f"| of these, azure-cli knows | {_share(known_paths, all_paths)} |"
    for title, some in (("can write", findings.writable), ("only reads", findings.only_read)):
        paths = _sum(some, lambda one: one.table_paths)
        agreed = paths - _sum(some, lambda one: len(one.hidden))
        yield f"| read-only paths of the tables that azure-cli knows, in types that it {title} | {paths:,} |"
        yield f"| of these, azure-cli agrees | {_share(agreed, paths)} |"
    yield f"| paths for which a command of azure-cli takes a value | {_sum(every, lambda one: one.written):,} |"
    yield f"| of these, a table calls read-only | {_sum(every, lambda one: one.written_hidden):,} |"
    cli_paths = _sum(every, lambda one: one.cli_paths)
    agreed = cli_paths - _sum(every, lambda one: len(one.missing))
    yield f"| read-only paths of azure-cli in types of the tables | {cli_paths:,} |"
    yield f"| of these, the tables agree | {_share(agreed, cli_paths)} |"
    yield ""


def _hidden(findings: Findings) -> Iterator[str]:
    found = [one for one in findings.writable if one.hidden]
    yield "## Read-only in a table, not in azure-cli\n"
    yield "Where the table is wrong here, it hides a person's change. The list is complete for the paths that were compared, and"
    yield "for no others; `right` says which side is to be believed after a look at both sources."
    yield "" if found else "There is none in the types that azure-cli can write.\n"
    for one in found:
        yield f"### {one.entry.title}\n"
        yield f"{one.entry.package}; azure-cli at api-version {one.known.version}.\n"
        yield "| paths | azure-cli | right | why |"
        yield "|---|---|---|---|"
        rows: dict[str, list[str]] = {}
        for hidden in one.hidden:
            verdict = findings.verdict(one, hidden.path)
            judged = f"{verdict.right} | {verdict.why}" if verdict else "not judged | "
            rows.setdefault(f"{_said(hidden)} | {judged}", []).append(hidden.path)
        yield from (f"| {_paths(paths)} | {said} |" for said, paths in rows.items())
        yield ""


def _said(hidden: Hidden) -> str:
    if hidden.written:
        return f"writes at {hidden.written}"
    if len(hidden.open) == hidden.known:
        return "has no flag"
    return f"flags {hidden.known - len(hidden.open):,} of {hidden.known:,} properties below"


def _only_read(findings: Findings) -> Iterator[str]:
    by_reason: dict[str, list[Comparison]] = {}
    for one in findings.only_read:
        if one.hidden:
            verdict = findings.verdict(one, one.hidden[0].path)
            said = f"Right is: {verdict.right}. {verdict.why}" if verdict else "Not judged."
            by_reason.setdefault(said, []).append(one)
    if by_reason:
        yield "### Types that azure-cli only reads\n"
        yield "A flag that is missing says little where nothing can be written.\n"
    for said, found in by_reason.items():
        yield f"{said}\n"
        yield "| type | paths |"
        yield "|---|---|"
        yield from (f"| {one.entry.title} | {_paths([hidden.path for hidden in one.hidden])} |" for one in found)
        yield ""


def _corrected(findings: Findings) -> Iterator[str]:
    rows: dict[tuple[str, str], list[str]] = {}
    for (resource_type, path), verdict in findings.met_no_difference.items():
        if verdict.right != TABLE:
            rows.setdefault((resource_type, verdict.why), []).append(path)
    if rows:
        yield "## Corrected after the comparison\n"
        yield "The newest SDK models alone would call these read-only. azure-cli or an older api-version says otherwise, and the"
        yield "tables leave them out.\n"
        yield "| type | paths | why |"
        yield "|---|---|---|"
        yield from (f"| {resource_type} | {_paths(paths)} | {why} |" for (resource_type, why), paths in rows.items())
        yield ""


def _missing(findings: Findings) -> Iterator[str]:
    found = [one for one in findings.compared if one.missing]
    if not found:
        return
    yield "## Read-only in azure-cli, not in a table\n"
    yield "This hides nothing. A change that Azure makes there counts as configuration, unless a policy ignores it. Most stand in"
    yield "resources that are embedded in others, which the tables follow for one level only.\n"
    yield "| type | number | paths |"
    yield "|---|---|---|"
    yield from (f"| {one.entry.title} | {len(one.missing)} | {_paths(one.missing)} |" for one in found)
    yield ""


def _unknown(findings: Findings) -> Iterator[str]:
    found = findings.without_table
    if not found:
        return
    yield "## Types without a table\n"
    yield "azure-cli can write these, and no SDK package of the list tells of them. All that a GET returns counts as"
    yield "configuration, but for what Drift Guard handles by rule.\n"
    yield "| type | read-only in azure-cli |"
    yield "|---|---|"
    yield from (
        f"| {_title(known)} | {_paths(paths) or 'nothing but what is handled by rule'} |" for known, paths in found
    )
    yield ""


def _unread(findings: Findings) -> Iterator[str]:
    if not findings.unread:
        return
    yield "## Commands that were not read\n"
    yield "Their code was changed by hand in a way that the reader does not follow:\n"
    yield from (f"- `{_command(line)}`" for line in findings.unread)
    yield ""


def _command(line: str) -> str:
    """`vm sig update` of `azure/cli/command_modules/vm/aaz/latest/sig/_update.py: …`."""
    return line.partition(".py: ")[0].partition("/aaz/latest/")[2].replace("/_", " ").replace("/", " ")


def _title(known: Known) -> str:
    return f"{known.place.type}/{known.place.name}" if known.place.name else known.place.type


def _paths(paths: Sequence[str]) -> str:
    return ", ".join(f"`{path}`" for path in paths)


def _sum(some: Sequence[Comparison], number: Callable[[Comparison], int]) -> int:
    return sum(number(one) for one in some)


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({100 * part / whole:.1f} %)" if whole else "none"
