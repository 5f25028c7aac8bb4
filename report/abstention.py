"""Arms that answer only where they are sure, as a picture: error rates against the share of tasks answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._util.outputs import replacing
from ..errors import UserError
from .curves import COLOURS, STYLE, check_plot

if TYPE_CHECKING:
    from pathlib import Path

    from ..records import AnsweredShare, Comparison


def write_abstention_plot(comparison: Comparison, path: Path) -> None:
    """Draw a PNG or SVG file: a line per arm over the agreements asked for, and a mark where its rule is.

    Raises:
        UserError: The comparison has no abstention, or as `check_plot`.
        MachineError: As `check_plot`, or the file cannot be written.
    """
    check_plot(path)
    found = [(arm.plan.arm.spec, arm.abstention) for arm in comparison.arms if arm.abstention is not None]
    if not found:
        raise UserError(f"`report` {path}: a picture shows who answers only where they are sure; add `abstain`")
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=(5.1, 3.7), layout="constrained", dpi=150)
        panel = figure.subplots()
        for place, (spec, one) in enumerate(found):
            colour = COLOURS[place % len(COLOURS)]
            answered, errors = _points(one.by_agreement)
            panel.plot(answered, errors, marker="o", markersize=3, linewidth=1.5, color=colour, label=spec)
            answered, errors = _points((one.by_rule,))
            panel.plot(answered, errors, marker="s", markersize=6, linestyle="", color=colour)
        panel.set_xlim(0.0, 1.02)
        panel.set_ylim(bottom=0.0)
        panel.xaxis.set_major_formatter(PercentFormatter(1.0))
        panel.yaxis.set_major_formatter(PercentFormatter(1.0))
        panel.grid(visible=True, alpha=0.3, linewidth=0.5)
        panel.set_xlabel("share of tasks answered (squares: by the rule)")
        panel.set_ylabel("errors among the answers")
        panel.legend(frameon=False)
        stamp = {"Date": None} if path.suffix.lower() == ".svg" else {"Software": None}
        with replacing(path, "`report`") as file:
            figure.savefig(file, format=path.suffix.lower()[1:], metadata=stamp)


def _points(shares: tuple[AnsweredShare, ...]) -> tuple[list[float], list[float]]:
    """List shares answered with their error rates, where anything is answered."""
    known = [(one.answered, one.error) for one in shares if one.error is not None]
    return [answered for answered, _ in known], [error for _, error in known]
