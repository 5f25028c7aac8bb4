"""A run's small files, as the site reads them. A run may be a stranger's: each file's shape is checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ..._util.printable import one_line
from ...errors import UserError
from ...settings import ORACLE
from ..files import MANIFEST, RESULTS, TIMINGS
from ..reading import RunFolder
from ..results_file import Results

if TYPE_CHECKING:
    from pathlib import Path

    from ...report.page_data import Fact, RunNotes
    from ..results_file import ArmScores, BenchmarkScores


class ScoredRun(NamedTuple):
    """A run directory: its place, and its small files. `manifest` is for showing only, and may be any JSON."""

    files: RunFolder
    results: Results
    manifest: dict[str, Any]
    timings: dict[str, Any]

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self.files.path

    @property
    def id(self) -> str:
        """The first digits of the run's id, which tell runs of one name apart."""
        return str(self.manifest["run_id"])[:10]


def read_scores(path: Path) -> ScoredRun:
    """Read the small files of a run directory.

    Raises:
        UserError: It is no run directory, or one of its files is not as it should be.
    """
    folder = RunFolder(path)
    if folder.lacking((RESULTS, MANIFEST)):
        raise UserError(
            f"{path} is not a run directory: it needs manifest.json and results.json (unpack an archive first)"
        )
    results = folder.model(RESULTS, Results)
    timings = {} if folder.lacking((TIMINGS,)) else folder.json(TIMINGS).value
    run = ScoredRun(folder, results, folder.json(MANIFEST).value, timings)
    if not re.fullmatch("[0-9a-f]{64}", str(run.manifest.get("run_id"))):
        raise UserError(f"{path / MANIFEST}: run_id must be a SHA-256; make the run again, or verify it")
    _check(run)
    return run


def _check(run: ScoredRun) -> None:
    """Check what no value alone shows: that names are unique, and scores cover tasks, k and rankers.

    Raises:
        UserError: They do not.
    """
    for benchmark in run.results.benchmarks:
        where = f"{run.folder / RESULTS}: {one_line(benchmark.benchmark)}"
        if len(set(benchmark.tasks)) < len(benchmark.tasks):
            raise UserError(f"{where}: a task is listed twice; make the run again, or verify it")
        if len({arm.spec for arm in benchmark.arms}) < len(benchmark.arms):
            raise UserError(f"{where}: an arm is listed twice; make the run again, or verify it")
        for arm in benchmark.arms:
            if not _is_whole(arm, len(benchmark.tasks)):
                raise UserError(
                    f"{where}, {one_line(arm.spec)}: its scores do not cover its tasks, k and rankers; make the run "
                    "again, or verify it"
                )
    mean = run.results.mean
    if mean is None:
        return
    specs = {arm.spec for arm in mean.arms}
    if any([arm.spec for arm in one.arms] != [arm.spec for arm in mean.arms] for one in run.results.benchmarks) or any(
        not {pair.a, pair.b} <= specs for pair in mean.paired
    ):
        raise UserError(
            f"{run.folder / RESULTS}: its means are not of its benchmarks' arms; make the run again, or verify it"
        )


def _is_whole(arm: ArmScores, tasks: int) -> bool:
    by_task = arm.per_task
    lists = (by_task.n, by_task.passed, by_task.pass_at_k, *by_task.rankers.values())
    return (
        all(len(values) == tasks for values in lists)
        and all(passed <= n for n, passed in zip(by_task.n, by_task.passed, strict=True))
        # Of a cascade, tasks that go no further have fewer samples.
        and (bool(arm.stages) or max((*arm.ks, arm.k)) <= min(by_task.n))
        and list(arm.ks) == sorted(set(arm.ks))
        and all(k in arm.pass_at_k and k in arm.costs for k in (*arm.ks, arm.k))
        and by_task.rankers.keys() >= arm.rankers.keys() - {ORACLE}
        and all(arm.k in ranker.rank_score_at_k for ranker in arm.rankers.values())
    )


_DIGITS = 12


def facts_of(run: ScoredRun) -> list[Fact]:
    """List labels and values; what the manifest lacks is left out."""
    manifest = run.manifest
    code, sandbox, hardware = (_object(manifest, name) for name in ("codebudget", "sandbox", "hardware"))
    conformance = _object(sandbox, "conformance")
    facts = {
        "Run": _brief(manifest.get("run_id")),
        "Started": run.timings.get("started_at"),
        "codebudget": _joined(code.get("version"), _commit(code)),
        "Python": _joined(manifest.get("python"), manifest.get("platform")),
        "Hardware": _joined(
            hardware.get("cpu"),
            hardware.get("cores") and f"{hardware['cores']} cores",
            *_list(hardware, "accelerators"),
        ),
        "Sandbox": sandbox.get("launcher"),
        "Sandbox check": _brief(conformance.get("result_hash")) if conformance else "not run",
        "Seed": manifest.get("seed"),
        "Command": " ".join(str(word) for word in _list(manifest, "argv")),
    }
    shown = [(label, str(value)) for label, value in facts.items() if value not in (None, "")]
    for model in _list(manifest, "models"):
        if isinstance(model, dict):
            how = _joined(
                model.get("model"),
                model.get("precision"),
                model.get("engine"),
                model.get("revision") and f"revision {_brief(model['revision'])}",
                model.get("source"),
            )
            shown.append((f"{model.get('arm')} on {model.get('benchmark')}", how))
    return shown


def notes_of(place: int, benchmark: BenchmarkScores) -> RunNotes:
    """Collect a run's benchmark notes."""
    return {
        "run": place,
        "advice": [benchmark.verdict.with_tests, benchmark.verdict.without_tests],
        "warnings": list(benchmark.warnings),
        "left_out": [f"{task}: {reason}" for task, reason in benchmark.left_out.items()],
    }


def _object(found: dict[str, Any], name: str) -> dict[str, Any]:
    value = found.get(name)
    return value if isinstance(value, dict) else {}


def _list(found: dict[str, Any], name: str) -> list[Any]:
    value = found.get(name)
    return value if isinstance(value, list) else []


def _brief(digest: object) -> str:
    return "" if digest is None else str(digest)[:_DIGITS]


def _commit(code: dict[str, Any]) -> str:
    dirty = " with changes" if code.get("dirty") else ""
    return f"commit {_brief(code['commit'])}{dirty}" if code.get("commit") else ""


def _joined(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part)
