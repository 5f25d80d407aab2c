"""Pages for people: the evidence of a halt, the list of open halts, and a message.

Rules:
- Every text goes through the template's escaping; from outside it has passed `untrusted.py` as well.
- A page is whole by itself: no script, no image, nothing is loaded. Its one style sheet stands in it, and its digest in the
  content security policy, which forbids everything else.
- A template that asks for what it was not given is an error, not a gap.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from driftguard import __version__
from driftguard.render.html_evidence import evidence_shown
from driftguard.render.html_halt import halt_shown, halts_listed
from driftguard.render.members import Members
from driftguard.render.untrusted import one_line

if TYPE_CHECKING:  # imported where it is used: most calls make no page
    from jinja2 import Environment

_TEMPLATES = Path(__file__).with_name("templates")
_STYLE = (_TEMPLATES / "style.css").read_text(encoding="utf-8").strip()
_DIGEST = b64encode(hashlib.sha256(_STYLE.encode("utf-8")).digest()).decode("ascii")
_IN_PAGE = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'"

EVIDENCE_CSP = f"{_IN_PAGE}; frame-ancestors 'none'"
"""The value of the header Content-Security-Policy for every page of this module."""


def evidence_html(document: Members, halt: Members | None = None, *, back: str = "") -> str:
    """A version of the evidence (docs/evidence.schema.json) as a page that can be read by itself.

    `halt` is the view of its halt (`json_views.halt_view`): with it the page says where the halt stands and what can be
    done now, without it the page depends on the document alone and never changes. `back` is the address of the list.
    """
    shown = evidence_shown(document)
    now = halt_shown(halt, document) if halt is not None else None
    return _page("evidence.html", evidence=shown, halt=now, back=back)


def halts_html(halts: Sequence[Members], now: datetime) -> str:
    """The open halts, each a view as in `json_views.halts_view`, as a page whose links lead to `halts/<id>`."""
    return _page("halts.html", halts=halts_listed(halts, now))


def message_html(title: str, lines: Sequence[str]) -> str:
    """A title and some sentences, such as an error with its remedy."""
    return _page("message.html", title=one_line(title, 200), lines=[one_line(text, 600) for text in lines])


def _page(template: str, **given: object) -> str:
    return _environment().get_template(template).render(**given)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    # The style sheet is our own, and its digest is of exactly these characters.
    environment.globals |= {"style": Markup(_STYLE), "policy": _IN_PAGE, "version": __version__}
    return environment
