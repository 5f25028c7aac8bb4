"""Rankers by likelihood: hand-worked cases, and texts that are written to be likely (E1 to E3)."""

import math
import random

import pytest
from codebudget.errors import MachineError
from codebudget.rankers import Context, load_ranker
from codebudget.rankers.check.toys import ToyScorer
from codebudget.rankers.code import bare_completion, is_degenerate, renamed
from codebudget.records import Candidate, Likelihood, PublicTask

PROMPT = 'def total(xs):\n    """Add up the numbers of a list."""\n'
TASK = PublicTask(id="t", prompt=PROMPT, entry_point="total")
BODY = "    result = 0\n    for x in xs:\n        result += x\n    return result\n"


def pool(*programs, logprobs=None):
    return [
        Candidate(
            task_id="t",
            arm="a",
            index=index,
            raw=program.removeprefix(PROMPT),
            program=program,
            logprobs=None if logprobs is None else logprobs[index],
        )
        for index, program in enumerate(programs)
    ]


def scores(name, candidates, scorer=None):
    context = Context(random.Random(0), scorer=scorer or ToyScorer())
    return load_ranker(name).rank(TASK, candidates, context).scores


class Fixed:
    """A scorer that was told what to say, and notes what it was asked."""

    def __init__(self, **logprobs):
        self.logprobs, self.asked = logprobs, []

    def score(self, texts):
        self.asked += texts
        return [
            Likelihood(next((tuple(found) for sign, found in self.logprobs.items() if sign in text), (-1.0,)), None)
            for _, text in texts
        ]

    def flops(self, texts):
        return None


def test_mean_and_sum_are_of_the_candidates_own_tokens():
    candidates = pool("a", "b", "c", "d", logprobs=[(-1.0, -3.0), (-1.5,), (), (-1.0, -math.inf)])
    assert scores("mean-logprob", candidates) == (-2.0, -1.5, -1e6, -1e6)
    assert scores("sum-logprob", candidates) == (-4.0, -1.5, -1e6, -1e6)


def test_scorer_logprob_is_the_mean_over_the_completion_behind_the_prompt():
    scorer = Fixed(alpha=(-1.0, -2.0), beta=(-0.5, -math.inf))
    candidates = pool(PROMPT + "    return alpha\n", PROMPT + "    return beta\n", PROMPT + "    return gamma\n")
    assert scores("scorer-logprob", candidates, scorer) == (-1.5, -1e6, -1.0)
    assert scorer.asked[0] == (PROMPT, "    return alpha")


def test_coder_reviewer_is_half_of_each_sum():
    scorer = Fixed(result=(-1.0, -2.0), Add=(-4.0,))
    assert scores("coder-reviewer", pool(PROMPT + BODY), scorer) == (0.5 * -3.0 + 0.5 * -4.0,)
    coder, (shown, wanted) = scorer.asked
    assert coder[0] == PROMPT
    assert shown.startswith("def f(xs):\n    result = 0\n")
    assert shown.endswith("# write the docstring for the above function\n")
    assert wanted == '"""Add up the numbers of a list."""'


def test_self_certainty_is_what_the_scorer_says_of_the_raw_text():
    candidates = pool(PROMPT + BODY, PROMPT + "    return sum(xs)\n")
    expected = tuple(ToyScorer().score([("", candidate.raw)])[0].certainty for candidate in candidates)
    assert scores("self-certainty", candidates) == expected
    with pytest.raises(MachineError, match=r"whole vocabulary.*`engine` transformers"):
        scores("self-certainty", candidates, Fixed())


ECHOES = [
    PROMPT + "    # Add up the numbers of a list.\n" + BODY,
    PROMPT + '    """Add up the numbers of a list."""\n' + BODY,
    PROMPT + BODY.replace("result = 0", "result = 0  # add up the numbers of a list"),
    PROMPT + "\n\n" + BODY + "# " + PROMPT.replace("\n", " ") + "\n",
]


@pytest.mark.parametrize("name", ["scorer-logprob", "coder-reviewer", "shortest"])
@pytest.mark.parametrize("echo", ECHOES)
def test_a_program_that_repeats_the_task_gains_nothing(name, echo):
    plain, dressed = scores(name, pool(PROMPT + BODY, echo))
    assert plain == dressed


DEGENERATE = [
    "    pass\n",
    "    return None\n",
    "    return 0\n",
    "    return\n",
    "    # To do.\n    ...\n",
    '    """Done."""\n    return []\n'.replace("[]", "''"),
    "    xs = xs + xs\n" * 500 + "    return xs\n",
]


@pytest.mark.parametrize("body", DEGENERATE)
def test_degenerate_programs_come_last(body):
    assert is_degenerate(PROMPT + body, "total")
    worst, plain = scores("coder-reviewer", pool(PROMPT + body, PROMPT + BODY * 3))
    assert worst < plain


def test_what_does_something_is_not_degenerate():
    for body in (BODY, "    return sum(xs)\n", "    return xs or 0\n", "    raise ValueError\n"):
        assert not is_degenerate(PROMPT + body, "total")
    assert not is_degenerate("def total(xs:", "total")


def test_renaming_leaves_strings_and_other_names():
    program = "def total(xs):  # total\n    return 'total' + total(xs) + totals + xs.total\n"
    assert renamed(program, "total", "f") == "def f(xs):\n    return 'total' + f(xs) + totals + xs.f"
    assert bare_completion(PROMPT, PROMPT + "    x = '# no comment'  # one\n") == "    x = '# no comment'"
