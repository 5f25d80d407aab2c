"""What the canonical form of a JSON text leaves unsaid, so that a text of people's own can be compared without a gap.

Rules:
- The form is right for what Azure answers, where null and missing, or two spellings of an id, are the same. In a file of
  one's own they may not be.
- What is unsaid is told place by place; a text of which the form says everything has none. So an edit of a value changes the
  value's own path only.
- A number with more digits than are compared is told with all of them; how it is written makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from driftguard.flow.canonical import canonical
from driftguard.flow.identity import best_identities
from driftguard.flow.reading import Json
from driftguard.flow.resource import BLOB_TYPE

_NAME = "body"  # under which the content stands in a blob's body


def unsaid(content: Json) -> list[Any]:
    """What the form of this content does not tell, as JSON: [[place, what stood there], …]. Raises TooDeep."""
    found: list[Any] = []
    form = canonical({_NAME: content}, BLOB_TYPE)
    _compare(content, form.get(_NAME), _NAME, (), found)
    return found


def rounded(content: Json, exact: Any, place: tuple[str | int, ...] = ()) -> Iterator[list[Any]]:
    """The numbers of a content that are not told to the last digit, as JSON: [place, sign, digits, exponent], …

    `exact` is the same content with a Decimal for each number that has a fraction or an exponent.
    """
    if isinstance(content, dict):
        for key in sorted(content):
            yield from rounded(content[key], exact[key], (*place, key))
    elif isinstance(content, list):
        for index, item in enumerate(content):
            yield from rounded(item, exact[index], (*place, index))
    elif isinstance(content, float) and Decimal(repr(content)) != exact:
        sign, digits, exponent = exact.as_tuple()
        written = "".join(map(str, digits))
        short = written.rstrip("0")
        yield [place, sign, short, exponent + len(written) - len(short)]


def _compare(value: Json, form: Json, name: str, place: tuple[str | int, ...], found: list[Any]) -> None:
    if isinstance(value, dict) and isinstance(form, dict):
        _compare_objects(value, form, place, found)
    elif isinstance(value, list) and isinstance(form, list) and len(value) == len(form):
        _compare_lists(value, form, name, place, found)
    elif value != form:
        found.append([place, value])


def _compare_objects(
    value: dict[str, Json], form: dict[str, Json], place: tuple[str | int, ...], found: list[Any]
) -> None:
    for key, item in sorted(value.items()):
        below = (*place, key)
        if key in form:
            _compare(item, form[key], key.lower(), below, found)
        else:
            found.append([below, item])


def _compare_lists(
    value: list[Json], form: list[Json], name: str, place: tuple[str | int, ...], found: list[Any]
) -> None:
    known = best_identities(name, value)
    order = list(range(len(value)))
    if known is not None and known != sorted(known):
        found.append([place, "order", known])
        order.sort(key=lambda index: known[index])
    for index, item in zip(order, form, strict=True):
        below = (*place, index if known is None else known[index])
        _compare(value[index], item, name, below, found)
