"""Memory for drawing k samples of a task: weights, workspace, and the key-value cache.

`codebudget` counts what an engine with a paged cache holds (Kwon et al. 2023, arXiv 2309.06180): the prompt's keys and
values once, shared by the task's samples, and each sample's own. A sample's last token is never fed back, so it has
none. Pages are not rounded up: a page holds 16 tokens, so a sample's cache may be up to 16 tokens larger.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ..errors import UserError
from ..records import Record
from .precision import precision_scheme

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..records import Workload
    from .architecture import Architecture, Linear

GIB: Final = 1 << 30

RUNTIME_BYTES: Final = round(1.79 * GIB)
"""Bytes per device that driver, CUDA kernels, libraries hold outside PyTorch's allocator.

vLLM's own report for Llama-3-8B on one 80 GB GPU: `non_torch_memory 1.79GiB` (vllm-project/vllm pull request 10511).
"""

GRAPH_BYTES: Final = 1 * GIB
"""Captured CUDA graphs, per device: the low end of the 1 to 3 GiB that vLLM up to 0.8 announced when it captured them
(vllm/worker/model_runner.py); vLLM 0.21 and later measure it, and report less for small models."""

BATCHED_TOKENS: Final = 8192
SEQUENCES: Final = 256
"""Tokens and sequences of one engine step: vLLM 0.32's `LLM()` defaults for `max_num_batched_tokens` and
`max_num_seqs` on a device under 70 GiB or an A100 (vllm/engine/arg_utils.py); larger ones get up to 16384 and 1024."""

LOGIT_COPIES: Final = 4
"""Copies of the logits, at 32 bits, that sampling holds: logits, probabilities, sorted and logarithmic ones."""


class MemoryFit(Record):
    """Effect of a memory limit per device on k samples of a task.

    `fits`: all that are to run at once do. `concurrency` is how many sequences of the task can run at once, at most k,
    0 where not even the weights and one sequence fit. `waves` is how many rounds k samples take at that concurrency,
    None where it is 0. `tensor_parallel` is the smallest number of devices, a power of two, over which what is to run
    at once fits; None where no number that the heads can be split over suffices.
    """

    fits: bool
    needed_bytes: int
    concurrency: int
    waves: int | None
    tensor_parallel: int | None


def weight_bytes(architecture: Architecture, precision: str, *, other_bits: int | None = None) -> int:
    """Bytes of all weights.

    The matrices of attention and FFN are stored as the precision says, scales and zero-points included. Embeddings,
    output head, norms, biases, routers and image encoders stay at 16 bits, as quantisers leave them, and so do the
    parts that the checkpoint itself leaves unquantised.

    Args:
        architecture: The decoder.
        precision: See `precision_scheme`.
        other_bits: Bits of everything not quantised; None for 16, or 32 at fp32.

    Raises:
        UserError: The precision is unknown, or `other_bits` is less than 1.
    """
    scheme = precision_scheme(precision)
    bits = max(scheme.weight_bits, 16) if other_bits is None else other_bits
    if bits < 1:
        raise UserError(f"other_bits must be at least 1, not {bits}")
    linears = architecture.linears()
    matrices = sum(linear.copies * matrix_bytes(architecture, linear, precision, bits) for linear in linears)
    others = architecture.parameter_count() - sum(linear.copies * linear.weights for linear in linears)
    # Shares of copies are rounded fractions: what they add to a whole number is no byte.
    return math.ceil(round(matrices, 3)) + math.ceil(others * bits / 8)


def matrix_bytes(architecture: Architecture, linear: Linear, precision: str, other_bits: int = 16) -> float:
    """Bytes of one matrix of the layers, the mean over its copies if the checkpoint quantises only some.

    Args:
        architecture: The decoder, which says what its checkpoint leaves unquantised.
        linear: The matrix.
        precision: See `precision_scheme`.
        other_bits: Bits of what is not quantised.

    Raises:
        UserError: The precision is unknown.
    """
    plain = linear.weights * other_bits / 8
    share = plain_share(architecture, linear)
    if share == 1:
        return plain
    stored = precision_scheme(precision).matrix_bytes(linear.inputs, linear.outputs)
    return stored if share == 0 else share * plain + (1 - share) * stored


def plain_share(architecture: Architecture, linear: Linear) -> float:
    """Share of a matrix's copies that a quantised checkpoint of the model leaves at 16 bits."""
    return dict(architecture.unquantised).get(linear.role, 0.0) if linear.quantisable else 1.0


def effective_bits(architecture: Architecture, precision: str) -> float:
    """Bits per weight of the matrices that a precision is for, with scales and zero-points.

    Raises:
        UserError: The precision is unknown.
    """
    scheme = precision_scheme(precision)
    stored = weights = 0.0
    for linear in architecture.linears():
        copies = linear.copies * (1 - plain_share(architecture, linear))
        stored += copies * scheme.matrix_bytes(linear.inputs, linear.outputs)
        weights += copies * linear.weights
    return 8 * stored / weights if weights else 16.0


def kv_bytes_per_token(architecture: Architecture, kv_bits: int = 16) -> float:
    """Bytes added to the key-value cache by each token, over all layers, until a sliding window is full.

    Per layer, these are the keys and values of all key-value heads, or with latent attention the latent vector and the
    rotary key (DeepSeek-V2, arXiv 2405.04434, section 2.1.3). A quantised cache's scales are not counted.
    """
    return architecture.attention_layers * architecture.kv_cache_width * kv_bits / 8


def state_bytes(architecture: Architecture, kv_bits: int = 16) -> float:
    """Bytes that each sequence holds for layers of linear attention, at any length.

    States are kept in 32 bits, as transformers 5 does, and the latest inputs of the convolution as the cache is.
    """
    linear = architecture.linear
    if linear is None:
        return 0.0
    return linear.layers * (linear.state_size * 4 + (linear.kernel - 1) * linear.mixed_width * kv_bits / 8)


def kv_bytes(architecture: Architecture, workload: Workload, sequences: int, kv_bits: int = 16) -> int:
    """Bytes of the key-value cache of `sequences` samples of one task held at once, at full length.

    With linear attention each sample also has its own states, which are not shared with the prompt.
    In the paper's convention each sample is its own pass over the prompt, and nothing is shared.
    """
    prompt, own = workload.prompt_tokens, max(workload.output_tokens - 1, 0)
    if workload.convention == "paper":
        prompt, own = 0, prompt
    window, sliding = architecture.sliding_window, architecture.windowed_layers
    tokens = (architecture.attention_layers - sliding) * (prompt + sequences * own)
    if window:
        # A sample that has grown past the window no longer holds the prompt.
        tokens += sliding * (min(prompt, max(window - own, 0)) + sequences * min(own, window))
    cache = tokens * architecture.kv_cache_width * kv_bits / 8
    return math.ceil(cache + sequences * state_bytes(architecture, kv_bits))


def workspace_bytes(architecture: Architecture) -> int:
    """Bytes per device besides weights and cache: for runtime, CUDA graphs and activations.

    Activations are those of the profiling run in which an engine reserves them, at 16 bits: the residual stream, its
    norm and one FFN's inner values for `BATCHED_TOKENS` tokens, and the logits of `SEQUENCES` sequences. For Llama-3-8B
    that makes 1.27 GiB, where vLLM measured 1.26 (pull request 10511).
    """
    experts = architecture.experts
    inner = experts.active * experts.ffn_size + experts.shared_ffn_size if experts else architecture.ffn_size
    per_token = 2 * architecture.hidden_size + architecture.ffn_matrices * inner
    activations = 2 * BATCHED_TOKENS * per_token
    logits = 4 * LOGIT_COPIES * SEQUENCES * architecture.vocab_size
    return RUNTIME_BYTES + GRAPH_BYTES + activations + logits


def memory_bytes(
    architecture: Architecture,
    precision: str,
    workload: Workload,
    k: int,
    *,
    concurrency: int | None = None,
    kv_bits: int | None = None,
    tensor_parallel: int = 1,
) -> int:
    """Bytes taken by k samples of a task on each device: weights, workspace and the cache of those held at once.

    Args:
        architecture: The decoder.
        precision: Of the weights, see `precision_scheme`.
        workload: Tokens of the prompt and of each sample.
        k: Samples of the task, all held at once unless `concurrency` is less.
        concurrency: Sequences that the engine holds at once.
        kv_bits: Bits per number in the cache; None for 16, or 32 at fp32, as engines choose.
        tensor_parallel: Devices that weights and cache are split over. Key-value heads are copied where there are
            fewer than devices, and every device holds a latent cache whole.

    Raises:
        UserError: A count is less than 1, or the precision is unknown.
    """
    for name, count in (("k", k), ("concurrency", concurrency), ("tensor_parallel", tensor_parallel)):
        if count is not None and count < 1:
            raise UserError(f"{name} must be at least 1, not {count}")
    sequences = k if concurrency is None else min(k, concurrency)
    bits = _kv_bits(precision) if kv_bits is None else kv_bits
    kv_shards = 1 if architecture.latent else min(tensor_parallel, architecture.kv_heads)
    weights = -(-weight_bytes(architecture, precision) // tensor_parallel)
    cache = -(-kv_bytes(architecture, workload, sequences, bits) // kv_shards)
    return weights + workspace_bytes(architecture) + cache


def memory_fit(
    architecture: Architecture,
    precision: str,
    workload: Workload,
    k: int,
    limit_bytes: float,
    *,
    concurrency: int | None = None,
    kv_bits: int | None = None,
) -> MemoryFit:
    """Fit k samples of a task to a device: whether, how many at once, and how many devices it would take.

    Args:
        architecture: The decoder.
        precision: Of the weights.
        workload: Tokens of the prompt and of each sample.
        k: Samples of the task.
        limit_bytes: Memory of each device.
        concurrency: Sequences to hold at once; None for all k.
        kv_bits: As for `memory_bytes`.

    Raises:
        UserError: A count is less than 1, or the precision is unknown.
    """

    def needed(sequences: int, devices: int = 1) -> int:
        return memory_bytes(architecture, precision, workload, sequences, kv_bits=kv_bits, tensor_parallel=devices)

    memory_bytes(architecture, precision, workload, k, concurrency=concurrency)
    wanted = k if concurrency is None else min(k, concurrency)
    at_once = _largest_that_fits(needed, wanted, limit_bytes)
    degrees = (1 << power for power in range(architecture.heads.bit_length()))
    suffices = (size for size in degrees if architecture.heads % size == 0 and needed(wanted, size) <= limit_bytes)
    return MemoryFit(
        fits=at_once == wanted,
        needed_bytes=needed(wanted),
        concurrency=at_once,
        waves=-(-k // at_once) if at_once else None,
        tensor_parallel=next(suffices, None),
    )


def _kv_bits(precision: str) -> int:
    return max(precision_scheme(precision).weight_bits, 16)


def _largest_that_fits(needed: Callable[[int], int], most: int, limit_bytes: float) -> int:
    """Find the most sequences, up to `most`, whose memory is within the limit; 0 if one is too many."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if needed(middle) <= limit_bytes else (low, middle - 1)
    return low
