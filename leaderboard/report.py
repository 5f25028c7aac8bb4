"""report.md: a run's results for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._util.figures import fraction, interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .results_file import BenchmarkScores, GradingPart, MeanScores, PairPart, Results, Spread

_ESCAPED = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]<>|#"} | {"\n": " ", "\r": " "})


def report_of(results: Results) -> str:
    """Render a Markdown page: per benchmark, the two sentences, the arms, and what readers must see; then means."""
    lines = [f"# {_text(results.name)}", ""]
    if results.description:
        lines += [_text(results.description), ""]
    for section in results.benchmarks:
        lines += _section(section, results)
    if results.mean is not None:
        lines += _means(results.mean, results)
    lines += [
        "Intervals are 95 % over tasks. FLOPs are per task, from the samples' own tokens (~: estimated from bytes); a "
        "ratio is over the limit. Clock measurements are in timings.json; `codebudget leaderboard verify` checks the "
        "rest.",
        "",
    ]
    return "\n".join(lines)


def _section(section: BenchmarkScores, results: Results) -> list[str]:
    arms, rankers = section.arms, _rankers(results)
    head = ("arm", "precision", "k", "FLOPs", "ratio", "matched", "n", "pass@k", *map(_text, rankers))
    rows = [
        (
            _text(arm.spec),
            str(arm.precision),
            arm.shown_k if arm.tests is None else f"{arm.shown_k}, {arm.tests} tests",
            f"{'~' * arm.realised.estimated}{_number(arm.cost.flops, '.3g')}",
            fraction(arm.ratio.flops),
            "equal" if arm.equal else "yes" if arm.matched else "no",
            str(arm.n),
            _score(arm.pass_at_k[arm.k]),
            *(_score(arm.rankers[name].rank_score_at_k[arm.k]) for name in rankers),
        )
        for arm in arms
    ]
    lines = [f"## {_text(section.benchmark)}", ""]
    lines += [f"- With tests: {_text(section.verdict.with_tests)}"]
    lines += [f"- Without tests: {_text(section.verdict.without_tests)}", ""]
    lines += _table(head, rows)
    limit = "the budget" if section.budget is not None else f"{_text(arms[0].spec)}, by {section.match}"
    lines += [
        "",
        f"{len(section.tasks)} of {section.total_tasks} tasks; matched to {limit}. pass@k picks by the hidden "
        "tests; a ranker's column is rank-score@k, its pick among k without them.",
        "",
    ]
    if section.grading:
        lines += [f"Graded by {'; '.join(map(_graded, section.grading))}.", ""]
    if any(arm.tests is not None for arm in arms):
        lines += ["FLOPs hold the tests that an arm is picked by, which its limit pays for.", ""]
    lines += _cascades(section)
    lines += _compressed(section)
    lines += _differences(section.paired)
    lines += [f"- Warning: {_text(warning)}" for warning in section.warnings]
    if section.warnings:
        lines.append("")
    for why in sorted(set(section.left_out.values())):
        count = sum(reason == why for reason in section.left_out.values())
        lines += [f"Left out: {count} tasks: {_text(why)}", ""]
    return lines


def _graded(part: GradingPart) -> str:
    by = [f"{part.style} tests", *([f"rule {part.rule}"] if part.rule is not None else []), part.integrity]
    return _text(f"{', '.join(by)}: {part.tasks} {'task' if part.tasks == 1 else 'tasks'}")


def _means(mean: MeanScores, results: Results) -> list[str]:
    """Render the means over all benchmarks, and the advice by them."""
    rankers = _rankers(results)
    rows = [
        (
            _text(arm.spec),
            str(arm.precision),
            _number(arm.cost.flops, ".3g"),
            "yes" if arm.matched else "no",
            _score(arm.pass_at_k),
            *(_score(arm.rankers[name]) for name in rankers),
        )
        for arm in mean.arms
    ]
    return [
        f"## Mean over {len(results.benchmarks)} benchmarks",
        "",
        f"- With tests: {_text(mean.verdict.with_tests)}",
        f"- Without tests: {_text(mean.verdict.without_tests)}",
        "",
        *_table(("arm", "precision", "FLOPs", "matched", "pass@k", *map(_text, rankers)), rows),
        "",
        "Every benchmark counts the same; intervals resample tasks within benchmarks. An arm is matched if it is on "
        "every benchmark.",
        "",
        *_differences(mean.paired),
    ]


def _rankers(results: Results) -> list[str]:
    """List the rankers, the deciding one first."""
    return sorted(results.rankers, key=lambda name: name != results.decisive_ranker)


def _differences(paired: Sequence[PairPart]) -> list[str]:
    if not paired:
        return []
    rows = [
        (
            f"{_text(pair.a)} - {_text(pair.b)}",
            _text(pair.metric),
            interval(pair.difference, pair.low, pair.high),
            _number(pair.p_value, ".3g"),
        )
        for pair in paired
    ]
    return [*_table(("difference", "metric", "value", "p (Holm)"), rows), ""]


def _cascades(section: BenchmarkScores) -> list[str]:
    """List the stages of cascades, and the share of tasks that reached each."""
    rows = [
        (_text(arm.spec), _text(stage.spec), _number(stage.planned, ".0%"), _number(stage.reached, ".1%"))
        for arm in section.arms
        for stage in arm.stages
    ]
    return [*_table(("cascade", "stage", "planned", "reached by"), rows), ""] if rows else []


def _compressed(section: BenchmarkScores) -> list[str]:
    """List compressed arms beside their models at 16 bits, if there are any."""
    found = [(arm, arm.compression) for arm in section.arms if arm.compression is not None]
    if not found:
        return []
    rows = [
        (
            _text(arm.spec),
            _number(one.divergence.fdt.mean, ".1f"),
            _number(one.floor.fdt.mean, ".1f"),
            _number(one.divergence.sdt.mean, ".1f"),
            _number(None if one.recovery_percent is None else one.recovery_percent.value, ".0f"),
        )
        for arm, one in found
    ]
    return [*_table(("compressed arm", "FDT", "its floor", "SDT", "recovery, %"), rows), ""]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _score(found: Spread) -> str:
    return interval(found.value, found.low, found.high)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"


def _text(text: object) -> str:
    """Escape someone else's text, so that nothing in it is Markdown."""
    return str(text).translate(_ESCAPED)
