"""Published rules that rank programs by agreement, with each other and with generated asserts.

All are functions of `Executions`: arrays in, one score per distinct program out, higher is better. Nothing is run here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ..estimators import BoolArray, FloatArray, IntArray

NO_VALUE = -1
"""Mark in `Executions.outputs` where a program returned nothing, and in `expected` for no value."""


class Executions(NamedTuple):
    """Results of a task's distinct programs on the inputs of its distinct generated asserts.

    Values are numbered: for one input, equal values have equal numbers; the numbers mean nothing else.

    Attributes:
        outputs: [programs, inputs]: the value that each program returned, or `NO_VALUE` where it failed.
        holds: [programs, asserts]: whether each assert held.
        input_of: [asserts]: the column of `outputs` that each assert is about.
        expected: [asserts]: the value that each assert expects for its input, or `NO_VALUE` where it is not of the
            form `call == value` or its value is unavailable. It may be one that no program returned.
        copies: [programs]: how often each program was drawn, at least once. Rules that say so take several pools of
            the same programs at once, [pools, programs], with 0 where a program is not in one; its score there means
            nothing.
        votes: [asserts]: how often each assert was drawn.
    """

    outputs: IntArray
    holds: BoolArray
    input_of: IntArray
    expected: IntArray
    copies: IntArray
    votes: IntArray

    def among(self, copies: IntArray) -> Executions:
        """Give the task other numbers of copies; programs with none are dropped."""
        kept = np.flatnonzero(copies)
        return self._replace(outputs=self.outputs[kept], holds=self.holds[kept], copies=copies[kept])


def maxpass(executions: Executions) -> FloatArray:
    """Count the asserts that hold (the baseline of CodeT's comparisons: Chen et al. 2022, appendix I)."""
    return (executions.holds @ executions.votes).astype(np.float64)


def codet(executions: Executions) -> FloatArray:
    """sqrt(|S|) |T| of a consensus set S, the programs passing exactly the asserts T (Chen et al. 2022, section 2.2).

    The square root is as in the paper's experiments (its appendix A). Copies count on both sides. Takes several pools.
    """
    _, sizes = groups(executions.holds, executions.copies)
    return np.sqrt(sizes) * maxpass(executions)


def majority(executions: Executions) -> FloatArray:
    """Count programs that agree on all inputs: minimum Bayes risk over results (Shi et al. 2022, section 3.2).

    A program that fails on an input agrees with none. Takes several pools.
    """
    _, sizes = groups(executions.outputs, executions.copies)
    return np.where((executions.outputs == NO_VALUE).any(axis=1), 0.0, sizes)


def mbr_exec(executions: Executions) -> FloatArray:
    """Average the inputs on which a program agrees with others: the same risk with the paper's soft loss.

    It stands in for `majority` where there are so many inputs that hardly any program fails on none. Takes several
    pools.
    """
    # Integers until the last step: their sum is the same in any order, so equal scores stay equal.
    agreeing = executions.copies.astype(np.float64) @ agreement_counts(executions.outputs)
    return np.asarray(agreeing / max(1, executions.outputs.shape[1]), np.float64)


def alphacode(executions: Executions) -> FloatArray:
    """Size clusters (Li et al. 2022, section 4.5): failing is a behaviour too, except on all inputs.

    Takes several pools.
    """
    _, sizes = groups(executions.outputs, executions.copies)
    return np.where((executions.outputs == NO_VALUE).all(axis=1), 0.0, sizes)


def srank(executions: Executions) -> FloatArray:
    """Score clusters of equal outputs, which lend each other value as they agree (To et al. 2024, section 3).

    A cluster's value is its share of the programs times its share of the asserts that hold; its score is the sum of
    all clusters' values, weighted by the share of inputs on which both return the same and neither fails.
    """
    group, sizes = groups(executions.outputs, executions.copies)
    first = np.unique(group, return_index=True)[1]
    inputs = max(1, executions.outputs.shape[1])
    overlap = agreement_counts(executions.outputs[first])
    np.fill_diagonal(overlap, inputs)
    # As above.
    value = overlap @ (sizes[first] * maxpass(executions)[first])
    return np.asarray(value[group] / (inputs * max(1, executions.copies.sum() * executions.votes.sum())), np.float64)


def b4(executions: Executions, *, a: float = 1e3, b0: float = 1e5) -> FloatArray:
    """The posterior of a consensus set being the right one (B4: Chen et al. 2024, section 4).

    With x programs and y asserts in the set, of N and M: ln B(x + a, N - x + 1) + ln B(y + a, M - y + 1) +
    ln B(s1 + 1, n1 - s1 + 1) + ln B(s0 + 1, n0 - s0 + b0), where n1 and n0 count the cells of the other programs' rows
    at the set's asserts and at the others, and s1 and s0 those that hold. Takes several pools.

    Args:
        executions: The results.
        a: Pseudo-count for right programs and right asserts.
        b0: Pseudo-count for wrong programs that fail wrong asserts.
    """
    _, sizes = groups(executions.holds, executions.copies)
    votes = executions.votes.astype(np.float64)
    held = executions.holds.astype(np.float64)
    passing = executions.copies @ held
    programs, asserts = executions.copies.sum(axis=-1, keepdims=True).astype(np.float64), float(votes.sum())
    kept = held @ votes
    outside = programs - sizes
    holding_in = (votes * passing) @ held.T - sizes * kept
    holding_out = (votes * passing) @ (1.0 - held).T
    return (
        _ln_beta(sizes + a, outside + 1)
        + _ln_beta(kept + a, asserts - kept + 1)
        + _ln_beta(holding_in + 1, outside * kept - holding_in + 1)
        + _ln_beta(holding_out + 1, outside * (asserts - kept) - holding_out + b0)
    )


def aces(executions: Executions) -> FloatArray:
    """Weight asserts by how well they agree with the others: ACES-C (2026, arXiv 2604.03922).

    An assert's weight is max(0, AUC - 1/2) p (1 - p): p is the share of programs that pass it, and AUC the chance that
    one that does passes more of the other asserts than one that does not (a tie counts half).
    """
    held = executions.holds.astype(np.float64)
    copies = executions.copies.astype(np.float64)
    votes = executions.votes.astype(np.float64)
    share = copies @ held / max(1.0, copies.sum())
    weight = np.maximum(0.0, _left_out_auc(executions) - 0.5) * share * (1.0 - share)
    return np.asarray(held @ (votes * weight), np.float64)


def _left_out_auc(executions: Executions) -> FloatArray:
    """Return each assert's chance that a program passing it passes more of the others (1/2 if unknown)."""
    held, copies = executions.holds, executions.copies.astype(np.float64)
    total = maxpass(executions)
    others = total[:, None] - held * executions.votes
    auc = np.full(held.shape[1], 0.5)
    for j in range(held.shape[1]):
        passing = held[:, j]
        mine, theirs = others[passing, j], others[~passing, j]
        if mine.size and theirs.size:
            order = np.argsort(theirs)
            below = np.concatenate([[0.0], np.cumsum(copies[~passing][order])])
            wins = sum(below[np.searchsorted(theirs[order], mine, side)] for side in ("left", "right")) / 2.0
            auc[j] = copies[passing] @ wins / (copies[passing].sum() * below[-1])
    return auc


def agreement_shares(outputs: IntArray) -> FloatArray:
    """The share of inputs on which two programs return the same and neither fails: [programs, programs]."""
    return np.asarray(agreement_counts(outputs) / max(1, outputs.shape[1]), np.float64)


def agreement_counts(outputs: IntArray) -> FloatArray:
    """Count those inputs: [programs, programs]."""
    same = np.array([((outputs == row) & (row != NO_VALUE)).sum(axis=1) for row in outputs], np.float64)
    return same.reshape(len(outputs), len(outputs))


def groups(rows: IntArray | BoolArray, copies: IntArray) -> tuple[IntArray, FloatArray]:
    """Number the groups of equal rows, [programs], and count each one's programs for every row, shaped as `copies`."""
    group = group_numbers(rows)
    if copies.ndim == 1:
        sizes: FloatArray = np.bincount(group, copies.astype(np.float64)).astype(np.float64)
        return group, sizes[group]
    members = np.equal.outer(group, np.arange(group.max(initial=-1) + 1)).astype(np.float64)
    return group, (copies.astype(np.float64) @ members)[..., group]


def group_numbers(rows: IntArray | BoolArray) -> IntArray:
    """Number the groups of equal rows in the order of their first: [programs]."""
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in rows], np.int64)


def _ln_beta(x: FloatArray, y: FloatArray) -> FloatArray:
    """The logarithm of the beta function."""
    return _ln_gamma(x) + _ln_gamma(y) - _ln_gamma(x + y)


def _ln_gamma(x: FloatArray) -> FloatArray:
    """The logarithm of the gamma function for x >= 1, by Stirling's series at x + 8 (error below 1e-12)."""
    shift = np.log(x[..., None] + np.arange(8)).sum(axis=-1)
    z = x + 8.0
    series = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / (1680 * z * z)) / (z * z)) / (z * z)) / z
    return np.asarray((z - 0.5) * np.log(z) - z + 0.5 * np.log(2 * np.pi) + series - shift, np.float64)
