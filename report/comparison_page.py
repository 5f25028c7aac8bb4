"""A comparison as a page of its own, in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..estimators import PASS_AT_K
from .page import Part, write_file
from .page_data import BoardData, EntryData, IndexData, RunNotes, cost_data, span

if TYPE_CHECKING:
    from pathlib import Path

    from ..records import ArmResult, Comparison, Cost

_NOTE = "This page shows one comparison. Samples, verdicts and curves are on the pages of leaderboard runs."


def write_comparison_page(comparison: Comparison, path: Path) -> None:
    """Write a comparison as a self-contained HTML file.

    Raises:
        MachineError: plotly is not installed.
    """
    index: IndexData = {
        "title": f"{' or '.join(arm.plan.arm.spec for arm in comparison.arms)}? {comparison.benchmark}",
        "note": _NOTE,
        "runs": [{"id": "", "name": "This comparison", "description": "", "facts": _facts(comparison)}],
        "benchmarks": [{"name": comparison.benchmark, "file": "board", "arms": len(comparison.arms)}],
    }
    write_file(path, [Part("index", index), Part("board", _board(comparison))])


def _board(comparison: Comparison) -> BoardData:
    places = {arm.plan.arm.spec: place for place, arm in enumerate(comparison.arms)}
    metrics = list(comparison.arms[0].rankers)
    pairs: dict[str, list[tuple[int, int, float, float, float]]] = {}
    for row in comparison.paired:
        difference = (places[row.a], places[row.b], row.difference, row.low, row.high)
        pairs.setdefault(row.metric, []).append(difference)
    # The oracle is pass@k by another name.
    pairs["oracle"] = pairs.get(PASS_AT_K, [])
    notes: RunNotes = {
        "run": 0,
        "advice": [comparison.verdict.with_tests, comparison.verdict.without_tests],
        "warnings": list(comparison.warnings),
        "left_out": [f"{task_id}: {reason}" for task_id, reason in comparison.left_out.items()],
    }
    return {
        "name": comparison.benchmark,
        "tasks": [],
        "metrics": [PASS_AT_K, comparison.decisive_ranker, *(m for m in metrics if m != comparison.decisive_ranker)],
        "entries": [_entry(arm, place, comparison) for place, arm in enumerate(comparison.arms)],
        "pairs": pairs,
        "crossings": [],
        "runs": [notes],
    }


def _entry(arm: ArmResult, place: int, comparison: Comparison) -> EntryData:
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
        "curve": None,
        "drawn": [],
        "passed": [],
        "picked": {},
        "candidates": None,
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
        if arm.plan.cost.flops is not None:
            facts.append((f"{arm.plan.arm.spec}, planned per task", f"{arm.plan.cost.flops:.3g} FLOPs"))
        if arm.realised.cost.flops is not None:
            facts.append((f"{arm.plan.arm.spec}, realised per task", _realised(arm.realised.cost, arm)))
    return facts


def _realised(cost: Cost, arm: ArmResult) -> str:
    ratio = arm.realised.budget_ratio.flops
    estimated = ", estimated from text" if arm.realised.usage.estimated else ""
    return f"{cost.flops:.3g} FLOPs{estimated}" + ("" if ratio is None else f", {ratio:.3f} of the limit")
