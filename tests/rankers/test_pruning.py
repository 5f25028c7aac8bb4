"""`keep=`: a stage drops the worst before the next ranker runs, and what it drops comes last."""

import random

import pytest
from codebudget.errors import UserError
from codebudget.rankers import Context, RankedPool, RememberingRunner, load_ranker
from codebudget.rankers.combine import Chain, Pruning, best_groups
from codebudget.rankers.registry import details, origin
from codebudget.records import Candidate, PublicTask, Ranking
from hypothesis import given
from hypothesis import strategies as st

TASK = PublicTask(id="t", prompt="def f(x):\n", entry_point="f")


class Given:
    """Scores by a list, by index, and notes whom it was asked about."""

    version, needs, pointwise = "1", frozenset(), True

    def __init__(self, scores, name="given"):
        self.name, self.scores, self.asked = name, scores, []

    def rank(self, task, candidates, context):
        self.asked.append([candidate.index for candidate in candidates])
        return Ranking(scores=tuple(float(self.scores[candidate.index]) for candidate in candidates))


def pool(count):
    return [Candidate(task_id="t", arm="a", index=index, raw="", program="") for index in range(count)]


def scores(links, count):
    return Chain(links).rank(TASK, pool(count), Context(random.Random(0))).scores


def test_the_next_ranker_sees_and_orders_only_what_is_kept():
    cheap, dear = Given([4, 1, 3, 2]), Given([1, 9, 2, 9])
    assert scores([Pruning(cheap, 0.5), dear], 4) == (2, 0, 3, 1)
    assert dear.asked == [[0, 2]]


@pytest.mark.parametrize(
    ("cheap", "share", "goes_on"),
    [
        ([7, 7, 7, 1, 0], 0.4, [0, 1, 2]),
        ([7, 1, 1, 1, 1], 0.5, [0]),
        ([7, 7, 1, 0, 0], 0.6, [0, 1, 2]),
        ([5, 5, 5, 5, 5], 0.1, [0, 1, 2, 3, 4]),
    ],
)
def test_equal_scores_are_not_parted_and_the_best_always_go_on(cheap, share, goes_on):
    dear = Given([0, 1, 2, 3, 4])
    scores([Pruning(Given(cheap), share), dear], 5)
    # One that is left needs no ranker.
    assert dear.asked == ([goes_on] if len(goes_on) > 1 else [])


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.floats(0.01, 1))
def test_the_most_that_goes_on_is_a_share(values, share):
    keys = [(float(value),) for value in values]
    kept = best_groups(keys, share)
    count = sum(key in kept for key in keys)
    best = keys.count(max(keys))
    assert max(keys) in kept
    assert all(key in kept for key in keys if key > min(kept))
    assert count <= max(best, share * len(keys))
    others = [key for key in keys if key not in kept]
    if others:
        assert count + keys.count(max(others)) > share * len(keys)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=9),
    st.floats(0.1, 1),
)
def test_what_is_dropped_comes_last_in_the_order_so_far(rows, keep):
    first, second, third = (Given([row[place] for row in rows]) for place in range(3))
    found = scores([first, Pruning(second, keep), third], len(rows))
    if not third.asked:
        return
    kept = set(third.asked[0])
    for a, b in ((a, b) for a in range(len(rows)) for b in range(len(rows))):
        if rows[a][0] != rows[b][0]:
            assert (found[a] > found[b]) == (rows[a][0] > rows[b][0])
        elif (a in kept) != (b in kept):
            assert (found[a] > found[b]) == (a in kept)
        else:
            deciding = 2 if a in kept else 1
            assert (found[a] > found[b]) == (rows[a][deciding] > rows[b][deciding])


def test_what_is_dropped_is_not_run(task, pool, runner):
    right, wrong = "def double(x):\n    return 2 * x\n", "def double(x):\n    return x ** 2 + 0 * x ** 3\n"
    also = "double = lambda x: x + x\n"
    offered = Context(random.Random(0), RememberingRunner(runner))
    ranked = RankedPool(load_ranker("shortest,keep=0.7+examples"), task, pool(right, wrong, also), offered).ranking
    assert ranked.scores == (1, 0, 1)
    assert sorted(set(runner.ran)) == sorted([right, also])
    assert ranked.executions == 2


def test_where_it_stands_and_what_it_takes_is_checked():
    with pytest.raises(UserError, match="none follows"):
        load_ranker("examples,keep=0.5")
    with pytest.raises(UserError, match="none follows"):
        load_ranker("shortest+examples,keep=0.5")
    for wrong in ("0", "-1", "1.5", "nan"):
        with pytest.raises(UserError, match="must be a share above 0 and at most 1"):
            load_ranker(f"examples,keep={wrong}+majority")
    with pytest.raises(UserError, match="must be a number"):
        load_ranker("examples,keep=half+majority")
    # All go on in their order, as if nothing were said.
    assert load_ranker("examples,keep=1+majority").name == "examples+majority"
    assert load_ranker("shortest,keep=0.5+majority").pointwise is False


def test_it_goes_with_dedupe_and_is_shown():
    chain = load_ranker("majority,dedupe=true,keep=0.5+shortest")
    assert chain.name == "majority,dedupe=true,keep=0.5+shortest"
    assert origin(chain) == f"ranker '{chain.name}' (distribution codebudget)"
    first, second = details("examples,keep=0.5+shortest")
    assert first.parameters["keep"] == 0.5
    assert second.parameters == {"dedupe": False, "keep": 1.0}
