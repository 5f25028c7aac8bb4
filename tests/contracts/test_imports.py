"""The arrows of the design: who may import whom, and what must stay unloaded."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

LEAVES = {"records", "errors", "estimators", "_util"}
STAGES = {"tasks", "budgets", "compression", "sampler", "sandbox", "rankers"}
MAY_IMPORT = {
    "__init__": {"api", "errors", "records", "sandbox", "settings", "tasks"},
    "errors": set(),
    "records": {"errors"},
    "_util": {"errors", "records"},
    "estimators": {"errors", "records"},
    **dict.fromkeys(STAGES, LEAVES),
    "compression": LEAVES | {"budgets"},
    "sampler": LEAVES | {"budgets"},
    "settings": {"errors", "records"},
    "experiment": LEAVES | STAGES | {"settings"},
    "report": LEAVES | STAGES | {"settings", "experiment"},
    "leaderboard": LEAVES | STAGES | {"settings", "experiment", "report"},
    "api": LEAVES | STAGES | {"settings", "experiment", "report"},
    "models": LEAVES,
    "cli": LEAVES | STAGES | {"settings", "experiment", "report", "leaderboard", "models", "__init__"},
    "__main__": {"cli"},
}
NOT_OURS = {"tests", "benchmarks", "examples", "docs", "requirements", "build", "dist"}


def modules(repository: Path) -> list[Path]:
    """Every module of the package, relative to the root."""
    found = [path.relative_to(repository) for path in repository.rglob("*.py")]
    return [
        path
        for path in found
        if path.parts[0] not in NOT_OURS
        and path != Path("setup.py")
        and path.parts[:2] != ("sandbox", "attacks")
        and not any(part.startswith(".") for part in path.parts)
    ]


def imported(path: Path, source: str) -> list[tuple[str, ...]]:
    """The package's own modules that a module imports, as dotted parts from the root; `("codebudget",)` if absolute."""
    package = path.parts[:-1]
    names: list[tuple[str, ...]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [("codebudget",) for alias in node.names if alias.name.split(".")[0] == "codebudget"]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names += [("codebudget",)] if (node.module or "").split(".")[0] == "codebudget" else []
        elif isinstance(node, ast.ImportFrom):
            origin = package[: len(package) - (node.level - 1)] + tuple((node.module or "").split("."))
            origin = tuple(part for part in origin if part)
            names += [(*origin, alias.name) for alias in node.names]
    return names


def owner(parts: tuple[str, ...]) -> str:
    """The top-level module or folder that a dotted name belongs to; the root package itself is `__init__`."""
    known = set(MAY_IMPORT)
    return parts[0] if parts[0] in known else "__init__"


def test_every_module_has_a_place(repository: Path) -> None:
    strangers = [str(path) for path in modules(repository) if path.with_suffix("").parts[0] not in MAY_IMPORT]
    assert strangers == []


def test_the_layout_names_every_part(repository: Path) -> None:
    text = (repository / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tree = re.search(r"^```text\n(records\.py.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert tree is not None
    named = {line.split()[0].removesuffix("/").removesuffix(".py") for line in tree[1].splitlines()}
    assert named - {"tests", "benchmarks"} == set(MAY_IMPORT) - {"__init__", "__main__"}


def test_arrows_point_one_way(repository: Path) -> None:
    wrong = []
    for path in modules(repository):
        here = path.with_suffix("").parts[0]
        for name in imported(path, (repository / path).read_text(encoding="utf-8")):
            if name == ("codebudget",):
                wrong.append(f"{path}: imports codebudget by its absolute name")
            elif owner(name) != here and owner(name) not in MAY_IMPORT[here]:
                wrong.append(f"{path}: imports {'.'.join(name)}")
    assert wrong == []


CLI = re.compile(r"codebudget\.cli\b|from codebudget import [^\n]*\bcli\b")


def test_only_tests_of_the_command_line_import_it(repository: Path) -> None:
    knowing = {
        path.relative_to(repository)
        for path in (repository / "tests").rglob("*.py")
        if CLI.search(path.read_text(encoding="utf-8"))
    }
    assert {path for path in knowing if path.parts[1] not in ("cli", "contracts")} == set()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from ..sandbox.run import grade", ("sandbox", "run", "grade")),
        ("def f():\n    from .. import sandbox", ("sandbox",)),
        ("if TYPE_CHECKING:\n    from ..sandbox import Box", ("sandbox", "Box")),
        ("import codebudget.sandbox", ("codebudget",)),
        ("from codebudget import sandbox", ("codebudget",)),
        ("from .base import Ranker", ("rankers", "base", "Ranker")),
    ],
)
def test_no_way_of_importing_is_missed(source: str, expected: tuple[str, ...]) -> None:
    assert imported(Path("rankers/simple.py"), source) == [expected]


HEAVY = ("torch", "transformers", "vllm", "datasets", "docker", "numpy", "pandas", "pyarrow")
RUN = """
import json, sys
from codebudget.cli.main import main
sys.argv[1:] = json.loads(sys.stdin.readline())
try:
    main()
except SystemExit as end:
    code = end.code or 0
else:
    code = 0
print(json.dumps({"code": code, "modules": sorted(sys.modules)}))
"""


def loaded(arguments: list[str], cwd: Path) -> set[str]:
    """The heavy packages that a command of codebudget had loaded when it ended."""
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(arguments),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    end = json.loads(done.stdout.splitlines()[-1])
    assert end["code"] == 0, done.stderr
    return set(end["modules"]) & set(HEAVY)


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    assert loaded(["--help"], tmp_path) == set()


def test_plan_is_arithmetic_without_an_engine(tmp_path: Path) -> None:
    assert loaded(["plan", "70b:1", "13b", "7b", "--match", "flops"], tmp_path) <= {"numpy"}
