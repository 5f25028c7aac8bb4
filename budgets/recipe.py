"""Recipes of quantisation as people write them: `w4a16-g128-gptq`, `w8a8`, `w3a16-g64-asym-rtn-lorc8`, `fp8-lorc4`."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, get_args

from pydantic import Field

from ..errors import UserError
from ..records import Record

Method = Literal["rtn", "gptq", "awq", "smoothquant", "autoround"]
METHODS: Final = get_args(Method)
FORMATS: Final = {"fp8": (8, 8), "mxfp8": (8, 8), "mxfp4": (4, 16), "nvfp4": (4, 16)}
"""Formats of floating-point numbers that a recipe may name in place of bits, with bits of weights and activations."""

DEFAULT_RANK: Final = 8
"""Rank of LoRC where a recipe states none (Yao et al. 2023, arXiv 2303.08302, LoRC with m = 8)."""

FORM: Final = f"w<bits>a<bits>[-g<group>][-sym|-asym][-{'|-'.join(METHODS)}][-lorc<rank>]"

_INTEGERS: Final = {"int8": "w8a8", "int4": "w4a16-g128"}
_BITS: Final = re.compile(r"w([1-9]|1[0-6])a([1-9]|1[0-6])")
_GROUP: Final = re.compile(r"g([1-9]\d{0,5})")
_RANK: Final = re.compile(r"lorc([1-9]\d{0,3})?")


class Recipe(Record):
    """A way to quantise a model's layer matrices, and what it leaves.

    `group` inputs of an output channel share a scale, the whole channel where it is None; `symmetric` is without
    zero-points. `format` names floating-point numbers with a grouping of their own, None for integers. Activations of
    fewer than 16 bits are quantised per token while the model runs. A `lorc_rank` above 0 adds the low-rank factors of
    what rounding lost (LoRC).
    """

    weight_bits: Annotated[int, Field(ge=1, le=16)]
    activation_bits: Annotated[int, Field(ge=1, le=16)] = 16
    group: Annotated[int, Field(ge=1)] | None = None
    symmetric: bool = True
    format: Literal["fp8", "mxfp8", "mxfp4", "nvfp4"] | None = None
    method: Method = "rtn"
    lorc_rank: Annotated[int, Field(ge=0)] = 0

    @property
    def key(self) -> str:
        """The shortest text that `parse_recipe` reads as this recipe, the same for all its spellings."""
        parts = [self.stored]
        if self.method != "rtn":
            parts.append(self.method)
        if self.lorc_rank:
            parts.append(f"lorc{self.lorc_rank}")
        return "-".join(parts)

    @property
    def stored(self) -> str:
        """The part of the key that decides the bytes of matrices, without method and factors."""
        if self.format is not None:
            return self.format
        grouped = f"-g{self.group}" if self.group else ""
        return f"w{self.weight_bits}a{self.activation_bits}{grouped}{'' if self.symmetric else '-asym'}"


def is_recipe(text: str) -> bool:
    """Whether `parse_recipe` reads a text."""
    return fault_of(text) is None


def looks_like_recipe(text: str) -> bool:
    """Whether a text starts as a recipe does, so that its fault is worth telling."""
    head = text.lower().partition("-")[0]
    return head in FORMATS or head in _INTEGERS or re.fullmatch(r"w\d+a\d+", head) is not None


def fault_of(text: str) -> str | None:
    """Tell why a text is no recipe, naming the part; None if it is one."""
    try:
        _read(text)
    except _FaultError as fault:
        return str(fault)
    return None


def parse_recipe(text: str) -> Recipe:
    """Read a recipe, in any case of letters.

    Args:
        text: Bits as `w<bits>a<bits>` with 1 to 16 bits, or `fp8`, `mxfp8`, `mxfp4`, `nvfp4`, `int8` (w8a8), `int4`
            (w4a16-g128); then, in this order and each only if wanted, `-g<group>`, `-sym` or `-asym`, a method, and
            `-lorc<rank>`. Unsaid are one scale per output channel, symmetric, rtn, no LoRC.

    Raises:
        UserError: A part cannot be read, or two of them contradict each other; the message names the part.
    """
    try:
        return _read(text)
    except _FaultError as fault:
        raise UserError(f"recipe {text!r}: {fault}") from None


class _FaultError(ValueError):
    """A recipe cannot be read; the second half of a sentence."""


def _read(text: str) -> Recipe:
    head, *parts = text.strip().lower().split("-")
    chosen = _read_head(head)
    # Each part has its place in this order, and none comes twice.
    places = ("group", "symmetry", "method", "lorc")
    reached = 0
    for part in parts:
        place = _place_of(part)
        if place is None:
            raise _FaultError(f"cannot read {'-' + part!r}; write {FORM}")
        if places.index(place) < reached:
            raise _FaultError(f"{'-' + part!r} comes twice or too late; write {FORM}")
        reached = places.index(place) + 1
        if place in ("group", "symmetry") and (head in FORMATS or head in _INTEGERS):
            instead = f"; write {_INTEGERS[head].partition('-')[0]}-{part}" if head in _INTEGERS else ""
            raise _FaultError(f"{'-' + part!r} does not fit {head}, which has its own scales{instead}")
        chosen.update(_chosen_by(place, part))
    recipe = Recipe.model_validate(chosen)
    _refuse_contradictions(recipe)
    return recipe


def _read_head(head: str) -> dict[str, object]:
    if head in FORMATS:
        weights, activations = FORMATS[head]
        return {"format": head, "weight_bits": weights, "activation_bits": activations}
    bits = _BITS.fullmatch(_INTEGERS.get(head, head).partition("-")[0])
    if bits is None:
        names = " ".join((*FORMATS, *_INTEGERS))
        raise _FaultError(
            f"cannot read {head!r}; start with w<bits>a<bits>, from 1 to 16 bits, such as w4a16, or with one of {names}"
        )
    chosen: dict[str, object] = {"weight_bits": int(bits[1]), "activation_bits": int(bits[2])}
    return {**chosen, "group": 128} if head == "int4" else chosen


def _place_of(part: str) -> str | None:
    if part in METHODS:
        return "method"
    if part in ("sym", "asym"):
        return "symmetry"
    if _GROUP.fullmatch(part):
        return "group"
    return "lorc" if _RANK.fullmatch(part) else None


def _chosen_by(place: str, part: str) -> dict[str, object]:
    if place == "group":
        return {"group": int(part.removeprefix("g"))}
    if place == "symmetry":
        return {"symmetric": part == "sym"}
    if place == "method":
        return {"method": part}
    return {"lorc_rank": int(part.removeprefix("lorc") or DEFAULT_RANK)}


def _refuse_contradictions(recipe: Recipe) -> None:
    weights_stay = recipe.weight_bits == 16
    if weights_stay and (recipe.group or not recipe.symmetric):
        raise _FaultError("weights of 16 bits are not quantised and have no groups or zero-points; write fewer bits")
    if weights_stay and recipe.method in ("gptq", "awq", "autoround"):
        raise _FaultError(f"'-{recipe.method}' rounds weights, but w16 leaves them as they are; write fewer bits")
    if weights_stay and recipe.lorc_rank:
        raise _FaultError(f"'-lorc{recipe.lorc_rank}' is for what rounding weights lost, but w16 rounds none")
    if recipe.method == "smoothquant" and recipe.activation_bits == 16:
        raise _FaultError("'-smoothquant' helps to quantise activations, but a16 leaves them as they are; write a8")
