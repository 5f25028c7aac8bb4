"""Work of forward passes: arithmetic, bytes read, bytes layers hand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .flops import PAPER_TOKENS, decode_flops, paper_flops, prefill_flops
from .memory import kv_bytes_per_token, matrix_bytes, state_bytes, weight_bytes

if TYPE_CHECKING:
    from .architecture import Architecture


@dataclass(frozen=True, slots=True)
class Work:
    """Total work of some forward passes.

    `weight_bytes` and `kv_bytes` are read; `packed_bytes` are the weights of passes with more than one token, which
    libraries may rearrange for matrix products where a product with one vector reads them as they are;
    `stream_bytes` is the residual stream that the two halves of every layer hand on; `layer_passes` is layers times
    `passes`.
    """

    flops: float
    weight_bytes: float
    packed_bytes: float
    kv_bytes: float
    stream_bytes: float
    layer_passes: float
    passes: float


def prefill_work(architecture: Architecture, precision: str, prompt_tokens: int, prompts: int) -> Work:
    """One pass over `prompts` prompts of `prompt_tokens` each, up to the logits of their last positions."""
    return _one_pass(
        architecture, precision, prompts * prompt_tokens, prompts * prefill_flops(architecture, prompt_tokens)
    )


def decode_work(
    architecture: Architecture, precision: str, prompt_tokens: int, output_tokens: int, sequences: int
) -> Work:
    """All decode steps of `sequences` sequences side by side: `output_tokens` - 1 passes of one token each."""
    steps = max(output_tokens - 1, 0)
    weights = steps * _weight_bytes_read(architecture, precision, sequences)
    kv_bits = 8 * _activation_bytes(precision)
    return Work(
        flops=sequences * decode_flops(architecture, prompt_tokens, output_tokens),
        weight_bytes=weights,
        packed_bytes=weights if sequences > 1 else 0.0,
        kv_bytes=sequences
        * (
            _tokens_attended(architecture, prompt_tokens, steps) * kv_bytes_per_token(architecture, kv_bits)
            + steps * state_bytes(architecture, kv_bits)
        ),
        stream_bytes=steps * sequences * _stream_bytes(architecture, precision),
        layer_passes=steps * architecture.layers,
        passes=steps,
    )


def paper_work(architecture: Architecture, precision: str, samples: int) -> Work:
    """One pass over `samples` samples in the paper's convention, of 128 tokens each."""
    return _one_pass(architecture, precision, samples * PAPER_TOKENS, samples * paper_flops(architecture))


def _one_pass(architecture: Architecture, precision: str, tokens: int, flops: float) -> Work:
    weights = _weight_bytes_read(architecture, precision, tokens) if tokens else 0.0
    return Work(
        flops=flops,
        weight_bytes=weights,
        packed_bytes=weights if tokens > 1 else 0.0,
        kv_bytes=0.0,
        stream_bytes=tokens * _stream_bytes(architecture, precision),
        layer_passes=architecture.layers if tokens else 0,
        passes=1 if tokens else 0,
    )


def _weight_bytes_read(architecture: Architecture, precision: str, tokens: int) -> float:
    """Bytes of weights that one pass over `tokens` tokens reads.

    Not read are the embedding table, of which only single rows are looked up, image encoders, and the experts no token
    is routed to: with a of c experts per token, routed evenly, a share of (1 - a / c) ** tokens.
    """
    other_bytes = _activation_bytes(precision)
    unread = architecture.vision_parameters * other_bytes
    if not architecture.tied_embeddings:
        unread += architecture.embedding_weights * other_bytes
    idle = sum(
        linear.copies
        * (1 - linear.active / linear.copies) ** tokens
        * matrix_bytes(architecture, linear, precision, 8 * other_bytes)
        for linear in architecture.linears()
        if linear.active < linear.copies
    )
    return weight_bytes(architecture, precision) - unread - idle


def _tokens_attended(architecture: Architecture, prompt_tokens: int, steps: int) -> float:
    """Tokens whose keys and values one sequence's decode steps read, over all steps: the mean over their layers."""
    everything = steps * prompt_tokens + steps * (steps + 1) // 2
    window = architecture.sliding_window
    if not window or not architecture.attention_layers:
        return everything
    growing = min(max(window - prompt_tokens, 0), steps)
    latest = growing * prompt_tokens + growing * (growing + 1) // 2 + (steps - growing) * window
    sliding = architecture.sliding_layers / architecture.attention_layers
    return sliding * latest + (1 - sliding) * everything


def _stream_bytes(architecture: Architecture, precision: str) -> float:
    """Bytes of the residual stream per token, at the two places per layer where devices sum theirs."""
    return 2 * architecture.layers * architecture.hidden_size * _activation_bytes(precision)


def _activation_bytes(precision: str) -> int:
    return 4 if precision == "fp32" else 2
