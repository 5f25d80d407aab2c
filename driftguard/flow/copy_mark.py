"""The mark of a store that is being filled from another one: one row, which no verb writes.

The row `~store`/`copy`/`state` is {"state": "copying" | "copied", "from": the other store, "started": text, UTC, …}. It
stands in a store from before the first thing that is copied into it; a store that was never copied into has none. The fact
`copy-state` of the store has the same state: "copying" before the row does, and "copied" after it. Where the row was taken
back before anything was copied, since the store turned out to be in use, the fact is "withdrawn".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PARTITION = "~store"
KIND = "copy"
ROW = "state"
FACT = "copy-state"
COPYING, COPIED, WITHDRAWN = "copying", "copied", "withdrawn"


def is_unfinished(body: Mapping[str, Any]) -> bool:
    """Whether the store of this mark is not to be worked with. A mark that nobody knows counts as unfinished."""
    return body.get("state") != COPIED
