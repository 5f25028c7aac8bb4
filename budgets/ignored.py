"""Which matrices of a model a quantised checkpoint leaves alone, by the patterns of its `config.json`.

Tools name modules (`model.layers.0.mlp.gate`), parts of their names (`self_attn`), names with `*`, or regular
expressions (`re:.*mlp.gate$`). Only those of a decoder with Llama's module names are looked for: others that nobody
quantises in parts count as quantised throughout.
"""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING, Final

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
_MOST_REPEATS: Final = 4
_REPEATED_GROUP: Final = re.compile(r"\)[*+{?]")


def unquantised_roles(architecture: Architecture, quantisation: Quantisation) -> tuple[tuple[str, float], ...]:
    """Find the roles of matrices that stay at 16 bits, each with the share of its copies.

    MXFP4 is for experts alone: so is every released checkpoint of it, and transformers' loader.

    Raises:
        UserError: A pattern is too long or too complicated to be tried.
    """
    ignored = [_matcher(pattern) for pattern in quantisation.ignored]
    targets = [_matcher(pattern) for pattern in quantisation.targets]
    experts_alone = quantisation.method.lower() == "mxfp4" and architecture.experts is not None
    found: list[tuple[str, float]] = []
    for linear in architecture.linears():
        share = 0.0
        if linear.quantisable and experts_alone and not linear.role.startswith("expert_"):
            share = 1.0
        elif linear.quantisable and (ignored or targets):
            share = _ignored_share(architecture, linear, ignored, targets)
        if share:
            found.append((linear.role, share))
    return tuple(found)


def _ignored_share(
    architecture: Architecture,
    linear: Linear,
    ignored: list[Callable[[str], bool]],
    targets: list[Callable[[str], bool]],
) -> float:
    experts = architecture.experts
    copies = linear.copies // experts.count if experts and linear.role.startswith("expert_") else linear.copies
    names = _module_names(linear.role)
    left = 0
    for layer in _layers_of(architecture, linear.role):
        modules = [f"{prefix}{layer}.{name}" for prefix in _PREFIXES for name in names]
        is_ignored = any(matches(module) for matches in ignored for module in modules)
        is_targeted = not targets or any(matches(module) for matches in targets for module in modules)
        left += is_ignored or not is_targeted
    return min(left / copies, 1.0)


def _layers_of(architecture: Architecture, role: str) -> range:
    """Get the layers where a role may be: dense layers come first where there are experts."""
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


def _matcher(pattern: str) -> Callable[[str], bool]:
    """Build the test of a module's name."""
    if len(pattern) > _LONGEST_PATTERN:
        raise UserError(f"config.json: the pattern {quoted(pattern)} of quantization_config is too long; mend the file")
    if pattern.startswith("re:"):
        return _expression(pattern.removeprefix("re:"))
    if "*" in pattern:
        if pattern.count("*") > _MOST_REPEATS:
            raise UserError(f"config.json: the pattern {quoted(pattern)} of quantization_config has too many *")
        return lambda name: fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name, pattern + ".*")
    return lambda name: f".{pattern}." in f".{name}."


def _expression(text: str) -> Callable[[str], bool]:
    """Compile a regular expression that cannot take long: few repeats, and no group repeated."""
    if _REPEATED_GROUP.search(text) or sum(text.count(mark) for mark in "*+{") > _MOST_REPEATS:
        raise UserError(
            f"config.json: the pattern {quoted(text)} of quantization_config is too complicated to be tried; write it "
            f"with at most {_MOST_REPEATS} repeats, none of them of a group"
        )
    try:
        compiled = re.compile(text)
    except re.error as error:
        raise UserError(f"config.json: the pattern {quoted(text)} of quantization_config is broken: {error}") from None
    return lambda name: compiled.match(name) is not None
