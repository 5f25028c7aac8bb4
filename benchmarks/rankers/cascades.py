"""Checks cascades of a comparison against their expectation, on pools of three sizes that are made here.

    python benchmarks/rankers/cascades.py FOLDER [--tasks 60] [--samples 100] [--page FILE]

Tasks show an example. A right program holds it; of the wrong ones some hold it too. Sizes differ in how many of a
task's programs are right, and the largest has a greedy answer. Everything that is drawn is drawn once, into FOLDER, and
`compare --samples` replays it. With `examples` as the ranker, a cascade that goes on to a greedy answer only where none
of its k small programs holds the example has an expectation in closed form. With h of n programs holding it, r of these
right:

    none of k holds it:  q = C(n - h, k) / C(n, k)
    score:               (1 - q) r / h + q [the greedy answer is right]
    FLOPs:               those of k small programs, and q times those of the greedy answer

A last stage that is sampled scores its share of right programs in place of the greedy answer, since a right one is then
the only one that holds the example. The comparison averages over 200 draws of each task. Printed are both, for every
arm, the default ranker's score beside them, and the advice.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from codebudget.budgets.flops import decode_flops, prefill_flops
from codebudget.budgets.models import find_model

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGE = "34b"
SIZES = {"7b": -0.9, "13b": -0.4, LARGE: 0.4}
"""How able each size is: the log-odds of a right program on a task of middling difficulty."""
GREEDY_GAIN = 0.5
HELD = 0.12
"""Share of wrong programs that hold the example."""
PROMPT, OUTPUT = 150, 60
"""Tokens of every prompt and program."""
CASCADES = (
    *("7b:2,34b:greedy", "7b:5,34b:greedy", "13b:3,34b:greedy"),
    *("7b:2,34b:1", "7b:5,34b:1", "13b:3,34b:1"),
)
DRAWS = 200


class Pool(NamedTuple):
    """A task's programs of one model: for each, whether it holds the example, and whether it is right."""

    holds: list[bool]
    right: list[bool]


Made = dict[str, list[Pool]]
"""Pools by model, and `greedy`, in the order of the tasks."""


class Expected(NamedTuple):
    """The expectation of an arm: its score, its FLOPs per task, and the standard error of 200 draws a task."""

    score: float
    flops: float
    error: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tasks", type=int, default=60)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--without-default", action="store_true", help="leave out the default ranker, which takes longest"
    )
    parser.add_argument("--page", type=Path, help="also write the page of the comparison")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    made = make(options.folder, options.tasks, options.samples, options.seed)
    rankers = ("examples",) if options.without_default else ("examples", "codebudget")
    answer = compare(options.folder, (f"{LARGE}:1", "7b", "13b", *CASCADES), rankers, options.page)
    wrong = False
    print(f"{'arm':18} {'score':>7} {'expected':>8} {'FLOPs':>10} {'expected':>10} {'default':>8}")
    for arm in answer["arms"]:
        want = expected(arm["spec"], made)
        score, flops = arm["rankers"]["examples"]["value"], arm["realised"]["flops"]
        default = "" if options.without_default else f"{arm['rankers']['codebudget']['value']:8.3f}"
        print(f"{arm['spec']:18} {score:7.3f} {want.score:8.3f} {flops:10.3g} {want.flops:10.3g} {default:>8}")
        wrong |= abs(score - want.score) > 4 * want.error + 1e-9
    print(answer["verdict"]["without_tests"])
    if wrong:
        sys.exit("a score is further from its expectation than draws explain")


def make(folder: Path, tasks: int, samples: int, seed: int) -> Made:
    """Write a benchmark and recorded samples, and return what is known of each program."""
    rng = random.Random(seed)
    made: Made = {name: [] for name in (*SIZES, "greedy")}
    rows: list[dict[str, Any]] = []
    files: dict[str, list[dict[str, Any]]] = {name: [] for name in made}
    for number in range(tasks):
        name, slope, shift, shown = f"f{number}", rng.randint(2, 9), rng.randint(-9, 9), rng.randint(2, 6)
        rows.append(_task(name, slope, shift, shown))
        difficulty = rng.gauss(0, 2.2)
        for model, ability in SIZES.items():
            made[model].append(_pool(rng, ability - difficulty, samples))
        made["greedy"].append(_pool(rng, 3 * (SIZES[LARGE] - difficulty) + GREEDY_GAIN, 1))
        for model, pools in made.items():
            for holds, right in zip(*pools[-1], strict=True):
                program = _program(rng, slope, shift, shown, holds=holds, right=right)
                counts = {"prompt_tokens": PROMPT, "output_tokens": OUTPUT}
                files[model].append({"task_id": name, "completion": program} | counts)
    for model, listed in (("tasks", rows), *files.items()):
        (folder / f"{model}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in listed))
    return made


def _task(name: str, slope: int, shift: int, shown: int) -> dict[str, Any]:
    checks = "".join(f"    assert candidate({x}) == {slope * x + shift}\n" for x in (*range(-4, 12), 100))
    return {
        "task_id": name,
        "prompt": f'def {name}(x):\n    """Scale and shift x.\n\n    >>> {name}({shown})\n    '
        f'{slope * shown + shift}\n    """\n',
        "entry_point": name,
        "canonical_solution": f"    return {slope} * x + {shift}\n",
        "test": f"def check(candidate):\n{checks}",
    }


def _pool(rng: random.Random, log_odds: float, count: int) -> Pool:
    right = [rng.random() < 1 / (1 + math.exp(-log_odds)) for _ in range(count)]
    return Pool([one or rng.random() < HELD for one in right], right)


def _program(rng: random.Random, slope: int, shift: int, shown: int, *, holds: bool, right: bool) -> str:
    """Write a program; all have one form and length, so that only what they compute tells them apart."""
    # Wrong answers are of a few kinds, the first the most common.
    off = 0 if right else rng.choice((1, 1, 1, 2, 3, 4))
    at = shown if holds and not right else rng.choice([x for x in range(2, 8) if x != shown])
    return f"    return {slope} * x + {shift} + {off} * (x - {at})\n"


def compare(folder: Path, arms: Sequence[str], rankers: Sequence[str], page: Path | None = None) -> dict[str, Any]:
    """Compare arms, and the large model's greedy answer, by `codebudget compare` on what `make` wrote."""
    models = {model for model in SIZES if any(f"{model}:" in arm or model == arm for arm in arms)}
    names = {**{model: model for model in sorted(models)}, f"{LARGE}:greedy": "greedy"}
    samples = [word for arm, file in names.items() for word in ("--samples", f"{arm}={file}.jsonl")]
    command = [sys.executable, "-m", "codebudget", "compare", *arms, *samples]
    command += ["--benchmark", "tasks.jsonl", *(word for name in rankers for word in ("--ranker", name)), "--json"]
    command += ["--sandbox", "process"] + (["--report", str(page.absolute())] if page else [])
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if ran.returncode not in (0, 1):
        sys.exit(ran.stderr)
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def expected(spec: str, made: Made) -> Expected:
    """Compute an arm's expectation; a single arm's at the k that its FLOPs say, which is 1 for the large model."""
    first, _, last = spec.partition(",")
    model, _, k = first.partition(":")
    if k == "greedy":
        passed = [pool.right[0] for pool in made["greedy"]]
        return Expected(sum(passed) / len(passed), _flops(LARGE, 1), 0.0)
    count = int(k) if k else min(_k_at_one_large(model), len(made[model][0].right))
    scores, going, variance = [], [], 0.0
    for place, pool in enumerate(made[model]):
        n, held = len(pool.right), sum(pool.holds)
        none = math.comb(n - held, count) / math.comb(n, count)
        of_held = sum(pool.right) / held if held else 0.0
        final = 0.0
        if last:
            found = made["greedy" if last.endswith("greedy") else LARGE][place].right
            final = sum(found) / len(found)
        scores.append((1 - none) * of_held + none * final)
        going.append(none)
        variance += scores[-1] * (1 - scores[-1]) / DRAWS
    share = sum(going) / len(going) if last else 0.0
    return Expected(
        sum(scores) / len(scores),
        _flops(model, count) + share * _flops(LARGE, 1),
        math.sqrt(variance) / len(scores),
    )


def _k_at_one_large(model: str) -> int:
    if model == LARGE:
        return 1
    k = 1
    while _flops(model, k + 1) <= _flops(LARGE, 1):
        k += 1
    return k


def _flops(model: str, k: int) -> float:
    architecture = find_model(model).architecture
    return prefill_flops(architecture, PROMPT) + k * decode_flops(architecture, PROMPT, OUTPUT)


if __name__ == "__main__":
    main()
