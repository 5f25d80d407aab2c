"""Bodies of requests and answers, what stands in them, and at which path.

Rules:
- A body is a value together with the models that it names; at one place several may stand: subtypes, PUT and PATCH.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from driftguard.flow.path import format_path
from tools.platform_paths.schema import Kind, Model, Models, Property, Value

Body = tuple[Models, Value]
Bodies = tuple[Body, ...]
Named = tuple[Models, Model]  # a model, with the models that it belongs to


def once(bodies: Iterable[Body]) -> Bodies:
    """The bodies without repetitions, in their order."""
    return tuple(dict.fromkeys(bodies))


def models_in(bodies: Bodies) -> tuple[Named, ...]:
    """Every model that may stand here, subtypes included."""
    found: dict[tuple[Models, str], Named] = {}
    for models, value in bodies:
        for name in value.models if value.kind is Kind.OBJECT else ():
            if name in models.models:
                for each in (name, *models.models[name].subtypes):
                    found[models, each] = (models, models.models[each])
    return tuple(found.values())


def elements(bodies: Bodies, kind: Kind) -> Bodies:
    """What stands in the lists (or dictionaries) among the bodies."""
    return once((models, value.of) for models, value in bodies if value.kind is kind and value.of is not None)


def has(bodies: Bodies, kind: Kind) -> bool:
    """Whether one of the bodies is of this kind."""
    return any(value.kind is kind for _, value in bodies)


def properties(named: Iterable[Named], name: str) -> Iterator[tuple[Models, Property]]:
    """The property of this name (lower case) of each of the models that has it."""
    for models, model in named:
        if name in model.properties:
            yield models, model.properties[name]


def names_in(*sides: Iterable[Named]) -> list[str]:
    """The names of all properties of the models, in lower case and sorted."""
    return sorted({name for side in sides for _, model in side for name in model.properties})


def below(path: str, name: str) -> str:
    """The path of a property of what stands at `path`, in the language of patterns."""
    step = format_path((name,))
    return f"{path}.{step}" if path and not step.startswith("[") else f"{path}{step}"


def may_be_sent(sent: Bodies) -> set[tuple[Models, str]]:
    """Every model that can be reached from these bodies through properties that may be written."""
    reached: set[tuple[Models, str]] = set()
    waiting = list(sent)
    while waiting:
        models, value = waiting.pop()
        if value.of is not None:
            waiting.append((models, value.of))
        for owner, model in models_in(((models, value),)):
            if (owner, model.name) not in reached:
                reached.add((owner, model.name))
                waiting += [(owner, item.value) for item in model.properties.values() if item.writable]
    return reached
