"""The options that choose a part of a board, alike on every command that reads a benchmark, and in Python."""

import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from codebudget import (
    Charting,
    Grading,
    Running,
    Selecting,
    UserError,
    compare,
    curve,
    execute,
    load_benchmark,
    plan,
    rank,
)
from codebudget.cli.commands import make_app
from codebudget.settings import Slicing

from support.command import Ran
from support.rows import jsonl, read_rows

Command = Callable[..., Ran]

TASKS = Path(__file__).parents[1] / "tasks" / "boards"
SAMPLES = Path(__file__).parent / "boards"
LCB = f"livecodebench:{TASKS / 'livecodebench.jsonl'}"
SMALL, LARGE = SAMPLES / "livecodebench_small.jsonl", SAMPLES / "livecodebench_large.jsonl"
PROCESS = ("--sandbox", "process", "--workers", "1")
IN_2024 = ("--since", "2024-01-01", "--until", "2024-12-31")
"""Two of the board's six tasks."""

NOT_SELECTED = "4 rows of tasks that were not selected, left out"


def answer(done: Ran) -> dict:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def commands(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield all commands with their full names; typer has a click of its own."""
    members = getattr(command, "commands", None)
    if members is None:
        yield name, command
        return
    for part, member in members.items():
        yield from commands(member, f"{name} {part}".strip())


def test_every_command_with_a_benchmark_can_take_a_part_of_it() -> None:
    choices = {f"--{name}" for name in Slicing.model_fields}
    found = {}
    for name, command in commands(typer.main.get_command(make_app())):
        flags = {flag for parameter in command.params for flag in parameter.opts}
        if "--benchmark" in flags or name == "benchmarks check":
            found[name] = flags
    assert found.keys() >= {"plan", "sample", "import", "execute", "rank", "compare", "curve", "benchmarks check"}
    for name, flags in found.items():
        assert choices <= flags, name
    asked = inspect.signature(load_benchmark).parameters.values()
    assert {f"--{one.name}" for one in asked if one.kind is one.KEYWORD_ONLY} == choices


@pytest.mark.parametrize(
    ("arguments", "tasks"),
    [
        (("execute", SMALL, *PROCESS), 2),
        (("rank", SMALL, "--ranker", "examples", "--k", "3", *PROCESS), 2),
        (("compare", "13b:1", "7b:3", "--samples", f"13b={LARGE}", "--samples", f"7b={SMALL}", *PROCESS), 2),
        (("curve", "7b", "--samples", f"7b={SMALL}", *PROCESS), 2),
    ],
)
def test_dates_choose_tasks_and_rows_of_others_are_counted(
    codebudget: Command, tmp_path: Path, arguments: tuple[object, ...], tasks: int
) -> None:
    out = ("--out", "rows.jsonl") if arguments[0] == "execute" else ()
    done = codebudget(*arguments, *out, "--benchmark", LCB, *IN_2024, "--json")
    assert answer(done)["tasks"] == tasks
    assert NOT_SELECTED in done.stderr
    if out:
        assert {row["task_id"] for row in read_rows(tmp_path / "rows.jsonl")} == {"cup2_c", "9003"}


def test_samples_of_a_part_are_imported_and_found_again(codebudget: Command, tmp_path: Path) -> None:
    asked = ("--benchmark", LCB, *IN_2024)
    done = codebudget("import", SMALL, "--model", "7b", *asked, "--json")
    assert answer(done)["samples"] == 6
    assert NOT_SELECTED in done.stderr
    # The whole board has no more of them.
    for benchmark in (asked, ("--benchmark", LCB)):
        answer(codebudget("sample", "7b:3", "--engine", "recorded", *benchmark, "--out", "again.jsonl", "--json"))
        assert [row["task_id"] for row in read_rows(tmp_path / "again.jsonl")] == ["cup2_c"] * 3 + ["9003"] * 3


def test_a_variant_is_planned_for(codebudget: Command) -> None:
    asked = ("plan", "7b:1", "--benchmark", f"bigcodebench:{TASKS / 'bigcodebench.jsonl'}", "--json")
    flops = {
        variant: answer(codebudget(*asked, *chosen))["arms"][0]["cost"]["flops"]
        for variant, chosen in {
            "default": (),
            "complete": ("--variant", "complete"),
            "instruct": ("--variant", "instruct"),
        }.items()
    }
    assert flops["default"] == flops["complete"] != flops["instruct"]


def test_bad_tasks_are_left_out_and_a_release_is_checked(codebudget: Command, tmp_path: Path) -> None:
    rows = read_rows(TASKS / "livecodebench.jsonl")
    rows[0]["question_id"] = "abc337_e"
    (tmp_path / "lcb.jsonl").write_text(jsonl(rows))
    samples = [{"task_id": "abc337_e", "solution": "print()"}, {"task_id": "cup1_b", "solution": "print()"}]
    (tmp_path / "s.jsonl").write_text(jsonl(samples))
    asked = ("execute", "s.jsonl", "--benchmark", "livecodebench:lcb.jsonl", *PROCESS, "--json")
    assert answer(codebudget(*asked))["tasks"] == 2
    done = codebudget(*asked, "--clean", "--release", "release_v5")
    assert answer(done)["tasks"] == 1
    assert "1 task is left out (abc337_e)" in done.stderr
    refused = codebudget(*asked, "--release", "newest")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "--release newest: LiveCodeBench has release_v1 to" in refused.stderr


def test_of_several_benchmarks_those_take_a_choice_that_offer_it(codebudget: Command, tiny: Path) -> None:
    for name, file, count in (("big", LARGE, 1), ("small", SMALL, 3)):
        (tiny / f"both_{name}.jsonl").write_text((tiny / f"{name}.jsonl").read_text() + file.read_text())
        assert len(read_rows(file)[0]["samples"]) == count
    files = ("--samples", "13b=both_big.jsonl", "--samples", "7b=both_small.jsonl")
    asked = ("compare", "13b:1", "7b:3", *files, "--benchmark", LCB, "--benchmark", "tiny.jsonl", *PROCESS, "--json")
    done = codebudget(*asked, *IN_2024)
    assert {name: one["tasks"] for name, one in answer(done)["benchmarks"].items()} == {"livecodebench": 2, "tiny": 3}
    assert "tiny.jsonl offers no choice of since or until, and is used without" in done.stderr
    refused = codebudget(*asked, "--variant", "instruct")
    assert refused.returncode == 2
    assert "livecodebench has no variant 'instruct'; leave out --variant" in refused.stderr


def test_a_benchmark_without_parts_refuses_every_choice(codebudget: Command, tiny: Path) -> None:
    for chosen in (("--release", "v1"), ("--since", "2024-01-01"), ("--variant", "instruct"), ("--clean",)):
        done = codebudget("execute", "small.jsonl", "--benchmark", "tiny.jsonl", *PROCESS, *chosen)
        assert done.returncode == 2
        assert f"leave out {chosen[0]}" in done.stderr


def test_in_python_every_call_takes_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    part = load_benchmark(LCB, since="2024-01-01", until="2024-12-31")
    grading = Grading(launcher="process", workers=1, check=False)
    selecting, running = Selecting(rankers=["examples"]), Running(store="store.sqlite")
    files = {"13b": str(LARGE), "7b": str(SMALL)}
    graded = execute(str(SMALL), part, ks=[1], out="rows.jsonl", grading=grading, running=running)
    assert graded.record.tasks == 2
    ranked = rank(str(SMALL), part, ks=[3], grading=grading, selecting=selecting, running=running)
    assert ranked.to_dict()["tasks"] == 2
    compared = compare(["13b:1", "7b:3"], part, files, grading=grading, selecting=selecting, running=running)
    assert compared.record.tasks == 2
    drawn = curve(["7b"], part, {"7b": files["7b"]}, charting=Charting(), grading=grading, running=running)
    assert drawn.record.tasks == 2
    with pytest.raises(UserError, match="has no reference solutions"):
        plan(["7b:1"], benchmark=part)
