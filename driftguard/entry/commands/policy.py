"""driftguard policy"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from driftguard.entry.call import Call, common

if TYPE_CHECKING:
    from datetime import date

    from driftguard.flow.policy import Policy
    from driftguard.guard.firings import RuleFirings
    from driftguard.guard.replay import ReplaySummary


@click.group()
def policy() -> None:
    """Look a policy file through."""


@policy.command()
@click.argument("file", required=False)
@click.option(
    "--pairs", metavar="PAIRS", help="Recorded pairs, as for replay: tell which rules fire on them, and how often."
)
@common
def check(call: Call, file: str | None, pairs: str | None) -> int:
    """Tell every error and warning of FILE (default: the policy that would apply), each with its line and a remedy.

    Exit code 0 where it is valid, with warnings or without; 3 where it is not; 2 where a line of the pairs could not be
    read, or there was none.
    """
    from datetime import UTC, datetime
    from pathlib import Path

    from driftguard.policies_folder import policies_folder
    from driftguard.policy_file.examined import examine
    from driftguard.render.policy_check import exit_code, policy_text, policy_view

    today = datetime.now(UTC).date()
    named = call.settings.policy if file is None else Path(file)
    examined = examine(named, folder=policies_folder(), today=today)
    fired, summary = _fired(examined.policy, pairs, today) if examined.policy and pairs is not None else ((), None)
    call.tell(lambda: policy_view(examined, fired, summary), lambda: policy_text(examined, fired, summary))
    return exit_code(examined, summary)


def _fired(policy: Policy, pairs: str, today: date) -> tuple[tuple[RuleFirings, ...], ReplaySummary]:
    """The rules of the policy as they fire on recorded pairs."""
    from driftguard.guard.firings import Firings
    from driftguard.guard.replay import ReplaySummary, judge_lines
    from driftguard.guard.traffic_file import open_lines

    firings, summary = Firings(policy, today), ReplaySummary()
    with open_lines(pairs) as lines:
        for verdict in judge_lines(lines, policy, today):
            summary.add(verdict)
            if verdict.ref is not None:
                firings.add(verdict.ref, verdict.fired, verdict.shadowed, compared=verdict.compared)
    return firings.rules(), summary
