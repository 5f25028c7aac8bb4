"""What a stranger's run names is not loaded, opened or looked up, unless its verifier names it too."""

import http.server
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from codebudget.leaderboard.verify.regrade import grown
from codebudget.records import Limits

from .conftest import BOARD, Tampered, codebudget, write_board

CANARY = """\
import os
from codebudget.records import Ranking

with open(os.environ["CANARY"], "a") as marker:
    marker.write("loaded\\n")


class Canary:
    name = "canary"
    version = "1"
    needs = frozenset()
    pointwise = True

    def rank(self, task, candidates, context):
        return Ranking(scores=tuple(float(len(candidate.program)) for candidate in candidates))
"""
RANKERS = '["examples", "canary.py:Canary", "examples+canary.py:Canary", "canary.py:Canary,dedupe=true"]'
OURS = ("--sandbox", "process", "--workers", "1", "--sample", "2")

Done = CompletedProcess[str]


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a board with rankers in a file of its own, and of its run, `run`."""
    folder = write_board(tmp_path_factory.mktemp("theirs"), BOARD.replace('["examples", "shortest"]', RANKERS))
    (folder / "canary.py").write_text(CANARY)
    done = codebudget(folder, "leaderboard", "run", "board.toml", "--out", "run", CANARY=str(folder / "marker"))
    assert done.returncode == 0, done.stderr
    # A board is trusted by whoever runs it.
    assert (folder / "marker").exists()
    return folder


@pytest.fixture
def here(theirs: Path, tmp_path: Path) -> Path:
    """A folder with a stranger's run, `run`, our own copies of what it names, and no `marker`."""
    for name in ("tiny.jsonl", "canary.py"):
        shutil.copy(theirs / name, tmp_path / name)
    shutil.copytree(theirs / "run", tmp_path / "run")
    return tmp_path


def command(here: Path, *arguments: object) -> Done:
    """`codebudget leaderboard`, with the canary set."""
    return codebudget(here, "leaderboard", *arguments, CANARY=str(here / "marker"))


def verify(here: Path, *options: object, run: object = "run") -> Done:
    return command(here, "verify", run, *OURS, "--benchmark-file", "tiny.jsonl", *options)


def test_rankers_in_files_are_not_loaded_and_said_to_be_unavailable(here: Path) -> None:
    done = verify(here, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert not (here / "marker").exists()
    for ranker in ("canary.py:Canary", "examples+canary.py:Canary", "canary.py:Canary,dedupe=true"):
        (note,) = (note for note in answer["notes"] if f": {ranker}: " in note)
        assert "canary.py is loaded only if you give your own copy with --ranker-file" in note
    assert 0 < answer["ranked"] < answer["rankings"]


def test_a_named_file_is_loaded_and_ranks_again(here: Path) -> None:
    mine = here / "mine"
    mine.mkdir()
    (here / "canary.py").rename(mine / "canary.py")
    done = verify(here, "--ranker-file", "mine/canary.py", "--json")
    assert done.returncode == 0, done.stdout
    answer = json.loads(done.stdout)
    assert (here / "marker").exists()
    assert answer["notes"] == []


def test_a_named_file_is_found_by_its_hash_whatever_it_is_called(here: Path) -> None:
    (here / "canary.py").rename(here / "renamed.py")
    done = verify(here, "--ranker-file", "renamed.py", "--json")
    assert done.returncode == 0, done.stdout
    assert (here / "marker").exists()
    assert not any("tiny: canary.py:Canary: " in note for note in json.loads(done.stdout)["notes"])


@pytest.mark.parametrize("ranker", ["canary.py:Canary", "examples+canary.py:Canary", "canary.py:Canary,dedupe=true"])
def test_a_named_file_with_another_hash_differs(ranker: str, here: Path) -> None:
    (here / "canary.py").write_text(CANARY + "\n# mended\n")
    done = verify(here, "--ranker-file", "canary.py", "--json")
    assert done.returncode == 1
    fields = [one["field"] for one in json.loads(done.stdout)["differences"]]
    assert f"rankers.{ranker}.sha256" in fields


def test_a_file_that_no_ranker_is_of_is_a_mistake(here: Path) -> None:
    (here / "other.py").write_text("raise SystemExit('loaded')\n")
    done = verify(here, "--ranker-file", "other.py")
    assert_one_line(done, 2, "--ranker-file other.py: the run has none with that name or content")


def test_a_ranker_file_in_the_run_is_never_loaded(here: Path) -> None:
    (here / "canary.py").rename(here / "run" / "canary.py")
    for done in (
        verify(here),
        command(here / "run", "verify", ".", *OURS, "--benchmark-file", "../tiny.jsonl"),
        command(here, "pack", "run"),
        command(here, "unpack", "run.tar.gz", "--out", "copy"),
        verify(here, run="copy"),
    ):
        assert "Traceback" not in done.stderr
    assert verify(here).returncode == 1
    assert "canary.py" in verify(here).stdout
    assert not (here / "marker").exists()


@pytest.mark.parametrize("how", ["itself", "symlink", "symlink out of it", "hard link", "folder", "dots"])
def test_a_file_in_the_run_cannot_be_named(how: str, here: Path) -> None:
    inside = here / "run" / "canary.py"
    named = here / "link.py"
    if how == "symlink out of it":
        named = inside
        named.symlink_to(here / "canary.py")
    else:
        (here / "canary.py").rename(inside)
    if how == "itself":
        named = inside
    elif how == "symlink":
        named.symlink_to(inside)
    elif how == "hard link":
        named.hardlink_to(inside)
    elif how == "folder":
        (here / "folder").symlink_to(here / "run")
        named = here / "folder" / "canary.py"
    elif how == "dots":
        (here / "other").mkdir()
        named = here / "other" / ".." / "run" / "canary.py"
    assert_one_line(verify(here, "--ranker-file", named), 2, "it is part of the run")
    assert_one_line(verify(here, "--benchmark-file", named), 2, "it is part of the run")
    assert not (here / "marker").exists()


def test_a_site_of_a_run_loads_nothing(here: Path) -> None:
    shutil.copy(here / "canary.py", here / "run" / "canary.py")
    done = command(here, "build", "run", "--out", "site")
    assert done.returncode == 0, done.stderr
    assert not (here / "marker").exists()


@pytest.mark.parametrize("name", ["numpy", "pydantic", "typer", "tomllib", "gzip"])
def test_no_module_is_imported_from_the_folder_of_a_run(name: str, here: Path) -> None:
    (here / "run" / f"{name}.py").write_text(CANARY)
    done = command(here / "run", "verify", ".", *OURS, "--benchmark-file", "../tiny.jsonl")
    assert done.returncode == 1, done.stderr
    assert f"{name}.py" in done.stdout
    assert not (here / "run" / "marker").exists()


def assert_one_line(done: Done, code: int, says: str) -> None:
    """A command ended with one line of its own, whatever it said of the sandbox before."""
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert says in done.stderr.splitlines()[-1]
    assert done.stdout == ""


class Listener:
    """A server on this machine that counts who asks it."""

    def __init__(self, server: http.server.HTTPServer) -> None:
        self.address = f"http://127.0.0.1:{server.server_port}"
        self.asked: list[str] = []


@pytest.fixture
def hub() -> Iterator[Listener]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            listener.asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815 (so it is called)

        def log_message(self, *_: object) -> None:
            """Nothing: what is asked is counted."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    listener = Listener(server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield listener
    server.shutdown()
    thread.join()
    server.server_close()


def board_of(run: Path, *changes: tuple[str, str]) -> Tampered:
    """A run whose board says something else, hashed again."""
    board = run / "board.toml"
    text = board.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    board.write_text(text)
    return Tampered(run).hashed()


@pytest.mark.parametrize(
    ("change", "option"),
    [
        (("tiny.jsonl", "owner/tiny"), "--benchmark-file FILE"),
        (("tiny.jsonl", "owner/tiny:main"), "--benchmark-file FILE"),
        (("tiny.jsonl", "mbpp"), "--benchmark-file FILE"),
        (("tiny.jsonl", "hf://datasets/owner/tiny"), "--benchmark-file FILE"),
        (("tiny.jsonl", "../tiny.jsonl"), "--benchmark-file FILE"),
        (("tiny.jsonl", "/dev/stdin"), "--benchmark-file FILE"),
        (("tiny.jsonl", "~/tiny.jsonl"), "--benchmark-file FILE"),
        (("tiny.jsonl", "\\u0000.jsonl"), "--benchmark-file FILE"),
        (('"13b:1"', '"owner/model@bf16:1"'), "--model owner/model"),
        (('"13b:1"', '"./model:1"'), "--model ./model"),
        (('"13b:1"', '"/proc/self/environ:1"'), "--model /proc/self/environ"),
        (('"13b:1"', "'$(id):1'"), "--model '$(id)'"),
    ],
)
def test_what_a_run_names_is_not_opened_or_looked_up(
    change: tuple[str, str], option: str, made: Path, tampered: Tampered, hub: Listener
) -> None:
    board_of(tampered.path, change)
    names = () if "--model" not in option else ("--benchmark-file", "tiny.jsonl")
    done = codebudget(
        made, "leaderboard", "verify", tampered.path, *OURS, *names, HF_ENDPOINT=hub.address, HF_HUB_OFFLINE="0"
    )
    assert_one_line(done, 2, option)
    assert hub.asked == []


def renamed(rows_or_json: Any, old: str, new: str) -> Any:
    """The same with one benchmark's name for another's."""
    if isinstance(rows_or_json, dict):
        return {key: renamed(value, old, new) for key, value in rows_or_json.items()}
    if isinstance(rows_or_json, list):
        return [renamed(value, old, new) for value in rows_or_json]
    if not isinstance(rows_or_json, str):
        return rows_or_json
    return new if rows_or_json == old else rows_or_json.replace(f"{old}'s", f"{new}'s")


@pytest.mark.parametrize("name", ["owner/tiny", "owner/tiny:main", "mbpp"])
def test_a_local_file_stands_for_a_data_set_of_the_hub(
    name: str, made: Path, tampered: Tampered, hub: Listener
) -> None:
    """A run of the hub's data set, made of one of a file by calling it so throughout."""
    for rows in ("candidates.jsonl.gz", "verdicts.jsonl.gz", "rankings.jsonl.gz"):
        tampered.rows(rows, lambda found: found.__setitem__(slice(None), renamed(found, "tiny", name)))

    def change(value: dict[str, Any]) -> None:
        # The board's own name stays.
        value |= {key: renamed(value[key], "tiny", name) for key in ("benchmarks", "models", "arms") if key in value}

    for file in ("results.json", "manifest.json", "timings.json"):
        tampered.json(file, change)
    tampered.json("manifest.json", lambda value: value["benchmarks"][0].update(spec=name))
    report = tampered.path / "report.md"
    report.write_text(report.read_text().replace("## tiny", f"## {name}"))
    board_of(tampered.path, ('name = "tiny.jsonl"', f'name = "{name}"'))
    shutil.copy(made / "tiny.jsonl", tampered.path.parent / "saved.jsonl")
    done = codebudget(
        tampered.path.parent,
        *("leaderboard", "verify", tampered.path, *OURS, "--benchmark-file", "saved.jsonl", "--json"),
        HF_ENDPOINT=hub.address,
        HF_HUB_OFFLINE="0",
    )
    assert (done.returncode, json.loads(done.stdout)["differences"]) == (0, []), done.stderr
    assert hub.asked == []


def test_a_benchmark_is_found_by_what_it_holds_and_else_by_its_name(made: Path, tmp_path: Path) -> None:
    shutil.copy(made / "tiny.jsonl", tmp_path / "other.jsonl")
    arguments = ("leaderboard", "verify", made / "run", *OURS)
    done = codebudget(tmp_path, *arguments, "--benchmark-file", "other.jsonl")
    assert done.returncode == 0, done.stdout
    changed = (made / "tiny.jsonl").read_text().replace("== 10", "== 11")
    (tmp_path / "other.jsonl").write_text(changed)
    done = codebudget(tmp_path, *arguments, "--benchmark-file", "other.jsonl")
    assert_one_line(done, 2, "none of the files you gave has its tasks")
    (tmp_path / "tiny.jsonl").write_text(changed)
    done = codebudget(tmp_path, *arguments, "--benchmark-file", "tiny.jsonl")
    assert done.returncode == 1
    assert "manifest.json: benchmarks[0][2]" in done.stdout
    done = codebudget(tmp_path, *arguments, "--benchmark-file", "absent.jsonl")
    assert_one_line(done, 2, "no such file")


def test_a_calibration_and_a_local_model_are_opened_when_they_are_named(tmp_path: Path, repository: Path) -> None:
    board = BOARD.replace('"13b:1"', '"./local@bf16:1"').replace("13b =", '"./local" =')
    board = board.replace("[sandbox]", '[budget]\nmatch = "flops"\ncalibration = "mine.json"\n\n[sandbox]')
    folder = write_board(tmp_path / "board", board)
    (folder / "local").mkdir()
    config = {"num_hidden_layers": 40, "hidden_size": 5120, "num_attention_heads": 40, "num_key_value_heads": 40}
    config |= {"model_type": "llama", "intermediate_size": 13824, "vocab_size": 32016}
    (folder / "local" / "config.json").write_text(json.dumps(config))
    measured = [
        {"model": model, "precision": precision, "seconds": 2.0, "samples": 1}
        for model, precision in (("./local", "bf16"), ("codellama-7b", "bf16"))
    ]
    (folder / "mine.json").write_text(
        json.dumps({"source": "a test", "engine": "none", "machine": "none", "measured": measured})
    )
    done = codebudget(folder, "leaderboard", "run", "board.toml", "--out", "run")
    assert done.returncode == 0, done.stderr
    assert "--benchmark-file tiny.jsonl --calibration-file mine.json" in done.stdout.splitlines()[-1]
    arguments = ("leaderboard", "verify", "run", *OURS, "--benchmark-file", "tiny.jsonl")
    assert_one_line(codebudget(folder, *arguments), 2, "--model ./local")
    assert_one_line(codebudget(folder, *arguments, "--model", "./local"), 2, "--calibration-file FILE")
    named = ("--model", "./local", "--calibration-file", "mine.json")
    done = codebudget(folder, *arguments, *named)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_one_line(codebudget(folder, *arguments, *named, "--model", "7b"), 2, "--model 7b")
    (folder / "mine.json").write_text("{}")
    assert_one_line(codebudget(folder, *arguments, *named), 2, "is not a calibration")


LIMITS = [
    ("cpu_s = 61", "cpu_s = 61 (at most 60)"),
    ("wall_s = 301\ncpu_s = 1", "wall_s = 301 (at most 300)"),
    ("wall_s = 100", "cpu_s = 100 (at most 60)"),
    ("memory_bytes = 4294967297", "memory_bytes = 4.29497e+09 (at most 4.29497e+09)"),
    ("output_bytes = 20000000", "output_bytes = 2e+07"),
    ("processes = 5000", "processes = 5000 (at most 64)"),
    ("open_files = 2000", "open_files = 2000 (at most 1024)"),
    ("file_bytes = 1000000000", "file_bytes = 1e+09"),
]


@pytest.mark.parametrize(("limit", "says"), LIMITS)
def test_a_run_that_asks_for_more_than_the_ceilings_needs_a_flag(
    limit: str, says: str, made: Path, tampered: Tampered
) -> None:
    board_of(tampered.path, ("check = false", f"check = false\n[sandbox.limits]\n{limit}"))
    done = codebudget(made, "leaderboard", "verify", tampered.path, *OURS, "--benchmark-file", "tiny.jsonl")
    assert_one_line(done, 2, says)
    assert "Give --allow-limits" in done.stderr


def test_with_the_flag_a_run_is_verified_under_its_own_limits(tmp_path: Path) -> None:
    folder = write_board(tmp_path, BOARD + "[sandbox.limits]\nprocesses = 65\nopen_files = 1025\n")
    assert codebudget(folder, "leaderboard", "run", "board.toml", "--out", "run").returncode == 0
    arguments = ("leaderboard", "verify", "run", *OURS, "--benchmark-file", "tiny.jsonl")
    assert_one_line(codebudget(folder, *arguments), 2, "processes = 65 (at most 64), open_files = 1025 (at most 1024)")
    done = codebudget(folder, *arguments, "--allow-limits")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_run_does_not_choose_how_many_programs_run_at_once(
    made: Path, tampered: Tampered, verified: Callable[..., Any]
) -> None:
    board_of(tampered.path, ("workers = 1", "workers = 9007199254740992"))
    result = verified(tampered.path)
    assert [str(one) for one in result.differences] == []


def test_what_fails_first_ends_the_verification(made: Path, tampered: Tampered) -> None:
    """Neither the board, which names a file, nor the limits are looked at in a run whose hashes are wrong."""
    board = tampered.path / "board.toml"
    board.write_text(board.read_text().replace("tiny.jsonl", "owner/tiny") + "[sandbox.limits]\nprocesses = 5000\n")
    done = codebudget(made, "leaderboard", "verify", tampered.path, *OURS, "--json")
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    assert [one["file"] for one in answer["differences"]] == ["board.toml"]
    assert (answer["graded"], answer["ranked"], answer["numbers"]) == (0, 0, 0)


def test_looking_for_a_flip_does_not_go_beyond_the_ceilings() -> None:
    usual = Limits(cpu_s=0.5, wall_s=3.0)
    assert grown(usual, 4, 2) == usual.model_copy(update={"cpu_s": 2.0, "wall_s": 12.0, "memory_bytes": 2 << 30})
    near = Limits(cpu_s=50.0, wall_s=250.0, memory_bytes=3 << 30)
    assert grown(near, 4, 2) == near.model_copy(update={"cpu_s": 60.0, "wall_s": 300.0, "memory_bytes": 4 << 30})
    allowed = Limits(cpu_s=100.0, wall_s=1000.0, memory_bytes=5 << 30)
    assert grown(allowed, 4, 2) == allowed
