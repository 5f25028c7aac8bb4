"""Reasons why a realised cost is over a tenth off its plan: which part, by how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .flops import task_flops
from .memory import kv_bytes, weight_bytes, workspace_bytes
from .models import find_model
from .quantities import format_amount

if TYPE_CHECKING:
    from ..records import Cost, Plan, Usage, Workload

NOTABLE: Final = 0.1
"""Deviations up to this share of the plan need no explanation."""

_PART: Final = 0.01
"""Least change to the cost that is named."""


def explain_deviations(plan: Plan, workload: Workload, cost: Cost, usage: Usage) -> tuple[str, ...]:
    """Write a line for every kind of cost more than a tenth off the plan.

    Args:
        plan: The plan.
        workload: The workload planned for.
        cost: The realised cost, per task at the plan's k.
        usage: The usage behind it.
    """
    lines = []
    flops = _off(cost.flops, plan.cost.flops)
    if flops is not None and abs(flops - 1) > NOTABLE:
        lines.append(f"FLOPs were {flops:.2f} of the plan: {_lengths(plan, workload, usage)}")
    runtime = _off(cost.runtime_s, plan.cost.runtime_s)
    if runtime is not None and abs(runtime - 1) > NOTABLE:
        lines.append(f"seconds were {runtime:.2f} of the plan: {_speed(runtime, flops, usage)}")
    memory = _off(cost.memory_bytes, plan.cost.memory_bytes)
    if memory is not None and abs(memory - 1) > NOTABLE:
        lines.append(f"memory was {memory:.2f} of the plan: {_memory(plan, workload, cost)}")
    usd = _off(cost.usd, plan.cost.usd)
    if usd is not None and abs(usd - 1) > NOTABLE:
        lines.append(f"dollars were {usd:.2f} of the plan: they follow the tokens or the seconds above")
    return tuple(lines)


def _off(realised: float | None, planned: float | None) -> float | None:
    return realised / planned if realised is not None and planned else None


def _lengths(plan: Plan, workload: Workload, usage: Usage) -> str:
    """Name lengths that were not as planned, and each one's effect on the FLOPs."""
    if usage.prompt_tokens is None or usage.output_tokens is None:
        return "their token counts are not known"
    prompt, output = round(usage.prompt_tokens), round(usage.output_tokens / plan.k)
    if workload.convention == "paper":
        return (
            f"the paper's convention counts one pass over {workload.prompt_tokens} tokens per sample; the prompt had "
            f"{prompt}, read once, and a sample {output}"
        )
    architecture = find_model(plan.model).architecture
    parts = []
    for name, field, really in (("prompts", "prompt_tokens", prompt), ("outputs", "output_tokens", output)):
        changed = task_flops(architecture, workload.model_copy(update={field: really}), plan.k)
        share = changed / task_flops(architecture, workload, plan.k) - 1
        if abs(share) >= _PART:
            parts.append((abs(share), f"{name} had {really} tokens, not {getattr(workload, field)} ({share:+.0%})"))
    if not parts:
        return "lengths are as planned in the mean, and vary"
    return "; ".join(part for _, part in sorted(parts, reverse=True))


def _speed(runtime: float, flops: float | None, usage: Usage) -> str:
    rate = ""
    if usage.output_tokens is not None and usage.busy_s:
        rate = f", at {usage.output_tokens / usage.busy_s:.0f} output tokens/s"
    if flops is None:
        return f"how much of that the lengths are is not known{rate}"
    return f"{flops:.2f} by the FLOPs, {runtime / flops:.2f} by the speed of machine and engine{rate}"


def _memory(plan: Plan, workload: Workload, cost: Cost) -> str:
    """Name the plan's parts, and the one that is likely to differ."""
    architecture = find_model(plan.model).architecture
    kv_bits = 32 if plan.precision == "fp32" else 16
    parts = {
        "weights": weight_bytes(architecture, plan.precision),
        "cache": kv_bytes(architecture, workload, plan.k, kv_bits),
        "workspace": workspace_bytes(architecture),
    }
    planned = ", ".join(f"{name} {format_amount('memory', amount)}" for name, amount in parts.items())
    if (cost.memory_bytes or 0.0) > (plan.cost.memory_bytes or 0.0):
        why = "an engine reserves a cache for many tasks at once, and its libraries count too"
    else:
        why = "the plan's workspace is that of a large engine on a GPU"
    return f"{format_amount('memory', cost.memory_bytes or 0.0)}, planned {planned}; {why}"
