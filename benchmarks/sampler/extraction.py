"""What taking programs out of texts costs at the worst, against parsing the texts.

    python benchmarks/sampler/extraction.py [FILES]

Texts that were written to be slow, of 230 KB and of the greatest length that is read: for each the processor time of
`extract_program` less three times that of `ast.parse`, the worst first. FILES are lists of samples per task
(`task_id`, `samples`) of HumanEval: what all of them take together.
"""

import ast
import contextlib
import gzip
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from codebudget.sampler.extract import MAX_BYTES, extract_program
from codebudget.tasks import load_benchmark

PROMPT = 'from typing import List\n\n\ndef double(x: int) -> int:\n    """Twice x."""\n'
WHOLE = "def double(x):\n    return 2 * x\n"
STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
UNITS = (
    *("This is a line of prose, isn't it?\n", "the function def double(x): is here\n", "def double(x):\n", WHOLE),
    *("x = 3\nprose\ndef double(x):\n", "x = (\ny = ]\ndef double(x):\n", "```\n", "```\n" + WHOLE, "```\nx y z\n"),
    *(
        "```\nreturn 2 * x (\n",
        ">>> def double(x):\n... ",
        "    x = 1\n",
        "    try:\n        x = 1\n",
        "    @d\n",
        "\\'",
    ),
    *("a if ", "(", "[(", "(\n", "a,", "a\n", WHOLE + "\0\n", " ", "\treturn\n", "\tx y\n", "\\\n", "x = 1\x0b\n"),
    *("return it's x\n", "f'{a}'\n", "@d\n", "\n", "'", "if x:\n", "é = 1\n", "def f(): return g\n"),
)


def main() -> None:
    """Measure and print."""
    warnings.simplefilter("ignore")
    for name in sys.argv[1:]:
        recorded(Path(name))
    for size in (230_000, MAX_BYTES - 1000):
        found = []
        for unit in UNITS:
            for before in ("", WHOLE, "isn't\n```\n", "    '''a'''\n    "):
                text = before + unit * ((size - len(before)) // len(unit.encode()))
                parsing_s = processor_s(lambda text=text: ast.parse(text))
                taken_s = processor_s(
                    lambda text=text: extract_program(text, prompt=PROMPT, entry_point="double", stop=STOP)
                )
                found.append((taken_s - 3 * parsing_s, taken_s, parsing_s, before + unit))
        print(f"texts of {size} bytes: seconds beyond three times ast.parse, seconds, seconds of ast.parse")
        for beyond_s, taken_s, parsing_s, text in sorted(found, reverse=True)[:5]:
            print(f"  {beyond_s:7.3f} {taken_s:7.3f} {parsing_s:7.3f}  {text[:60]!r}")


def recorded(path: Path) -> None:
    """Print what the samples of a file take."""
    tasks = load_benchmark("humaneval").by_id
    data = path.read_bytes()
    rows = [json.loads(line) for line in (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()]
    texts = [(text, tasks[row["task_id"]]) for row in rows for text in row["samples"]]
    taken_s = processor_s(
        lambda: [
            extract_program(text, prompt=one.prompt, entry_point=one.entry_point, stop=one.stop) for text, one in texts
        ]
    )
    print(f"{path}: {len(texts)} samples in {taken_s:.2f} s")


def processor_s(work: Callable[[], object]) -> float:
    """Seconds of processor time that some work takes, whatever it raises of what parsers do."""
    since = time.process_time()
    with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        work()
    return time.process_time() - since


if __name__ == "__main__":
    main()
