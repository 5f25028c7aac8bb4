"""Memory: published figures, brute force over a cache of single tokens, and properties."""

import math

import pytest
from codebudget.budgets.architecture import Architecture
from codebudget.budgets.memory import (
    GIB,
    GRAPH_BYTES,
    RUNTIME_BYTES,
    kv_bytes,
    kv_bytes_per_token,
    memory_bytes,
    memory_fit,
    state_bytes,
    weight_bytes,
    workspace_bytes,
)
from codebudget.budgets.models import families, find_model
from codebudget.errors import UserError
from codebudget.records import Workload
from hypothesis import given
from hypothesis import strategies as st

ALL = [model for family in families() for model in family.models]
PRECISIONS = ["fp32", "bf16", "fp8", "int8", "int4", "nf4", "w4a16-g64-asym", "w3a16"]
models = st.sampled_from(ALL)
precisions = st.sampled_from(PRECISIONS)
counts = st.integers(1, 40)


def tokens(prompt: int, output: int) -> Workload:
    return Workload(convention="tokens", prompt_tokens=prompt, output_tokens=output, source="test")


@pytest.mark.parametrize(
    ("name", "precision", "gigabytes"),
    [
        # Parameters times bits, as published for Llama-2, whose shapes Code Llama and LLaMA have.
        ("llama-7b", "fp32", 27.0),
        ("llama-7b", "fp16", 13.5),
        ("llama-13b", "bf16", 26.0),
        ("codellama-70b", "bf16", 138.0),
    ],
)
def test_unquantised_weights_are_parameters_times_bits(name: str, precision: str, gigabytes: float) -> None:
    assert weight_bytes(find_model(name).architecture, precision) / 1e9 == pytest.approx(gigabytes, rel=2e-3)


@pytest.mark.parametrize(
    ("name", "megabytes"), [("starcoder2-15b", 32251.33), ("starcoder2-7b", 14616.29), ("starcoder2-3b", 6312.41)]
)
def test_starcoder2_is_as_large_as_its_cards_say(name: str, megabytes: float) -> None:
    # The cards' footprint at bf16 includes two rotary tables of 16384 positions in each layer.
    shape = find_model(name).architecture
    tables = 2 * 2 * shape.layers * 16384 * shape.head_dim
    assert (weight_bytes(shape, "bf16") + tables) / 1e6 == pytest.approx(megabytes, rel=2e-6)


def test_what_a_quantiser_leaves_alone_stays_at_16_bits_unless_told_otherwise() -> None:
    shape = find_model("llama-3.1-8b").architecture
    others = 2 * shape.embedding_weights + (2 * shape.layers + 1) * shape.hidden_size
    matrices = shape.active_matmul_weights
    assert weight_bytes(shape, "int4") == pytest.approx(2 * others + matrices * 4.125 / 8, rel=1e-9)
    assert weight_bytes(shape, "int4", other_bits=8) == pytest.approx(others + matrices * 4.125 / 8, rel=1e-9)
    with pytest.raises(UserError):
        weight_bytes(shape, "int4", other_bits=0)


@pytest.mark.parametrize(
    ("name", "kibibytes"),
    [
        (
            "llama-7b",
            512,
        ),  # Kwon et al. 2023 give 800 KB for OPT-13B: 2 * 40 layers * 5120 * 2 bytes; so 2 * 32 * 4096.
        ("llama-3.1-8b", 128),
        ("llama-3.1-405b", 504),  # DeepSeek-V3, arXiv 2505.09343, table 1: 516.096 KB.
        ("deepseek-v3", 70272 / 1024),  # the same table: 70.272 KB.
    ],
)
def test_cache_bytes_per_token_that_were_published(name: str, kibibytes: float) -> None:
    assert kv_bytes_per_token(find_model(name).architecture) == 1024 * kibibytes
    assert kv_bytes_per_token(find_model(name).architecture, 8) == 512 * kibibytes


def test_workspace_is_what_vllm_reported_for_llama_3_8b() -> None:
    # vllm-project/vllm pull request 10511: activations 1.26 GiB, non-torch memory 1.79 GiB.
    activations = workspace_bytes(find_model("llama-3-8b").architecture) - RUNTIME_BYTES - GRAPH_BYTES
    assert activations / GIB == pytest.approx(1.26, rel=0.02)
    assert pytest.approx(1.79, rel=0.001) == RUNTIME_BYTES / GIB


def tokens_held(prompt: int, own: int, sequences: int, window: int | None) -> int:
    """Different positions that one layer holds once all sequences are complete, counted one by one."""
    held = set()
    for sequence in range(sequences):
        for position in range(prompt + own):
            if window is None or position >= prompt + own - window:
                held.add(position if position < prompt else (sequence, position))
    return len(held)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 5), st.integers(1, 12), st.integers(0, 3))
def test_the_cache_holds_the_prompt_once_and_each_samples_tokens(
    prompt: int, output: int, sequences: int, window: int, sliding: int
) -> None:
    shape = Architecture(
        layers=3,
        hidden_size=8,
        heads=2,
        kv_heads=1,
        head_dim=4,
        ffn_size=8,
        vocab_size=8,
        sliding_window=window,
        sliding_layers=sliding,
    )
    own = max(output - 1, 0)
    positions = (3 - sliding) * tokens_held(prompt, own, sequences, None)
    positions += sliding * tokens_held(prompt, own, sequences, window)
    assert kv_bytes(shape, tokens(prompt, output), sequences) == positions * 2 * 4 * 2


def test_layers_of_linear_attention_hold_a_state_for_each_sample_and_no_keys() -> None:
    linear = {"layers": 2, "key_heads": 1, "value_heads": 2, "key_dim": 4, "value_dim": 6, "kernel": 4}
    sizes = {"layers": 3, "hidden_size": 8, "heads": 2, "kv_heads": 1, "head_dim": 4, "ffn_size": 8, "vocab_size": 8}
    shape = Architecture.model_validate({**sizes, "linear": linear})
    assert kv_bytes_per_token(shape) == 2 * 4 * 2
    of_one = 2 * (2 * 4 * 6 * 4 + 3 * (2 * 4 + 2 * 6) * 2)
    assert state_bytes(shape) == of_one
    assert kv_bytes(shape, tokens(10, 6), 3) == (10 + 3 * 5) * 16 + 3 * of_one


def test_passes_in_the_papers_convention_share_nothing() -> None:
    shape = find_model("7b").architecture
    workload = Workload(convention="paper", prompt_tokens=128, output_tokens=0, source="test")
    assert kv_bytes(shape, workload, 5) == 5 * 128 * kv_bytes_per_token(shape)


@given(models, precisions, counts, counts, counts)
def test_memory_never_falls_when_samples_or_tokens_grow(model, precision, prompt, output, k) -> None:  # type: ignore[no-untyped-def]
    shape = model.architecture

    def taken(prompt: int, output: int, k: int) -> int:
        return memory_bytes(shape, precision, tokens(prompt, output), k)

    here = taken(prompt, output, k)
    assert here <= taken(prompt + 1, output, k)
    assert here <= taken(prompt, output + 1, k)
    assert here <= taken(prompt, output, k + 1)
    assert here >= weight_bytes(shape, precision)


@given(models, precisions, counts, counts)
def test_concurrency_bounds_what_is_held(model, precision, k, concurrency) -> None:  # type: ignore[no-untyped-def]
    workload = tokens(100, 300)
    held = memory_bytes(model.architecture, precision, workload, k, concurrency=concurrency)
    assert held == memory_bytes(model.architecture, precision, workload, min(k, concurrency))


@given(models, precisions, st.integers(1, 2000), st.floats(1, 4000), st.none() | counts)
def test_a_fit_is_the_most_that_the_limit_allows(model, precision, k, gibibytes, concurrency) -> None:  # type: ignore[no-untyped-def]
    workload, limit = tokens(500, 500), gibibytes * GIB
    fit = memory_fit(model.architecture, precision, workload, k, limit, concurrency=concurrency)
    wanted = k if concurrency is None else min(k, concurrency)

    def taken(sequences: int, devices: int = 1) -> int:
        return memory_bytes(model.architecture, precision, workload, sequences, tensor_parallel=devices)

    assert fit.needed_bytes == taken(wanted)
    assert fit.fits == (taken(wanted) <= limit) == (fit.concurrency == wanted) == (fit.tensor_parallel == 1)
    assert fit.concurrency == 0 or taken(fit.concurrency) <= limit
    assert fit.concurrency == wanted or taken(fit.concurrency + 1) > limit
    assert fit.waves == (math.ceil(k / fit.concurrency) if fit.concurrency else None)
    if fit.tensor_parallel is not None:
        assert model.architecture.heads % fit.tensor_parallel == 0
        assert taken(wanted, fit.tensor_parallel) <= limit
        assert fit.tensor_parallel == 1 or taken(wanted, fit.tensor_parallel // 2) > limit


def test_figures_that_people_know() -> None:
    workload = tokens(200, 300)
    big, small = find_model("70b").architecture, find_model("7b").architecture
    assert memory_fit(big, "bf16", workload, 1, 80 * GIB).tensor_parallel == 2
    assert memory_fit(big, "int4", workload, 1, 80 * GIB).fits
    assert not memory_fit(small, "bf16", workload, 100, 24 * GIB).fits
    assert memory_fit(small, "bf16", workload, 100, 24 * GIB, concurrency=10).waves == 10
    assert memory_fit(find_model("deepseek-v3").architecture, "fp8", workload, 1, 141 * GIB).tensor_parallel == 8
    # The question of Badshah and Sajjad 2024 (arXiv 2405.03146): 70B at 4 bits is between 13B at 16 and at 32.
    sizes = [weight_bytes(find_model(name).architecture, bits) for name, bits in (("13b", "bf16"), ("70b", "int4"))]
    assert sizes[0] < sizes[1] < weight_bytes(find_model("13b").architecture, "fp32")


def test_latent_caches_are_on_every_device_and_key_heads_are_copied_when_there_are_too_few() -> None:
    workload, sequences = tokens(1000, 1001), 10
    for name, shards in (("deepseek-v3", 1), ("llama-3.1-8b", 8), ("7b", 16)):
        shape = find_model(name).architecture
        beside = -(-weight_bytes(shape, "bf16") // 16) + workspace_bytes(shape)
        cache = memory_bytes(shape, "bf16", workload, sequences, tensor_parallel=16) - beside
        assert cache == pytest.approx(kv_bytes(shape, workload, sequences) / shards, abs=1)


@pytest.mark.parametrize("change", [{"k": 0}, {"concurrency": 0}, {"tensor_parallel": 0}, {"precision": "int3"}])
def test_what_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    given_: dict[str, object] = {"precision": "bf16", "workload": tokens(1, 1), "k": 1, **change}
    with pytest.raises(UserError):
        memory_bytes(find_model("7b").architecture, **given_)  # type: ignore[arg-type]
