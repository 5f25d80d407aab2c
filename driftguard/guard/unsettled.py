"""Tells where a reading is not in a final state, without a secret that tells a list element apart.

The state is found in the body as it was read, since a rule may seal the state itself; the path is that of the sealed body.
"""

from __future__ import annotations

from driftguard.flow.identity import element_steps
from driftguard.flow.path import Element, Path, PatternSet, Step, format_path
from driftguard.flow.ports import Sealer
from driftguard.flow.reading import Json, Reading
from driftguard.flow.secrets import seal
from driftguard.flow.settled import first_non_terminal

NOT_FINAL = "is not in a final state"


def unsettled(reading: Reading, sealer: Sealer, redact: PatternSet, *, key_id: str | None = None) -> str:
    """What is told of a reading that is not settled, with the path in marks; empty where every state is final.

    Raises SecretKeyMissing, TooDeep.
    """
    path = first_non_terminal(reading.body)
    if path is None:
        return ""
    sealed = seal(reading.body, sealer, redact, key_id=key_id, type_=reading.ref.type)
    return f"{format_path(_in_sealed(path, reading.body, sealed))} {NOT_FINAL}"


def _in_sealed(path: Path, body: Json, sealed: Json) -> Path:
    """The same place in the sealed body: its lists have the same elements, in the same order."""
    steps: list[Step] = []
    name = ""
    for step in path:
        if isinstance(step, str):
            name = step
            body, sealed = _member(body, step), _member(sealed, step)
        else:
            index = _index(step, name, body)
            step, sealed = _elements(name, sealed)[index]
            body = _elements(name, body)[index][1]
        steps.append(step)
    return tuple(steps)


def _member(value: Json, name: str) -> Json:
    return value[name] if isinstance(value, dict) else None


def _elements(name: str, items: Json) -> list[tuple[Step, Json]]:
    return list(element_steps(name, items)) if isinstance(items, list) else []


def _index(step: int | Element, name: str, items: Json) -> int:
    return step if isinstance(step, int) else [one for one, _ in _elements(name, items)].index(step)
