"""Chains: the next ranker breaks the ties of the one before, and changes nothing else."""

import random

import pytest
from codebudget.rankers import Context, load_ranker
from codebudget.rankers.combine import Chain
from codebudget.records import Candidate, PublicTask, Ranking
from hypothesis import given
from hypothesis import strategies as st

TASK = PublicTask(id="t", prompt="def f(x):\n", entry_point="f")


class Given:
    """Scores by a list, by index."""

    version, needs, pointwise = "2", frozenset(), True

    def __init__(self, scores, name="given", **members):
        self.name, self.scores, self.asked = name, scores, 0
        for key, value in members.items():
            setattr(self, key, value)

    def rank(self, task, candidates, context):
        self.asked += 1
        return Ranking(scores=tuple(float(self.scores[candidate.index]) for candidate in candidates))


def pool(count):
    return [Candidate(task_id="t", arm="a", index=index, raw="", program="") for index in range(count)]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), max_size=8))
def test_order_is_that_of_the_scores_one_after_another(rows):
    links = [Given([row[place] for row in rows]) for place in range(3)]
    scores = Chain(links).rank(TASK, pool(len(rows)), Context(random.Random(0))).scores
    for a, first in enumerate(rows):
        for b, second in enumerate(rows):
            assert (scores[a] > scores[b]) == (first > second)
            assert (scores[a] == scores[b]) == (first == second)


def test_what_is_settled_is_asked_no_further():
    first, second, third = Given([3, 1, 1]), Given([0, 5, 4]), Given([9, 9, 9])
    chain = Chain([first, second, third])
    assert chain.rank(TASK, pool(3), Context(random.Random(0))).scores == (2, 1, 0)
    assert (first.asked, second.asked, third.asked) == (1, 1, 0)


def test_a_chain_is_what_its_links_are():
    chain = load_ranker("examples+codet,tests=5+executability")
    assert chain.name == "examples+codet+executability"
    assert chain.version == "2+2+2"
    assert chain.needs == {"execution", "tests"}
    assert chain.pointwise is False
    assert load_ranker("examples+shortest").pointwise is True
    assert load_ranker("shortest+executability").uses >= {"tests", "execution"}


def test_a_link_that_is_no_ranker_is_named():
    from codebudget.errors import UserError

    with pytest.raises(UserError, match="unknown ranker 'nothing'"):
        load_ranker("examples+nothing")
