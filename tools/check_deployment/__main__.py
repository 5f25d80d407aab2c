"""`python -m tools.check_deployment [FOLDER]`: the faults, one a line."""

from __future__ import annotations

import sys
from pathlib import Path

from tools.check_deployment.checks import faults

HERE = Path(__file__).resolve().parents[2]


def main(arguments: list[str]) -> int:
    """0 where everything agrees, 1 where something does not."""
    found = faults(Path(arguments[0]) if arguments else HERE)
    for fault in found:
        print(fault)
    print(f"{len(found)} faults" if found else "the deployment agrees with the code (checked as text)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
