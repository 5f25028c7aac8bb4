"""A trained verifier and how well it does on tasks it has not seen, as tables and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._util.figures import interval
from .tables import Column, print_table

if TYPE_CHECKING:
    from pathlib import Path

    from ..experiment.verifier import HeldOut, Trained
    from ..records import Interval

_HOW = {
    "nested": "nested cross-validation: trained on other tasks",
    "left out": "benchmark left out: trained on the other benchmarks",
}


def trained_as_json(trained: Trained, path: Path) -> dict[str, Any]:
    """Build `codebudget verifier train --json`."""
    return {
        "out": str(path),
        "sources": [
            source.model_dump(mode="json", exclude={"schema_version"}) for source in trained.coefficients.sources
        ],
        "views": [{**quality._asdict(), "groups": list(quality.groups)} for quality in trained.qualities],
        "held_out": [
            {
                "how": one.how,
                "benchmark": one.benchmark,
                "tasks": one.tasks,
                "rankers": {
                    name: {str(k): _bare(score) for k, score in scores.items()} for name, scores in one.scores.items()
                },
                "gain": {str(k): gain._asdict() for k, gain in one.gain.items()},
            }
            for one in trained.held_out
        ],
        "notes": trained.notes,
    }


def print_trained(trained: Trained, path: Path) -> None:
    """Print what it was trained on, how well its views fit unseen tasks, and what it scores as a ranker there."""
    for source in trained.coefficients.sources:
        print(
            f"{source.file}: {source.tasks} tasks of {source.benchmark}, {source.candidates} candidates, "
            f"{source.right:.3f} of them right"
        )
    print("\nProbabilities on tasks of folds that did not train them")
    columns = (
        Column("features of", folds=True),
        *(Column(name, right=True) for name in ("pools", "AUC", "log loss", "without\nfeatures")),
    )
    print_table(
        columns,
        [
            (
                " ".join(one.groups),
                str(one.lessons),
                "-" if one.auc is None else f"{one.auc:.3f}",
                f"{one.log_loss:.3f}",
                f"{one.base_loss:.3f}",
            )
            for one in trained.qualities
        ],
    )
    for held_out in trained.held_out:
        _print_held_out(held_out)
    print(f"\nThe coefficients are in {path}")


def _print_held_out(found: HeldOut) -> None:
    print(f"\n{found.benchmark}, {found.tasks} tasks, {_HOW[found.how]}; 95 % intervals over tasks")
    ks = list(found.gain)
    rows = [
        (name, *(interval(scores[k].value, scores[k].low, scores[k].high) for k in ks))
        for name, scores in found.scores.items()
    ]
    gains = [found.gain[k] for k in ks]
    rows.append(
        ("verifier minus default", *(f"{one.difference:+.3f} [{one.low:+.3f}, {one.high:+.3f}]" for one in gains))
    )
    print_table((Column("ranker", folds=True), *(Column(f"k={k}", folds=True) for k in ks)), rows)


def _bare(score: Interval) -> dict[str, float | None]:
    return {"value": score.value, "low": score.low, "high": score.high}
