"""`codebudget sample` and `import` with a real server, and `compare` without files of samples."""

import json
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from support.command import started
from support.rows import read_rows as rows

PROCESS = ("--sandbox", "process", "--workers", "1")


def last_json(result) -> dict:
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_more_samples_draw_only_what_is_missing(sample, server, tiny: Path) -> None:
    (arm,) = last_json(sample("7b:2", "--json", "--out", "two.jsonl"))["arms"]
    assert (arm["spec"], arm["model"], arm["precision"], arm["k"]) == ("7b:2", "codellama-7b", "bf16", 2)
    assert (arm["samples"], arm["new"], arm["missing"], arm["seed"]) == (6, 6, 0, 0)
    assert arm["engine"]["engine"] == "openai"
    assert arm["settings"]["max_tokens"] == 40
    assert arm["drawn"]["output_tokens"] > 0
    assert arm["drawn"]["decode_flops"] > arm["drawn"]["prefill_flops"] > 0
    assert arm["drawn"]["peak_memory_bytes"] is None
    assert len(server.requests) == 6
    assert len({request["seed"] for request in server.requests}) == 6
    (arm,) = last_json(sample("7b:5", "--json", "--out", "five.jsonl"))["arms"]
    assert (arm["samples"], arm["new"], len(server.requests)) == (15, 9, 15)
    two, five = rows(tiny / "two.jsonl"), rows(tiny / "five.jsonl")
    assert two == [row for row in five if row["index"] < 2]
    (arm,) = last_json(sample("7b:5", "--seed", "1", "--json"))["arms"]
    assert (arm["new"], arm["seed"]) == (15, 1)


def test_the_table_says_what_it_took(sample) -> None:
    result = sample("7b:2", "13b:greedy")
    assert result.returncode == 0, result.stderr
    assert "drawing with openai" in result.stderr
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert "7b:2" in result.stdout
    assert "13b:greedy" in result.stdout
    again = sample("7b:2", "13b:greedy")
    assert (again.returncode, again.stderr) == (0, "")


def test_a_greedy_arm_asks_for_temperature_zero(sample, server) -> None:
    (arm,) = last_json(sample("7b:greedy", "--json"))["arms"]
    assert (arm["samples"], arm["seed"]) == (3, None)
    assert {request["temperature"] for request in server.requests} == {0}
    assert last_json(sample("7b:greedy", "--seed", "7", "--json"))["arms"][0]["new"] == 0
    same = sample("7b:3", "--temperature", "0")
    assert same.returncode == 2
    assert "write the arm with :greedy" in same.stderr


def test_a_model_that_nothing_is_known_of_can_be_served(sample) -> None:
    (arm,) = last_json(sample("markov:1", "--tasks", "2", "--json"))["arms"]
    assert (arm["model"], arm["precision"], arm["samples"]) == ("markov", "unknown", 2)
    assert arm["drawn"]["decode_flops"] is None
    assert arm["drawn"]["output_tokens"] > 0


def test_presets_shape_the_requests(sample, server, tiny: Path) -> None:
    assert sample("7b:1", "--preset", "chat", "--tasks", "1").returncode == 0
    assert sample("7b:1", "--preset", "few-shot", "--tasks", "1").returncode == 0
    chat, few = server.requests
    assert "def double(x):" in chat["messages"][0]["content"]
    assert "stop" not in chat
    assert few["prompt"].endswith(rows(tiny / "tiny.jsonl")[0]["prompt"])
    assert few["prompt"].count("\ndef ") == 3
    assert "\ndef" in few["stop"]
    paper = sample("7b:1", "--preset", "paper")
    assert paper.returncode == 2
    assert "not for tiny" in paper.stderr


def test_an_open_k_costs_what_the_first_arms_does(sample) -> None:
    big, small = last_json(sample("13b:2", "7b", "--json"))["arms"]
    assert big["k"] == 2
    assert small["k"] > 2
    assert (big["samples"], small["samples"]) == (6, 3 * small["k"])
    assert "first arm needs a number" in sample("7b").stderr


@pytest.mark.parametrize(("limit", "kind"), [("60tokens", "tokens"), ("1e12flops", "flops"), ("0.3s", "runtime")])
def test_a_run_that_is_stopped_says_so_and_goes_on(sample, server, limit: str, kind: str) -> None:
    server.delay_s = 0.05
    answer = last_json(sample("7b:60", "--stop-after", limit, "--json"))
    (arm,) = answer["arms"]
    stopped = answer["stop_after"]
    assert (stopped["kind"], stopped["reached"]) == (kind, True)
    assert stopped["spent"] == pytest.approx(stopped["limit"] + stopped["overshoot"])
    # Seconds count from the start of the run, so that loading alone may use up a few of them.
    assert 0 < arm["missing"] < 180 or kind == "runtime"
    assert arm["samples"] + arm["missing"] == 180
    server.delay_s = 0
    result = sample("7b:60", "--json")
    assert last_json(result)["arms"][0]["new"] == arm["missing"]
    assert last_json(result)["stop_after"] is None


def test_what_a_stop_leaves_out_is_said(sample, server) -> None:
    server.delay_s = 0.05
    result = sample("7b:60", "--stop-after", "60tokens")
    assert result.returncode == 0
    assert "stopped after" in result.stderr
    assert "the same command continues from there" in result.stderr


def test_dollars_need_a_price(sample) -> None:
    result = sample("7b:1", "--stop-after", "1usd")
    assert result.returncode == 2
    assert "needs a price" in result.stderr
    (arm,) = last_json(sample("7b:2", "--stop-after", "1usd", "--usd-per-mtok", "1,2", "--json"))["arms"]
    assert arm["missing"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["7b:1", "--top-p", "0"], 2, "--top-p must be greater than 0"),
        (["7b:1", "--preset", "best"], 2, "unknown preset 'best'"),
        (["7b:1", "--stop-after", "soon"], 2, "write it like 60s"),
        (["7b:1", "--out", "x.csv"], 2, "must end in .jsonl"),
        (["7b:1", "7b:1"], 2, "is listed twice"),
        (["34b:1"], 2, "does not serve the model"),
    ],
)
def test_a_mistake_is_one_line(sample, arguments: list[str], code: int, message: str) -> None:
    result = sample(*arguments)
    assert (result.returncode, result.stdout) == (code, "")
    (line,) = [line for line in result.stderr.splitlines() if "drawing with" not in line]
    assert message in line


def test_an_engine_that_is_no_engine_is_named(codebudget, tiny: Path) -> None:
    result = codebudget("sample", "7b:1", "--benchmark", "tiny.jsonl", "--engine", "nope")
    assert result.returncode == 2
    assert "nope" in result.stderr


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.parquet"])
def test_files_come_back_into_another_store(sample, codebudget, server, name: str) -> None:
    drawn = last_json(sample("7b:2", "--out", name, "--json"))
    assert drawn["out"] == name
    result = codebudget("import", name, "--benchmark", "tiny.jsonl", "--store", "other.sqlite", "--json")
    assert last_json(result) == {
        "samples": 6,
        "sets": [{"model": "codellama-7b", "precision": "bf16", "engine": "openai"}],
    }
    (arm,) = last_json(sample("7b:3", "--store", "other.sqlite", "--json"))["arms"]
    assert (arm["new"], len(server.requests)) == (3, 9)


def test_recorded_samples_are_compared_from_the_store(codebudget, tiny: Path) -> None:
    for arm, name in (("13b", "big.jsonl"), ("7b@bf16", "small.jsonl")):
        result = codebudget("import", name, "--model", arm, "--benchmark", "tiny.jsonl")
        assert result.returncode == 0, result.stderr
    arms = ("13b:1", "7b:2", "--benchmark", "tiny.jsonl", *PROCESS, "--json")
    stored = last_json(codebudget("compare", *arms, "--engine", "recorded"))
    files = last_json(codebudget("compare", *arms, "--samples", "13b=big.jsonl", "--samples", "7b=small.jsonl"))
    for one, other in zip(stored["arms"], files["arms"], strict=True):
        assert {**one, "rankers": 0} == {**other, "rankers": 0}
        assert [score["value"] for score in one["rankers"].values()] == [
            score["value"] for score in other["rankers"].values()
        ]
    assert stored["verdict"] == files["verdict"]
    missing = codebudget("compare", "34b:1", *arms[1:], "--engine", "recorded")
    assert missing.returncode == 3
    assert "has no samples of codellama-34b@bf16" in missing.stderr
    short = codebudget("import", "big.jsonl", "--benchmark", "tiny.jsonl")
    assert short.returncode == 2
    assert "--model" in short.stderr


def test_compare_draws_what_no_file_holds(codebudget, server, tiny: Path) -> None:
    options = ("--benchmark", "tiny.jsonl", "--engine", "openai", "--max-tokens", "60", *PROCESS)
    run = ("compare", "13b:1", "7b:3", *options)
    here = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": ""}
    answer = last_json(codebudget(*run, "--json", **here))
    assert [arm["n"] for arm in answer["arms"]] == [1, 3]
    assert len(server.requests) == 12
    for arm in answer["arms"]:
        realised = arm["realised"]
        assert realised["flops"] > 0
        assert realised["runtime_s"] > 0
        assert realised["usage"]["output_tokens"] > 0
        assert realised["usage"]["prompt_tokens"] > 0
        assert arm["workload"]["source"] == "mean of 3 pilot samples"
    table = codebudget(*run, **here)
    assert table.returncode == 0, table.stderr
    assert len(server.requests) == 12
    assert max(map(len, table.stdout.splitlines())) <= 100
    assert "Planned and realised" in table.stdout
    mixed = last_json(codebudget(*run, "--samples", "13b=big.jsonl", "--seed", "3", "--json", **here))
    assert len(server.requests) == 21
    assert mixed["arms"][0]["samples"] == 3


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_stopped_run_goes_on_where_it_was(sample, server, tiny: Path, number: signal.Signals, code: int) -> None:
    server.delay_s = 0.2
    command = ["sample", "7b:100", "--benchmark", "tiny.jsonl", "--engine", "openai", "--max-tokens", "40"]
    process = started(tiny, *command, OPENAI_BASE_URL=server.url, OPENAI_API_KEY="")
    store = tiny / ".codebudget" / "store.sqlite"
    deadline = time.monotonic() + 60
    while stored(store) == 0 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, ""), err
    if number == signal.SIGINT:
        assert "finished work is kept" in err
        assert "Traceback" not in err
    kept = stored(store)
    assert 0 < kept < 300
    server.delay_s = 0
    (arm,) = last_json(sample("7b:100", "--json"))["arms"]
    assert (arm["samples"], arm["new"]) == (300, 300 - kept)


def stored(store: Path) -> int:
    if not store.exists():
        return 0
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM candidates").fetchone()[0])
        except sqlite3.OperationalError:
            return 0
