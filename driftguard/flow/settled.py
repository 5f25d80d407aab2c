"""Whether a resource's state is final.

Rules:
- Every `provisioningState` counts, at any depth: of the resource, of what is nested in it, of its regions; and so does the
  `registrationState` of a resource provider, which is the same under another name.
- Final by contract: Succeeded, Failed, Canceled (github Azure/azure-resource-manager-rpc, async-api-reference.md).
- By the same contract every other word means that an operation runs; providers keep to it with words that say so:
  a word with a part in -ing (Updating, ProvisioningAccount), or one of `RUNNING`.
- Any other word (Ready, Active, Online, Completed, Stopped …) is final: providers leave resources in it for good, and
  their configuration is compared all the same.
- Created is not final: Event Hubs and Service Bus namespaces pass through it before Succeeded.
- Unknown and NotSpecified are not final: the provider does not say, so nothing is concluded.
- What people named themselves (a tag, or a part of a workflow definition, called provisioningState) says nothing.
"""

from __future__ import annotations

import re

from driftguard.flow.identity import element_steps
from driftguard.flow.path import MAX_DEPTH, Path, TooDeep
from driftguard.flow.place import FREE_FORM
from driftguard.flow.reading import Json

RUNNING = frozenset(
    {
        *("accepted", "created", "inprogress", "notstarted", "pending", "queued", "requested", "scheduled", "started"),
        *("submitted", "uninitialized", "internallyready", "validatesubscriptionquotabegin"),
        *("validatesubscriptionquotaend", "unknown", "notspecified", "none"),
    }
)
_STATES = frozenset({"provisioningstate", "registrationstate"})
_CONTAINERS = (dict, list)
_GERUND = re.compile(r"(?:ing|ING)(?![a-z])")


def is_terminal(state: str) -> bool:
    """Whether the word is a final provisioning state."""
    return _GERUND.search(state) is None and state.replace(" ", "").lower() not in RUNNING


def first_non_terminal(body: Json) -> Path | None:
    """The path of the first state of `_STATES` that is not final, or None. Raises TooDeep."""
    return _first(body, "", 0) if isinstance(body, _CONTAINERS) else None


def _first(value: Json, name: str, depth: int) -> Path | None:
    if depth > MAX_DEPTH:
        raise TooDeep
    if isinstance(value, dict):
        return _first_in_object(value, depth)
    for index, item in enumerate(value):
        if isinstance(item, _CONTAINERS) and (below := _first(item, name, depth + 1)) is not None:
            steps = [step for step, _ in element_steps(name, value)]
            return (steps[index], *below)
    return None


def _first_in_object(value: dict[str, Json], depth: int) -> Path | None:
    for key, item in value.items():
        if isinstance(item, str):
            if key.lower() in _STATES and not is_terminal(item):
                return (key,)
        elif isinstance(item, _CONTAINERS) and key.lower() not in FREE_FORM:
            below = _first(item, key, depth + 1)
            if below is not None:
                return (key, *below)
    return None
