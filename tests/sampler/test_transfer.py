"""Samples go out of one store and into another, and are the same there."""

import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from codebudget.errors import MachineError, UserError
from codebudget.records import Candidate, Task
from codebudget.sampler.drawing import Drawn, DrawRequest, draw_samples
from codebudget.sampler.files import read_samples
from codebudget.sampler.prompting import Settings
from codebudget.sampler.series import stored_series
from codebudget.sampler.store import Store, open_store
from codebudget.sampler.transfer import import_samples, stored_samples, write_samples

from support.rows import jsonl

Tasks = tuple[Task, ...]
SETTINGS = Settings(max_tokens=40)


def draw(tasks: Tasks, engine: Any, store: Store, k: int, settings: Settings = SETTINGS, **options: Any) -> Drawn:
    request = DrawRequest(spec=f"m:{k}", model="m", precision="fp32", k=k, **options)
    return draw_samples(tasks, request, engine, settings, store)


@pytest.mark.parametrize("name", ["s.jsonl", "s.jsonl.gz", "s.parquet"])
@pytest.mark.parametrize("style", ["completion", "chat"])
def test_a_round_trip_keeps_all(
    tasks: Tasks, markov: Callable[..., Any], tmp_path: Path, name: str, style: Any
) -> None:
    settings = SETTINGS.model_copy(update={"style": style})
    by_id = {task.id: task for task in tasks}
    path = tmp_path / "new" / name
    with open_store(tmp_path / "a") as store:
        drawn = [draw(tasks, markov(), store, 3, settings, seed=seed) for seed in (0, 1)]
    written = write_samples(path, [(one.series, one.candidates) for one in drawn])
    assert written == 72
    assert [child.name for child in path.parent.iterdir()] == [name]
    with open_store(tmp_path / "b") as store:
        for _ in range(2):
            imported = import_samples([str(path)], by_id, "adding", store)
            assert (len(imported.series), imported.samples) == (2, 72)
        engine = markov()
        again = [draw(tasks, engine, store, 3, settings, seed=seed) for seed in (0, 1)]
        assert engine.drawn == []
        assert [one.candidates for one in again] == [one.candidates for one in drawn]
        assert len(list(stored_series(store))) == 2
        assert stored_samples(store, again[1].series, tasks) == drawn[1].candidates
        more = draw(tasks, engine, store, 4, settings)
        assert (more.new, len(engine.drawn)) == (12, 12)


def test_exported_rows_are_read_as_other_tools_write_them(
    tasks: Tasks, markov: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "s.jsonl"
    with open_store(tmp_path / "a") as store:
        drawn = draw(tasks, markov(), store, 2)
    write_samples(path, [(drawn.series, drawn.candidates)])
    read = read_samples([str(path)], {task.id: task for task in tasks}, "m")
    assert [(c.task_id, c.raw, c.program, c.logprobs) for c in read.candidates] == [
        (c.task_id, c.raw, c.program, c.logprobs) for c in drawn.candidates
    ]


@pytest.mark.parametrize("name", ["s.jsonl", "s.parquet"])
def test_a_probability_of_nothing_survives(tasks: Tasks, markov: Callable[..., Any], tmp_path: Path, name: str) -> None:
    with open_store(tmp_path / "a") as store:
        drawn = draw(tasks[:1], markov(), store, 1)
    odd = drawn.candidates[0].model_copy(update={"logprobs": (-0.5, -math.inf), "raw": "é\0☃", "finish_reason": None})
    write_samples(tmp_path / name, [(drawn.series, [odd])])
    if name.endswith("jsonl"):
        assert "Infinity" not in (tmp_path / name).read_text()
    with open_store(tmp_path / "b") as store:
        import_samples([str(tmp_path / name)], {task.id: task for task in tasks}, "adding", store)
        (back,) = stored_samples(store, drawn.series, tasks)
    assert (back.logprobs, back.raw, back.finish_reason) == (odd.logprobs, odd.raw, None)
    if name.endswith("jsonl"):
        read = read_samples([str(tmp_path / name)], {task.id: task for task in tasks}, "m")
        assert read.candidates[0].logprobs == odd.logprobs


def test_rows_of_others_come_in_under_a_model(tasks: Tasks, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"task_id": "add/0", "completion": "    return x\n", "output_tokens": 4},
        {"task_id": "add/0", "solution": "def add_0(x):\n    return x + 0\n"},
        {"task_id": "add/1", "samples": ["    return x + 1\n", "    return 1\n"]},
    ]
    path = tmp_path / "theirs.jsonl.gz"
    path.write_bytes(gzip.compress(jsonl(rows).encode()))
    by_id = {task.id: task for task in tasks}
    with open_store(tmp_path / "s") as store:
        with pytest.raises(UserError, match=r"theirs.jsonl.gz:1: the row does not say which model made it; .* `model`"):
            import_samples([str(path)], by_id, "adding", store)
        imported = import_samples([str(path)], by_id, "adding", store, model="7b", precision="bf16")
        (series,) = imported.series
        assert (series.model, series.precision, series.origin.description.engine) == ("7b", "bf16", "recorded")
        candidates = stored_samples(store, series, tasks)
    read = read_samples([str(path)], by_id, "7b@bf16").candidates
    assert [candidate.model_copy(update={"arm": "7b@bf16"}) for candidate in candidates] == list(read)


OURS = {
    "model": "m",
    "precision": "bf16",
    "benchmark": "adding",
    "origin": {
        "description": dict.fromkeys(("engine", "engine_version", "model", "revision", "precision", "device"), "x"),
        "settings": {},
        "seed": 0,
    },
}


def test_a_sample_may_have_any_index(tasks: Tasks, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    rows = [{"task_id": "add/0", "completion": "x", "made_by": OURS, "index": index} for index in (10**12, 3)]
    path.write_text(jsonl(rows))
    with open_store(tmp_path / "s") as store:
        (series,) = import_samples([str(path)], {task.id: task for task in tasks}, "adding", store).series
        assert [candidate.index for candidate in stored_samples(store, series, tasks)] == [3, 10**12]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"task_id": "add/0", "completion": "x", "made_by": {"model": "m"}}, "made_by cannot be read"),
        ({"task_id": "add/0", "completion": "x", "made_by": "{"}, "made_by cannot be read"),
        ({"task_id": "add/0", "completion": "x", "made_by": "[" * 10_000}, "made_by cannot be read"),
        ({"task_id": "add/0", "completion": "x", "made_by": OURS | {"model": "x" * 100_000}}, "longer than 65536"),
        ({"task_id": "add/0", "completion": "x", "made_by": OURS | {"model": "\ud800"}}, "made_by cannot be read"),
        ({"task_id": "add/0", "completion": "x", "made_by": OURS, "index": -1}, "index is -1"),
        ({"task_id": "add/0", "completion": "x", "made_by": OURS, "index": 10**30}, "index is"),
        ({"task_id": "add/0", "completion": "x", "made_by": OURS, "logprobs": ["x"]}, "logprobs is not"),
        ({"task_id": "add/0", "completion": "x", "made_by": OURS, "logprobs": [10**400]}, "logprobs is not"),
        ({"task_id": "sub/0", "completion": "x"}, "unknown task"),
        ({"task_id": "add/0"}, "no completion"),
        ({"task_id": "add/0", "completion": "x", "seed": "one"}, "seed is 'one'"),
    ],
)
def test_a_wrong_row_is_named(tasks: Tasks, tmp_path: Path, row: dict[str, Any], message: str) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text("\n" + json.dumps(row) + "\n")
    with open_store(tmp_path / "s") as store:
        with pytest.raises(UserError, match=rf"s\.jsonl:2: .*{message}"):
            import_samples([str(path)], {task.id: task for task in tasks}, "adding", store, model="m")
        assert list(stored_series(store)) == []


def test_files_that_cannot_be_read_or_written_say_so(tasks: Tasks, tmp_path: Path) -> None:
    (tmp_path / "s.parquet").write_text("no parquet")
    (tmp_path / "file").write_text("")
    with (
        open_store(tmp_path / "s") as store,
        pytest.raises(UserError, match=r"s\.parquet: not a readable Parquet file"),
    ):
        import_samples([str(tmp_path / "s.parquet")], {task.id: task for task in tasks}, "adding", store, model="m")
    with pytest.raises(UserError, match=r"end in \.jsonl"):
        write_samples(tmp_path / "s.csv", [])
    with pytest.raises(MachineError, match="cannot write"):
        write_samples(tmp_path / "file" / "s.jsonl", [])


def test_stored_candidates_keep_every_field(tmp_path: Path) -> None:
    bare = Candidate(task_id="a", arm="m", index=0, raw="", program="")
    full = Candidate(
        task_id="a",
        arm="m",
        index=1,
        raw="r",
        program="p",
        seed=2**53 - 1,
        stratum="s",
        prompt="q",
        finish_reason="length",
        prompt_tokens=0,
        output_tokens=2,
        logprobs=(-math.inf, -0.1),
    )
    with open_store(tmp_path / "s") as store:
        store.put_candidates({"k/0": bare, "k/1": full, "k0": bare})
        assert store.candidates(["k/0", "k/1"]) == {"k/0": bare, "k/1": full}
        assert store.keys_under("k/") == ["k/0", "k/1"]
        assert store.has_candidates(["k/1", "k/2"]) == {"k/1"}
        changed = full.model_copy(update={"program": "new"})
        store.put_programs({"k/1": store.extracted(["k/1"])["k/1"]._replace(candidate=changed, extractor="e")})
        assert store.candidates(["k/1"])["k/1"].program == "new"
        found = store.extracted(["k/0", "k/1"])
        assert {key: one.extractor for key, one in found.items()} == {"k/0": "", "k/1": "e"}
