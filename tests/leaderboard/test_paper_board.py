"""The seed study as a board: its tasks, sizes, samples and settings are the paper's."""

from pathlib import Path

from codebudget.budgets.notation import parse_arm
from codebudget.leaderboard.board import load_board
from codebudget.leaderboard.prepare import drawing_of
from codebudget.sampler.prompting import preset_settings

BOARD = Path(__file__).parents[2] / "examples" / "paper.toml"


def test_the_board_is_the_papers_study() -> None:
    file = load_board(BOARD)
    arms = [parse_arm(arm) for arm in file.board.arms]
    assert [(arm.name, arm.k) for arm in arms] == [("70b", 100), ("34b", 200), ("13b", 500), ("7b", 1000)]
    names = [table.name for table in file.board.benchmarks]
    assert names[2:] == ["apps-introductory", "apps-interview", "apps-competition"]
    settings = [preset_settings(drawing_of(file).preset, name) for name in names]
    assert [one.temperature for one in settings] == [0.8, 0.8, 0.6, 0.6, 0.6]
    assert [one.max_tokens for one in settings] == [512, 256, 256, 256, 256]
    assert [one.shots for one in settings] == [0, 3, 2, 2, 2]
    assert {one.top_p for one in settings} == {0.95}
    assert file.board.budget.convention == "paper"


def test_a_boards_benchmark_may_choose_its_tasks(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    text = 'schema_version = 1\nname = "x"\narms = ["7b:1"]\n[[benchmarks]]\nname = "livecodebench:lcb.jsonl"\n'
    path.write_text(f'{text}since = "2024-08-01"\nclean = true\nrelease = "release_v5"\n')
    table = load_board(path).board.benchmarks[0]
    assert table.slicing == {
        "release": "release_v5",
        "since": "2024-08-01",
        "until": None,
        "variant": None,
        "clean": True,
    }
