"""What rankers score texts with: a real engine behind a store, shared by threads."""

import math
import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from codebudget.budgets.flops import forward_flops
from codebudget.budgets.models import find_model
from codebudget.experiment.scorers import EngineScorer
from codebudget.rankers import Context, RankedPool, load_ranker
from codebudget.records import Candidate, PublicTask
from codebudget.sampler.late import LateEngine
from codebudget.sampler.store import open_store

from support.markov import Markov

PROMPT = "def double(x):\n"
RIGHT, WRONG, ODD = "    return 2 * x\n", "    return x\n", "    ~~~\n"


@pytest.fixture(scope="module")
def markov():
    return lambda **options: Markov([PROMPT + RIGHT] * 3 + [PROMPT + WRONG], **options)


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "store.sqlite") as opened:
        yield opened


@pytest.fixture(scope="module")
def architecture():
    return find_model("7b").architecture


def test_likelihoods_are_the_engines(markov, store):
    engine = markov()
    texts = [(PROMPT, RIGHT), (PROMPT, WRONG), (PROMPT, RIGHT), (PROMPT, "")]
    found = EngineScorer(engine, store).score(texts)
    assert [one.logprobs for one in found] == [one.logprobs for one in markov().score(texts)]
    assert engine.scored == [(PROMPT, RIGHT), (PROMPT, WRONG), (PROMPT, "")]
    assert found[0].certainty is None


def test_what_the_store_has_is_not_scored_again_and_still_charged(markov, store, architecture):
    first = EngineScorer(markov(), store, architecture)
    likelihoods = first.score([(PROMPT, RIGHT), (PROMPT, ODD)])
    assert likelihoods[1].logprobs[4] == -math.inf
    engine = markov()
    again = EngineScorer(engine, store, architecture)
    assert again.score([(PROMPT, RIGHT), (PROMPT, ODD)]) == likelihoods
    assert engine.scored == []
    assert again.seconds((PROMPT, RIGHT)) == first.seconds((PROMPT, RIGHT)) > 0
    assert again.seconds((PROMPT, WRONG)) is None
    assert again.flops([(PROMPT, RIGHT)]) == first.flops([(PROMPT, RIGHT)]) > 0
    other = markov(revision="2")
    EngineScorer(other, store).score([(PROMPT, RIGHT)])
    assert other.scored == [(PROMPT, RIGHT)]


def test_flops_are_those_of_one_pass_over_prompt_and_completion(markov, store, architecture):
    scorer = EngineScorer(markov(), store, architecture)
    tokens = len(PROMPT) + len(RIGHT)
    assert scorer.flops([(PROMPT, RIGHT)]) == forward_flops(architecture, tokens, logit_positions=len(RIGHT))
    assert scorer.flops([(PROMPT, RIGHT)] * 2 + [(PROMPT, "")]) == 2 * scorer.flops([(PROMPT, RIGHT)])
    assert EngineScorer(markov(), store).flops([(PROMPT, RIGHT)]) is None
    assert EngineScorer(markov(), store).flops([]) == 0


def test_threads_share_one_engine(markov, store):
    class Jealous:
        """An engine that fails where two threads are in it."""

        def __init__(self):
            self.behind, self.inside, self.describe = markov(), 0, markov().describe

        def score(self, texts):
            self.inside += 1
            assert self.inside == 1
            found = self.behind.score(texts)
            self.inside -= 1
            return found

    scorer = EngineScorer(Jealous(), store)
    texts = [(PROMPT, f"    return {number} * x\n") for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda text: scorer.score([text])[0], texts))
    assert [one.logprobs for one in found] == [one.logprobs for one in markov().score(texts)]


def test_an_engine_that_has_changed_is_noticed(markov, store):
    started = []

    def start(revision):
        def run():
            started.append(markov(revision=revision))
            return started[-1]

        return run

    EngineScorer(LateEngine(start("1"), store, "key"), store).score([(PROMPT, RIGHT)])
    late = LateEngine(start("2"), store, "key")
    scorer = EngineScorer(late, store)
    scorer.score([(PROMPT, RIGHT)])
    assert len(started) == 1
    scorer.score([(PROMPT, RIGHT), (PROMPT, WRONG)])
    # Nothing of the one before is taken for its own.
    assert started[1].scored == [(PROMPT, RIGHT), (PROMPT, WRONG)]
    late.close()
    scorer.score([(PROMPT, ODD)])
    assert len(started) == 3


@pytest.mark.parametrize("name", ["scorer-logprob", "coder-reviewer"])
def test_rankers_are_charged_what_scoring_took_also_where_it_is_remembered(markov, store, architecture, name):
    task = PublicTask(id="t", prompt=PROMPT, entry_point="double")
    pool = [
        Candidate(task_id="t", arm="a", index=index, raw=body, program=PROMPT + body)
        for index, body in enumerate((RIGHT, WRONG, ODD, RIGHT))
    ]
    charged = []
    for _ in range(2):
        scorer = EngineScorer(markov(), store, architecture)
        ranked = RankedPool(load_ranker(name), task, pool, Context(random.Random(0), scorer=scorer))
        assert np.isfinite(ranked.ranking.scores).all()
        assert ranked.ranking.scores[0] == ranked.ranking.scores[3] >= ranked.ranking.scores[2]
        charged.append(ranked.ranking.usage.prefill_flops)
    assert charged[0] == charged[1] > 0
