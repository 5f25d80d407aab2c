"""A policy file that somebody has begun and not finished: empty, only comments, or `jobs:` without a list.

Rules:
- No verb judges by such a file: a named file that says nothing is an error. Only who adds an entry to it finishes it.
- Everything that stands in it stays, byte for byte; what is missing comes behind it.
"""

from __future__ import annotations

import yaml
from yaml.nodes import MappingNode, ScalarNode

_NULL = "tag:yaml.org,2002:null"
_VERSION = "version: 1"


def finished(data: bytes) -> bytes:
    """The file with what is missing, as a policy that says nothing; unchanged where nothing of this kind is missing."""
    try:
        text = data.decode("utf-8-sig")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (
        yaml.YAMLError,
        ValueError,
        OverflowError,
        RecursionError,
    ):  # reason: reading it as a policy says what is wrong
        return data
    mark = data[: len(data) - len(text.encode())]
    if root is None or (isinstance(root, ScalarNode) and root.tag == _NULL and root.value == ""):
        return mark + _with_version(text).encode()
    if not isinstance(root, MappingNode) or root.flow_style:
        return data
    for key, value in root.value:
        if key.value == "jobs" and isinstance(value, ScalarNode) and value.tag == _NULL:
            return mark + (_with_list(text, key.end_mark.index, value.start_mark.index, value.end_mark.index)).encode()
    return data


def _with_version(text: str) -> str:
    """Behind the comments, and before the end of the document where one is marked."""
    newline = "\r\n" if "\r\n" in text else "\n"
    end = text.find("\n...")
    head, tail = (text, "") if end < 0 else (text[: end + 1], text[end + 1 :])
    if head and not head.endswith("\n"):
        head += newline
    return f"{head}{_VERSION}{newline}{tail}"


def _with_list(text: str, key_ends: int, starts: int, ends: int) -> str:
    """`jobs:` or `jobs: null`, in place of which comes `jobs: []`."""
    if starts < ends:
        return f"{text[:starts]}[]{text[ends:]}"
    colon = text.index(":", key_ends)
    return f"{text[: colon + 1]} []{text[colon + 1 :]}"
