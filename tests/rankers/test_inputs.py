"""Inputs made where no model wrote tests: their types, that they are the same each time, and what they tell apart."""

import ast
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from codebudget.errors import SandboxError
from codebudget.rankers import Context, RankedPool, RememberingRunner, load_ranker
from codebudget.rankers.inputs import Told, told_apart
from codebudget.rankers.inputs.calls import Form, arguments_of, drawn, form_of
from codebudget.rankers.inputs.constants import of_program, of_prose
from codebudget.rankers.inputs.kinds import Kind, guesses, joined, of_annotation, of_value
from codebudget.records import Candidate, Example, IoCase, PublicTask
from codebudget.sandbox import Sandbox, choose_launcher


def task_of(prompt: str, *examples: tuple[str, str]) -> PublicTask:
    shown = tuple(Example(call=call, expected=expected) for call, expected in examples)
    return PublicTask(id="t", prompt=prompt, entry_point="f", examples=shown)


def form(prompt: str, *examples: tuple[str, str], programs: Sequence[str] = ()) -> Form:
    found = form_of(task_of(prompt, *examples), programs)
    assert found is not None
    return found


def likeliest(found: Form) -> tuple[Kind, ...]:
    return found.profiles[0][0]


def fits(value: object, kind: Kind) -> bool:
    """Whether a value is of a kind; written apart from what draws it."""
    if kind.name == "any":
        return True
    if type(value).__name__ != kind.name:
        return False
    if isinstance(value, dict):
        keys, values = kind.items
        return all(fits(key, keys) and fits(item, values) for key, item in value.items())
    if not isinstance(value, list | tuple | set):
        return True
    if kind.fixed:
        return len(value) == len(kind.items) and all(map(fits, value, kind.items))
    return all(fits(item, kind.items[0]) for item in value)


ANNOTATED = (
    ("int", "int"),
    ("float", "float"),
    ("str", "str"),
    ("bool", "bool"),
    ("List[int]", "list[int]"),
    ("list[list[int]]", "list[list[int]]"),
    ("'Sequence[str]'", "list[str]"),
    ("Optional[Dict[str, List[float]]]", "dict[str, list[float]]"),
    ("tuple[int, str]", "tuple[int, str]"),
    ("Tuple[int, ...]", "tuple[int]"),
    ("set[str] | None", "set[str]"),
    ("typing.List[typing.Any]", "list[any]"),
)


@pytest.mark.parametrize(("annotation", "name"), ANNOTATED)
def test_annotated_arguments_are_of_their_types(annotation: str, name: str) -> None:
    found = form(f'def f(x: {annotation}, k: int = 3):\n    """Do something."""\n')
    (kind,) = likeliest(found)
    assert str(kind) == name
    calls = drawn(found, (kind,), 40)
    assert len(calls) > (1 if name == "bool" else 30)
    for call in calls:
        (value,) = arguments_of(call) or (None,)
        assert fits(value, kind), call


def test_an_annotation_that_says_nothing_is_none() -> None:
    header = ast.parse("def f(a: Tree, b: Callable[[int], int], c: None, d): pass").body[0]
    assert isinstance(header, ast.FunctionDef)
    kinds = [of_annotation(each.annotation) for each in header.args.args]
    assert kinds == [None, None, Kind("NoneType"), None]


def test_examples_say_what_names_do_not() -> None:
    shown = ("f([[1, 2], [3]], 'a')", "4"), ("f([], 'b')", "0")
    assert [str(kind) for kind in likeliest(form("def f(s, n):\n", *shown))] == ["list[list[int]]", "str"]
    # Where both speak the annotation is right, but for what it leaves open.
    assert [str(kind) for kind in likeliest(form("def f(s: list, n: float):\n", ("f(['a'], 1)", "1")))] == [
        "list[str]",
        "float",
    ]


def test_values_of_several_types_are_joined() -> None:
    assert str(joined([of_value(1), of_value(2.5)])) == "float"
    assert str(of_value([1, "a"])) == "list[any]"
    assert str(joined([of_value([]), of_value(["a"]), of_value(None)])) == "list[str]"
    assert str(of_value({"a": [1.0]})) == "dict[str, list[float]]"


@pytest.mark.parametrize(
    ("name", "prose", "wanted"),
    [
        ("words", "Return the longest.", "list[str]"),
        ("q", "Given a list of integers q, return their sum.", "list[int]"),
        ("zz", "You are given a string zz; count its vowels.", "str"),
        ("n", "Whether it is prime.", "int"),
        ("grid", "The number of islands.", "list[list[int]]"),
    ],
)
def test_names_and_words_speak_for_types(name: str, prose: str, wanted: str) -> None:
    assert str(guesses(name, prose)[0].kind) == wanted


def test_constants_are_named_by_prompts_and_programs() -> None:
    prose = of_prose("Return 'YES' if the number is over 10.5, or -3. The operators are addition ( + ) and `//`.")
    assert prose.texts == ("YES", "+", "//")
    assert prose.numbers == (10.5, -3)
    assert {"return", "operators"} <= set(prose.words)
    program = 'def f(x):\n    """Not this."""\n    return isinstance(x, str) and x.split("-")[0] == "ab" or x == 77\n'
    found = of_program(program)
    assert (found.texts, found.numbers, found.types) == (("-", "ab"), (77,), ("str",))
    assert of_program("def (").is_empty


def test_calls_are_made_around_constants() -> None:
    found = form('def f(x: int):\n    """Do it."""\n')
    named = of_program("def f(x):\n    return 1 if x == 4321 else 2 if x > 987 else 3\n")
    arguments = {(arguments_of(call) or (0,))[0] for call in drawn(found, likeliest(found), 16, named)}
    assert {4320, 4321, 4322} & arguments
    assert {986, 987, 988} & arguments
    dates = of_program("def f(x):\n    return x.split('-')\n")
    texts = drawn(form("def f(x: str):\n"), (Kind("str"),), 16, dates)
    assert any(any(mark.isdigit() for mark in text) and "-" in text for text in texts)


def test_a_task_without_a_header_takes_its_programs() -> None:
    found = form("Sum two numbers.", programs=["def f(a: int, b: int): ...", "def f(a: int, b: int): 1", "def f(): 2"])
    assert [str(kind) for kind in likeliest(found)] == ["int", "int"]
    assert form_of(task_of("Sum two numbers."), ["x = 1", "def ("]) is None
    assert form_of(task_of("def f():\n"), []) is None


def test_methods_leave_out_self() -> None:
    task = PublicTask(id="t", prompt="class A:\n    def f(self, s: str) -> int:\n", entry_point="A.f")
    found = form_of(task, [])
    assert found is not None
    assert [str(kind) for kind in likeliest(found)] == ["str"]
    assert all(call.startswith(("A().f('", 'A().f("')) for call in drawn(found, likeliest(found), 9))


_HASHES = """
from codebudget.rankers.inputs.calls import drawn, form_of
from codebudget.records import PublicTask
found = form_of(PublicTask(id="t", prompt="def f(a: set[str], b: dict[str, int], s):\\n", entry_point="f"), [])
print([call for kinds, _ in found.profiles for call in drawn(found, kinds, 5)])
"""


def test_calls_are_the_same_in_every_process() -> None:
    said = {
        subprocess.run(
            [sys.executable, "-c", _HASHES], env={"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


FIVES = "def f(x):\n    return x > 5\n"
ALSO_FIVES = "def f(n):\n    return not n <= 5\n"
ODD = "def f(x):\n    return x > 5 and x != 7654\n"
PARITY = "def f(x):\n    return x % 2 == 0\n"
ENDLESS = "def f(x):\n    while True:\n        pass\n"
BROKEN = "def f(x:\n"


@pytest.fixture(scope="module", params=["process", "bubblewrap"])
def runner(request: pytest.FixtureRequest) -> Iterator[Callable[[], RememberingRunner]]:
    try:
        launcher = choose_launcher(request.param).launcher
    except SandboxError as error:
        pytest.skip(str(error))
    with Sandbox(launcher, workers=1) as sandbox:
        yield lambda: RememberingRunner(sandbox)


def tell(task: PublicTask, programs: Sequence[str], runner: RememberingRunner, own: bool = True) -> Told:
    """All programs as one subset, in the order given."""
    (told,) = told_apart(task, programs, np.arange(len(programs))[None], runner, own=own)
    assert told.places.tolist() == [0]
    kept = told.used[0]
    inputs = tuple(text for text, is_used in zip(told.inputs, kept, strict=True) if is_used)
    return told._replace(inputs=inputs, outputs=told.outputs[:, kept], used=told.used[:, kept])


def clusters(told: Told) -> list[int]:
    rows = [row.tobytes() for row in told.outputs]
    return [rows.index(row) for row in rows]


def test_programs_that_differ_are_told_apart(runner: Callable[[], RememberingRunner]) -> None:
    task = task_of('def f(x: int) -> bool:\n    """Whether it is so."""\n')
    programs = (FIVES, ALSO_FIVES, ODD, PARITY, ENDLESS, BROKEN)
    told = tell(task, programs, runner())
    assert clusters(told) == [0, 0, 2, 3, 4, 4]
    assert "f(7654)" in told.inputs
    again = tell(task, programs[::-1], runner())
    assert again.inputs == told.inputs
    assert clusters(again) == [0, 0, 2, 3, 4, 4]


def test_inputs_are_the_task_s_and_those_of_programs_that_split(runner: Callable[[], RememberingRunner]) -> None:
    task = task_of('def f(x: int) -> bool:\n    """Whether it is so."""\n')
    shared = set(tell(task, (FIVES, ODD), runner(), own=False).inputs)
    assert set(tell(task, (FIVES, ALSO_FIVES), runner()).inputs) == shared
    assert set(tell(task, (ODD,), runner()).inputs) == shared
    assert set(tell(task, (FIVES, ODD), runner()).inputs) == {*shared, "f(7654)"}
    # All at once each subset has its own.
    rows = np.array([[0, 0, 1], [0, 3, 2], [2, 0, 2], [3, 1, 0]])
    (told,) = told_apart(task, (FIVES, ALSO_FIVES, ODD, PARITY), rows, runner())
    found = [{told.inputs[place] for place in np.flatnonzero(row)} - shared for row in told.used]
    assert found == [set(), {"f(7654)"}, {"f(7654)"}, set()]


def test_many_programs_get_fewer_inputs_each(runner: Callable[[], RememberingRunner]) -> None:
    task = task_of('def f(x: int) -> bool:\n    """Whether it is so."""\n')
    programs = [f"def f(x):\n    return x > {5000 + 50 * place}\n" for place in range(120)]
    rows = np.arange(120)[None]
    (few,), (many,) = (told_apart(task, programs, some, runner()) for some in (rows[:, :20], rows))
    shared = len(told_apart(task, programs, rows, runner(), own=False)[0].inputs)
    assert len(few.inputs) - shared > 2 * 20
    assert len(many.inputs) - shared <= 2 * 120


def test_types_are_found_by_running(runner: Callable[[], RememberingRunner]) -> None:
    # The name says a number, and nothing but running that it is not.
    program = "def f(num):\n    return sum(letter in '2357BD' for letter in num.strip())\n"
    other = program.replace("BD", "BC")
    number = "def f(num):\n    return num % 7 > 2\n"
    task = task_of('def f(num):\n    """Count those that are primes."""\n')
    told = tell(task, (program, other), runner())
    assert all(isinstance((arguments_of(call) or (0,))[0], str) for call in told.inputs)
    assert clusters(told) == [0, 1]
    # In each subset by its own programs.
    rows = np.array([[0, 1, 1], [2, 2, 0], [2, 2, 2], [1, 0, 0]])
    groups = told_apart(task, (program, other, number), rows, runner())
    kinds = {
        tuple(each.places.tolist()): {type((arguments_of(call) or (0,))[0]) for call in each.inputs} for each in groups
    }
    assert kinds == {(0, 3): {str}, (1, 2): {int}}


def test_a_header_is_that_of_a_subset_s_programs(runner: Callable[[], RememberingRunner]) -> None:
    one, two = "def f(a: int):\n    return -a\n", "def f(a: int, b: int):\n    return a - b\n"
    groups = told_apart(task_of("Subtract."), (one, two), np.array([[0, 0], [1, 1]]), runner())
    counts = [{len(arguments_of(call) or ()) for call in each.inputs} for each in groups]
    assert counts == [{1}, {2}]


LINES = "n = int(input())\nnumbers = list(map(int, input().split()))\n"
SUM, SPAN = LINES + "print(sum(numbers[:n]))\n", LINES + "print(max(numbers) + min(numbers))\n"


def test_scripts_are_told_apart_by_inputs_of_their_form(runner: Callable[[], RememberingRunner]) -> None:
    shown = (IoCase(input="2\n1 4\n", output="5\n"), IoCase(input="1\n7\n", output="7\n"))
    task = PublicTask(id="t", prompt="Add.", entry_point="", is_script=True, cases=shown[:1])
    told = tell(task, (SUM, SPAN, "print(\n"), runner())
    assert told.inputs[0] == shown[0].input
    assert clusters(told) == [0, 1, 2]
    for text in told.inputs:
        count, numbers = text.splitlines()
        assert int(count) == len(numbers.split())


PLENTY = (
    "import sys\nwords = sys.stdin.buffer.read().split()\nn = int(words[0])\nprint(sum(map(int, words[1:n + 1])))\n"
)
ROWS = (
    "h, w = map(int, input().split())\nrows = [input() for _ in range(h)]\nprint(sum(row.count('#') for row in rows))\n"
)
READERS = {
    "a list": (SUM, lambda lines: len(lines) == 2 and int(lines[0]) == len(lines[1].split())),
    "a table": (ROWS, lambda lines: len(lines) == 1 + int(lines[0].split()[0])),
    "a word": ("print(input()[::-1])\n", lambda lines: len(lines) == 1),
    "pairs": (
        "for _ in range(int(input())):\n    a, b = map(int, input().split())\n    print(a * b)\n",
        lambda lines: [len(line.split()) for line in lines[1:]] == [2] * int(lines[0]),
    ),
}


@pytest.mark.parametrize("named", READERS)
def test_scripts_without_visible_inputs_are_told_apart_by_what_they_can_read(
    runner: Callable[[], RememberingRunner], named: str
) -> None:
    program, is_of_form = READERS[named]
    task = PublicTask(id="t", prompt="Do it.", entry_point="", is_script=True)
    other = program.replace("print(", "print(1, ")
    told = tell(task, (program, other, "print(\n"), runner())
    assert len(told.inputs) > 5
    assert all(is_of_form(text.splitlines()) for text in told.inputs)
    assert clusters(told) == [0, 1, 2]
    assert tell(task, (program, other, "print(\n"), runner(), own=False).inputs == ()


def test_most_scripts_choose_the_form(runner: Callable[[], RememberingRunner]) -> None:
    task = PublicTask(id="t", prompt="Do it.", entry_point="", is_script=True)
    rows = np.array([[0, 1, 2], [2, 2, 0], [3, 3, 3]])
    groups = told_apart(task, (SUM, PLENTY, ROWS, "print(int(input().split()[40]))\n"), rows, runner())
    found = {tuple(each.places.tolist()): each.inputs for each in groups}
    assert all(READERS["a list"][1](text.splitlines()) for text in found[0,])
    assert all(READERS["a table"][1](text.splitlines()) for text in found[1,])
    # None where they can read nothing that is known.
    assert found[2,] == ()


def test_the_default_ranker_votes_on_made_inputs(runner: Callable[[], RememberingRunner]) -> None:
    task = task_of('def f(x: int) -> bool:\n    """Whether it is so."""\n')
    programs = (PARITY, FIVES, FIVES.replace("x", "y"), FIVES.replace("5", "9"), BROKEN)
    pool = [Candidate(task_id="t", arm="a", index=i, raw=text, program=text) for i, text in enumerate(programs)]

    def scores(order: Sequence[Candidate]) -> list[float]:
        context = Context(random.Random(0), runner())
        return list(RankedPool(load_ranker("codebudget"), task, order, context).ranking.scores)

    found = scores(pool)
    assert found[1] == found[2] == max(found)
    assert found[4] == min(found)
    assert found[1] > found[3] > found[0] > found[4]
    assert scores(pool[::-1]) == found[::-1]
