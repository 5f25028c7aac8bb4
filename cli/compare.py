"""`codebudget compare`: which arm wins for the same compute, with tests and without."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..errors import MachineError
from ..settings import Drawing, Grading, Planning, Running, Selecting, Settings, option
from .arguments import JSON, Arms, Asked, samples_by_arm
from .options import options
from .progress import check_sandbox_errors, print_json, shown_progress, warn

if TYPE_CHECKING:
    from ..records import Comparison


class Files(Settings):
    """Recorded samples in, reports out."""

    samples: list[str] = option([], "Recorded generations: a file, folder or glob. Repeatable.", metavar="ARM=FILES")
    report: list[str] = option(
        [], "Write the comparison to a file ending in .html, .md or .json. Repeatable.", metavar="FILE"
    )
    as_json: bool = JSON


@options
def compare(
    arms: Arms,
    asked: Asked,
    planning: Planning,
    drawing: Drawing,
    grading: Grading,
    selecting: Selecting,
    running: Running,
    files: Files,
) -> None:
    """Find which arm wins for the same compute: plan, sample, execute, rank and compare.

    Arms without --samples are drawn as by codebudget sample; samples in the store are reused.
    """
    from ..experiment.comparison import compare as compare_arms
    from ..experiment.matching import arm_samples
    from ..experiment.own_tests import check_tests
    from ..experiment.planning import plan
    from ..experiment.samples import named_arms, to_draw
    from ..experiment.selection import check_selecting
    from ..report.plans import plans_as_json, print_plans

    check_selecting(selecting)
    reports = _reports(files.report)
    recorded = samples_by_arm(files.samples)
    benchmark = asked.load(running.family)
    planned = plan(arms, planning, family=running.family, benchmark=benchmark, to_measure=True)
    check_tests(selecting, named_arms(planned.plans))
    if to_draw(planned, recorded) and not files.as_json:
        print_plans(planned)
        if planned.measures:
            typer.echo(
                "Lengths will be measured: arms that are drawn start with a pilot, and an open k follows from it."
            )
        typer.echo()
    with shown_progress() as progress:
        try:
            (found,) = arm_samples([planned], [benchmark], recorded, drawing, running, progress)
        except MachineError:
            if files.as_json:
                print_json(plans_as_json(planned))
            raise
        result = compare_arms(planned, benchmark, found, drawing, grading, selecting, running, progress)
    _show(result, files.as_json)
    if reports:
        from ..report.files import write_reports

        write_reports(result, reports)
    check_sandbox_errors(result.sandbox_errors)
    unmatched = [arm.plan.arm.spec for arm in result.arms if not arm.matched]
    if running.strict and unmatched:
        warn(f"--strict: not matched: {', '.join(unmatched)}")
    if running.strict and result.doubts:
        warn("--strict: no advice can be given")
    if running.strict and (unmatched or result.doubts):
        raise typer.Exit(1)


def _reports(names: list[str]) -> list[Path]:
    """Return the files of --report, checked."""
    if not names:
        return []
    from ..report.files import check_reports

    paths = [Path(name) for name in names]
    check_reports(paths)
    return paths


def _show(result: Comparison, as_json: bool) -> None:
    for warning in result.warnings:
        warn(warning)
    if as_json:
        from ..report.files import comparison_as_json

        print_json(comparison_as_json(result))
        return
    from ..report.terminal import print_comparison

    print_comparison(result)
