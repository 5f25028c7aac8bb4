"""Settings -> the judging of candidates: rankers, generated tests and scorers, backed by a grader; `rank` by them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from .._util.progress import Progress, notice, silent
from ..rankers import Offers, check_offered, check_scripts, load_ranker
from .advice import notes_of_settings
from .grading import open_grader
from .own_tests import plain_tests
from .ranking import SPEC, Judging, rank_untested, score_rankers
from .rewards import check_rewards, open_rewarder
from .samples import read_arm
from .scorers import open_scorer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..rankers import Need, Ranker
    from ..settings import Drawing, Grading, Running, Selecting
    from ..tasks import Benchmark
    from .ranking import Ranked


def load_rankers(rankers: Sequence[str | Ranker | type[Ranker]]) -> dict[str, Ranker]:
    """Map rankers by name, each once: names are looked up, objects and classes are taken as is.

    Raises:
        UserError: There is no such ranker, or its parameters are wrong.
    """
    found: dict[str, Ranker] = {}
    for ranker in rankers:
        if isinstance(ranker, str):
            found.setdefault(ranker, load_ranker(ranker))
        else:
            made = ranker() if isinstance(ranker, type) else ranker
            found.setdefault(made.name, made)
    return found


def check_selecting(selecting: Selecting) -> None:
    """Find a wrong ranker, or one whose needs nothing meets, before anything is drawn.

    Raises:
        UserError: There is one.
    """
    offered: set[Need] = {"execution", "reward"}
    if selecting.tests or selecting.select is not None:
        offered.add("tests")
    if selecting.scorer is not None:
        offered.add("scorer")
    loaded = load_rankers(selecting.bounded)
    for ranker in loaded.values():
        check_offered(ranker, offered)
    check_rewards(loaded.values())


def check_on_tasks(selecting: Selecting, benchmarks: Sequence[Benchmark]) -> None:
    """Find a ranker that does not work on some of the benchmarks' tasks, before anything is drawn.

    Raises:
        UserError: There is one.
    """
    for ranker in load_rankers(selecting.bounded).values():
        for benchmark in benchmarks:
            check_scripts(ranker, benchmark.tasks, benchmark.name)


@contextmanager
def open_judging(
    rankers: Sequence[str | Ranker | type[Ranker]],
    grading: Grading,
    running: Running,
    progress: Progress = silent,
    *,
    offers: Mapping[str, Offers],
) -> Iterator[Judging]:
    """Open all that judges candidates, by the settings; boxes and the store are closed at the end.

    Args:
        rankers: Names, objects or classes.
        grading: Where programs run.
        running: The seed and the store.
        progress: Told how far grading and ranking are.
        offers: What rankers may use besides the sandbox, by the arm as typed, or `ranking.SPEC`.

    Raises:
        UserError: A setting is wrong.
        MachineError: No sandbox of that kind works here, or the store cannot be used.
    """
    loaded = load_rankers(rankers)
    check_rewards(loaded.values())
    with open_grader(grading, running, progress) as grader, open_rewarder(running) as rewarder:
        yield Judging(
            grader=grader,
            rankers=loaded,
            offers=offers,
            rewarder=rewarder,
            allow_shared=grading.allow_shared,
            strict=running.strict,
            seed=running.seed,
            progress=progress,
        )


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
        files: JSON Lines or other JSON, plain or gzip; a folder or glob means all files in it.
        benchmark: Where the tasks come from; scores need hidden tests, and reference solutions or limits.
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
    recorded = read_arm(SPEC, files, benchmark, running)
    for line in notes_of_settings(recorded.strata):
        notice(line)
    tests = plain_tests(selecting.tests, benchmark)
    with open_scorer(selecting.scorer, drawing, running) as scorer:
        offers = {SPEC: Offers(tests, scorer)}
        is_chosen = "rankers" in selecting.model_fields_set
        rankers = selecting.named if is_chosen else selecting.bounded
        with open_judging(rankers, grading, running, progress, offers=offers) as judging:
            if benchmark.is_tested:
                return score_rankers(benchmark, recorded.candidates, ks, judging, recorded.verdicts)
            return rank_untested(benchmark, recorded.candidates, judging)
