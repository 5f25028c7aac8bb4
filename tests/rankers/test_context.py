"""What a ranker is charged for what it uses."""

import random

import pytest
from codebudget.errors import MachineError, UserError
from codebudget.rankers import Context, RankedPool, RememberingRunner, RememberingScorer, check_offered, load_ranker
from codebudget.rankers.check.toys import ToyScorer
from codebudget.records import GeneratedTests, Outcome, Usage

DOUBLE = "def double(x):\n    return x + x\n"
TIMES = "def double(x):\n    return 2 * x\n"
TESTS = GeneratedTests(
    samples=("double(1) == 2\n",), usage=Usage(prefill_flops=3.0, decode_flops=4.0, output_tokens=9, wall_s=5.0)
)


class Slow:
    """Takes no time and says that each outcome took a second."""

    def __init__(self, runner):
        self.behind = runner

    def evaluate(self, task, programs, expressions):
        rows = self.behind.evaluate(task, programs, expressions)
        return [[Outcome(value=cell.value, error=cell.error, wall_s=1.0) for cell in row] for row in rows]


def offered(runner=None, *, tests=None, scorer=None):
    runner = None if runner is None else RememberingRunner(runner)
    return Context(random.Random(0), runner, tests=tests, scorer=scorer)


def ranking(name, task, candidates, context):
    return RankedPool(load_ranker(name), task, candidates, context).ranking


def test_reading_costs_no_flops(task, pool, runner):
    charged = ranking("shortest", task, pool(DOUBLE, TIMES), offered(runner, tests=TESTS, scorer=ToyScorer()))
    assert (charged.usage.prefill_flops, charged.usage.decode_flops) == (0, 0)
    assert charged.tests_usage is None
    assert charged.executions == 0
    assert runner.ran == []


def test_runs_are_charged_also_where_another_ranker_made_them(task, pool, runner):
    shared = RememberingRunner(Slow(runner))
    context = Context(random.Random(0), shared)
    first = ranking("examples", task, pool(DOUBLE, TIMES, DOUBLE), context)
    ran = len(runner.ran)
    again = ranking("examples", task, pool(DOUBLE, TIMES, DOUBLE), context)
    assert len(runner.ran) == ran
    assert first.executions == again.executions == 2
    # Two programs, three calls and three expected values each.
    assert first.usage.wall_s == pytest.approx(12, abs=0.5)
    assert again.usage.wall_s == pytest.approx(12, abs=0.5)


def test_drawing_the_tests_is_charged_beside(task, pool, runner):
    charged = ranking("maxpass", task, pool(DOUBLE, TIMES), offered(runner, tests=TESTS))
    assert charged.tests_usage == TESTS.usage
    assert charged.usage.prefill_flops == 0
    none = ranking("maxpass", task, pool(DOUBLE, TIMES), offered(runner, tests=GeneratedTests()))
    assert none.tests_usage is None


def test_scores_are_charged_once_per_text_and_also_where_they_are_remembered(task, pool):
    shared = RememberingScorer(ToyScorer())
    candidates = pool(DOUBLE, TIMES, DOUBLE)
    first = ranking("scorer-logprob", task, candidates, offered(scorer=shared))
    again = ranking("scorer-logprob", task, candidates, offered(scorer=shared))
    assert first.usage.prefill_flops == again.usage.prefill_flops > 0
    one = ranking("scorer-logprob", task, candidates[:2], offered(scorer=ToyScorer()))
    assert one.usage.prefill_flops == first.usage.prefill_flops
    both = ranking("coder-reviewer+scorer-logprob", task, candidates, offered(scorer=ToyScorer()))
    assert both.usage.prefill_flops > first.usage.prefill_flops


def test_flops_that_cannot_be_known_are_none(task, pool):
    class Unknown(ToyScorer):
        def flops(self, texts):
            return None

    assert ranking("scorer-logprob", task, pool(DOUBLE), offered(scorer=Unknown())).usage.prefill_flops is None


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("examples", MachineError, "no sandbox is available: choose one with `launcher`"),
        ("codet", MachineError, "ranker 'codet' .distribution codebudget. runs programs"),
        ("scorer-logprob", UserError, "choose an arm with `scorer` ARM"),
        ("shortest+scorer-logprob", UserError, "choose an arm with `scorer` ARM"),
    ],
)
def test_what_is_missing_is_said_before_anything_runs(name, kind, message):
    with pytest.raises(kind, match=message):
        check_offered(load_ranker(name), offered().offered)


def test_tests_are_asked_for_by_their_option(runner):
    with pytest.raises(UserError, match="`tests`; `codebudget sample --tests` draws them"):
        check_offered(load_ranker("codet"), offered(runner).offered)
    check_offered(load_ranker("executability"), offered(runner).offered)


def test_a_ranker_is_offered_no_more_than_it_declared(task, pool, runner):
    class Nosy:
        """Looks for all there is."""

        name, version, needs, pointwise = "nosy", "1", frozenset({"execution"}), True

        def rank(self, task, candidates, context):
            assert context.has("execution")
            assert not context.has("tests")
            assert not context.has("scorer")
            assert all(candidate.logprobs is None for candidate in candidates)
            return load_ranker("random").rank(task, candidates, context)

    candidates = [candidate.model_copy(update={"logprobs": (-1.0,)}) for candidate in pool(DOUBLE)]
    RankedPool(Nosy(), task, candidates, offered(runner, tests=TESTS, scorer=ToyScorer()))


def test_what_is_foreseen_is_run_once_and_charged_when_it_is_asked_for(task, runner):
    own = RememberingRunner(RememberingRunner(Slow(runner)))
    own.foresee(task, [DOUBLE, TIMES], ["double(1)", "double(2)"], ["double(3)", "double(1)"])
    assert (runner.ran, own.executions, own.charged_s) == ([DOUBLE, TIMES], 0, 0.0)
    found = own.evaluate(task, [DOUBLE, TIMES], ["double(1)", "double(3)"])
    assert [[cell.value for cell in row] for row in found] == [["2", "6"]] * 2
    assert (runner.ran, own.executions, own.charged_s) == ([DOUBLE, TIMES], 2, 4.0)


def test_a_program_that_dies_before_what_is_foreseen_is_dead_for_that_too(task):
    class Dying:
        """A program answers nothing after `f(0)`."""

        def __init__(self) -> None:
            self.asked: list[list[str]] = []

        def evaluate(self, task, programs, expressions):
            self.asked.append(list(expressions))
            dead = expressions.index("f(0)")
            row = [
                Outcome(value="1") if place < dead else Outcome(error="timeout") for place in range(len(expressions))
            ]
            return [row for _ in programs]

    behind = Dying()
    runner = RememberingRunner(behind)
    runner.foresee(task, [DOUBLE], ["f(1)", "f(0)"], ["f(2)"])
    found = runner.evaluate(task, [DOUBLE], ["f(1)", "f(0)", "f(2)"])[0]
    assert [cell.error for cell in found] == [None, "timeout", "timeout"]
    assert behind.asked == [["f(1)", "f(0)", "f(2)"]]
