"""The pages of a list of the SDK, each asked for until it is there.

Rules:
- Each try begins anew behind the last page that was read. The SDK's own iterator takes a page for had as soon as an
  answer came: asked again after one that it could not read, it says that the list ends there.
- A list ends with a page that was read and that names no next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from driftguard.adapters.stores.azure_errors import Asking, Refused

if TYPE_CHECKING:
    from azure.core.paging import ItemPaged

_Page = tuple[list[Any], Any]
"""What a page holds, and where the next one begins; None: nowhere."""


def all_pages(
    asking: Asking, items: Callable[[], ItemPaged[Any]], when_refused: Callable[[Refused], list[Any]]
) -> Iterator[list[Any]]:
    """The pages of the list that `items` makes anew. A refusal raises, or what it returns is the last page.

    Raises StoreUnavailable, BadConfiguration.
    """
    position: Any = None

    def page() -> _Page:
        pages = items().by_page(position)
        found = list(next(pages))
        return found, pages.continuation_token  # type: ignore[attr-defined]  # reason: the SDK says less than it gives

    while True:
        found, following = asking.ask(page, when_refused=lambda refused, _unsure: (when_refused(refused), None))
        yield found
        if following is None:
            return
        if following == position:  # an answer that leads to itself has no end
            raise asking.damaged()
        position = following
