"""Reads bytes as one JSON object, strictly: answers of ARM and recorded traffic.

Rules:
- No doubled key (two readers could see two states), no NaN, no Infinity, no number that becomes one.
- Large whole numbers written with a fraction or an exponent are read exactly; every number is, where it is asked for.
- What is refused is said without a part of what was read, which may hold secrets.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn


class NotJson(ValueError):
    """These bytes are not one JSON object; the message says why, without a part of them."""


def parse_object(data: bytes, what: str = "the body", *, exact: bool = False) -> dict[str, Any]:
    """The JSON object that the bytes are; `what` names them in a message. Raises NotJson.

    With `exact`, what is written with a fraction or an exponent is a Decimal, digit by digit.
    """
    if not data.strip():
        raise NotJson(f"{what} is empty")
    try:
        value = json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=_object_without_doubled_keys,
            parse_constant=_refuse_constant,
            parse_float=_exactly if exact else _finite,
        )
    except _Refused as why:
        raise NotJson(f"{what} has {why}") from None
    except RecursionError:
        raise NotJson(f"{what} is nested too deeply") from None
    except ValueError:  # also UnicodeDecodeError and JSONDecodeError, whose texts quote the data
        raise NotJson(f"{what} is not JSON") from None
    if not isinstance(value, dict):
        raise NotJson(f"{what} is not a JSON object")
    return value


class _Refused(Exception):
    """What JSON readers disagree on; never leaves this module."""


def _object_without_doubled_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Refused("an object with the same key twice")
    return members


def _refuse_constant(_: str) -> NoReturn:
    raise _Refused("a number that JSON does not know")


def _exactly(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise _Refused("a number with an exponent that cannot be read") from None


_EXACT = 2.0**53  # from here on neighbouring whole numbers are one and the same float


def _finite(text: str) -> float | int:
    value = float(text)
    if abs(value) < _EXACT:
        return value
    if value in (float("inf"), float("-inf")):
        raise _Refused("a number that is too large")
    exact = _exactly(text)
    if exact != int(exact):
        raise _Refused("a number with more digits than can be compared")
    return int(exact)
