"""Rankers on scripts and methods, in a real sandbox."""

import random
from collections.abc import Callable, Sequence

import pytest
from codebudget.errors import RankerError
from codebudget.rankers import Context, Need, RankedPool, RememberingRunner, load_ranker, ranks_scripts
from codebudget.records import (
    Candidate,
    Example,
    GeneratedTests,
    IoCase,
    IoTests,
    Outcome,
    PublicTask,
    Ranking,
    Rule,
    Task,
)
from codebudget.sandbox import Sandbox

MEAN = "input()\nnumbers = list(map(int, input().split()))\nprint(sum(numbers) / len(numbers))\n"
SHORT = "n, xs = input(), input().split()\nprint(f'{sum(map(int, xs)) / len(xs):.6f}')\n"
FLOOR = "input()\nnumbers = list(map(int, input().split()))\nprint(sum(numbers) // len(numbers))\n"
FIRST = "input()\nprint(float(input().split()[0]))\n"
CRASHES = "print(int(input()) / 0)\n"
BROKEN = "print(\n"
SILENT = "input()\n"

PAIRS = GeneratedTests(
    samples=(
        "2\n1 2\nOutput:\n1.5\n\nInput:\n3\n1 1 2\nOutput:\n1.333333\n\nInput:\n1\n4\nOutput:\n4\n",
        "Input:\n2\n1 2\nOutput:\n1.5\n\nInput:\n2\n1 2\nOutput:\n3\n",
    )
)
BY_TESTS = ("codet", "maxpass", "mbr-exec", "alphacode", "b4", "srank", "aces", "codebudget", "majority")

Rank = Callable[..., Ranking]


def script(rule: Rule = "apps", *cases: tuple[str, str]) -> PublicTask:
    """The mean of some numbers; cases are visible examples."""
    shown = tuple(IoCase(input=given, output=right) for given, right in cases)
    hidden = IoTests(style="stdio", cases=(IoCase(input="1\n9\n", output="9\n"),), rule=rule)
    task = Task(id="mean", benchmark="b", prompt="Print the mean.\n", entry_point="", tests=hidden, cases=shown)
    return task.public()


def pool(*programs: str) -> list[Candidate]:
    return [Candidate(task_id="t", arm="a", index=i, raw=text, program=text) for i, text in enumerate(programs)]


@pytest.fixture
def rank(sandbox: Sandbox) -> Rank:
    def run(name: str, task: PublicTask, *programs: str, tests: GeneratedTests = PAIRS) -> Ranking:
        context = Context(random.Random(0), RememberingRunner(sandbox), tests=tests)
        return RankedPool(load_ranker(name), task, pool(*programs), context).ranking

    return run


def test_examples_hold_by_the_task_s_rule(rank: Rank) -> None:
    cases = ("3\n1 1 2\n", "1.33333\n"), ("1\n4\n", "4.0\n")
    programs = (MEAN, SHORT, FLOOR, FIRST, CRASHES, BROKEN)
    assert rank("examples", script("apps", *cases), *programs).scores == (1, 1, 0.5, 0.5, 0, 0)
    assert rank("examples", script("livecodebench", *cases), *programs).scores == (0.5, 0.5, 0.5, 0.5, 0, 0)
    assert rank("examples", script("tokens", *cases), *programs).scores == (0.5, 0, 0, 0.5, 0, 0)
    assert set(rank("examples", script(), *programs).scores) == {0}


def test_pairs_are_counted_as_asserts_are(rank: Rank) -> None:
    # 1.5 twice, 1.333333 and 4 once, by APPS' tolerance; the wrong 3 never.
    ranking = rank("maxpass", script(), MEAN, SHORT, FLOOR, FIRST, CRASHES, MEAN)
    assert ranking.scores == (4, 4, 1, 1, 0, 4)
    assert ranking.executions == 5
    assert rank("maxpass,tests=1", script(), MEAN, FLOOR).scores == (3, 1)
    assert rank("maxpass,asserts=1", script(), MEAN, FLOOR).scores == (2, 0)
    assert rank("codet", script(), MEAN, MEAN, FLOOR).scores == pytest.approx((2**0.5 * 4, 2**0.5 * 4, 1))


@pytest.mark.parametrize("name", BY_TESTS)
def test_the_script_that_others_and_pairs_confirm_is_first(rank: Rank, name: str) -> None:
    scores = rank(name, script(), CRASHES, MEAN, FLOOR, BROKEN, MEAN + "# the same\n", SILENT).scores
    assert scores[1] == scores[4] == max(scores)
    assert sorted(scores)[-3] < scores[1]


def test_without_pairs_the_examples_decide(rank: Rank) -> None:
    shown = script("apps", ("2\n3 4\n", "3.5\n"))
    none = GeneratedTests(samples=("No tests here.",))
    programs = (FLOOR, MEAN, FLOOR + "# again\n", SILENT)
    assert max(scores := rank("codebudget", shown, *programs, tests=none).scores) == scores[1]
    assert rank("majority", shown, *programs, tests=none).scores == (2, 1, 2, 1)
    assert set(rank("codet", shown, *programs, tests=none).scores) == {0}
    # With no example inputs are made that most can read.
    bare = rank("codebudget", script(), *programs, tests=none)
    assert bare.scores[0] == bare.scores[2] > bare.scores[1] > bare.scores[3]
    # With nothing to run on, only the text counts: a script that prints nothing leaves its task undone.
    unread = rank("codebudget", script(), BROKEN, SILENT, SILENT + "input(), exit(1)\n", CRASHES, tests=none)
    assert unread.scores[3] == max(unread.scores) > unread.scores[1] == unread.scores[2]


def test_scripts_that_run(rank: Rank) -> None:
    assert rank("executability", script(), MEAN, CRASHES, BROKEN).scores == (1, 0, 0)
    # Without inputs, those that compile.
    assert rank("executability", script(), MEAN, CRASHES, BROKEN, tests=GeneratedTests()).scores == (1, 1, 0)


def test_a_script_is_run_once_on_an_input(sandbox: Sandbox) -> None:
    asked: list[tuple[str, int]] = []
    took: list[float] = []

    class Counting:
        def evaluate(self, task: PublicTask, programs: Sequence[str], inputs: Sequence[str]) -> list[list[Outcome]]:
            asked.append(("evaluate", len(programs) * len(inputs)))
            return sandbox.evaluate(task, programs, inputs)

        def judge(self, task: PublicTask, programs: Sequence[str], cases: Sequence[IoCase]) -> list[list[Outcome]]:
            asked.append(("judge", len(programs) * len(cases)))
            rows = sandbox.judge(task, programs, cases)
            took.append(sum(outcome.wall_s for row in rows for outcome in row))
            return rows

    shared = RememberingRunner(Counting())
    for _ in range(2):
        for name in ("codet", "codebudget", "mbr-exec"):
            context = Context(random.Random(0), shared, tests=PAIRS)
            ranking = RankedPool(load_ranker(name), script(), pool(MEAN, FLOOR), context).ranking
            # Each is charged for the runs, whoever made them.
            assert (ranking.usage.wall_s or 0.0) >= took[0] > 0
    assert asked == [("judge", 8)]


def test_rankers_that_need_a_function_say_so(sandbox: Sandbox) -> None:
    class Old:
        """Asks for calls, as if each task had a function."""

        name, version, pointwise = "old", "1", True
        needs: frozenset[Need] = frozenset({"execution"})

        def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
            raise AssertionError("it is not asked")

    context = Context(random.Random(0), RememberingRunner(sandbox), tests=PAIRS)
    with pytest.raises(RankerError, match=r"'old' .* works only where programs define a function, and mean asks for"):
        RankedPool(Old(), script(), pool(MEAN), context)
    readers = (
        "random",
        "first",
        "shortest",
        "mean-logprob",
        "scorer-logprob",
        "examples+codet",
        "majority,dedupe=true",
    )
    assert all(ranks_scripts(load_ranker(name)) for name in readers)
    assert not ranks_scripts(load_ranker("coder-reviewer"))
    assert not ranks_scripts(load_ranker("examples+coder-reviewer"))


METHOD = Task(
    id="order",
    benchmark="b",
    prompt='class Solution:\n    def order(self, xs: list[int]) -> list[int]:\n        """Sort."""\n',
    entry_point="Solution.order",
    tests=IoTests(style="call", cases=(IoCase(input="[[2]]", output="[2]"),), rule="equal"),
    cases=(IoCase(input="[[3, 1, 2]]", output="[1, 2, 3]"),),
).public()
SORTS = "class Solution:\n    def order(self, xs):\n        return sorted(xs)\n"
TUPLE = "class Solution:\n    def order(self, xs):\n        xs = sorted(xs)\n        return tuple(xs)\n"
SETS = "class Solution:\n    def order(self, xs):\n        return sorted(set(xs))\n"
SAME = "class Solution:\n    def order(self, xs):\n        return xs\n"
MISNAMED = "class Sorter:\n    def order(self, xs):\n        return sorted(xs)\n"
ASSERTS = GeneratedTests(
    samples=(
        "Solution().order([2, 2, 1]) == [1, 2, 2]\nassert Solution().order([]) == []\n",
        "s.order([2, 2, 1]) == [1, 2, 2]\nassert order([5]) == (5,)\nassert len(Solution().order([1, 1])) == 2\n",
    )
)


def test_examples_of_a_method_are_its_public_cases(rank: Rank) -> None:
    assert METHOD.examples == (Example(call="Solution().order([3, 1, 2])", expected="[1, 2, 3]"),)
    assert rank("examples", METHOD, SORTS, TUPLE, SETS, SAME, MISNAMED).scores == (1, 1, 1, 0, 0)


def test_asserts_call_a_method_in_any_way(rank: Rank) -> None:
    # [1, 2, 2] twice, [], [5], and the length.
    assert rank("maxpass", METHOD, SORTS, TUPLE, SETS, SAME, MISNAMED, tests=ASSERTS).scores == (5, 5, 2, 3, 0)


@pytest.mark.parametrize("name", BY_TESTS)
def test_the_method_that_others_and_asserts_confirm_is_first(rank: Rank, name: str) -> None:
    scores = rank(name, METHOD, SAME, SORTS, SETS, MISNAMED, TUPLE, tests=ASSERTS).scores
    assert scores[1] == pytest.approx(scores[4]) == max(scores)
    assert scores[1] > max(scores[0], scores[2], scores[3]) + 1e-9


def test_methods_are_told_apart_by_their_names(rank: Rank) -> None:
    deduped = rank("examples,dedupe=true", METHOD, SORTS, MISNAMED, SORTS.replace("xs", "ys")).scores
    assert deduped == (1, 0, 1)
    # Without examples too a method that leaves its task undone comes last; one without `self` in use does not.
    bare = METHOD.model_copy(update={"examples": ()})
    undone = "class Solution:\n    def order(self, xs):\n        return []\n"
    own = SAME.replace("return xs", "return self.go(xs)") + "    def go(self, xs):\n        return xs\n"
    scores = rank("codebudget", bare, undone, SORTS, own, tests=GeneratedTests()).scores
    assert min(scores[1], scores[2]) > scores[0]
