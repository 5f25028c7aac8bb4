"""Recorded candidates of one arm -> the picks of rankers among them, and their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._util.progress import Progress, silent
from ..rankers import Offers
from .ranking import SPEC, Ranked, rank_untested, score_rankers
from .samples import read_arm
from .scorers import open_scorer
from .selection import generated_tests, open_judging

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..settings import Drawing, Grading, Running, Selecting
    from ..tasks import Benchmark


def rank(
    files: Sequence[str],
    benchmark: Benchmark,
    ks: Sequence[int],
    drawing: Drawing,
    grading: Grading,
    selecting: Selecting,
    running: Running,
    progress: Progress = silent,
) -> Ranked:
    """Rank recorded candidates by the settings, and score the picks if the benchmark has hidden tests.

    Args:
        files: JSON Lines, plain or gzip; a folder or glob stands for them.
        benchmark: Where the tasks come from; scores need hidden tests and reference solutions.
        ks: Of how many candidates one is picked.
        drawing: What scores texts for rankers.
        grading: Where programs run.
        selecting: The rankers, and what they are offered.
        running: The seed and the store.
        progress: Told how far grading and ranking are.

    Raises:
        UserError: A setting, a file or a row is wrong, or nothing can be scored.
        MachineError: No sandbox works here, or the store or an engine failed.
    """
    candidates = read_arm(SPEC, files, benchmark.by_id)
    tests = generated_tests(selecting.tests, benchmark.by_id)
    with open_scorer(selecting.scorer, drawing, running) as scorer:
        offers = {SPEC: Offers(tests, scorer)}
        is_chosen = "rankers" in selecting.model_fields_set
        rankers = selecting.named if is_chosen else selecting.bounded
        with open_judging(rankers, grading, running, progress, offers=offers) as judging:
            if benchmark.is_tested:
                return score_rankers(benchmark, candidates, ks, judging)
            return rank_untested(benchmark, candidates, judging)
