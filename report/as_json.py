"""Plans and comparisons as the JSON that DESIGN.md has, on the command line and in files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .._util.outputs import write_text

if TYPE_CHECKING:
    from pathlib import Path

    from ..records import Comparison, Plan


def write_json(comparison: Comparison, path: Path) -> None:
    """Write the object of `compare --json`.

    Raises:
        UserError: A link or no plain file is there.
        MachineError: The file cannot be written.
    """
    write_text(path, json.dumps(comparison_as_json(comparison)) + "\n", "`report`")


def plan_as_json(plan: Plan) -> dict[str, object]:
    """Build one arm of `plan --json`, as in DESIGN.md."""
    fields = {"cost": plan.cost, "budget_ratio": plan.budget_ratio, "leftover": plan.leftover}
    costs = {name: cost.model_dump(exclude={"schema_version"}) for name, cost in fields.items()}
    return {
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


def comparison_as_json(result: Comparison) -> dict[str, object]:
    """Build `compare --json`, as in DESIGN.md."""
    bare = result.model_dump(mode="json")
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
                | {name: realised[name] for name in ("budget_ratio", "matched", "equal", "usage", "deviations")},
                "statuses": dumped["statuses"],
                "strata": dumped["strata"],
            }
        )
    answer = {
        "benchmark": result.benchmark,
        "convention": result.workload.convention,
        "workload": bare["workload"],
        "sandbox": result.sandbox,
        "tasks": result.tasks,
        "left_out": result.left_out,
        "arms": arms,
        "paired": bare["paired"],
        "decisive_ranker": result.decisive_ranker,
        "verdict": bare["verdict"],
        "warnings": list(result.warnings),
        "doubts": list(result.doubts),
    }
    bare_answer = without_versions(answer)
    assert isinstance(bare_answer, dict)
    return bare_answer


def without_versions(value: object) -> object:
    """Strip records' own version fields: this object is the command line's, with its own shape."""
    if isinstance(value, dict):
        return {key: without_versions(item) for key, item in value.items() if key != "schema_version"}
    if isinstance(value, list | tuple):
        return [without_versions(item) for item in value]
    return value
