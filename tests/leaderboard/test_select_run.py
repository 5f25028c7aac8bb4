"""A board with `select`: nano draws programs and tests, and the run has both, what they cost in total, and verifies."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from codebudget._util.progress import silent
from codebudget.errors import UserError
from codebudget.leaderboard import files
from codebudget.leaderboard.board import parse_board
from codebudget.leaderboard.manifest import sealed
from codebudget.leaderboard.site.build import build_site
from codebudget.leaderboard.verify.recheck import Verification
from codebudget.leaderboard.verify.trust import Named

pytest.importorskip("transformers")

BOARD = """\
schema_version = 1
name = "tests paid for"
family = "nano"
arms = ["1m:1", "250k:2", "250k:2,1m:1"]
rankers = ["examples"]
select = "codet,tests=2"

[[benchmarks]]
name = "nano"
tasks = 2

[sampling]
engine = "transformers"
temperature = 0.6
max_tokens = 40

[sandbox]
launcher = "process"
workers = 1
check = false
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, command) -> Path:
    folder = tmp_path_factory.mktemp("select")
    (folder / "board.toml").write_text(BOARD)
    done = command(folder, "leaderboard", "run", "board.toml", "--out", "run", OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    return folder / "run"


def rows(run: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in files.read_lines(run / name)]


def test_a_run_has_the_tests_and_states_total_costs(run: Path) -> None:
    results = json.loads((run / "results.json").read_text())
    assert results["decisive_ranker"] == "codet,tests=2"
    (section,) = results["benchmarks"]
    large, small, cascade = section["arms"]
    assert large["tests"] is None
    assert large["rankers"]["codet,tests=2"]["total_flops"] == pytest.approx(large["realised"]["flops"])
    tests = rows(run, "tests.jsonl.gz")
    assert [row["arm"] for row in tests] == ["250k:2", "250k:2", "250k:2,1m:1", "250k:2,1m:1"]
    for arm in (small, cascade):
        assert arm["tests"] == 2
        mine = [row for row in tests if row["arm"] == arm["spec"]]
        assert all(len(row["texts"]) == 2 for row in mine)
        flops = sum(row["prefill_flops"] + row["decode_flops"] for row in mine) / len(mine)
        assert arm["realised"]["tests_flops"] == pytest.approx(flops)
        score = arm["rankers"]["codet,tests=2"]
        assert score["cost_flops"] == pytest.approx(flops)
        assert score["total_flops"] == pytest.approx(arm["realised"]["flops"])
        assert score["total_ratio"] == pytest.approx(arm["realised"]["budget_ratio"])
        bare = arm["rankers"]["examples"]
        assert bare["total_flops"] == pytest.approx(arm["realised"]["flops"] - flops)
    assert small["costs"]["2"]["flops"] == pytest.approx(small["realised"]["flops"] - flops)
    assert "2 tests" in (run / "report.md").read_text()


def test_a_run_with_tests_verifies(run: Path, verified: Callable[..., Verification]) -> None:
    found = verified(run, named=Named())
    assert found.differences == []
    assert found.ranked == found.rankings > 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"decode_flops": 1.0}, "flops"),
        ({"texts": ["a", "b", "c"]}, "texts"),
        ({"task_id": "elsewhere"}, ""),
    ],
)
def test_forged_tests_are_found(
    run: Path, verified: Callable[..., Verification], tmp_path: Path, change: dict, field: str
) -> None:
    forged = tmp_path / "run"
    shutil.copytree(run, forged)
    changed = rows(forged, files.TESTS)
    changed[0] |= change
    files.write_rows(forged / files.TESTS, changed)
    manifest = json.loads((forged / "manifest.json").read_text())
    manifest["files"][files.TESTS] = files.file_sha256(forged / files.TESTS)
    (forged / "manifest.json").write_bytes(files.json_bytes(sealed(manifest)))
    assert any(one.file == files.TESTS and field in one.field for one in verified(forged, named=Named()).differences)


def test_the_site_shows_total_costs(run: Path, visit, tmp_path: Path) -> None:
    build_site([run], tmp_path / "site", title=None, progress=silent)
    seen = visit(tmp_path / "site" / "index.html", "#score=codet,tests=2")
    entries = seen.page.evaluate("codebudget.current.board.entries.map((one) => [one.spec, one.totals])")
    (section,) = json.loads((run / "results.json").read_text())["benchmarks"]
    for (spec, totals), arm in zip(entries, section["arms"], strict=True):
        assert spec == arm["spec"]
        for ranker in ("codet,tests=2", "examples"):
            assert totals[ranker] == pytest.approx(arm["rankers"][ranker]["total_flops"])
    table = seen.page.locator("table.ranking").inner_text()
    _, (_, totals), _ = entries
    shown, total = (
        seen.page.evaluate("cost => codebudget.format.cost('flops', cost)", totals[ranker])
        for ranker in ("examples", "codet,tests=2")
    )
    assert shown != total
    assert total in table
    assert seen.complaints == []


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ('"codet"', "select: `select` codet: the limit is split"),
        ('"rank.py:Mine,tests=2"', "on a board it is auto or a ranker of codebudget's own"),
        ('"examples,tests=2"', "on a board it is auto or a ranker of codebudget's own"),
    ],
)
def test_a_board_loads_no_ranker_for_its_plans(select: str, message: str, tmp_path: Path) -> None:
    text = BOARD.replace('"codet,tests=2"', select)
    with pytest.raises(UserError) as raised:
        parse_board(tmp_path / "board.toml", text)
    assert message.replace("`select`", "select") in str(raised.value)
    assert "board.toml:6: select" in str(raised.value)


def test_tests_without_a_selection_are_refused(tmp_path: Path) -> None:
    text = BOARD.replace('select = "codet,tests=2"', 'tests = ["250k=from:1m"]')
    with pytest.raises(UserError, match="tests are paid for with select"):
        parse_board(tmp_path / "board.toml", text)
