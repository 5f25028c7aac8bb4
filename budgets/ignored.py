"""Which matrices of a model a quantised checkpoint leaves alone, by the patterns of its `config.json`.

Tools list modules (`model.layers.0.mlp.gate`), parts of their names (`self_attn`), names with `*`, or regular
expressions (`re:.*mlp.gate$`). Only Llama's module names are matched. Decoders with other names count as quantised
throughout; nobody quantises them in part.
"""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from .._util.printable import quoted
from ..errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .architecture import Architecture, Linear
    from .quantised import Quantisation

_PREFIXES: Final = ("model.layers.", "language_model.model.layers.", "model.language_model.layers.")

_ATTENTION: Final = {
    "query": ("q_proj", "qkv_proj"),
    "key": ("k_proj", "qkv_proj"),
    "value": ("v_proj", "qkv_proj"),
    "output": ("o_proj", "dense"),
    "query_down": ("q_a_proj",),
    "query_up": ("q_b_proj",),
    "kv_down": ("kv_a_proj_with_mqa",),
    "kv_up": ("kv_b_proj",),
}
_LINEAR: Final = {
    "linear_in": ("in_proj_qkvz", "in_proj_qkv"),
    "linear_gates": ("in_proj_ba", "in_proj_b"),
    "linear_out": ("out_proj",),
}
_FFN: Final = {"gate": ("gate_proj", "gate_up_proj"), "up": ("up_proj", "gate_up_proj"), "down": ("down_proj",)}
_MIXTRAL: Final = {"gate": "w1", "up": "w3", "down": "w2"}

_LONGEST_PATTERN: Final = 300
_MOST_REPEATS: Final = 3
_MOST_TRIALS: Final = 4000
"""Patterns with `*` or expressions, times layers."""

_REPEATED_GROUP: Final = re.compile(r"\)[*+{?]")


def unquantised_roles(architecture: Architecture, quantisation: Quantisation) -> tuple[tuple[str, float], ...]:
    """Find the roles of matrices that stay at 16 bits, each with the share of its copies.

    MXFP4 is for experts alone: so is every released checkpoint of it, and transformers' loader.

    Raises:
        UserError: A pattern is too long or too complicated.
    """
    ignored = _Patterns.of(quantisation.ignored, architecture.layers)
    targets = _Patterns.of(quantisation.targets, architecture.layers)
    experts_alone = quantisation.method.lower() == "mxfp4" and architecture.experts is not None
    found: list[tuple[str, float]] = []
    for linear in architecture.linears():
        share = 0.0
        if linear.quantisable and experts_alone and not linear.role.startswith("expert_"):
            share = 1.0
        elif linear.quantisable and quantisation.ignored + quantisation.targets:
            share = _ignored_share(architecture, linear, ignored, targets if quantisation.targets else None)
        if share:
            found.append((linear.role, share))
    return tuple(found)


def known_modules(architecture: Architecture) -> frozenset[str]:
    """Names that the quantisable matrices of a decoder may have as modules."""
    return frozenset(
        f"{prefix}{layer}.{name}"
        for linear in architecture.linears()
        if linear.quantisable
        for layer in _layers_of(architecture, linear.role)
        for prefix in _PREFIXES
        for name in _module_names(linear.role)
    )


class _Patterns(NamedTuple):
    """Patterns of module names: those that are names or parts of them, and tests for the others."""

    parts: frozenset[str]
    tests: tuple[Callable[[str], object], ...]

    @classmethod
    def of(cls, patterns: tuple[str, ...], layers: int) -> _Patterns:
        parts = frozenset(pattern for pattern in patterns if not pattern.startswith("re:") and "*" not in pattern)
        others = [pattern for pattern in dict.fromkeys(patterns) if pattern not in parts]
        if len(others) * layers > _MOST_TRIALS:
            raise UserError(
                f"config.json: quantization_config has {len(others)} patterns for {layers} layers, too many to check; "
                "use fewer"
            )
        return cls(parts, tuple(_test(pattern) for pattern in others))

    def match(self, name: str) -> bool:
        steps = name.split(".")
        ends = range(1, len(steps) + 1)
        if any(".".join(steps[start:end]) in self.parts for end in ends for start in range(end)):
            return True
        return any(test(name) for test in self.tests)


def _ignored_share(architecture: Architecture, linear: Linear, ignored: _Patterns, targets: _Patterns | None) -> float:
    experts = architecture.experts
    copies = linear.copies // experts.count if experts and linear.role.startswith("expert_") else linear.copies
    names = _module_names(linear.role)
    left = 0
    for layer in _layers_of(architecture, linear.role):
        modules = [f"{prefix}{layer}.{name}" for prefix in _PREFIXES for name in names]
        targeted = targets is None or any(map(targets.match, modules))
        left += not targeted or any(map(ignored.match, modules))
    return min(left / copies, 1.0)


def _layers_of(architecture: Architecture, role: str) -> range:
    """Get the layers that may have a role: with experts, dense layers come first."""
    dense = architecture.experts.dense_layers if architecture.experts else architecture.layers
    if role in _FFN:
        return range(dense)
    if role.startswith(("expert_", "shared_")):
        return range(dense, architecture.layers)
    return range(architecture.layers)


def _module_names(role: str) -> list[str]:
    kind, _, part = role.rpartition("_")
    if role in _ATTENTION:
        return [f"self_attn.{name}" for name in _ATTENTION[role]]
    if role in _LINEAR:
        return [f"linear_attn.{name}" for name in _LINEAR[role]]
    if kind == "expert":
        stacked = f"mlp.experts.{'down_proj' if part == 'down' else 'gate_up_proj'}"
        return [f"mlp.experts.0.{_FFN[part][0]}", stacked, f"block_sparse_moe.experts.0.{_MIXTRAL[part]}"]
    if kind == "shared":
        return [f"mlp.{place}.{_FFN[part][0]}" for place in ("shared_expert", "shared_experts")]
    return [f"mlp.{name}" for name in _FFN[role]]


def _test(pattern: str) -> Callable[[str], object]:
    """Build the test of a pattern, one that cannot take long: few repeats, and no group repeated."""
    text = pattern.removeprefix("re:")
    is_expression = text != pattern
    repeats = sum(text.count(mark) for mark in ("*+{?" if is_expression else "*"))
    if len(text) > _LONGEST_PATTERN or repeats > _MOST_REPEATS or (is_expression and _REPEATED_GROUP.search(text)):
        raise UserError(
            f"config.json: the pattern {quoted(pattern)} of quantization_config is too complicated; use at most "
            f"{_LONGEST_PATTERN} characters and {_MOST_REPEATS} repeats, and repeat no group"
        )
    try:
        return re.compile(text if is_expression else fnmatch.translate(text + "*")).match
    except re.error as error:
        raise UserError(
            f"config.json: the pattern {quoted(pattern)} of quantization_config is not a valid regular "
            f"expression: {error}"
        ) from None
