"""Which files a model is, and which precisions it can be run at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from codebudget.errors import UserError
from codebudget.sampler.engines.checkpoint import check_precision, find_checkpoint

if TYPE_CHECKING:
    from pathlib import Path


def model(folder: Path, quantisation: dict[str, Any] | None = None, weights: bytes = b"weights") -> str:
    folder.mkdir(exist_ok=True)
    config: dict[str, Any] = {"model_type": "llama"} | ({"quantization_config": quantisation} if quantisation else {})
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(weights)
    return str(folder)


def groups(bits: int, kind: str, size: int | None = None) -> dict[str, Any]:
    weights = {"num_bits": bits, "type": kind, "group_size": size}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": weights}}}


def test_a_revision_follows_what_can_change_a_text(tmp_path: Path) -> None:
    first = find_checkpoint(model(tmp_path / "a"))
    assert (len(first.revision), first.commit, first.weight_bytes) == (64, None, 7)
    assert find_checkpoint(model(tmp_path / "b")).revision == first.revision
    (tmp_path / "b" / "README.md").write_text("a card")
    assert find_checkpoint(str(tmp_path / "b")).revision == first.revision
    (tmp_path / "b" / "tokenizer.json").write_text("{}")
    assert find_checkpoint(str(tmp_path / "b")).revision != first.revision
    assert find_checkpoint(model(tmp_path / "c", weights=b"WEIGHTS")).revision != first.revision


def test_an_adapter_is_part_of_a_checkpoint_and_its_record_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    first = find_checkpoint(model(folder, groups(4, "int", 32)))
    (folder / "codebudget-checkpoint.json").write_text('{"wall_s": 1.5}')
    assert find_checkpoint(str(folder)).revision == first.revision
    (folder / "lorc").mkdir()
    (folder / "lorc" / "adapter_config.json").write_text("{}")
    (folder / "lorc" / "adapter_model.safetensors").write_bytes(b"factors")
    found = find_checkpoint(str(folder))
    assert found.revision != first.revision
    assert (found.adapter, found.weight_bytes) == (str(folder / "lorc"), 14)
    assert check_precision(found, "w4a16-g32-gptq-lorc8", online=(), engine="e") == "w4a16-g32-gptq-lorc8"
    with pytest.raises(UserError, match="has low-rank factors, which are served with it"):
        check_precision(found, "w4a16-g32", online=(), engine="e")
    with pytest.raises(UserError, match="has no low-rank factors: write its precision without -lorc"):
        check_precision(first, "w4a16-g32-lorc8", online=(), engine="e")


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.json is missing"):
        find_checkpoint(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="has no weights"):
        find_checkpoint(str(tmp_path))
    with pytest.raises(UserError, match="neither a folder nor"):
        find_checkpoint("no model at all")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "FP16"])
def test_plain_formats_need_no_quantisation(tmp_path: Path, precision: str) -> None:
    checkpoint = find_checkpoint(model(tmp_path / "a"))
    assert check_precision(checkpoint, precision, online=(), engine="e") == precision.lower()


def test_a_precision_that_nobody_makes_names_the_fix(tmp_path: Path) -> None:
    checkpoint = find_checkpoint(model(tmp_path / "a"))
    with pytest.raises(UserError, match=r"quantise it first \(codebudget quantise .*a int4\)"):
        check_precision(checkpoint, "int4", online=("fp8",), engine="vllm")
    assert check_precision(checkpoint, "fp8", online=("fp8",), engine="vllm") == "fp8"


@pytest.mark.parametrize(
    ("quantisation", "fits", "wrong"),
    [
        (groups(4, "int"), ["int4", "w4a16-g128"], ["bf16", "int8", "fp8"]),
        (groups(8, "int"), ["int8", "w8a8"], ["fp8", "int4"]),
        (groups(8, "float"), ["fp8"], ["int8", "bf16"]),
        ({"quant_method": "gptq", "bits": 4}, ["int4"], ["int8", "fp16"]),
        ({"quant_method": "fp8"}, ["fp8"], ["int8"]),
        ({"quant_method": "gptq", "bits": 3, "group_size": 64}, ["w3a16-g64"], ["int4", "bf16"]),
        ({"quant_method": "mxfp4"}, ["mxfp4"], ["int4", "mxfp8", "bf16"]),
        (groups(4, "float", 16), ["nvfp4"], ["int4", "fp8"]),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, ["nvfp4"], ["int4"]),
        ({"quant_method": "torchao", "quant_type": "int8_weight_only"}, ["w8a16", "int8"], ["int4", "fp8"]),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, ["nf4"], ["int4"]),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, ["nf4", "int4"], ["int8"]),
    ],
)
def test_a_quantised_checkpoint_has_one_precision(
    tmp_path: Path, quantisation: dict[str, Any], fits: list[str], wrong: list[str]
) -> None:
    checkpoint = find_checkpoint(model(tmp_path / "a", quantisation))
    for precision in fits:
        assert check_precision(checkpoint, precision, online=(), engine="e") == precision
    for precision in wrong:
        with pytest.raises(UserError, match="already quantised"):
            check_precision(checkpoint, precision, online=("fp8",), engine="e")


def test_a_refused_precision_names_the_checkpoints_own(tmp_path: Path) -> None:
    checkpoint = find_checkpoint(model(tmp_path / "a", {"quant_method": "awq", "bits": 4, "group_size": 64}))
    with pytest.raises(UserError, match=r"write its own precision \(w4a16-g64-asym\)"):
        check_precision(checkpoint, "bf16", online=(), engine="e")


def test_the_precision_that_plans_read_is_one_that_engines_take(tmp_path: Path) -> None:
    for place, quantisation in enumerate(
        (groups(4, "int", 32), {"quant_method": "gptq", "bits": 2}, groups(8, "float"))
    ):
        folder = model(tmp_path / str(place), quantisation)
        checkpoint = find_checkpoint(folder)
        assert checkpoint.quantisation is not None
        precision = checkpoint.quantisation.precision
        assert precision is not None
        assert check_precision(checkpoint, precision, online=(), engine="e") == precision


def test_a_config_that_is_no_object_is_refused(tmp_path: Path) -> None:
    folder = model(tmp_path / "a")
    (tmp_path / "a" / "config.json").write_text("[]")
    with pytest.raises(UserError, match="does not contain a JSON object"):
        find_checkpoint(folder)
