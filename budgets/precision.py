"""Numeric precisions: names, and the bytes of a weight matrix in each."""

from __future__ import annotations

import re
from typing import Final

from ..errors import UserError
from ..records import Record

NAMED_PRECISIONS = (
    *("fp32", "bf16", "fp16", "fp8", "int8", "int4", "nf4", "nf4-single", "fp4", "fp4-single"),
    *("nvfp4", "mxfp4", "mxfp8"),
)
_WEIGHT_ACTIVATION = re.compile(r"w([1-9]|1[0-6])a([1-9]|1[0-6])(?:-g([1-9]\d{0,5}))?(-sym|-asym)?")

SCALE_BITS: Final = 16
_WORD_BITS: Final = 32


class Scheme(Record):
    """Storage of a model's layer matrices, and the format they are multiplied with.

    One scale of `scale_bits` serves `group` consecutive inputs of an output channel, or the whole channel where `group`
    is None, and `tensor_scale_bits` the whole matrix. An asymmetric scheme adds a zero-point of `weight_bits` to each
    scale. Weights of 16 or more bits have none of these. `floating`: weights are floating-point numbers, not integers.
    `double_quantised` is NF4 or FP4: blocks of 64 with an 8-bit scale each, and a 32-bit scale for 256 of those.
    """

    weight_bits: int
    activation_bits: int = 16
    group: int | None = None
    symmetric: bool = True
    floating: bool = False
    scale_bits: int = SCALE_BITS
    tensor_scale_bits: int = 0
    double_quantised: bool = False

    def matrix_bytes(self, inputs: int, outputs: int) -> int:
        """Bytes of one matrix with its scales and zero-points.

        Weights fill 32-bit words along the inputs, and zero-points along the outputs, without gaps inside, as
        compressed-tensors (0.19) packs them.
        """
        if self.weight_bits >= 16:
            return inputs * outputs * self.weight_bits // 8
        if self.double_quantised:
            blocks = -(-inputs * outputs // 64)
            return -(-inputs * outputs * self.weight_bits // 8) + blocks + 4 * -(-blocks // 256)
        groups = 1 if self.group is None else -(-inputs // self.group)
        scales = groups * outputs * self.scale_bits // 8 + self.tensor_scale_bits // 8
        zeros = 0 if self.symmetric else groups * _packed_bytes(outputs, self.weight_bits)
        return outputs * _packed_bytes(inputs, self.weight_bits) + scales + zeros

    def effective_bits(self, inputs: int, outputs: int) -> float:
        """Bits per weight of one matrix, scales and zero-points included."""
        return 8 * self.matrix_bytes(inputs, outputs) / (inputs * outputs)


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
}


def is_precision(text: str) -> bool:
    """Whether `parse_precision` reads a text."""
    name = text.lower()
    return name in NAMED_PRECISIONS or _WEIGHT_ACTIVATION.fullmatch(name) is not None


def parse_precision(text: str) -> str:
    """Read a precision into canonical (lower) case.

    Args:
        text: One of `NAMED_PRECISIONS`, or `w<bits>a<bits>[-g<group>][-sym|-asym]` with 1 to 16 bits.

    Raises:
        UserError: It is neither.
    """
    if is_precision(text):
        return text.lower()
    raise UserError(
        f"unknown precision {text!r}: choose from {' '.join(NAMED_PRECISIONS)}, or "
        "w<bits>a<bits>[-g<group>][-sym|-asym] such as w4a16-g128"
    )


def precision_scheme(precision: str) -> Scheme:
    """Look up how a precision stores a model's layer matrices.

    `int4` is w4a16-g128-sym (GPTQ's and llm-compressor's usual W4A16), `int8` and `fp8` are W8A8 with one scale per
    output channel (llm-compressor's W8A8 and FP8_DYNAMIC), `nf4` is QLoRA's double-quantised NF4 (Dettmers et al.
    2023, arXiv 2305.14314, section 3), `fp4` the same with 4-bit floats; `-single` keeps a 32-bit scale per block of
    64, bitsandbytes' default. `mxfp4` and `mxfp8` have an 8-bit scale per 32 weights (OCP Microscaling Formats 1.0,
    section 5), `nvfp4` one per 16 and a 32-bit one per matrix (NVIDIA). `nvfp4` and `mxfp4` are counted with 16-bit
    activations, since no device's 4-bit peak is in the catalogue. A `w<bits>a<bits>` is symmetric unless it says
    `-asym`, with one scale per output channel unless it names a group.

    Raises:
        UserError: The precision is unknown.
    """
    name = parse_precision(precision)
    if name in _NAMED:
        return _NAMED[name]
    match = _WEIGHT_ACTIVATION.fullmatch(name)
    if match is None:
        raise UserError(f"unknown precision {precision!r}")
    weight, activation, group, symmetry = match.groups()
    return Scheme(
        weight_bits=int(weight),
        activation_bits=int(activation),
        group=int(group) if group else None,
        symmetric=symmetry != "-asym",
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
    if _WEIGHT_ACTIVATION.fullmatch(name) is None:
        return None
    scheme = precision_scheme(name)
    return next((short for short, named in _NAMED.items() if named == scheme), name)


def _packed_bytes(count: int, bits: int) -> int:
    return -(-count * bits // _WORD_BITS) * _WORD_BITS // 8
