"""`codebudget sample --tests`, and what `compare` makes of it."""

import json

from support.rows import read_rows

MODEL = "codellama/CodeLlama-7b-hf"


def test_drawn_tests_select_and_are_charged(sample, compare, server, tiny) -> None:
    writer = type(server.models[MODEL])
    server.models[MODEL] = writer(
        f"assert {call}\nassert {call}\n" for call in ("double(3) == 6", "square(3) == 9", "negate(3) == -3")
    )
    drawn = sample("7b:4", "--tests", "--out", "tests.jsonl", "--json")
    assert drawn.returncode == 0, drawn.stderr
    answer = json.loads(drawn.stdout)
    (arm,) = answer["arms"]
    assert (arm["samples"], arm["new"], arm["settings"]["style"]) == (12, 12, "tests")
    assert len(answer["usable"]) == 1
    rows = read_rows(tiny / "tests.jsonl")
    assert len(rows) == 12
    assert all(row["prompt"].endswith(f"# check the correctness of {row['task_id']}\nassert ") for row in rows)
    assert json.loads(sample("7b:4", "--tests", "--json").stdout)["arms"][0]["new"] == 0
    refused = sample("7b:4", "--tests", "--out", "tests.parquet")
    assert refused.returncode == 2
    assert ".jsonl or .jsonl.gz" in refused.stderr
    result = compare(
        *("13b:1", "7b:3", "--samples", "13b=big.jsonl", "--samples", "7b=small.jsonl"),
        *("--tests", "tests.jsonl", "--ranker", "maxpass", "--json"),
    )
    assert result.returncode == 0, result.stderr
    small = json.loads(result.stdout.splitlines()[-1])["arms"][1]["rankers"]
    assert small["maxpass"]["cost_flops"] > 0
    assert small["maxpass"]["value"] >= small["random"]["value"]
