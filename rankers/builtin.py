"""Rankers that only read: the baselines that any other ranker has to beat."""

from __future__ import annotations

import io
import tokenize
from typing import TYPE_CHECKING

from ..records import Candidate, PublicTask, Ranking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .protocol import Context, Need

_LAYOUT = frozenset({tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER})


class Random:
    """Any candidate, with equal chances: all are ties, so that rank-score@k is pass@1."""

    name = "random"
    version = "1"
    needs: frozenset[Need] = frozenset()
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Give all candidates one score."""
        return Ranking(scores=(0.0,) * len(candidates))


class First:
    """The candidate that was drawn first."""

    name = "first"
    version = "1"
    needs: frozenset[Need] = frozenset()
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by place among the arm's samples, which is not the place in `candidates`."""
        return Ranking(scores=tuple(-float(candidate.index) for candidate in candidates))


class Shortest:
    """The program with the least code, in characters, without comments, docstrings and layout."""

    name = "shortest"
    version = "1"
    needs: frozenset[Need] = frozenset()
    pointwise = True

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by length, the shortest highest."""
        return Ranking(scores=tuple(-float(code_characters(candidate.program)) for candidate in candidates))


def code_characters(program: str) -> int:
    """Characters of a Python program without comments, whitespace and strings that stand alone, as docstrings do.

    Text that is not Python down to its tokens counts all its characters but whitespace.
    """
    try:
        tokens = [
            token
            for token in tokenize.generate_tokens(io.StringIO(program).readline)
            if token.type not in (tokenize.COMMENT, tokenize.NL)
        ]
    except (tokenize.TokenError, SyntaxError):
        return len("".join(program.split()))
    code = 0
    before = tokenize.NEWLINE
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        alone = before in _LAYOUT and (after is None or after.type in _LAYOUT)
        if token.type not in _LAYOUT and not (token.type == tokenize.STRING and alone):
            code += len(token.string)
        before = token.type
    return code
