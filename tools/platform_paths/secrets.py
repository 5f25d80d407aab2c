"""Which write-only paths hold a secret: what a PUT carries and a GET never shows.

Rules:
- Only free texts count: no number, truth value, date, or text of a fixed set.
- The name must speak of a credential, or of a text that may carry one (a script, settings, the content of a file), and not of
  what only points to it (an id, an address, a name, a path).
- An object that is write-only is entered; in a dictionary of texts the dictionary's name speaks.
- Data Factory says itself what is secret: the `value` of a `SecretBase`.
"""

from __future__ import annotations

import re

from tools.platform_paths.bodies import Bodies, below, elements, has, models_in, names_in, once, properties
from tools.platform_paths.schema import Kind

_SECURE_TEXT = "SecretBase"
_DEEPEST = 6
_SECRET = re.compile(
    r"password|passphrase|passcode|secret|credential|token|sas(?:key|url)?$|connectionString|cookie|"
    r"(?:auth|authorization|access|account|api|admin|shared|primary|secondary|master|management|encryption|private|storage|"
    r"registration|license)key$|customData$|userData$|customHeaders$|commandToExecute$|script(?:Content|Text)?$|"
    r"setParameters$|appSettings|content$|pfx|certificate(?:Object|Data|Blob|Value)?$|^(?:data|value|key1|key2)$",
    re.IGNORECASE,
)
_POINTER = re.compile(
    r"(?:id|ids|ur[il]s?|identifier|mode|type|names?|tags?|versions?|kind|state|status|thumbprint|path|location|folder|"
    r"expiry|expiration|time|date|format|reference|identity|property|properties|language|container)$|issuer|audience|"
    r"description",
    re.IGNORECASE,
)


def has_secure_texts(bodies: Bodies) -> bool:
    """Whether the models of a body know texts that are sealed."""
    return any(_SECURE_TEXT in models.models for models, _ in bodies)


class SecretPaths:
    """Collects the paths of secrets of one form of a resource."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def secure_texts(self, path: str, bodies: Bodies, entered: frozenset[str] = frozenset()) -> None:
        """Takes every place where a text may stand that its model seals, in all that stands at a path."""
        if any(_SECURE_TEXT in value.models for _, value in bodies):
            self.found.append(f"{path}.value")
            return
        named = tuple(item for item in models_in(bodies) if item[1].name not in entered)
        entered |= {model.name for _, model in named}
        for name in names_in(named):
            inside = [(models, item) for models, item in properties(named, name)]
            self.secure_texts(below(path, inside[0][1].name), once((m, item.value) for m, item in inside), entered)
        for kind, step in ((Kind.LIST, "[*]"), (Kind.DICTIONARY, ".*")):
            if has(bodies, kind):
                self.secure_texts(f"{path}{step}", elements(bodies, kind), entered)

    def write_only(self, path: str, sent: Bodies, depth: int = 0) -> None:
        """Takes what may be a secret of a value that is written and never shown."""
        if depth > _DEEPEST or any(kind in (Kind.ANY, Kind.PLAIN) for kind in (value.kind for _, value in sent)):
            return
        if has(sent, Kind.TEXT):
            if _is_secret(path):
                self.found.append(path)
            return
        if has(sent, Kind.DICTIONARY):
            self._inside(f"{path}.*", elements(sent, Kind.DICTIONARY), depth)
        if has(sent, Kind.LIST):
            self._inside(f"{path}[*]", elements(sent, Kind.LIST), depth)
        self._inside(path, sent, depth)

    def _inside(self, path: str, sent: Bodies, depth: int) -> None:
        if not has(sent, Kind.OBJECT):
            if has(sent, Kind.TEXT) or has(sent, Kind.LIST) or has(sent, Kind.DICTIONARY):
                self.write_only(path, sent, depth + 1)
            return
        named = models_in(sent)
        for name in names_in(named):
            written = [(models, item) for models, item in properties(named, name) if item.writable]
            if written:
                at = below(path, written[0][1].name)
                self.write_only(at, once((models, item.value) for models, item in written), depth + 1)


def _is_secret(path: str) -> bool:
    names: list[str] = re.findall(r"[A-Za-z0-9_$-]+", path)
    return bool(names) and _SECRET.search(names[-1]) is not None and _POINTER.search(names[-1]) is None
