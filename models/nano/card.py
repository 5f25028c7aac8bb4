"""The measured scores of the nano models, and whether a comparison agrees with them.

    python -m codebudget.models.nano.card check comparison.json

exits with 1 where an arm's pass@1, in a file of `compare --report comparison.json`, lies outside the card's interval:
what is installed then computes something else than what the card was measured with.

    python -m codebudget.models.nano.card write 250k=250k.json 1m=1m.json 2m=2m.json 4m=4m.json

writes the card's scores out of what `codebudget rank SAMPLES --benchmark nano --k 1,8,64 --json` printed of each model.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from . import NAMES

SCORES = Path(__file__).parent / "scores.json"
TASKS = 164


class Score(NamedTuple):
    """A share of tasks with its 95 % interval over tasks."""

    value: float
    low: float
    high: float


def card_scores() -> dict[str, dict[str, Score]]:
    """Read scores at temperature 0.8 and top-p 0.95: by model, metric such as `pass@1`."""
    known: dict[str, dict[str, list[float]]] = json.loads(SCORES.read_text(encoding="utf-8"))
    return {model: {metric: Score(*score) for metric, score in scores.items()} for model, scores in known.items()}


def disagreement(comparison: dict[str, Any]) -> str | None:
    """Name the arms of a whole-benchmark comparison outside the card's intervals; None where none is.

    Args:
        comparison: As `compare --json` prints it. The score of its ranker `random` is pass@1.
    """
    outside = []
    for arm in comparison["arms"]:
        card = card_scores()[arm["model"].removeprefix("nano-")]["pass@1"]
        found = arm["rankers"]["random"]["value"]
        if not card.low <= found <= card.high:
            outside.append(f"{arm['spec']} passes {found:.3f} at pass@1, the card has {_shown(card)}")
    return "; ".join(outside) or None


def write_card(printed: dict[str, dict[str, Any]]) -> None:
    """Write the card's scores.

    Args:
        printed: By model, output of `codebudget rank --json`.
    """
    scores = {
        model: {
            f"pass@{k}": [round(interval[name], 4) for name in ("value", "low", "high")]
            for k, interval in printed[model]["pass_at_k"].items()
        }
        for model in NAMES
    }
    lines = ",\n".join(f"  {json.dumps(model)}: {json.dumps(known)}" for model, known in scores.items())
    SCORES.write_text("{\n" + lines + "\n}\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Check a comparison, or write the card."""
    if len(arguments) == 2 and arguments[0] == "check":
        return _check(json.loads(Path(arguments[1]).read_text(encoding="utf-8")))
    if len(arguments) == 1 + len(NAMES) and arguments[0] == "write":
        files = dict(argument.split("=", 1) for argument in arguments[1:])
        write_card({model: json.loads(Path(file).read_text(encoding="utf-8")) for model, file in files.items()})
        return 0
    print(__doc__, file=sys.stderr)
    return 2


def _check(comparison: dict[str, Any]) -> int:
    if comparison["tasks"] != TASKS:
        print(f"Not compared with the models' card, which covers all {TASKS} tasks, not {comparison['tasks']}.")
        return 0
    problem = disagreement(comparison)
    if problem is None:
        print("The scores agree with the models' card (models/nano/README.md).")
        return 0
    print(
        f"These scores are not those of the models' card: {problem}. The installed packages do not compute what "
        "they should: install the locked versions (make clean demo), or report this with the output of codebudget "
        "doctor."
    )
    return 1


def _shown(score: Score) -> str:
    return f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
