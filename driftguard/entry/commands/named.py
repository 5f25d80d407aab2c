"""The options that name resources, for the commands that take them: what they say, and the same words once more."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import click

from driftguard.errors import WrongUse

if TYPE_CHECKING:
    from driftguard.guard.recorded import Naming

_MOST_IDS = 200_000
_MOST_SHOWN = 20
SAVED_IDS = "ids.txt"


@dataclass(frozen=True, slots=True)
class Named:
    """What a command line names, as it was typed; `ids_file` is the open file with more ids, or None."""

    deployments: tuple[str, ...]
    resources: tuple[str, ...]
    groups: tuple[str, ...]
    subscriptions: tuple[str, ...]
    ids_file: IO[str] | None
    containers: tuple[str, ...] = ()

    def naming(self, cloud: str) -> Naming:
        """What the verbs take, every id well formed. Reads the file of ids. Raises WrongUse, OtherScope."""
        from driftguard.flow.resource import parse_ref
        from driftguard.guard.recorded import Naming

        resources = (*self.resources, *_ids(self.ids_file))
        subscriptions = (text if "/" in text else f"/subscriptions/{text}" for text in self.subscriptions)
        scopes = (*self.groups, *subscriptions, *self.containers)
        for text in (*resources, *scopes, *self.deployments):
            parse_ref(text, cloud=cloud)
        return Naming(self.deployments, resources, scopes)

    def words(self, naming: Naming) -> list[str]:
        """The same options for another command line; `naming` is what they named.

        Ids that came from the standard input are named one by one: nobody has them a second time. Where they are many, the
        file `SAVED_IDS` stands for them.
        """
        piped = naming.resources[len(self.resources) :] if self._is_piped else ()
        file = SAVED_IDS if self.must_be_saved(naming) else self.ids_file.name if self.ids_file and not piped else ""
        named = {
            "--deployment": self.deployments,
            "--resource": (*self.resources, *(piped if not file else ())),
            "--resource-group": self.groups,
            "--subscription": self.subscriptions,
            "--container": self.containers,
            "--ids-file": (file,) if file else (),
        }
        return [word for option, texts in named.items() for text in texts for word in (option, text)]

    def must_be_saved(self, naming: Naming) -> bool:
        """Whether more ids came from the standard input than another command line can show."""
        return self._is_piped and len(naming.resources) - len(self.resources) > _MOST_SHOWN

    @property
    def _is_piped(self) -> bool:
        """Whether the ids file can be read only once."""
        return self.ids_file is not None and self.ids_file.name == "<stdin>"


def naming_options(command: Callable[..., int]) -> Callable[..., int]:
    """The options; the command gets them as one argument `named`."""

    def with_named(
        *arguments: Any,
        deployments: tuple[str, ...],
        resources: tuple[str, ...],
        groups: tuple[str, ...],
        subscriptions: tuple[str, ...],
        containers: tuple[str, ...],
        ids_file: IO[str] | None,
        **rest: Any,
    ) -> int:
        named = Named(deployments, resources, groups, subscriptions, ids_file, containers)
        return command(*arguments, named=named, **rest)

    functools.update_wrapper(with_named, command)
    for option in reversed(_OPTIONS):
        with_named = option(with_named)
    return with_named


_OPTIONS = (
    click.option(
        "--deployment", "deployments", multiple=True, metavar="ID", help="An ARM deployment: what it put out."
    ),
    click.option(
        "--resource", "resources", multiple=True, metavar="ID", help="One resource, or the address of one blob."
    ),
    click.option(
        "--resource-group", "groups", multiple=True, metavar="ID", help="Everything that a resource group lists."
    ),
    click.option(
        "--subscription", "subscriptions", multiple=True, metavar="ID", help="Everything that a subscription lists."
    ),
    click.option("--container", "containers", multiple=True, metavar="URL", help="All blobs of a storage container."),
    click.option(
        "--ids-file", type=click.File("r", encoding="utf-8"), metavar="F", help="Resource ids, one a line; - for stdin."
    ),
)


def _ids(file: IO[str] | None) -> list[str]:
    """The ids in a file; blank lines and lines that begin with # do not count. Raises WrongUse."""
    if file is None:
        return []
    try:
        lines = [line.strip() for line in file]
    except (OSError, UnicodeDecodeError) as error:
        why = f"the ids file cannot be read: {type(error).__name__}"
        raise WrongUse(why, "give a UTF-8 text, one id a line") from error
    ids = [line for line in lines if line and not line.startswith("#")]
    if not ids or len(ids) > _MOST_IDS:
        raise WrongUse(f"the ids file names {len(ids)} resources", f"name between 1 and {_MOST_IDS}")
    return ids
