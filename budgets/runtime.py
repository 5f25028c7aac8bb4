"""Seconds of drawing samples, from a machine's speed and the batching of a task's samples.

A roofline (Williams et al. 2009): a phase takes the longer of its arithmetic and its memory traffic. Prefill is bound
by compute, decode by reading the weights once per step and every sequence's keys and values (Pope et al. 2022,
arXiv 2211.05102, section 3). Added are a fixed time per pass and, where devices share a model, its communication:
two all-reduces of the residual stream per layer (Shoeybi et al. 2019, arXiv 1909.08053, section 3), each sending
2 (N - 1) / N of it over a ring of N devices (Patarasuk and Yuan 2009).

It leaves out: sampling, tokenisation, the network, writes of keys and values, overlap of communication with
arithmetic, waiting in a queue, and sequences that end early. Its efficiencies are stated, not measured: a calibration
replaces them where a machine is at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Literal, Protocol

from ..errors import UserError
from .flops import PAPER_TOKENS
from .hardware import MAX_DEVICES, Machine
from .memory import kv_bytes, memory_bytes, memory_fit
from .notation import format_amount
from .precision import precision_scheme
from .work import decode_work, paper_work, prefill_work

if TYPE_CHECKING:
    from ..records import Workload
    from .architecture import Architecture
    from .hardware import Hardware
    from .work import Work

Regime = Literal["latency", "throughput"]
"""`latency`: seconds from a task's start to its last sample, nothing else running; its samples share batches.
`throughput`: machine seconds per task, with batches kept full by the samples of many tasks."""

RuntimeOfK = Callable[[int], float]
"""Seconds per task, from the number of samples."""

MFU: Final = 0.5
"""Share of peak FLOP/s that matrix products reach. An assumption, about what Megatron-LM reports."""

MBU: Final = 0.6
"""Share of peak bandwidth that decoding reaches. An assumption."""

PASS_OVERHEAD_S: Final = 1e-3
"""Time to launch and schedule one pass. An assumption."""

ALL_REDUCE_LATENCY_S: Final = 1e-5
"""Time of an empty all-reduce. An assumption."""

MAX_BATCH: Final = 256
"""Sequences that decode at once: vLLM's `max_num_seqs` on devices below 70 GiB and on A100; larger ones get more."""

PREFILL_TOKENS: Final = 8192
"""Prompt tokens sharing a pass where many tasks wait: vLLM's `max_num_batched_tokens` on those devices."""


class Pace(Protocol):
    """Speed at which work is done."""

    def prefill_s(self, work: Work) -> float:
        """Seconds of passes over prompts."""
        ...

    def decode_s(self, work: Work) -> float:
        """Seconds of passes over one token per sequence."""
        ...


@dataclass(frozen=True, slots=True)
class Roofline:
    """The pace of a machine by its datasheet and the efficiencies above, for one model and precision."""

    flops_per_s: float
    memory_bytes_per_s: float
    link_bytes_per_s: float | None
    devices: int
    kv_copies: float

    @classmethod
    def of(cls, machine: Machine, architecture: Architecture, precision: str) -> Roofline:
        """The pace of `machine` with a model at a precision."""
        return cls(
            flops_per_s=machine.count * MFU * peak_flops_per_s(machine.hardware, precision),
            memory_bytes_per_s=machine.count * MBU * machine.hardware.memory_bytes_per_s,
            link_bytes_per_s=machine.hardware.link_bytes_per_s,
            devices=machine.count,
            kv_copies=_kv_copies(architecture, machine),
        )

    def prefill_s(self, work: Work) -> float:
        """Seconds of passes over prompts."""
        return self._seconds(work)

    def decode_s(self, work: Work) -> float:
        """Seconds of passes over one token per sequence."""
        return self._seconds(work)

    def _seconds(self, work: Work) -> float:
        arithmetic = work.flops / self.flops_per_s
        traffic = (work.weight_bytes + self.kv_copies * work.kv_bytes) / self.memory_bytes_per_s
        return max(arithmetic, traffic) + work.passes * PASS_OVERHEAD_S + self._communication_s(work)

    def _communication_s(self, work: Work) -> float:
        if self.devices == 1 or self.link_bytes_per_s is None:
            return 0.0
        sent = 2 * (self.devices - 1) / self.devices * work.stream_bytes
        return sent / self.link_bytes_per_s + 2 * work.layer_passes * ALL_REDUCE_LATENCY_S


def peak_flops_per_s(hardware: Hardware, precision: str) -> float:
    """Dense peak of the format that a precision multiplies in.

    With activations of 8 bits or fewer (`fp8 mxfp8 int8 w8a8`) it is that of the device's 8-bit units, floating or
    integer, where it has them. Weights alone in few bits (`int4 nf4 nvfp4 w4a16`) are widened and multiplied in 16
    bits.
    """
    peaks = hardware.peak_flops_per_s
    scheme = precision_scheme(precision)
    bits = scheme.activation_bits
    if bits > 16:
        return peaks.fp32
    narrow = peaks.fp8 if scheme.floating else peaks.int8
    return narrow if bits <= 8 and narrow is not None else peaks.bf16


def machine_runtime(
    architecture: Architecture,
    precision: str,
    workload: Workload,
    machine: Machine,
    *,
    regime: Regime,
    concurrency: int | None = None,
) -> RuntimeOfK:
    """Seconds per task of k samples on a machine, by the roofline.

    The fastest split of its devices is used: each copy of the model lies on as many as share its heads evenly, and in
    the throughput regime the copies work side by side. Leftover devices idle.

    Args:
        architecture: The decoder.
        precision: Its precision.
        workload: Tokens per sample.
        machine: The devices.
        regime: What else the machine does meanwhile.
        concurrency: Most sequences that a copy holds at once; None for as many as fit.

    Returns:
        The function of k.

    Raises:
        UserError: The model does not fit; the message names the number of devices it takes.
    """
    splits: list[tuple[int, RuntimeOfK]] = []
    for degree in range(1, machine.count + 1):
        if architecture.heads % degree:
            continue
        copy = Machine(hardware=machine.hardware, count=degree)
        limit = fitting_batch(architecture, precision, workload, copy)
        if limit:
            pace = Roofline.of(copy, architecture, precision)
            of_copy = task_runtime(
                architecture,
                precision,
                workload,
                pace=pace,
                batch_limit=min(limit, concurrency or limit),
                regime=regime,
            )
            splits.append((1 if regime == "latency" else machine.count // degree, of_copy))
    if not splits:
        raise UserError(_too_big(architecture, precision, workload, machine))
    return lambda k: min(of_copy(k) / copies for copies, of_copy in splits)


def task_runtime(
    architecture: Architecture,
    precision: str,
    workload: Workload,
    *,
    pace: Pace,
    batch_limit: int,
    regime: Regime,
) -> RuntimeOfK:
    """Time drawing a task's k samples, in seconds.

    `latency`: one prefill, then the samples decode together, in waves of at most `batch_limit`. `throughput`: the
    task's share of passes over many prompts, and of full batches; k samples cost k times one. In the paper's
    convention a sample is one pass over 128 tokens, which replaces both.

    Args:
        architecture: The decoder.
        precision: Its precision.
        workload: Tokens per sample.
        pace: Speed of passes.
        batch_limit: Most sequences that decode at once.
        regime: What else the machine does meanwhile.

    Returns:
        The function of k.
    """
    if workload.convention == "paper":

        def passes(samples: int) -> float:
            return pace.prefill_s(paper_work(architecture, precision, samples))

        return _samples(passes, _prompts_at_once(PAPER_TOKENS, batch_limit), regime)

    def decode(sequences: int) -> float:
        return pace.decode_s(
            decode_work(architecture, precision, workload.prompt_tokens, workload.output_tokens, sequences)
        )

    prompts = 1 if regime == "latency" else _prompts_at_once(workload.prompt_tokens, batch_limit)
    prefill_s = pace.prefill_s(prefill_work(architecture, precision, workload.prompt_tokens, prompts)) / prompts
    decode_s = _samples(decode, batch_limit, regime)
    return lambda k: prefill_s + decode_s(k)


def fitting_batch(architecture: Architecture, precision: str, workload: Workload, machine: Machine) -> int:
    """Count the sequences that one copy of a model on all of a machine's devices decodes at once, by memory.

    It is at most `MAX_BATCH`, and 0 where not even one fits. Sequences are of different tasks and share no prompt.
    """

    def needed(sequences: int) -> int:
        return memory_bytes(architecture, precision, workload, sequences, tensor_parallel=machine.count)

    free = machine.hardware.memory_bytes - needed(1)
    if free < 0:
        return 0
    bits = 32 if precision == "fp32" else 16
    per_sequence = kv_bytes(architecture, workload, 1, bits) * _kv_copies(architecture, machine) / machine.count
    return min(1 + int(free // per_sequence), MAX_BATCH) if per_sequence else MAX_BATCH


def _samples(batch_s: Callable[[int], float], limit: int, regime: Regime) -> RuntimeOfK:
    """Time k samples, where a batch of n takes `batch_s(n)` and n is at most `limit`."""
    if regime == "throughput":
        full_s = batch_s(limit)
        return lambda k: k * (full_s / limit)

    known_s = cache(batch_s)

    def waves_s(k: int, size: int) -> float:
        waves, rest = divmod(k, size)
        return waves * known_s(size) + (known_s(rest) if rest else 0.0)

    def in_waves(k: int) -> float:
        # Use the fastest size, so that a smaller limit, as with longer texts, never makes a task faster.
        return min(waves_s(k, size) for size in range(1, min(k, limit) + 1))

    return in_waves


def _prompts_at_once(prompt_tokens: int, batch_limit: int) -> int:
    return min(max(PREFILL_TOKENS // max(prompt_tokens, 1), 1), batch_limit)


def _kv_copies(architecture: Architecture, machine: Machine) -> float:
    """Count copies of keys and values: devices beyond the key-value heads repeat them; latent ones are on all."""
    return float(machine.count) if architecture.latent else max(machine.count / architecture.kv_heads, 1.0)


def _too_big(architecture: Architecture, precision: str, workload: Workload, machine: Machine) -> str:
    hardware = machine.hardware
    fit = memory_fit(architecture, precision, workload, 1, hardware.memory_bytes)
    message = (
        f"one sample takes {format_amount('memory', fit.needed_bytes)}, too much for {machine.name} with "
        f"{format_amount('memory', hardware.memory_bytes)} per device: "
    )
    degree = fit.tensor_parallel
    if hardware.link_bytes_per_s is not None and degree is not None and degree <= MAX_DEVICES:
        return message + f"use {hardware.name}x{degree} or a lower precision"
    return message + "use hardware with more memory (codebudget hardware list) or a lower precision"
