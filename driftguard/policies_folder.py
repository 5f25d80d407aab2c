"""Finds the folder of the policies that Drift Guard ships with.

Rules:
- An installed wheel carries the folder as `driftguard/policies`: that one wins.
- A checkout, an editable install and an unpacked Functions app have it beside the package.
- Where there is neither it is an error, never an empty policy.
"""

from __future__ import annotations

from pathlib import Path

from driftguard.errors import BadConfiguration

_PACKAGE = Path(__file__).resolve().parent


def policies_folder(package: Path = _PACKAGE) -> Path:
    """The absolute path of the folder with `default.yaml`. Raises BadConfiguration where there is none."""
    for folder in (package / "policies", package.parent / "policies"):
        if (folder / "default.yaml").is_file():  # a folder of this name may be somebody else's
            return folder
    raise BadConfiguration(
        f"the folder of built-in policies is neither in {package} nor beside it",
        "install driftguard again, or put the folder policies/ beside the package as function_app.py has it",
    )
