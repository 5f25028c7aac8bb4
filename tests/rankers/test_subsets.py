"""Ranking many subsets at once gives what ranking each by itself gives, to the last digit."""

import random

import numpy as np
import pytest
from codebudget.errors import RankerError
from codebudget.rankers import Context, RankedPool, RememberingRunner, load_ranker
from codebudget.rankers.protocol import uses_of
from codebudget.rankers.simple import Majority
from codebudget.records import Candidate, GeneratedTests, IoCase, PublicTask, Ranking

BODIES = (
    "return x + x",
    "return 2 * x",
    "y = x\n    return y * 2",
    "z = x\n    return z * 2",
    "return x * x",
    "return 0",
    "return 4",
    "return x / (x - 2)",
    "raise ValueError",
    "return abs(x) * 2",
    "return x << 1",
    "return -x",
    "return",
)
TESTS = GeneratedTests(
    samples=(
        "assert double(1) == 2\nassert double(2) == 4\nassert double(0) == 0",
        "assert double(3) == 9\nassert double(2) == 4\nassert double(-1) < 0",
        "assert double(5) == 10\nassert double(-3) == 6\nassert double(4) > double(3)",
        "assert double(1) == 2\nassert double(7) == 14\nassert double(7) == 49\nassert double(8) == 0",
    )
)
RANKERS = (
    *("codebudget", "majority", "codet", "mbr-exec", "alphacode", "srank", "b4", "aces"),
    *("examples+codet+shortest", "majority+first", "codet,tests=2,asserts=1+longest", "executability+srank+first"),
    *("codebudget,dedupe=true", "aces,dedupe=true", "shortest,dedupe=true", "majority,dedupe=true+shortest"),
)


class Alone:
    """Another ranker's `rank` and no more."""

    version, pointwise, ranks_scripts = "1", False, True

    def __init__(self, ranker):
        self._ranker, self.name, self.needs, self.uses = ranker, ranker.name, ranker.needs, uses_of(ranker)

    def rank(self, task, candidates, context):
        return self._ranker.rank(task, candidates, context)


def drawn(pool, seed, n):
    chance = random.Random(seed)
    bodies = chance.choices(BODIES[: chance.randrange(1, len(BODIES) + 1)], k=n)
    candidates = pool(*[f"def double(x):\n    {body}\n" for body in bodies])
    return candidates, np.array([chance.random() < 0.4 for _ in bodies])


@pytest.mark.parametrize("tests", [TESTS, GeneratedTests()], ids=["tests", "no tests"])
@pytest.mark.parametrize("name", RANKERS)
def test_scores_at_every_k_are_those_of_each_subset_ranked_by_itself(task, runner, pool, name, tests):
    ranker = load_ranker(name)
    for seed, n in enumerate((2, 5, 9, 14, 23)):
        candidates, passed = drawn(pool, seed, n)
        context = Context(random.Random(0), RememberingRunner(runner), tests=tests)
        at_once, alone = (RankedPool(each, task, candidates, context) for each in (ranker, Alone(ranker)))
        for k in sorted({1, 2, min(3, n), n // 2 + 1, n - 1, n}):
            assert at_once.score_at_k(passed, k, subsets=40, seed=seed) == alone.score_at_k(
                passed, k, subsets=40, seed=seed
            )


SHOWN = (IoCase(input="2\n1 4\n", output="5\n"), IoCase(input="3\n1 7 2\n", output="10\n"))
TASKS = {
    "named": PublicTask(id="t", prompt='def f(num):\n    """Whether it is prime."""\n', entry_point="f"),
    "annotated": PublicTask(id="t", prompt="def f(num: int, k: int = 2) -> bool:\n", entry_point="f"),
    "without a header": PublicTask(id="t", prompt="Write f.", entry_point="f"),
    "script": PublicTask(id="t", prompt="Add.", entry_point="", is_script=True, cases=SHOWN),
    "script without inputs": PublicTask(id="t", prompt="Add.", entry_point="", is_script=True),
}
FUNCTIONS = (
    "def f(num):\n    return num % 2 == 0\n",
    "def f(num):\n    return not num % 2\n",
    "def f(num):\n    return num > 7654\n",
    "def f(num):\n    return num[0] in 'BD'\n",
    "def f(num):\n    return num.count('B') > 1\n",
    "def f(a, b):\n    return a + b\n",
    "def f(num):\n    return undefined\n",
    "def f(",
)
READ = "n = int(input())\nnumbers = list(map(int, input().split()))\n"
SCRIPTS = (
    *(f"{READ}print({what})\n" for what in ("sum(numbers)", "sum(numbers[:n])", "max(numbers) + n", "numbers[0] * 5")),
    *(f"{READ}if n > 2:\n    print({what})\nelse:\n    print(5)\n" for what in ("sum(numbers)", "10", "n")),
    "print(5)\n",
)


@pytest.mark.parametrize("named", TASKS)
def test_the_default_ranker_s_subsets_are_ranked_as_if_there_were_no_others(sandbox, runner, named):
    task, ranker = TASKS[named], load_ranker("codebudget")
    runs = sandbox if task.is_script else runner
    programs = SCRIPTS if task.is_script else FUNCTIONS
    chance = random.Random(named)
    texts = [*programs, *chance.choices(programs, k=5)]
    candidates = [Candidate(task_id="t", arm="a", index=i, raw=text, program=text) for i, text in enumerate(texts)]
    context = Context(random.Random(0), RememberingRunner(runs))
    # Runs of its own, so that what the one asks for together does not help the other.
    apart = Context(random.Random(0), RememberingRunner(runs))
    at_once = ranker.subset_ranking(task, candidates, context)
    for k, count in ((1, 3), (2, 4), (5, 4), (len(texts), 1)):
        subsets = np.array([sorted(chance.sample(range(len(texts)), k)) for _ in range(count)])
        for row, scores in zip(subsets, at_once(subsets), strict=True):
            alone = ranker.rank(task, [candidates[place] for place in row], apart).scores
            assert np.unique(scores, return_inverse=True)[1].tolist() == [int(score) for score in alone]


def test_a_ranker_made_out_of_a_builtin_is_asked_for_its_own_ranking(task, context, pool):
    class Minority(Majority):
        """The candidate that fewest agree with."""

        def rank(self, task, candidates, context):
            scores = super().rank(task, candidates, context).scores
            return Ranking(scores=tuple(-score for score in scores))

    candidates, passed = drawn(pool, 3, 9)
    scores = {
        RankedPool(each, task, candidates, context).score_at_k(passed, 4, seed=0)
        for each in (Minority(), Alone(Minority()))
    }
    assert len(scores) == 1


class AtOnce:
    """The longest text, and all subsets at once."""

    name, version, needs, pointwise = "at-once", "1", frozenset(), False

    def __init__(self, spoil=lambda scores: scores):
        self._spoil = spoil

    def rank(self, task, candidates, context):
        return Ranking(scores=tuple(float(len(candidate.program)) for candidate in candidates))

    def subset_ranking(self, task, candidates, context):
        lengths = np.array([float(len(candidate.program)) for candidate in candidates])
        return lambda subsets: self._spoil(lengths[subsets])


def test_a_plug_in_may_rank_subsets_at_once(task, context, pool):
    candidates, passed = drawn(pool, 3, 9)
    scores = {
        RankedPool(each, task, candidates, context).score_at_k(passed, 4, seed=0)
        for each in (AtOnce(), Alone(AtOnce()))
    }
    assert len(scores) == 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda scores: scores[:, 1:], "one finite score per candidate of each subset"),
        (lambda scores: scores + float("nan"), "one finite score per candidate of each subset"),
        (lambda scores: "text", "failed on toy/double|one finite score"),
        (lambda scores: 1 / 0, "failed on toy/double: ZeroDivisionError"),
    ],
)
def test_a_plug_in_that_scores_subsets_wrongly_is_named(task, context, pool, spoil, message):
    candidates, passed = drawn(pool, 3, 9)
    ranked = RankedPool(AtOnce(spoil), task, candidates, context)
    with pytest.raises(RankerError, match=rf"ranker 'at-once' \(.+\) .*({message})"):
        ranked.score_at_k(passed, 4, seed=0)
