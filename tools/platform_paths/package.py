"""Reads one package: its folders, each with models and operations, whatever style they are in.

Rules:
- A file that is not understood is an error: half of what a package says would call writable paths read-only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

from tools.platform_paths import models_msrest, models_typespec
from tools.platform_paths.annotations import Annotations, aliases_of, enums_of
from tools.platform_paths.operations import read_operations
from tools.platform_paths.schema import Folder, Models, Package
from tools.platform_paths.wheels import Sources

_VERSION = re.compile(r"20\d\d-\d\d-\d\d(?:-[a-z]+)?")
_LEFT_OUT = re.compile(r"(?:_py3|_paged|_enums|_client)\.py$")  # copies of models, and what is none
_NOT_UNDERSTOOD = (SyntaxError, ValueError, LookupError, TypeError, AttributeError, RecursionError, MemoryError)
_FOLDER_VERSION = re.compile(r"v(20\d\d)_(\d\d)_(\d\d)(?:_([a-z]+))?")


def read_package(sources: Sources) -> Package:
    """Everything that a package says. Raises ValueError, naming the file, for one that is not understood."""
    package = Package(sources.name, sources.version, style="")
    styles = set()
    for folder, files in _folders(sources.files).items():
        source = _model_source(files)
        if not source:
            continue
        with _understood(f"{package.title}: the models of {folder}"):
            models, annotations, style = _models(files, source, f"{package.title} {PurePosixPath(folder).name}")
        styles.add(style)
        package.folders.append(_folder(package.title, folder, files, models, annotations))
    package.style = "+".join(sorted(styles)) or "no models"
    return package


@contextmanager
def _understood(what: str) -> Iterator[None]:
    try:
        yield
    except _NOT_UNDERSTOOD as error:
        raise ValueError(f"{what}: not understood ({type(error).__name__}: {error})") from None


def _folder(title: str, path: str, files: dict[str, str], models: Models, annotations: Annotations) -> Folder:
    folder, default_version = Folder(models), _default_version(path, files)
    for name, text in files.items():
        if PurePosixPath(name).parent.name == "operations" and not name.endswith("__init__.py"):
            with _understood(f"{title}: {name}"):
                folder.operations += read_operations(text, models, annotations, default_version)
    return folder


def _folders(files: dict[str, str]) -> dict[str, dict[str, str]]:
    """The files of each folder that holds a folder `models`, by the folder's path."""
    roots = {str(PurePosixPath(path).parent.parent) for path in files if PurePosixPath(path).parent.name == "models"}
    found: dict[str, dict[str, str]] = {root: {} for root in sorted(roots)}
    for path, text in files.items():
        owners = [root for root in roots if path.startswith(f"{root}/")]
        if owners:
            found[max(owners, key=len)][path] = text
    return found


def _model_source(files: dict[str, str]) -> str:
    """The text of the models: of the newer of two forms of the same ones (`_models_py3.py`), or of a file for each of them."""
    together = [path for path in files if re.search(r"/models/_models(_py3)?\.py$", path)]
    if together:
        return files[min(together, key=lambda path: (not path.endswith("_py3.py"), path))]
    apart = [path for path in files if re.search(r"/models/[a-z][^/]*\.py$", path) and not _LEFT_OUT.search(path)]
    return "\n".join(files[path] for path in sorted(apart))


def _models(files: dict[str, str], source: str, origin: str) -> tuple[Models, Annotations, str]:
    names = re.findall(r"^class (\w+)", source, re.MULTILINE)
    enums: dict[str, tuple[str, ...]] = {}
    aliases = {}
    for name, text in files.items():
        if re.search(r"/models/[^/]*enums\.py$", name):
            enums.update(enums_of(text))
        elif name.endswith(("/_types.py", "/_unions.py")):
            aliases.update(aliases_of(text))
    annotations = Annotations(names, enums, aliases)
    if models_typespec.is_typespec(source):
        return models_typespec.read_models(source, origin, annotations), annotations, "typespec"
    if models_msrest.is_msrest(source):
        return models_msrest.read_models(source, origin), annotations, "msrest"
    raise ValueError("neither TypeSpec nor msrest")


def _default_version(folder: str, files: dict[str, str]) -> str:
    """The api-version of a folder: in its name, else in the client's configuration; empty where none is named."""
    named = _FOLDER_VERSION.fullmatch(PurePosixPath(folder).name)
    if named is not None:
        return "-".join(part for part in named.groups() if part)
    for path, text in files.items():
        if path.endswith("/_configuration.py") and (found := _VERSION.search(text)) is not None:
            return found[0]
    return ""
