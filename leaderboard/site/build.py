"""Runs -> a site: an index, a part per benchmark, and a part per arm and task."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ...errors import UserError
from ...estimators import PASS_AT_K
from ...report.page import Part, check_folder, check_plots, write_folder
from ...settings import BLIND_RANKER, ORACLE
from .comparisons import Pair, crossings_of, paired_differences
from .contenders import Contender, Key, candidate_parts, contender_data, contenders_of, read_at_k
from .means import mean_board, means_of
from .scored_runs import facts_of, notes_of, read_scores

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ..._util.progress import Progress
    from ...report.page import Written
    from ...report.page_data import BoardData, CrossingData, IndexData
    from ..results_file import MeanArm
    from .comparisons import Pair
    from .contenders import AtK
    from .scored_runs import ScoredRun

NOTE = (
    "Every number is as stated by the runs, except paired differences and crossings, which are computed from "
    "their rows. codebudget leaderboard verify checks whether a run's numbers follow from its candidates."
)


def build_site(folders: Sequence[Path], out: Path, *, title: str | None, progress: Progress) -> Written:
    """Write a static site of some runs. It opens from a file and loads nothing from elsewhere.

    Args:
        folders: Run directories.
        out: The site's folder; a site that is there is replaced.
        title: Of the page; if None, the run's name, or how many there are.
        progress: Told how many runs are read.

    Raises:
        UserError: A folder is no run directory or is given twice, a file is not as it should be, or `out` is in use.
        MachineError: plotly is not installed.
    """
    check_plots()
    check_folder(out)
    runs = [read_scores(folder) for folder in folders]
    twice = [run_id for run_id, count in Counter(run.id for run in runs).items() if count > 1]
    if twice:
        same = ", ".join(str(run.folder) for run in runs if run.id in twice)
        raise UserError(f"these are the same run: {same}; list it once")
    return write_folder(out, _parts(runs, title, progress))


def _parts(runs: Sequence[ScoredRun], title: str | None, progress: Progress) -> Iterator[Part]:
    benchmarks: dict[str, str] = {}
    for run in runs:
        for benchmark in run.results.benchmarks:
            benchmarks.setdefault(benchmark.content_hash, benchmark.benchmark)
    repeated = {name for name, count in Counter(benchmarks.values()).items() if count > 1}
    names = {digest: f"{name} ({digest[:8]})" if name in repeated else name for digest, name in benchmarks.items()}
    at_k = []
    for place, run in enumerate(runs):
        at_k.append(read_at_k(run))
        progress("reading scores", place + 1, len(runs))
    index: IndexData = {
        "title": title or (runs[0].results.name if len(runs) == 1 else f"Leaderboard of {len(runs)} runs"),
        "note": NOTE,
        "runs": [
            {"id": run.id, "name": run.results.name, "description": run.results.description, "facts": facts_of(run)}
            for run in runs
        ],
        "benchmarks": [],
    }
    for number, means in enumerate(means_of(runs, names)):
        arms = [arm for place in means.runs for arm in _mean_arms(runs[place])]
        contenders = contenders_of(runs, runs[means.runs[0]].results.benchmarks[0].content_hash)
        metrics = _metrics([runs[place] for place in means.runs], (name for arm in arms for name in arm.rankers))
        index["benchmarks"].append({"name": means.name, "file": f"mean-{number}", "arms": len(arms), "mean": True})
        yield Part(f"mean-{number}", mean_board(means, runs, contenders, metrics))
    files: dict[str, dict[Key, str]] = {run.id: {} for run in runs}
    for number, (digest, name) in enumerate(names.items()):
        contenders = contenders_of(runs, digest)
        tasks = {
            task: place for place, task in enumerate(dict.fromkeys(t for e in contenders for t in e.benchmark.tasks))
        }
        index["benchmarks"].append({"name": name, "file": f"board-{number}", "arms": len(contenders)})
        yield Part(f"board-{number}", _board(runs, contenders, name, tasks, at_k, number, progress))
        for contender in contenders:
            for task in contender.benchmark.tasks:
                key = (contender.benchmark.benchmark, task, contender.arm.spec)
                files[contender.files.id][key] = f"{_folder(contender, number)}/{tasks[task]}"
    yield Part("index", index)
    for place, run in enumerate(runs):
        yield from candidate_parts(run, files[run.id])
        progress("writing candidates", place + 1, len(runs))


def _board(
    runs: Sequence[ScoredRun],
    contenders: Sequence[Contender],
    name: str,
    tasks: dict[str, int],
    at_k: Sequence[AtK],
    number: int,
    progress: Progress,
) -> BoardData:
    decisive = [run.results.decisive_ranker for run in runs]
    metrics = _metrics(runs, (metric for contender in contenders for metric in contender.arm.rankers))
    pairs: dict[str, list[Pair]] = {}
    crossings: list[CrossingData] = []
    for place, metric in enumerate(metrics):
        pairs[metric] = pairs[PASS_AT_K] if metric == ORACLE else paired_differences(contenders, metric)
        if metric != ORACLE:
            across = metric == PASS_AT_K or metric in decisive
            crossings += crossings_of(contenders, metric, at_k, across=across)
        progress(f"comparing arms on {name}", place + 1, len(metrics))
    return {
        "name": name,
        "tasks": list(tasks),
        "metrics": metrics,
        "entries": [contender_data(contender, tasks, _folder(contender, number)) for contender in contenders],
        "pairs": pairs,
        "crossings": crossings,
        "runs": [notes_of(run, benchmark) for run, benchmark in {e.run: e.benchmark for e in contenders}.items()],
    }


def _metrics(runs: Sequence[ScoredRun], rankers: Iterable[str]) -> list[str]:
    """Order the metrics: pass@k, the decisive rankers, and the bounds last."""
    decisive = [run.results.decisive_ranker for run in runs]
    listed = sorted(dict.fromkeys(rankers), key=lambda name: (name not in decisive, name in (ORACLE, BLIND_RANKER)))
    return [PASS_AT_K, *listed]


def _mean_arms(run: ScoredRun) -> Sequence[MeanArm]:
    return () if run.results.mean is None else run.results.mean.arms


def _folder(contender: Contender, board: int) -> str:
    return f"candidates/{contender.files.id}/{board}.{contender.number}"
