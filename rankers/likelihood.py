"""Ranking by the candidates' likelihood: by the model that drew them, or another."""

from __future__ import annotations

import ast
import statistics
from typing import TYPE_CHECKING

from .._util.parsing import find_function, module
from ..errors import MachineError
from ..records import Candidate, PublicTask, Ranking
from .code import bare_completion, is_degenerate, renamed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .protocol import Context, Need

LEAST = -1e6
"""Score where there is no likelihood: below that of any text a model would draw."""

_REVIEW = "\n\n# write the docstring for the above function\n"


class MeanLogprob:
    """The candidate whose tokens its own model found most likely on average ("MALL" in Shi et al. 2022)."""

    name = "mean-logprob"
    version = "1"
    needs: frozenset[Need] = frozenset({"logprobs"})
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by the mean logprob of the output tokens."""
        return Ranking(scores=tuple(_mean(candidate.logprobs) for candidate in candidates))


class SumLogprob:
    """The candidate that its own model found most likely as a whole, which favours short ones."""

    name = "sum-logprob"
    version = "1"
    needs: frozenset[Need] = frozenset({"logprobs"})
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by the sum of the logprobs of the output tokens."""
        return Ranking(scores=tuple(max(sum(candidate.logprobs or (LEAST,)), LEAST) for candidate in candidates))


class ScorerLogprob:
    """The candidate that a second model finds most likely on average: the NLL ranker of Hassid et al. 2024.

    The model sees the code without comments and docstrings, so that a candidate which repeats the task gains nothing.
    """

    name = "scorer-logprob"
    version = "1"
    needs: frozenset[Need] = frozenset({"scorer"})
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by the mean logprob of the completion's tokens, given the prompt."""
        texts = [(task.prompt, bare_completion(task.prompt, candidate.program)) for candidate in candidates]
        return Ranking(scores=tuple(_mean(found.logprobs) for found in context.scorer.score(texts)))


class SelfCertainty:
    """The candidate over whose tokens the scorer is most certain (Kang et al. 2025).

    Certainty is the mean Kullback-Leibler divergence of the distribution over the whole vocabulary from the uniform one
    (section 3); logprobs of the drawn tokens do not tell it. The candidates' own arm is the scorer of the paper.
    """

    name = "self-certainty"
    version = "1"
    needs: frozenset[Need] = frozenset({"scorer"})
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by the mean certainty over the raw text.

        Raises:
            MachineError: the scorer's engine does not tell it.
        """
        found = context.scorer.score([(task.prompt, candidate.raw) for candidate in candidates])
        if any(likelihood.certainty is None for likelihood in found):
            raise MachineError(
                "self-certainty needs the probabilities of the whole vocabulary, which this engine does not "
                "report; score with `engine` transformers"
            )
        return Ranking(scores=tuple(likelihood.certainty or 0.0 for likelihood in found))


class CoderReviewer:
    """The candidate that fits the task and that the task fits best (Zhang et al. 2022).

    The sum of log p(program | task) and log p(task | program), each half (section 3); the reviewer reads the program
    with its function renamed and comments and docstrings taken out. Degenerate programs come last (section 3.3). A
    script has no function to describe.
    """

    name = "coder-reviewer"
    version = "1"
    needs: frozenset[Need] = frozenset({"scorer"})
    ranks_scripts = False
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by the two sums of logprobs."""
        programs = [candidate.program for candidate in candidates]
        coder = [(task.prompt, bare_completion(task.prompt, program)) for program in programs]
        wanted = _docstring(task)
        name = task.entry_point.rpartition(".")[2]
        reviewer = [(renamed(program, name, "f") + _REVIEW, wanted) for program in programs]
        found = context.scorer.score([*coder, *reviewer])
        scores = []
        for program, forth, back in zip(programs, found[: len(programs)], found[len(programs) :], strict=True):
            likely = 0.5 * sum(forth.logprobs) + 0.5 * sum(back.logprobs)
            scores.append(LEAST if is_degenerate(program, task.entry_point) else max(likely, LEAST + 1))
        return Ranking(scores=tuple(scores))


def _mean(logprobs: tuple[float, ...] | None) -> float:
    # A token of probability 0 makes the mean infinite.
    return max(statistics.fmean(logprobs), LEAST) if logprobs else LEAST


def _docstring(task: PublicTask) -> str:
    """Return the task's text: its prompt's docstring, or else the whole prompt."""
    tree = module(task.prompt + "\n    pass\n") or module(task.prompt)
    function = find_function(tree, task.entry_point)
    return task.prompt if function is None else f'"""{ast.get_docstring(function) or task.prompt}"""'
