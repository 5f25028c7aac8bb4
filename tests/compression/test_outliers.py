"""Outlier dimensions: planted ones are found by index in many families, and the same models are not accused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from codebudget.errors import EngineError, UserError
from codebudget.experiment.outliers import find_outliers
from codebudget.report.outliers import outliers_as_json
from codebudget.settings import Prompting, Running

from support.networks import nano_folder

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch", reason="needs torch (pip install 'codebudget[transformers]')")
transformers = pytest.importorskip("transformers", reason="needs transformers")

from codebudget.compression.outliers import measure_outliers, spectral_norm  # noqa: E402

WIDTH, LAYERS = 64, 4
LLAMA: dict[str, Any] = {
    "vocab_size": 200,
    "hidden_size": WIDTH,
    "intermediate_size": 128,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
}
GPT: dict[str, Any] = {"vocab_size": 200, "n_embd": WIDTH, "n_layer": LAYERS, "n_head": 4, "n_positions": 64}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2Config", GPT),
    "llama": ("LlamaConfig", LLAMA),
    "qwen2": ("Qwen2Config", LLAMA),
    "qwen3": ("Qwen3Config", {**LLAMA, "head_dim": 16}),
    "gemma": ("GemmaConfig", {**LLAMA, "head_dim": 16}),
    "gemma2": ("Gemma2Config", {**LLAMA, "num_key_value_heads": 2, "head_dim": 16}),
    "phi": ("PhiConfig", LLAMA),
    "opt": (
        "OPTConfig",
        {**LLAMA, "ffn_dim": 128, "word_embed_proj_dim": WIDTH, "max_position_embeddings": 64},
    ),
    "neox": ("GPTNeoXConfig", {**LLAMA, "max_position_embeddings": 64}),
    "falcon": ("FalconConfig", {key: value for key, value in LLAMA.items() if key != "intermediate_size"}),
    "bloom": ("BloomConfig", {"vocab_size": 200, "hidden_size": WIDTH, "n_layer": LAYERS, "n_head": 4}),
    "olmo2": ("Olmo2Config", {**LLAMA, "pad_token_id": 0}),
    "mixtral": ("MixtralConfig", {**LLAMA, "num_key_value_heads": 2, "num_local_experts": 4}),
}


def network(family: str) -> Any:
    kind, settings = FAMILIES[family]
    torch.manual_seed(1)
    return transformers.AutoModelForCausalLM.from_config(getattr(transformers, kind)(**settings)).float().eval()


def texts() -> list[list[int]]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, 200, (40,), generator=generator).tolist() for _ in range(6)]


def norms(model: Any) -> list[Any]:
    return [
        module
        for module in model.modules()
        if "norm" in type(module).__name__.lower() and getattr(module, "weight", torch.empty(0)).numel() == WIDTH
    ]


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "olmo2"])
def test_a_planted_dimension_is_found_by_index_and_its_absence_is_not_accused(family: str) -> None:
    clean = measure_outliers(network(family), texts())
    assert clean.dimensions == ()
    assert clean.llm_int8_dimensions == ()
    assert clean.plain_int8
    assert clean.sentence.startswith("Plain INT8 will do")
    assert clean.layers == LAYERS
    assert {row.layer for row in clean.activations} == set(range(LAYERS))
    assert {row.layer for row in clean.attention} == set(range(LAYERS))

    in_stream = network(family)
    with torch.no_grad():
        weight = in_stream.get_input_embeddings().weight
        weight[:, 17] += 40 * weight.std()
    found = measure_outliers(in_stream, texts())
    assert {row.index for row in found.dimensions} == {17}
    assert not found.plain_int8
    assert "dimension 17 breaks" in found.sentence
    worst = max(found.int8, key=lambda row: row.relative)
    assert worst.relative > 3 * worst.relative_kept
    assert worst.rmse > worst.rmse_kept

    by_gain = network(family)
    with torch.no_grad():
        for module in norms(by_gain):
            module.weight[23] += 20
    found = measure_outliers(by_gain, texts())
    assert {row.index for row in found.dimensions} == {23}
    assert found.llm_int8_dimensions == (23,)
    assert all(row.llm_int8 and row.max >= 6 for row in found.dimensions)
    assert not found.plain_int8
    assert found.breaks == tuple(range(LAYERS))
    peaks = [row.peak for row in found.norms if row.kind == "RMSNorm" and row.peak is not None]
    assert all(peak > 15 for peak in peaks)
    assert max(row.std for row in found.norms) > 2


def test_norms_behind_the_modules_leave_the_layers_own_input_to_look_at() -> None:
    assert measure_outliers(network("olmo2"), texts()).dimensions == ()
    model = network("olmo2")
    with torch.no_grad():
        weight = model.get_input_embeddings().weight
        weight[:, 17] += 40 * weight.std()
    found = measure_outliers(model, texts())
    # What a dominant dimension causes further on can stand out too.
    assert {row.index for row in found.dimensions if row.layer == 0} == {17}
    assert not found.plain_int8


@pytest.mark.parametrize(("family", "kind"), [("llama", "RMSNorm"), ("gemma", "RMSNorm"), ("gpt2", "LayerNorm")])
def test_gains_are_those_that_act_however_they_are_stored(family: str, kind: str) -> None:
    model = network(family)
    torch.manual_seed(3)
    gains = 1 + 0.3 * torch.rand(WIDTH)
    with torch.no_grad():
        for module in norms(model):
            module.weight.copy_(gains - 1 if family == "gemma" else gains)
    for row in measure_outliers(model, texts()).norms:
        assert row.kind == kind
        assert row.std == pytest.approx(float(gains.std(correction=0)), rel=1e-3)
        if kind == "RMSNorm":
            assert row.peak == pytest.approx(float(gains.max() / gains.median()), rel=1e-3)
        else:
            assert row.peak is None


def test_a_model_with_large_gains_everywhere_has_no_outliers() -> None:
    model = network("llama")
    with torch.no_grad():
        for module in norms(model):
            module.weight.mul_(20)
    found = measure_outliers(model, texts())
    assert found.dimensions == ()
    assert found.plain_int8
    # The published rule counts absolute magnitudes.
    assert len(found.llm_int8_dimensions) == WIDTH


def test_kurtosis_and_deviation_are_those_of_what_enters() -> None:
    model, ids = network("llama"), texts()
    seen: dict[int, list[Any]] = {}
    for place, layer in enumerate(model.model.layers):
        layer.self_attn.q_proj.register_forward_pre_hook(
            lambda _, inputs, place=place: seen.setdefault(place, []).append(inputs[0][0].double())
        )
    found = measure_outliers(model, ids)
    for row in found.activations:
        if "self_attn.q_proj" not in row.inputs_of:
            continue
        rows = torch.cat(seen[row.layer][: len(ids)])
        centred = rows - rows.mean()
        kurtosis = float((centred**4).mean() / (centred**2).mean() ** 2 - 3)
        assert row.kurtosis == pytest.approx(kurtosis, abs=1e-4)
        assert row.token_std == pytest.approx(float(rows.std(dim=1, correction=0).mean()), rel=1e-5)
        assert row.max == pytest.approx(float(rows.abs().max()))


@pytest.mark.parametrize("shape", [(8, 8), (64, 16), (16, 64), (200, 200)])
def test_spectral_norm_is_the_largest_singular_value(shape: tuple[int, int]) -> None:
    torch.manual_seed(shape[0])
    matrix = torch.randn(shape)
    assert spectral_norm(matrix) == pytest.approx(float(torch.linalg.svdvals(matrix)[0]), rel=1e-3)
    assert spectral_norm(torch.zeros(shape)) == 0


def test_broken_weights_and_no_texts_are_said() -> None:
    model = network("llama")
    with pytest.raises(UserError, match="there are none"):
        measure_outliers(model, [])
    with torch.no_grad():
        model.model.embed_tokens.weight[:, 3] = float("nan")
    with pytest.raises(EngineError, match="not a number"):
        measure_outliers(model, texts())


def test_by_name_with_prompts_and_cost(tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text('{"text": "def add(x, y):\\n    return x + y\\n"}\n' * 6)
    running, prompting = Running(family="nano"), Prompting(prompts=str(tmp_path / "prompts.jsonl"))
    assert find_outliers("250k", prompting, running).outliers.plain_int8

    def plant(model: Any) -> None:
        for layer in model.model.layers:
            layer.input_layernorm.weight.data[40] *= 40

    result = find_outliers(str(nano_folder(tmp_path / "planted", plant)), prompting, running)
    answer = outliers_as_json(result)
    assert {row["index"] for row in answer["dimensions"]} == {40}
    assert not answer["plain_int8"]
    assert answer["cost"]["flops"] > 0
