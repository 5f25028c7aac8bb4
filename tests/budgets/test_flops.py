"""FLOPs against the paper's table, and against a count of every matrix product of a decoder, one by one."""

import pytest
from codebudget.budgets.architecture import Architecture, Experts, LatentAttention
from codebudget.budgets.flops import (
    PAPER_WORKLOAD,
    decode_flops,
    forward_flops,
    paper_flops,
    prefill_flops,
    reexpanded_step_flops,
    task_flops,
)
from codebudget.budgets.models import find_model
from codebudget.errors import UserError
from codebudget.records import Workload
from hypothesis import given
from hypothesis import strategies as st

small = st.integers(1, 4)
counts = st.integers(0, 12)


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    kv_heads = draw(small)
    return Architecture(
        layers=draw(small),
        hidden_size=draw(small),
        heads=kv_heads * draw(small),
        kv_heads=kv_heads,
        head_dim=draw(small),
        ffn_size=draw(small),
        vocab_size=draw(small),
        gated_ffn=draw(st.booleans()),
        tied_embeddings=draw(st.booleans()),
        attention_bias=draw(st.booleans()),
    )


@st.composite
def unusual_architectures(draw: st.DrawFn) -> Architecture:
    """With sliding windows, a mixture of experts, or latent attention, or several of them."""
    shape = draw(architectures())
    changes: dict[str, object] = {}
    if draw(st.booleans()):
        changes |= {"sliding_window": draw(st.integers(1, 8)), "sliding_layers": draw(st.integers(1, shape.layers))}
    if draw(st.booleans()):
        active = draw(small)
        experts = Experts(
            count=active + draw(counts),
            active=active,
            ffn_size=draw(small),
            shared_ffn_size=draw(counts),
            dense_layers=draw(st.integers(0, shape.layers)),
        )
        changes["experts"] = experts
    if draw(st.booleans()):
        latent = LatentAttention(
            kv_rank=draw(small),
            rope_dim=draw(small),
            nope_dim=draw(small),
            value_dim=draw(small),
            query_rank=draw(st.none() | small),
        )
        changes |= {"latent": latent, "kv_heads": shape.heads, "head_dim": latent.nope_dim + latent.rope_dim}
    return shape.model_copy(update=changes)


class Counter:
    """Runs a decoder's matrix products on shapes alone, and counts what FlopCounterMode counts: 2mnk each."""

    def __init__(self) -> None:
        self.flops = 0

    def matmul(self, left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
        (m, k), (also_k, n) = left, right
        assert k == also_k
        self.flops += 2 * m * n * k
        return m, n

    def forward(self, shape: Architecture, new: int, past: int, logits: int) -> None:
        hidden = (new, shape.hidden_size)
        for _ in range(shape.layers):
            query = self.matmul(hidden, (shape.hidden_size, shape.heads * shape.head_dim))
            for _ in ("key", "value"):
                self.matmul(hidden, (shape.hidden_size, shape.kv_heads * shape.head_dim))
            for _ in range(shape.heads):
                scores = self.matmul((new, shape.head_dim), (shape.head_dim, past + new))
                self.matmul(scores, (past + new, shape.head_dim))
            assert self.matmul(query, (shape.heads * shape.head_dim, shape.hidden_size)) == hidden
            inner = self.matmul(hidden, (shape.hidden_size, shape.ffn_size))
            if shape.gated_ffn:
                self.matmul(hidden, (shape.hidden_size, shape.ffn_size))
            self.matmul(inner, (shape.ffn_size, shape.hidden_size))
        self.matmul((logits, shape.hidden_size), (shape.hidden_size, shape.vocab_size))


@given(architectures(), counts, counts)
def test_forward_equals_the_sum_of_its_products(shape: Architecture, new: int, past: int) -> None:
    counter = Counter()
    counter.forward(shape, new, past, new)
    assert forward_flops(shape, new, past_tokens=past) == counter.flops


@given(architectures(), st.integers(1, 12), st.integers(1, 12), st.integers(1, 5))
def test_a_task_is_one_prefill_and_each_samples_steps(shape: Architecture, prompt: int, output: int, k: int) -> None:
    counter = Counter()
    counter.forward(shape, prompt, 0, 1)
    assert prefill_flops(shape, prompt) == counter.flops
    for _ in range(k):
        for step in range(1, output):
            counter.forward(shape, 1, prompt + step - 1, 1)
    workload = Workload(convention="tokens", prompt_tokens=prompt, output_tokens=output, source="test")
    assert task_flops(shape, workload, k) == counter.flops


@given(
    architectures(), counts, counts, st.sampled_from(["layers", "hidden_size", "ffn_size", "vocab_size", "head_dim"])
)
def test_flops_never_fall_when_anything_grows(shape: Architecture, prompt: int, output: int, field: str) -> None:
    larger = shape.model_copy(update={field: getattr(shape, field) + 1})
    assert prefill_flops(shape, prompt) <= prefill_flops(larger, prompt)
    assert prefill_flops(shape, prompt) < prefill_flops(shape, prompt + 1)
    steps = decode_flops(shape, prompt, output)
    assert steps <= decode_flops(larger, prompt, output)
    assert steps <= decode_flops(shape, prompt + 1, output)
    assert steps <= decode_flops(shape, prompt, output + 1)
    assert paper_flops(shape) < paper_flops(larger)


@given(unusual_architectures(), st.integers(1, 12), counts)
def test_decoding_is_the_sum_of_its_steps(shape: Architecture, prompt: int, output: int) -> None:
    steps = range(max(output - 1, 0))
    assert decode_flops(shape, prompt, output) == sum(forward_flops(shape, 1, past_tokens=prompt + t) for t in steps)


@given(unusual_architectures(), counts, counts)
def test_unusual_architectures_never_get_cheaper_with_tokens(shape: Architecture, prompt: int, output: int) -> None:
    assert prefill_flops(shape, prompt) < prefill_flops(shape, prompt + 1)
    assert decode_flops(shape, prompt, output) <= decode_flops(shape, prompt + 1, output)
    assert decode_flops(shape, prompt, output) <= decode_flops(shape, prompt, output + 1)


@given(architectures(), st.integers(1, 8), st.integers(0, 20), st.integers(1, 12))
def test_a_window_never_costs_more_and_is_free_where_it_is_wide(
    shape: Architecture, window: int, past: int, new: int
) -> None:
    sliding = shape.model_copy(update={"sliding_window": window, "sliding_layers": shape.layers})
    narrow, full = (forward_flops(each, new, past_tokens=past) for each in (sliding, shape))
    assert narrow == full if past < window else narrow < full


def test_only_active_experts_count() -> None:
    shape = find_model("mixtral-8x7b").architecture
    assert shape.experts is not None
    more = shape.model_copy(update={"experts": shape.experts.model_copy(update={"count": 16})})
    router = 2 * shape.layers * shape.hidden_size * 8
    assert forward_flops(more, 1) - forward_flops(shape, 1) == router
    dense = shape.model_copy(update={"experts": None, "ffn_size": 2 * shape.ffn_size})
    assert forward_flops(shape, 1) - forward_flops(dense, 1) == router


def test_latent_attention_is_cheaper_than_making_all_keys_anew() -> None:
    shape = find_model("deepseek-v3").architecture
    assert 10 * forward_flops(shape, 1, past_tokens=2000) < reexpanded_step_flops(shape, 2000)
    # At the start of a context both multiply the same weights.
    assert forward_flops(shape, 1, past_tokens=0) == reexpanded_step_flops(shape, 0)


def test_grouped_key_value_heads_save_projections_and_no_attention() -> None:
    grouped = find_model("llama-3-8b").architecture
    full = grouped.model_copy(update={"kv_heads": grouped.heads})
    saved = forward_flops(full, 1, past_tokens=999) - forward_flops(grouped, 1, past_tokens=999)
    assert saved == 2 * grouped.layers * 2 * grouped.hidden_size * (32 - 8) * grouped.head_dim


@pytest.mark.parametrize(
    ("name", "tera", "ratio"), [("7b", 1.69, 1), ("13b", 3.29, 1.95), ("34b", 8.58, 5.08), ("70b", 17.60, 10.41)]
)
def test_table_1_of_hassid_et_al(name: str, tera: float, ratio: float) -> None:
    flops = task_flops(find_model(name).architecture, PAPER_WORKLOAD, 1)
    assert flops == pytest.approx(tera * 1e12, rel=5e-3)
    assert flops / paper_flops(find_model("7b").architecture) == pytest.approx(ratio, rel=5e-3)


def test_llama_3_70b_is_within_seven_percent_of_code_llama_70b() -> None:
    # Hassid et al. 2024, footnote 3. It says so of the 8B against the 7B too, which this convention does not give
    # (1.136: the head's vocabulary is four times as large), so that is not claimed here.
    ratio = paper_flops(find_model("llama-3-70b").architecture) / paper_flops(find_model("70b").architecture)
    assert ratio == pytest.approx(1, abs=0.07)


@given(architectures())
def test_the_papers_convention_counts_the_head_also_where_it_is_tied(shape: Architecture) -> None:
    tied, untied = (shape.model_copy(update={"tied_embeddings": flag}) for flag in (True, False))
    assert paper_flops(tied) == paper_flops(untied)


def test_a_negative_count_is_refused() -> None:
    shape = find_model("7b").architecture
    with pytest.raises(UserError):
        forward_flops(shape, -1)
    with pytest.raises(UserError):
        decode_flops(shape, 1, -1)
