"""What Azure's own SDK packages say of a resource type: what it writes itself, what it never tells, what stands beside it.

Source: the models and operations of the azure-mgmt packages; docs/platform-paths.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from driftguard.flow.path import PathPattern


@dataclass(frozen=True, slots=True)
class PlatformPaths:
    """The paths that Azure writes itself, and those that can be written and are never told: secrets."""

    read_only: tuple[PathPattern, ...] = ()
    secret: tuple[PathPattern, ...] = ()


@dataclass(frozen=True, slots=True)
class PlatformTable:
    """One resource type. `package` is the name and version of the SDK package that says so.

    `by_name` has the paths of resources whose name, in lower case, tells their form (`sites/config`: web, appsettings …);
    `children` are the child collections of the type, `settings_by_post` the POST actions that tell what a GET does not.
    """

    package: str
    every_name: PlatformPaths = PlatformPaths()
    by_name: Mapping[str, PlatformPaths] = field(default_factory=dict)
    children: tuple[str, ...] = ()
    settings_by_post: tuple[str, ...] = ()

    def of(self, name: str) -> PlatformPaths:
        """The paths of the resource with this name (its last one)."""
        return self.by_name.get(name.lower(), self.every_name)
