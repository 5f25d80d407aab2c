"""What others would say of a recorded pair: the ETag, the plain body, and a second opinion on its configuration.

Rules:
- Nothing of the canonical form is used here: a second opinion that shares its rules would share its mistakes.
- The second opinion passes over what is purely formal (ETags, provisioningState, systemData, empty against missing, the
  letter case of ids, the spelling of locations and instants, the order of named elements), wherever it stands, and what
  the table calls read-only. It knows nothing of dictionaries that people fill: it may find too much or too little there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from driftguard.flow.path import Path, Step, format_path

ReadOnly = Callable[[Path], bool]

_ETAGS = frozenset({"etag", "@odata.etag", "odata.etag", "_etag"})
_NOT_CONFIGURATION = _ETAGS | {"provisioningstate", "systemdata"}
_LOCATIONS = frozenset({"location", "locationname", "primarylocation", "secondarylocation", "locations"})
_IDENTITIES = ("name", "id", "key", "lun", "locationName")


def etag_says(before: dict[str, Any], after: dict[str, Any]) -> str:
    """`moved`, `same`, or `cannot tell`, by the first of header, body, properties where both sides have an ETag."""
    for place in ("header", "body", "properties"):
        old, new = (_bare((side or {}).get(place)) for side in (before, after))
        if old and new:
            return "same" if old == new else "moved"
    return "cannot tell"


def bodies_differ(before: Any, after: Any) -> bool:
    """Whether the bodies differ as JSON, apart from their ETags."""
    return bool(_without_etags(before) != _without_etags(after))


def configuration_differs_at(before: Any, after: Any, read_only: ReadOnly) -> list[str]:
    """The paths where what may be written differs."""
    return sorted({format_path(path) for path in _differences((), before, after, read_only)})


def _bare(etag: Any) -> str:
    return etag.removeprefix("W/").strip('"') if isinstance(etag, str) else ""


def _without_etags(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_etags(item) for key, item in value.items() if key.lower() not in _ETAGS}
    return [_without_etags(item) for item in value] if isinstance(value, list) else value


def _differences(path: Path, before: Any, after: Any, read_only: ReadOnly) -> Iterator[Path]:
    if path and read_only(path):
        return
    if isinstance(before, dict | None) and isinstance(after, dict | None) and (before or after):
        old, new = _members(before), _members(after)
        for key in old.keys() | new.keys():
            if _is_id(key) and (key in old) != (key in new):
                yield (*path, key)
            yield from _differences((*path, key), old.get(key), new.get(key), read_only)
    elif isinstance(before, list | None) and isinstance(after, list | None) and (before or after):
        for step, old_item, new_item in _matched(before or [], after or []):
            yield from _differences((*path, step), old_item, new_item, read_only)
    elif _form(path, before) != _form(path, after):
        yield path


def _members(value: dict[str, Any] | None) -> dict[str, Any]:
    """What an object says; names that are ids are in lower case, and say something even where nothing stands under them."""
    members = {_id_form(key): item for key, item in (value or {}).items() if key.lower() not in _NOT_CONFIGURATION}
    return {key: item for key, item in members.items() if _is_id(key) or not _is_empty(item)}


def _is_empty(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_empty, value.values()))
    return value in (None, "", [])


def _matched(before: list[Any], after: list[Any]) -> Iterator[tuple[Step, Any, Any]]:
    """The elements of two lists beside each other, by their common identity or by their places."""
    key = next((name for name in _IDENTITIES if _tells_apart(name, before) and _tells_apart(name, after)), None)
    if key is None:
        for index in range(max(len(before), len(after))):
            yield index, _at(before, index), _at(after, index)
        return
    old, new = ({str(item[key]).lower(): item for item in items} for items in (before, after))
    for index, name in enumerate(sorted(old.keys() | new.keys())):
        yield index, old.get(name, ()), new.get(name, ())


def _tells_apart(key: str, items: list[Any]) -> bool:
    names = [str(item[key]).lower() for item in items if isinstance(item, dict) and item.get(key) is not None]
    return len(names) == len(items) == len(set(names))


def _at(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else ()  # not there: unlike any JSON value


def _form(path: Path, value: Any) -> Any:
    """A leaf as this opinion compares it; True and 1 stay apart."""
    if isinstance(value, str):
        return "" if not value else _text_form(path, value)
    if isinstance(value, bool) or value is None or value in ((), [], {}):
        return "" if value is None or value in ([], {}) else repr(value)
    return float(value) if isinstance(value, int | float) else repr(value)


def _text_form(path: Path, text: str) -> Any:
    name = next((step.lower() for step in reversed(path) if isinstance(step, str)), "")
    if name in _LOCATIONS:
        return text.replace(" ", "").lower()
    if name == "type" or path == ("name",):
        return text.lower()
    return _instant(text) or _id_form(text)


def _id_form(text: str) -> str:
    return text.lower() if _is_id(text) else text


def _is_id(text: str) -> bool:
    return text.lower().startswith(("/subscriptions/", "/providers/"))


def _instant(text: str) -> datetime | None:
    if len(text) < len("2018-02-14T06:01:52") or text[10] != "T":
        return None
    try:
        moment = datetime.fromisoformat(text[:26] if text[19:20] == "." and "+" not in text else text)
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC)
