"""Bytes of quantised matrices against a count of every word, scale and zero-point, and published overheads."""

import math

import pytest
from codebudget.budgets.precision import NAMED_PRECISIONS, parse_precision, precision_scheme
from codebudget.errors import UserError
from hypothesis import given
from hypothesis import strategies as st

sizes = st.integers(1, 600)


@pytest.mark.parametrize(
    ("precision", "bits"),
    [
        ("fp32", 32),
        ("bf16", 16),
        ("fp16", 16),
        # 4 bits, and a 16-bit scale for a group: Yao et al. 2023 (arXiv 2303.08302), fine-grained quantisation.
        ("int4", 4.125),
        ("w4a16-g128", 4.125),
        ("w4a16-g64", 4.25),
        ("w4a16-g32", 4.5),
        ("w4a16-g128-asym", 4.125 + 4 / 128),
        ("w3a16-g64", 3.25),
        ("w4a16", 4 + 16 / 4096),
        ("int8", 8 + 16 / 4096),
        ("fp8", 8 + 16 / 4096),
        # Dettmers et al. 2023 (arXiv 2305.14314), section 3: 0.127 bits per parameter after double quantisation.
        ("nf4", 4.127),
        ("fp4", 4.127),
        ("nf4-single", 4.5),
        # OCP Microscaling Formats 1.0, section 5: an 8-bit scale per 32 weights; NVFP4 has one per 16.
        ("mxfp4", 4.25),
        ("mxfp8", 8.25),
        ("nvfp4", 4.5),
        # Bytes of llama.cpp's blocks.
        ("q4_0", 4.5),
        ("q8_0", 8.5),
        ("q2_k", 2.625),
        ("q3_k", 3.4375),
        ("q4_k", 4.5),
        ("q5_k", 5.5),
        ("q6_k", 6.5625),
        # LoRC of rank 8: 16 bits times 8 (M + N) / MN.
        ("w4a16-g128-gptq-lorc", 4.125 + 0.0625),
        ("w3a16-g64-asym-lorc4", 3.25 + 3 / 64 + 0.03125),
        ("fp8-lorc8", 8 + 16 / 4096 + 0.0625),
    ],
)
def test_effective_bits_of_a_matrix_with_4096_inputs(precision: str, bits: float) -> None:
    assert precision_scheme(precision).effective_bits(4096, 4096) == pytest.approx(bits, abs=5e-4)


@given(sizes, sizes, st.integers(1, 8), st.none() | st.integers(1, 200), st.booleans())
def test_a_matrix_is_its_words_scales_and_zero_points(
    inputs: int, outputs: int, bits: int, group: int | None, symmetric: bool
) -> None:
    name = f"w{bits}a16" + (f"-g{group}" if group else "") + ("-sym" if symmetric else "-asym")
    groups = len(range(0, inputs, group)) if group else 1
    words = outputs * math.ceil(inputs * bits / 32)
    zeros = 0 if symmetric else groups * math.ceil(outputs * bits / 32)
    assert precision_scheme(name).matrix_bytes(inputs, outputs) == 4 * (words + zeros) + 2 * groups * outputs


@given(sizes, sizes)
def test_fewer_bits_and_larger_groups_never_take_more(inputs: int, outputs: int) -> None:
    def taken(precision: str) -> int:
        return precision_scheme(precision).matrix_bytes(inputs, outputs)

    assert taken("w4a16-g128") <= taken("w4a16-g64") <= taken("w4a16-g64-asym")
    assert taken("w2a16-g64") <= taken("w3a16-g64") <= taken("w4a16-g64")
    assert taken("bf16") * 2 == taken("fp32")


def test_named_precisions_are_schemes() -> None:
    assert all(precision_scheme(name).weight_bits <= 32 for name in NAMED_PRECISIONS)
    assert precision_scheme("w4a16-g32-gptq") == precision_scheme("w4a16-g32")
    assert precision_scheme("int4") == precision_scheme("W4A16-g128-sym")
    assert precision_scheme("int8") == precision_scheme("w8a8")
    assert parse_precision("NF4") == "nf4"


@pytest.mark.parametrize("text", ["", "int3", "w4", "w0a16", "w17a16", "w4a16-g0", "w4a16-sym-g128", "w4a16-g1000000"])
def test_an_unknown_precision_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="unknown precision"):
        precision_scheme(text)
