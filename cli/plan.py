"""`codebudget plan`: how many samples of each model the same cost buys."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import UserError
from ..settings import Planning, Running, Selecting
from .arguments import Arms, Asked, Json
from .options import only, options
from .progress import print_json, warn


@options
def plan(
    arms: Arms,
    planning: Planning,
    asked: Asked,
    selecting: Annotated[Selecting, only("select", "tests")],
    running: Annotated[Running, only("family", "strict")],
    as_json: Json = False,
) -> None:
    """Show how many samples of each model the same cost buys: arithmetic only, no GPU and no download."""
    from ..experiment.planning import plan as plan_arms
    from ..report.plans import plans_as_json, print_plans

    benchmark, tests = None if asked.benchmark is None else asked.load(running.family), None
    if selecting.select is not None:
        from ..experiment.selected import planned_tests

        tests = planned_tests(selecting, arms, [] if benchmark is None else [benchmark])
    elif selecting.tests:
        raise UserError("`tests` are planned for with `select`: name the ranker that uses them, such as codet,tests=8")
    planned = plan_arms(arms, planning, family=running.family, benchmark=benchmark, tests=tests)
    if as_json:
        print_json(plans_as_json(planned))
    else:
        print_plans(planned)
    unmatched = [arm.arm.spec for arm in planned.plans if not arm.matched]
    if running.strict and unmatched:
        warn(f"--strict: not matched: {', '.join(unmatched)}")
        raise typer.Exit(1)
