"""Options of `plan` and `compare` that say what to plan, and the way from them to plans.

Heavy imports are inside the functions: this module is read on every start of the program.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..budgets.costs import Conditions
    from ..budgets.memory import MemoryFit
    from ..records import Plan, Workload
    from ..tasks import Benchmark


class Match(StrEnum):
    """What arms are matched by; the values of `records.BudgetKind`."""

    flops = "flops"
    runtime = "runtime"
    memory = "memory"
    usd = "usd"


class RegimeName(StrEnum):
    """What runtime means; the values of `budgets.runtime.Regime`."""

    latency = "latency"
    throughput = "throughput"


class Convention(StrEnum):
    """How FLOPs are counted; the values of `Workload.convention`."""

    paper = "paper"
    tokens = "tokens"


DEFAULT_BENCHMARK = "humaneval"

ArmsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="ARM...", help="A model, with @PRECISION and :K (a number or greedy) as wanted: 70b:1 13b@int4:5 7b"
    ),
]
FamilyOption = Annotated[str, typer.Option(help="Where names like 7b are looked up.")]
MatchOption = Annotated[
    Match | None, typer.Option(help="Give arms without :K the first arm's cost in this.", show_default="flops")
]
BudgetOption = Annotated[
    str | None, typer.Option(help="Limits per task for all arms, such as flops=2e13.", metavar="KIND=AMOUNT,...")
]
BenchmarkOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE|ID",
        help="The benchmark, whose token counts are planned for.",
        show_default="humaneval, or the family's own: nano",
    ),
]
PromptTokensOption = Annotated[int | None, typer.Option(min=1, help="Tokens of a prompt, prefilled once per task.")]
OutputTokensOption = Annotated[int | None, typer.Option(min=1, help="Tokens of one sample.")]
ConventionOption = Annotated[
    Convention | None,
    typer.Option(
        help="paper: one 128-token pass per sample. tokens: one prefill per task, then decoding.",
        show_default="tokens where token counts or a benchmark are given, else paper",
    ),
]
ToleranceOption = Annotated[float, typer.Option(min=0.0, help="How far over the limit still counts as matched.")]
HardwareOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[xN]", help="What runs the models, such as h100x8 (see codebudget hardware list): gives runtime."
    ),
]
RegimeOption = Annotated[
    RegimeName,
    typer.Option(
        help="throughput: seconds of a busy machine per task. latency: seconds that one task alone takes, "
        "its samples in one batch."
    ),
]
CalibrationOption = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Measured seconds, from codebudget calibrate, or 'paper': gives runtime."),
]
UsdPerHourOption = Annotated[float | None, typer.Option(help="US dollars per device and hour.", metavar="USD")]
UsdPerMtokOption = Annotated[
    list[str] | None,
    typer.Option(metavar="[ARM=]IN,OUT", help="US dollars per million input and output tokens, of one arm or of all."),
]
ConcurrencyOption = Annotated[
    int | None, typer.Option(min=1, help="Samples held in memory at once.", show_default="all k of a task")
]


@dataclass(frozen=True)
class Planned:
    """What the options come to."""

    workload: Workload
    plans: tuple[Plan, ...]
    conditions: Conditions
    memory_limit_bytes: float | None = None
    """Memory of one device, where a budget or the hardware says."""


def benchmark_name(named: str | None, family: str) -> str:
    """The benchmark that is meant: the one that was named, else the one that the family was made for, else HumanEval.

    Raises:
        UserError: there is no such family.
    """
    from ..budgets.models import find_family

    return named or find_family(family).benchmark or DEFAULT_BENCHMARK


def plan_from_options(
    arms: Sequence[str],
    *,
    family: str,
    match: Match | None,
    budget: str | None,
    benchmark: Benchmark | None,
    prompt_tokens: int | None,
    output_tokens: int | None,
    convention: Convention | None,
    tolerance: float,
    hardware: str | None = None,
    regime: RegimeName = RegimeName.throughput,
    calibration: str | None = None,
    usd_per_hour: float | None = None,
    usd_per_mtok: Sequence[str] | None = None,
    concurrency: int | None = None,
) -> Planned:
    """Plan the arms as the options of `plan` and `compare` say; see the options for what each is.

    Raises:
        UserError: An option cannot be read or contradicts another, or the arms cannot be planned.
    """
    from ..budgets.arms import parse_arm, parse_budget
    from ..budgets.plan import plan_arms

    parsed = [parse_arm(arm) for arm in arms]
    limits = None if budget is None else parse_budget(budget)
    workload = workload_from_options(
        benchmark=benchmark, prompt_tokens=prompt_tokens, output_tokens=output_tokens, convention=convention
    )
    conditions = conditions_from_options(
        hardware=hardware,
        regime=regime,
        calibration=calibration,
        usd_per_hour=usd_per_hour,
        usd_per_mtok=usd_per_mtok or (),
        concurrency=concurrency,
    )
    plans = plan_arms(
        parsed,
        family=family,
        workload=workload,
        match=None if match is None else match.value,
        budget=limits,
        tolerance=tolerance,
        conditions=conditions,
    )
    memory_limit = limits.memory_bytes if limits is not None else None
    if memory_limit is None and conditions.machine is not None:
        memory_limit = conditions.machine.hardware.memory_bytes
    return Planned(workload=workload, plans=plans, conditions=conditions, memory_limit_bytes=memory_limit)


def conditions_from_options(
    *,
    hardware: str | None,
    regime: RegimeName,
    calibration: str | None,
    usd_per_hour: float | None,
    usd_per_mtok: Sequence[str],
    concurrency: int | None,
) -> Conditions:
    """Where and how samples are drawn.

    Raises:
        UserError: An option cannot be read.
    """
    from ..budgets.costs import Conditions
    from ..budgets.dollars import Prices, parse_token_price

    if usd_per_hour is not None and not 0 < usd_per_hour < float("inf"):
        raise UserError(f"--usd-per-hour must be more than 0 and finite, not {usd_per_hour}")
    machine, measured = None, None
    if hardware is not None:
        from ..budgets.hardware import find_machine

        machine = find_machine(hardware)
    if calibration is not None:
        from ..budgets.calibration import load_calibration

        measured = load_calibration(calibration)
    return Conditions(
        machine=machine,
        calibration=measured,
        regime=regime.value,
        prices=Prices(usd_per_hour=usd_per_hour, tokens=tuple(parse_token_price(text) for text in usd_per_mtok)),
        concurrency=concurrency,
    )


def workload_from_options(
    *, benchmark: Benchmark | None, prompt_tokens: int | None, output_tokens: int | None, convention: Convention | None
) -> Workload:
    """The workload: the paper's where nothing names another, else the benchmark's, with typed counts in its place.

    Raises:
        UserError: The options contradict each other or leave a count open.
    """
    from ..budgets.flops import PAPER_WORKLOAD
    from ..records import Workload

    typed = prompt_tokens is not None or output_tokens is not None
    if convention is None:
        convention = Convention.tokens if typed or benchmark is not None else Convention.paper
    if convention is Convention.paper:
        if typed:
            raise UserError(
                "the paper's convention counts 128 tokens: drop --prompt-tokens and --output-tokens, "
                "or use --convention tokens"
            )
        return PAPER_WORKLOAD
    if prompt_tokens is not None and output_tokens is not None:
        source = "--prompt-tokens and --output-tokens"
        return Workload(convention="tokens", prompt_tokens=prompt_tokens, output_tokens=output_tokens, source=source)
    if benchmark is None:
        raise UserError("--convention tokens needs --benchmark, or both --prompt-tokens and --output-tokens")
    measured = benchmark.workload()
    if prompt_tokens is not None:
        changed: dict[str, object] = {
            "prompt_tokens": prompt_tokens,
            "source": f"--prompt-tokens, and {measured.source}",
        }
    elif output_tokens is not None:
        changed = {"output_tokens": output_tokens, "source": f"--output-tokens, and {measured.source}"}
    else:
        return measured
    return measured.model_copy(update=changed)


def memory_fits(planned: Planned) -> list[MemoryFit | None]:
    """What the memory limit means for each arm, None for all of them where there is no limit."""
    limit = planned.memory_limit_bytes
    if limit is None:
        return [None] * len(planned.plans)
    from ..budgets.memory import memory_fit
    from ..budgets.models import find_model

    return [
        memory_fit(
            find_model(plan.model).architecture,
            plan.precision,
            planned.workload,
            plan.k,
            limit,
            concurrency=planned.conditions.concurrency,
        )
        for plan in planned.plans
    ]


def describe_memory(planned: Planned) -> list[str]:
    """One line per arm that says how its samples go into the memory limit; none without a limit."""
    from ..budgets.quantities import format_amount

    lines = []
    for plan, fit in zip(planned.plans, memory_fits(planned), strict=True):
        if fit is None or planned.memory_limit_bytes is None:
            continue
        limit = format_amount("memory", planned.memory_limit_bytes)
        if fit.waves is None:
            devices = "no number of devices suffices"
            if fit.tensor_parallel is not None:
                devices = f"it takes {fit.tensor_parallel} such devices (tensor parallel)"
            lines.append(f"{plan.arm.spec} does not fit {limit}: {devices}")
        else:
            waves = "at once" if fit.waves == 1 else f"in {fit.waves} waves of up to {fit.concurrency}"
            lines.append(f"{plan.arm.spec} fits {limit}: its {plan.k} samples of a task run {waves}")
    return lines


def describe_runtime(planned: Planned) -> str | None:
    """One line that says what the runtime is, None where there is none."""
    machine, calibration = planned.conditions.machine, planned.conditions.calibration
    if planned.conditions.regime == "latency":
        what = "seconds that one task takes alone, its samples in one batch"
    else:
        what = "seconds of a busy machine per task, batches full (--regime latency: one task alone)"
    if calibration is not None:
        how = f"measured on {calibration.machine} with {calibration.engine} ({calibration.source})"
        if calibration.engine == "not stated":
            how = f"measured on {calibration.machine} ({calibration.source})"
        return f"runtime: {what}, {how}"
    if machine is None:
        return None
    from ..budgets.runtime import MBU, MFU

    of_what = ""
    if planned.workload.convention == "paper":
        of_what = "; it is of the convention's one pass, name a benchmark or token counts for that of generation"
    return f"runtime: {what}, by a roofline of {machine.name} at MFU {MFU}, MBU {MBU}{of_what}"


def describe_workload(workload: Workload) -> str:
    """One line that names the convention, what it counts, and where the counts come from."""
    if workload.convention == "paper":
        what = f"one forward pass over {workload.prompt_tokens} tokens per sample"
    else:
        what = (
            f"{workload.prompt_tokens} prompt tokens prefilled once per task, "
            f"{workload.output_tokens} output tokens per sample"
        )
    return f"convention {workload.convention}: {what} ({workload.source})"
