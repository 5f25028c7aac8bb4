"""`codebudget verifier train`: from samples to a ranker, and what it says of tasks it has not seen."""

import json

import pytest

from support.rows import bodies, humaneval_row, jsonl, read_rows

pytest.importorskip("sklearn", reason="needs the extra [verifier]")

TASKS = 22
RIGHT = ("return x {op} {n}", "y = x {op} {n}\n    return y")
WRONG = ("return x", "return {n}", "return x {op} {n} {op} 1 if x < 4 else 0", "return missing")


def write(folder, name, op) -> None:
    """A benchmark of small tasks, and six samples of each."""
    numbers = range(2, 2 + TASKS)
    rows = [
        humaneval_row(
            f"{name}_{n}",
            f"return x {op} {n}",
            tuple(f"candidate({x}) == {eval(f'{x} {op} {n}')}" for x in (1, 5, 9)),
            (3, eval(f"3 {op} {n}")),
        )
        for n in numbers
    ]
    (folder / f"{name}.jsonl").write_text(jsonl(rows))
    samples = [
        (f"{name}_{n}", body.format(op=op, n=n)) for n in numbers for body in (RIGHT[:1] if n % 3 else RIGHT) + WRONG
    ]
    (folder / f"{name}-samples.jsonl").write_text(bodies(samples))


BOX = ("--sandbox", "process", "--workers", "1")
LONG_S = 600


@pytest.fixture
def two(tmp_path):
    write(tmp_path, "add", "+")
    write(tmp_path, "times", "*")
    return tmp_path


def answer(result):
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def train(codebudget, *arguments):
    return codebudget("verifier", "train", *arguments, *BOX, timeout_s=LONG_S)


def test_trains_scores_what_it_has_not_seen_and_refuses_what_it_has(codebudget, two) -> None:
    files = ("add-samples.jsonl", "times-samples.jsonl")
    named = ("--benchmark", "add.jsonl", "--benchmark", "times.jsonl")
    found = answer(train(codebudget, *files, *named, "--out", "v.json", "--k", "3,50", "--json"))
    assert [(one["how"], one["benchmark"], one["tasks"]) for one in found["held_out"]] == [
        ("nested", "add", TASKS),
        ("nested", "times", TASKS),
        ("left out", "add", TASKS),
        ("left out", "times", TASKS),
    ]
    for one in found["held_out"]:
        scores = {name: by_k["3"]["value"] for name, by_k in one["rankers"].items()}
        assert scores["random"] < scores["verifier"] <= scores["oracle"] + 1e-9
        assert one["gain"]["3"]["difference"] == pytest.approx(scores["verifier"] - scores["codebudget"])
    assert any("k above 5" in note for note in found["notes"])
    views = {tuple(one["groups"]): one for one in found["views"]}
    assert set(views) == {
        ("text",),
        ("text", "execution"),
        ("text", "examples"),
        ("text", "execution", "examples"),
    }
    best = views["text", "execution", "examples"]
    assert best["auc"] > 0.9
    assert best["log_loss"] < best["base_loss"]

    coefficients = json.loads((two / "v.json").read_text())
    assert {one["benchmark"] for one in coefficients["sources"]} == {"add", "times"}
    assert set(coefficients["made_with"]) == {"codebudget", "scikit-learn"}
    typed = "verifier,model=v.json"
    refused = codebudget("rank", files[0], "--benchmark", "add.jsonl", "--ranker", typed, "--k", "3", *BOX)
    assert refused.returncode == 2
    assert "was trained on this task" in refused.stderr

    write(two, "minus", "-")
    ranked = answer(
        codebudget("rank", "minus-samples.jsonl", "--benchmark", "minus.jsonl", "--ranker", typed, "--ranker", "random",
                   "--k", "5", "--json", *BOX)
    )  # fmt: skip
    assert ranked["rankers"][typed]["5"]["value"] > ranked["rankers"]["random"]["5"]["value"] + 0.3
    assert ranked["costs"][typed]["flops"] == 0


def test_tasks_that_two_benchmarks_have_are_the_same_under_any_id(codebudget, two) -> None:
    for name in ("add.jsonl", "add-samples.jsonl"):
        (two / f"other-{name}").write_text((two / name).read_text().replace('"task_id": "add_', '"task_id": "sum/'))
    files = ("add-samples.jsonl", "other-add-samples.jsonl")
    named = ("--benchmark", "add.jsonl", "--benchmark", "other-add.jsonl")
    found = answer(train(codebudget, *files, *named, "--out", "v.json", "--k", "1", "--json"))
    assert [one["how"] for one in found["held_out"]] == ["nested", "nested"]
    assert sum("left out: from the tasks that only others have nothing" in note for note in found["notes"]) == 2


def test_what_cannot_be_trained_on_is_said(codebudget, two) -> None:
    other = train(codebudget, "add-samples.jsonl", "--benchmark", "add.jsonl", "--benchmark", "times.jsonl")
    assert other.returncode == 2
    assert "no file has samples of times" in other.stderr
    (two / "some.jsonl").write_text("".join((two / "add-samples.jsonl").read_text().splitlines(keepends=True)[:30]))
    small = train(codebudget, "some.jsonl", "--benchmark", "add.jsonl")
    assert small.returncode == 2
    assert "tasks to train on; give samples of at least 20" in small.stderr
    rows = read_rows(two / "add-samples.jsonl")
    wrong = [row for row in rows if "missing" in row["completion"]]
    right = [row for row in rows if row["task_id"] == "add_2" and "return x + 2\n" in row["completion"]]
    (two / "one.jsonl").write_text(jsonl(wrong + right))
    single = train(codebudget, "one.jsonl", "--benchmark", "add.jsonl")
    assert single.returncode == 2
    assert f"1 of {TASKS} tasks to train on have a right candidate, too few" in single.stderr
    tasks = [{key: value for key, value in row.items() if key != "test"} for row in read_rows(two / "add.jsonl")]
    (two / "untested.jsonl").write_text(jsonl(tasks))
    untested = train(codebudget, "add-samples.jsonl", "--benchmark", "untested.jsonl")
    assert untested.returncode == 2
    assert "untested has no hidden tests, and a verifier learns from what passes them" in untested.stderr
