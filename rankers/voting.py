"""Votes on each input: how much of a pool agrees with a program's values, where no test says which are right.

    score(p) = log prior(p) + mean over inputs of log(0.1 + share of the weight of programs that return what p returns)

A program weighs as often as it was drawn, times its prior, and hardly anything if it holds fewer of the visible
examples than another. A program that fails on an input agrees with nobody there. A mean of logarithms lowers a program
more for standing alone on a few inputs than a mean of shares, as in minimum Bayes risk, would; 0.1 bounds what one
input can do.

All is done for many subsets of a task's candidates at once, as in `subsets`, and is the same for one alone: what is
added up are whole numbers of small units, whose sum does not depend on the order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .agreement import NO_VALUE

if TYPE_CHECKING:
    from ..estimators import BoolArray, FloatArray, IntArray

_ALONE = 0.1
"""Share that even a value of no other program has; from 0.02 to 0.3 the choice matters little."""

_VALID = 0.3
"""Share of the votes that must return something on an input; where no input has it, those that most return on count."""

_REFUTED = 0.02
"""Weight of a program that an example refutes: not none, since all may be refuted."""

_UNIT = 2.0**-30
"""Weights and logarithms are whole numbers of this: sums of millions of them are exact."""

_MOST_CELLS = 1 << 20
"""Cells counted at a time: bounds the memory."""


def votes(outputs: IntArray, used: BoolArray, rows: IntArray, weight: FloatArray) -> FloatArray:
    """Return the mean of the module's score, without the prior: [subsets, k]; 0 in a subset without inputs.

    Args:
        outputs: [programs, inputs]; see `agreement.Executions`.
        used: [subsets, inputs]: whether an input counts in a subset.
        rows: [subsets, k]: the program of each candidate.
        weight: [subsets, k], from `weights`: how much each candidate's vote counts.
    """
    inputs = outputs.shape[1]
    if not outputs.size:
        return np.zeros(rows.shape)
    # Values are numbered anew so that those of all inputs are counted together.
    cells = outputs + np.arange(inputs, dtype=np.int64) * (int(outputs.max()) + 2)
    known, number = np.unique(cells, return_inverse=True)
    number = number.reshape(outputs.shape)
    column, fails = np.empty(len(known), np.int64), np.empty(len(known), np.bool_)
    column[number] = np.arange(inputs)
    fails[number] = outputs == NO_VALUE
    scores = np.empty(rows.shape, np.float64)
    step = max(1, _MOST_CELLS // max(len(known), rows.shape[1] * inputs))
    for start in range(0, len(rows), step):
        some = slice(start, start + step)
        mine = number[rows[some]]
        places = mine + len(known) * np.arange(len(mine))[:, None, None]
        votes_for: FloatArray = (
            np.bincount(places.ravel(), np.repeat(weight[some].ravel(), inputs), minlength=len(mine) * len(known))
            .reshape(len(mine), len(known))
            .astype(np.float64)
        )
        votes_for[:, fails] = 0.0
        total = weight[some].sum(axis=1, keepdims=True)
        counts = _valid(votes_for, column, used[some], total)
        terms = np.rint(np.log(_ALONE + votes_for / total) / _UNIT) * counts[:, column]
        found = np.take_along_axis(terms, mine.reshape(len(mine), -1), axis=1).reshape(mine.shape).sum(axis=2)
        scores[some] = found / np.maximum(1, counts.sum(axis=1, keepdims=True)) * _UNIT
    return scores


def weights(log_prior: FloatArray, held: FloatArray) -> FloatArray:
    """Weigh the votes of the candidates of subsets: [subsets, k].

    Args:
        log_prior: [subsets, k], from `consensus.log_prior`.
        held: [subsets, k]: the share of the visible examples that holds for each; all the same where there is none.
    """
    found = np.exp(log_prior) * np.where(held == held.max(axis=1, keepdims=True), 1.0, _REFUTED)
    return np.maximum(1.0, np.rint(found / _UNIT)) * _UNIT


def _valid(votes_for: FloatArray, column: IntArray, used: BoolArray, total: FloatArray) -> BoolArray:
    """Leave out inputs on which few programs return anything: they are hardly what the task asks for."""
    first = np.searchsorted(column, np.arange(used.shape[1]))
    returning = np.add.reduceat(votes_for, first, axis=1) / total
    most = np.where(used, returning, 0.0).max(axis=1, keepdims=True)
    return np.asarray(used & (returning >= np.minimum(_VALID, most)), np.bool_)
