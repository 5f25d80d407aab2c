"""What a build read and found, for people: counts, and in detail what was left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tools.platform_paths.resources import Resources
from tools.platform_paths.schema import Package
from tools.platform_paths.table import Entry, Table


@dataclass(frozen=True)
class Report:
    """`summary`: a few lines; `details`: everything, one fact a line."""

    summary: str
    details: str


def report_of(packages: list[Package], resources: Resources, table: Table, size: int) -> Report:
    """The report of one build; `size` in bytes of all files."""
    entries = [entry for file in table.files.values() for entry in file.values()]
    parts = [part for entry in entries for part in (entry, *entry.get("names", {}).values())]
    previews = [f"{item.name} {item.api_version}" for item in resources.types.values() if "-" in item.api_version[10:]]
    types_of = Counter(item.package for item in resources.types.values())
    styles = Counter(package.style for package in packages)
    by_style = dict.fromkeys(styles, 0)
    for package in packages:
        by_style[package.style] += types_of[package.title]
    unused = [package.title for package in packages if not types_of[package.title]]
    summary = [
        f"packages            {len(packages)} ({len(unused)} without a type of their own)",
        f"namespaces          {len(table.files)} files, {size / 1000:.0f} kB",
        f"resource types      {len(entries)}, {sum(item.can_be_put for item in resources.types.values())} of them written",
        *(f"  {style:<18}{by_style[style]} types in {count} packages" for style, count in sorted(styles.items())),
        f"read-only paths     {sum(len(part['read_only']) for part in parts)}",
        f"secret paths        {sum(len(part.get('secret', [])) for part in parts)}",
        f"left writable       {len(table.in_doubt)} paths on which models disagree",
        f"from a preview      {len(previews)} types",
        f"no resources        {len(resources.skipped)} types",
    ]
    details = [
        *(f"no type of its own: {line}" for line in unused),
        *(f"no resource: {name}: {reason}" for name, reason in sorted(resources.skipped.items())),
        *(f"from a preview: {line}" for line in sorted(previews)),
        *(f"left writable: {line}" for line in sorted(table.in_doubt)),
        *(f"secret: {line}" for line in _secrets(table)),
    ]
    return Report("\n".join(summary), "\n".join([*summary, "", *details, ""]))


def _secrets(table: Table) -> Iterator[str]:
    for file in table.files.values():
        for name, entry in file.items():
            yield from (f"{name} {path}" for path in _secret_paths(entry))


def _secret_paths(entry: Entry) -> list[str]:
    return [path for part in (entry, *entry.get("names", {}).values()) for path in part.get("secret", [])]
