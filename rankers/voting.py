"""Votes on each input: how much of a pool agrees with a program's values, where no test says which are right.

    score(p) = log prior(p) + mean over inputs of log(0.1 + share of the weight of programs that return what p returns)

A program weighs as often as it was drawn, times its prior, and hardly anything if it holds fewer of the visible
examples than another. A program that fails on an input agrees with nobody there. A mean of logarithms lowers a program
more for standing alone on a few inputs than a mean of shares, as in minimum Bayes risk, would; 0.1 bounds what one
input can do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .agreement import NO_VALUE

if TYPE_CHECKING:
    from ..estimators import FloatArray, IntArray

_ALONE = 0.1
"""Share that even a value of no other program has; from 0.02 to 0.3 the choice matters little."""

_VALID = 0.3
"""Share of the votes that must return something on an input; where no input has it, those that most return on count."""

_REFUTED = 0.02
"""Weight of a program that an example refutes: not none, since all may be refuted."""


def votes(outputs: IntArray, weight: FloatArray, log_prior: FloatArray) -> FloatArray:
    """Return the log of the module's score: [programs]. Without inputs it is `log_prior`.

    Args:
        outputs: [programs, inputs]; see `agreement.Executions`.
        weight: [programs], above zero: how much each one's vote counts.
        log_prior: [programs], from `consensus.log_prior`.
    """
    outputs = _valid(outputs, weight)
    programs, inputs = outputs.shape
    if not outputs.size:
        return log_prior
    # Values are numbered anew so that those of all inputs are counted together.
    cells = outputs + np.arange(inputs, dtype=np.int64) * (int(outputs.max()) + 2)
    number = np.unique(cells, return_inverse=True)[1].reshape(programs, inputs)
    agreeing = np.bincount(number.ravel(), np.repeat(weight, inputs))[number] / weight.sum()
    agreeing[outputs == NO_VALUE] = 0.0
    return np.asarray(np.log(_ALONE + agreeing).mean(axis=1) + log_prior, np.float64)


def weights(copies: IntArray, log_prior: FloatArray, held: FloatArray) -> FloatArray:
    """Weigh the votes of programs that were drawn so often: [programs].

    Args:
        copies: How often each was drawn.
        log_prior: From `consensus.log_prior`.
        held: The share of the visible examples that holds for each; all the same where there is none.
    """
    return np.asarray(copies * np.exp(log_prior) * np.where(held == held.max(), 1.0, _REFUTED), np.float64)


def _valid(outputs: IntArray, weight: FloatArray) -> IntArray:
    """Leave out inputs on which few programs return anything: they are hardly what the task asks for."""
    if not outputs.size:
        return outputs
    returning = weight @ (outputs != NO_VALUE) / weight.sum()
    return outputs[:, returning >= min(_VALID, float(returning.max()))]
