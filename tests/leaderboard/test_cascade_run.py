"""A board with a cascade: what its run holds, that it verifies, and that a forged share of tasks is found."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from codebudget.leaderboard import files
from codebudget.leaderboard.files import HASHED
from codebudget.leaderboard.manifest import sealed
from codebudget.leaderboard.site.scored_runs import read_scores
from codebudget.leaderboard.verify.recheck import Verification


def rows(run: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in files.read_lines(run / name)]


def test_a_run_has_the_stages_of_a_cascade(cascade_run: Path) -> None:
    (section,) = json.loads((cascade_run / "results.json").read_text())["benchmarks"]
    big, cascade, _ = section["arms"]
    # Two of four hold the example of double, three that of square, and one that of negate.
    by_hand = (1 / 4 + 1 / 4 + 3 / 4) / 3
    assert [(stage["spec"], stage["k"]) for stage in cascade["stages"]] == [("7b:1", 1), ("13b:1", 1)]
    assert cascade["stages"][1]["reached"] == pytest.approx(by_hand)
    assert (cascade["k"], cascade["ks"]) == (2, [2])
    assert cascade["escalation"] == {"shown": 0.0, "bare": 0.75, "tasks_shown": 3, "tasks_bare": 0, "tuned": False}
    assert cascade["realised"]["flops"] < big["realised"]["flops"]
    assert cascade["costs"]["2"]["flops"] == cascade["realised"]["flops"]
    manifest = json.loads((cascade_run / "manifest.json").read_text())
    assert [(part["arm"], part["stage"]) for part in manifest["models"]][1:3] == [("7b:1,13b:1", 0), ("7b:1,13b:1", 1)]
    stages = {row.get("stage") for row in rows(cascade_run, "candidates.jsonl.gz") if row["arm"] == "7b:1,13b:1"}
    assert stages == {0, 1}
    assert "| 7b:1,13b:1 | 13b:1 | 100% |" in (cascade_run / "report.md").read_text()
    assert read_scores(cascade_run).results.benchmarks[0].arms[1].shown_k == "1 + 1"


def test_a_run_with_a_cascade_verifies(cascade_run: Path, verified: Callable[..., Verification]) -> None:
    found = verified(cascade_run)
    assert found.differences == []
    assert found.ranked == found.rankings > 0


def test_a_forged_share_is_found(cascade_run: Path, verified: Callable[..., Verification], tmp_path: Path) -> None:
    forged = tmp_path / "run"
    shutil.copytree(cascade_run, forged)
    changed = rows(forged, "rankings.jsonl.gz")
    for row in changed:
        if "walk" in row:
            row["walk"]["reached"] = [1.0, 0.0]
    files.write_rows(forged / "rankings.jsonl.gz", changed)
    manifest = json.loads((forged / "manifest.json").read_text())
    manifest["files"] = {name: files.file_sha256(forged / name) for name in HASHED}
    (forged / "manifest.json").write_bytes(files.json_bytes(sealed(manifest)))
    assert any("walk.reached" in one.field for one in verified(forged).differences)
