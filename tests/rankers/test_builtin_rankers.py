"""The built-in rankers: hand-worked cases, and what holds for all of them."""

import itertools
import random

import pytest
from codebudget.rankers import Context, RememberingRunner, load_ranker
from codebudget.rankers.code import code_characters

DOUBLE = "def double(x):\n    return x + x\n"
TIMES = "def double(x):\n    return 2 * x\n"
SQUARE = "def double(x):\n    return x * x\n"  # right on 0 and 2
FAILS_ON_3 = "def double(x):\n    return {0: 0, 2: 4}[x]\n"
BROKEN = "def double(x:\n"
ZERO = "def double(x):\n    return 0\n"
BUILT_IN = ["examples", "first", "majority", "random", "shortest"]


def scores(name, task, candidates, context):
    return load_ranker(name).rank(task, candidates, context).scores


@pytest.mark.parametrize("name", BUILT_IN)
class TestAll:
    def test_no_candidates(self, name, task, context):
        assert scores(name, task, [], context) == ()

    def test_one_candidate(self, name, task, context, pool):
        assert len(scores(name, task, pool(DOUBLE), context)) == 1

    def test_scores_follow_the_candidates(self, name, task, context, pool):
        candidates = pool(DOUBLE, SQUARE, BROKEN, TIMES)
        expected = dict(zip(range(4), scores(name, task, candidates, context), strict=True))
        for order in itertools.permutations(range(4)):
            assert scores(name, task, [candidates[i] for i in order], context) == tuple(expected[i] for i in order)

    def test_duplicates_tie(self, name, task, context, pool):
        given = scores(name, task, [*pool(DOUBLE, SQUARE), *pool(DOUBLE, SQUARE)], context)
        assert given[:2] == given[2:]

    def test_is_deterministic(self, name, task, context, pool, runner):
        candidates = pool(DOUBLE, SQUARE, FAILS_ON_3)
        again = Context(random.Random(0), RememberingRunner(runner))
        assert scores(name, task, candidates, context) == scores(name, task, candidates, again)


class TestFirst:
    def test_goes_by_the_place_among_the_samples(self, task, context, pool):
        late, early = pool(DOUBLE, SQUARE)[::-1]
        given = scores("first", task, [late, early], context)
        assert given[1] > given[0]


class TestShortest:
    def test_only_code_counts(self):
        bare = "def f(x):\n    return x\n"
        dressed = '# first\n\ndef f(x):  # second\n\n    """Third.\n\n    # fourth\n    """\n    return x\n\n\n'
        assert code_characters(bare) == len("deff(x):returnx") == code_characters(dressed)

    def test_strings_in_use_and_hashes_within_them_count(self):
        assert code_characters("x = '# no comment'\n") == len("x='# no comment'")
        assert code_characters("'''Doc.'''\nx = f('a')") == len("x=f('a')")

    @pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n"])
    def test_nothing_is_nothing(self, text):
        assert code_characters(text) == 0

    def test_what_is_not_python_counts_all_but_whitespace(self):
        assert code_characters("def f(x:\n    '''open\n") == len("deff(x:'''open")
        assert code_characters("if x:\n        a\n    b\n") == len("ifx:ab")

    def test_prefers_less_code(self, task, context, pool):
        short, long = scores("shortest", task, pool(ZERO + "# a long comment\n", DOUBLE), context)
        assert short > long


class TestExamples:
    def test_share_that_holds(self, task, context, pool):
        given = scores("examples", task, pool(DOUBLE, SQUARE, FAILS_ON_3, BROKEN, ZERO), context)
        assert given == pytest.approx((1, 2 / 3, 2 / 3, 0, 1 / 3))

    def test_without_examples_all_are_equal_and_nothing_runs(self, task, context, pool, runner):
        bare = task.model_copy(update={"examples": ()})
        assert len(set(scores("examples", bare, pool(DOUBLE, BROKEN), context))) == 1
        assert runner.ran == []

    def test_a_call_is_compared_as_a_whole(self, task, context, pool):
        # `0 == 1 or ...` must not leak out of its parentheses.
        tricky = task.model_copy(
            update={"examples": (task.examples[0].model_copy(update={"call": "double(1) if True else 0"}),)}
        )
        assert scores("examples", tricky, pool(DOUBLE, ZERO), context) == (0.0, 1.0)


class TestMajority:
    def test_hand_worked(self, task, context, pool):
        # Outcomes: (0 4 6) three times, (0 4 9) once, (0 4 error) twice, no program once.
        programs = [DOUBLE, TIMES, SQUARE, FAILS_ON_3, DOUBLE, FAILS_ON_3, BROKEN]
        assert scores("majority", task, pool(*programs), context) == (3, 3, 1, 0, 3, 0, 0)

    def test_expected_outputs_are_not_used(self, task, context, pool):
        assert scores("majority", task, pool(ZERO, ZERO, DOUBLE), context) == (2, 2, 1)

    def test_all_failing_is_a_tie(self, task, context, pool):
        assert scores("majority", task, pool(BROKEN, BROKEN), context) == (0, 0)

    def test_without_examples_all_are_equal_and_nothing_runs(self, task, context, pool, runner):
        bare = task.model_copy(update={"examples": ()})
        assert len(set(scores("majority", bare, pool(DOUBLE, BROKEN), context))) == 1
        assert runner.ran == []
