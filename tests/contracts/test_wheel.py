"""What a wheel holds: the package and nothing else, whatever lay in the tree when it was built."""

import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from codebudget.sandbox.conformance import corpus_digest

LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")
GHOSTS = (
    "build/lib/codebudget/ghost.py",
    "build/lib/codebudget/tasks/ghost.py",
    "build/lib/ghost/__init__.py",
    f"build/bdist.{sysconfig.get_platform()}/wheel/codebudget/ghost.py",
    "dist/ghost.txt",
)

CORPUS = """
from codebudget.sandbox.conformance import corpus, corpus_digest
print(len(corpus()), corpus_digest())
"""

VERSION = """
import sys
import codebudget
from codebudget.cli.main import main
print(codebudget.__file__)
sys.argv[1:] = ["--version"]
main()
"""


@pytest.fixture(scope="module")
def tree(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, under another name, with an old build in it."""
    copy = tmp_path_factory.mktemp("wheel") / "a clone"
    shutil.copytree(repository, copy, ignore=LEFT_OUT)
    for ghost in GHOSTS:
        path = copy / ghost
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("GHOST = True\n", encoding="utf-8")
    return copy


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from it."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """The paths in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def shipped(tree: Path) -> set[str]:
    """What has to be in the wheel: the root's modules, and every file of a folder that is a package, but for notes."""
    files = {path for path in tree.glob("*.py") if path.name != "setup.py"} | {tree / "py.typed"}
    for folder in tree.iterdir():
        if (folder / "__init__.py").is_file():
            files |= {path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md"}
    return {f"codebudget/{path.relative_to(tree).as_posix()}" for path in files}


def test_holds_the_package_whole_and_nothing_else(names: set[str], tree: Path) -> None:
    package = {name for name in names if not re.match(r"codebudget-[^/]+\.dist-info/", name)}
    assert package == shipped(tree)


def test_holds_types_licence_and_no_tests(names: set[str]) -> None:
    assert "codebudget/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    others = r"(^|/)(tests/|examples/|benchmarks/|docs/)|ghost"
    assert not [name for name in names if re.search(others, name)]


def test_finds_its_attacks_where_it_is_installed(wheel: Path, tmp_path: Path, repository: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    done = subprocess.run(
        [sys.executable, "-c", CORPUS], cwd=tmp_path / "site", capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == [str(len(list(repository.glob("sandbox/attacks/*/*/attack.py")))), corpus_digest()]


def test_runs_from_where_it_is_installed(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    done = subprocess.run(
        [sys.executable, "-c", VERSION], cwd=target, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    where, version = done.stdout.splitlines()[:2]
    assert Path(where).is_relative_to(target)
    assert wheel.name.split("-")[1] in version
