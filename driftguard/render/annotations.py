"""A CI system's own annotations, so that a halt stands where its users look.

Sources: GitHub Actions workflow commands (`::error::`), Azure Pipelines logging commands (`##vso[task.logissue]`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from driftguard.flow.decide import Verdict
from driftguard.render.members import text
from driftguard.render.untrusted import one_line


def annotate(environ: Mapping[str, str], view: Mapping[str, Any]) -> list[str]:
    """The lines to print for a check's view under the CI system whose mark is set; none elsewhere and for a Proceed."""
    if view.get("verdict") == Verdict.PROCEED:
        return []
    write = next((write for mark, write in _WRITERS.items() if environ.get(mark)), None)
    level = "warning" if view.get("observed") is True else "error"
    return [write(level, f"Drift Guard: {one_line(text(view, 'job'))}: {one_line(text(view, 'why'))}")] if write else []


def _github(level: str, told: str) -> str:
    escaped = told.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{level} title=Drift Guard::{escaped}"


def _azure_pipelines(level: str, told: str) -> str:
    # A logging command must not be ended, or a second one begun, by what is told.
    escaped = told.replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A")
    return f"##vso[task.logissue type={level}]{escaped}"


_WRITERS: Mapping[str, Callable[[str, str], str]] = {"TF_BUILD": _azure_pipelines, "GITHUB_ACTIONS": _github}
