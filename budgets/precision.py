"""Numeric precisions: names, and the bytes of a weight matrix in each."""

from __future__ import annotations

from typing import Final

from ..errors import UserError
from ..records import Record
from .recipe import FORM, Recipe, fault_of, is_recipe, looks_like_recipe, parse_recipe

NAMED_PRECISIONS = (
    *("fp32", "bf16", "fp16", "fp8", "int8", "int4", "nf4", "nf4-single", "fp4", "fp4-single"),
    *("nvfp4", "mxfp4", "mxfp8", "q8_0", "q6_k", "q5_k", "q5_1", "q5_0", "q4_k", "q4_1", "q4_0", "q3_k", "q2_k"),
)

SCALE_BITS: Final = 16
FACTOR_BITS: Final = 16
_WORD_BITS: Final = 32


class Scheme(Record):
    """Storage of a model's layer matrices, and the format they are multiplied with.

    One scale of `scale_bits` serves `group` consecutive inputs of an output channel, or the whole channel where `group`
    is None, and `tensor_scale_bits` the whole matrix. An asymmetric scheme adds a zero-point of `weight_bits` to each
    scale. Weights of 16 or more bits have none of these. `floating`: weights are floating-point numbers, not integers.
    `double_quantised` is NF4 or FP4: blocks of 64 with an 8-bit scale each, and a 32-bit scale for 256 of those.
    `block` is a count of consecutive inputs and the bytes that they take with all their scales (GGUF). `lorc_rank` is
    the rank of the two 16-bit factors beside a matrix, 0 for none.
    """

    weight_bits: int
    activation_bits: int = 16
    group: int | None = None
    symmetric: bool = True
    floating: bool = False
    scale_bits: int = SCALE_BITS
    tensor_scale_bits: int = 0
    double_quantised: bool = False
    block: tuple[int, int] | None = None
    lorc_rank: int = 0

    def matrix_bytes(self, inputs: int, outputs: int) -> int:
        """Bytes of one matrix with its scales, zero-points and low-rank factors.

        Weights fill 32-bit words along the inputs, and zero-points along the outputs, without gaps inside, as
        compressed-tensors (0.19) packs them.
        """
        return self._stored_bytes(inputs, outputs) + self.lorc_rank * (inputs + outputs) * FACTOR_BITS // 8

    def _stored_bytes(self, inputs: int, outputs: int) -> int:
        if self.weight_bits >= 16:
            return inputs * outputs * self.weight_bits // 8
        if self.block is not None:
            weights, size = self.block
            return outputs * -(-inputs // weights) * size
        if self.double_quantised:
            blocks = -(-inputs * outputs // 64)
            return -(-inputs * outputs * self.weight_bits // 8) + blocks + 4 * -(-blocks // 256)
        groups = 1 if self.group is None else -(-inputs // self.group)
        scales = groups * outputs * self.scale_bits // 8 + self.tensor_scale_bits // 8
        zeros = 0 if self.symmetric else groups * _packed_bytes(outputs, self.weight_bits)
        return outputs * _packed_bytes(inputs, self.weight_bits) + scales + zeros

    def effective_bits(self, inputs: int, outputs: int) -> float:
        """Bits per weight of one matrix: scales, zero-points and low-rank factors included."""
        return 8 * self.matrix_bytes(inputs, outputs) / (inputs * outputs)


def _gguf(bits: int, weights: int, size: int) -> Scheme:
    return Scheme(weight_bits=bits, block=(weights, size))


_NAMED: Final = {
    "fp32": Scheme(weight_bits=32, activation_bits=32, floating=True),
    "bf16": Scheme(weight_bits=16, floating=True),
    "fp16": Scheme(weight_bits=16, floating=True),
    "fp8": Scheme(weight_bits=8, activation_bits=8, floating=True),
    "int8": Scheme(weight_bits=8, activation_bits=8),
    "int4": Scheme(weight_bits=4, group=128),
    "nf4": Scheme(weight_bits=4, group=64, floating=True, double_quantised=True),
    "nf4-single": Scheme(weight_bits=4, group=64, floating=True, scale_bits=32),
    "fp4": Scheme(weight_bits=4, group=64, floating=True, double_quantised=True),
    "fp4-single": Scheme(weight_bits=4, group=64, floating=True, scale_bits=32),
    "nvfp4": Scheme(weight_bits=4, group=16, floating=True, scale_bits=8, tensor_scale_bits=32),
    "mxfp4": Scheme(weight_bits=4, group=32, floating=True, scale_bits=8),
    "mxfp8": Scheme(weight_bits=8, activation_bits=8, group=32, floating=True, scale_bits=8),
    # Inputs and bytes of one block in llama.cpp's ggml/src/ggml-common.h: block_q8_0 and so on, with QK8_0 = 32 and
    # the super-blocks of QK_K = 256.
    "q8_0": _gguf(8, 32, 2 + 32),
    "q6_k": _gguf(6, 256, 128 + 64 + 16 + 2),
    "q5_k": _gguf(5, 256, 2 * 2 + 12 + 32 + 128),
    "q5_1": _gguf(5, 32, 2 * 2 + 4 + 16),
    "q5_0": _gguf(5, 32, 2 + 4 + 16),
    "q4_k": _gguf(4, 256, 2 * 2 + 12 + 128),
    "q4_1": _gguf(4, 32, 2 * 2 + 16),
    "q4_0": _gguf(4, 32, 2 + 16),
    "q3_k": _gguf(3, 256, 32 + 64 + 12 + 2),
    "q2_k": _gguf(2, 256, 16 + 64 + 2 * 2),
}


def is_precision(text: str) -> bool:
    """Whether `parse_precision` reads a text."""
    return text.lower() in NAMED_PRECISIONS or is_recipe(text)


def parse_precision(text: str) -> str:
    """Read a precision into its canonical name, which is the same for all spellings of a recipe.

    Args:
        text: One of `NAMED_PRECISIONS`, or a recipe, see `parse_recipe`.

    Raises:
        UserError: It is neither.
    """
    name = text.lower()
    if name in NAMED_PRECISIONS:
        return name
    if is_recipe(text):
        return parse_recipe(text).key
    raise UserError(precision_fault(text))


def precision_fault(text: str) -> str:
    """Say in one line why a text is no precision."""
    known = f"choose from {' '.join(NAMED_PRECISIONS)}, or a recipe {FORM} such as w4a16-g128-gptq"
    if looks_like_recipe(text):
        return f"unknown precision {text!r}: {fault_of(text)}"
    return f"unknown precision {text!r}: {known}"


def precision_scheme(precision: str) -> Scheme:
    """Look up how a precision stores a model's layer matrices.

    `int4` is w4a16-g128 (GPTQ's and llm-compressor's usual W4A16), `int8` and `fp8` are W8A8 with one scale per output
    channel (llm-compressor's W8A8 and FP8_DYNAMIC), `nf4` is QLoRA's double-quantised NF4 (Dettmers et al. 2023, arXiv
    2305.14314, section 3), `fp4` the same with 4-bit floats; `-single` keeps a 32-bit scale per block of 64,
    bitsandbytes' default. `mxfp4` and `mxfp8` have an 8-bit scale per 32 weights (OCP Microscaling Formats 1.0, section
    5), `nvfp4` one per 16 and a 32-bit one per matrix (NVIDIA). `nvfp4` and `mxfp4` are counted with 16-bit
    activations, since no device's 4-bit peak is in the catalogue. `q4_0` and the other GGUF types are llama.cpp's
    blocks. A recipe's method changes no bytes.

    Raises:
        UserError: The precision is unknown.
    """
    name = parse_precision(precision)
    return _NAMED[name] if name in _NAMED else recipe_scheme(parse_recipe(name))


def recipe_scheme(recipe: Recipe) -> Scheme:
    """Work out how a recipe stores a model's layer matrices."""
    if recipe.format is not None:
        scheme = _NAMED[recipe.format]
        return Scheme.model_validate({**scheme.model_dump(), "lorc_rank": recipe.lorc_rank})
    return Scheme(
        weight_bits=recipe.weight_bits,
        activation_bits=recipe.activation_bits,
        group=recipe.group,
        symmetric=recipe.symmetric,
        lorc_rank=recipe.lorc_rank,
    )


def integer_precision(
    weight_bits: int, activation_bits: int = 16, group: int | None = None, *, symmetric: bool = True
) -> str | None:
    """Name the precision of integers, by its short name if it has one; None if it cannot be written.

    Args:
        weight_bits: Bits of a weight.
        activation_bits: Bits of activations.
        group: Inputs that share a scale; None for a whole output channel.
        symmetric: Without zero-points.
    """
    name = f"w{weight_bits}a{activation_bits}" + (f"-g{group}" if group else "") + ("" if symmetric else "-asym")
    if not is_recipe(name):
        return None
    scheme = precision_scheme(name)
    return next((short for short, named in _NAMED.items() if named == scheme), name)


def _packed_bytes(count: int, bits: int) -> int:
    return -(-count * bits // _WORD_BITS) * _WORD_BITS // 8
