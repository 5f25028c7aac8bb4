"""Divergence of real models: against free running, against themselves, on programs, and what is refused."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Any

import pytest
from codebudget.errors import MachineError, UserError
from codebudget.experiment.diverging import Diverged, diverge, metrics_of
from codebudget.experiment.spending import NO_RATE, Rate
from codebudget.experiment.subjects import find_subject, open_subject
from codebudget.report.divergence import divergence_as_json
from codebudget.settings import Diverging, Drawing, Grading, Running

from support.networks import nano_folder
from support.rows import humaneval_row, jsonl

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = tuple(
    f'def {name}(values):\n    """Return the {word} of a list of numbers."""\n'
    for name, word in (("total", "sum"), ("largest", "maximum"), ("smallest", "minimum"), ("many", "length"))
)


@pytest.fixture(scope="module")
def torch() -> Any:
    module = pytest.importorskip("torch", reason="needs torch (pip install 'codebudget[transformers]')")
    pytest.importorskip("transformers", reason="needs transformers")
    return module


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, torch: Any) -> Path:
    return nano_folder(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("prompts") / "prompts.jsonl"
    rows = [{"text" if place % 2 else "prompt": text} for place, text in enumerate(TEXTS * 3)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def run(base: object, other: object, prompts: str, tokens: int = 25, rate: Rate = NO_RATE) -> Diverged:
        running = Running(family="nano", store=str(tmp_path / "store.sqlite"))
        diverging = Diverging(prompts=prompts, tokens=tokens)
        grading = Grading(launcher="process", workers=1, check=False)
        return diverge(str(base), str(other), diverging, Drawing(engine="transformers"), grading, running, rate)

    return run


def test_first_divergence_in_one_pass_is_that_of_free_running(base: Path, prompts: str, run: Any) -> None:
    other = f"{base}@w3a16"
    found = run(base, other, prompts)
    engine = open_subject(find_subject(other, Running(family="nano")), "transformers")
    try:
        free = engine.continue_greedily(engine.prompt_ids(TEXTS * 3, 25), 25)
    finally:
        engine.close()
    firsts = [
        next((place for place, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b), 25)
        for ours, theirs in zip(found.ids.base_ids, free, strict=True)
    ]
    forced = [
        next((place for place, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b), 25)
        for ours, theirs in zip(found.ids.base_ids, found.ids.other_ids, strict=True)
    ]
    assert firsts == forced
    assert found.metrics.other.fdt.mean == sum(firsts) / len(firsts) < 25


def test_a_model_does_not_leave_itself_and_every_metric_is_noise(base: Path, prompts: str, run: Any) -> None:
    found = run(base, base, prompts, 12, Rate(0.5))
    assert found.metrics.other.fdt.mean == 12
    assert found.metrics.other.sdt.mean == 0
    assert found.metrics.other.never.mean == 1
    assert set(found.metrics.within_floor) == {"fdt", "sdt", "never", "dppl"}
    assert "within the noise floor" in found.warnings[0]
    assert {part: cost.flops is not None and cost.flops > 0 for part, cost in found.costs.items()} == {
        "base": True,
        "other": True,
        "floor": True,
    }
    assert found.costs["base"].usd == pytest.approx(0.5 * found.costs["base"].runtime_s)
    answer = divergence_as_json(found)
    assert set(answer["fdt"]) == {"mean", "low", "high", "p25", "median", "p75"}
    assert (answer["prompts"], answer["tokens"]) == (12, 12)


def test_metrics_follow_from_the_ids_alone(base: Path, prompts: str, run: Any) -> None:
    found = run(base, f"{base}@w4a8-g32", prompts, 10)
    again = Diverged.model_validate_json(found.model_dump_json())
    assert metrics_of(again.ids, 0) == found.metrics


def test_programs_are_gained_lost_and_kept(base: Path, tmp_path: Path, run: Any, torch: Any) -> None:
    def silence(network: Any) -> None:
        # It says the same whatever it is asked.
        network.model.norm.weight.data.zero_()

    mute = nano_folder(tmp_path / "mute", silence)
    rows = [
        humaneval_row("add", "return x + 1", ("candidate(2) == 3", "candidate(5) == 6"), (2, 3)),
        humaneval_row("double", "return 2 * x", ("candidate(2) == 4", "candidate(5) == 10"), (2, 4)),
    ]
    file = tmp_path / "tasks.jsonl"
    file.write_text(jsonl(rows))
    found = run(base, mute, str(file), 8)
    assert found.programs is not None
    counted = len(found.programs.gained) + len(found.programs.lost) + found.programs.kept + found.programs.unsolved
    assert counted == 2
    assert found.programs.gained == ()
    back = run(mute, base, str(file), 8)
    assert back.programs is not None
    assert (back.programs.gained, back.programs.lost) == (found.programs.lost, ())
    assert found.costs["programs"].flops is not None


@pytest.mark.parametrize(
    ("other", "text", "said"),
    [
        ("4m", "def f():", "different architectures"),
        ("250k:3", "def f():", "alone"),
        ("250k@w4a16-g48", "def f():", "groups of 48 do not divide"),
        ("250k", "x = 1\n" * 2000, "has room for"),
    ],
)
def test_refusals_are_one_clear_line(tmp_path: Path, run: Any, torch: Any, other: str, text: str, said: str) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(json.dumps({"text": text}) + "\n")
    with pytest.raises(UserError, match=said) as refused:
        run("250k", other, str(file), 4)
    assert "\n" not in str(refused.value)


def test_a_method_beyond_rounding_needs_its_checkpoint(
    tmp_path: Path, prompts: str, run: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    if importlib.util.find_spec("llmcompressor") is None:
        with pytest.raises(MachineError, match="codebudget quantise 250k w4a16-gptq"):
            run("250k", "250k@w4a16-gptq", prompts, 4)
        return
    found = run("250k", "250k@w4a16-gptq", prompts, 12)
    assert found.metrics.other.sdt.mean > 0
    assert len(list((tmp_path / ".codebudget" / "checkpoints").iterdir())) == 1


def test_refuses_another_tokenizer(base: Path, prompts: str, tmp_path: Path, run: Any) -> None:
    other = nano_folder(tmp_path / "other")
    content = json.loads((other / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    first, second = list(vocabulary)[300:302]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    (other / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="another tokenizer"):
        run(base, other, prompts, 4)


@pytest.mark.parametrize("row", ["{}", '{"text": ""}', '{"text": "a", "prompt": "b"}', '{"text": 3}', "[]"])
def test_refuses_rows_without_one_text(tmp_path: Path, run: Any, torch: Any, row: str) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(f'{{"text": "def f():"}}\n{row}\n')
    with pytest.raises(UserError, match=r"prompts\.jsonl:2: a row of prompts needs one text"):
        run("250k", "250k", str(file), 4)


def test_refuses_a_file_without_prompts(tmp_path: Path, run: Any, torch: Any) -> None:
    (tmp_path / "prompts.jsonl").write_text("\n")
    with pytest.raises(UserError, match="has no prompts"):
        run("250k", "250k", str(tmp_path / "prompts.jsonl"), 4)
