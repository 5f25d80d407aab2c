"""Names of files and folders made of names that others chose.

Rules:
- Letters, digits, dot, dash and underscore stay; every other character is percent-encoded (UTF-8). So no name leaves the
  folder, and two names never meet in one (but for letter case, where the file system ignores it).
- A name is never empty, `.` or `..`, begins with no dot (hidden) and ends with none (Windows drops it).
- A name that Windows keeps for a device (`CON`, `nul.txt`) has its first character encoded.
- A name longer than MOST characters is cut, and ends with a digest of all of it.

Source of the reserved names: learn.microsoft.com/windows/win32/fileio/naming-a-file.
"""

from __future__ import annotations

import hashlib
import re

MOST = 100  # characters; file systems allow 255 bytes, and a suffix is added

_KEPT = re.compile(r"[A-Za-z0-9._-]")
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def safe_name(text: str) -> str:
    """The name of a file or folder for a text; `%` for the empty one."""
    name = "".join(char if _KEPT.match(char) else _encoded(char) for char in text) or "%"
    if name.startswith(".") or _DEVICE.fullmatch(name):
        name = _encoded(name[0]) + name[1:]
    if name.endswith("."):
        name = name[:-1] + _encoded(".")
    if len(name) > MOST:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        name = f"{name[: MOST - 17]}~{digest}"
    return name


def _encoded(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
