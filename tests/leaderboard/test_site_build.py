"""What a site holds and what it refuses, without a browser."""

from __future__ import annotations

import base64
import json
import re
import zlib
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from codebudget._util.progress import silent
from codebudget.errors import UserError
from codebudget.estimators import paired_difference
from codebudget.leaderboard.site.build import build_site

from support.synthetic_runs import make_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three runs of two arms on the same benchmark; the last lacks some of its tasks."""
    folder = tmp_path_factory.mktemp("runs")
    found = [folder / f"run-{number}" for number in range(3)]
    for number, path in enumerate(found):
        make_run(path, number, arms=2, tasks=14, samples=8)
    results = json.loads((found[2] / "results.json").read_text())
    (section,) = results["benchmarks"]
    for key in ("n", "passed", "pass_at_k"):
        for arm in section["arms"]:
            del arm["per_task"][key][:3]
    for arm in section["arms"]:
        for values in arm["per_task"]["rankers"].values():
            del values[:3]
    del section["tasks"][:3]
    (found[2] / "results.json").write_text(json.dumps(results))
    return found


@pytest.fixture(scope="module")
def site(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site") / "site"
    build_site(runs, out, title=None, progress=silent)
    return out


def part(site: Path, name: str) -> Any:
    """A part of the data, read back."""
    script = (site / "data" / f"{name}.js").read_text(encoding="ascii")
    found = re.fullmatch(r'codebudget\.receive\("([\w/.-]+)","([A-Za-z0-9+/=]*)"\);\n', script)
    assert found is not None
    assert found[1] == name
    return json.loads(zlib.decompress(base64.b64decode(found[2])))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_same_runs_make_the_same_bytes(site: Path, runs: list[Path], tmp_path: Path) -> None:
    build_site(runs, tmp_path / "again", title=None, progress=silent)
    assert contents(tmp_path / "again") == contents(site)


def test_pairs_are_those_of_the_estimators_over_common_tasks(site: Path, runs: list[Path]) -> None:
    board = part(site, "board-0")
    sections = [json.loads((run / "results.json").read_text())["benchmarks"][0] for run in runs]
    arms = [(section["tasks"], arm["per_task"]) for section in sections for arm in section["arms"]]
    pairs = {(a, b): rest for a, b, *rest in board["pairs"]["examples"]}
    assert set(pairs) == set(combinations(range(len(arms)), 2))
    for (a, b), (difference, low, high) in pairs.items():
        common = [task for task in arms[a][0] if task in arms[b][0]]
        first, second = (
            np.array([values["rankers"]["examples"][tasks.index(task)] for task in common])
            for tasks, values in (arms[a], arms[b])
        )
        expected = paired_difference(first, second)
        assert (difference, low, high) == pytest.approx(expected[:3], abs=2e-6)


def test_every_scored_task_has_its_candidates_with_verdicts_and_scores(site: Path) -> None:
    board = part(site, "board-0")
    entry = board["entries"][0]
    found = part(site, f"{entry['candidates']}/0")
    assert len(found["samples"]) == entry["drawn"][0] == 8
    assert sum(sample["status"] == "passed" for sample in found["samples"]) == entry["passed"][0]
    assert all(len(scores) == 8 for scores in found["scores"].values())
    # A task that this run left out, and others scored.
    assert board["entries"][-1]["drawn"][0] == 0
    assert board["entries"][-1]["picked"]["pass_at_k"][0] is None


def test_the_page_is_the_same_text_but_for_its_nonce(site: Path, runs: list[Path], tmp_path: Path) -> None:
    build_site(runs[:1], tmp_path / "one", title="Another", progress=silent)
    pages = [(folder / "index.html").read_text() for folder in (site, tmp_path / "one")]
    nonces = [set(re.findall(r"nonce-([\w+/]+)'", page)) for page in pages]
    assert all(len(found) == 1 for found in nonces)
    assert nonces[0] != nonces[1]
    bare = [page.replace(found.pop(), "") for page, found in zip(pages, nonces, strict=True)]
    assert bare[0] == bare[1]


def test_results_of_an_earlier_codebudget_are_read(site: Path, runs: list[Path], tmp_path: Path) -> None:
    """Files of version 1 said nothing of what is left where ranking is paid for, and may say more some day."""
    old = []
    for run in runs:
        old.append(tmp_path / run.name)
        old[-1].mkdir()
        for path in run.iterdir():
            (old[-1] / path.name).write_bytes(path.read_bytes())
        results = json.loads((run / "results.json").read_text())
        for arm in results["benchmarks"][0]["arms"]:
            arm["note"] = "of a later version"
            for ranker in arm["rankers"].values():
                del ranker["left"], ranker["gap_closed"]
        (old[-1] / "results.json").write_text(json.dumps(results))
    build_site(old, tmp_path / "site", title=None, progress=silent)
    assert contents(tmp_path / "site") == contents(site)


def test_an_earlier_site_is_replaced_and_other_folders_are_not(runs: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "site"
    for _ in range(2):
        build_site(runs[:1], out, title=None, progress=silent)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match="something other than a site"):
        build_site(runs[:1], mine, title=None, progress=silent)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "site"]


def test_what_is_no_run_is_refused_and_leaves_nothing(runs: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "site"
    with pytest.raises(UserError, match="not a run directory"):
        build_site([tmp_path], out, title=None, progress=silent)
    with pytest.raises(UserError, match="same run"):
        build_site([runs[0], runs[0]], out, title=None, progress=silent)
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in runs[0].iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    (broken / "verdicts.jsonl.gz").write_bytes(b"\x1f\x8b cut off")
    with pytest.raises(UserError, match=r"verdicts\.jsonl\.gz"):
        build_site([broken], out, title=None, progress=silent)
    results = json.loads((runs[0] / "results.json").read_text())
    results["benchmarks"][0]["arms"][0]["pass_at_k"]["1"]["value"] = "<b>"
    (broken / "results.json").write_text(json.dumps(results))
    with pytest.raises(UserError, match=r"pass_at_k.1.value"):
        build_site([broken], out, title=None, progress=silent)
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]
