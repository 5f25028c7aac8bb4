"""`--shard I/N` on several machines' stores, and `codebudget merge`."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from codebudget.sampler.series import KIND, Series
from codebudget.sampler.signing import user_key
from codebudget.sampler.store import open_store

from support.reciter import Reciter
from support.rows import humaneval_row, jsonl
from support.rows import read_rows as rows

PROCESS = ("--sandbox", "process", "--workers", "1")
ARMS = ("7b:3", "13b:2")


def last_json(result) -> dict:
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def without_clocks(value):
    """A comparison without what a clock measured."""
    clocks = {"runtime_s", "wall_s", "busy_s", "cost_s", "peak_memory_bytes"}
    if isinstance(value, dict):
        return {name: without_clocks(one) for name, one in value.items() if name not in clocks}
    return [without_clocks(one) for one in value] if isinstance(value, list) else value


@pytest.fixture
def compared(compare, server):
    """Compares the arms, which are drawn from the server."""

    def run(*arguments):
        drawing = ("--engine", "openai", "--max-tokens", "40", "--no-check")
        return compare(*ARMS, *arguments, *drawing, OPENAI_BASE_URL=server.url, OPENAI_API_KEY="")

    return run


@pytest.fixture
def one_store(sample) -> None:
    """`one.sqlite`: everything on one machine."""
    last_json(sample(*ARMS, "--store", "one.sqlite", "--out", "one.jsonl", "--json"))


@pytest.fixture
def shards(sample) -> list[str]:
    """Two machines' stores, each with one part of three tasks."""
    for part in (1, 2):
        answer = last_json(sample(*ARMS, "--shard", f"{part}/2", "--store", f"part-{part}.sqlite", "--json"))
        tasks = 2 if part == 1 else 1
        assert [arm["samples"] for arm in answer["arms"]] == [3 * tasks, 2 * tasks]
    return ["part-1.sqlite", "part-2.sqlite"]


def test_merged_samples_are_those_of_one_machine(one_store, shards, sample, codebudget, server, tiny: Path) -> None:
    answer = last_json(codebudget("merge", *shards, "--store", "all.sqlite", "--json"))
    assert answer == {"store": "all.sqlite", "stores": 2, "samples": 15, "verdicts": 0, "shared": 0}
    assert last_json(codebudget("merge", *reversed(shards), "--store", "turned.sqlite", "--json"))["samples"] == 15
    asked = len(server.requests)
    drawn = []
    for name in ("all", "turned"):
        answer = last_json(sample(*ARMS, "--store", f"{name}.sqlite", "--out", f"{name}.jsonl", "--json"))
        assert [arm["new"] for arm in answer["arms"]] == [0, 0]
        assert (tiny / f"{name}.jsonl").read_bytes() == (tiny / "one.jsonl").read_bytes()
        drawn.append([arm["drawn"] for arm in answer["arms"]])
    assert len(server.requests) == asked
    assert drawn[0] == drawn[1]
    # Both machines' sessions, tokens and seconds.
    assert [(arm["samples"], arm["prompts"], arm["sessions"]) for arm in drawn[0]] == [(9, 3, 2), (6, 3, 2)]
    one = last_json(sample(*ARMS, "--store", "one.sqlite", "--json"))["arms"]
    for mine, its in zip(drawn[0], one, strict=True):
        for name in ("prompt_tokens", "output_tokens", "prefill_flops", "decode_flops", "bill"):
            assert mine[name] == its["drawn"][name]


def test_a_comparison_of_the_merged_store_is_that_of_one_machine(compared, codebudget) -> None:
    whole = last_json(compared("--store", "one.sqlite", "--json"))
    for part in (1, 2, 3):
        done = compared("--shard", f"{part}/3", "--store", f"part-{part}.sqlite")
        assert done.returncode == 0, done.stderr
        assert "pass@" not in done.stdout
        assert f"shard {part}/3 of tiny" in done.stdout
        assert "codebudget merge" in done.stdout
    parts = [f"part-{part}.sqlite" for part in (1, 2, 3)]
    merged = last_json(codebudget("merge", *parts, "--store", "all.sqlite", "--json"))
    assert merged["verdicts"] > 0
    again = last_json(compared("--store", "all.sqlite", "--json"))
    assert without_clocks(again) == without_clocks(whole)
    # Nothing was left to run.
    copied = last_json(codebudget("merge", "all.sqlite", "--store", "copy.sqlite", "--json"))
    assert copied["verdicts"] == merged["verdicts"]


def test_execute_grades_a_part_of_the_rows_and_writes_no_scores(codebudget, tiny: Path) -> None:
    arguments = ("execute", "small.jsonl", "--benchmark", "tiny.jsonl", *PROCESS)
    whole = last_json(codebudget(*arguments, "--store", "one.sqlite", "--json", "--out", "one.jsonl"))
    programs = 0
    for part in (1, 2):
        answer = last_json(codebudget(*arguments, "--shard", f"{part}/2", "--store", f"p{part}.sqlite", "--json"))
        assert answer["shard"] == f"{part}/2"
        assert set(answer["parts"][0]) == {"benchmark", "tasks", "graded", "programs", "sandbox_errors"}
        programs += answer["parts"][0]["programs"]
    assert not (tiny / "small.jsonl_results.jsonl").exists()
    assert (
        programs
        == last_json(codebudget("merge", "p1.sqlite", "p2.sqlite", "--store", "all.sqlite", "--json"))["verdicts"]
    )
    again = last_json(codebudget(*arguments, "--store", "all.sqlite", "--json", "--out", "all.jsonl"))
    assert again | {"wall_s": 0} == whole | {"wall_s": 0}
    assert rows(tiny / "all.jsonl") == rows(tiny / "one.jsonl")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--shard", "0/2"), "--shard 0/2: write I/N with I from 1 to N"),
        (("--shard", "3/2"), "--shard 3/2: write I/N"),
        (("--shard", "4/9"), "--shard 4/9: tiny has only 3 tasks"),
        (("--shard", "1/2", "--report", "x.html"), "--report"),
    ],
)
def test_shards_that_cannot_be_are_refused(compared, arguments, complaint: str) -> None:
    done = compared(*arguments)
    assert done.returncode == 2
    assert complaint in done.stderr


def test_an_open_k_is_refused_since_it_follows_from_all_tasks(sample, server) -> None:
    done = sample("13b:1", "7b", "--shard", "1/2")
    assert done.returncode == 2
    assert "7b leaves k open" in done.stderr
    assert "codebudget plan" in done.stderr
    assert server.requests == []


def test_stores_that_disagree_are_refused(codebudget, shards, tiny: Path) -> None:
    with sqlite3.connect(tiny / "part-1.sqlite") as source, sqlite3.connect(tiny / "forged.sqlite") as copy:
        source.backup(copy)
        copy.execute("UPDATE candidates SET raw = raw || ' #'")
    done = codebudget("merge", "part-1.sqlite", "forged.sqlite", "--store", "all.sqlite")
    assert done.returncode == 2
    assert "part-1.sqlite and forged.sqlite have different samples under one key (sample " in done.stderr
    assert not (tiny / "all.sqlite").exists()
    assert [path.name for path in tiny.glob(".codebudget-*")] == []


def test_samples_of_different_engines_are_refused_by_what_differs(shards, codebudget, tiny: Path) -> None:
    with (
        open_store(tiny / "part-2.sqlite", key=user_key().secret) as store,
        open_store(tiny / "newer.sqlite", key=user_key().secret) as newer,
    ):
        for value in store.all_records(KIND).values():
            series = Series.model_validate(value)
            description = series.origin.description.model_copy(update={"engine_version": "9.9"})
            changed = series.model_copy(
                update={"origin": series.origin.model_copy(update={"description": description})}
            )
            newer.put_records(KIND, {changed.key: changed.model_dump(mode="json")})
    done = codebudget("merge", "part-1.sqlite", "newer.sqlite", "--store", "all.sqlite")
    assert done.returncode == 2
    assert "different engines drew" in done.stderr
    assert "'9.9'" in done.stderr


def test_a_merged_store_is_a_new_file(shards, codebudget, tiny: Path) -> None:
    done = codebudget("merge", *shards, "--store", "part-1.sqlite")
    assert done.returncode == 2
    assert "part-1.sqlite exists" in done.stderr
    done = codebudget("merge", shards[0], shards[0], "--store", "all.sqlite")
    assert "named twice" in done.stderr
    done = codebudget("merge", "nothing.sqlite", "--store", "all.sqlite")
    assert done.returncode == 2
    assert not (tiny / "nothing.sqlite").exists()


def test_what_another_user_graded_is_graded_again(codebudget, tiny: Path) -> None:
    arguments = ("execute", "small.jsonl", "--benchmark", "tiny.jsonl", *PROCESS)
    other = {"XDG_STATE_HOME": str(tiny / "other")}
    last_json(codebudget(*arguments, "--shard", "1/2", "--store", "p1.sqlite", "--json", **other))
    last_json(codebudget(*arguments, "--shard", "2/2", "--store", "p2.sqlite", "--json"))
    merged = codebudget("merge", "p1.sqlite", "p2.sqlite", "--store", "all.sqlite")
    assert merged.returncode == 0, merged.stderr
    done = codebudget(*arguments, "--store", "all.sqlite", "--out", "all.jsonl")
    assert done.returncode == 0
    assert "verdicts or other results that were not made with your key" in done.stderr
    shutil.rmtree(tiny / "other")


@pytest.fixture
def reciting(codebudget, server, tmp_path: Path):
    """Compares on six tasks, of which a small model solves the first four and a large one the last three."""
    rows = [humaneval_row(f"times{n}", f"return x * {n}", [f"candidate(3) == {3 * n}"], (1, n)) for n in range(2, 8)]
    (tmp_path / "six.jsonl").write_text(jsonl(rows))
    for model, solved in (("codellama/CodeLlama-7b-hf", range(2, 6)), ("codellama/CodeLlama-13b-hf", range(5, 8))):
        texts = {
            row["prompt"]: f"    return x * {n if n in solved else 0}\n"
            for n, row in zip(range(2, 8), rows, strict=True)
        }
        server.models[model] = Reciter(texts)

    def run(*arguments):
        drawing = ("--benchmark", "six.jsonl", "--engine", "openai", "--no-check")
        return codebudget("compare", *arguments, *drawing, *PROCESS, OPENAI_BASE_URL=server.url, OPENAI_API_KEY="")

    return run


@pytest.mark.parametrize("options", [(), ("--agreement", "1", "--abstain")])
def test_parts_of_a_cascade_merge_to_that_of_one_machine(reciting, codebudget, server, options) -> None:
    arms = ("13b:1", "7b:2,13b:1", *options)
    whole = last_json(reciting(*arms, "--store", "one.sqlite", "--json"))
    assert whole["arms"][1]["stages"][1]["reached"] == pytest.approx(2 / 6)
    asked = len(server.requests)
    for part in (1, 2):
        done = reciting(*arms, "--shard", f"{part}/2", "--store", f"part-{part}.sqlite")
        assert done.returncode == 0, done.stderr
        assert "of 3 of 3 tasks are graded" in done.stdout
    # A later stage is drawn on a part only where it is needed.
    assert len(server.requests) == 2 * asked
    last_json(codebudget("merge", "part-1.sqlite", "part-2.sqlite", "--store", "all.sqlite", "--json"))
    again = last_json(reciting(*arms, "--store", "all.sqlite", "--json"))
    assert len(server.requests) == 2 * asked
    assert without_clocks(again) == without_clocks(whole)


def test_a_threshold_that_is_fitted_to_all_tasks_is_refused(reciting, server) -> None:
    done = reciting("13b:1", "7b:2,13b:1", "--agreement", "fitted", "--shard", "1/2")
    assert done.returncode == 2
    (said,) = done.stderr.splitlines()
    assert "--shard 1/2: the threshold by which 7b:2,13b:1 goes on is fitted to the results of all tasks" in said
    assert "--agreement 0.5" in said
    assert server.requests == []


def test_an_open_k_of_a_comparison_is_refused_with_tests_in_its_limit_too(compared, server) -> None:
    for options in ((), ("--select", "auto")):
        done = compared("13b:1", "34b", "--shard", "1/2", *options)
        assert done.returncode == 2
        assert "34b leaves k open" in done.stderr
    assert server.requests == []


def rankings_of(path: Path) -> dict[str, list]:
    with open_store(path, key=user_key().secret) as store:
        return dict(store.all_records("rankings"))


def test_the_same_rankings_of_two_machines_are_one(compared, codebudget, tiny: Path) -> None:
    shard = ("--shard", "1/2", "--ranker", "examples")
    for name in ("a", "b"):
        done = compared(*shard, "--store", f"{name}.sqlite")
        assert done.returncode == 0, done.stderr
    done = compared("--ranker", "examples", "--store", "whole.sqlite")
    assert done.returncode == 0, done.stderr
    last_json(codebudget("merge", "a.sqlite", "b.sqlite", "--store", "ab.sqlite", "--json"))
    last_json(codebudget("merge", "b.sqlite", "a.sqlite", "--store", "ba.sqlite", "--json"))
    one, other = rankings_of(tiny / "ab.sqlite"), rankings_of(tiny / "ba.sqlite")
    assert one == other
    assert one.keys() == rankings_of(tiny / "a.sqlite").keys()
    # All tasks' mean lengths leave other budgets to rank with than those of a part.
    last_json(codebudget("merge", "a.sqlite", "whole.sqlite", "--store", "all.sqlite", "--json"))
    assert rankings_of(tiny / "all.sqlite").keys() == rankings_of(tiny / "whole.sqlite").keys()


def test_rankings_join_their_scores_at_what_budgets_left_and_disagree_in_others(codebudget, tmp_path: Path) -> None:
    ranking = {"scores": [1.0, 0.0], "usage": {"wall_s": 1.0}, "executions": 2}
    slower = ranking | {"usage": {"wall_s": 2.0}}
    rows = {
        "a": [slower, [0.5], {"2": 0.25}],
        "b": [ranking, [0.5], {"1": 0.5}],
        "c": [ranking, [0.5], {"1": 0.5, "3": 1.0}],
        "d": [ranking, [0.75], {}],
        "e": [ranking, [0.5], {"2": 0.75}],
    }
    for name, row in rows.items():
        with open_store(tmp_path / f"{name}.sqlite", key=user_key().secret) as store:
            store.put_records("rankings", {"key": row})
    for order in ("abc", "cab", "bca"):
        done = codebudget("merge", *(f"{name}.sqlite" for name in order), "--store", f"{order}.sqlite")
        assert done.returncode == 0, done.stderr
        found = rankings_of(tmp_path / f"{order}.sqlite")["key"]
        assert found == [ranking, [0.5], {"1": 0.5, "2": 0.25, "3": 1.0}]
    for other in "de":
        done = codebudget("merge", "a.sqlite", f"{other}.sqlite", "--store", "all.sqlite")
        assert done.returncode == 2
        assert f"a.sqlite and {other}.sqlite have different results under one key (rankings)" in done.stderr
