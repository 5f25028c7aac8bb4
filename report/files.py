"""Plans, comparisons and curves as files: a page, Markdown, JSON with the shape that DESIGN.md has, CSV."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from .._util.outputs import check_output, write_text
from ..errors import UserError
from ..records import MacroComparison
from .comparison_page import write_comparison_page
from .markdown import write_markdown
from .page import check_plots

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from ..experiment.curves import Curve
    from ..records import ArmResult, Comparison, Plan


def write_json(comparison: Comparison | MacroComparison, path: Path) -> None:
    """Write the object of `compare --json`.

    Raises:
        UserError: A link or no plain file is there.
        MachineError: The file cannot be written.
    """
    write_text(path, json.dumps(answer_as_json(comparison)) + "\n", "`report`")


def answer_as_json(result: Comparison | MacroComparison) -> dict[str, object]:
    """Build the object of `compare --json`."""
    return macro_as_json(result) if isinstance(result, MacroComparison) else comparison_as_json(result)


def plan_as_json(plan: Plan) -> dict[str, object]:
    """Build one arm of `plan --json`, as in DESIGN.md."""
    fields = {"cost": plan.cost, "budget_ratio": plan.budget_ratio, "leftover": plan.leftover}
    costs = {name: cost.model_dump() for name, cost in fields.items()}
    cascade: dict[str, object] = {}
    if plan.stages and plan.least is not None and plan.most is not None:
        cascade = {
            "stages": [
                {"spec": stage.arm.spec, "model": stage.model, "k": stage.k, "reached": share}
                | {"cost": stage.cost.model_dump()}
                for stage, share in zip(plan.stages, plan.reached, strict=True)
            ],
            "cost_at": {"none": plan.least.model_dump(), "all": plan.most.model_dump()},
        }
    tests = {"tests": plan.tests} if plan.tests else {}
    if plan.tests < plan.tests_asked:
        tests["tests_asked"] = plan.tests_asked
    return (
        cascade
        | tests
        | {
            "spec": plan.arm.spec,
            "model": plan.model,
            "precision": plan.precision,
            "k": plan.k,
            "cost": costs["cost"],
            "budget_ratio": costs["budget_ratio"],
            "matched": plan.matched,
            "equal": plan.equal,
            "binding": plan.binding,
            "leftover": costs["leftover"],
        }
    )


def comparison_as_json(result: Comparison) -> dict[str, object]:
    """Build `compare --json`, as in DESIGN.md."""
    bare = result.model_dump(mode="json", exclude={"curves", "crossings"})
    arms = []
    for arm, dumped in zip(result.arms, bare["arms"], strict=True):
        realised = dumped["realised"]
        arms.append(
            plan_as_json(arm.plan)
            | {
                "n": arm.n,
                "samples": arm.samples,
                "pass_at_k": dumped["pass_at_k"],
                "rankers": dumped["rankers"],
                "realised": realised["cost"]
                | {
                    name: realised[name]
                    for name in (
                        *("budget_ratio", "matched", "equal", "leftover", "flops_over_tasks", "usage", "deviations"),
                        "tests_flops",
                    )
                },
                "statuses": dumped["statuses"],
                "strata": dumped["strata"],
                "workload": dumped["plan"]["workload"],
                "estimate": dumped["estimate"],
                "pilot_k": dumped["pilot_k"],
                "k_note": dumped["k_note"],
                "compression": dumped["compression"],
            }
            | _cascade_as_json(arm)
        )
    return {
        "benchmark": result.benchmark,
        "convention": result.workload.convention,
        "workload": bare["workload"],
        "sandbox": result.sandbox,
        "tasks": result.tasks,
        "left_out": result.left_out,
        "arms": arms,
        "paired": bare["paired"],
        "decisive_ranker": result.decisive_ranker,
        "verdict": _sentences_of(bare["verdict"]),
        "effects": bare["verdict"]["effects"],
        "warnings": list(result.warnings),
        "doubts": list(result.doubts),
    }


def _sentences_of(verdict: dict[str, Any]) -> dict[str, object]:
    """Build the two sentences alone."""
    return {name: verdict[name] for name in ("with_tests", "without_tests")}


def _cascade_as_json(arm: ArmResult) -> dict[str, object]:
    """Build what only some arms have: a cascade's stages with the shares that reached them, its rule, abstention."""
    sure: dict[str, object] = {} if arm.abstention is None else {"abstention": arm.abstention.model_dump()}
    if arm.escalation is None:
        return sure
    planned = zip(arm.plan.stages, arm.plan.reached, arm.realised.reached, strict=True)
    return {
        "stages": [
            {"spec": stage.arm.spec, "model": stage.model, "k": stage.k, "reached": reached, "planned_reached": share}
            | {"cost": stage.cost.model_dump()}
            for stage, share, reached in planned
        ],
        "escalation": arm.escalation.model_dump(),
    } | sure


def macro_as_json(result: MacroComparison) -> dict[str, object]:
    """Build `compare --json` of several benchmarks: arms by means, each with its own object on every benchmark."""
    bare = result.model_dump(mode="json", exclude={"benchmarks"})
    single: dict[str, dict[str, Any]] = {one.benchmark: comparison_as_json(one) for one in result.benchmarks}
    arms = [
        dumped | {"benchmarks": {name: one["arms"][place] for name, one in single.items()}}
        for place, dumped in enumerate(bare["arms"])
    ]
    # What an arm has is under the arm.
    beside = ("benchmark", "arms", "decisive_ranker")
    return {
        "benchmarks": {
            name: {field: value for field, value in one.items() if field not in beside} for name, one in single.items()
        },
        "arms": arms,
        "paired": bare["paired"],
        "decisive_ranker": result.decisive_ranker,
        "verdict": _sentences_of(bare["verdict"]),
        "warnings": list(result.warnings),
        "doubts": list(result.doubts),
    }


PICTURES = (".svg", ".png")
"""Endings of pictures, which there are of arms that answer only where they are sure."""

COMPARISON_FORMATS = {".html": write_comparison_page, ".md": write_markdown, ".json": write_json}


def check_reports(paths: Sequence[Path], *, abstains: bool = False) -> None:
    """Refuse reports that cannot be written, before any work is done for them.

    Args:
        paths: The files.
        abstains: Arms also answer only where they are sure, of which there may be a picture.

    Raises:
        UserError: A file's name ends in none of `COMPARISON_FORMATS`, nor as a picture where there is one; its folder
            is missing, or `check_output` refuses it.
        MachineError: A page is wanted but plotly is not installed, or a picture, but matplotlib is not.
    """
    pictures = [path for path in paths if abstains and path.suffix.lower() in PICTURES]
    if pictures:
        from .curves import check_plot

        for path in pictures:
            check_plot(path)
    _check([path for path in paths if path not in pictures], "`report`", COMPARISON_FORMATS)
    if any(path.suffix.lower() == ".html" for path in paths):
        check_plots()


def write_reports(comparison: Comparison | MacroComparison, paths: Sequence[Path]) -> None:
    """Write a comparison to every file, by its ending.

    Raises:
        UserError: As `check_reports`.
        MachineError: As `check_reports`, or a file cannot be written.
    """
    abstains = not isinstance(comparison, MacroComparison) and any(arm.abstention for arm in comparison.arms)
    check_reports(paths, abstains=abstains)
    for path in paths:
        if path.suffix.lower() in PICTURES and not isinstance(comparison, MacroComparison):
            from .abstention import write_abstention_plot

            write_abstention_plot(comparison, path)
        else:
            COMPARISON_FORMATS[path.suffix.lower()](comparison, path)


CURVE_FORMATS = (".json", ".csv")
COLUMNS = ("arm", "model", "precision", "metric", "by", "budget", "k", "value", "low", "high", "undefined")


def check_curves(paths: Sequence[Path]) -> None:
    """Refuse a curve's files that cannot be written, before any work is done for them.

    Raises:
        UserError: A file's name ends in none of `CURVE_FORMATS`, its folder is missing, or `check_output` refuses it.
    """
    _check(paths, "`out`", CURVE_FORMATS)


def write_curve(curve: Curve, path: Path) -> None:
    """Write a curve by the file's ending: the record as JSON, or CSV with a row per arm, metric and budget.

    The columns of CSV are `COLUMNS`. `budget` is FLOPs or seconds per task, as `by` says; `k`, `value`, `low` and
    `high` are empty where `undefined` says `below` (one sample costs more) or `above` (there are not enough samples).

    Raises:
        UserError: A link or no plain file is there.
        MachineError: The file cannot be written.
    """
    if path.suffix.lower() == ".json":
        write_text(path, curve.model_dump_json(indent=1) + "\n")
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for arm in curve.arms:
        for metric, points in arm.metrics.items():
            for point in points:
                scores = (point.k, point.value, point.low, point.high, point.undefined)
                writer.writerow((arm.spec, arm.model, arm.precision, metric, curve.by, point.budget, *scores))
    write_text(path, text.getvalue())


def _check(paths: Sequence[Path], parameter: str, formats: Collection[str]) -> None:
    *others, last = formats
    for path in paths:
        if path.suffix.lower() not in formats:
            raise UserError(f"{parameter} {path}: use a file name ending in {', '.join(others)} or {last}")
        if not path.parent.is_dir():
            raise UserError(f"{parameter} {path}: the folder {path.parent} does not exist; create it first")
        check_output(path, parameter)
