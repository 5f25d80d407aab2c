"""What a GET to ARM asks for, by its path: a word of a closed set, for counting. Nothing of the path itself is in it."""

from __future__ import annotations

import re

# The first pattern that matches speaks. In lower case.
_KINDS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r".*/providers/microsoft\.insights/eventtypes/management/values\Z"), "activity-log"),
    (re.compile(r".*/providers/microsoft\.resources/deployments/[^/]+\Z"), "deployment"),
    (re.compile(r"(?:/subscriptions/[^/]+)?/providers(?:/[^/]+)?\Z"), "provider"),
    (re.compile(r"/subscriptions/[^/]+\Z"), "subscription"),
    (re.compile(r"(?:/subscriptions/[^/]+)(?:/resourcegroups/[^/]+)?/resources\Z"), "list"),
    (re.compile(r"/subscriptions/[^/]+/resourcegroups\Z"), "list"),
    (re.compile(r"/subscriptions/[^/]+/resourcegroups/[^/]+\Z"), "scope"),
    (re.compile(r".*/providers/[^/]+/.+\Z"), "resource"),
)


def kind_of_request(path: str) -> str:
    """resource, scope, list, deployment, provider, subscription, activity-log, or other."""
    plain = path.rstrip("/").lower()
    return next((kind for form, kind in _KINDS if form.match(plain)), "other")
