import json
from pathlib import Path
from typing import Any

import pytest
from codebudget.budgets.architecture import Architecture
from codebudget.budgets.memory import kv_bytes_per_token
from codebudget.budgets.models import families, find_model
from codebudget.errors import UserError

CASES: dict[str, Any] = json.loads((Path(__file__).parent / "architectures.json").read_text(encoding="utf-8"))

TINY: dict[str, Any] = {
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 8,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 12,
    "vocab_size": 10,
}

PUBLISHED = {
    "codellama-7b": 6_738_546_688,
    "codellama-13b": 13_016_028_160,
    "codellama-34b": 33_743_970_304,
    "codellama-70b": 68_976_910_336,
    "llama-3-8b": 8_030_261_248,
    "llama-3-70b": 70_553_706_496,
    "llama-7b": 6_738_415_616,
    "llama-13b": 13_015_864_320,
    "llama-33b": 32_528_943_616,
    "llama-65b": 65_285_660_672,
    "llama-3.1-405b": 405_853_388_800,
    "qwen2.5-coder-0.5b": 494_032_768,
    "qwen2.5-coder-7b": 7_615_616_512,
    "qwen2.5-coder-32b": 32_763_876_352,
    "qwen3-30b-a3b": 30_532_122_624,
    "deepseek-coder-1.3b": 1_346_471_936,
    "deepseek-coder-33b": 33_342_991_360,
    "mixtral-8x7b": 46_702_792_704,
}


def tensor_shapes(config: dict[str, Any]) -> list[tuple[int, ...]]:
    """Every tensor of a Llama checkpoint, written out one by one."""
    hidden, ffn, vocab = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    heads = config["num_attention_heads"]
    kv_heads = config.get("num_key_value_heads") or heads
    head_dim = config.get("head_dim") or hidden // heads
    shapes: list[tuple[int, ...]] = [(vocab, hidden), (hidden,)]
    if not config.get("tie_word_embeddings"):
        shapes.append((vocab, hidden))
    for _ in range(config["num_hidden_layers"]):
        attention = [(heads * head_dim, hidden), (kv_heads * head_dim, hidden), (kv_heads * head_dim, hidden)]
        attention.append((hidden, heads * head_dim))
        mlp = [(ffn, hidden), (ffn, hidden), (hidden, ffn)]
        shapes += [(hidden,), (hidden,), *attention, *mlp]
        if config.get("attention_bias"):
            shapes += [(rows,) for rows, _ in attention]
        if config.get("mlp_bias"):
            shapes += [(rows,) for rows, _ in mlp]
    return shapes


def product(shape: tuple[int, ...]) -> int:
    return shape[0] * (shape[1] if len(shape) == 2 else 1)


@pytest.mark.parametrize(("name", "total"), PUBLISHED.items())
def test_parameters_equal_published_total(name: str, total: int) -> None:
    assert find_model(name).architecture.parameter_count() == total


@pytest.mark.parametrize("name", CASES)
def test_known_models_are_read_to_the_parameter(name: str) -> None:
    case, shape = CASES[name], Architecture.from_config(CASES[name]["config"])
    assert shape.parameter_count() == case["parameters"]
    assert kv_bytes_per_token(shape) == case["kv_bytes_per_token"]
    assert (shape.sliding_window, shape.sliding_layers) == (case["sliding_window"], case["sliding_layers"])


def test_a_decoder_inside_is_counted_alone_where_only_text_passes() -> None:
    config = CASES["gemma-3-4b-nested"]["config"]
    whole, text = Architecture.from_config(config), Architecture.from_config(config["text_config"])
    assert text.parameter_count() == whole.active_parameter_count() == 3_880_263_168


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "gemma3", "text_config": {"model_type": "llama"}}, "lacks hidden_size"),
        ({"model_type": "gemma3", "text_config": {"model_type": "new"}}, "'new' in config.json is not supported"),
        ({"model_type": "gemma3", "text_config": [1]}, "text_config must be an object"),
        ({"model_type": "gpt_oss", "layer_types": ["full_attention"]}, "for each of the 2 layers"),
        ({"model_type": "gpt_oss", "layer_types": ["full_attention", "odd"]}, "full_attention, sliding_attention"),
        ({"model_type": "qwen3_next", "linear_num_key_heads": 3}, "not a multiple of linear_num_key_heads"),
        ({"model_type": "gpt_neo", "num_layers": 3, "num_heads": 4, "attention_types": 5}, "attention_types must give"),
        ({"model_type": "qwen3_moe", "mlp_only_layers": 3}, "mlp_only_layers must be a list"),
    ],
)
def test_a_newer_config_that_makes_no_sense_is_the_users_mistake(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Architecture.from_config({**TINY, **change})


def test_an_encoder_that_is_not_known_is_refused() -> None:
    config = {"model_type": "gemma3", "text_config": CASES["gemma-3-4b-nested"]["config"]["text_config"]}
    with pytest.raises(UserError, match="image encoder of type 'clip'"):
        Architecture.from_config({**config, "vision_config": {"model_type": "clip"}})


def test_an_unknown_architecture_is_refused_with_three_ways_on() -> None:
    with pytest.raises(UserError) as refused:
        Architecture.from_config({**TINY, "model_type": "mamba"})
    for way in ("would give a wrong cost", "a copy of its config.json", "codebudget execute", "request support"):
        assert way in str(refused.value)


def test_every_catalogue_entry_agrees_with_its_own_total_and_names_a_source() -> None:
    for family in families():
        for model in family.models:
            count = model.architecture.parameter_count()
            if model.published_exact:
                assert count == model.published_parameters, model.name
            elif model.name != "codegen-6b":  # The paper says 6.1e9 of a shape that has 7.06e9.
                assert count == pytest.approx(model.published_parameters, rel=0.03), model.name
            assert model.source


@pytest.mark.parametrize(
    ("name", "billions"),
    [("mixtral-8x7b", 12.9), ("qwen3-30b-a3b", 3.3), ("deepseek-v3", 37.0), ("llama-3.1-8b", 8.0)],
)
def test_active_parameters_are_those_that_were_published(name: str, billions: float) -> None:
    # Jiang et al. 2024 (arXiv 2401.04088), Yang et al. 2025 (2505.09388), DeepSeek-AI 2024 (2412.19437).
    assert find_model(name).architecture.active_parameter_count() / 1e9 == pytest.approx(billions, rel=0.02)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"num_key_value_heads": None},
        {"head_dim": 5},
        {"tie_word_embeddings": True},
        {"attention_bias": True},
        {"mlp_bias": True},
        {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True, "head_dim": 3},
    ],
)
def test_parameters_equal_the_sum_of_all_tensors(change: dict[str, Any]) -> None:
    config = {**TINY, **change}
    expected = sum(product(shape) for shape in tensor_shapes(config))
    assert Architecture.from_config(config).parameter_count() == expected


def test_a_plain_ffn_has_one_matrix_less() -> None:
    gated = Architecture.from_config(TINY)
    plain = gated.model_copy(update={"gated_ffn": False})
    assert gated.parameter_count() - plain.parameter_count() == 2 * 8 * 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "mamba"}, "'mamba'.*supported: llama, mistral"),
        ({"model_type": None}, "not supported"),
        ({"hidden_size": None}, "lacks hidden_size"),
        ({"vocab_size": "many"}, "vocab_size"),
        ({"vocab_size": True}, "vocab_size"),
        ({"num_hidden_layers": 0}, "num_hidden_layers"),
        ({"num_key_value_heads": 3}, "not a multiple"),
        ({"hidden_size": 9}, "add head_dim"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings"),
        ({"hidden_size": 10**400}, r"hidden_size is a number of 1329 bits, above the limit of 2147483648"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000, above the limit of 10000"),
        ({"vocab_size": "x" * 10**6}, r"vocab_size must be a whole number .*'\.\.\.$"),
        ({"model_type": "x" * 10**6}, r"model_type 'x{197}'\.\.\. in config\.json is not supported"),
    ],
)
def test_a_config_that_makes_no_sense_is_the_users_mistake(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Architecture.from_config({**TINY, **change})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({**TINY, "model_type": "qwen2", "num_key_value_heads": 2} | {"vocab_size": None}, "lacks vocab_size"),
        (
            {key: value for key, value in TINY.items() if key != "num_key_value_heads"} | {"model_type": "qwen2"},
            "lacks",
        ),
        ({**TINY, "model_type": "mixtral", "num_local_experts": 2, "num_experts_per_tok": 3}, "exceeds the 2 experts"),
        ({**TINY, "model_type": "deepseek_v3", "moe_layer_freq": 2}, "moe_layer_freq"),
        ({**TINY, "model_type": "mistral", "sliding_window": 0}, "sliding_window"),
        (
            {"model_type": "codegen", "n_layer": 2, "n_embd": 9, "n_head": 2, "vocab_size": 8},
            "not a multiple of 2 heads",
        ),
    ],
)
def test_each_model_type_says_what_its_config_lacks(config: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Architecture.from_config(config)


@pytest.mark.parametrize(
    ("change", "window", "layers"),
    [
        ({"model_type": "mistral", "sliding_window": 6}, 6, 2),
        ({"model_type": "mistral", "sliding_window": None}, None, 0),
        ({"model_type": "mistral"}, 4096, 2),
        ({"model_type": "starcoder2", "sliding_window": 5}, 5, 2),
        ({"model_type": "qwen2", "sliding_window": 5, "use_sliding_window": False}, None, 0),
        ({"model_type": "qwen2", "sliding_window": 5, "use_sliding_window": True, "max_window_layers": 1}, 5, 1),
    ],
)
def test_sliding_windows(change: dict[str, Any], window: int | None, layers: int) -> None:
    shape = Architecture.from_config({**TINY, **change})
    assert (shape.sliding_window, shape.sliding_layers) == (window, layers)


def test_a_local_folder_or_config_file_is_a_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**TINY, "torch_dtype": "bfloat16"}))
    for name in (str(tmp_path), str(tmp_path / "config.json")):
        model = find_model(name)
        assert model.architecture == Architecture.from_config(TINY)
        assert model.default_precision == "bf16"
        assert model.name == model.path == name


@pytest.mark.parametrize(
    ("extra", "precision"),
    [
        ({}, None),
        ({"dtype": "float32"}, "fp32"),
        ({"torch_dtype": "float16", "quantization_config": {"quant_method": "gptq", "bits": 4}}, "int4"),
        ({"torch_dtype": "float16", "quantization_config": {"quant_method": "gptq", "bits": 3}}, "w3a16-g128"),
        ({"text_config": {"dtype": "torch.bfloat16"}}, "bf16"),
        ({"torch_dtype": "float16", "quantization_config": {"quant_method": "new"}}, None),
        ({"torch_dtype": "bfloat16", "quantization_config": {"quant_method": "fp8"}}, "fp8"),
        ({"torch_dtype": "bfloat16", "quantization_config": "fp8"}, None),
        ({"torch_dtype": ["bfloat16"], "quantization_config": {"quant_method": ["fp8"]}}, None),
    ],
)
def test_default_precision_of_a_local_model(tmp_path: Path, extra: dict[str, Any], precision: str | None) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**TINY, **extra}))
    assert find_model(str(tmp_path)).default_precision == precision


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"model_type": "gpt_neox"}',
        "\xff",
        "[" * 100_000,
        '{"a": NaN}',
        f'{{"a": {10**400}}}',
        " " * 5_000_000,
    ],
)
def test_a_broken_config_names_its_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=r"config\.json"):
        find_model(str(tmp_path))


def test_a_folder_without_config_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"contains no config\.json"):
        find_model(str(tmp_path))
