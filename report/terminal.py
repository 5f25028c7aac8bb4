"""A comparison as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._util.figures import difference, fraction, interval, p_value
from .._util.printable import printable
from ..budgets.notation import COST_FIELDS, format_amount
from ..records import Usage
from .tables import GAP, Column, abreast, cells, print_table, print_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..records import ArmResult, Comparison, Cost, Interval, Plan, RankerScore, Workload

_OTHER_COSTS = {"runtime_s": "runtime", "memory_bytes": "memory", "usd": "USD"}
_MOST_NAME = 30
_SCORE = len("0.500 [0.250, 0.750]")
_SCORE_AND_TOTAL = _SCORE + len(GAP) + len("~10.000")
_SHARE = len("0.500 at k=8.5") + len(GAP) + len("-100%")


def print_comparison(comparison: Comparison) -> None:
    """Print a comparison to standard output."""
    print_text(
        f"{comparison.benchmark}, {comparison.tasks} tasks, graded in the {comparison.sandbox} sandbox; "
        "95 % intervals over tasks. FLOPs are per task."
    )
    _print_arms(comparison)
    if any(arm.plan.stages for arm in comparison.arms):
        _print_cascades(comparison)
    if any(arm.estimate is not None or _is_realised(arm) for arm in comparison.arms):
        _print_costs(comparison)
    if any(arm.compression is not None for arm in comparison.arms):
        _print_compressed(comparison)
    _print_rankers(comparison)
    if any(map(_has_choice, comparison.arms[1:])):
        _print_paid(comparison)
    if any(arm.abstention is not None for arm in comparison.arms):
        _print_abstention(comparison)
    if comparison.paired:
        _print_paired(comparison)
    if any(arm.strata for arm in comparison.arms):
        _print_strata(comparison)
    print()
    for reason, tasks in _grouped(comparison.left_out).items():
        shown = ", ".join(tasks[:5]) + (", ..." if len(tasks) > 5 else "")
        print_text(f"Left out, {reason}: {len(tasks)} ({shown})")
    print_text(comparison.verdict.with_tests, bold=True)
    print_text(comparison.verdict.without_tests, bold=True)


def _print_arms(comparison: Comparison) -> None:
    """Print the arms with their realised costs, or the planned ones where these are not known."""
    # Besides FLOPs, any other limit.
    limited = [
        field for field in _OTHER_COSTS if any(getattr(arm.plan.leftover, field) is not None for arm in comparison.arms)
    ]
    figures = ("k", "FLOPs", "ratio", *(f"{_OTHER_COSTS[field]} ratio" for field in limited), "left over")
    columns = (
        *(Column("arm", folds=True), Column("precision")),
        *(Column(header, right=True) for header in figures),
        *(Column("matched"), Column("n", right=True), Column("pass@k", folds=True)),
    )
    rows = [
        (
            _name(arm),
            printable(arm.plan.precision),
            arm.plan.shown_k,
            _marked(arm, _flops(arm.cost.flops)),
            fraction(arm.ratio.flops),
            *(fraction(getattr(arm.ratio, field)) for field in limited),
            _left_over(arm),
            ("equal" if arm.equal else "yes") if arm.matched else "no",
            str(arm.n),
            _score(arm.pass_at_k),
        )
        for arm in comparison.arms
    ]
    _print_table(columns, rows, "Arms")
    if any(arm.realised.usage.estimated for arm in comparison.arms):
        print_text("~ estimated: some or all samples have no token counts")


def _print_cascades(comparison: Comparison) -> None:
    """Print the stages of cascades, and the share of tasks that reached each."""
    rows = []
    for arm in comparison.arms:
        for place, (stage, reached) in enumerate(zip(arm.plan.stages, arm.realised.reached, strict=True)):
            spec = printable(stage.arm.spec)
            rows.append((_name(arm) if place == 0 else "", spec, f"{arm.plan.reached[place]:.0%}", f"{reached:.1%}"))
    columns = (Column("arm", folds=True), Column("stage", folds=True), Column("planned", right=True))
    _print_table((*columns, Column("reached by", right=True)), rows, "Cascades: tasks that reach each stage")
    for words in dict.fromkeys(arm.escalation.words for arm in comparison.arms if arm.escalation is not None):
        print_text(f"A cascade goes on {words}.")


def _marked(arm: ArmResult, figure: str) -> str:
    return f"~{figure}" if arm.realised.usage.estimated else figure


def _left_over(arm: ArmResult) -> str:
    """Show what the limits leave, by realised cost in the kinds where that is known."""
    kinds = {field: kind for kind, field in COST_FIELDS.items()}
    left = []
    for field, kind in kinds.items():
        planned, realised = getattr(arm.plan.leftover, field), getattr(arm.realised.leftover, field)
        if planned is not None:
            left.append(format_amount(kind, planned if realised is None else realised))
    return ", ".join(left) or "-"


def _print_costs(comparison: Comparison) -> None:
    """Print up to three rows per arm: costs per task as planned, by its pilot or by lengths measured, and realised."""
    rows: list[tuple[str, str, Cost, Usage, str]] = []
    for arm in comparison.arms:
        plan = arm.plan
        name = _name(arm)
        if arm.estimate is not None:
            rows.append((name, "plan", arm.estimate, _lengths(plan, comparison.workload, measured=False), ""))
            name = ""
        if arm.estimate is None or arm.pilot_k is not None:
            what = "plan" if arm.pilot_k is None else "pilot"
            rows.append((name, what, plan.cost, _lengths(plan, comparison.workload), ""))
            name = ""
        spread = arm.realised.flops_over_tasks
        over_tasks = "" if spread is None else f"{spread[0]:.2g} to {spread[1]:.2g}"
        usage = arm.realised.usage
        if _is_realised(arm):
            rows.append((name, "real~" if usage.estimated else "real", arm.realised.cost, usage, over_tasks))
    columns: dict[str, list[str]] = {
        "tokens in + out": [_tokens(usage) for *_, usage, _ in rows],
        "thinking": [_whole(usage.thinking_tokens) for *_, usage, _ in rows],
        "FLOPs": [_flops(cost.flops) for _, _, cost, *_ in rows],
        "10 % to 90 % of tasks": [spread or "-" for *_, spread in rows],
        "busy s": [_brief(cost.runtime_s) for _, _, cost, *_ in rows],
        "GiB": ["-" if cost.memory_bytes is None else f"{cost.memory_bytes / 2**30:.2f}" for _, _, cost, *_ in rows],
        "USD": [_brief(cost.usd) for _, _, cost, *_ in rows],
    }
    shown = {header: figures for header, figures in columns.items() if set(figures) != {"-"}}
    _print_table(
        (Column("arm", folds=True), Column(""), *(Column(header, right=True) for header in shown)),
        [(name, what, *(figures[place] for figures in shown.values())) for place, (name, what, *_) in enumerate(rows)],
        "Planned and realised, per task at k",
    )
    print_text(f"plan: {_workload(comparison)}")
    for arm in comparison.arms:
        for line in _notes(arm):
            print_text(f"{arm.plan.arm.spec}: {line}.")


def _print_compressed(comparison: Comparison) -> None:
    """Print how each compressed arm's tokens differ from its model's at 16 bits."""
    found = [(arm, arm.compression) for arm in comparison.arms if arm.compression is not None]
    columns = (
        *(Column("arm", folds=True), Column("FDT", folds=True), Column("its floor", right=True)),
        *(Column("SDT", right=True), Column("never", right=True), Column("recovery", folds=True)),
        Column("FLOPs in all", right=True),
    )
    rows = []
    for arm, one in found:
        fdt, kept = one.divergence.fdt, one.recovery_percent
        rows.append(
            (
                _name(arm),
                f"{'~' if 'fdt' in one.within_floor else ''}{fdt.mean:.1f}{_bounds(fdt.low, fdt.high)}",
                f"{one.floor.fdt.mean:.1f}",
                f"{one.divergence.sdt.mean:.1f}",
                f"{one.divergence.never.mean:.0%}",
                "-" if kept is None or kept.value is None else f"{kept.value:.0f} %{_bounds(kept.low, kept.high)}",
                _flops(one.flops),
            )
        )
    tokens = found[0][1].divergence.tokens
    _print_table(columns, rows, f"Compressed arms beside their models at 16 bits, over {tokens} greedy tokens")
    print_text(
        "FDT: first divergent token, where the floor is the model itself in batches of another shape (~ is within it); "
        "recovery: pass@1 over that of the arm at 16 bits"
    )


def _bounds(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{low:.1f}, {high:.1f}]"


def _workload(comparison: Comparison) -> str:
    workload = comparison.workload
    if workload.convention == "paper":
        return f"one pass over {workload.prompt_tokens} tokens per sample ({workload.source})"
    return f"{workload.prompt_tokens} prompt and {workload.output_tokens} output tokens ({workload.source})"


def _lengths(plan: Plan, workload: Workload, *, measured: bool = True) -> Usage:
    """Count the tokens that an arm is planned for: by its own lengths, or by those before anything was measured."""
    prompts = outputs = 0.0
    for single, share in zip(plan.single, plan.reached or (1.0,), strict=True):
        mine = (single.workload if measured else None) or workload
        prompts += share * (single.k if mine.convention == "paper" else 1) * mine.prompt_tokens
        outputs += share * single.k * mine.output_tokens
    return Usage(prompt_tokens=prompts, output_tokens=outputs)


def _notes(arm: ArmResult) -> Iterator[str]:
    """Yield lines on an arm's lengths, its memory, and what is off its plan."""
    for single in arm.plan.single:
        workload = single.workload
        if workload is not None and arm.estimate is not None:
            of_stage = f"{single.arm.spec}: " if arm.plan.stages else ""
            lengths = f"{workload.prompt_tokens} prompt and {workload.output_tokens} output tokens"
            yield f"{of_stage}{lengths} ({workload.source})"
    parts = {"weights": arm.realised.usage.weight_bytes, "cache": arm.realised.usage.kv_bytes}
    parts["peak"] = arm.realised.usage.peak_memory_bytes
    known = [f"{name} {format_amount('memory', amount)}" for name, amount in parts.items() if amount is not None]
    if known:
        yield f"memory measured: {', '.join(known)}"
    yield from arm.realised.deviations


def _is_realised(arm: ArmResult) -> bool:
    cost = arm.realised.cost
    return any(value is not None for value in (cost.flops, cost.runtime_s, cost.memory_bytes, cost.usd))


def _tokens(usage: Usage) -> str:
    if usage.prompt_tokens is None or usage.output_tokens is None:
        return "-"
    return f"{usage.prompt_tokens:.0f} + {usage.output_tokens:.0f}"


def _whole(value: float | None) -> str:
    return f"{value:.0f}" if value else "-"


def _brief(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def _print_rankers(comparison: Comparison) -> None:
    names = list(comparison.arms[0].rankers)
    costs = {name: max(arm.rankers[name].cost_s or 0.0 for arm in comparison.arms) for name in names}
    title = "Picked without hidden tests (rank-score@k)"
    # Most rankers take no FLOPs of a model, and the total is then the arm's own.
    is_charged = any(score.cost_flops for arm in comparison.arms for score in arm.rankers.values())
    if is_charged:
        title += "; total: FLOPs of drawing and ranking, over the limit"
    for arms in _abreast(comparison.arms, names, _SCORE_AND_TOTAL if is_charged else _SCORE):
        columns = [Column("ranker", folds=True)]
        for arm in arms:
            columns += [Column(_name(arm), folds=True), *([Column("total", right=True)] if is_charged else [])]
        rows = [
            (
                printable(name),
                *(cell for arm in arms for cell in _ranked(arm.rankers[name], is_charged=is_charged)),
                f"{costs[name]:.3f}",
            )
            for name in names
        ]
        _print_table((*columns, Column("s/task", right=True)), rows, title)


def _ranked(score: RankerScore, *, is_charged: bool) -> list[str]:
    """Show a score, and the arm's FLOPs with its ranking over the limit, marked where tests' tokens are estimated."""
    total = f"~{fraction(score.total_ratio)}" if score.cost_estimated else fraction(score.total_ratio)
    return [_score(score), *([total] if is_charged else [])]


def _print_paid(comparison: Comparison) -> None:
    """Print, for arms with a choice, what is left after paying for ranking, and the share of the gap it closes."""
    first = comparison.arms[0].plan.arm
    title = f"Score once ranking is paid for, and the share closed of the gap to one sample of {first.name}"
    names = list(comparison.arms[0].rankers)
    for arms in _abreast(list(filter(_has_choice, comparison.arms[1:])), names, _SHARE):
        columns = [Column("ranker", folds=True)]
        for arm in arms:
            columns += (Column(_name(arm), folds=True), Column("gap", right=True))
        rows = [(printable(name), *(cell for arm in arms for cell in _share(arm, name))) for name in names]
        _print_table(columns, rows, title)


def _has_choice(arm: ArmResult) -> bool:
    """Whether an arm's ranking could be paid for out of fewer samples: not a cascade's, whose stages have their k."""
    return arm.plan.k > 1 and arm.plan.cost.flops is not None and not arm.plan.stages


def _share(arm: ArmResult, ranker: str) -> tuple[str, str]:
    score = arm.rankers[ranker]
    if score.left is None:
        left = "cost unknown" if score.cost_flops is None else "-"
    else:
        left = f"{score.left.value:.3f} at k={score.left.k:g}"
    return left, "-" if score.gap_closed is None else f"{score.gap_closed:.0%}"


def _print_abstention(comparison: Comparison) -> None:
    """Print error rates against shares of tasks answered, by the agreement that is asked for."""
    rows = []
    for arm in comparison.arms:
        if arm.abstention is None:
            continue
        all_of_them, *others = arm.abstention.by_agreement
        listed = [
            ("", all_of_them),
            ("rule", arm.abstention.by_rule),
            *((f"{one.agreement:.0%}", one) for one in others),
        ]
        for place, (asked, one) in enumerate(listed):
            error = "-" if one.error is None else f"{one.error:.1%}"
            rows.append((_name(arm) if place == 0 else "", asked or "none", f"{one.answered:.1%}", error))
    columns = (Column("arm", folds=True), Column("agreement asked", right=True), Column("answered", right=True))
    title = f"Answered only where candidates agree, picked by {comparison.decisive_ranker}"
    _print_table((*columns, Column("errors among them", right=True)), rows, title)


def _print_paired(comparison: Comparison) -> None:
    rows = [
        (
            "pass@k" if row.metric == "pass_at_k" else printable(row.metric),
            printable(f"{row.a} - {row.b}"),
            difference(row.difference, row.low, row.high),
            p_value(row.p_value),
        )
        for row in comparison.paired
        if row.metric in ("pass_at_k", comparison.decisive_ranker)
    ]
    _print_table(
        (Column("metric", folds=True), Column("arms", folds=True), Column("difference"), Column("p", right=True)),
        rows,
        f"Paired differences (p adjusted by Holm over {len(comparison.paired)}; --json has all of them)",
    )


def _print_strata(comparison: Comparison) -> None:
    names = list(dict.fromkeys(stratum.name for arm in comparison.arms for stratum in arm.strata))
    for arms in _abreast(comparison.arms, names, _SCORE):
        columns = (Column("setting", folds=True), *(Column(_name(arm), folds=True) for arm in arms))
        rows = [(printable(name), *(_stratum(arm, name) for arm in arms)) for name in names]
        _print_table(columns, rows, "pass@1 by sampling settings")


def _stratum(arm: ArmResult, name: str) -> str:
    return next((_score(stratum.pass_at_1) for stratum in arm.strata if stratum.name == name), "-")


def _abreast(arms: Sequence[ArmResult], names: Iterable[str], least: int) -> list[Sequence[ArmResult]]:
    """Group arms so that their columns, at least `least` wide, fit beside a column of names and one of seconds."""
    each = max(least, *(cells(_name(arm)) for arm in arms))
    first = min(_MOST_NAME, max(map(cells, names), default=0))
    return abreast(arms, each, first + len(GAP) + len("s/task"))


def _print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], title: str) -> None:
    print()
    print_table(columns, rows, title)


def _grouped(left_out: dict[str, str]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for task_id, reason in left_out.items():
        grouped.setdefault(reason, []).append(task_id)
    return grouped


def _name(arm: ArmResult) -> str:
    return printable(arm.plan.arm.spec)


def _score(score: Interval) -> str:
    return interval(score.value, score.low, score.high)


def _flops(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
