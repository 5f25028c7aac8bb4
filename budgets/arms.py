"""Arms and budgets as they are typed on the command line."""

from __future__ import annotations

import re
from typing import get_args

from ..errors import UserError
from ..records import Arm, Budget, BudgetKind
from .precision import parse_precision
from .quantities import parse_amount

COST_FIELDS: dict[BudgetKind, str] = {
    "flops": "flops",
    "runtime": "runtime_s",
    "memory": "memory_bytes",
    "usd": "usd",
}
"""The field of `Cost` and `Budget` that holds each kind."""

_COUNT = re.compile(r"[0-9]{1,9}")


def parse_arm(text: str) -> Arm:
    """Read `MODEL[@PRECISION][:K]`, K a number or `greedy`; a greedy arm has k = 1.

    It is read from the right, so a local path may hold `/`, `.`, and `:` or `@` before its last `/`.

    Raises:
        UserError: The model is empty, the precision is unknown, or K is neither a number of at least 1 nor `greedy`.
    """
    rest, count = _split(text, ":")
    k, greedy = (None, False) if count is None else _parse_count(text, count)
    name, precision = _split(rest, "@")
    if not name.strip():
        raise UserError(f"arm {text!r} names no model; write MODEL[@PRECISION][:K], such as 13b@int4:5")
    if precision is None:
        return Arm(spec=text, name=name, k=k, greedy=greedy)
    try:
        return Arm(spec=text, name=name, precision=parse_precision(precision), k=k, greedy=greedy)
    except UserError as error:
        raise UserError(f"arm {text!r}: {error}") from error


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
                f"cannot read {part.strip()!r} in a budget; write KIND=AMOUNT, KIND one of {' '.join(kinds)}"
            )
        if COST_FIELDS[kind] in limits:
            raise UserError(f"the budget names {kind} twice; keep one")
        limits[COST_FIELDS[kind]] = parse_amount(kind, amount)
    return Budget.model_validate(limits)


def _split(text: str, mark: str) -> tuple[str, str | None]:
    """Split a text at its last `mark`; a mark before the last `/` belongs to a path."""
    head, found, tail = text.rpartition(mark)
    return (head, tail) if found and "/" not in tail else (text, None)


def _parse_count(arm: str, count: str) -> tuple[int, bool]:
    if count.lower() == "greedy":
        return 1, True
    if not _COUNT.fullmatch(count) or int(count) == 0:
        raise UserError(
            f"arm {arm!r}: {count!r} is not a valid sample count; write MODEL[@PRECISION][:K], K at least 1 or 'greedy'"
        )
    return int(count), False
