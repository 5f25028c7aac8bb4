"""Rows of EvalPlus' form: the pairs that their tests work out, and the tasks with rules of their own."""

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest
from codebudget.errors import UserError
from codebudget.records import Task
from codebudget.tasks import load_benchmark

from support.rows import jsonl

ROW = {
    "task_id": "HumanEval/900",
    "prompt": 'def halves(xs):\n    """Half of each.\n\n    >>> halves([4])\n    [2.0]\n    """\n',
    "entry_point": "halves",
    "canonical_solution": "    xs.sort()\n    return [x / 2 for x in xs]\n",
    "contract": "\n    assert xs\n",
    "base_input": [[[4, 2]]],
    "plus_input": [[[1]], [[math.inf, -0.0, 10**40]]],
    "atol": 0,
}


def load(folder: Path, *rows: dict[str, Any]) -> list[Task]:
    path = folder / "plus.jsonl"
    path.write_text(jsonl(rows))
    return list(load_benchmark(str(path)).tasks)


def mbpp(number: int, source: str, *inputs: list[Any], atol: float = 0) -> dict[str, Any]:
    """A row as MbppPlus has it: the prompt is a docstring, the solution a whole program."""
    name = source.partition("def ")[2].partition("(")[0]
    return {
        "task_id": f"Mbpp/{number}",
        "prompt": f'"""\nWrite a function "{name}".\nassert {name}(1) == 2\n"""\n',
        "entry_point": name,
        "canonical_solution": f"\n{source}\n",
        "base_input": list(inputs),
        "plus_input": [],
        "atol": atol,
    }


def namespace_of(task: Task) -> dict[str, Any]:
    assert task.tests is not None
    names: dict[str, Any] = {task.entry_point: "what the tester binds"}
    exec(task.tests.code, names)
    return names


def accepts(task: Task, function: Any) -> bool:
    """Whether tests of the style `check` pass a function."""
    assert task.tests is not None
    assert task.tests.style == "check"
    try:
        namespace_of(task)["check"](function)
    except AssertionError:
        return False
    return True


def reference_of(task: Task) -> Any:
    assert task.reference is not None
    names: dict[str, Any] = {}
    exec(task.reference, names)
    return names[task.entry_point]


def test_base_and_plus_inputs_become_pairs_that_the_reference_answers(tmp_path: Path) -> None:
    (task,) = load(tmp_path, ROW)
    assert task.tests is not None
    assert (task.tests.style, task.tests.tolerance) == ("pairs", 1e-6)
    assert task.prompt == ROW["prompt"]
    assert [example.call for example in task.examples] == ["halves([4])"]
    names = namespace_of(task)
    # The reference sorts its argument in place, which the inputs must not show.
    assert names["pairs"] == [
        (([4, 2],), [1.0, 2.0]),
        (([1],), [0.5]),
        (([math.inf, -0.0, 10**40],), [-0.0, 5e39, math.inf]),
    ]
    assert names["halves"] == "what the tester binds"


@pytest.mark.parametrize("fields", [{}, {"plus_input": None}, {"plus_input": []}])
def test_without_plus_inputs_the_base_inputs_are_the_tests(tmp_path: Path, fields: dict[str, Any]) -> None:
    row = {name: value for name, value in ROW.items() if name != "plus_input"} | fields
    assert namespace_of(load(tmp_path, row)[0])["pairs"] == [(([4, 2],), [1.0, 2.0])]


def test_the_tolerance_is_the_rows_own_where_it_has_one(tmp_path: Path) -> None:
    (task,) = load(tmp_path, {**ROW, "atol": 0.01})
    assert task.tests is not None
    assert task.tests.tolerance == 0.01


def test_names_of_the_reference_do_not_meet_those_of_the_tests(tmp_path: Path) -> None:
    source = (
        "pairs = copy = json = arguments = 'mine'\ndef reference(x):\n    return pairs + x\ndef frozen():\n    pass"
    )
    (task,) = load(tmp_path, mbpp(9000, source, ["a"], ["b'\"\n\\{}\ud800"]))
    assert namespace_of(task)["pairs"] == [(("a",), "minea"), (("b'\"\n\\{}\ud800",), "mineb'\"\n\\{}\ud800")]


def test_a_prompt_that_is_only_a_docstring_gets_the_header_of_the_reference(tmp_path: Path) -> None:
    (task,) = load(tmp_path, mbpp(9000, "import math\ndef up(x):\n    return math.ceil(x)", [0.5]))
    assert task.prompt.startswith('def up(x):\n    """\n    Write a function "up".\n    assert up(1) == 2\n')
    assert [(example.call, example.expected) for example in task.examples] == [("up(1)", "2")]
    assert namespace_of(task)["pairs"] == [((0.5,), 1)]


def test_inputs_of_mbpp_regain_the_types_that_json_lost(tmp_path: Path) -> None:
    echo = "def echo(*args):\n    return args"
    given = {
        2: ([[1, 2], [3]], ((1, 2), (3,))),
        63: ([[[1, 2], [3, 4]]], ([(1, 2), (3, 4)],)),
        75: ([[[1, 2]], 2], ([(1, 2)], 2)),
        106: ([[1], [2, 3]], ([1], (2, 3))),
        115: ([[[1, 2], [], {}]], ([{1, 2}, {}, {}],)),
        124: (["1.5", "2+1j"], (1.5, 2 + 1j)),
        250: ([[1, 2], 2], ((1, 2), 2)),
        252: (["2j"], (2j,)),
        259: ([[[1, 2]], [[3, 4]]], (((1, 2),), ((3, 4),))),
        278: ([[1, [2, 3]]], ((1, (2, 3)),)),
        307: ([["a", []], 1, 50], (("a", []), 1, 50)),
        580: ([[1, [2, [3]]]], ((1, (2, (3,))),)),
        722: ([{"a": [1, 2]}, 3], ({"a": (1, 2)}, 3)),
        9000: ([[1], {"a": [2]}], ([1], {"a": [2]})),
    }
    tasks = load(tmp_path, *(mbpp(number, echo, args) for number, (args, _) in given.items()))
    for task, (_, args) in zip(tasks, given.values(), strict=True):
        # The representation tells a tuple from a list everywhere inside.
        assert repr(namespace_of(task)["pairs"]) == repr([(args, args)]), task.id
    # Another data set's numbers mean nothing.
    (other,) = load(tmp_path, {**mbpp(2, echo, [[1]]), "task_id": "Other/2"})
    assert namespace_of(other)["pairs"] == [(([1],), ([1],))]


def test_any_zero_of_the_polynomial_will_do(tmp_path: Path) -> None:
    row = {
        **ROW,
        "task_id": "HumanEval/32",
        "entry_point": "find_zero",
        "prompt": "def find_zero(xs):\n",
        "canonical_solution": "    return 1.0\n",
        "base_input": [[[2, -3, 1]]],
        "plus_input": [],
        "atol": 1e-4,
    }
    (task,) = load(tmp_path, row)
    assert accepts(task, reference_of(task))
    assert accepts(task, lambda xs: 2)
    assert not accepts(task, lambda xs: 1.01)
    assert not accepts(task, lambda xs: math.nan)


def test_a_set_is_compared_where_order_is_free(tmp_path: Path) -> None:
    source = "def similar_elements(a, b):\n    return tuple(x for x in a if x in b)"
    (task,) = load(tmp_path, mbpp(2, source, [[3, 4, 5], [5, 4]]))
    assert accepts(task, reference_of(task))
    assert accepts(task, lambda a, b: [5, 4])
    assert not accepts(task, lambda a, b: (4,))


def test_a_match_is_as_good_as_true(tmp_path: Path) -> None:
    import re

    source = "import re\ndef text_match_three(text):\n    return re.search('ab{3}', text)"
    (task,) = load(tmp_path, mbpp(9001, source, ["abbb"], ["ab"]))
    assert accepts(task, reference_of(task))
    assert accepts(task, lambda text: "bbb" in text)
    assert accepts(task, lambda text: re.search("bbb", text))
    assert not accepts(task, lambda text: True)
    assert not accepts(task, lambda text: re.search("b", text))


def test_both_readings_of_an_open_task_are_right(tmp_path: Path) -> None:
    divisors = "def sum_div(n):\n    return 1 + sum(d for d in range(2, n) if n % d == 0)"
    pyramid = "def surface_Area(b, s):\n    return 2 * b * s + b * b"
    digits = "def digit_distance_nums(a, b):\n    return sum(map(int, str(abs(a - b))))"
    tasks = load(
        tmp_path,
        mbpp(295, divisors, [8], [1]),
        mbpp(581, pyramid, [3, 4], [1.5, 0.1]),
        mbpp(558, digits, [1, 2], [123, 56]),
    )
    assert all(accepts(task, reference_of(task)) for task in tasks)
    assert accepts(tasks[0], lambda n: sum(d for d in range(1, n) if n % d == 0))
    assert not accepts(tasks[0], lambda n: 0)

    def by_height(b: float, h: float) -> float:
        return round(b * b + 2 * b * math.sqrt(b * b / 4 + h * h))

    assert accepts(tasks[1], by_height)
    assert accepts(tasks[1], lambda b, s: b * b + 2 * b * s + 1e-9 if isinstance(b, float) else b * b + 2 * b * s)
    assert not accepts(tasks[1], lambda b, s: b * b + 2 * b * s + 1e-3)
    assert accepts(tasks[2], lambda a, b: sum(abs(int(x) - int(y)) for x, y in zip(f"{a:03}", f"{b:03}", strict=True)))
    assert not accepts(tasks[2], lambda a, b: 0)


def test_a_task_that_everything_passes_is_graded_by_nothing_and_says_so(tmp_path: Path) -> None:
    (task,) = load(tmp_path, mbpp(164, "def are_equivalent(a, b):\n    return a == b", [1, 2]))
    with pytest.raises(AssertionError, match="accepts every result"):
        namespace_of(task)["check"](reference_of(task))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"base_input": [], "plus_input": []}, "neither base_input nor plus_input"),
        ({"base_input": [1]}, "base_input is not a list of argument lists"),
        ({"plus_input": "[]"}, "plus_input is not a list of argument lists"),
        ({"atol": None}, "atol is None"),
        ({"atol": -1}, "atol is -1"),
        ({"canonical_solution": None}, "without a reference"),
        ({"entry_point": None, "canonical_solution": ROW["prompt"] + "    return xs\n"}, "no entry point"),
        ({"task_id": 2}, "task_id is int, not text"),
    ],
)
def test_a_row_of_another_form_is_named(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=rf"plus\.jsonl:1: .*{message}"):
        load(tmp_path, {**ROW, **fields})


def test_a_field_named_for_the_tests_wins(tmp_path: Path) -> None:
    path = tmp_path / "plus.jsonl"
    path.write_text(json.dumps({**ROW, "mine": "def check(candidate):\n    assert candidate([2]) == [1]\n"}))
    (task,) = load_benchmark(str(path), {"test": "mine"}).tasks
    assert task.tests is not None
    assert task.tests.code.startswith("def check")


def test_every_reference_of_the_shared_rows_answers_its_own_pairs(shared_data: Path) -> None:
    tasks = load_benchmark(str(shared_data / "humaneval_base_for_evalplus.jsonl.gz")).tasks
    originals = load_benchmark("humaneval").by_id
    styles = [task.tests.style for task in tasks if task.tests is not None]
    assert (styles.count("pairs"), styles.count("check")) == (163, 1)
    assert [task.id for task in tasks] == list(originals)
    for task in tasks:
        if task.id == "HumanEval/95":
            # JSON turned the integer keys of its inputs into text.
            continue
        assert task.examples == originals[task.id].examples
        names, reference = namespace_of(task), reference_of(task)
        if task.tests is not None and task.tests.style == "check":
            names["check"](reference)
        assert names["pairs"]
        for args, expected in names["pairs"]:
            assert reference(*copy.deepcopy(args)) == expected, task.id
