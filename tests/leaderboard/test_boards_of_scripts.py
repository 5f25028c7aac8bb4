"""Boards of scripts and methods, from files in their own formats: run, verified and shown, each and by their means."""

import base64
import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from codebudget._util.progress import silent
from codebudget.errors import UserError
from codebudget.leaderboard.files import read_lines
from codebudget.leaderboard.site.build import build_site
from codebudget.leaderboard.verify.recheck import Verification
from codebudget.leaderboard.verify.trust import Named

from .conftest import Command, Tampered

TESTS = Path(__file__).parents[1]
FILES = ("livecodebench", "apps")
NAMES = ("livecodebench", "apps-interview")
RANKERS = ("examples", "majority")

BOARD = f"""\
schema_version = 1
name = "scripts"
arms = ["13b:1", "7b:3"]
rankers = {json.dumps(RANKERS)}

[[benchmarks]]
name = "livecodebench:livecodebench.jsonl"
samples = {{13b = ["livecodebench_large.jsonl"], 7b = ["livecodebench_small.jsonl"]}}

[[benchmarks]]
name = "apps-interview:apps.jsonl"
samples = {{13b = ["apps_large.jsonl"], 7b = ["apps_small.jsonl"]}}

[sandbox]
launcher = "process"
workers = 1
check = false
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    """The folder of a board of scripts and methods, and of its run, `run`; `said.json` is what the command printed."""
    folder = tmp_path_factory.mktemp("scripts")
    for file in FILES:
        shutil.copy(TESTS / "tasks" / "boards" / f"{file}.jsonl", folder)
        for size in ("large", "small"):
            shutil.copy(TESTS / "cli" / "boards" / f"{file}_{size}.jsonl", folder)
    (folder / "board.toml").write_text(BOARD)
    done = command(folder, "leaderboard", "run", "board.toml", "--out", "run", "--json")
    assert done.returncode == 0, done.stderr
    (folder / "said.json").write_text(done.stdout.splitlines()[-1])
    return folder


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run" / "results.json").read_text())


@pytest.fixture
def check(verified: Callable[..., Verification], scripts: Path) -> Callable[[Path], Verification]:
    """Verifies a run with one's own copies of the boards' files."""
    own = Named(benchmark_files=[scripts / f"{file}.jsonl" for file in FILES])
    return lambda run: verified(run, named=own)


@pytest.fixture
def copied(scripts: Path, tmp_path: Path) -> Tampered:
    shutil.copytree(scripts / "run", tmp_path / "copy")
    return Tampered(tmp_path / "copy")


def test_results_say_how_tasks_were_graded(scripts: Path) -> None:
    found = {section["benchmark"]: section for section in results(scripts)["benchmarks"]}
    assert list(found) == list(NAMES)
    stdio, call = {"style": "stdio", "integrity": "split"}, {"style": "call", "rule": "equal", "integrity": "split"}
    assert found["livecodebench"]["grading"] == [stdio | {"rule": "livecodebench", "tasks": 3}, call | {"tasks": 3}]
    assert [part["style"] for part in found["apps-interview"]["grading"]] == ["stdio", "call"]
    assert found["apps-interview"]["grading"][0]["rule"] == "apps"
    for section in found.values():
        one, three = section["arms"]
        count = len(section["tasks"])
        assert sum(part["tasks"] for part in section["grading"]) == section["total_tasks"] == count
        assert (one["pass_at_k"]["1"]["value"], three["pass_at_k"]["3"]["value"]) == (pytest.approx(2 / count), 1.0)
        assert three["per_task"]["passed"] == [1] * count
    rows = [json.loads(line) for line in read_lines(scripts / "run" / "verdicts.jsonl.gz")]
    assert {row["integrity"] for row in rows} == {"split"}
    report = (scripts / "run" / "report.md").read_text()
    assert (
        "Graded by stdio tests, rule livecodebench, split: 3 tasks; call tests, rule equal, split: 3 tasks." in report
    )


def test_the_means_are_those_of_compare(scripts: Path, command: Command) -> None:
    found = results(scripts)
    for place, arm in enumerate(found["mean"]["arms"]):
        each = [section["arms"][place] for section in found["benchmarks"]]
        scores = [one["pass_at_k"][str(one["k"])]["value"] for one in each]
        assert arm["pass_at_k"]["value"] == pytest.approx(np.mean(scores))
        assert arm["cost"]["flops"] == pytest.approx(np.mean([one["realised"]["flops"] for one in each]))
    samples = [f"{arm}={file}_{size}.jsonl" for arm, size in (("13b", "large"), ("7b", "small")) for file in FILES]
    done = command(
        *(scripts, "compare", "13b:1", "7b:3", *(part for one in samples for part in ("--samples", one))),
        *(part for name, file in zip(NAMES, FILES, strict=True) for part in ("--benchmark", f"{name}:{file}.jsonl")),
        *(part for name in RANKERS for part in ("--ranker", name)),
        *("--sandbox", "process", "--workers", "1", "--json"),
    )
    assert done.returncode == 0, done.stderr
    compared = json.loads(done.stdout.splitlines()[-1])
    assert found["mean"]["verdict"] == compared["verdict"]
    assert [row["p_value"] for row in found["mean"]["paired"]] == pytest.approx(
        [row["p_value"] for row in compared["paired"]]
    )
    for arm, other in zip(found["mean"]["arms"], compared["arms"], strict=True):
        assert arm["pass_at_k"] == pytest.approx(other["pass_at_k"])
        for name in RANKERS:
            assert arm["rankers"][name]["low"] == pytest.approx(other["rankers"][name]["low"])
    assert json.loads((scripts / "said.json").read_text())["mean"] == found["mean"]
    report = (scripts / "run" / "report.md").read_text()
    assert report.index("## apps-interview") < report.index("## Mean over 2 benchmarks")


def test_a_run_on_one_benchmark_has_no_means(made: Path) -> None:
    assert "mean" not in results(made)
    assert "Mean over" not in (made / "run" / "report.md").read_text()


def test_it_is_verified(scripts: Path, check: Callable[[Path], Verification]) -> None:
    found = check(scripts / "run")
    assert (found.differences, found.notes) == ([], [])
    assert found.graded == found.verdicts == 44
    assert found.ranked == found.rankings == 2 * 11 * 3


def test_forged_verdicts_of_scripts_and_forged_means_are_found(
    copied: Tampered, check: Callable[[Path], Verification]
) -> None:
    def pass_one(rows: list[dict[str, Any]]) -> None:
        row = next(row for row in rows if row["task_id"] == "cup0_a" and row["status"] == "wrong")
        del row["detail"]
        row |= {"status": "passed", "tests_run": row["tests_expected"]}

    def raise_mean(value: dict[str, Any]) -> None:
        value["mean"]["arms"][0]["pass_at_k"]["value"] = 0.9
        value["benchmarks"][0]["grading"][0]["rule"] = "exact"

    found = check(copied.rows("verdicts.jsonl.gz", pass_one).json("results.json", raise_mean).hashed().path)
    fields = {(one.file, one.field) for one in found.differences}
    assert ("verdicts.jsonl.gz", "status") in fields
    assert ("results.json", "mean.arms[0].pass_at_k.value") in fields
    assert ("results.json", "benchmarks[0].grading[0].rule") in fields


def part(site: Path, name: str) -> Any:
    script = (site / "data" / f"{name}.js").read_text(encoding="ascii")
    return json.loads(zlib.decompress(base64.b64decode(script.split('"')[3])))


def test_a_site_shows_the_means_first(scripts: Path, tmp_path: Path) -> None:
    build_site([scripts / "run"], tmp_path / "site", title=None, progress=silent)
    index = part(tmp_path / "site", "index")
    assert [one["name"] for one in index["benchmarks"]] == ["mean of 2", *NAMES]
    assert [one.get("mean", False) for one in index["benchmarks"]] == [True, False, False]
    board, mean = part(tmp_path / "site", index["benchmarks"][0]["file"]), results(scripts)["mean"]
    assert [(entry["spec"], entry["k"]) for entry in board["entries"]] == [("13b:1", None), ("7b:3", None)]
    assert [entry["scores"]["pass_at_k"][0] for entry in board["entries"]] == [
        pytest.approx(arm["pass_at_k"]["value"]) for arm in mean["arms"]
    ]
    assert board["metrics"][:2] == ["pass_at_k", "examples"]
    ((a, b, difference, *_),) = board["pairs"]["pass_at_k"]
    assert (a, b, difference) == (0, 1, pytest.approx(mean["paired"][0]["difference"]))
    assert board["runs"][0]["advice"] == list(mean["verdict"].values())


def test_means_of_other_arms_are_refused(copied: Tampered, tmp_path: Path) -> None:
    copied.json("results.json", lambda value: value["mean"]["arms"][0].update(spec="34b:1")).hashed()
    with pytest.raises(UserError, match="its means are not of its benchmarks' arms"):
        build_site([copied.path], tmp_path / "site", title=None, progress=silent)
