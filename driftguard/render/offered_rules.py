"""The policy rules that would ignore what was seen to differ by itself, as YAML to paste.

Rules:
- A rule is offered only where it is known that no person made the difference: the sources have told everything up to the
  second look, and none of the writers is a person, or may be one. A person's change is none to be ignored for good.
- It ignores exactly the one path. Its reason and owner are to be filled in.
- Every text is quoted: no name of a resource ends up as something else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from driftguard.render.findings import configuration
from driftguard.render.untrusted import without_agent_commands

_REASON, _OWNER = "fill in: why its changes do not count", "fill in: whom to ask"


def offered_rules(differing: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One rule for each type and path that counts: {resource_type, path, text}, the text to paste below `rules:`."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in differing:
        for change in configuration(one) if one["changes_by_itself"] else ():
            if change["path"]:
                key = (str(one["type"]).lower(), str(change["path"]).lower())
                found.setdefault(key, _rule(str(one["type"]), str(change["path"])))
    return list(found.values())


def _rule(resource_type: str, path: str) -> dict[str, Any]:
    name = f"{resource_type}: {path} changes by itself"
    lines = [
        f"- name: {_yaml(name)}",
        f"  match: {{type: {_yaml(resource_type)}}}",
        f"  ignore: [{_yaml(path)}]",
        f"  reason: {_yaml(_REASON)}",
        f"  owner: {_yaml(_OWNER)}",
    ]
    return {"resource_type": resource_type, "path": path, "text": "\n".join(f"  {line}" for line in lines)}


def _yaml(text: str) -> str:
    """The text in double quotes: what a path holds prints, and an escape says the same in YAML as in JSON."""
    return without_agent_commands(json.dumps(text, ensure_ascii=False))
