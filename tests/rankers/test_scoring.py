"""Scoring a ranker's picks over a task."""

import itertools
import random

import numpy as np
import pytest
from codebudget.errors import MachineError, SandboxError, UndefinedEstimateError, UserError
from codebudget.rankers import Context, RankedPool, RememberingRunner, load_ranker, score_task
from codebudget.records import Ranking, Usage

DOUBLE = "def double(x):\n    return x + x\n"
TIMES = "def double(x):\n    return 2 * x\n"
ZERO = "def double(x):\n    return 0\n"
SQUARE = "def double(x):\n    return x * x\n"


class Custom:
    """A ranker from a function, for contract tests."""

    name, version, needs, pointwise = "custom", "1", frozenset(), True

    def __init__(self, rank, **members):
        self._rank = rank
        for key, value in members.items():
            setattr(self, key, value)

    def rank(self, task, candidates, context):
        return self._rank(task, candidates, context)


def test_random_is_pass_at_1_for_every_k(task, context, pool):
    candidates, passed = pool(DOUBLE, ZERO, ZERO, TIMES, SQUARE), np.array([1, 0, 0, 1, 0], bool)
    for k in range(1, 6):
        assert score_task(load_ranker("random"), task, candidates, passed, k, context, seed=0).score == 0.4


def test_examples_find_a_right_program_whenever_one_is_drawn(task, context, pool):
    candidates, passed = pool(DOUBLE, ZERO, ZERO, TIMES, SQUARE), np.array([1, 0, 0, 1, 0], bool)
    score = score_task(load_ranker("examples"), task, candidates, passed, 2, context, seed=0).score
    assert score == pytest.approx(1 - 3 / 10)  # pass@2


def test_majority_is_ranked_anew_in_each_subset(task, context, pool):
    programs, passed = [ZERO, ZERO, ZERO, DOUBLE, TIMES], np.array([0, 0, 0, 1, 1], bool)
    score = score_task(load_ranker("majority"), task, pool(*programs), passed, 3, context, seed=0).score
    # By hand: of the 10 subsets of 3, those that hold both right programs (3) pick one of them; the others none.
    assert score == pytest.approx(0.3)


def test_each_distinct_program_runs_once_and_is_counted(task, context, pool, runner):
    candidates = pool(ZERO, DOUBLE, ZERO, TIMES, DOUBLE, SQUARE)
    ranked = RankedPool(load_ranker("majority"), task, candidates, context)
    for k in (2, 3, 5):
        ranked.score_at_k(np.zeros(6, bool), k, seed=0)
    assert sorted(runner.ran) == sorted({ZERO, DOUBLE, TIMES, SQUARE})
    assert ranked.ranking.executions == 4
    assert ranked.ranking.usage.wall_s > 0


def test_several_rounds_of_questions_run_only_what_is_new(task, context, pool, runner):
    def rank(task, candidates, context):
        programs = [candidate.program for candidate in candidates]
        context.runner.evaluate(task, programs[:1], ["double(1)"])
        rows = context.runner.evaluate(task, programs, ["double(1)", "double(2)"])
        return Ranking(scores=tuple(float(row[1].value) for row in rows))

    ranker = Custom(rank, needs=frozenset({"execution"}))
    result = score_task(ranker, task, pool(DOUBLE, ZERO), np.array([1, 0], bool), 2, context, seed=0)
    assert result.ranking.scores == (4.0, 0.0)
    assert result.ranking.executions == 2


def test_pointwise_subsets_and_closed_form_agree(task, context, pool):
    candidates = pool(*[f"def double(x):\n    return {'x + ' * i}x\n" for i in (0, 1, 1, 2, 3, 1)])
    passed = np.array([0, 1, 1, 0, 0, 1], bool)
    shortest = load_ranker("shortest")
    anew = Custom(shortest.rank, pointwise=False)
    for k in range(1, 7):
        closed = score_task(shortest, task, candidates, passed, k, context, seed=0).score
        assert score_task(anew, task, candidates, passed, k, context, seed=0).score == pytest.approx(closed)


def test_the_order_of_the_pool_does_not_matter_where_all_subsets_are_taken(task, context, pool):
    candidates, passed = pool(ZERO, DOUBLE, TIMES, SQUARE), np.array([0, 1, 1, 0], bool)
    values = {
        round(
            score_task(
                load_ranker("majority"),
                task,
                [candidates[i] for i in order],
                passed[list(order)],
                3,
                context,
                seed=0,
            ).score,
            12,
        )
        for order in itertools.permutations(range(4))
    }
    assert len(values) == 1


def test_what_a_ranker_reports_is_kept_beside_what_was_measured(task, context, pool):
    ranker = Custom(lambda t, c, x: Ranking(scores=(0.0,) * len(c), usage=Usage(output_tokens=7), executions=99))
    ranking = score_task(ranker, task, pool(DOUBLE), np.array([True]), 1, context, seed=0).ranking
    assert ranking.usage.output_tokens == 7
    assert ranking.executions == 0


def test_too_few_candidates_is_undefined(task, context, pool):
    with pytest.raises(UndefinedEstimateError):
        score_task(load_ranker("majority"), task, pool(DOUBLE), np.array([True]), 2, context, seed=0)


@pytest.mark.parametrize("name", ["random", "majority"])
def test_one_pass_per_candidate_is_required(task, context, pool, name):
    with pytest.raises(UserError, match="2 candidates and 1 passes"):
        score_task(load_ranker(name), task, pool(DOUBLE, ZERO), np.array([True]), 1, context, seed=0)


@pytest.mark.parametrize(
    ("rank", "message"),
    [
        (lambda t, c, x: Ranking(scores=(1.0,)), "gave 1 scores for 2 candidates"),
        (lambda t, c, x: Ranking(scores=(1.0, float("nan"))), "non-finite"),
        (lambda t, c, x: Ranking(scores=(1.0, float("inf"))), "non-finite"),
        (lambda t, c, x: [1.0, 2.0], "must return a Ranking, not list"),
        (lambda t, c, x: 1 / 0, "failed on toy/double: ZeroDivisionError: division by zero"),
        (lambda t, c, x: x.runner, "failed on toy/double: .*without declaring it"),
    ],
)
def test_a_ranker_that_breaks_its_contract_is_named(task, context, pool, rank, message):
    with pytest.raises(UserError, match=rf"ranker 'custom' \(.+\) .*{message}"):
        score_task(Custom(rank), task, pool(DOUBLE, ZERO), np.array([1, 0], bool), 1, context, seed=0)


def test_a_failing_sandbox_is_the_machines_fault(task, pool):
    class Dead:
        def evaluate(self, task, programs, expressions):
            raise SandboxError("gone")

    dead = Context(random.Random(0), RememberingRunner(Dead()))
    with pytest.raises(SandboxError):
        score_task(load_ranker("examples"), task, pool(DOUBLE), np.array([True]), 1, dead, seed=0)


def test_a_ranker_that_runs_programs_needs_a_sandbox(task, pool):
    bare = Context(random.Random(0))
    with pytest.raises(MachineError, match=r"'examples'.*`launcher`"):
        score_task(load_ranker("examples"), task, pool(DOUBLE), np.array([True]), 1, bare, seed=0)
    assert score_task(load_ranker("shortest"), task, pool(DOUBLE), np.array([True]), 1, bare, seed=0).score == 1
