"""Codebudget's own rule, by hand-worked tiny matrices, and the signs that it reads out of a program's text."""

import math

import numpy as np
import pytest
from codebudget.rankers.agreement import Executions
from codebudget.rankers.consensus import TextSigns, consensus, log_prior, text_signs

# Two copies of A, and C that differs from it on the second input; D fails there. Asserts: f(0) is 0 (twice), f(0) is 1,
# f(1) is 0, so that A, C and D pass 3, 2 and 1 of 4.
SMALL = Executions(
    outputs=np.array([[0, 0], [0, 1], [1, -1]]),
    holds=np.array([[True, False, True], [True, False, False], [False, True, False]]),
    input_of=np.array([0, 0, 1]),
    expected=np.array([0, 1, 0]),
    copies=np.array([2, 1, 1]),
    votes=np.array([2, 1, 1]),
)
NO_PRIOR = np.zeros(3)


def scores(executions, prior):
    """Scores of programs, each drawn as often as they say, without any others."""
    rows = np.repeat(np.arange(len(executions.copies)), executions.copies)
    (found,) = consensus(executions, prior, rows[None])
    return found[np.unique(rows, return_index=True)[1]]


class TestConsensus:
    def test_small(self):
        # Four asserts, and 2/4 more of doubt, which all pass.
        a, c, d = (copies * (held + 0.5) / (4 * 4.5) for copies, held in ((2, 3), (1, 2), (1, 1)))
        near = math.sqrt(1 / 2)
        assert np.exp(scores(SMALL, NO_PRIOR)) == pytest.approx([a + near * c, c + near * a, d])

    def test_the_prior_is_a_factor(self):
        prior = np.array([-1.0, 0.0, 0.5])
        assert scores(SMALL, prior) == pytest.approx(scores(SMALL, NO_PRIOR) + prior)

    def test_without_asserts_the_prior_decides(self):
        none = SMALL._replace(
            outputs=np.zeros((3, 0), np.int64),
            holds=np.zeros((3, 0), np.bool_),
            input_of=np.zeros(0, np.int64),
            expected=np.zeros(0, np.int64),
            votes=np.zeros(0, np.int64),
        )
        assert scores(none, np.array([-1.0, 0.0, 0.5])).tolist() == [-1.0, 0.0, 0.5]

    def test_where_no_assert_holds_agreement_decides(self):
        none = SMALL._replace(holds=np.zeros((3, 3), np.bool_))
        found = scores(none, NO_PRIOR)
        assert found[0] > found[1] > found[2]

    def test_few_asserts_decide_less_than_many(self):
        # The two that agree pass none, the one alone all.
        outputs, holds = np.array([[0, 0], [1, 1]]), np.array([[False], [True]])
        few = SMALL._replace(outputs=outputs, holds=holds, copies=np.array([2, 1]), votes=np.array([1]))
        few = few._replace(input_of=np.array([0]), expected=np.array([1]))
        assert scores(few, NO_PRIOR).argmax() == 0
        assert scores(few._replace(votes=np.array([20])), NO_PRIOR).argmax() == 1

    def test_copies_count_as_programs(self):
        order = [0, 0, 1, 2]
        alone = SMALL._replace(outputs=SMALL.outputs[order], holds=SMALL.holds[order], copies=np.ones(4, np.int64))
        assert scores(alone, np.zeros(4)) == pytest.approx(scores(SMALL, NO_PRIOR)[order])

    def test_scores_follow_the_programs(self):
        order = [2, 0, 1]
        permuted = SMALL._replace(outputs=SMALL.outputs[order], holds=SMALL.holds[order], copies=SMALL.copies[order])
        assert scores(permuted, NO_PRIOR) == pytest.approx(scores(SMALL, NO_PRIOR)[order])


HEAD = 'def f(a, b):\n    """Add."""\n'


class TestTextSigns:
    @pytest.mark.parametrize(
        ("body", "signs"),
        [
            ("    return a + b\n", TextSigns(0.0, empty=False)),
            ("    c = a\n    return c\n", TextSigns(0.5, empty=False)),
            ("    pass\n", TextSigns(1.0, empty=True)),
            ("    print(a + b)\n", TextSigns(0.0, empty=True)),
            ("    if a > b:\n        return []\n    return []\n", TextSigns(0.0, empty=True)),
            ("    if a > b:\n        return 1\n    return 0\n", TextSigns(0.0, empty=False)),
            ("    yield a + b\n", TextSigns(0.0, empty=False)),
        ],
    )
    def test_signs(self, body, signs):
        assert text_signs(HEAD + body, "f") == signs

    @pytest.mark.parametrize("program", ["def f(a:\n", "def g(a):\n    return a\n", ""])
    def test_what_is_not_there_is_empty(self, program):
        assert text_signs(program, "f").empty

    def test_prior_prefers_what_uses_its_parameters(self):
        used, unused, idle = log_prior([HEAD + "    return a + b\n", HEAD + "    return a\n", HEAD + "    pass\n"], "f")
        assert used > unused > idle
