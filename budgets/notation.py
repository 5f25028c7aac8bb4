"""Arms, budgets and amounts as people write them: `13b@int4:5`, `flops=2e13`, `5min`, `80GiB`, `$0.02`."""

from __future__ import annotations

import math
import re
from typing import get_args

from ..errors import UserError
from ..records import Arm, Budget, BudgetKind
from .mixed import split_mixed
from .precision import is_precision, parse_precision

COST_FIELDS: dict[BudgetKind, str] = {
    "flops": "flops",
    "runtime": "runtime_s",
    "memory": "memory_bytes",
    "usd": "usd",
}
"""The field of `Cost` and `Budget` that holds each kind."""

_COUNT = re.compile(r"[0-9]{1,9}")
_NUMBER = re.compile(r"[+-]?[\d.,]*(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_FORM = "MODEL[@PRECISION][+think|+nothink][:K]"


def parse_arm(text: str) -> Arm:
    """Read an arm: a single one as `parse_single` does, or several, joined by commas, as the stages of a cascade.

    A comma counts after a part that ends in `:K`, or where no `/` is in the text, since a path may hold one.

    Raises:
        UserError: As `parse_single`; or a stage states no k, or two stages draw the same samples.
    """
    parts = _stages(text)
    if len(parts) == 1:
        return parse_single(text)
    stages = tuple(map(parse_single, parts))
    if any(stage.k is None for stage in stages):
        raise UserError(
            f"arm {text!r}: every stage of a cascade states its k, a number or greedy; write it like 7b:5,34b:1 or "
            "7b:2,34b:greedy"
        )
    sources = [(without_k(stage), stage.greedy) for stage in stages]
    twice = next((source[0] for source in sources if sources.count(source) > 1), None)
    if twice is not None:
        raise UserError(f"arm {text!r}: two stages draw samples of {twice}; put them into one stage with a larger k")
    return Arm(
        spec=text,
        name=", ".join(stage.name for stage in stages),
        k=sum(stage.k or 0 for stage in stages),
        stages=stages,
    )


def _stages(text: str) -> list[str]:
    """Split a text into the stages of a cascade; a single arm is one."""
    first, *rest = text.split(",")
    parts = [first]
    for piece in rest:
        if "/" not in text or _is_count(_split(parts[-1], ":")[1]):
            parts.append(piece)
        else:
            parts[-1] += f",{piece}"
    return parts


def parse_single(text: str) -> Arm:
    """Read `MODEL[@PRECISION][+think|+nothink][:K]`, K a number or `greedy`; a greedy arm has k = 1.

    `MODEL@recipe:FILE.toml` is a name, that of a model under a mixed recipe.

    It is read from the right. A `:` counts only before a number or `greedy`, and an `@` only before a precision, so
    that names such as `qwen2.5-coder:7b`, `vendor/model:free` and `model@2024-08-06` stay whole; a local path may hold
    both before its last `/`.

    Raises:
        UserError: The model is empty, K is a number but not a whole one of at least 1, K is not the last part, or it is
            a cascade.
    """
    if len(_stages(text)) > 1:
        raise UserError(f"{text!r} is a cascade of several models; name one of them")
    rest, count = _split(text, ":")
    k, greedy = None, False
    if count is not None and (count.lower() == "greedy" or _NUMBER.fullmatch(count)):
        k, greedy = _parse_count(text, count)
    else:
        rest = text
    rest, thinking = _split_thinking(rest)
    if thinking is not None and _is_count(_split(rest, ":")[1]):
        raise UserError(f"arm {text!r}: K comes last; write {_FORM}, such as 13b@int4:5")
    name, precision = _split(rest, "@")
    if precision is not None and is_precision(precision):
        precision = parse_precision(precision)
        if split_mixed(name)[1] is not None:
            raise UserError(f"arm {text!r}: a mixed recipe states its precision; drop @{precision}")
        if _is_count(_split(name, ":")[1]):
            raise UserError(f"arm {text!r}: K comes last; write {_FORM}, such as 13b@int4:5")
    else:
        name, precision = rest, None
    if not name.strip() or (name.startswith("@") and is_precision(name[1:])):
        raise UserError(f"arm {text!r} has no model; write {_FORM}, such as 13b@int4:5")
    if name.endswith("@"):
        raise UserError(f"arm {text!r}: unknown precision ''; write {_FORM}, such as 13b@int4:5")
    return Arm(spec=text, name=name, precision=precision, thinking=thinking, k=k, greedy=greedy)


def without_k(arm: Arm) -> str:
    """Strip the number of samples off an arm as typed; a cascade stays as it is."""
    return arm.spec if arm.k is None or arm.stages else arm.spec.rpartition(":")[0]


def parse_budget(text: str) -> Budget:
    """Read limits per task, such as `flops=2e13,runtime=30s,memory=80GiB,usd=$0.02`.

    Raises:
        UserError: A part is not `KIND=AMOUNT`, its kind is unknown or named twice, or its amount cannot be read.
    """
    kinds = get_args(BudgetKind)
    limits: dict[str, float] = {}
    for part in text.split(","):
        key, equals, amount = part.partition("=")
        kind = next((known for known in kinds if known == key.strip().lower()), None)
        if not equals or kind is None:
            raise UserError(
                f"cannot read {part.strip()!r} in a budget; write KIND=AMOUNT, where KIND is one of {' '.join(kinds)}"
            )
        if COST_FIELDS[kind] in limits:
            raise UserError(f"the budget sets {kind} twice; keep one")
        limits[COST_FIELDS[kind]] = parse_amount(kind, amount)
    return Budget.model_validate(limits)


def _split(text: str, mark: str) -> tuple[str, str | None]:
    """Split a text at its last `mark`; a mark before the last `/` belongs to a path."""
    head, found, tail = text.rpartition(mark)
    return (head, tail) if found and "/" not in tail else (text, None)


def _split_thinking(text: str) -> tuple[str, bool | None]:
    for ending, thinking in (("+think", True), ("+nothink", False)):
        if text.lower().endswith(ending):
            return text[: -len(ending)], thinking
    return text, None


def _is_count(text: str | None) -> bool:
    return text is not None and (text.lower() == "greedy" or _COUNT.fullmatch(text) is not None)


def _parse_count(arm: str, count: str) -> tuple[int, bool]:
    if count.lower() == "greedy":
        return 1, True
    if not _COUNT.fullmatch(count) or int(count) == 0:
        raise UserError(
            f"arm {arm!r}: {count!r} is not a valid sample count; write {_FORM}, where K is at least 1 or 'greedy'"
        )
    return int(count), False


_AMOUNT = re.compile(r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(?P<unit>[a-z]*)", re.IGNORECASE)

_SI = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "p": 1e15, "e": 1e18, "z": 1e21}
_FLOPS = {f"{prefix}{unit}": factor for prefix, factor in _SI.items() for unit in ("flop", "flops")}
_SECONDS = {
    **dict.fromkeys(("ms", "msec"), 1e-3),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
}
_BYTES = {
    "b": 1.0,
    **{f"{prefix}b": factor for prefix, factor in _SI.items() if prefix in "kmgtp" and prefix},
    **{f"{prefix}ib": 1024.0**power for power, prefix in enumerate("kmgtp", start=1)},
}
_UNITS: dict[BudgetKind, dict[str, float]] = {
    "flops": {"": 1.0, **_FLOPS},
    "runtime": _SECONDS,
    "memory": _BYTES,
    "usd": {"": 1.0, "usd": 1.0},
}
_EXAMPLES: dict[BudgetKind, str] = {
    "flops": "2e13 or 20TFLOP",
    "runtime": "30s or 5min",
    "memory": "80GiB or 24GB",
    "usd": "$0.02",
}
_SHOWN: dict[BudgetKind, tuple[tuple[str, float], ...]] = {
    "flops": tuple((f" {prefix.upper()}FLOP", _SI[prefix]) for prefix in ("z", "e", "p", "t", "g", "m", "")),
    "runtime": ((" h", 3600.0), (" min", 60.0), (" s", 1.0), (" ms", 1e-3)),
    "memory": ((" TiB", 1024.0**4), (" GiB", 1024.0**3), (" MiB", 1024.0**2), (" KiB", 1024.0), (" B", 1.0)),
}


def parse_amount(kind: BudgetKind, text: str) -> float:
    """Read an amount of FLOPs, seconds, bytes or US dollars.

    Units are read in any case; KB, MB, GB are powers of 1000, KiB, MiB, GiB of 1024. FLOPs and dollars may omit the
    unit, times and sizes may not.

    Raises:
        UserError: It cannot be read, or is not a positive finite amount.
    """
    bare = text.strip()
    match = _AMOUNT.fullmatch(bare.removeprefix("$") if kind == "usd" else bare)
    factor = _UNITS[kind].get(match["unit"].lower()) if match else None
    if match is None or factor is None:
        raise UserError(f"cannot read {text!r} as {kind}; write it like {_EXAMPLES[kind]}")
    value = float(match["number"]) * factor
    if not math.isfinite(value) or value <= 0:
        raise UserError(f"{kind} must be positive and finite, not {text!r}")
    return value


def format_amount(kind: BudgetKind, value: float) -> str:
    """Write an amount with four significant digits and its unit; `parse_amount` reads it back."""
    if kind == "usd":
        return f"${value:.4g}"
    units = _SHOWN[kind]
    if value == 0:
        return f"0{next(unit for unit, factor in units if factor == 1)}"
    # Choose the unit for the rounded value, so that 1 PFLOP is never printed as 1000 TFLOP.
    rounded = float(f"{abs(value):.4g}")
    unit, factor = next((entry for entry in units if rounded >= entry[1]), units[-1])
    return f"{value / factor:.4g}{unit}"
