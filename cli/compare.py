"""`codebudget compare`: which arm wins for the same compute, with tests and without."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..errors import MachineError
from ..settings import RECORDED, Drawing, Grading, Planning, Running, Selecting, Sharding, option
from .arguments import JSON, Arms, AskedOnEach, samples_by_arm
from .options import options
from .progress import check_sandbox_errors, check_strictly, print_json, shown_progress, warn
from .shards import show_shard

if TYPE_CHECKING:
    from ..records import Comparison, MacroComparison


class Files(Sharding):
    """Recorded samples in, reports out, and the part of the work to do."""

    samples: list[str] = option([], "Recorded generations: a file, folder or glob. Repeatable.", metavar="ARM=FILES")
    report: list[str] = option(
        [], "Write to a file: .html, .md or .json; with --abstain also .svg or .png. Repeatable.", metavar="FILE"
    )
    as_json: bool = JSON


@options
def compare(
    arms: Arms,
    asked: AskedOnEach,
    planning: Planning,
    drawing: Drawing,
    grading: Grading,
    selecting: Selecting,
    running: Running,
    files: Files,
) -> None:
    """Find which arm wins for the same compute: plan, sample, execute, rank and compare.

    Arms without --samples are drawn as by codebudget sample; samples in the store are reused. With several benchmarks,
    arms are compared on each and by their means, in which every benchmark counts the same.
    """
    from ..experiment.choosing import plan_comparison
    from ..experiment.comparison import Chosen
    from ..experiment.escalation import rule_of
    from ..experiment.macro import Parts, answer_of, compare_on_each
    from ..experiment.matching import Cascading, arm_samples
    from ..experiment.samples import to_draw
    from ..experiment.selection import check_on_tasks, check_selecting
    from ..experiment.shards import check_no_outputs, compare_on_shard, parse_shard
    from ..report.plans import plans_on_each_as_json, print_plans_on_each

    check_selecting(selecting)
    shard = parse_shard(files.shard)
    if shard is not None:
        check_no_outputs(shard, {"report": files.report})
    reports = [Path(name) for name in files.report]
    if reports:
        from ..report.files import check_reports, write_reports

        check_reports(reports, abstains=selecting.abstain)
    recorded, draws = samples_by_arm(files.samples), drawing.engine != RECORDED
    benchmarks = asked.load_each(running.family)
    check_on_tasks(selecting, benchmarks)
    planned = plan_comparison(benchmarks, arms, recorded, planning, selecting, running.family, draws=draws)
    names = [benchmark.name for benchmark in benchmarks]
    if shard is not None:
        with shown_progress() as progress:
            settings = Chosen(drawing, grading, selecting, running)
            works = compare_on_shard(shard, benchmarks, planned, recorded, settings, progress)
        return show_shard(shard, works, running.store, as_json=files.as_json)
    if to_draw(planned[0], recorded) and not files.as_json:
        print_plans_on_each(planned, names)
        if planned[0].measures:
            typer.echo(
                "Lengths will be measured: arms that are drawn start with a pilot, from which an open k follows."
            )
        typer.echo()
    with shown_progress() as progress:
        try:
            cascading = Cascading(grading, rule_of(selecting))
            found = arm_samples(planned, benchmarks, recorded, drawing, running, progress, cascading)
        except MachineError:
            if files.as_json:
                print_json(plans_on_each_as_json(planned, names))
            raise
        parts = Parts(benchmarks, planned, found)
        pages = any(path.suffix.lower() == ".html" for path in reports)
        comparisons = compare_on_each(parts, drawing, grading, selecting, running, progress, charted=pages)
    result = answer_of(comparisons, running.seed, planning.tolerance)
    _show(result, files.as_json)
    if reports:
        write_reports(result, reports)
    check_sandbox_errors(result.sandbox_errors)
    unmatched = [
        arm.plan.arm.spec if len(comparisons) == 1 else f"{arm.plan.arm.spec} on {one.benchmark}"
        for one in comparisons
        for arm in one.arms
        if not arm.matched
    ]
    if running.strict:
        check_strictly(unmatched, result.doubts)
    return None


def _show(result: Comparison | MacroComparison, as_json: bool) -> None:
    for warning in result.warnings:
        warn(warning)
    if as_json:
        from ..report.files import answer_as_json

        print_json(answer_as_json(result))
        return
    from ..report.macro import print_answer

    print_answer(result)
