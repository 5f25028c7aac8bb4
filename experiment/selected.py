"""`--select` -> the tests that plans count on, without loading the rankers that come with codebudget.

Plans need no more than this of a ranker, and loading one takes longer than a plan.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from ..budgets.costs import PlannedTests
from ..budgets.notation import parse_arm, parse_single, without_k
from ..errors import UserError
from ..settings import AUTO
from .splits import texts_of_split

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..records import Arm
    from ..settings import Selecting
    from ..tasks import Benchmark

FROM = "from:"
"""The prefix of a model whose tests an arm takes."""


class UseOfTests(NamedTuple):
    """What a ranker does with generated tests: how many texts it goes by at most, 0 for all there are."""

    needs: bool
    uses: bool
    texts: int = 0


NEEDING: Final = frozenset({"aces", "alphacode", "b4", "codet", "maxpass", "mbr-exec", "srank"})
"""Own rankers that need generated tests, and take their number."""

USING: Final = frozenset({"codebudget"})
"""Own rankers that use generated tests if there are any, and take their number."""

PLAIN: Final = frozenset({"examples", "first", "longest", "mean-logprob", "random", "shortest", "sum-logprob"})
"""Own rankers that use no generated tests, and need no model."""

_OWN_LINK: Final = re.compile(r"([a-z0-9-]+)((?:,(?:tests|asserts)=[0-9]{1,9})*)")


class Chosen(NamedTuple):
    """The ranker of `--select`, and the texts of tests it goes by, from the programs that a limit buys without any."""

    ranker: str
    texts: Callable[[int], int]


def chosen(selecting: Selecting, *, shown: bool) -> Chosen | None:
    """Read `--select`; None if it is not given.

    Args:
        selecting: The settings.
        shown: Whether the tasks show examples, which `auto` goes by.

    Raises:
        UserError: There is no such ranker, or it does not say how many texts of tests it may use.
    """
    select = selecting.select
    if select is None:
        return None
    if select == AUTO:
        return Chosen(selecting.decisive, lambda programs: texts_of_split(programs, shown=shown))
    use = use_of_tests(select)
    if use.needs and not use.texts:
        raise UserError(
            f"`select` {select}: the limit is split into programs and tests, so say how many texts of tests, such as "
            f"{select},tests=8"
        )
    if use.texts and not use.uses:
        raise UserError(f"`select` {select}: this ranker uses no tests")
    return Chosen(select, lambda _: use.texts)


def use_of_tests(typed: str) -> UseOfTests:
    """Find what a ranker, or a chain, does with generated tests.

    Raises:
        UserError: There is no such ranker, or its parameters are wrong.
    """
    own = use_by_own(typed)
    if own is not None:
        return own
    from ..rankers import load_ranker, uses_of
    from ..rankers.registry import parse_specs

    ranker = load_ranker(typed)
    texts = max(int(link.parameters.get("tests", "0")) for link in parse_specs(typed))
    return UseOfTests("tests" in ranker.needs, "tests" in uses_of(ranker), texts)


def use_by_own(typed: str) -> UseOfTests | None:
    """Find the same for own rankers that take nothing but numbers of tests, alone or in a chain, loading none.

    None for all others.
    """
    links = [_OWN_LINK.fullmatch(link) for link in typed.split("+")]
    names, texts = [], 0
    for link in links:
        if link is None or link[1] not in NEEDING | USING | PLAIN or (link[1] in PLAIN and link[2]):
            return None
        given = [pair.partition("=") for pair in link[2].split(",")[1:]]
        if len({name for name, _, _ in given}) < len(given):
            return None
        names.append(link[1])
        texts = max([texts, *(int(value) for name, _, value in given if name == "tests")])
    return UseOfTests(bool(NEEDING & set(names)), bool((NEEDING | USING) & set(names)), texts)


def planned_tests(
    selecting: Selecting, arms: Sequence[str], benchmarks: Sequence[Benchmark] = ()
) -> PlannedTests | None:
    """Plan for the tests of `--select`; None without it.

    Args:
        selecting: The ranker, and the models that write tests for other arms (`ARM=from:OTHER`).
        arms: As typed.
        benchmarks: Whose tasks are asked; without any, they are taken to show no examples.

    Raises:
        UserError: As `chosen`, or `tests` cannot be read.
    """
    found = chosen(selecting, shown=shows_examples(benchmarks))
    if found is None:
        return None
    singles = [(parsed.stages or (parsed,))[0] for parsed in map(parse_arm, arms)]
    authors: dict[str, Arm] = {}
    for text in selecting.tests:
        name, _, what = text.partition("=")
        if not what.startswith(FROM):
            continue
        author = parse_single(what.removeprefix(FROM))
        for single in singles:
            if name in (single.spec, without_k(single), single.name) and author.name != single.name:
                authors[single.spec] = author
    return PlannedTests(found.texts, authors)


def shows_examples(benchmarks: Sequence[Benchmark]) -> bool:
    """Whether most tasks of some benchmarks show examples."""
    tasks = [task for benchmark in benchmarks for task in benchmark.tasks]
    return 2 * sum(bool(task.examples or task.cases) for task in tasks) > len(tasks)
