"""Arms -> targets: where their weights are, what an engine can draw of them, and an open k."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .._util.progress import Progress, notice, silent
from ..budgets.dollars import check_prices
from ..budgets.models import find_model, weights_of
from ..budgets.notation import parse_single, without_k
from ..budgets.plan import UNKNOWN_PRECISION, plan_arms, planned_model, priced_model
from ..errors import UserError
from ..settings import RECORDED
from .quantising import checkpoint_of_arm, makes_checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..budgets.architecture import Architecture
    from ..budgets.costs import Conditions
    from ..records import Arm, Plan
    from ..settings import Running
    from ..tasks import Benchmark


class Target(NamedTuple):
    """An arm and the place of its weights: a folder, a hub id, or a server's name for the model."""

    arm: Arm
    model: str
    weights: str
    precision: str
    k: int
    architecture: Architecture | None = None


def target_of_plan(plan: Plan) -> Target:
    """Find a planned arm's weights; a model known only by its price has none, and a server has it by its name.

    Raises:
        UserError: Nothing is known of them.
        MachineError: They should be here but are not.
    """
    model = planned_model(plan)
    if model is None:
        return Target(plan.arm, plan.model, plan.model, plan.precision, plan.k)
    return Target(plan.arm, plan.model, weights_of(model), plan.precision, plan.k, model.architecture)


def target_of_arm(arm: Arm, family: str, *, served: bool) -> Target:
    """Find an arm's weights; without k, it has one sample.

    Args:
        arm: As parsed.
        family: Where short names are looked up.
        served: A server has the model; nothing about it need be known here.

    Raises:
        UserError: The model or its precision is unknown.
        MachineError: Its weights should be here but are not.
    """
    try:
        model = find_model(arm.name, family)
    except UserError:
        if not served:
            raise
        # Nothing is counted by the shape of an unknown model.
        return Target(arm, arm.name, arm.name, arm.precision or UNKNOWN_PRECISION, arm.k or 1)
    precision = arm.precision or model.default_precision
    if precision is None:
        raise UserError(f"{arm.spec}: its config.json gives no precision; add one, such as {arm.name}@bf16")
    return Target(arm, model.name, weights_of(model), precision, arm.k or 1, model.architecture)


def targets_of(
    arms: Sequence[str], family: str, benchmark: Benchmark, *, conditions: Conditions, served: bool
) -> list[Target]:
    """Find arms' k and weights; an open k is what the first arm's cost buys.

    Costs are FLOPs, or dollars if only the price of some model is known.

    Args:
        arms: As typed.
        family: Where short names are looked up.
        benchmark: Whose token counts an open k is planned for.
        conditions: Their prices.
        served: A server has the models; nothing about them need be known here.

    Raises:
        UserError: An arm cannot be read or is given twice, its model is unknown, or its k is open and nothing sets it.
    """
    parsed = [parse_single(arm) for arm in arms]
    twice = next((arm for arm in arms if list(arms).count(arm) > 1), None)
    if twice is not None:
        raise UserError(f"the arm {twice} is listed twice; remove one")
    check_prices(parsed, conditions.prices)
    if any(arm.k is None for arm in parsed):
        by_price = any(priced_model(arm, family, conditions) is None for arm in parsed)
        plans = plan_arms(
            parsed,
            family=family,
            workload=benchmark.workload(),
            match="usd" if by_price else None,
            conditions=conditions,
        )
        return [target_of_plan(plan) for plan in plans]
    return [target_of_arm(arm, family, served=served) for arm in parsed]


def check_engine(engine: str) -> None:
    """Check early that an engine is there.

    Raises:
        UserError: There is none of that name.
        EngineError: It is not installed.
    """
    if engine != RECORDED:
        from ..sampler.engines import pick_engine

        pick_engine(engine)


def check_servable(targets: Sequence[Target], engine: str, conditions: Conditions) -> None:
    """Refuse what an engine cannot draw, or cannot draw at the given prices.

    Raises:
        UserError: A model is known only by its price and the engine is not a server; or the prices are for batches.
    """
    if engine == RECORDED:
        return
    unknown = next((target for target in targets if target.architecture is None), None)
    if unknown is not None and engine != "openai":
        raise UserError(
            f"{unknown.arm.spec}: only the price of this model is known, so only a server can draw it: add `engine` "
            f"openai, or give recorded generations with `samples` {without_k(unknown.arm)}=FILES"
        )
    if targets and conditions.prices.batch:
        raise UserError(
            f"{targets[0].arm.spec}: samples are drawn one request at a time, which servers do not bill at batch "
            "prices: drop `batch_prices`, or give recorded generations with `samples` "
            f"{without_k(targets[0].arm)}=FILES"
        )


def with_checkpoints(
    targets: Sequence[Target], engine: str, running: Running, progress: Progress = silent
) -> list[Target]:
    """Make the checkpoints that arms' recipes name, or find them, and tell their planned bytes beside the written.

    Args:
        targets: Arms.
        engine: The engine that is to load them.
        running: The family whose prompts calibrate, the seed, and the interpreter that makes them.
        progress: Told how far making them is.

    Raises:
        UserError: A recipe does not fit its model.
        MachineError: A checkpoint is missing and cannot be made here; the message says what to run.
    """
    found = []
    for target in targets:
        if target.architecture is not None and makes_checkpoint(target.model, target.weights, target.precision, engine):
            made = checkpoint_of_arm(target.model, target.precision, running, progress)
            record = made.record
            notice(
                f"{target.arm.spec}: {made.path}, weights planned {record.predicted_bytes:,} bytes, written "
                f"{record.tensor_bytes:,} as tensors, {record.file_bytes:,} in files; {record.effective_bits:.3f} "
                "effective bits per quantised weight"
            )
            found.append(target._replace(weights=str(made.path)))
        else:
            found.append(target)
    return found
