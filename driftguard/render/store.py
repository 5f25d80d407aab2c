"""The result of `store copy` for people; for machines it is its own view."""

from __future__ import annotations

from driftguard.guard.store_copy import Copied
from driftguard.render.untrusted import one_line


def copied_text(copied: Copied) -> str:
    """What was copied, how it was verified, and what the copy still needs before it can be worked with."""
    lines = [
        f"{'COPIED BEFORE' if copied.whole_before else 'COPIED'} {_shown(copied.source)}",
        f"    to {_shown(copied.target)}",
        "",
        f"Holds           {_held(copied)}",
        f"Written now     {_written(copied)}",
        "Verified        every row and blob was read back and is equal",
        f"Digest          {copied.digest}",
        f"Recovery point  {copied.recovery_point}: what was decided later may be missing in the copy",
        "",
        *_keys(copied),
    ]
    return "\n".join(lines)


def _written(copied: Copied) -> str:
    if copied.whole_before:
        return f"nothing: it was whole already at {copied.finished}; to copy what is new, name a new store"
    begun = "; the copy had been begun before" if copied.resumed else ""
    return f"{_number(copied.rows_written, 'row')}, {_number(copied.blobs_written, 'blob')}{begun}"


def _keys(copied: Copied) -> list[str]:
    if not copied.key_ids:
        return ["Keys            none: no secret was ever marked"]
    return [
        f"Keys            {', '.join(copied.key_ids)}: not copied, and the copy needs them",
        f"  they are in   {_shown(copied.keys_in)}",
        f"  put them in   {_shown(copied.keys_to)}",
    ]


def _held(copied: Copied) -> str:
    counted = (_number(copied.jobs, "job"), _number(copied.rows, "row"), _number(copied.blobs, "blob"))
    return f"{', '.join(counted)} ({copied.bytes:,} bytes)"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _shown(text: str) -> str:
    return one_line(text, 500)
