"""The language of the nano models: operations, compositions, and what is held out."""

import json
import random
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from codebudget.models.nano.operations import Operation
from codebudget.models.nano.problems import other_problems
from codebudget.models.nano.programs import (
    OPERATIONS,
    Step,
    draw_arguments,
    draw_chain,
    draw_function,
    draw_training_chain,
    is_held_out,
    may_train,
    names_of,
    run,
    write,
    write_body,
)
from codebudget.models.nano.values import draw_value

EMPTY = {"ints": [], "words": [], "text": "", "int": 0, "table": {}}


def test_operations_are_many_and_named_once() -> None:
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS) >= 120
    assert all(len(operation.phrases) >= 2 for operation in OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_all_ways_to_write_an_operation_do_the_same(operation: Operation) -> None:
    rng = random.Random(0)
    for value in [EMPTY[operation.source], *(draw_value(operation.source, rng) for _ in range(10))]:
        arguments = draw_arguments(operation, rng)
        results = set()
        for code in operation.codes:
            step = Step(operation._replace(codes=(code,)), arguments)
            results.add(repr(run("def f(data):\n" + write_body((step,), rng, "data"), "f", value)))
        assert len(results) == 1


def test_all_ways_to_write_a_chain_do_the_same_and_leave_the_input_alone() -> None:
    rng = random.Random(1)
    for _ in range(200):
        chain = draw_chain(rng, rng.randint(1, 4))
        value = draw_value(chain[0].operation.source, rng)
        before = repr(value)
        results = {repr(run("def f(data):\n" + write_body(chain, rng, "data"), "f", value)) for _ in range(6)}
        assert len(results) == 1
        assert repr(value) == before


def test_the_same_seed_gives_the_same_functions_and_another_gives_others() -> None:
    def functions(seed: int) -> list[Any]:
        rng = random.Random(seed)
        return [draw_function(rng) for _ in range(50)]

    assert functions(3) == functions(3)
    assert functions(3) != functions(4)


def test_a_chain_is_said_and_written_in_many_ways() -> None:
    rng = random.Random(5)
    chain = draw_chain(rng, 3)
    ways = [write(chain, rng, example=False) for _ in range(40)]
    assert len({way.prompt for way in ways if way}) > 20
    assert len({way.body for way in ways if way}) > 5


def test_training_draws_hold_nothing_that_is_held_out() -> None:
    rng = random.Random(6)
    chains = [names_of(draw_training_chain(rng)) for _ in range(5000)]
    for names in chains:
        parts = [names[i:j] for i in range(len(names)) for j in range(i + 1, len(names) + 1)]
        assert not any(is_held_out(part) for part in parts)
    assert {len(names) for names in chains} == {1, 2, 3, 4}
    assert {name for names in chains for name in names} == {operation.name for operation in OPERATIONS}


def test_holding_out_takes_no_account_of_order() -> None:
    rng = random.Random(7)
    drawn = [names_of(draw_chain(rng, 3)) for _ in range(2000)]
    assert all(is_held_out(names) == is_held_out(names[::-1]) for names in drawn)
    held_out = [names for names in drawn if is_held_out(names)]
    assert 0.05 < len(held_out) / len(drawn) < 0.12
    assert not any(may_train(names) for names in held_out)


def test_prompts_end_where_a_body_begins() -> None:
    rng = random.Random(8)
    for _ in range(200):
        function = draw_function(rng)
        assert function.prompt.endswith('\n    """\n')
        assert function.body.startswith("    ")
        assert function.body.endswith("\n")
        compile(function.prompt + function.body, "nano", "exec")


def test_problems_of_another_seed_are_held_out_and_none_is_the_benchmarks(repository: Path) -> None:
    lines = (repository / "tasks" / "nano.jsonl").read_text().splitlines()
    known = {tuple(sorted(json.loads(line)["composition"].split())) for line in lines}
    rows = list(islice(other_problems(3), 4))
    found = [tuple(sorted(row["composition"].split())) for row in rows]
    assert [row["task_id"] for row in rows] == [f"nano-3/{place}" for place in range(4)]
    assert len(set(found)) == 4
    assert known.isdisjoint(found)
    assert all(is_held_out(composition) for composition in found)
