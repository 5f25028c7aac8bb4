"""The benchmark `nano`: held-out compositions as problems in HumanEval's format.

    python -m codebudget.models.nano.problems FILE

writes them again, the same each time, and

    python -m codebudget.models.nano.problems FILE 3

others like them, by another seed: of held-out compositions too, none of which is the benchmark's.
"""

from __future__ import annotations

import copy
import json
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._util.outputs import write_text
from .operations import ANNOTATIONS
from .programs import (
    OPERATIONS,
    Chain,
    Function,
    Step,
    draw_arguments,
    draw_chain,
    is_held_out,
    is_small,
    names_of,
    run,
    write,
    write_body,
)
from .values import draw_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SEED = 2
LENGTHS: Mapping[int, int] = {2: 84, 3: 56, 4: 24}
"""Problems by their number of operations."""
TESTS = 8
LEAST_DIFFERENT_RESULTS = 4
NEIGHBOURS = 12
EMPTY_EXAMPLES = tuple(f'\n    {result}\n    """\n' for result in ("[]", "{}", "''", "0"))


def problems() -> Iterator[dict[str, str]]:
    """Yield the rows, with HumanEval's fields and the operations' names in `composition`."""
    return _problems("nano", SEED, set())


def other_problems(seed: int) -> Iterator[dict[str, str]]:
    """Yield as many rows of the same kind by another seed; no composition is one of the benchmark's."""
    return _problems(f"nano-{seed}", seed, {tuple(sorted(row["composition"].split())) for row in problems()})


def _problems(name: str, seed: int, seen: set[tuple[str, ...]]) -> Iterator[dict[str, str]]:
    rng = random.Random(seed)
    place = 0
    for length, count in LENGTHS.items():
        for _ in range(count):
            chain, inputs, function = draw_problem(rng, length, seen)
            seen.add(tuple(sorted(names_of(chain))))
            yield {
                "task_id": f"{name}/{place}",
                "prompt": function.prompt,
                "entry_point": function.name,
                "canonical_solution": function.body,
                "test": _test(function, inputs),
                "composition": " ".join(names_of(chain)),
            }
            place += 1


def draw_problem(rng: random.Random, length: int, seen: set[tuple[str, ...]]) -> tuple[Chain, list[Any], Function]:
    """Draw a new held-out chain, inputs to tell it from its neighbours, and one function."""
    while True:
        chain = draw_chain(rng, length)
        names = names_of(chain)
        if not is_held_out(names) or tuple(sorted(names)) in seen:
            continue
        inputs = telling_inputs(chain, rng)
        function = write(chain, rng, example=True)
        if inputs is not None and function is not None and not function.prompt.endswith(EMPTY_EXAMPLES):
            return chain, inputs, function


def telling_inputs(chain: Chain, rng: random.Random) -> list[Any] | None:
    """Find inputs on which no neighbour of the chain agrees; None where `TESTS` random ones are not enough.

    A neighbour lacks one operation, or has another operation of the same types, or other arguments, in its place.
    """
    kind = chain[0].operation.source
    inputs = [draw_value(kind, rng) for _ in range(TESTS)]
    results = results_of(chain, inputs)
    least = 2 if chain[-1].operation.target == "bool" else LEAST_DIFFERENT_RESULTS
    if results == inputs or not all(map(is_small, results)) or len(set(map(repr, results))) < least:
        return None
    if any(results_of(neighbour, inputs) == results for neighbour in neighbours(chain, rng)):
        return None
    return inputs


def neighbours(chain: Chain, rng: random.Random) -> Iterator[Chain]:
    """Yield near-identical chains: one operation left out, replaced, or with other arguments."""
    for place, (operation, arguments) in enumerate(chain):
        before, after = chain[:place], chain[place + 1 :]
        if operation.source == operation.target and len(chain) > 1:
            yield before + after
        if arguments:
            for _ in range(NEIGHBOURS):
                others = draw_arguments(operation, rng)
                if all(one != other for one, other in zip(others, arguments, strict=True)):
                    yield (*before, Step(operation, others), *after)
                    break
        others_of_types = [
            other
            for other in OPERATIONS
            if (other.source, other.target) == (operation.source, operation.target) and other is not operation
        ]
        for other in rng.sample(others_of_types, min(NEIGHBOURS, len(others_of_types))):
            yield (*before, Step(other, draw_arguments(other, rng)), *after)


def results_of(chain: Chain, inputs: list[Any]) -> list[Any]:
    """Apply a chain to each input, leaving inputs unchanged."""
    body = write_body(chain, random.Random(0), "data")
    header = f"def f(data: {ANNOTATIONS[chain[0].operation.source]}):\n"
    return [run(header + body, "f", copy.deepcopy(value)) for value in inputs]


def _test(function: Function, inputs: list[Any]) -> str:
    lines = ["def check(candidate):"]
    for value in inputs:
        result = run(function.prompt + function.body, function.name, copy.deepcopy(value))
        lines.append(f"    assert candidate({value!r}) == {result!r}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the benchmark's problems to the named file, or those of another seed."""
    file, *seeds = sys.argv[1:]
    found = other_problems(int(seeds[0])) if seeds and int(seeds[0]) != SEED else problems()
    write_text(Path(file), "".join(json.dumps(row) + "\n" for row in found))


if __name__ == "__main__":
    main()
