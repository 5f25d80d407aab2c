"""A CI system's own annotations, so that a halt stands where its users look.

Sources: GitHub Actions workflow commands (`::error::`), Azure Pipelines logging commands (`##vso[task.logissue]`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from driftguard.flow.decide import Verdict
from driftguard.guard.check import Answer
from driftguard.render.untrusted import one_line


def annotate(environ: Mapping[str, str], answer: Answer) -> list[str]:
    """The lines to print for this answer under the CI system whose mark is set; none elsewhere and for a Proceed."""
    if answer.verdict is Verdict.PROCEED:
        return []
    write = next((write for mark, write in _WRITERS.items() if environ.get(mark)), None)
    level = "warning" if answer.observed else "error"
    return [write(level, f"Drift Guard: {answer.job}: {one_line(answer.why)}")] if write else []


def _github(level: str, text: str) -> str:
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{level} title=Drift Guard::{escaped}"


def _azure_pipelines(level: str, text: str) -> str:
    # A logging command must not be ended, or a second one begun, by what is told.
    escaped = text.replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A")
    return f"##vso[task.logissue type={level}]{escaped}"


_WRITERS: Mapping[str, Callable[[str, str], str]] = {"TF_BUILD": _azure_pipelines, "GITHUB_ACTIONS": _github}
