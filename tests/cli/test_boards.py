from pathlib import Path

from codebudget.cli.boards import load_rankers, load_tasks, plan_board
from codebudget.leaderboard.board import load_board


def test_the_example_board_can_be_planned(repository: Path) -> None:
    file = load_board(repository / "examples" / "nano.toml")
    (entry,) = plan_board(file, load_tasks(file), None)
    assert [plan.arm.spec for plan in entry.plans] == ["4m:1", "1m", "250k"]
    assert all(plan.matched for plan in entry.plans)
    assert list(load_rankers(file)) == ["codebudget", "examples", "majority", "shortest", "first", "random"]
