"""Cost of k samples of a model per task, in every kind that can be known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import UserError
from ..records import BudgetKind, Cost
from .dollars import Prices, TokenPrice, devices_usd, tokens_usd
from .flops import task_flops
from .memory import memory_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..records import Arm, Workload
    from .calibration import Calibration
    from .hardware import Machine
    from .models import Model
    from .runtime import Regime, RuntimeOfK


@dataclass(frozen=True)
class PlannedTests:
    """Texts of tests that models write for each task, to pick by, and that share the limit with the programs.

    `texts` gives their number from the number of programs that the limit would buy without any. `authors` are the
    models that write an arm's tests, by the arm as typed; an arm writes its own elsewhere, after the prompt that its
    programs share. `output_tokens` is the length of a text by the arm as typed; elsewhere that of the arm's programs.
    `fixed` are numbers of texts by the arm as typed that a plan has chosen, whatever its k becomes.
    """

    texts: Callable[[int], int]
    authors: Mapping[str, Arm] = field(default_factory=dict)
    output_tokens: Mapping[str, int] = field(default_factory=dict)
    fixed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Conditions:
    """Conditions of drawing samples, as far as known.

    Without a machine or a calibration there is no runtime, and without prices no dollars. `concurrency` is the number
    of a task's samples held at once; None holds all. `closed` names models that are planned by their price without
    being looked up. `escalate` is the share of tasks that go on from each stage of a cascade to the next; None for all.
    `tests` are those that candidates are picked by.
    """

    machine: Machine | None = None
    calibration: Calibration | None = None
    regime: Regime = "throughput"
    prices: Prices = field(default_factory=Prices)
    concurrency: int | None = None
    closed: frozenset[str] = frozenset()
    escalate: float | None = None
    tests: PlannedTests | None = None

    @property
    def devices(self) -> int:
        """Devices that are paid for."""
        if self.machine is not None:
            return self.machine.count
        return 1 if self.calibration is None else self.calibration.devices


HOW_TO_KNOW: dict[BudgetKind, str] = {
    "flops": "",
    "runtime": "runtime depends on the machine: choose one with `hardware`, such as `hardware` h100x8 (codebudget "
    "hardware list), or give measured seconds with `calibration`",
    "memory": "memory depends on the precision",
    "usd": "dollars need a price: give `usd_per_mtok` IN,OUT or `prices` for served models, or `usd_per_hour` with "
    "`hardware` or `calibration`",
}
"""Remedy where a cost of each kind cannot be known."""


def check_conditions(conditions: Conditions) -> None:
    """Refuse conditions that contradict each other.

    Raises:
        UserError: They do.
    """
    if conditions.machine is not None and conditions.calibration is not None:
        raise UserError("give `hardware` or `calibration`, not both: a calibration was measured on its own machine")
    prices = conditions.prices
    if prices.batch and not prices.listed:
        raise UserError("`batch_prices` come from a price file: give one with `prices`")
    if prices.usd_per_hour is not None:
        if any(price.arm is None for price in prices.tokens):
            raise UserError("give `usd_per_hour`, or `usd_per_mtok` IN,OUT for all arms, not both: write ARM=IN,OUT")
        if conditions.machine is None and conditions.calibration is None:
            raise UserError(
                "`usd_per_hour` needs a runtime: add `hardware`, such as `hardware` h100x8, or `calibration`"
            )


def cost_of_samples(
    model: Model,
    workload: Workload,
    *,
    precision: str | None = None,
    conditions: Conditions | None = None,
    token_price: TokenPrice | None = None,
) -> Callable[[int], Cost]:
    """Build a model's cost per task of k samples; None for what cannot be known.

    Args:
        model: The model.
        workload: Tokens per sample, and how they are counted.
        precision: The model's default where None.
        conditions: Where and how samples are drawn.
        token_price: Price of the model's tokens; where None, device hours are paid for.

    Returns:
        The function of k, which never falls as k grows.

    Raises:
        UserError: The model does not fit the machine, or the calibration does not cover it.
    """
    conditions = conditions or Conditions()
    precision = precision or model.default_precision
    # A model with its own price is served elsewhere, on an unknown machine.
    served = token_price is not None and token_price.arm is not None
    runtime = None if served or precision is None else _runtime(model, precision, workload, conditions)

    def cost(k: int) -> Cost:
        if k < 1:
            raise UserError(f"the number of samples must be at least 1, not {k}")
        runtime_s = None if runtime is None else runtime(k)
        return Cost(
            flops=float(task_flops(model.architecture, workload, k)),
            runtime_s=runtime_s,
            memory_bytes=None
            if precision is None
            else memory_bytes(model.architecture, precision, workload, k, concurrency=conditions.concurrency),
            usd=_usd(workload, k, conditions, token_price, runtime_s),
        )

    return cost


def cost_of_arm(
    model: Model | None,
    workload: Workload,
    conditions: Conditions,
    token_price: TokenPrice | None,
    precision: str | None,
) -> Callable[[int], Cost]:
    """Build an arm's cost per task of k samples: `cost_of_samples`, or dollars alone if `model` is None.

    Raises:
        UserError: As `cost_of_samples`.
    """
    if model is not None:
        return cost_of_samples(model, workload, precision=precision, conditions=conditions, token_price=token_price)

    def cost(k: int) -> Cost:
        if k < 1:
            raise UserError(f"the number of samples must be at least 1, not {k}")
        return Cost(usd=None if token_price is None else tokens_usd(token_price, workload, k))

    return cost


def how_to_know(model: Model | None, kind: BudgetKind, ways: str) -> str:
    """Give the remedy where a cost of an arm cannot be known.

    Args:
        model: The arm's; None if only its price is known.
        kind: The kind of cost.
        ways: Settings that count dollars instead.
    """
    if model is None and kind != "usd":
        return (
            f"only the price of this model is known, so its {_NOUNS[kind]} cannot be counted: count dollars with "
            f"{ways}, or use a model that has a config.json"
        )
    return HOW_TO_KNOW[kind]


_NOUNS: dict[BudgetKind, str] = {"flops": "FLOPs", "runtime": "seconds", "memory": "memory", "usd": "dollars"}


def sample_cost(
    model: Model,
    workload: Workload,
    k: int,
    *,
    precision: str | None = None,
    conditions: Conditions | None = None,
    token_price: TokenPrice | None = None,
) -> Cost:
    """Cost k samples per task: `cost_of_samples` at one k.

    Raises:
        UserError: k is less than 1, the model does not fit the machine, or the calibration does not cover it.
    """
    price = cost_of_samples(model, workload, precision=precision, conditions=conditions, token_price=token_price)
    return price(k)


def _runtime(model: Model, precision: str, workload: Workload, conditions: Conditions) -> RuntimeOfK | None:
    machine, concurrency, regime = conditions.machine, conditions.concurrency, conditions.regime
    # Most plans have no runtime, and start faster without these modules.
    if conditions.calibration is not None:
        from .calibration import calibrated_runtime

        return calibrated_runtime(
            conditions.calibration, model, precision, workload, regime=regime, concurrency=concurrency
        )
    if machine is None:
        return None
    from .runtime import machine_runtime

    return machine_runtime(model.architecture, precision, workload, machine, regime=regime, concurrency=concurrency)


def _usd(
    workload: Workload, k: int, conditions: Conditions, token_price: TokenPrice | None, runtime_s: float | None
) -> float | None:
    if token_price is not None:
        return tokens_usd(token_price, workload, k)
    if conditions.prices.usd_per_hour is None or runtime_s is None:
        return None
    return devices_usd(conditions.prices.usd_per_hour, conditions.devices, runtime_s)
