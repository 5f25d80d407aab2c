"""driftguard doctor"""

from __future__ import annotations

import click

from driftguard.entry.call import Call, common, working


@click.command()
@common
def doctor(call: Call) -> int:
    """Look whether policy, store, ledgers, notes and ARM are in order. Exit code 2 where something is not."""
    from driftguard.guard.doctor import examine
    from driftguard.render.tools import doctor_text, doctor_view

    with call.guard() as guard, working("looking"):
        symptoms = examine(guard)
    call.tell(lambda: doctor_view(symptoms), lambda: doctor_text(symptoms))
    return 0 if all(symptom.ok for symptom in symptoms) else 2
