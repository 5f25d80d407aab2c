"""Replaces the secrets of a body by marks: keyed digests that show that a secret changed, and nothing else.

Rules:
- A secret is known by its property's name, by the shape of its value (secret_shapes.py), or by a path of the policy.
- All leaves below a secret property are sealed one by one; null and the empty string stay: they hold no secret.
- Below `credential` and `credentials` texts and numbers are sealed, but not what only says which credential it is.
- A `value` beside a `name` that is a secret's name, or a `type` or flag that says so, is a secret: environment variables,
  parameters, headers. Letter case means nothing there.
- A rule of the policy that names a list element by `[key=value]` finds it by that property alone, also where the list has no
  identity; an element that lacks the property may be it, and where no element has the value each of them may.
- App settings and connection strings of Microsoft.Web are secrets, whatever they are called.
- A string that already looks like a mark is sealed too: nobody can hide a change by writing a mark as a value.
- A mark replaces the whole value, so that neither a character nor the length of it remains.
- The mark of a text and of a number or truth value of the same spelling are the same: services answer both.
- In a stored body what looks like a mark is one: sealing it once more leaves its marks and seals what is a secret by now.
- A body sealed for a comparison is sealed with the key of the baseline: marks of two keys cannot be compared.
"""

from __future__ import annotations

import json
import re
from enum import Enum, auto
from functools import lru_cache
from typing import TypeGuard

from driftguard.flow.identity import identity_key, identity_of
from driftguard.flow.path import MAX_DEPTH, Element, Path, PatternSet, Position, Step, TooDeep
from driftguard.flow.ports import Sealer
from driftguard.flow.reading import Json
from driftguard.flow.secret_shapes import is_credential_name, is_pointer_name, is_secret_name, is_secret_value

# Which secrets are known by name, shape and place. Raise it whenever one is added here or in secret_shapes.py:
# bodies that were stored before are then sealed once more.
SECRETS_VERSION = 1

_MARK = re.compile(r"secret:([^:\s]{1,128}):[0-9a-f]{32}")
_NO_RULES = PatternSet()

# Names under which Microsoft.Web keeps dictionaries of settings whose values are the application's own secrets.
_SETTINGS = frozenset({"appsettings", "connectionstrings", "functionappsettings", "publishingcredentials"})
# Names of lists of named values, all of them secrets: those settings, and the secrets of container apps.
_NAMED_SECRETS = _SETTINGS | {"secrets"}
_VALUES = frozenset({"value", "values", "defaultvalue", "allowedvalues", "connectionstring"})
_NAMES = frozenset({"name", "key", "displayname"})
_FLAGS = frozenset({"secret", "issecret", "isencrypted"})
_SECURE_TYPES = frozenset({"securestring", "secureobject"})
_RESOURCE_IDS = ("/subscriptions/", "/providers/")


class Secrecy(Enum):
    """What is sealed from here on down: what looks like a secret, what a credential holds, or every leaf."""

    BY_LOOK = auto()
    CREDENTIAL = auto()
    ALL = auto()


_BY_LOOK, _CREDENTIAL, _ALL = Secrecy.BY_LOOK, Secrecy.CREDENTIAL, Secrecy.ALL  # looked up for every leaf


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
    return _sealed(body, _Sealing(sealer, redact or _NO_RULES, key_id), type_)


def reseal(
    body: Json, sealer: Sealer, redact: PatternSet | None = None, *, key_id: str | None = None, type_: str = ""
) -> Json:
    """As `seal`, for a body that is sealed already: its marks stay, and what is a secret by now is a mark as well."""
    return _sealed(body, _Sealing(sealer, redact or _NO_RULES, key_id, keeps_marks=True), type_)


def _sealed(body: Json, sealing: _Sealing, type_: str) -> Json:
    rules = sealing.start()
    if isinstance(body, dict) and _is_settings(body, type_):
        body = dict(body)
        settings = {key: body.pop(key) for key in list(body) if key.lower() == "properties"}
        sealed = {key: sealing.value(value, key, (), _ALL, 1) for key, value in settings.items()}
        return {**sealing.value(body, "", rules, _BY_LOOK, 0), **sealed}
    return sealing.value(body, "", rules, _BY_LOOK, 0)


class _Sealing:
    """One walk over one body. `secrecy`: what is sealed from here on; `rules`: where `redact` stands."""

    def __init__(self, sealer: Sealer, redact: PatternSet, key_id: str | None, *, keeps_marks: bool = False) -> None:
        self._sealer = sealer
        self._redact = redact
        self._key_id = key_id
        self._keeps_marks = keeps_marks

    def start(self) -> Position:
        return self._redact.start() if self._redact else ()

    def value(self, value: Json, name: str, rules: Position, secrecy: Secrecy, depth: int) -> Json:
        if isinstance(value, str):
            return self._text(value, name, secrecy)
        if depth > MAX_DEPTH:
            raise TooDeep
        if isinstance(value, dict):
            return self._object(value, rules, _ALL if name.lower() in _SETTINGS else secrecy, depth, False)
        if isinstance(value, list):
            return self._list(value, name, rules, secrecy, depth)
        if value is None or secrecy is _BY_LOOK:
            return value
        return self._mark(name, _spelling(value)) if secrecy is _ALL or _is_in_credential(value, name) else value

    def _text(self, text: str, name: str, secrecy: Secrecy) -> str:
        if not text or (self._keeps_marks and is_mark(text)):
            return text
        if secrecy is _ALL or is_secret_value(text) or is_mark(text):
            return self._mark(name, text)
        return self._mark(name, text) if secrecy is _CREDENTIAL and _is_in_credential(text, name) else text

    def _object(
        self, value: dict[str, Json], rules: Position, secrecy: Secrecy, depth: int, setting: bool
    ) -> dict[str, Json]:
        sealed = {}
        by_neighbours = _ALL if setting else None  # found out where it is needed, once
        for key, item in value.items():
            after = self._redact.advance(rules, key) if rules else ()
            told = _by_name(key)
            if told is None:
                told = by_neighbours = by_neighbours or _told_by_neighbours(value)
            if rules and self._is_hit(after):
                told = _ALL
            here = told if told is _ALL or secrecy is _BY_LOOK else secrecy
            sealed[key] = self.value(item, key, after, here, depth + 1)
        return sealed

    def _list(self, items: list[Json], name: str, rules: Position, secrecy: Secrecy, depth: int) -> list[Json]:
        setting = name.lower() in _NAMED_SECRETS
        sealed = []
        each = self._redact.advance_to_each(rules, items) if rules else [()] * len(items)
        for item, after in zip(items, each, strict=True):
            here = _ALL if self._is_hit(after) else secrecy
            if isinstance(item, dict) and setting:
                sealed.append(self._object(item, after, here, depth + 1, True))
            else:
                sealed.append(self.value(item, name, after, here, depth + 1))
        return sealed

    def part(self, path: Path, value: Json) -> tuple[Path, Json]:
        """A value and the path to it, sealed as far as the path alone tells."""
        rules, secrecy, name, setting = self.start(), _BY_LOOK, "", False
        steps: list[Step] = []
        for step in path:
            if isinstance(step, str):
                rules, told = (
                    (self._redact.advance(rules, step) if rules else ()),
                    self._told_on_the_way(step, steps, setting),
                )
                name, setting = step, False
            else:
                rules, told = _to_an_element(self._redact, rules, step), _BY_LOOK
                setting = name.lower() in _NAMED_SECRETS
            told = _ALL if self._is_hit(rules) else told
            secrecy = told if told is _ALL or secrecy is _BY_LOOK else secrecy
            steps.append(self._identity(step, rules, secrecy) if isinstance(step, Element) else step)
        return tuple(steps), self.value(value, name, rules, secrecy, len(path))

    def _told_on_the_way(self, name: str, before: list[Step], setting: bool) -> Secrecy:
        """What a property's name says, and the name of the list element that it is of."""
        told = _ALL if name.lower() in _SETTINGS else _by_name(name)
        if told is not None:
            return told
        of = before[-1] if before and isinstance(before[-1], Element) else None
        return _ALL if setting else _told_by_neighbours({of.key: of.value} if of else {})

    def _identity(self, step: Element, rules: Position, secrecy: Secrecy) -> Element:
        """The step; with a mark where the property that tells the element apart is a secret itself."""
        is_secret = _by_name(step.key) is _ALL or (rules and self._is_hit(self._redact.advance(rules, step.key)))
        return Element(step.key, self._text(step.value, step.key, _ALL if is_secret else secrecy))

    def _is_hit(self, rules: Position) -> bool:
        return rules != () and self._redact.hit(rules)

    def _mark(self, name: str, text: str) -> str:
        return self._sealer.mark(name, text, self._key_id)


@lru_cache(maxsize=8192)
def _by_name(key: str) -> Secrecy | None:
    """What a property's name says of what stands under it; None for a named value, of which its neighbours tell."""
    if is_secret_name(key):
        return _ALL
    if key.lower() in _VALUES:
        return None
    return _CREDENTIAL if is_credential_name(key) else _BY_LOOK


def _is_in_credential(value: Json, name: str) -> bool:
    """Whether a leaf below a credential can be the secret of it: not what points to something, and no truth value."""
    if isinstance(value, bool) or is_pointer_name(name):
        return False
    return not (isinstance(value, str) and value.lower().startswith(_RESOURCE_IDS))


def _told_by_neighbours(value: dict[str, Json]) -> Secrecy:
    """What the name, type or flag of a named value says of the value."""
    return _ALL if any(_says_secret(key.lower(), item) for key, item in value.items()) else _BY_LOOK


def _says_secret(member: str, item: Json) -> bool:
    if isinstance(item, str):
        if member in _NAMES:
            return is_secret_name(item) or is_credential_name(item)
        return member == "type" and item.lower() in _SECURE_TYPES
    return item is True and member in _FLAGS


def _is_settings(body: dict[str, Json], type_: str) -> bool:
    """Whether the body is a dictionary of settings of a web application: any text may be somebody's password there."""
    type_ = (type_ or str(body.get("type") or "")).lower()
    last_name = str(body.get("name") or body.get("id") or "").lower().rsplit("/", 1)[-1]
    return type_.startswith("microsoft.web/") and type_.endswith("/config") and last_name in _SETTINGS


def reseal_part(
    path: Path, value: Json, sealer: Sealer, redact: PatternSet | None = None, *, key_id: str | None = None
) -> tuple[Path, Json]:
    """As `reseal`, for one value whose body is not at hand, and for the path that leads to it.

    Only the path tells where it stands: a rule for one element of a list may seal that value of other elements too.
    """
    return _Sealing(sealer, redact or _NO_RULES, key_id, keeps_marks=True).part(path, value)


def _to_an_element(redact: PatternSet, rules: Position, step: int | Element) -> Position:
    """Where rules may stand after a step to a list element of which nothing but this step is known."""
    named = {one for node in rules for one in node.literal if not isinstance(one, str) and _may_be_one(one, step)}
    return tuple(dict.fromkeys(node for one in (step, *named) for node in redact.advance(rules, one)))


def _may_be_one(rule: int | Element, step: int | Element) -> bool:
    if isinstance(rule, Element) and isinstance(step, Element) and rule.key.lower() == step.key.lower():
        return rule.value.lower() == step.value.lower()
    return True


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
