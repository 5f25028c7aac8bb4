"""Floating-point operations of a decoder, from its architecture.

Counted: matrix products only, an (m x k) by (k x n) product as 2mnk: the projections of attention, the FFN or the
router and the experts that a token is routed to, the attention scores and the weighted sum of values, and the output
head. Not counted: softmax, norms, rotary positions, biases, activations, element-wise products and the embedding
look-up. This is what `torch.utils.flop_counter.FlopCounterMode` counts, and attention follows it too: each of n new
queries is multiplied with all c keys of the context, the masked half of a prompt included
(2 * heads * (key dim + value dim) * n * c per layer), and key-value heads that queries share count once per query head.
A layer with a sliding window of w keeps the w - 1 latest keys of the past, so that a decode step meets at most w;
within a prompt read in one pass, all of its keys count. A kernel that skips masked blocks does less.

Latent attention makes keys and values of a prompt from its latent vectors, and decodes on the latent vectors
themselves, with the second half of their projection moved to queries and values (DeepSeek-V2, arXiv 2405.04434, section
2.1.2): no more weights are multiplied, but a head's key has kv_rank + rope_dim dimensions and its value kv_rank. This
is what engines do. A library that rebuilds the keys and values of the whole context at every step does far more;
`reexpanded_step_flops` counts that.

Linear attention (the gated delta rule) is counted as engines run it: see `state_flops`. Its convolution counts as a
product of each token's channels with the latest `kernel` values of them.

A sample of T tokens after a prompt of P: prefill gives the logits of the prompt's last position only, as engines
compute them, and they give the first token. T - 1 decode steps give the rest: step t feeds output token t, which
attends to the P + t tokens up to and including itself. The last token is never fed back.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from ..errors import UserError
from ..records import Workload

if TYPE_CHECKING:
    from .architecture import Architecture

CHUNK_TOKENS = 64
"""Tokens of a chunk in which linear attention reads a prompt: the default of transformers 5 and of the kernels of
flash-linear-attention, which engines use."""

PAPER_TOKENS = 128
"""Length of the one forward pass per sample that Hassid et al. 2024 (arXiv 2404.00725, section 3.2) count."""

PAPER_WORKLOAD = Workload(
    convention="paper",
    prompt_tokens=PAPER_TOKENS,
    output_tokens=0,
    source="Hassid et al. 2024, arXiv 2404.00725, section 3.2",
)


def forward_flops(
    architecture: Architecture, new_tokens: int, *, past_tokens: int = 0, logit_positions: int | None = None
) -> int:
    """FLOPs of one forward pass of one sequence.

    Args:
        architecture: The decoder.
        new_tokens: Tokens fed in this pass.
        past_tokens: Tokens whose keys and values are already cached.
        logit_positions: Positions that the output head is applied to; None for all new ones, as a plain
            `model(input_ids)` does.

    Raises:
        UserError: A count is negative.
    """
    positions = new_tokens if logit_positions is None else logit_positions
    if min(new_tokens, past_tokens, positions) < 0:
        raise UserError("token counts cannot be negative")
    window, sliding = architecture.sliding_window, architecture.windowed_layers
    keys = (architecture.attention_layers - sliding) * (past_tokens + new_tokens)
    if window:
        keys += sliding * (min(past_tokens, window - 1) + new_tokens)
    pair = _pair_flops(architecture, absorbed=past_tokens > 0)
    linear = 2 * new_tokens * architecture.active_matmul_weights
    attention = pair * new_tokens * keys + state_flops(architecture, new_tokens)
    return linear + attention + 2 * positions * architecture.embedding_weights


def prefill_flops(architecture: Architecture, prompt_tokens: int) -> int:
    """FLOPs of reading a prompt of `prompt_tokens`, up to the logits of its last position."""
    return forward_flops(architecture, prompt_tokens, logit_positions=min(prompt_tokens, 1))


def decode_flops(architecture: Architecture, prompt_tokens: int, output_tokens: int) -> int:
    """FLOPs of one sample's decode steps: `output_tokens` - 1 of them, at growing context (see the module's text)."""
    if min(prompt_tokens, output_tokens) < 0:
        raise UserError("token counts cannot be negative")
    steps = max(output_tokens - 1, 0)
    per_step = _flops_per_step(architecture)
    window, sliding = architecture.sliding_window, architecture.windowed_layers
    keys = (architecture.attention_layers - sliding) * _sum_of_contexts(prompt_tokens, steps)
    if window:
        growing = min(max(window - prompt_tokens, 0), steps)
        keys += sliding * (_sum_of_contexts(prompt_tokens, growing) + (steps - growing) * window)
    return steps * (per_step + state_flops(architecture, 1)) + _pair_flops(architecture, absorbed=True) * keys


def state_flops(architecture: Architecture, new_tokens: int) -> int:
    """FLOPs of the states of linear attention, in all its layers, for `new_tokens` tokens read in one pass.

    One token costs three products with each head's state: what it holds of the key, the update, the answer to the
    query. More are read in chunks of `CHUNK_TOKENS`, the last one filled up (Yang et al. 2024, arXiv 2412.06464,
    section 3.3); the triangular systems of a chunk are not counted.
    """
    linear = architecture.linear
    if linear is None or new_tokens < 1:
        return 0
    of_state = 6 * linear.state_size * linear.layers
    if new_tokens == 1:
        return of_state
    within = CHUNK_TOKENS**2 * linear.value_heads * (4 * linear.key_dim + 2 * linear.value_dim) * linear.layers
    return -(-new_tokens // CHUNK_TOKENS) * (CHUNK_TOKENS * of_state + within)


def reexpanded_step_flops(architecture: Architecture, past_tokens: int) -> int:
    """FLOPs of one decode step where keys and values of the whole context are rebuilt from latent vectors.

    transformers 5 runs latent attention so. Without it, this is one step of `forward_flops`.
    """
    if architecture.latent is None:
        return forward_flops(architecture, 1, past_tokens=past_tokens)
    context = past_tokens + 1
    up = next(linear for linear in architecture.linears() if linear.role == "kv_up")
    pairs = architecture.attention_layers * _pair_flops(architecture, absorbed=False) * context
    linear = 2 * (architecture.active_matmul_weights + up.active * up.weights * past_tokens)
    return linear + pairs + 2 * architecture.embedding_weights


def paper_flops(architecture: Architecture) -> int:
    """FLOPs of one sample as the paper counts them: 2 * (parameters - input embeddings) * 128.

    This reproduces Table 1 of Hassid et al. 2024 (arXiv 2404.00725), which was made with the calflops library at a
    sequence length of 128; attention scores are left out. The output head counts, even where it shares its weights
    with the input embeddings; of a mixture of experts, those a token is routed to count.
    """
    parameters = architecture.active_parameter_count() - architecture.learned_positions * architecture.hidden_size
    if not architecture.tied_embeddings:
        parameters -= architecture.embedding_weights
    return 2 * parameters * PAPER_TOKENS


def task_flops(architecture: Architecture, workload: Workload, k: int) -> int:
    """FLOPs of k samples of one task: one shared prefill and k decodes, or k passes in the paper's convention."""
    if workload.convention == "paper":
        return k * paper_flops(architecture)
    prefill = prefill_flops(architecture, workload.prompt_tokens)
    return prefill + k * decode_flops(architecture, workload.prompt_tokens, workload.output_tokens)


@lru_cache(maxsize=64)
def _flops_per_step(architecture: Architecture) -> int:
    """FLOPs of a decode step's weights; cached, since realised costs ask for every sample."""
    return 2 * (architecture.active_matmul_weights + architecture.embedding_weights)


def _pair_flops(architecture: Architecture, *, absorbed: bool) -> int:
    """FLOPs per layer and pair of a query and a key position: the score and the weighted value."""
    latent = architecture.latent
    if latent is not None and absorbed:
        return 2 * architecture.heads * (2 * latent.kv_rank + latent.rope_dim)
    return 2 * (architecture.query_width + architecture.value_width)


def _sum_of_contexts(prompt_tokens: int, steps: int) -> int:
    """Sum the tokens that `steps` decode steps attend to."""
    return steps * prompt_tokens + steps * (steps + 1) // 2
