"""A board whose samples are drawn, by a model behind a server of this machine."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from codebudget.leaderboard.files import json_bytes
from codebudget.leaderboard.manifest import sealed
from codebudget.leaderboard.rows import CandidateRow
from codebudget.records import Candidate

from support.markov import Markov
from support.markov_server import MarkovServer

BIG, SMALL = "codellama/CodeLlama-13b-hf", "codellama/CodeLlama-7b-hf"
DRAWN = """
[sampling]
engine = "openai"
temperature = 0.9
max_tokens = 30
"""


@pytest.fixture
def drawn(board: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """A board without recorded samples, and the environment that names a server."""
    tasks = [json.loads(line) for line in (board / "tiny.jsonl").read_text().splitlines()]
    markov = Markov([row["prompt"] + row["canonical_solution"] for row in tasks])
    serving = MarkovServer(dict.fromkeys((BIG, SMALL), markov))
    text = (board / "board.toml").read_text()
    start, end = text.index("[benchmarks.samples]"), text.index("[sandbox]")
    (board / "board.toml").write_text(text[:start] + text[end:] + DRAWN)
    yield board, {"OPENAI_BASE_URL": serving.url, "OPENAI_API_KEY": ""}
    serving.shutdown()
    serving.server_close()


def test_what_is_drawn_anew_from_the_same_seeds_is_the_same_run(drawn, command, verified) -> None:
    folder, environment = drawn
    for arguments in (["--out", "run"], ["--out", "again", "--fresh"]):
        done = command(folder, "leaderboard", "run", "board.toml", *arguments, **environment)
        assert done.returncode == 0, done.stderr
    for name in ("candidates.jsonl.gz", "verdicts.jsonl.gz", "rankings.jsonl.gz", "results.json"):
        assert (folder / "run" / name).read_bytes() == (folder / "again" / name).read_bytes()
    manifest = json.loads((folder / "run" / "manifest.json").read_text())
    assert [(model["source"], model["engine"], model["seed"]) for model in manifest["models"]] == [
        ("drawn", "openai", 0),
        ("drawn", "openai", 0),
    ]
    assert manifest["models"][0]["settings"]["temperature"] == 0.9
    assert verified(folder / "run").differences == []


@pytest.mark.parametrize("arms", ['"7b:2"', '"7b:1,13b:1", "7b:2"'])
def test_parts_of_a_board_merge_to_the_run_of_one_machine(drawn, command, arms: str) -> None:
    folder, environment = drawn
    text = (folder / "board.toml").read_text().replace('"7b:2"', arms)
    (folder / "board.toml").write_text(text)
    done = command(folder, "leaderboard", "run", "board.toml", "--out", "run", "--store", "one.sqlite", **environment)
    assert done.returncode == 0, done.stderr
    for part in (1, 2):
        shard = ("--shard", f"{part}/2", "--store", f"part-{part}.sqlite")
        done = command(folder, "leaderboard", "run", "board.toml", *shard, **environment)
        assert done.returncode == 0, done.stderr
        assert "2 of 2 tasks are graded" in done.stdout
        assert "pass@" not in done.stdout
    assert not (folder / "board-run").exists()
    done = command(folder, "merge", "part-2.sqlite", "part-1.sqlite", "--store", "all.sqlite")
    assert done.returncode == 0, done.stderr
    # Nothing is drawn any more.
    gone = environment | {"OPENAI_API_KEY": "wrong"}
    done = command(folder, "leaderboard", "run", "board.toml", "--out", "again", "--store", "all.sqlite", **gone)
    assert done.returncode == 0, done.stderr
    for name in ("candidates.jsonl.gz", "verdicts.jsonl.gz", "rankings.jsonl.gz", "results.json", "report.md"):
        assert (folder / "run" / name).read_bytes() == (folder / "again" / name).read_bytes(), name


@pytest.mark.parametrize(
    ("arm", "agreement", "complaint"),
    [
        ("7b", "0.5", "arms[1]: shard 1/2: 7b leaves k open"),
        ("7b:1,13b:1", "fitted", "arms[1]: shard 1/2: the threshold by which 7b:1,13b:1 goes on is fitted"),
    ],
)
def test_a_part_refuses_what_follows_from_all_tasks(drawn, command, arm: str, agreement: str, complaint: str) -> None:
    folder, environment = drawn
    text = (folder / "board.toml").read_text().replace('"7b:2"', f'"{arm}"')
    (folder / "board.toml").write_text(text.replace("rankers =", f'agreement = "{agreement}"\nrankers ='))
    done = command(folder, "leaderboard", "run", "board.toml", "--shard", "1/2", **environment)
    assert done.returncode == 2
    assert f"board.toml:3: {complaint}" in done.stderr


def test_an_open_k_follows_from_a_pilot_which_the_manifest_names(drawn, command, verified) -> None:
    folder, environment = drawn
    text = (folder / "board.toml").read_text().replace('"7b:2"', '"7b"')
    (folder / "board.toml").write_text(text)
    done = command(folder, "leaderboard", "run", "board.toml", "--out", "run", **environment)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((folder / "run" / "manifest.json").read_text())
    model = manifest["models"][1]
    assert model["pilot_k"] >= 1
    assert model["lengths"]["source"] == "mean of 4 pilot samples"
    (section,) = json.loads((folder / "run" / "results.json").read_text())["benchmarks"]
    arm = section["arms"][1]
    assert (arm["k"], arm["pilot_k"]) == (model["k"], model["pilot_k"])
    assert arm["plan"]["workload"]["output_tokens"] == model["lengths"]["output_tokens"]
    assert arm["costs"][str(arm["k"])]["flops"] == pytest.approx(arm["realised"]["flops"])
    assert verified(folder / "run").differences == []
    for name, change in (
        ("pilot_k", {"pilot_k": 7}),
        ("lengths", {"lengths": model["lengths"] | {"output_tokens": 5}}),
    ):
        forged = manifest | {"models": [manifest["models"][0], model | change]}
        (folder / "run" / "manifest.json").write_bytes(json_bytes(sealed(forged)))
        found = verified(folder / "run").differences
        assert any(name in one.field for one in found), found


def test_matched_by_runtime_every_arm_gives_its_k(drawn, command) -> None:
    folder, environment = drawn
    text = (folder / "board.toml").read_text()
    (folder / "board.toml").write_text(text + '\n[budget]\nmatch = "runtime"\nhardware = "h100"\n')
    done = command(folder, "leaderboard", "run", "board.toml", "--out", "run", **environment)
    assert done.returncode == 0, done.stderr
    open_k = (folder / "board.toml").read_text().replace('"7b:2"', '"7b"')
    (folder / "board.toml").write_text(open_k)
    done = command(folder, "leaderboard", "run", "board.toml", "--out", "run", **environment)
    assert done.returncode == 2
    assert "budget: on a board matched by runtime, every arm must give its k" in done.stderr.splitlines()[-1]


def test_an_engine_that_is_not_there_is_said_before_any_work(board: Path, command) -> None:
    text = (board / "board.toml").read_text().replace('13b = ["big.jsonl"]\n', "")
    (board / "board.toml").write_text(text + '\n[sampling]\nengine = "warp"\n')
    done = command(board, "leaderboard", "run", "board.toml", "--out", "run")
    assert done.returncode == 2
    line = len(text.splitlines()) + 3
    assert f"board.toml:{line}: sampling.engine: " in done.stderr.splitlines()[-1]


def test_a_probability_of_zero_survives_a_row() -> None:
    candidate = Candidate(
        task_id="t", arm="7b:1", index=0, raw="x", program="x", logprobs=(-0.5, float("-inf")), output_tokens=2
    )
    row = CandidateRow.of("b", "7b:1", candidate)
    assert json.loads(json.dumps(row.dump(), allow_nan=False))["logprobs"] == [-0.5, "-inf"]
    assert row.candidate() == candidate
