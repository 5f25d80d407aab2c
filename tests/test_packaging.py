"""What is installed is complete, and finds its policies wherever it runs: wheel, editable install, unpacked app.

Each environment is bare (the standard library only) and each start is from another directory.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from email.message import Message
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

import pytest
from build import ProjectBuilder
from pyproject_hooks import quiet_subprocess_runner

from driftguard import __version__
from driftguard.errors import BadConfiguration
from driftguard.policies_folder import policies_folder
from driftguard.render.html import EVIDENCE_CSP

ROOT = Path(__file__).resolve().parents[1]
BUILT_FROM = ("driftguard", "policies", "pyproject.toml", "setup.py", "requirements.txt", "README.md", "LICENSE")
APP_IS = ("driftguard", "policies", "function_app.py", "host.json", "requirements.txt")
ASK = "from driftguard.policies_folder import policies_folder; print(policies_folder())"


def copy_of(names: tuple[str, ...], folder: Path) -> Path:
    """A copy of these files and folders of the checkout: a build leaves folders behind that the next one would take."""
    folder.mkdir()
    for name in names:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def build(source: Path, kind: Literal["sdist", "wheel", "editable"], out: Path) -> Path:
    return Path(ProjectBuilder(source, runner=quiet_subprocess_runner).build(kind, out))


def bare_environment_with(wheel: Path, folder: Path) -> Path:
    """The interpreter of a new virtual environment that holds this wheel and nothing else."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "--python", str(python)]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True)
    return python


def run(command: list[str | Path], start: Path) -> str:
    start.mkdir()
    ran = subprocess.run(command, cwd=start, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def files_below(folder: Path) -> set[str]:
    """Paths relative to the folder, without the caches of tools."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if not any(part.startswith((".", "__pycache__")) for part in path.parts)}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    return build(copy_of(BUILT_FROM, folder / "source"), "sdist", folder)


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it comes out of the sdist."""
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return build(folder / f"driftguard-{__version__}", "wheel", folder)


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return message_from_bytes(archive.read(f"driftguard-{__version__}.dist-info/METADATA"))


def test_the_wheel_holds_every_file_of_the_package_and_of_the_policies_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = {f"driftguard/{name}" for name in files_below(ROOT / "driftguard")}
    policies = {f"driftguard/policies/{name}" for name in files_below(ROOT / "policies")}
    assert held == package | policies


def test_the_wheel_asks_for_what_requirements_txt_says(metadata: Message) -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line.partition("#")[0] for line in lines if line.partition("#")[0].strip()]
    told = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(map(_normal, told)) == sorted(map(_normal, wanted))


def _normal(requirement: str) -> str:
    name, mark, condition = re.sub(r"[\s'\"]", "", requirement).partition(";")
    head = re.match(r"[\w.-]+(\[[\w,-]+\])?", name)
    assert head
    return head[0] + ",".join(sorted(name[head.end() :].split(","))) + mark + condition


def test_the_version_is_the_package_s_own(metadata: Message) -> None:
    assert metadata["Version"] == __version__


def test_the_wheel_s_command_is_the_command_line_s_main(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        entry_points = archive.read(f"driftguard-{__version__}.dist-info/entry_points.txt").decode()
    assert "driftguard = driftguard.entry.cli:main" in entry_points


def test_an_installed_wheel_finds_the_policies_that_it_carries(wheel: Path, tmp_path: Path) -> None:
    python = bare_environment_with(wheel, tmp_path / "venv")
    found = Path(run([python, "-I", "-c", ASK], tmp_path / "elsewhere"))
    assert found.parts[-2:] == ("driftguard", "policies")
    assert found.is_relative_to(tmp_path / "venv")
    assert files_below(found) == files_below(ROOT / "policies")


def test_an_installed_wheel_finds_the_templates_of_its_pages(wheel: Path, tmp_path: Path) -> None:
    python = bare_environment_with(wheel, tmp_path / "venv")
    templates = "html.__file__.rpartition('/')[0] + '/templates'"
    ask = f"import os; from driftguard.render import html; print(html.EVIDENCE_CSP); print(*sorted(os.listdir({templates})))"
    told = run([python, "-I", "-c", ask], tmp_path / "elsewhere").splitlines()
    assert told == [EVIDENCE_CSP, " ".join(sorted(files_below(ROOT / "driftguard/render/templates")))]


@pytest.mark.filterwarnings("ignore:Editable installation")  # setuptools has a note on every one
def test_an_editable_install_finds_the_policies_of_its_checkout(tmp_path: Path) -> None:
    source = copy_of(BUILT_FROM, tmp_path / "source")
    python = bare_environment_with(build(source, "editable", tmp_path / "built"), tmp_path / "venv")
    assert Path(run([python, "-I", "-c", ASK], tmp_path / "elsewhere")) == source / "policies"


def test_an_unpacked_functions_app_finds_the_policies_beside_its_package(tmp_path: Path) -> None:
    app = copy_of(APP_IS, tmp_path / "app")
    as_the_worker_does = f"import sys; sys.path.append({str(app)!r}); {ASK}"
    assert Path(run([sys.executable, "-I", "-S", "-c", as_the_worker_does], tmp_path / "elsewhere")) == app / "policies"


def test_an_unpacked_functions_app_makes_its_pages(tmp_path: Path) -> None:
    app = copy_of(APP_IS, tmp_path / "app")
    ask = "from driftguard.render import html; print(html.__file__); print(html.message_html('Title', ['text']))"
    told = run([sys.executable, "-c", f"import sys; sys.path.insert(0, {str(app)!r}); {ask}"], tmp_path / "elsewhere")
    assert told.startswith(str(app)) and "<h1>Title</h1>" in told


def test_nothing_but_the_app_is_sent_to_azure() -> None:
    lines = (ROOT / ".funcignore").read_text("utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a checkout: what lies here besides the app is not known")
    top = {line.partition("/")[0] for line in listed.stdout.splitlines()}
    sent = {name for name in top if not any(fnmatch(name, pattern) for pattern in patterns)}
    assert sent == {*APP_IS, "README.md", "LICENSE"}, "the licence goes with what it covers"


def test_a_package_without_its_policies_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="install driftguard again"):
        policies_folder(tmp_path / "driftguard")


def test_a_folder_of_that_name_that_is_somebody_else_s_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    with pytest.raises(BadConfiguration):
        policies_folder(tmp_path / "driftguard")
