"""Reads a body as one JSON object, strictly.

Rules:
- No doubled key (two readers could see two states), no NaN, no Infinity, no number that becomes one.
- What is refused is said without a part of the body, which may hold secrets.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn


class NotJson(ValueError):
    """The body is not one JSON object; the message says why, without a part of the body."""


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object that the body is. Raises NotJson."""
    if not body.strip():
        raise NotJson("the body is empty")
    try:
        value = json.loads(
            body.decode("utf-8-sig"),
            object_pairs_hook=_object_without_doubled_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except NotJson:
        raise
    except RecursionError:
        raise NotJson("the body is nested too deeply") from None
    except ValueError:  # also UnicodeDecodeError and JSONDecodeError, whose texts quote the body
        raise NotJson("the body is not JSON") from None
    if not isinstance(value, dict):
        raise NotJson("the body is not a JSON object")
    return value


def _object_without_doubled_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotJson("an object of the body has the same key twice")
    return members


def _refuse_constant(_: str) -> NoReturn:
    raise NotJson("the body has a number that JSON does not know")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise NotJson("the body has a number that is too large")
    return value
