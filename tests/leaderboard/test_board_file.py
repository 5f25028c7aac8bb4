"""A board file says what a run does, and a mistake in it is named with its line."""

from pathlib import Path

import pytest
from codebudget.errors import UserError
from codebudget.leaderboard.board import line_of, load_board, parse_board

GOOD = """\
schema_version = 1
name = "b"
arms = [
    "13b:1",
    "7b",
]

[[benchmarks]]
name = "humaneval"

[[benchmarks]]
name = "mbpp"
tasks = 10

[budget]
match = "flops"

[sandbox.limits]
cpu_s = 2
"""


def test_a_board_holds_what_the_file_says() -> None:
    board = parse_board(Path("b.toml"), GOOD).board
    assert (board.arms, [table.name for table in board.benchmarks]) == (["13b:1", "7b"], ["humaneval", "mbpp"])
    assert board.benchmarks[1].tasks == 10
    assert board.sandbox.limits.limits().cpu_s == 2
    assert board.selecting.decisive == "codebudget"
    assert board.selecting.bounded[-1] == "random"


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ('name = "b"', "name = ", 2, "not TOML"),
        ('name = "b"', "name = 3", 2, "name: "),
        ('name = "b"', 'nane = "b"', 1, "name: this key is missing"),
        ('match = "flops"', 'match = "flop"', 16, "budget.match"),
        ('match = "flops"', 'match = "flops"\nlimit = "flops=1e12"', 15, "match or limit"),
        ("tasks = 10", "tasks = 0", 13, "benchmarks[1].tasks"),
        ("tasks = 10", "task = 10", 13, "benchmarks[1].task: unknown key"),
        ("cpu_s = 2", "cpu_s = -2", 19, "sandbox.limits.cpu_s"),
        ('    "7b",', "    7,", 3, "arms[1]"),
        ('    "7b",', '    "13b:1",', 4, "twice"),
        ('name = "mbpp"', 'name = "humaneval"', 12, "twice"),
        ("schema_version = 1", "schema_version = 2", 1, "schema_version"),
        ('name = "b"', 'name = "b"\nrankers = ["oracle"]', 3, "oracle picks by the hidden tests"),
        ('name = "b"', 'name = "b"\nseed = -1', 3, "seed"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    path = tmp_path / "b.toml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        load_board(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value).strip()


def test_every_value_is_found_on_its_line() -> None:
    places = {("arms", 1): 5, ("benchmarks", 0, "name"): 9, ("benchmarks", 1): 11, ("budget",): 15, ("nothing",): 1}
    assert {place: line_of(GOOD, place) for place in places} == places


def test_an_error_from_elsewhere_is_given_its_line() -> None:
    file = parse_board(Path("b.toml"), GOOD)
    with pytest.raises(UserError, match=r"^b\.toml:5: arms\[1\]: no such model"), file.at("arms", 1):
        raise UserError("no such model")


def test_a_file_that_is_not_there_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"give a \.toml file"):
        load_board(tmp_path / "nothing.toml")
