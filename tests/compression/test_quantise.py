"""Checkpoints that llm-compressor writes: their bytes, their weights, their error, and what a broken run leaves."""

import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from codebudget._util.checkpoints import ADAPTER, RECORD, read_record
from codebudget.budgets.memory import weight_bytes
from codebudget.budgets.models import find_model, weights_of
from codebudget.compression import parse_recipe
from codebudget.compression.calibration import Calibration, of_texts, token_pieces
from codebudget.compression.quantise import Made, Source, quantise
from codebudget.compression.rtn import fake_quantise
from codebudget.errors import MachineError, UserError
from codebudget.sampler.engines.checkpoint import find_checkpoint
from codebudget.sampler.engines.transformers_engine import TransformersEngine
from codebudget.tasks import load_benchmark

from support.command import codebudget, started

torch = pytest.importorskip("torch", reason="needs torch: install the extra [transformers]")
transformers = pytest.importorskip("transformers", reason="needs the extra [transformers]")
pytest.importorskip("llmcompressor", reason="needs llm-compressor: install the extra [compress]")

KINDS = (
    *("w4a16", "w4a16-g32", "w4a16-g32-asym", "w8a16", "w8a8", "w8a8-asym", "w4a8", "w3a16-g64-asym", "w2a16-g32"),
    *("w16a8", "w6a16", "fp8", "nvfp4", "mxfp4", "mxfp8", "w4a16-g32-gptq", "w4a8-gptq", "w2a16-g64-asym-gptq"),
    *("fp8-gptq", "w8a8-smoothquant", "w4a16-g32-awq", "w4a8-autoround"),
    *("w4a16-lorc4", "w3a16-g64-asym-gptq-lorc8", "w8a8-smoothquant-lorc4"),
)


class Ours(NamedTuple):
    source: Source
    calibration: Calibration


@pytest.fixture(scope="module")
def ours() -> Ours:
    model = find_model("250k", "nano")
    checkpoint = find_checkpoint(weights_of(model))
    source = Source(model.name, checkpoint.source, checkpoint.revision, checkpoint.commit, model.architecture)
    prompts = [task.prompt for task in load_benchmark("nano").tasks]
    return Ours(source, of_texts("prompts", "the prompts of nano", prompts, 0))


@pytest.fixture(scope="module")
def made(ours: Ours, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    """Makes a recipe's checkpoint, once."""
    known: dict[str, Made] = {}

    def make(recipe: str) -> Made:
        if recipe not in known:
            folder = tmp_path_factory.mktemp("checkpoints") / recipe
            known[recipe] = quantise(ours.source, parse_recipe(recipe), ours.calibration, folder)
        return known[recipe]

    return make


def loaded(folder: str | Path, dtype: Any = torch.float32) -> Any:
    """A model that has run once, after which its weights are unpacked."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    with torch.no_grad():
        model(torch.arange(8).unsqueeze(0))
    return model


def layers(model: Any) -> dict[str, Any]:
    return {name: one for name, one in model.named_modules() if isinstance(one, torch.nn.Linear) and "proj" in name}


@pytest.mark.parametrize("recipe", KINDS)
def test_bytes_are_those_of_the_plan(made: Callable[[str], Made], ours: Ours, recipe: str) -> None:
    checkpoint = made(recipe)
    record = read_record(checkpoint.path)
    assert record == checkpoint.record
    assert record.predicted_bytes == weight_bytes(ours.source.architecture, recipe)
    assert record.tensor_bytes == pytest.approx(record.predicted_bytes, rel=0.01)
    files = sum(file.stat().st_size for file in checkpoint.path.rglob("*.safetensors"))
    assert record.file_bytes == files
    assert abs(files - record.predicted_bytes) <= 0.01 * record.predicted_bytes + 32 * 1024
    assert (checkpoint.path / ADAPTER).is_dir() == ("lorc" in recipe)
    assert (record.calibration is None) == (parse_recipe(recipe).method == "rtn")


@pytest.mark.parametrize("recipe", [kind for kind in KINDS if "lorc" not in kind])
def test_transformers_loads_what_was_written(made: Callable[[str], Made], ours: Ours, recipe: str) -> None:
    tokens = torch.arange(3, 120).unsqueeze(0)
    with torch.no_grad():
        wanted = loaded(ours.source.weights)(tokens).logits.log_softmax(-1)
        # Formats with scales in powers of two or 8 bits are unpacked to 16 bits, whatever is asked for.
        dtype = torch.bfloat16 if recipe.startswith(("mx", "nv")) else torch.float32
        found = loaded(made(recipe).path, dtype)(tokens).logits.float().log_softmax(-1)
    divergence = (wanted.exp() * (wanted - found)).sum(-1).mean().item()
    assert math.isfinite(divergence)
    # Nothing is as if it had not been quantised, and nothing is noise.
    assert 1e-6 < divergence < {2: 12, 3: 2}.get(parse_recipe(recipe).weight_bits, 0.6)


@pytest.mark.parametrize("recipe", ["w4a16", "w4a16-g32", "w4a16-g32-asym", "w3a16-g64-asym", "w8a8", "fp8"])
def test_rounding_to_nearest_is_ours(made: Callable[[str], Made], ours: Ours, recipe: str) -> None:
    source, written = layers(loaded(ours.source.weights)), layers(loaded(made(recipe).path))
    assert set(source) == set(written)
    for name, layer in source.items():
        mine = fake_quantise(layer.weight.data.bfloat16(), parse_recipe(recipe)).float()
        step = (mine - written[name].weight.data).abs()
        # llm-compressor rounds in 16 bits, so that what lies halfway may go the other way.
        assert (step > 0.01 * mine.abs().max()).float().mean() < 0.05, name


def layer_errors(ours: Ours, folder: Path) -> dict[str, float]:
    """||(W - Wq) X|| of each layer, with the inputs that the unquantised model gives it."""
    model = loaded(ours.source.weights)
    tokenizer = transformers.AutoTokenizer.from_pretrained(ours.source.weights)
    inputs: dict[str, list[Any]] = {name: [] for name in layers(model)}
    hooks = [
        layer.register_forward_pre_hook(lambda _, given, name=name: inputs[name].append(given[0].flatten(0, 1)))
        for name, layer in layers(model).items()
    ]
    with torch.no_grad():
        for piece in token_pieces(ours.calibration, tokenizer, 512):
            model(torch.tensor([piece]))
    for hook in hooks:
        hook.remove()
    written = layers(loaded(folder))
    return {
        name: torch.linalg.norm(torch.cat(inputs[name]) @ (layer.weight.data - written[name].weight.data).T).item()
        for name, layer in layers(model).items()
    }


@pytest.mark.parametrize("bits", ["w4a16-g32", "w3a16", "w2a16-g64-asym"])
def test_gptq_errs_less_than_rounding_on_its_calibration(made: Callable[[str], Made], ours: Ours, bits: str) -> None:
    rounded, second_order = layer_errors(ours, made(bits).path), layer_errors(ours, made(f"{bits}-gptq").path)
    assert {name for name in rounded if second_order[name] >= rounded[name]} == set()


@pytest.mark.parametrize("recipe", ["w3a16-g64-asym-gptq-lorc8", "w8a8-smoothquant-lorc4"])
def test_factors_take_the_largest_part_of_what_was_lost(made: Callable[[str], Made], ours: Ours, recipe: str) -> None:
    from safetensors.torch import load_file

    checkpoint, rank = made(recipe), parse_recipe(recipe).lorc_rank
    factors = load_file(checkpoint.path / ADAPTER / "adapter_model.safetensors")
    source, written = layers(loaded(ours.source.weights)), layers(loaded(checkpoint.path))
    for name, layer in source.items():
        up, down = (factors[f"base_model.model.{name}.lora_{side}.weight"].float() for side in "BA")
        assert up.shape[1] == down.shape[0] == rank
        if "smoothquant" in recipe:
            # What was rounded is not the source's weight but a scaled one, within half a step of which it is.
            assert (up @ down).norm() < 0.02 * written[name].weight.data.norm()
            continue
        lost = layer.weight.data - written[name].weight.data
        kept = torch.linalg.svdvals(lost)[:rank].square().sum()
        fell = lost.square().sum() - (lost - up @ down).square().sum()
        # The factors are rounded to 16 bits.
        assert fell.item() == pytest.approx(kept.item(), rel=5e-3)


def test_served_with_its_adapter_it_computes_the_sum(made: Callable[[str], Made]) -> None:
    pytest.importorskip("peft", reason="needs the extra [compress]")
    from safetensors.torch import load_file

    folder = made("w3a16-g64-asym-gptq-lorc8").path
    factors = load_file(folder / ADAPTER / "adapter_model.safetensors")
    tokens = torch.arange(3, 120).unsqueeze(0)
    served, folded = loaded(folder), loaded(folder)
    served.load_adapter(str(folder / ADAPTER))
    for name, layer in layers(folded).items():
        up, down = (factors[f"base_model.model.{name}.lora_{side}.weight"].float() for side in "BA")
        layer.weight.data += up @ down
    with torch.no_grad():
        assert (served(tokens).logits - folded(tokens).logits).abs().max() <= 1e-3


@pytest.mark.parametrize("recipe", ["w4a16-g32-gptq", "w4a8", "w2a16-g32", "w3a16-g64-asym-gptq-lorc8"])
def test_the_engine_serves_it_with_its_factors(made: Callable[[str], Made], recipe: str) -> None:
    pytest.importorskip("peft", reason="needs the extra [compress]")
    checkpoint, prompt, completion = made(recipe), "def add(a, b):\n    return", " a + b\n"
    # A folder made here is known by its recipe.
    assert find_model(str(checkpoint.path), "nano").default_precision == recipe
    engine = TransformersEngine(str(checkpoint.path), recipe)
    scored = engine.score([(prompt, completion)])[0].logprobs
    described = engine.describe()
    engine.close()
    assert described.precision == recipe
    model = loaded(checkpoint.path, torch.bfloat16)
    if "lorc" in recipe:
        model.load_adapter(str(checkpoint.path / ADAPTER))
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint.path)
    before, after = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, completion))
    with torch.no_grad():
        logits = model(torch.tensor([before + after])).logits[0].float().log_softmax(-1)
    wanted = [logits[len(before) - 1 + place, token].item() for place, token in enumerate(after)]
    assert scored == pytest.approx(wanted, abs=0.1)


def test_coarse_activations_pass_the_self_check_and_are_rounded_after_it(made: Callable[[str], Made]) -> None:
    engines = [TransformersEngine(str(made(recipe).path), recipe) for recipe in ("w16a4", "w16a8")]
    coarse, fine = (engine.score([("def add(a, b):", "\n    return")])[0].logprobs for engine in engines)
    assert coarse != pytest.approx(fine, abs=1e-3)


def test_the_same_is_found_again_and_nothing_is_overwritten(ours: Ours, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    first = quantise(ours.source, parse_recipe("w4a16-g32"), ours.calibration, folder)
    before = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    again = quantise(ours.source, parse_recipe("w4a16-g32-sym-rtn"), None, folder)
    assert (first.found, again.found) == (False, True)
    assert again.record == first.record
    with pytest.raises(UserError, match=r"is there already, w4a16-g32 of nano-250k, made otherwise"):
        quantise(ours.source, parse_recipe("w8a8"), ours.calibration, folder)
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(UserError, match="is there already, not a checkpoint made here"):
        quantise(ours.source, parse_recipe("w4a16-g32"), ours.calibration, other)
    assert before == {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    assert list(other.iterdir()) == []


def test_other_texts_or_another_seed_make_another_key(ours: Ours, tmp_path: Path) -> None:
    texts = list(ours.calibration.texts())
    others = [of_texts("prompts", "same", texts, 1), of_texts("prompts", "other", texts[1:], 0)]
    keys = {
        quantise(ours.source, parse_recipe("w8a8-smoothquant"), one, tmp_path / str(place)).record.key
        for place, one in enumerate((ours.calibration, *others))
    }
    assert len(keys) == 3


@pytest.mark.parametrize("step", ["loading", "quantising", "factoring"])
def test_an_interruption_leaves_nothing(ours: Ours, tmp_path: Path, step: str) -> None:
    def interrupt(now: str, done: int, total: int) -> None:
        if now == step and done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quantise(ours.source, parse_recipe("w4a16-lorc2"), None, tmp_path / "made", interrupt)
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_leaves_is_never_taken_for_a_checkpoint(tmp_path: Path) -> None:
    arguments = ("quantise", "250k", "w8a8-gptq", "--family", "nano", "--out", "made")
    run = started(tmp_path, *arguments)
    deadline = time.monotonic() + 120
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    run.kill()
    run.communicate()
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".made.")
    assert read_record(left) is None
    done = codebudget(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["made"]


def test_an_interrupt_ends_the_command(tmp_path: Path) -> None:
    run = started(tmp_path, "quantise", "250k", "w8a8-gptq", "--family", "nano", "--out", "made")
    deadline = time.monotonic() + 120
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, complaint = run.communicate(timeout=120)
    assert run.returncode == 130
    assert len(complaint.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, repository: Path) -> None:
    # No file may grow beyond what a tokenizer takes.
    most = 100_000
    command = [sys.executable, "-m", "codebudget", "quantise", "250k", "w8a8", "--family", "nano", "--out", "made"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "free some space" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_what_it_made(tmp_path: Path) -> None:
    # Through the interpreter that another environment would have.
    command = [sys.executable, "-m", "codebudget", "quantise", "250k", "W4A16-g32-asym", "--family", "nano"]
    runs = [
        subprocess.run([*command, *more, "--json"], cwd=tmp_path, capture_output=True, text=True, check=False)
        for more in (["--compress-python", sys.executable], [])
    ]
    assert [done.returncode for done in runs] == [0, 0], runs[0].stderr
    first, second = (json.loads(done.stdout) for done in runs)
    assert {"path", "predicted_bytes", "written_bytes", "effective_bits"} <= set(first)
    assert first["written_bytes"] == pytest.approx(first["predicted_bytes"], rel=0.01)
    assert first["effective_bits"] == pytest.approx(4.625)
    assert (first["path"], second["found"]) == (second["path"], True)
    assert (tmp_path / first["path"] / RECORD).is_file()
    assert [file.name for file in tmp_path.iterdir()] == [".codebudget"]


def test_too_little_text_is_one_line(ours: Ours, tmp_path: Path) -> None:
    few = of_texts("file", "few.txt", ["def add(a, b):\n    return a + b\n"], 0)
    with pytest.raises(UserError, match=r"few\.txt has \d+ tokens, too few .* at least 4096 with `calibration`"):
        quantise(ours.source, parse_recipe("w4a16-gptq"), few, tmp_path / "made")
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_linear_layers_is_one_line(ours: Ours, tmp_path: Path) -> None:
    config = transformers.GPT2Config(n_layer=1, n_embd=32, n_head=2, n_positions=64, vocab_size=1024)
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path / "gpt2")
    transformers.AutoTokenizer.from_pretrained(ours.source.weights).save_pretrained(tmp_path / "gpt2")
    model = find_model(str(tmp_path / "gpt2"), "nano")
    checkpoint = find_checkpoint(weights_of(model))
    source = Source("gpt2", checkpoint.source, checkpoint.revision, None, model.architecture)
    with pytest.raises(UserError, match="gpt2 has no linear layers that llm-compressor can quantise"):
        quantise(source, parse_recipe("w8a8"), None, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_what_llm_compressor_cannot_do_is_one_line(ours: Ours, tmp_path: Path) -> None:
    nothing = Calibration("file", "key", 0, "nothing", lambda: ["x = 1\n" * 5000])
    broken = ours.source._replace(weights=str(tmp_path / "absent"))
    with pytest.raises(MachineError, match="cannot load nano-250k"):
        quantise(broken, parse_recipe("w4a16-gptq"), nothing, tmp_path / "made")
    assert list(tmp_path.iterdir()) == []


def test_a_mixed_recipe_quantises_what_it_lists_alone(ours: Ours, tmp_path: Path) -> None:
    names = ("model.layers.0.mlp.up_proj", "model.layers.3.self_attn.q_proj")
    found = quantise(ours.source, parse_recipe("w4a16"), None, tmp_path / "mixed", components=names)
    assert found.record.components == names
    assert found.record.tensor_bytes == pytest.approx(found.record.predicted_bytes, rel=0.01)
    assert 4 < found.record.effective_bits < 4.5
    assert read_record(found.path) == found.record
    whole = quantise(ours.source, parse_recipe("w4a16"), None, tmp_path / "whole")
    assert whole.record.key != found.record.key
    original = transformers.AutoModelForCausalLM.from_pretrained(ours.source.weights, dtype=torch.bfloat16)
    engine = TransformersEngine(str(found.path), "w4a16")
    # Packed weights are unpacked when the model first runs.
    engine.check()
    stored = dict(engine.network.named_modules())
    for name, module in original.named_modules():
        if isinstance(module, torch.nn.Linear) and "layers" in name:
            weight, before = stored[name].weight.data.float(), module.weight.data
            if name in names:
                rounded = fake_quantise(before, parse_recipe("w4a16")).float()
                # A weight halfway between two codes may go either way in 16 bits.
                assert float((weight - rounded).abs().gt(0.01 * float(before.abs().max())).double().mean()) < 0.01
                assert not torch.equal(weight, before.float())
            else:
                assert torch.equal(weight, before.float()), name
    engine.close()
    with pytest.raises(UserError, match=r"lists model\.layers\.9\.x"):
        quantise(ours.source, parse_recipe("w4a16"), None, tmp_path / "other", components=("model.layers.9.x",))
    assert not (tmp_path / "other").exists()
