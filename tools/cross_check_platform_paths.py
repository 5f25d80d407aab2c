"""`python -m tools.cross_check_platform_paths --cache DIR`: holds the platform tables against azure-cli's own schemas.

Writes docs/platform-paths.md. Ends with 1 where a difference that might hide a change has no verdict, a table is known to be
wrong, or a verdict has no difference any more; with the exit code of the error where a source is missing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from driftguard.errors import DriftGuardError
from tools.azure_cli_flags.document import document
from tools.azure_cli_flags.findings import Findings
from tools.azure_cli_flags.operations import read_operations
from tools.azure_cli_flags.source import Sources
from tools.azure_cli_flags.tables import read_tables
from tools.azure_cli_flags.verdicts import read_verdicts
from tools.azure_cli_flags.wheel import downloaded, generated_sources, pinned

ROOT = Path(__file__).resolve().parents[1]
TABLES, PAGE = ROOT / "policies/platform", ROOT / "docs/platform-paths.md"


def main(arguments: Sequence[str]) -> int:
    """Compare, write the page, and tell what is open; 1 where something is."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.cross_check_platform_paths",
        description="Holds policies/platform/ against azure-cli's generated schemas and writes docs/platform-paths.md.",
    )
    parser.add_argument("--cache", type=Path, required=True, help="where the wheel of azure-cli is kept")
    parser.add_argument(
        "--tables", type=Path, default=Path("policies/platform"), help="the tables (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("docs/platform-paths.md"), help="the page (default: %(default)s)"
    )
    asked = parser.parse_args(arguments)
    try:
        found = cross_check(asked.cache, asked.tables)
    except DriftGuardError as error:
        print(f"{error}\n{error.remedy}", file=sys.stderr)
        return error.exit_code
    asked.out.write_text(document(found), encoding="utf-8", newline="\n")
    still_open = list(found.open_questions())
    print(f"{asked.out.name}: {len(found.compared)} types compared, {len(still_open)} questions open")
    print("\n".join(still_open), file=sys.stderr, end="\n" if still_open else "")
    return 1 if still_open else 0


def cross_check(cache: Path, tables: Path) -> Findings:
    """The tables in a folder held against the pinned azure-cli. Raises DriftGuardError where a source is missing."""
    entries, verdicts = read_tables(tables), read_verdicts()
    reading = read_operations(Sources(generated_sources(downloaded(cache))))
    return Findings(str(pinned()), entries, reading, verdicts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
