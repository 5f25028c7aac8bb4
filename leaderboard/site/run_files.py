"""What the site reads of a run's small files. A run may be a stranger's: each is checked for its shape."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...errors import UserError
from ...records import Cost, Interval, Status
from ..files import MANIFEST, RESULTS, TIMINGS

if TYPE_CHECKING:
    from pathlib import Path

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Read(BaseModel):
    """A part of a file of which the site reads some fields."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Spread(_Read):
    """A score with its 95 % interval."""

    value: Share | None
    low: Share | None
    high: Share | None

    def interval(self) -> Interval:
        """As a record."""
        return Interval(value=self.value, low=self.low, high=self.high)


class Costs(_Read):
    """A cost per task, or a ratio."""

    flops: Amount | None = None
    runtime_s: Amount | None = None
    memory_bytes: Amount | None = None
    usd: Amount | None = None

    def cost(self) -> Cost:
        """As a record."""
        return Cost(flops=self.flops, runtime_s=self.runtime_s, memory_bytes=self.memory_bytes, usd=self.usd)


class PlanRead(_Read):
    """What an arm was planned to cost per task."""

    cost: Costs
    budget_ratio: Costs
    matched: bool | None = None
    equal: bool | None = None


class RankerRead(_Read):
    """One ranker's scores of an arm, by k."""

    rank_score_at_k: dict[int, Spread]


class PerTask(_Read):
    """Lists by task, in the order of the benchmark's tasks."""

    n: tuple[Count, ...]
    passed: tuple[Count, ...]
    pass_at_k: tuple[Share, ...]
    rankers: dict[str, tuple[Share, ...]]


class ArmRead(_Read):
    """One arm on one benchmark."""

    spec: str
    model: str
    precision: str
    k: Annotated[int, Field(ge=1)]
    greedy: bool = False
    parameters: Count | None = None
    plan: PlanRead
    n: Count
    samples: Count
    statuses: dict[Status, Count]
    ks: tuple[Annotated[int, Field(ge=1)], ...]
    costs: dict[int, Costs]
    pass_at_k: dict[int, Spread]
    rankers: dict[str, RankerRead]
    per_task: PerTask


class BenchmarkRead(_Read):
    """One benchmark of a run."""

    benchmark: str
    content_hash: str
    total_tasks: Count
    match: Literal["flops", "runtime", "memory", "usd"] | None = None
    budget: Costs | None = None
    tasks: tuple[str, ...]
    left_out: dict[str, str] = {}
    warnings: tuple[str, ...] = ()
    arms: tuple[ArmRead, ...]
    verdict: dict[str, str] = {}


class ResultsRead(_Read):
    """`results.json`."""

    schema_version: Literal[1]
    name: str
    description: str = ""
    rankers: tuple[str, ...]
    decisive_ranker: str
    benchmarks: tuple[BenchmarkRead, ...]


class RunFiles(NamedTuple):
    """A run directory: its place, and the small files read. `manifest` is for showing only, and may be any JSON."""

    folder: Path
    results: ResultsRead
    manifest: dict[str, Any]
    timings: dict[str, Any]

    @property
    def id(self) -> str:
        """The first digits of the run's id, which tell runs of one name apart."""
        return str(self.manifest["run_id"])[:10]


def read_run(folder: Path) -> RunFiles:
    """Read the small files of a run directory.

    Raises:
        UserError: It is no run directory, or one of its files is not as it should be.
    """
    if not (folder / RESULTS).is_file() or not (folder / MANIFEST).is_file():
        raise UserError(
            f"{folder} is no run directory: it needs manifest.json and results.json (unpack an archive first)"
        )
    try:
        results = ResultsRead.model_validate_json((folder / RESULTS).read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{folder / 'results.json'}: {place}: {first['msg']}") from error
    timings = folder / TIMINGS
    run = RunFiles(folder, results, _json_object(folder / MANIFEST), _json_object(timings) if timings.is_file() else {})
    if not re.fullmatch("[0-9a-f]{64}", str(run.manifest.get("run_id"))):
        raise UserError(f"{folder / 'manifest.json'}: run_id must be a SHA-256; make the run again, or verify it")
    _check(run)
    return run


def _json_object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise UserError(f"{path} must hold a JSON object")
    return found


def _check(run: RunFiles) -> None:
    """Lists by task must be as long as the tasks, and an arm's k among those that it was scored at."""
    for benchmark in run.results.benchmarks:
        for arm in benchmark.arms:
            lists = (arm.per_task.n, arm.per_task.passed, arm.per_task.pass_at_k, *arm.per_task.rankers.values())
            whole = all(len(values) == len(benchmark.tasks) for values in lists)
            scored = all(k in arm.pass_at_k and k in arm.costs for k in (*arm.ks, arm.k))
            ranked = all(arm.k in ranker.rank_score_at_k for ranker in arm.rankers.values())
            if not (whole and scored and ranked):
                where = f"{run.folder / 'results.json'}: {benchmark.benchmark}, {arm.spec}"
                raise UserError(f"{where}: its scores do not cover its tasks and k; make the run again, or verify it")
