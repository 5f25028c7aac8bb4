"""How a checkpoint is quantised, by the `quantization_config` of its `config.json`.

Supported are the formats of compressed-tensors (llm-compressor), bitsandbytes, torchao, NVIDIA's Model Optimizer, GPTQ,
AWQ, AutoRound, EETQ, FBGEMM, and transformers' own FP8, MXFP4, MXFP8 and NVFP4. Any other format, or a checkpoint of
mixed precision, gets no precision: none is guessed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .precision import integer_precision, parse_precision, precision_scheme

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Quantisation(NamedTuple):
    """A checkpoint's quantisation.

    `method` is its tool, `precision` a name of `budgets.precision`, None if it has no name for it. `weight_bits` and
    `floating` (to floating-point numbers) are what is known about the weights, None if unknown. `ignored` are patterns
    of the modules that it leaves unquantised, `targets` of those it is limited to, if any. `format` is how
    compressed-tensors lays its weights out.
    """

    method: str
    precision: str | None = None
    weight_bits: int | None = None
    floating: bool | None = None
    ignored: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    format: str | None = None


Block = dict[str, Any]


def read_quantisation(config: Mapping[str, object]) -> Quantisation | None:
    """Read a checkpoint's quantisation from its parsed `config.json`, None if it is not quantised."""
    inner = config.get("text_config")
    for place in (config, inner if isinstance(inner, dict) else {}):
        for key in ("quantization_config", "compression_config"):
            block = place.get(key)
            if isinstance(block, dict) and block:
                return _read(block)
            if block:
                return Quantisation("unknown method")
    return None


def _read(block: Block) -> Quantisation:
    named = block.get("quant_method")
    method = named if isinstance(named, str) else "unknown method"
    reader = _READERS.get(method.lower())
    if reader is None and named is None:
        # Model Optimizer's older files, and bitsandbytes' first ones, name no method.
        if "quant_algo" in block or isinstance(block.get("quantization"), dict):
            method, reader = "modelopt", _modelopt
        elif block.get("load_in_4bit") or block.get("load_in_8bit"):
            method, reader = "bitsandbytes", _bitsandbytes
    found = Quantisation(method) if reader is None else reader(method, block)
    return found._replace(ignored=found.ignored + _patterns(block, *_IGNORED))


_IGNORED = (
    *("ignore", "ignored_layers", "modules_to_not_convert", "exclude_modules", "llm_int8_skip_modules"),
    "modules_to_not_quantize",
)


def _of(method: str, precision: str | None) -> Quantisation:
    """Fill in what a precision's name implies."""
    if precision is None:
        return Quantisation(method)
    scheme = precision_scheme(precision)
    return Quantisation(method, parse_precision(precision), scheme.weight_bits, scheme.floating)


def _gptq(method: str, block: Block) -> Quantisation:
    bits, group = _bits(block.get("bits")), _group(block.get("group_size", 128))
    if bits is None:
        return Quantisation(method, floating=False)
    overrides = block.get("dynamic")
    patterns = overrides if isinstance(overrides, dict) else {}
    if any(not name.startswith("-:") for name in patterns):
        # Some layers have their own bits or groups.
        return Quantisation(method)
    found = _of(method, integer_precision(bits, 16, group, symmetric=block.get("sym") is not False))
    return found._replace(ignored=tuple("re:" + name.removeprefix("-:") for name in patterns))


def _auto_round(method: str, block: Block) -> Quantisation:
    kind = block.get("data_type")
    if kind in ("mx_fp", "nv_fp", "fp"):
        names = {("mx_fp", 4): "mxfp4", ("mx_fp", 8): "mxfp8", ("nv_fp", 4): "nvfp4", ("fp", 8): "fp8"}
        return _of(method, names.get((kind, _bits(block.get("bits")) or 0)))
    if block.get("extra_config"):
        return Quantisation(method)
    return _gptq(method, block)


def _awq(method: str, block: Block) -> Quantisation:
    bits = _bits(block.get("bits", block.get("w_bit", 4)))
    group = _group(block.get("group_size", block.get("q_group_size", 128)))
    if bits is None:
        return Quantisation(method, floating=False)
    return _of(method, integer_precision(bits, 16, group, symmetric=block.get("zero_point") is False))


def _bitsandbytes(method: str, block: Block) -> Quantisation:
    if block.get("load_in_8bit") or block.get("_load_in_8bit"):
        return _of(method, "int8")
    if not (block.get("load_in_4bit") or block.get("_load_in_4bit")):
        return Quantisation(method)
    kind = block.get("bnb_4bit_quant_type")
    if kind is None:
        # transformers' default; files older than the field may be of the other kind, of as many bits.
        return _of(method, "fp4-single")._replace(floating=None)
    if kind not in ("nf4", "fp4"):
        return Quantisation(method, weight_bits=4)
    return _of(method, kind if block.get("bnb_4bit_use_double_quant") else f"{kind}-single")


def _compressed_tensors(method: str, block: Block) -> Quantisation:
    groups = block.get("config_groups")
    listed = [group for group in groups.values() if isinstance(group, dict)] if isinstance(groups, dict) else []
    quantised = [group for group in listed if isinstance(group.get("weights"), dict)]
    found = [_compressed_group(method, group) for group in quantised]
    if not found:
        return Quantisation(method)
    targets = tuple(pattern for group in quantised for pattern in _patterns(group, "targets"))
    first = found[0]
    if any(other != first for other in found):
        bits, kinds = {other.weight_bits for other in found}, {other.floating for other in found}
        return Quantisation(
            method, None, bits.pop() if len(bits) == 1 else None, kinds.pop() if len(kinds) == 1 else None
        )
    # A target without a dot or a pattern is a class of modules.
    if any(not target.startswith("re:") and "." not in target for target in targets):
        targets = ()
    stated = block.get("format")
    return first._replace(targets=targets, format=stated if isinstance(stated, str) else None)


def _compressed_group(method: str, group: Block) -> Quantisation:
    weights: Block = group["weights"]
    activations = group.get("input_activations")
    bits, size = _bits(weights.get("num_bits")), _group(weights.get("group_size"))
    if weights.get("type") == "float":
        names = {(4, 16): "nvfp4", (4, 32): "mxfp4", (8, 32): "mxfp8"}
        default = "fp8" if bits == 8 else None
        return _of(method, names.get((bits or 0, size or 0), default))._replace(weight_bits=bits, floating=True)
    if bits is None:
        return Quantisation(method)
    activation_bits = _bits(activations.get("num_bits")) if isinstance(activations, dict) else None
    precision = integer_precision(bits, activation_bits or 16, size, symmetric=weights.get("symmetric") is not False)
    return _of(method, precision)._replace(weight_bits=bits, floating=False)


def _torchao(method: str, block: Block) -> Quantisation:
    kind = block.get("quant_type")
    options = block.get("quant_type_kwargs")
    if isinstance(kind, dict):
        # One entry, `default`, unless modules have their own types.
        entries = list(kind.values())
        entry = entries[0] if len(entries) == 1 and isinstance(entries[0], dict) else {}
        kind, options = entry.get("_type"), entry.get("_data")
    if not isinstance(kind, str):
        return Quantisation(method)
    data: Block = options if isinstance(options, dict) else {}
    name = kind.removesuffix("Config").replace("_", "").lower()
    if name in _TORCHAO_FIXED:
        return _of(method, _TORCHAO_FIXED[name])
    if name in ("int4weightonly", "int8dynamicactivationint4weight"):
        size = _group(data.get("group_size", 128 if name == "int4weightonly" else 32))
        return _of(method, integer_precision(4, 16 if name == "int4weightonly" else 8, size))
    if name == "uintxweightonly":
        bits = _bits(str(data.get("dtype")).rpartition("uint")[2])
        return (
            Quantisation(method)
            if bits is None
            else _of(method, integer_precision(bits, 16, _group(data.get("group_size", 64)), symmetric=False))
        )
    if name == "intxweightonly":
        bits = _bits(str(data.get("weight_dtype", "int8")).rpartition("int")[2])
        granularity = data.get("granularity")
        inner = granularity.get("_data") if isinstance(granularity, dict) else None
        size = _group(inner.get("group_size")) if isinstance(inner, dict) else None
        return Quantisation(method) if bits is None else _of(method, integer_precision(bits, 16, size))
    return Quantisation(method)


_TORCHAO_FIXED = {
    "int8weightonly": "w8a16",
    "int8dynamicactivationint8weight": "int8",
    "float8weightonly": "fp8",
    "float8dynamicactivationfloat8weight": "fp8",
    "float8staticactivationfloat8weight": "fp8",
    "nvfp4inference": "nvfp4",
    "nvfp4weightonly": "nvfp4",
    "nvfp4dynamicactivationnvfp4weight": "nvfp4",
}


def _modelopt(method: str, block: Block) -> Quantisation:
    inner = block.get("quantization")
    stated: Block = inner if isinstance(inner, dict) else block
    if "quant_algo" not in stated and "config_groups" in block:
        return _compressed_tensors(method, block)
    algorithm = str(stated.get("quant_algo")).upper()
    size = _group(stated.get("group_size", 128))
    names = {
        "FP8": "fp8",
        "FP8_PB_WO": "fp8",
        "FP8_PER_CHANNEL_PER_TOKEN": "fp8",
        "NVFP4": "nvfp4",
        "NVFP4_AWQ": "nvfp4",
        "W4A16_NVFP4": "nvfp4",
        "MXFP4": "mxfp4",
        "W4A8_MXFP4_FP8": "mxfp4",
        "MXFP8": "mxfp8",
        "INT8_SQ": "int8",
        "W8A8_SQ_PER_CHANNEL": "int8",
        "W8A16": "w8a16",
        "W4A16": integer_precision(4, 16, None),
        "W4A16_AWQ": integer_precision(4, 16, size),
        "INT4_AWQ": integer_precision(4, 16, size),
        "W4A8_AWQ": integer_precision(4, 8, size),
    }
    found = _of(method, names.get(algorithm))
    return found._replace(ignored=_patterns(stated, *_IGNORED) if stated is not block else ())


def _fp8(method: str, block: Block) -> Quantisation:
    # Experts may have a format of their own, which makes a mixture.
    return _of(method, "fp8" if block.get("expert_dtype") in (None, "fp8") else None)


def _quanto(method: str, block: Block) -> Quantisation:
    return _of(method, {"int8": "w8a16", "float8": "fp8"}.get(str(block.get("weights"))))


def _fp_quant(method: str, block: Block) -> Quantisation:
    return _of(method, {"mxfp4": "mxfp4", "nvfp4": "nvfp4"}.get(str(block.get("forward_dtype", "nvfp4"))))


def _always(precision: str) -> Callable[[str, Block], Quantisation]:
    return lambda method, _: _of(method, precision)


_READERS: dict[str, Callable[[str, Block], Quantisation]] = {
    "auto-round": _auto_round,
    "auto_round": _auto_round,
    "awq": _awq,
    "awq_marlin": _awq,
    "bitsandbytes": _bitsandbytes,
    "bitsandbytes_4bit": _bitsandbytes,
    "bitsandbytes_8bit": _bitsandbytes,
    "compressed-tensors": _compressed_tensors,
    "eetq": _always("w8a16"),
    "fbgemm_fp8": _always("fp8"),
    "fp8": _fp8,
    "fp_quant": _fp_quant,
    "gptq": _gptq,
    "gptq_marlin": _gptq,
    "intel/auto-round": _auto_round,
    "modelopt": _modelopt,
    "modelopt_fp4": _modelopt,
    "mxfp4": _always("mxfp4"),
    "mxfp8": _always("mxfp8"),
    "nvfp4": _always("nvfp4"),
    "quanto": _quanto,
    "torchao": _torchao,
}


def _bits(value: object) -> int | None:
    """Read a number of bits from 1 to 16, None for anything else."""
    if isinstance(value, str) and value.isdecimal() and len(value) <= 2:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 16 else None


def _group(value: object) -> int | None:
    """Read a group size; None for a whole channel, which some write as -1."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**6 else None


def _patterns(block: Block, *keys: str) -> tuple[str, ...]:
    found = [block.get(key) for key in keys]
    return tuple(name for names in found if isinstance(names, list) for name in names if isinstance(name, str))
