"""Resource types in a policy that the tables do not know, although they know others of the namespace and one close to it.

Rules:
- A type that is like no known one is not told: there are types that the tables have not.
- A glob is not told: it may be meant for types to come.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from driftguard.errors import BadConfiguration
from driftguard.flow.policy import Policy
from driftguard.flow.policy_notices import Notice, is_own

_CLOSE = 0.8


def unknown_types(policy: Policy, folder: Path) -> Iterator[Notice]:
    """A warning for each own rule on such a type; `folder` is the folder `platform/`. Raises BadConfiguration."""
    files = {file.stem.lower(): file for file in folder.glob("*.json")}
    known = cache(lambda namespace: _types_in(files[namespace]) if namespace in files else {})
    for rule in filter(is_own, policy.rules):
        type_ = rule.match.type
        if set("*?[") & set(type_) or "/" not in type_:
            continue
        types: Mapping[str, str] = known(type_.partition("/")[0].lower())
        close = difflib.get_close_matches(type_.lower(), types, n=1, cutoff=_CLOSE)
        if close and type_.lower() not in types:
            text = f"rule {rule.name!r} is for the type {type_!r}, which is not known in its namespace"
            yield Notice(rule.where, text, f"did you mean {types[close[0]]}?")


def _types_in(file: Path) -> dict[str, str]:
    """The types of one table, and their child collections, by their names in lower case."""
    try:
        table = json.loads(file.read_bytes())
        children = [f"{type_}/{child}" for type_, entry in table.items() for child in entry.get("children", ())]
    except (OSError, ValueError, AttributeError) as error:
        raise BadConfiguration(f"{file}: not a platform table", "install Drift Guard again") from error
    return {type_.lower(): type_ for type_ in (*children, *table)}
