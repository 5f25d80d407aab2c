"""All that the cross-check found, with the verdicts on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from tools.azure_cli_flags.compare import Comparison, compare, flagged_paths
from tools.azure_cli_flags.knowledge import Known, known_types
from tools.azure_cli_flags.operations import Reading
from tools.azure_cli_flags.place import ANY_TYPE
from tools.azure_cli_flags.tables import Entry
from tools.azure_cli_flags.verdicts import AZURE_CLI, TABLE, Key, Verdict, key_of


@dataclass(frozen=True)
class Findings:
    """Tables, witness and verdicts put together. `witness` is its name and version."""

    witness: str
    tables: dict[tuple[str, str], Entry]
    reading: Reading
    verdicts: dict[Key, Verdict]

    @cached_property
    def known(self) -> dict[tuple[str, str], Known]:
        return known_types(self.reading.operations)

    @cached_property
    def compared(self) -> list[Comparison]:
        return compare(self.tables, self.known)

    @property
    def writable(self) -> list[Comparison]:
        """What azure-cli has a PUT or PATCH for: only there a missing flag means something."""
        return [one for one in self.compared if one.known.has_write]

    @property
    def only_read(self) -> list[Comparison]:
        return [one for one in self.compared if not one.known.has_write]

    @property
    def unread(self) -> list[str]:
        return sorted(self.reading.unread)

    @property
    def without_table(self) -> list[tuple[Known, list[str]]]:
        """What azure-cli can write and no table has, with the read-only paths."""
        types = {entry.type.lower() for entry in self.tables.values()}
        return [
            (known, flagged_paths(known))
            for (resource_type, _), known in self.known.items()
            if known.has_write and resource_type not in types and ANY_TYPE not in resource_type.split("/")
        ]

    def verdict(self, one: Comparison, path: str) -> Verdict | None:
        """The verdict on a path that the table calls read-only and azure-cli does not."""
        key = key_of(self.verdicts, one.entry.title, path)
        return None if key is None else self.verdicts[key]

    @property
    def differences(self) -> list[tuple[Comparison, str]]:
        """Every path that a table calls read-only and azure-cli does not."""
        return [(one, hidden.path) for one in self.compared for hidden in one.hidden]

    @property
    def met_no_difference(self) -> dict[Key, Verdict]:
        """The verdicts on what does not differ any more, sorted by type and path."""
        met = {key_of(self.verdicts, one.entry.title, path) for one, path in self.differences}
        return {key: self.verdicts[key] for key in sorted(self.verdicts) if key not in met}

    def open_questions(self) -> Iterator[str]:
        """What is to be done: differences without verdict, tables that are wrong, verdicts without difference."""
        for one, path in self.differences:
            verdict = self.verdict(one, path)
            if verdict is None:
                yield f"no verdict on {one.entry.title} {path}"
            elif verdict.right == AZURE_CLI:
                yield f"the table is wrong about {one.entry.title} {path}: correct it"
        for (resource_type, path), verdict in self.met_no_difference.items():
            if verdict.right == TABLE:
                yield f"no such difference any more: {resource_type} {path}"
