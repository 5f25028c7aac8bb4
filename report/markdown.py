"""A comparison as Markdown for a pull request: what to do, and the two tables that say why."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .._util.figures import difference, fraction, interval, p_value
from .._util.outputs import write_text
from .._util.printable import printable
from ..records import MacroComparison
from .macro_rows import arm_rows, pair_rows, ranker_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..records import Comparison, Interval

_SHOWN_TASKS = 5


def write_markdown(comparison: Comparison | MacroComparison, path: Path) -> None:
    """Write a comparison as GitHub-flavoured Markdown, in which others' names are no markup, links or mentions.

    Raises:
        UserError: A link or no plain file is there.
        MachineError: The file cannot be written.
    """
    write_text(path, _text_of(comparison), "`report`")


def _text_of(comparison: Comparison | MacroComparison) -> str:
    if isinstance(comparison, MacroComparison):
        return macro_markdown_of(comparison)
    return markdown_of(comparison)


def markdown_of(comparison: Comparison) -> str:
    """Build the text for `write_markdown`."""
    lines = [
        f"## {' or '.join(code(arm.plan.arm.spec) for arm in comparison.arms)}?",
        "",
        f"- {plain(comparison.verdict.with_tests)}",
        f"- {plain(comparison.verdict.without_tests)}",
        "",
        f"{code(comparison.benchmark)}, {comparison.tasks} tasks, graded in the {code(comparison.sandbox)} sandbox. "
        "Scores are fractions of tasks with 95 % intervals over tasks.",
        "",
        *_arms(comparison),
        *_cascades(comparison),
        *_compressed(comparison),
        *_paired(comparison),
    ]
    lines += [f"> {plain(warning)}" for warning in comparison.warnings]
    lines += _left_out(comparison)
    return "\n".join(lines).rstrip() + "\n"


def macro_markdown_of(result: MacroComparison) -> str:
    """Build the text of a comparison on several benchmarks: its means, and then each benchmark's own text."""
    listed = "; ".join(f"{code(one.benchmark)}, {one.tasks} tasks" for one in result.benchmarks)
    arms = " or ".join(code(arm.spec) for arm in result.arms)
    pairs = [
        [row.metric if row.metric == "pass@k" else code(row.metric), plain(row.arms), code(row.benchmark), *row[3:]]
        for row in pair_rows(result)
    ]
    lines = [
        f"## {arms}?",
        "",
        f"- {plain(result.verdict.with_tests)}",
        f"- {plain(result.verdict.without_tests)}",
        "",
        f"Means over {len(result.benchmarks)} benchmarks ({listed}), each of which counts the same. Scores are "
        "fractions of tasks with 95 % intervals, tasks resampled within benchmarks.",
        "",
        *_table(
            ["arm", "benchmark", "k", "FLOPs per task", "ratio", "matched", "pass@k"],
            [[code(row.arm), code(row.benchmark), *row[2:]] for row in arm_rows(result)],
        ),
        "Picked without hidden tests (rank-score@k).",
        "",
        *_table(
            ["ranker", "benchmark", *(code(arm.spec) for arm in result.arms)],
            [[code(row.ranker), code(row.benchmark), *row.scores] for row in ranker_rows(result)],
        ),
    ]
    if pairs:
        caption = f"Paired differences; p by Holm over all {len(result.paired)} pairs, for means as on each benchmark."
        lines += [caption, "", *_table(["score", "arms", "benchmark", "difference", "p"], pairs)]
    for one in result.benchmarks:
        # Its first line is the heading that they share.
        lines += [f"## On {code(one.benchmark)}", *markdown_of(one).split("\n")[1:]]
    return "\n".join(lines).rstrip() + "\n"


def code(text: str) -> str:
    """Format a name as code without markup, also inside a table."""
    shown = printable(text).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    pad = " " if shown[:1] in ("`", " ", "") or shown[-1:] in ("`", " ") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def plain(text: str) -> str:
    """Escape a sentence's markup: names inside it may be anyone's."""
    escaped = re.sub(r"([\\`*_{}\[\]()#+!|~<>&$^=-])", r"\\\1", printable(text))
    # A word joiner keeps mentions and bare links from becoming links.
    return re.sub(r"@|(?<=:)(?=//)|(?<=www)(?=\.)", lambda found: f"{found[0]}\u2060", escaped)


def _arms(comparison: Comparison) -> list[str]:
    rankers = [comparison.decisive_ranker]
    rankers += [name for name in comparison.arms[0].rankers if name not in (*rankers, "oracle", "random")]
    heads = ["arm", "k", "FLOPs per task", "ratio", "matched", "pass@k", *(code(name) for name in rankers)]
    rows = []
    for arm in comparison.arms:
        plan = arm.plan
        rows.append(
            [
                code(plan.arm.spec),
                plan.shown_k,
                "-" if arm.cost.flops is None else f"{'~' * arm.realised.usage.estimated}{arm.cost.flops:.3g}",
                fraction(arm.ratio.flops),
                ("equal" if arm.equal else "yes") if arm.matched else "no",
                _score(arm.pass_at_k),
                *(_score(arm.rankers[name]) for name in rankers),
            ]
        )
    return _table(heads, rows)


def _cascades(comparison: Comparison) -> list[str]:
    rows = [
        [code(arm.plan.arm.spec), code(stage.arm.spec), f"{planned:.0%}", f"{reached:.1%}"]
        for arm in comparison.arms
        for stage, planned, reached in zip(arm.plan.stages, arm.plan.reached, arm.realised.reached, strict=True)
    ]
    if not rows:
        return []
    words = dict.fromkeys(arm.escalation.words for arm in comparison.arms if arm.escalation is not None)
    caption = " ".join(f"A cascade goes on {plain(one)}." for one in words)
    return [caption, "", *_table(["cascade", "stage", "planned", "reached by"], rows)]


def _compressed(comparison: Comparison) -> list[str]:
    found = [(arm, arm.compression) for arm in comparison.arms if arm.compression is not None]
    if not found:
        return []
    rows = [
        [
            code(arm.plan.arm.spec),
            f"{one.divergence.fdt.mean:.1f}",
            f"{one.floor.fdt.mean:.1f}",
            f"{one.divergence.sdt.mean:.1f}",
            "-"
            if one.recovery_percent is None or one.recovery_percent.value is None
            else f"{one.recovery_percent.value:.0f} %",
        ]
        for arm, one in found
    ]
    tokens = found[0][1].divergence.tokens
    caption = f"Compressed arms beside their models at 16 bits, over {tokens} greedy tokens: first divergent token."
    return [caption, "", *_table(["arm", "FDT", "its floor", "SDT", "recovery"], rows)]


def _paired(comparison: Comparison) -> list[str]:
    rows = [
        [
            "pass@k" if row.metric == "pass_at_k" else code(row.metric),
            f"{code(row.a)} - {code(row.b)}",
            difference(row.difference, row.low, row.high),
            p_value(row.p_value),
        ]
        for row in comparison.paired
        if row.metric in ("pass_at_k", comparison.decisive_ranker)
    ]
    if not rows:
        return []
    caption = f"Paired differences; p by Holm over all {len(comparison.paired)} pairs."
    return [caption, "", *_table(["score", "arms", "difference", "p"], rows)]


def _left_out(comparison: Comparison) -> list[str]:
    if not comparison.left_out:
        return []
    tasks = list(comparison.left_out)
    some = ", ".join(code(task_id) for task_id in tasks[:_SHOWN_TASKS])
    return ["", f"Left out: {len(tasks)} tasks ({some}{', …' if len(tasks) > _SHOWN_TASKS else ''})."]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [*(f"| {' | '.join(cells)} |" for cells in lines), ""]


def _score(score: Interval) -> str:
    return interval(score.value, score.low, score.high)
