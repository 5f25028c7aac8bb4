"""Makes the table that `--select auto` goes by: of a limit, how many texts of tests, and how many programs.

    python benchmarks/rankers/splits.py rank solutions.jsonl tests.jsonl > scores.json
    python benchmarks/rankers/splits.py table scores.json > experiment/splits.json

`rank` scores the default ranker on HumanEval's even tasks at several k, without tests and with the first 2, 4 and 8
texts. `table` takes, for every limit in programs, the split that scored best, where a text of tests costs `--text`
programs: 1, as plans count it (CodeGen's have 0.74 of its programs' bytes). Between the k that were scored it
interpolates, and it goes beyond none of them. The models of nano write no valid tests, so where a task shows examples,
as all of nano's do, all is for programs.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

KS = (4, 8, 12, 16)
TEXTS = (0, 2, 4, 8)
"""Texts of tests; 0 for none."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(required=True)
    rank = steps.add_parser("rank")
    rank.add_argument("solutions")
    rank.add_argument("tests")
    rank.set_defaults(run=lambda options: rank_all(options.solutions, options.tests))
    table = steps.add_parser("table")
    table.add_argument("scores", type=Path)
    table.add_argument("--text", type=float, default=1.0, help="cost of a text of tests, in programs")
    table.set_defaults(run=lambda options: table_of(json.loads(options.scores.read_text()), options.text))
    options = parser.parse_args()
    print(json.dumps(options.run(options), indent=1))


def rank_all(solutions: str, tests: str) -> dict[str, dict[str, float]]:
    """Score the default ranker by texts of tests and k."""
    import codebudget
    from codebudget.settings import Selecting

    found = {}
    for texts in TEXTS:
        ranker = f"codebudget,tests={texts}" if texts else "codebudget"
        selecting = Selecting(rankers=[ranker], tests=[tests] if texts else [])
        result = codebudget.rank(solutions, "humaneval", ks=KS, selecting=selecting).record
        found[str(texts)] = {str(k): result.rankers[ranker].at_k[k].value for k in KS}
    return found


def table_of(scores: dict[str, dict[str, float]], text: float) -> dict[str, object]:
    """Choose the texts for every limit, and keep the limits at which they change."""
    rows: list[dict[str, float]] = []
    for limit in range(1, max(KS) + 1):
        splits = {0: 0.0}
        for texts in map(int, scores):
            programs = limit - text * texts
            if min(KS) <= programs:
                at_k = scores[str(texts)]
                splits[texts] = float(np.interp(programs, KS, [at_k[str(k)] for k in KS]))
        best = max(splits, key=lambda texts: (splits[texts], -texts))
        if not rows or rows[-1]["tests"] != best:
            rows.append({"texts": limit, "tests": best})
    return {
        "made": "benchmarks/rankers/splits.py, from the first 20 programs and 8 texts of tests of CodeGen-16B for each "
        "of HumanEval's 82 even tasks, prompts without examples; and from nano, whose tasks show examples",
        "text": text,
        "scores": scores,
        "bare": rows,
        "shown": [{"texts": 1, "tests": 0}],
    }


if __name__ == "__main__":
    main()
