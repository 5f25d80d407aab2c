"""driftguard doctor"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from driftguard.entry.call import Call, common, working
from driftguard.errors import BadConfiguration

if TYPE_CHECKING:
    from driftguard.guard.doctor import Symptom


@click.command()
@common
def doctor(call: Call) -> int:
    """Look whether policy, store, ledgers, notes and ARM are in order. Exit code 2 where something is not."""
    from driftguard.render.tools import doctor_text, doctor_view

    with working("looking"):
        symptoms = _examined(call)
    call.tell(lambda: doctor_view(symptoms), lambda: doctor_text(symptoms))
    return 0 if all(symptom.ok for symptom in symptoms) else 2


def _examined(call: Call) -> list[Symptom]:
    from datetime import UTC, datetime

    from driftguard.guard.doctor import examine, examine_policy
    from driftguard.wiring import policy_loader

    settings = call.settings
    try:
        with call.guard_to_look_at() as guard:
            return examine(guard)
    except BadConfiguration as trouble:
        return examine_policy(policy_loader(settings), datetime.now(UTC).date(), trouble)
