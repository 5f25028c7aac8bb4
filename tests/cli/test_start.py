"""What a user meets first: help, version, plans, mistakes."""

import json
import os
import subprocess
import sys
from importlib import metadata

import pytest


def test_version(codebudget) -> None:
    result = codebudget("--version")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"codebudget {metadata.version('codebudget')}\n"


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_names_the_commands(codebudget, option: str) -> None:
    result = codebudget(option)
    assert (result.returncode, result.stderr) == (0, "")
    for command in ("plan", "compare", "rankers", "benchmarks", "sandbox"):
        assert command in result.stdout


def test_help_loads_no_command() -> None:
    listed = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "codebudget", "--help"], capture_output=True, text=True
    )
    assert "pydantic" not in listed.stderr


def test_a_mistyped_command_is_told_the_one_that_was_meant(codebudget) -> None:
    result = codebudget("comprae")
    assert result.returncode == 2
    assert "compare" in result.stderr


def test_alone_it_shows_its_help_as_lines(codebudget) -> None:
    result = codebudget()
    assert result.returncode == 2
    assert "\n  compare" in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


_PLAN = ["plan", "70b:1", "13b"]


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        _PLAN,
        [*_PLAN, "--select", "codet,tests=8"],
        [*_PLAN, "--select", "codebudget,tests=4+b4,tests=2,asserts=3", "--tests", "13b=from:7b"],
        [*_PLAN, "--select", "auto"],
        ["plan", "70b:1", "7b:5,13b:1", "--select", "srank,tests=2", "--escalate", "0.3"],
    ],
    ids=["help", "plan", "select", "chain", "auto", "cascade"],
)
def test_help_and_plan_import_nothing_heavy(words: list[str]) -> None:
    listed = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "codebudget", *words], capture_output=True, text=True
    )
    imported = {line.rpartition("|")[2].strip() for line in listed.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"numpy", "torch", "datasets", "docker", "rich"}


def test_plan_gives_the_papers_numbers(codebudget) -> None:
    result = codebudget("plan", "70b:1", "34b", "13b", "7b", "--match", "flops", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    arms = json.loads(result.stdout.splitlines()[-1])["arms"]
    assert [arm["k"] for arm in arms] == [1, 2, 5, 10]
    per_sample = [arm["cost"]["flops"] / arm["k"] for arm in arms]
    assert [flops / per_sample[-1] for flops in per_sample] == pytest.approx([10.41, 5.08, 1.95, 1], rel=0.005)


def test_compare_without_weights_prints_the_plan_and_the_ways_forward(codebudget) -> None:
    result = codebudget("compare", "70b:1", "13b:5")
    assert result.returncode == 3
    assert "codellama-70b" in result.stdout
    assert "convention tokens" in result.stdout
    assert "Lengths will be measured" in result.stdout
    # Whether an engine is installed or not: without one nothing draws, and with one the hub does not answer.
    (line,) = result.stderr.splitlines()
    assert "no engine" in line or "is not in the hub's cache" in line
    assert "--samples 70b=FILES --samples 13b=FILES" in line


def test_the_plan_comes_first_whatever_fails(codebudget) -> None:
    for engine in ("auto", "vllm", "transformers", "recorded"):
        result = codebudget("compare", "70b:1", "13b:5", "--engine", engine)
        assert (result.returncode, "codellama-13b" in result.stdout) == (3, True), result.stderr
        assert "Or give recorded generations" in result.stderr
        assert "Traceback" not in result.stderr


def test_compare_without_weights_as_json(codebudget) -> None:
    result = codebudget("compare", "70b:1", "13b:5", "--json")
    assert result.returncode == 3
    answer = json.loads(result.stdout.splitlines()[-1])
    assert [arm["spec"] for arm in answer["arms"]] == ["70b:1", "13b:5"]
    assert answer["convention"] == "tokens"


def test_an_arm_without_samples_is_named_so_that_it_can_be_typed(codebudget) -> None:
    result = codebudget("compare", "13b@bf16:1", "13b@int4:2")
    assert "--samples 13b@bf16=FILES --samples 13b@int4=FILES" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "No such command 'nope'"),
        (["plan"], "codebudget plan --help"),
        (["compare", "70b:1", "--nope"], "No such option: --nope"),
        (["compare", "9b:1"], "unknown model '9b'"),
        (["compare", "7b:1", "--family", "nope"], "unknown family 'nope'"),
        (["compare", "7b:0"], "'0' is not a valid sample count"),
        (["compare", "7b"], "write 7b:1"),
        (["compare", "7b:1", "--benchmark", "humanevl"], "did you mean 'humaneval'"),
        (["compare", "7b:1", "--benchmark", "none.jsonl"], "none.jsonl"),
        (["compare", "7b:1", "--workers", "0", "--samples", "7b=x"], "--workers"),
        (["benchmarks", "check", "none.parquet"], "none.parquet"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(codebudget, arguments: list[str], message: str) -> None:
    result = codebudget(*arguments)
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("codebudget: ")
    assert message in line


def test_listings(codebudget) -> None:
    rankers = codebudget("rankers", "list", "--json")
    names = {row["name"] for row in json.loads(rankers.stdout)["rankers"]}
    assert {"random", "first", "shortest", "examples", "majority"} <= names
    assert "majority" in codebudget("rankers", "list").stdout
    assert {"humaneval", "mbpp"} <= set(json.loads(codebudget("benchmarks", "list", "--json").stdout)["benchmarks"])


def test_sandboxes_are_listed_with_what_they_promise(codebudget) -> None:
    result = codebudget("sandbox", "list", "--json")
    assert result.returncode == 0
    rows = {row["name"]: row for row in json.loads(result.stdout)["sandboxes"]}
    assert list(rows) == ["docker", "bubblewrap", "process", "docker-bigcodebench", "docker-bigcodebench-lean"]
    assert rows["process"]["works"]
    assert "weak" in rows["process"]["promise"]
    for row in rows.values():
        assert (row["problem"] is None) == row["works"]
    best = next(name for name, row in rows.items() if row["works"])
    assert codebudget("sandbox", "probe").stdout.strip() == best


def test_completion_script(codebudget) -> None:
    result = codebudget(_CODEBUDGET_COMPLETE="source_bash")
    assert result.returncode == 0
    assert "complete" in result.stdout
    words = codebudget(_CODEBUDGET_COMPLETE="complete_bash", COMP_WORDS="codebudget compa", COMP_CWORD="1")
    assert words.stdout.split() == ["compare"]


def test_a_reader_that_leaves_is_no_traceback() -> None:
    script = f"{sys.executable} -m codebudget plan 70b:1 13b 7b | true; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert result.returncode in (0, 1)
    assert result.stderr == ""


def test_a_full_disk_is_one_line() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "codebudget", "plan", "70b:1"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert result.returncode == 3
    (line,) = result.stderr.splitlines()
    assert "No space left" in line


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_closed_streams_are_no_failure(closed: str) -> None:
    script = f"exec {sys.executable} -m codebudget plan 70b:1 13b {closed}"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
