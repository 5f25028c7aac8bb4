"""Precisions of quantised checkpoints, by the `quantization_config` that each tool writes."""

import json
from pathlib import Path
from typing import Any

import pytest
from codebudget.budgets.architecture import Architecture
from codebudget.budgets.memory import effective_bits, weight_bytes
from codebudget.budgets.models import find_model
from codebudget.budgets.precision import precision_scheme
from codebudget.budgets.quantised import read_quantisation
from codebudget.errors import UserError

SHAPE: dict[str, Any] = {
    "model_type": "qwen3",
    "hidden_size": 4096,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 12288,
    "vocab_size": 151936,
    "torch_dtype": "bfloat16",
}
MIXTURE: dict[str, Any] = {
    **SHAPE,
    "model_type": "qwen3_moe",
    "num_hidden_layers": 4,
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 768,
}


def groups(
    weights: dict[str, Any], activations: dict[str, Any] | None = None, targets: list[str] | None = None, **more: Any
) -> dict[str, Any]:
    group = {"weights": weights, "input_activations": activations, "targets": targets or ["Linear"]}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}, "ignore": ["lm_head"], **more}


def integers(bits: int, group: int | None = None, *, symmetric: bool = True) -> dict[str, Any]:
    strategy = "channel" if group is None else "group"
    return {"num_bits": bits, "type": "int", "strategy": strategy, "group_size": group, "symmetric": symmetric}


def floats(bits: int, group: int | None = None) -> dict[str, Any]:
    return {"num_bits": bits, "type": "float", "group_size": group, "symmetric": True}


def torchao(kind: str, **data: Any) -> dict[str, Any]:
    return {"quant_method": "torchao", "quant_type": {"default": {"_type": kind, "_data": data}}}


def bitsandbytes(**options: Any) -> dict[str, Any]:
    return {"quant_method": "bitsandbytes", "load_in_4bit": True, **options}


PRECISIONS: list[tuple[dict[str, Any], str, float]] = [
    (groups(integers(4, 128)), "int4", 4.125),
    (groups(integers(4, 128, symmetric=False)), "w4a16-g128-asym", 4.156),
    (groups(integers(4, 32)), "w4a16-g32", 4.5),
    (groups(integers(8, 128)), "w8a16-g128", 8.125),
    (groups(integers(3, 64)), "w3a16-g64", 3.25),
    (groups(integers(8), integers(8)), "int8", 8.003),
    (groups(integers(4, 128), floats(8)), "w4a8-g128", 4.125),
    (groups(floats(8)), "fp8", 8.003),
    (groups({**floats(8), "strategy": "block", "block_structure": [128, 128]}), "fp8", 8.003),
    (groups(floats(4, 16)), "nvfp4", 4.5),
    (groups(floats(4, 32)), "mxfp4", 4.25),
    (groups(floats(8, 32), floats(8, 32)), "mxfp8", 8.25),
    ({"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True}, "int4", 4.125),
    ({"quant_method": "gptq", "bits": 8, "group_size": 32, "sym": True}, "w8a16-g32", 8.5),
    ({"quant_method": "gptq", "bits": 3, "group_size": -1, "desc_act": True}, "w3a16", 3.003),
    ({"quant_method": "gptq", "bits": 2, "group_size": 64, "sym": False}, "w2a16-g64-asym", 2.281),
    ({"quant_method": "gptq_marlin", "bits": 4, "group_size": 64}, "w4a16-g64", 4.25),
    ({"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}, "w4a16-g128-asym", 4.156),
    ({"quant_method": "awq", "w_bit": 4, "q_group_size": 64, "zero_point": False}, "w4a16-g64", 4.25),
    ({"quant_method": "awq"}, "w4a16-g128-asym", 4.156),
    ({"quant_method": "auto-round", "bits": 2, "group_size": 128, "sym": True}, "w2a16-g128", 2.125),
    ({"quant_method": "auto-round", "bits": 4, "data_type": "mx_fp", "group_size": 32}, "mxfp4", 4.25),
    (bitsandbytes(bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True), "nf4", 4.127),
    (bitsandbytes(bnb_4bit_quant_type="nf4"), "nf4-single", 4.5),
    (bitsandbytes(bnb_4bit_quant_type="fp4", bnb_4bit_use_double_quant=True), "fp4", 4.127),
    (bitsandbytes(), "fp4-single", 4.5),
    ({"load_in_8bit": True}, "int8", 8.003),
    ({"quant_method": "bitsandbytes", "load_in_8bit": True, "load_in_4bit": False}, "int8", 8.003),
    (torchao("Int4WeightOnlyConfig", group_size=128), "int4", 4.125),
    (torchao("Int4WeightOnlyConfig", group_size=32), "w4a16-g32", 4.5),
    (torchao("Int8WeightOnlyConfig"), "w8a16", 8.003),
    (torchao("Int8DynamicActivationInt8WeightConfig"), "int8", 8.003),
    (torchao("Int8DynamicActivationInt4WeightConfig", group_size=32), "w4a8-g32", 4.5),
    (torchao("Float8DynamicActivationFloat8WeightConfig"), "fp8", 8.003),
    (torchao("UIntXWeightOnlyConfig", dtype="torch.uint3", group_size=64), "w3a16-g64-asym", 3.297),
    (
        torchao("IntxWeightOnlyConfig", weight_dtype="torch.int5", granularity={"_data": {"group_size": 32}}),
        "w5a16-g32",
        5.5,
    ),
    (
        {"quant_method": "torchao", "quant_type": "int4_weight_only", "quant_type_kwargs": {"group_size": 64}},
        "w4a16-g64",
        4.25,
    ),
    ({"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head"]}, "nvfp4", 4.5),
    ({"quant_method": "modelopt", "quant_algo": "FP8"}, "fp8", 8.003),
    ({"quantization": {"quant_algo": "W4A16_AWQ", "group_size": 64}, "producer": {}}, "w4a16-g64", 4.25),
    ({**groups(floats(4, 16)), "quant_method": "modelopt"}, "nvfp4", 4.5),
    ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8", 8.003),
    ({"quant_method": "fbgemm_fp8"}, "fp8", 8.003),
    ({"quant_method": "mxfp8"}, "mxfp8", 8.25),
    ({"quant_method": "mxfp4"}, "mxfp4", 4.25),
    ({"quant_method": "nvfp4"}, "nvfp4", 4.5),
    ({"quant_method": "eetq"}, "w8a16", 8.003),
    ({"quant_method": "quanto", "weights": "int8"}, "w8a16", 8.003),
]


@pytest.mark.parametrize(("block", "precision", "bits"), PRECISIONS)
def test_each_tool_is_read_at_its_effective_bits(block: dict[str, Any], precision: str, bits: float) -> None:
    config = {**SHAPE, "quantization_config": block}
    found = read_quantisation(config)
    assert found is not None
    assert found.precision == precision
    assert effective_bits(Architecture.from_config(config), precision) == pytest.approx(bits, abs=1e-3)


@pytest.mark.parametrize(
    "block",
    [
        {"quant_method": "aqlm"},
        {"quant_method": ["gptq"]},
        {"quant_method": "gptq", "bits": "many"},
        {"quant_method": "gptq", "bits": 4, "dynamic": {"+:.*down_proj": {"bits": 8}}},
        {"quant_method": "awq", "bits": 99},
        {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"},
        {
            "quant_method": "compressed-tensors",
            "config_groups": {"a": {"weights": integers(4)}, "b": {"weights": integers(8)}},
        },
        {"quant_method": "compressed-tensors", "config_groups": []},
        {"quant_method": "compressed-tensors", "config_groups": {"a": {"weights": {"num_bits": 6, "type": "float"}}}},
        {"quant_method": "torchao", "quant_type": {"lm_head": {"_type": "A"}, "default": {"_type": "B"}}},
        {"quant_method": "torchao", "quant_type": {"default": ["Int4WeightOnlyConfig"]}},
        torchao("FutureConfig"),
        {"quant_method": "fp8", "expert_dtype": "fp4"},
        {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "odd"},
        "fp8",
    ],
)
def test_what_is_not_read_has_no_precision(block: Any, tmp_path: Path) -> None:
    config = {**SHAPE, "quantization_config": block}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert find_model(str(tmp_path)).default_precision is None
    found = read_quantisation(config)
    assert found is not None
    assert found.precision is None


def test_a_quantisation_is_found_in_a_decoder_inside() -> None:
    inside = {"text_config": {**SHAPE, "quantization_config": {"quant_method": "fp8"}}}
    found = read_quantisation(inside)
    assert found is not None
    assert found.precision == "fp8"
    assert read_quantisation(SHAPE) is None


@pytest.mark.parametrize(
    ("block", "left"),
    [
        (groups(floats(4, 16), ignore=["lm_head"]), {}),
        (groups(floats(4, 16), ignore=["re:.*self_attn.*"]), {"query", "key", "value", "output"}),
        (groups(floats(4, 16), ignore=["re:.*self_attn[.](q|k)_proj$", "re:.*router"]), {"query", "key"}),
        (groups(floats(4, 16), targets=["re:.*experts.*"]), {"query", "key", "value", "output"}),
        (
            {"quant_method": "modelopt", "quant_algo": "NVFP4", "exclude_modules": ["model.layers.*.self_attn*"]},
            {"query", "key", "value", "output"},
        ),
        ({"quant_method": "mxfp4"}, {"query", "key", "value", "output"}),
        ({"quant_method": "fp8", "modules_to_not_convert": ["o_proj", "mlp.gate"]}, {"output"}),
        ({"quant_method": "gptq", "bits": 4, "dynamic": {"-:.*o_proj": {}}}, {"output"}),
    ],
)
def test_what_a_quantisation_leaves_alone_stays_at_16_bits(block: dict[str, Any], left: set[str]) -> None:
    shape = Architecture.from_config({**MIXTURE, "quantization_config": block})
    assert dict(shape.unquantised) == dict.fromkeys(left, 1.0)
    found = read_quantisation({"quantization_config": block})
    assert found is not None
    assert found.precision is not None
    plain = shape.model_copy(update={"unquantised": ()})
    scheme = precision_scheme(found.precision)
    lost = sum(
        linear.copies * (2 * linear.weights - scheme.matrix_bytes(linear.inputs, linear.outputs))
        for linear in shape.linears()
        if linear.role in left
    )
    assert weight_bytes(shape, found.precision) - weight_bytes(plain, found.precision) == pytest.approx(lost, abs=1)


def test_layers_named_one_by_one_are_counted() -> None:
    ignored = [f"model.layers.{layer}.self_attn.q_proj" for layer in (0, 3)]
    ignored += [f"model.layers.{layer}.mlp.experts.0.down_proj" for layer in range(4)]
    shape = Architecture.from_config({**MIXTURE, "quantization_config": groups(floats(4, 16), ignore=ignored)})
    assert dict(shape.unquantised) == {"query": 0.5, "expert_down": 1.0}


def test_the_experts_of_gpt_oss_are_quantised_alone() -> None:
    shape = find_model("gpt-oss-20b").architecture
    # The published files take 13.76 GB.
    assert weight_bytes(shape, "mxfp4") / 1e9 == pytest.approx(13.76, rel=1e-3)
    assert effective_bits(shape, "mxfp4") == 4.25


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("re:(a+)+$", "too complicated"),
        ("re:.*.*.*.*.*x", "too complicated"),
        ("re:(", "not a valid regular expression"),
        ("re:" + "x" * 400, "too complicated"),
        ("*a*a*a*a*a*a*", "too complicated"),
    ],
)
def test_a_pattern_that_could_take_long_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Architecture.from_config({**SHAPE, "quantization_config": groups(floats(8), ignore=[pattern])})


def test_many_patterns_are_bounded_and_many_names_are_not() -> None:
    block = {**groups(floats(8)), "ignore": [f"re:a{number}" for number in range(1000)]}
    with pytest.raises(UserError, match="1000 patterns for 36 layers"):
        Architecture.from_config({**SHAPE, "quantization_config": block})
    names = [f"model.layers.{layer}.self_attn.q_proj" for layer in range(36)] + [f"other.{n}" for n in range(50_000)]
    shape = Architecture.from_config({**SHAPE, "quantization_config": {**groups(floats(8)), "ignore": names}})
    assert dict(shape.unquantised) == {"query": 1.0}
