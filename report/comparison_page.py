"""A comparison as a page of its own, in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..budgets.notation import COST_FIELDS
from ..records import PASS_AT_K, Cost, MacroComparison
from ..settings import ORACLE
from .macro_rows import mean_name
from .page import Part, write_file
from .page_data import BoardData, CrossingData, CurveData, EntryData, HeadlineData, IndexData, RunNotes, cost_data, span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..records import ArmCurve, ArmResult, Comparison, Effect, PairedResult

_NOTE = "This page shows one comparison. Samples and verdicts are on the pages of leaderboard runs."


def write_comparison_page(comparison: Comparison | MacroComparison, path: Path) -> None:
    """Write a comparison as a self-contained HTML file; on several benchmarks, their means come first.

    Raises:
        MachineError: plotly is not installed.
    """
    if isinstance(comparison, MacroComparison):
        write_file(path, _macro_parts(comparison))
        return
    index: IndexData = {
        "title": f"{' or '.join(arm.plan.arm.spec for arm in comparison.arms)}? {comparison.benchmark}",
        "note": _NOTE,
        "runs": [{"id": "", "name": "This comparison", "description": "", "facts": _facts(comparison)}],
        "benchmarks": [{"name": comparison.benchmark, "file": "board", "arms": len(comparison.arms)}],
    }
    write_file(path, [Part("index", index), Part("board", _board(comparison))])


def _macro_parts(result: MacroComparison) -> list[Part]:
    """Build the parts of a page of several benchmarks."""
    count = len(result.arms)
    facts = [(f"{one.benchmark}: {label}", text) for one in result.benchmarks for label, text in _facts(one)]
    index: IndexData = {
        "title": f"{' or '.join(arm.spec for arm in result.arms)}? {mean_name(result)} benchmarks",
        "note": _NOTE,
        "runs": [{"id": "", "name": "This comparison", "description": "", "facts": facts}],
        "benchmarks": [{"name": mean_name(result), "file": "mean", "arms": count, "mean": True}],
    }
    index["benchmarks"] += [
        {"name": one.benchmark, "file": f"board-{place}", "arms": count} for place, one in enumerate(result.benchmarks)
    ]
    boards = [Part(f"board-{place}", _board(one)) for place, one in enumerate(result.benchmarks)]
    return [Part("index", index), Part("mean", _mean_board(result)), *boards]


def _mean_board(result: MacroComparison) -> BoardData:
    notes: RunNotes = {
        "run": 0,
        "advice": [result.verdict.with_tests, result.verdict.without_tests],
        "warnings": list(result.warnings),
        "left_out": [
            f"{one.benchmark}: {task_id}: {reason}"
            for one in result.benchmarks
            for task_id, reason in one.left_out.items()
        ],
        "headlines": _headlines(result.verdict.effects),
    }
    entries = []
    for place, arm in enumerate(result.arms):
        single = [_entry(one.arms[place], place) for one in result.benchmarks]
        mean = single[0].copy()
        mean["k"] = None
        mean["cost"] = cost_data(arm.cost)
        mean["totals"] = {name: score.total_flops for name, score in arm.rankers.items()}
        # A limit is each benchmark's own, so means have no ratio to it.
        mean["ratio"] = cost_data(Cost())
        mean["matched"], mean["equal"] = arm.matched, all(entry["equal"] for entry in single)
        mean["scores"] = {PASS_AT_K: span(arm.pass_at_k), **{name: span(one) for name, one in arm.rankers.items()}}
        entries.append(mean)
    return {
        "name": mean_name(result),
        "tasks": [],
        "metrics": _metrics(result.decisive_ranker, list(result.arms[0].rankers)),
        "entries": entries,
        "pairs": _pairs([arm.spec for arm in result.arms], result.paired),
        "crossings": [],
        "runs": [notes],
    }


def _metrics(decisive: str, rankers: Sequence[str]) -> list[str]:
    return [PASS_AT_K, decisive, *(name for name in rankers if name != decisive)]


def _pairs(
    specs: Sequence[str], paired: Sequence[PairedResult]
) -> dict[str, list[tuple[int, int, float, float, float]]]:
    places = {spec: place for place, spec in enumerate(specs)}
    pairs: dict[str, list[tuple[int, int, float, float, float]]] = {}
    for row in paired:
        difference = (places[row.a], places[row.b], row.difference, row.low, row.high)
        pairs.setdefault(row.metric, []).append(difference)
    # The oracle is pass@k by another name.
    pairs["oracle"] = pairs.get(PASS_AT_K, [])
    return pairs


def _board(comparison: Comparison) -> BoardData:
    notes: RunNotes = {
        "run": 0,
        "advice": [comparison.verdict.with_tests, comparison.verdict.without_tests],
        "warnings": list(comparison.warnings),
        "left_out": [f"{task_id}: {reason}" for task_id, reason in comparison.left_out.items()],
        "headlines": _headlines(comparison.verdict.effects),
    }
    # There is one for every arm, if any.
    curves = comparison.curves or [None] * len(comparison.arms)
    return {
        "name": comparison.benchmark,
        "tasks": [],
        "metrics": _metrics(comparison.decisive_ranker, list(comparison.arms[0].rankers)),
        "entries": [
            _entry(arm, place, curve) for place, (arm, curve) in enumerate(zip(comparison.arms, curves, strict=True))
        ],
        "pairs": _pairs([arm.plan.arm.spec for arm in comparison.arms], comparison.paired),
        "crossings": _crossings(comparison),
        "runs": [notes],
    }


def _headlines(effects: Sequence[Effect]) -> list[HeadlineData]:
    return [_headline(effect) for effect in effects]


def _headline(effect: Effect) -> HeadlineData:
    way = "with unit tests to select by" if effect.metric == PASS_AT_K else f"without tests, picked by {effect.metric}"
    points, low, high = (100 * value for value in (effect.difference, effect.low, effect.high))
    words = f"{effect.arm} against {effect.other}, {way}"
    if effect.cost_ratio is not None:
        words += f", for {effect.cost_ratio:.2f} of its {effect.unit}"
        words += f" ({effect.counted})" if effect.counted else ""
    told = "" if low > 0 or high < 0 else "; these data do not tell the two apart"
    return {
        "figure": f"{points:+.1f} points",
        "interval": f"95 % interval [{low:+.1f}, {high:+.1f}]{told}",
        "words": words,
    }


def _curve(curve: ArmCurve) -> CurveData:
    def amounts(costs: Sequence[Cost], field: str) -> list[float] | None:
        found = [amount for cost in costs if (amount := getattr(cost, field)) is not None]
        return found if len(found) == len(costs) else None

    fields = COST_FIELDS.values()
    totals = {metric: {field: amounts(costs, field) for field in fields} for metric, costs in curve.costs.items()}
    # The oracle is pass@k by another name.
    totals[ORACLE] = totals[PASS_AT_K]
    scores = {metric: [span(one) for one in rows] for metric, rows in curve.scores.items()}
    return {
        "ks": list(curve.ks),
        "costs": totals[PASS_AT_K],
        "scores": scores | {ORACLE: scores[PASS_AT_K]},
        "totals": totals,
        "name": curve.name,
        "lasts": curve.lasts,
    }


def _crossings(comparison: Comparison) -> list[CrossingData]:
    places = {curve.name: place for place, curve in enumerate(comparison.curves)}
    found: list[CrossingData] = []
    for one in comparison.crossings:
        crossing = one.crossing
        leader = None if crossing.leader is None else places[crossing.leader]
        found.append(
            {
                "metric": crossing.metric,
                "by": one.by,
                "a": places[crossing.a],
                "b": places[crossing.b],
                "leader": leader,
                "budget": crossing.budget,
                "sentence": crossing.sentence,
            }
        )
    return found


def _entry(arm: ArmResult, place: int, curve: ArmCurve | None = None) -> EntryData:
    plan = arm.plan
    return {
        "id": str(place),
        "run": 0,
        "spec": plan.arm.spec,
        "name": plan.arm.spec,
        "model": plan.model,
        "precision": plan.precision,
        "k": plan.k,
        "greedy": plan.arm.greedy,
        "parameters": None,
        "kinds": [],
        "cost": cost_data(arm.cost),
        "ratio": cost_data(arm.ratio),
        "matched": arm.matched,
        "equal": arm.equal,
        "scored": 0,
        "scores": {PASS_AT_K: span(arm.pass_at_k), **{name: span(score) for name, score in arm.rankers.items()}},
        "curve": None if curve is None else _curve(curve),
        "drawn": [],
        "passed": [],
        "picked": {},
        "candidates": None,
        "totals": {name: score.total_flops for name, score in arm.rankers.items()},
    }


def _facts(comparison: Comparison) -> list[tuple[str, str]]:
    workload = comparison.workload
    facts = [
        ("Benchmark", f"{comparison.benchmark}, {comparison.tasks} tasks scored"),
        ("Sandbox", comparison.sandbox),
        ("Planned", f"{workload.prompt_tokens} prompt and {workload.output_tokens} output tokens ({workload.source})"),
        ("Advice without tests comes from", comparison.decisive_ranker),
    ]
    for arm in comparison.arms:
        counts = ", ".join(f"{count} {status}" for status, count in arm.statuses.items())
        facts.append((f"{arm.plan.arm.spec}, {arm.samples} samples", counts))
        if arm.escalation is not None:
            shares = zip(arm.plan.stages[1:], arm.realised.reached[1:], strict=True)
            reached = ", ".join(f"{stage.arm.spec} by {share:.1%} of tasks" for stage, share in shares)
            facts.append((f"{arm.plan.arm.spec}, reached", f"{reached}; it goes on {arm.escalation.words}"))
        if arm.plan.cost.flops is not None:
            facts.append((f"{arm.plan.arm.spec}, planned per task", f"{arm.plan.cost.flops:.3g} FLOPs"))
        if arm.realised.cost.flops is not None:
            facts.append((f"{arm.plan.arm.spec}, realised per task", _realised(arm.realised.cost, arm)))
    return facts


def _realised(cost: Cost, arm: ArmResult) -> str:
    ratio = arm.realised.budget_ratio.flops
    estimated = ", estimated from text" if arm.realised.usage.estimated else ""
    return f"{cost.flops:.3g} FLOPs{estimated}" + ("" if ratio is None else f", {ratio:.3f} of the limit")
