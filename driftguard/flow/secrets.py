"""Replaces the secrets of a body by marks: keyed digests that show that a secret changed, and nothing else.

Rules:
- A secret is known by its property's name, by the shape of its value (secret_shapes.py), or by a path of the policy.
- All leaves below a secret property are sealed one by one; null and the empty string stay: they hold no secret.
- A `value` beside a `name` that is a secret's name is a secret: environment variables, parameters, headers.
- App settings and connection strings of Microsoft.Web are secrets, whatever they are called.
- A string that already looks like a mark is sealed too: nobody can hide a change by writing a mark as a value.
- A mark replaces the whole value, so that neither a character nor the length of it remains.
- The mark of a text and of a number or truth value of the same spelling are the same: services answer both.
- A body sealed for a comparison is sealed with the key of the baseline: marks of two keys cannot be compared.
"""

from __future__ import annotations

import json
import re
from typing import TypeGuard

from driftguard.flow.identity import element_steps, identity_key, identity_of
from driftguard.flow.path import MAX_DEPTH, Element, PatternSet, Position, Step, TooDeep
from driftguard.flow.ports import Sealer
from driftguard.flow.reading import Json
from driftguard.flow.secret_shapes import is_secret_name, is_secret_value

_MARK = re.compile(r"secret:([^:\s]{1,128}):[0-9a-f]{32}")
_NO_RULES = PatternSet()

# Names under which Microsoft.Web keeps dictionaries of settings whose values are the application's own secrets.
_SETTINGS = frozenset({"appsettings", "connectionstrings", "functionappsettings", "publishingcredentials"})
# Names of lists of named values, all of them secrets: those settings, and the secrets of container apps.
_NAMED_SECRETS = _SETTINGS | {"secrets"}
_VALUES = frozenset({"value", "defaultvalue", "connectionstring"})
_SECURE_TYPES = frozenset({"securestring", "secureobject"})


def is_mark(value: Json) -> TypeGuard[str]:
    """Whether the value has the form of a mark."""
    return isinstance(value, str) and value.startswith("secret:") and _MARK.fullmatch(value) is not None


def mark_key(value: str) -> str:
    """The id of the key that made a mark. Raises ValueError for anything else."""
    match = _MARK.fullmatch(value)
    if match is None:
        raise ValueError("not a mark")
    return match[1]


def seal(
    body: Json, sealer: Sealer, redact: PatternSet | None = None, *, key_id: str | None = None, type_: str = ""
) -> Json:
    """A copy of the body in which every secret is a mark by the key `key_id` (default: the sealer's active key).

    `type_` is the resource type. Raises SecretKeyMissing where the key is not at hand, and TooDeep.
    """
    sealing = _Sealing(sealer, redact or _NO_RULES, key_id)
    rules = redact.start() if redact else ()
    if isinstance(body, dict) and _is_settings(body, type_):
        body = dict(body)
        settings = {key: body.pop(key) for key in list(body) if key.lower() == "properties"}
        sealed = {key: sealing.value(value, key, (), True, 1) for key, value in settings.items()}
        return {**sealing.value(body, "", rules, False, 0), **sealed}
    return sealing.value(body, "", rules, False, 0)


class _Sealing:
    """One walk over one body. `secret`: all leaves from here on are secrets; `rules`: where `redact` stands."""

    def __init__(self, sealer: Sealer, redact: PatternSet, key_id: str | None) -> None:
        self._sealer = sealer
        self._redact = redact
        self._key_id = key_id

    def value(self, value: Json, name: str, rules: Position, secret: bool, depth: int) -> Json:
        if isinstance(value, str):
            return self._text(value, name, secret)
        if depth > MAX_DEPTH:
            raise TooDeep
        if isinstance(value, dict):
            return self._object(value, rules, secret or name.lower() in _SETTINGS, depth, False)
        if isinstance(value, list):
            return self._list(value, name, rules, secret, depth)
        return self._mark(name, _spelling(value)) if secret and value is not None else value

    def _text(self, text: str, name: str, secret: bool) -> str:
        if text and (secret or is_secret_value(text) or is_mark(text)):
            return self._mark(name, text)
        return text

    def _object(
        self, value: dict[str, Json], rules: Position, secret: bool, depth: int, setting: bool
    ) -> dict[str, Json]:
        secret_value = setting or _names_a_secret(value)
        sealed = {}
        for key, item in value.items():
            after = self._redact.advance(rules, key) if rules else ()
            here = secret or is_secret_name(key) or (secret_value and key.lower() in _VALUES)
            here = here or (after != () and self._redact.hit(after))
            sealed[key] = self.value(item, key, after, here, depth + 1)
        return sealed

    def _list(self, items: list[Json], name: str, rules: Position, secret: bool, depth: int) -> list[Json]:
        setting = name.lower() in _NAMED_SECRETS
        sealed = []
        for step, item in element_steps(name, items) if rules else enumerate(items):
            after = self._redact.advance(rules, step) if rules else ()
            here = secret or (after != () and self._redact.hit(after))
            if isinstance(item, dict) and setting:
                sealed.append(self._object(item, after, here, depth + 1, True))
            else:
                sealed.append(self.value(item, name, after, here, depth + 1))
        return sealed

    def _mark(self, name: str, text: str) -> str:
        return self._sealer.mark(name, text, self._key_id)


def _names_a_secret(value: dict[str, Json]) -> bool:
    """Whether the object is a named value whose name or type says that the value is a secret."""
    if "value" not in value:
        return False
    name, type_ = value.get("name", value.get("key")), value.get("type")
    return (
        value.get("secret") is True
        or (isinstance(name, str) and is_secret_name(name))
        or (isinstance(type_, str) and type_.lower() in _SECURE_TYPES)
    )


def _is_settings(body: dict[str, Json], type_: str) -> bool:
    """Whether the body is a dictionary of settings of a web application: any text may be somebody's password there."""
    type_ = (type_ or str(body.get("type") or "")).lower()
    last_name = str(body.get("name") or body.get("id") or "").lower().rsplit("/", 1)[-1]
    return type_.startswith("microsoft.web/") and type_.endswith("/config") and last_name in _SETTINGS


def _spelling(value: Json) -> str:
    """A number or truth value as JSON; 1 and 1.0 are one number, as in the canonical form."""
    return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)


def align(before: Json, after: Json, sealer: Sealer) -> tuple[Json, Json]:
    """Seals on either side what only the other side has sealed, by the same key, so that both can be compared.

    For two readings between which the rules for secrets changed. A side that needs nothing is returned as it is
    (the same object). Raises SecretKeyMissing where a mark's key is not at hand.
    """
    return _aligned(before, after, "", sealer)


def _aligned(before: Json, after: Json, name: str, sealer: Sealer) -> tuple[Json, Json]:
    if isinstance(before, dict) and isinstance(after, dict):
        return _aligned_objects(before, after, sealer)
    if isinstance(before, list) and isinstance(after, list):
        return _aligned_lists(before, after, name, sealer)
    if is_mark(before) and _can_be_sealed(after):
        return before, _mark_like(before, after, name, sealer)
    if is_mark(after) and _can_be_sealed(before):
        return _mark_like(after, before, name, sealer), after
    return before, after


def _can_be_sealed(value: Json) -> bool:
    return not is_mark(value) and not isinstance(value, dict | list) and value is not None and value != ""


def _mark_like(mark: str, value: Json, name: str, sealer: Sealer) -> str:
    return sealer.mark(name, value if isinstance(value, str) else _spelling(value), mark_key(mark))


def _aligned_objects(before: dict[str, Json], after: dict[str, Json], sealer: Sealer) -> tuple[Json, Json]:
    changed_before, changed_after = {}, {}
    for key in before.keys() & after.keys():
        left, right = _aligned(before[key], after[key], key, sealer)
        if left is not before[key]:
            changed_before[key] = left
        if right is not after[key]:
            changed_after[key] = right
    return (
        {**before, **changed_before} if changed_before else before,
        {**after, **changed_after} if changed_after else after,
    )


def _aligned_lists(before: list[Json], after: list[Json], name: str, sealer: Sealer) -> tuple[Json, Json]:
    old, new = _steps(before, after, name, sealer)
    at = {step: index for index, step in enumerate(new)}
    new_before, new_after = list(before), list(after)
    for index, step in enumerate(old):
        other = at.get(step)
        if other is not None:
            new_before[index], new_after[other] = _aligned(before[index], after[other], name, sealer)
    same_before = all(new is old for new, old in zip(new_before, before, strict=True))
    same_after = all(new is old for new, old in zip(new_after, after, strict=True))
    return before if same_before else new_before, after if same_after else new_after


def _steps(before: list[Json], after: list[Json], name: str, sealer: Sealer) -> tuple[list[Step], list[Step]]:
    """What tells the elements of each list apart; identities are sealed too where one side has sealed ones."""
    key = identity_key(name, before, after)
    if key is None:
        return list(range(len(before))), list(range(len(after)))
    old, new = ([identity_of(item, key) or "" for item in items] for items in (before, after))
    mark = next((text for text in (*old, *new) if is_mark(text)), None)
    if mark is not None:
        old, new = (
            [text if is_mark(text) else _mark_like(mark, text, key, sealer) for text in texts] for texts in (old, new)
        )
    return [Element(key, text.lower()) for text in old], [Element(key, text.lower()) for text in new]
