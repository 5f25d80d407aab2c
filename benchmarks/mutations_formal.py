"""The same resource body in another form: what a person did not change and a comparison must not see.

Rules:
- Keys and elements of lists with an identity are shuffled, ids change their letter case, the resource's location its
  spelling, instants their fraction and zone, and whole numbers are written with a fraction.
- Left as they are: texts in dictionaries that people name, and secrets (of a secret every character counts).
"""

from __future__ import annotations

import random
import re
from typing import Any

from driftguard.flow.identity import identity_key
from driftguard.flow.place import USER_NAMED, people_name_properties
from driftguard.flow.secrets import is_mark

_INSTANT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,7})?(Z|\+00:00)?")
_ONE_SPELLING = {"West Europe", "North Europe", "East US", "East US 2", "West US", "West US 2", "Central US"}
_OTHER_SPELLING = {name.replace(" ", "").lower(): name for name in _ONE_SPELLING}
_EXACT = 2**53  # floats hold every whole number below


def formally_changed(body: dict[str, Any], sealed: dict[str, Any], seed: int) -> dict[str, Any]:
    """The body in another form. `sealed` is the same body with marks for its secrets."""
    chance = random.Random(seed)
    made: dict[str, Any] = _shuffled(chance, {key: _form(chance, body[key], sealed[key], key) for key in body})
    if people_name_properties(body):
        made["properties"] = body.get("properties")
    if isinstance(body.get("location"), str):
        location = body["location"]
        made["location"] = _OTHER_SPELLING.get(location, location.replace(" ", "").lower())
    return made


def _form(chance: random.Random, value: Any, sealed: Any, name: str) -> Any:
    if isinstance(value, dict):
        if name.lower() in USER_NAMED:
            return _shuffled(chance, value)
        return _shuffled(chance, {_key(key): _form(chance, item, sealed[key], key) for key, item in value.items()})
    if isinstance(value, list):
        made = [_form(chance, item, mark, name) for item, mark in zip(value, sealed, strict=True)]
        if value and identity_key(name, value) is not None:
            chance.shuffle(made)
        return made
    if is_mark(sealed):
        return value
    if isinstance(value, str):
        return _text(value)
    return float(value) if type(value) is int and abs(value) < _EXACT else value


def _shuffled(chance: random.Random, members: dict[str, Any]) -> dict[str, Any]:
    keys = list(members)
    chance.shuffle(keys)
    return {key: members[key] for key in keys}


def _key(key: str) -> str:
    return key.upper() if key.lower().startswith("/subscriptions/") else key


def _text(text: str) -> str:
    if text.lower().startswith(("/subscriptions/", "/providers/")):
        return text.upper()
    instant = _INSTANT.fullmatch(text)
    if instant is None:
        return text
    return f"{instant[1]}{(instant[2] or '.').ljust(8, '0')}{'Z' if instant[3] == '+00:00' else '+00:00'}"
