"""Published rules of agreement, by hand-worked tiny matrices."""

import math
from functools import partial

import numpy as np
import pytest
from codebudget.rankers.agreement import Executions, aces, alphacode, b4, codet, majority, maxpass, mbr_exec, srank

RULES = [aces, alphacode, b4, codet, majority, maxpass, mbr_exec, srank]


def executions(outputs, asserts, copies=None, votes=None):
    """Asserts are (input, expected value)."""
    values = np.array(outputs, np.int64)
    input_of = np.array([place for place, _ in asserts], np.int64)
    expected = np.array([value for _, value in asserts], np.int64)
    holds = (values[:, input_of] == expected) & (expected >= 0)
    return Executions(
        outputs=values,
        holds=holds,
        input_of=input_of,
        expected=expected,
        copies=np.array(copies or [1] * len(values), np.int64),
        votes=np.array(votes or [1] * len(asserts), np.int64),
    )


# Four programs on two inputs: A and B agree, C differs on the second, D fails there.
# Asserts: f(0) is 0 (said twice), f(0) is 1, f(1) is 0.
SMALL = executions([[0, 0], [0, 0], [0, 1], [1, -1]], [(0, 0), (0, 1), (1, 0)], votes=[2, 1, 1])


class TestSmall:
    def test_maxpass(self):
        assert maxpass(SMALL).tolist() == [3, 3, 2, 1]

    def test_codet(self):
        assert codet(SMALL) == pytest.approx([3 * math.sqrt(2), 3 * math.sqrt(2), 2, 1])

    def test_majority(self):
        assert majority(SMALL).tolist() == [2, 2, 1, 0]

    def test_alphacode(self):
        assert alphacode(SMALL).tolist() == [2, 2, 1, 1]

    def test_mbr_exec(self):
        # A agrees with itself and B on both inputs and with C on one; D with itself on one.
        assert mbr_exec(SMALL).tolist() == [2.5, 2.5, 2, 0.5]

    def test_srank(self):
        # Values of the clusters AB, C, D: 2/4 * 3/4, 1/4 * 2/4, 1/4 * 1/4. AB and C agree on one of two inputs.
        ab, c, d = 6 / 16, 2 / 16, 1 / 16
        assert srank(SMALL) == pytest.approx([ab + c / 2, ab + c / 2, c + ab / 2, d])

    def test_b4(self):
        # For D: it passes 1 of 4 asserts. Of the other three programs' 3 cells there none holds; of 9 elsewhere, 8.
        def ln_beta(x, y):
            return math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)

        d = ln_beta(1 + 10, 3 + 1) + ln_beta(1 + 10, 3 + 1) + ln_beta(0 + 1, 3 + 1) + ln_beta(8 + 1, 1 + 100)
        # For A and B: 3 asserts; C and D have 6 cells there, of which C's double one holds; of 2 elsewhere, D's one.
        a = ln_beta(2 + 10, 2 + 1) + ln_beta(3 + 10, 1 + 1) + ln_beta(2 + 1, 4 + 1) + ln_beta(1 + 1, 1 + 100)
        given = b4(SMALL, a=10, b0=100)
        assert given[[0, 1, 3]] == pytest.approx([a, a, d], rel=1e-10)

    def test_aces(self):
        # f(0) is 0: A, B, C pass it, and 1, 1, 0 others; D passes 1: AUC (1/2 + 1/2 + 0) / 3 = 1/3, no weight.
        # f(0) is 1: D passes it and no other; A, B, C pass 3, 3, 2: AUC 0. f(1) is 0: A, B pass 2 others, C 2, D 1:
        # AUC (1/2 + 1) / 2 = 3/4, so that its weight is 1/4 * 1/2 * 1/2.
        assert aces(SMALL) == pytest.approx([1 / 16, 1 / 16, 0, 0])


@pytest.mark.parametrize("rule", RULES)
class TestAll:
    def test_copies_count_as_programs(self, rule):
        twice = executions([[0, 0], [0, 1], [1, -1]], [(0, 0), (0, 1), (1, 0)], copies=[2, 1, 1], votes=[2, 1, 1])
        assert rule(twice) == pytest.approx(rule(SMALL)[[0, 2, 3]])

    def test_scores_follow_the_programs(self, rule):
        order = [2, 0, 3, 1]
        permuted = SMALL._replace(outputs=SMALL.outputs[order], holds=SMALL.holds[order])
        assert rule(permuted) == pytest.approx(rule(SMALL)[order])

    def test_one_program(self, rule):
        assert np.isfinite(rule(SMALL.among(np.array([1, 0, 0, 0])))).all()

    def test_no_programs(self, rule):
        assert rule(SMALL.among(np.array([0, 0, 0, 0]))).shape == (0,)

    def test_no_asserts(self, rule):
        none = executions([[], []], [])
        given = rule(none)
        assert given[0] == given[1]

    def test_what_a_value_is_called_means_nothing(self, rule):
        renamed = executions([[7, 2], [7, 2], [7, 0], [4, -1]], [(0, 7), (0, 4), (1, 2)], votes=[2, 1, 1])
        assert rule(renamed).tolist() == rule(SMALL).tolist()


class TestVotes:
    @pytest.mark.parametrize("rule", [b4, codet, maxpass, srank, partial(b4, a=1e3, b0=1e6)])
    def test_votes_count_as_asserts(self, rule):
        single = executions([[0, 0], [0, 0], [0, 1], [1, -1]], [(0, 0), (0, 0), (0, 1), (1, 0)])
        assert rule(single) == pytest.approx(rule(SMALL))
