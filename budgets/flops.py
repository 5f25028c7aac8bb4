"""Floating-point operations of a decoder, from its architecture.

Counted: matrix products alone, an (m x k) by (k x n) product as 2mnk: the query, key, value and output projections, the
FFN, the attention scores and the weighted sum of values, and the output head. Not counted: softmax, norms, rotary
positions, biases, activations, element-wise products and the embedding look-up. This is what
`torch.utils.flop_counter.FlopCounterMode` counts, and attention follows it too: each of n new queries is multiplied
with all c keys of the context, the masked half of a prompt included (4 * heads * head_dim * n * c per layer), and
key-value heads that queries share count once per query head. A kernel that skips masked blocks does less.

A sample of T tokens after a prompt of P: prefill gives the logits of the prompt's last position alone, as engines
compute them, and they give the first token. T - 1 decode steps give the rest: step t feeds output token t, which
attends to the P + t tokens up to and including itself. The last token is never fed back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UserError
from ..records import Workload

if TYPE_CHECKING:
    from .architecture import Architecture

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
        new_tokens: Tokens that are fed in this pass.
        past_tokens: Tokens whose keys and values are cached already.
        logit_positions: Positions that the output head is applied to; None for all new ones, as a plain
            `model(input_ids)` does.

    Raises:
        UserError: A count is negative.
    """
    positions = new_tokens if logit_positions is None else logit_positions
    if min(new_tokens, past_tokens, positions) < 0:
        raise UserError("token counts cannot be negative")
    projections = 2 * new_tokens * architecture.layers * architecture.layer_matmul_weights
    attention = _attention_flops(architecture) * new_tokens * (past_tokens + new_tokens)
    return projections + attention + 2 * positions * architecture.embedding_weights


def prefill_flops(architecture: Architecture, prompt_tokens: int) -> int:
    """FLOPs of reading a prompt of `prompt_tokens`, up to the logits of its last position."""
    return forward_flops(architecture, prompt_tokens, logit_positions=min(prompt_tokens, 1))


def decode_flops(architecture: Architecture, prompt_tokens: int, output_tokens: int) -> int:
    """FLOPs of one sample's decode steps: `output_tokens` - 1 of them, at growing context (see the module's text)."""
    if min(prompt_tokens, output_tokens) < 0:
        raise UserError("token counts cannot be negative")
    steps = max(output_tokens - 1, 0)
    per_step = 2 * (architecture.layers * architecture.layer_matmul_weights + architecture.embedding_weights)
    context_sum = steps * prompt_tokens + steps * (steps + 1) // 2
    return steps * per_step + _attention_flops(architecture) * context_sum


def paper_flops(architecture: Architecture) -> int:
    """FLOPs of one sample as the paper counts them: 2 * (parameters - input embeddings) * 128.

    This reproduces Table 1 of Hassid et al. 2024 (arXiv 2404.00725), which was made with the calflops library at a
    sequence length of 128; attention scores are left out. The output head counts, also where it shares its weights
    with the input embeddings.
    """
    parameters = architecture.parameter_count()
    if not architecture.tied_embeddings:
        parameters -= architecture.embedding_weights
    return 2 * parameters * PAPER_TOKENS


def task_flops(architecture: Architecture, workload: Workload, k: int) -> int:
    """FLOPs of k samples of one task: one shared prefill and k decodes, or k passes in the paper's convention."""
    if workload.convention == "paper":
        return k * paper_flops(architecture)
    prefill = prefill_flops(architecture, workload.prompt_tokens)
    return prefill + k * decode_flops(architecture, workload.prompt_tokens, workload.output_tokens)


def _attention_flops(architecture: Architecture) -> int:
    """FLOPs per pair of a query and a key position, all layers: the score and the weighted value."""
    return 4 * architecture.layers * architecture.query_width
