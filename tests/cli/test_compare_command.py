"""`codebudget compare` on a tiny benchmark with recorded samples."""

import gzip
import json
import shutil
from pathlib import Path

import pytest

from support.rows import bodies, jsonl, read_rows

BOTH = ("--samples", "13b=big.jsonl", "--samples", "7b=small.jsonl")
COST = {"flops", "runtime_s", "memory_bytes", "usd"}
INTERVAL = {"value", "low", "high"}


def last_json(result) -> dict:
    assert result.returncode in (0, 1), result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_json_is_the_last_line_and_has_the_designs_shape(compare) -> None:
    answer = last_json(compare("13b:1", "7b:2", *BOTH, "--json"))
    assert [arm["spec"] for arm in answer["arms"]] == ["13b:1", "7b:2"]
    for arm in answer["arms"]:
        assert {"spec", "model", "precision", "k", "cost", "budget_ratio", "matched", "equal", "binding"} <= set(arm)
        assert {"leftover", "n", "pass_at_k", "rankers", "realised"} <= set(arm)
        assert set(arm["cost"]) == set(arm["budget_ratio"]) == COST
        assert set(arm["realised"]) >= COST
        # Without hardware and prices there is nothing to know of seconds and dollars; tokens are estimated from text.
        assert [arm["cost"][kind] for kind in ("runtime_s", "usd")] == [None, None]
        assert {arm["realised"][kind] for kind in COST - {"flops"}} == {None}
        assert arm["realised"]["flops"] > 0
        assert arm["realised"]["usage"]["estimated"] is True
        assert list(arm["rankers"]) == [
            *("codebudget", "examples", "majority", "shortest", "first", "random", "oracle")
        ]
        for score in (arm["pass_at_k"], *arm["rankers"].values()):
            assert 0 <= score["low"] <= score["value"] <= score["high"] <= 1
        assert set(arm["pass_at_k"]) == INTERVAL
        assert all(
            set(score) >= INTERVAL | {"cost_flops", "cost_s", "left", "gap_closed"} for score in arm["rankers"].values()
        )
    for row in answer["paired"]:
        assert set(row) == {"a", "b", "metric", "difference", "low", "high", "p_value"}
        assert 0 <= row["p_value"] <= 1
    assert set(answer["verdict"]) == {"with_tests", "without_tests"}
    assert "schema_version" not in json.dumps(answer)
    small = answer["arms"][1]
    assert small["n"] == 3
    assert small["pass_at_k"]["value"] == pytest.approx(2 / 3)
    assert small["rankers"]["examples"]["value"] == pytest.approx((1 / 2 + 1 / 2 + 2 / 3) / 3)


@pytest.mark.parametrize("columns", ["200", "20"])
def test_the_table_fits_a_hundred_columns(compare, tiny: Path, columns: str) -> None:
    arms, samples = [], []
    for model in ("70b", "34b", "13b", "7b"):
        arms.append(f"{model}:1")
        samples += ["--samples", f"{model}=small.jsonl"]
    result = compare(*arms, *samples, COLUMNS=columns)
    assert result.returncode == 0, result.stderr
    assert max(map(len, result.stdout.splitlines())) <= 100
    for spec in arms:
        assert spec in result.stdout
    # Intervals stay whole, with four arms abreast.
    if columns == "200":
        assert result.stdout.count("[") > 4 * 6
        assert "…" not in result.stdout
    assert "With unit tests" in result.stdout
    assert "Without tests" in result.stdout


def test_weak_isolation_is_said(compare) -> None:
    assert "process sandbox is weak" in compare("13b:1", "7b:2", *BOTH).stderr


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('{"task_id": "double", "completion": "x"}\n{broken', 2, "broken JSON"),
        ('{"task_id": "dubble", "completion": "x"}', 1, "did you mean 'double'"),
        ('{"task_id": "double"}', 1, "no completion"),
        ('\n{"completion": "x"}', 2, "no task_id"),
        ("[1]", 1, "not a JSON object"),
    ],
)
def test_a_wrong_row_is_one_line_with_file_and_line(compare, tiny: Path, text: str, line: int, message: str) -> None:
    name = "wröng.jsonl.gz"
    (tiny / name).write_bytes(gzip.compress(text.encode()))
    result = compare("13b:1", "7b:1", "--samples", "13b=big.jsonl", "--samples", f"7b={name}")
    assert result.returncode == 2
    (said,) = result.stderr.splitlines()
    assert f"{name}:{line}: " in said
    assert message in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--samples", "9b=small.jsonl"], "no arm is called '9b'; the arms are 13b, 7b"),
        (["--samples", "7b"], "write it ARM=FILES"),
        (["--samples", "7b=none.jsonl"], "none.jsonl: no such file"),
        (["--samples", "7b=empty"], "no .jsonl"),
        (["--samples", "7b=empty.jsonl"], "contains no samples"),
        (["--samples", "7b=broken.jsonl.gz"], "broken gzip"),
        (["--samples", "7b=small.jsonl", "--ranker", "nope"], "unknown ranker 'nope'"),
        (["--samples", "7b=small.jsonl", "--ranker", "oracle"], "picks by the hidden tests"),
        (["--samples", "7b=small.jsonl", "--timeout", "inf"], "--timeout"),
    ],
)
def test_a_mistake_is_one_line(compare, tiny: Path, arguments: list[str], message: str) -> None:
    (tiny / "empty").mkdir()
    (tiny / "empty.jsonl").touch()
    (tiny / "broken.jsonl.gz").write_bytes(b"not gzip")
    result = compare("13b:1", "7b:2", "--samples", "13b=big.jsonl", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    (said,) = result.stderr.splitlines()
    assert message in said


def test_more_k_than_samples_is_undefined(compare) -> None:
    result = compare("13b:1", "7b:4", *BOTH)
    assert (result.returncode, result.stdout) == (2, "")
    assert "7b:4: pass@4 needs 4 samples per task, and no task has more than 3" in result.stderr.splitlines()[-1]


def test_strict_fails_where_arms_do_not_match(compare) -> None:
    assert compare("13b:1", "7b:2", *BOTH, "--strict").returncode == 1
    equal = ("13b:1", "13b@fp16:1", "--samples", "13b=big.jsonl", "--samples", "13b@fp16=big.jsonl")
    assert compare(*equal, "--strict").returncode == 0


@pytest.mark.parametrize(
    ("bodies_of_small", "fields", "reason"),
    [
        ("return None", {}, "7b:1 passes nothing: 0 of 9 programs"),
        ("return (", {}, "9 of 9 programs of 7b:1 are invalid"),
        (None, {"finish_reason": "length"}, "the token limit cut off 9 of 9 samples of 7b:1"),
    ],
)
def test_scores_that_cannot_be_believed_give_no_advice(
    compare, tiny: Path, bodies_of_small: str | None, fields: dict[str, str], reason: str
) -> None:
    rows = read_rows(tiny / "small.jsonl")
    for row in rows:
        row["completion"] = row["completion"] if bodies_of_small is None else f"    {bodies_of_small}\n"
    (tiny / "small.jsonl").write_text(jsonl(row | fields for row in rows))
    arms = ("13b:1", "7b:1", *BOTH)
    table = compare(*arms)
    assert table.returncode == 0
    assert f"codebudget: {reason}" in table.stderr
    said = " ".join(table.stdout.split())
    assert (said.count("no advice, because"), said.count(reason)) == (2, 2)
    assert "take the cheapest" not in table.stdout
    strict = compare(
        "13b:1", "13b@bf16:1", "--samples", "13b:1=big.jsonl", "--samples", "13b@bf16=small.jsonl", "--strict"
    )
    assert strict.returncode == 1
    assert "no advice can be given" in strict.stderr
    answer = last_json(compare(*arms, "--json"))
    assert any(reason in doubt for doubt in answer["doubts"])
    assert "no advice, because" in answer["verdict"]["without_tests"]


def test_nothing_is_the_cheapest_where_all_scores_are_nought(compare, tiny: Path) -> None:
    nothing = bodies((name, "return None") for name in ("double", "square", "negate"))
    (tiny / "big.jsonl").write_text(nothing)
    (tiny / "small.jsonl").write_text(nothing)
    result = compare("13b:1", "7b:1", *BOTH)
    assert "take the cheapest" not in result.stdout
    assert "13b:1 passes nothing: 0 of 3 programs; 7b:1 passes nothing" in " ".join(result.stdout.split())


def test_missing_tasks_are_counted_and_said(compare, tiny: Path) -> None:
    (tiny / "part.jsonl").write_text(bodies([("double", "return x + x"), ("square", "return 0")]))
    result = compare("13b:1", "7b:2", "--samples", "13b=part.jsonl", "--samples", "7b=small.jsonl", "--json")
    answer = last_json(result)
    assert "13b:1: no samples for 1 of 3 tasks (negate)" in result.stderr
    assert answer["left_out"] == {"negate": "no sample of 13b:1"}
    assert answer["tasks"] == 2
    assert answer["arms"][0]["pass_at_k"]["value"] == 0.5
    table = compare("13b:1", "7b:2", "--samples", "13b=part.jsonl", "--samples", "7b=small.jsonl").stdout
    assert "Left out, no sample of 13b:1: 1 (negate)" in table


def test_arms_are_compared_on_the_settings_that_both_have(compare, tiny: Path) -> None:
    for arm, settings in {"big": ("long", "short", "chat"), "small": ("long", "short")}.items():
        (tiny / arm).mkdir()
        for setting in settings:
            shutil.copy(tiny / "big.jsonl", tiny / arm / f"{setting}.jsonl")
    result = compare("13b:1", "7b:2", "--samples", "13b=big", "--samples", "7b=small", "--json")
    answer = last_json(result)
    assert "13b:1: left out chat, which some arms lack" in result.stderr
    assert answer["warnings"][0].startswith("13b:1: left out chat")
    assert [[row["name"] for row in arm["strata"]] for arm in answer["arms"]] == [["long", "short"]] * 2
    assert [arm["n"] for arm in answer["arms"]] == [2, 2]
    short = compare("13b:3", "7b:2", "--samples", "13b=big", "--samples", "7b=small")
    assert short.returncode == 2
    assert "left out chat" in short.stderr.splitlines()[-1]


def test_samples_are_read_from_folders_globs_and_unicode_names(compare, tiny: Path) -> None:
    folder = tiny / "größen"
    folder.mkdir()
    lines = (tiny / "small.jsonl").read_text().splitlines(keepends=True)
    (folder / "a.jsonl").write_text("".join(lines[:3]))
    (folder / "b.jsonl.gz").write_bytes(gzip.compress("".join(lines[3:]).encode()))
    whole = last_json(compare("7b:2", "--samples", "7b=small.jsonl", "--json"))
    for pattern in ("größen", "größen/*", "gr*/?.jsonl*"):
        answer = last_json(compare("7b:2", "--samples", f"7b={pattern}", "--json"))
        assert answer["arms"][0]["pass_at_k"] == whole["arms"][0]["pass_at_k"]
        assert answer["arms"][0]["strata"] == []


def test_a_rows_own_prompt_hides_the_benchmarks_examples(compare, tiny: Path) -> None:
    rows = read_rows(tiny / "small.jsonl")
    for row in rows:
        row["prompt"] = f"def {row['task_id']}(x):\n"
    (tiny / "bare.jsonl").write_text(jsonl(rows))
    shown, bare = (
        last_json(compare("7b:2", "--samples", f"7b={name}", "--json"))["arms"][0]
        for name in ("small.jsonl", "bare.jsonl")
    )
    assert shown["pass_at_k"] == bare["pass_at_k"]
    assert shown["rankers"]["examples"]["value"] > shown["rankers"]["random"]["value"]
    assert bare["rankers"]["examples"]["value"] == pytest.approx(bare["rankers"]["random"]["value"])


def test_two_precisions_of_one_model_have_samples_of_their_own(compare) -> None:
    arms = ("13b:1", "13b@int4:1")
    answer = last_json(compare(*arms, "--samples", "13b=big.jsonl", "--samples", "13b@int4=small.jsonl", "--json"))
    assert [arm["precision"] for arm in answer["arms"]] == ["bf16", "int4"]
    assert [arm["samples"] for arm in answer["arms"]] == [3, 9]
    answer = last_json(compare(*arms, "--samples", "13b@int4:1=big.jsonl", "--samples", "13b:1=small.jsonl", "--json"))
    assert [arm["samples"] for arm in answer["arms"]] == [9, 3]
    vague = compare("13b@bf16:1", "13b@int4:1", "--samples", "13b=big.jsonl")
    assert vague.returncode == 2
    assert "'13b' could be 13b@bf16:1 or 13b@int4:1" in vague.stderr


def test_one_arm_twice_is_a_mistake(compare) -> None:
    result = compare("13b:1", "13b:1", "--samples", "13b=big.jsonl")
    assert result.returncode == 2
    assert "the arm 13b:1 is listed twice" in result.stderr


def test_a_greedy_arm_is_one_sample(compare) -> None:
    answer = last_json(compare("13b:greedy", "7b:2", *BOTH, "--json"))
    assert answer["arms"][0]["k"] == 1
    assert "13b greedy" in answer["verdict"]["with_tests"]
    assert "greedy" in compare("13b:greedy", "7b:2", *BOTH).stdout


def test_the_first_ranker_named_advises(compare) -> None:
    answer = last_json(compare("13b:1", "7b:2", *BOTH, "--ranker", "shortest", "--ranker", "oracle", "--json"))
    assert answer["decisive_ranker"] == "shortest"
    assert "let shortest pick: " in answer["verdict"]["without_tests"]
    # The two bounds stand beside whatever was named.
    assert list(answer["arms"][0]["rankers"]) == ["shortest", "random", "oracle"]
    assert {row["metric"] for row in answer["paired"]} == {"pass_at_k", "shortest"}


def test_a_seed_below_nought_is_the_users_mistake(compare) -> None:
    result = compare("13b:1", "7b:2", *BOTH, "--seed", "-1")
    assert result.returncode == 2
    assert "--seed" in result.stderr.splitlines()[-1]


def test_a_plug_in_that_raises_is_named(compare, tiny: Path) -> None:
    (tiny / "mine.py").write_text(
        "class Mine:\n    name, version, needs, pointwise = 'mine', '1', frozenset(), True\n\n"
        "    def rank(self, task, candidates, context):\n        raise ValueError('no\\nidea')\n"
    )
    result = compare("7b:2", "--samples", "7b=small.jsonl", "--ranker", "./mine.py:Mine")
    assert result.returncode == 2
    assert "mine.py" in result.stderr.splitlines()[-1]
    assert "ValueError: no idea" in result.stderr.splitlines()[-1]


def test_token_counts_give_a_realised_cost(compare, tiny: Path) -> None:
    for name, tokens in (("big", 50), ("small", 25)):
        rows = read_rows(tiny / f"{name}.jsonl")
        counted = [row | {"prompt_tokens": 40, "output_tokens": tokens} for row in rows]
        (tiny / f"{name}.jsonl").write_text(jsonl(counted))
    result = compare("13b:1", "7b:2", *BOTH, "--json")
    realised = [arm["realised"] for arm in last_json(result)["arms"]]
    assert realised[0]["flops"] > realised[1]["flops"] > 0
    assert realised[1]["budget_ratio"]["flops"] == pytest.approx(realised[1]["flops"] / realised[0]["flops"])
    assert realised[0]["runtime_s"] is None
    assert "no realised cost" not in result.stderr
    assert "realised" in compare("13b:1", "7b:2", *BOTH).stdout


def test_a_benchmark_in_parquet_with_fields_of_its_own(codebudget, tiny: Path, tiny_rows) -> None:
    import pyarrow
    import pyarrow.parquet

    names = {"task_id": "key", "prompt": "question", "canonical_solution": "answer", "test": "checks"}
    rows = [{names.get(field, field): value for field, value in row.items()} for row in tiny_rows]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tiny / "mine.parquet")
    fields = [f"--field={part}={name}" for part, name in names.items()]
    common = ("--benchmark", "mine.parquet", *fields, "--sandbox", "process", "--json")
    answer = last_json(codebudget("compare", "13b:1", "7b:2", *BOTH, *common))
    assert answer["tasks"] == 3
    assert answer["convention"] == "tokens"
    assert "mine" in answer["workload"]["source"]
    assert answer["arms"][1]["pass_at_k"]["value"] == pytest.approx(2 / 3)
    unmapped = codebudget("compare", "13b:1", *BOTH[:2], "--benchmark", "mine.parquet")
    assert unmapped.returncode == 2
    assert "--field" in unmapped.stderr


def test_wizardlm_in_the_best_sandbox(codebudget, tmp_path: Path, shared_data: Path) -> None:
    sandbox = codebudget("sandbox", "probe").stdout.strip()
    if sandbox == "process":
        pytest.skip("needs Docker or bubblewrap")
    few = {f"HumanEval/{number}" for number in range(7)}
    samples = []
    for size in ("30b", "13b", "7b"):
        (tmp_path / size).mkdir()
        for file in (shared_data / "humaneval_wizardlm" / size).glob("*.jsonl"):
            rows = [line for line in file.read_text().splitlines() if json.loads(line)["task_id"] in few]
            (tmp_path / size / file.name).write_text("\n".join(rows))
        samples += ["--samples", f"{size}={size}"]
    arguments = ("compare", "30b:1", "13b:2", "7b:4", "--family", "wizardlm", "--benchmark", "humaneval", *samples)
    answer = last_json(codebudget(*arguments, "--json"))
    assert answer["sandbox"] == sandbox
    assert answer["tasks"] == 7
    assert len(answer["left_out"]) == 164 - 7
    for arm in answer["arms"]:
        assert arm["precision"] == "int4"
        assert (arm["n"], arm["samples"], len(arm["strata"])) == (4, 28, 4)
        assert sum(arm["statuses"].values()) == 28
        bound = arm["pass_at_k"]["value"]
        assert arm["rankers"]["oracle"]["value"] == bound
        assert all(score["value"] <= bound + 1e-9 for score in arm["rankers"].values())
    assert len(answer["paired"]) == 3 * 6


@pytest.mark.parametrize(
    ("ranker", "words"), [("majorty", "unknown ranker 'majorty'"), ("codet", "give them with --tests")]
)
def test_a_wrong_ranker_is_found_before_anything_is_drawn(codebudget, tiny: Path, ranker: str, words: str) -> None:
    """Nothing can draw here: were the ranker looked at later, that would be the error."""
    result = codebudget("compare", "70b:1", "13b", "--benchmark", "tiny.jsonl", "--ranker", ranker)
    assert (result.returncode, result.stdout) == (2, "")
    assert words in result.stderr.splitlines()[-1]
