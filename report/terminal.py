"""A comparison as tables of at most 100 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from .._util.printable import as_text
from ..records import Usage

if TYPE_CHECKING:
    from ..records import ArmResult, Comparison, Cost, Interval

WIDTH = 100
_OTHER_COSTS = {"runtime_s": "runtime", "memory_bytes": "memory", "usd": "USD"}
_ARMS_ABREAST = 3
_NARROWEST = 80
"""Below this a terminal wraps whole lines, which is easier to read than columns of three letters."""


def print_comparison(comparison: Comparison) -> None:
    """Print a comparison to standard output."""
    console = Console()
    console.width = max(_NARROWEST, min(WIDTH, console.width if console.is_terminal else _plain_width()))
    console.print(
        as_text(
            f"{comparison.benchmark}, {comparison.tasks} tasks, graded in the {comparison.sandbox} sandbox; "
            f"95 % intervals over tasks. FLOPs are per task: {_workload(comparison)}."
        )
    )
    console.print(_arms(comparison))
    if any(_is_realised(arm) for arm in comparison.arms):
        console.print(_realised(comparison))
        for arm in comparison.arms:
            for line in arm.realised.deviations:
                console.print(as_text(f"{arm.plan.arm.spec}: {line}."))
        console.print()
    console.print(_rankers(comparison))
    if any(arm.plan.k > 1 for arm in comparison.arms[1:]):
        console.print(_paid(comparison))
    if comparison.paired:
        console.print(_paired(comparison))
    if any(arm.strata for arm in comparison.arms):
        console.print(_strata(comparison))
    for reason, tasks in _grouped(comparison.left_out).items():
        shown = ", ".join(tasks[:5]) + (", ..." if len(tasks) > 5 else "")
        console.print(as_text(f"Left out, {reason}: {len(tasks)} ({shown})"))
    console.print(as_text(comparison.verdict.with_tests, style="bold"))
    console.print(as_text(comparison.verdict.without_tests, style="bold"))


def _workload(comparison: Comparison) -> str:
    workload = comparison.workload
    if workload.convention == "paper":
        return f"one pass over {workload.prompt_tokens} tokens per sample ({workload.source})"
    return f"{workload.prompt_tokens} prompt and {workload.output_tokens} output tokens ({workload.source})"


def _plain_width() -> int:
    """100 columns, or fewer where COLUMNS says so: a file has no width of its own."""
    import os

    columns = os.environ.get("COLUMNS", "")
    return min(WIDTH, int(columns)) if columns.isdigit() and int(columns) > 0 else WIDTH


def _arms(comparison: Comparison) -> Table:
    table = Table(box=SIMPLE_HEAD, title="Arms", title_justify="left")
    is_realised = any(arm.realised.cost.flops is not None for arm in comparison.arms)
    table.add_column("arm", overflow="fold", min_width=8)
    table.add_column("precision", no_wrap=True)
    # Beside FLOPs, whatever else the plans were limited by.
    limited = [
        field for field in _OTHER_COSTS if any(getattr(arm.plan.leftover, field) is not None for arm in comparison.arms)
    ]
    for header in ("k", "FLOPs", "ratio", *(f"{_OTHER_COSTS[field]} ratio" for field in limited)):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("matched", no_wrap=True)
    if is_realised:
        table.add_column("realised", justify="right", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    table.add_column("pass@k")
    for arm in comparison.arms:
        plan = arm.plan
        table.add_row(
            as_text(plan.arm.spec),
            as_text(plan.precision),
            "greedy" if plan.arm.greedy else str(plan.k),
            _flops(plan.cost.flops),
            _ratio(plan.budget_ratio.flops),
            *(_ratio(getattr(plan.budget_ratio, field)) for field in limited),
            _matched(plan.matched, plan.equal),
            *([_ratio(arm.realised.budget_ratio.flops)] if is_realised else []),
            str(arm.n),
            _interval(arm.pass_at_k),
        )
    return table


def _is_realised(arm: ArmResult) -> bool:
    cost = arm.realised.cost
    return any(value is not None for value in (cost.flops, cost.runtime_s, cost.memory_bytes, cost.usd))


def _realised(comparison: Comparison) -> Table:
    """Two rows per arm: what was planned per task, and what it came to."""
    table = Table(box=SIMPLE_HEAD, title="Planned and realised, per task at k", title_justify="left")
    table.add_column("arm", overflow="fold", min_width=8)
    table.add_column("", no_wrap=True)
    workload = comparison.workload
    rows: list[tuple[str, str, Cost, Usage]] = []
    for arm in comparison.arms:
        plan = arm.plan
        prompts = plan.k if workload.convention == "paper" else 1
        planned = Usage(prompt_tokens=prompts * workload.prompt_tokens, output_tokens=plan.k * workload.output_tokens)
        rows.append((plan.arm.spec, "plan", plan.cost, planned))
        rows.append(("", "real", arm.realised.cost, arm.realised.usage))
    columns: dict[str, list[str]] = {
        "tokens in + out": [_tokens(usage) for *_, usage in rows],
        "FLOPs": [_flops(cost.flops) for *_, cost, _ in rows],
        "prefill": [_brief(usage.prefill_flops) for *_, usage in rows],
        "busy s": [_brief(cost.runtime_s) for *_, cost, _ in rows],
        "wall s": [_brief(usage.wall_s) for *_, usage in rows],
        "GiB": ["-" if cost.memory_bytes is None else f"{cost.memory_bytes / 2**30:.2f}" for *_, cost, _ in rows],
        "USD": [_brief(cost.usd) for *_, cost, _ in rows],
    }
    shown = {header: cells for header, cells in columns.items() if set(cells) != {"-"}}
    for header in shown:
        table.add_column(header, justify="right", no_wrap=True)
    for place, (spec, what, _, _) in enumerate(rows):
        table.add_row(as_text(spec), what, *(cells[place] for cells in shown.values()))
    return table


def _tokens(usage: Usage) -> str:
    if usage.prompt_tokens is None or usage.output_tokens is None:
        return "-"
    return f"{usage.prompt_tokens:.0f} + {usage.output_tokens:.0f}"


def _brief(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def _rankers(comparison: Comparison) -> Table:
    table = Table(box=SIMPLE_HEAD, title="Picked without hidden tests (rank-score@k)", title_justify="left")
    table.add_column("ranker", overflow="fold", min_width=8)
    for arm in comparison.arms:
        table.add_column(as_text(arm.plan.arm.spec), overflow="fold")
    table.add_column("s/task", justify="right", no_wrap=True)
    for name in comparison.arms[0].rankers:
        scores = [arm.rankers[name] for arm in comparison.arms]
        cost_s = max(score.cost_s or 0.0 for score in scores)
        cells = (_interval(score, stacked=_is_wide(comparison)) for score in scores)
        table.add_row(as_text(name), *cells, f"{cost_s:.3f}")
    return table


def _paid(comparison: Comparison) -> Table:
    """For arms with a choice: what is left once ranking is paid for, and the share of the gap that it closes."""
    first = comparison.arms[0].plan.arm
    title = f"Ranking paid for out of the arm's FLOPs, and the share closed of the gap to one sample of {first.name}"
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left")
    table.add_column("ranker", overflow="fold", min_width=8)
    arms = [arm for arm in comparison.arms[1:] if arm.plan.k > 1]
    for arm in arms:
        table.add_column(as_text(arm.plan.arm.spec), overflow="fold")
        table.add_column("gap", justify="right", no_wrap=True)
    for name in arms[0].rankers:
        cells = []
        for arm in arms:
            score = arm.rankers[name]
            if score.left is None:
                cells.append("cost unknown" if score.cost_flops is None else "-")
            else:
                cells.append(f"{score.left.value:.3f} at k={score.left.k:g}")
            cells.append("-" if score.gap_closed is None else f"{score.gap_closed:.0%}")
        table.add_row(as_text(name), *cells)
    return table


def _paired(comparison: Comparison) -> Table:
    title = f"Paired differences (p adjusted by Holm over {len(comparison.paired)}, all of them with --json)"
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left")
    table.add_column("metric", overflow="fold")
    table.add_column("arms", overflow="fold")
    table.add_column("difference", no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    for row in comparison.paired:
        if row.metric not in ("pass_at_k", comparison.decisive_ranker):
            continue
        table.add_row(
            as_text("pass@k" if row.metric == "pass_at_k" else row.metric),
            as_text(f"{row.a} - {row.b}"),
            f"{row.difference:+.3f} [{row.low:+.3f}, {row.high:+.3f}]",
            "<0.001" if row.p_value < 0.001 else f"{row.p_value:.3f}",
        )
    return table


def _strata(comparison: Comparison) -> Table:
    table = Table(box=SIMPLE_HEAD, title="pass@1 by the setting that samples were made with", title_justify="left")
    table.add_column("setting", overflow="fold", min_width=8)
    for arm in comparison.arms:
        table.add_column(as_text(arm.plan.arm.spec), overflow="fold")
    names = list(dict.fromkeys(stratum.name for arm in comparison.arms for stratum in arm.strata))
    for name in names:
        table.add_row(as_text(name), *(_stratum(arm, name, stacked=_is_wide(comparison)) for arm in comparison.arms))
    return table


def _stratum(arm: ArmResult, name: str, *, stacked: bool) -> str:
    found = [stratum for stratum in arm.strata if stratum.name == name]
    return _interval(found[0].pass_at_1, stacked=stacked) if found else "-"


def _is_wide(comparison: Comparison) -> bool:
    """Whether there are too many arms for their intervals to stand beside their values."""
    return len(comparison.arms) > _ARMS_ABREAST


def _grouped(left_out: dict[str, str]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for task_id, reason in left_out.items():
        grouped.setdefault(reason, []).append(task_id)
    return grouped


def _interval(interval: Interval, *, stacked: bool = False) -> str:
    if interval.value is None or interval.low is None or interval.high is None:
        return "-"
    return f"{interval.value:.3f}" + ("\n" if stacked else " ") + f"[{interval.low:.3f}, {interval.high:.3f}]"


def _flops(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _matched(matched: bool, equal: bool) -> str:
    return ("equal" if equal else "yes") if matched else "no"
