"""Ranking inside many subsets of a task's candidates: its executions are one matrix, and a subset is rows of it.

A ranker whose scores depend on the pool may say how it ranks all subsets at once (`RanksSubsets`); each function here
does so for one rule and gives what the rule gives inside each subset alone, to the last digit. A subset is a row of
`rows`, [subsets, k]: the program of each of its candidates, as a row of `Executions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from .agreement import agreement_counts, group_numbers, maxpass
from .protocol import is_own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..estimators import FloatArray, IntArray
    from ..records import Candidate, PublicTask
    from .agreement import Executions
    from .protocol import Context, Ranker

    Rule = Callable[[Executions], FloatArray]
    SubsetRanking = Callable[[IntArray], FloatArray]
    """Subsets in, [subsets, k] places among the candidates; scores out, that order and tie as `rank` would alone."""

_MOST_PLACES = 1 << 52
"""Whole numbers up to this are exact as floats."""


@runtime_checkable
class RanksSubsets(Protocol):
    """A ranker that ranks many subsets of a task's candidates at once."""

    def subset_ranking(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> SubsetRanking:
        """Prepare to rank subsets of these candidates, each as `rank` would if there were no others."""
        ...


def ranks_subsets(ranker: Ranker) -> bool:
    """Whether a ranker ranks subsets at once.

    It does if its own class says how: an inherited way need not fit its `rank`. So do those of codebudget's that are
    pointwise, by their full ranking; another's is not taken at its word. Rankers over rankers do if these do, unless
    one drops candidates, so that the next ranker is asked about others in each subset.
    """
    if getattr(ranker, "drops", False):
        return False
    if not is_own(ranker):
        return "subset_ranking" in vars(type(ranker))
    links: tuple[Ranker, ...] = getattr(ranker, "links", ())
    return all(map(ranks_subsets, links)) if links else ranker.pointwise or isinstance(ranker, RanksSubsets)


def subset_ranking_of(
    ranker: Ranker, task: PublicTask, candidates: Sequence[Candidate], context: Context
) -> SubsetRanking:
    """Prepare a ranker that `ranks_subsets` to do so."""
    if isinstance(ranker, RanksSubsets):
        return ranker.subset_ranking(task, candidates, context)
    scores = np.array(ranker.rank(task, candidates, context).scores, np.float64)
    return lambda subsets: scores[subsets]


def copies_in(rows: IntArray, numbers: int, weights: FloatArray | None = None) -> FloatArray:
    """Count how often each number up to `numbers` is in each subset, or add up weights shaped as it."""
    cells = (rows + numbers * np.arange(len(rows))[:, None]).reshape(-1)
    found = np.bincount(cells, None if weights is None else weights.reshape(-1), minlength=len(rows) * numbers)
    return found.reshape(len(rows), numbers).astype(np.float64)


def least_in(rows: IntArray, numbers: int, values: IntArray) -> IntArray:
    """Find the least of the values beside each number up to `numbers` in each subset, or a larger one where none is."""
    found = np.full(len(rows) * numbers, int(values.max(initial=0)) + 1, np.int64)
    cells = rows + numbers * np.arange(len(rows))[:, None]
    np.minimum.at(found, cells.reshape(-1), np.broadcast_to(values, rows.shape).reshape(-1))
    return found.reshape(len(rows), numbers)


def by_copies(rule: Rule, executions: Executions, rows: IntArray) -> FloatArray:
    """Score subsets by a rule that takes several pools: [subsets, k]."""
    copies = copies_in(rows, len(executions.copies)).astype(np.int64)
    return np.take_along_axis(rule(executions._replace(copies=copies)), rows, axis=1)


def one_by_one(rule: Rule, executions: Executions, rows: IntArray) -> FloatArray:
    """Score subsets by any rule, each by itself: [subsets, k]."""
    scores = np.empty(rows.shape, np.float64)
    for place, row in enumerate(rows.tolist()):
        kept = list(dict.fromkeys(row))
        at = {program: number for number, program in enumerate(kept)}
        where = np.array([at[program] for program in row], np.int64)
        holds = executions.holds[kept]
        if not executions.holds.flags.c_contiguous:
            holds = np.asfortranarray(holds)
        some = executions._replace(outputs=executions.outputs[kept], holds=holds, copies=np.bincount(where))
        scores[place] = rule(some)[where]
    return scores


def srank_in(executions: Executions, rows: IntArray) -> FloatArray:
    """Score subsets by `agreement.srank`: [subsets, k]."""
    group = group_numbers(executions.outputs)
    clusters = int(group.max()) + 1
    inputs = max(1, executions.outputs.shape[1])
    overlap = agreement_counts(executions.outputs[np.unique(group, return_index=True)[1]])
    np.fill_diagonal(overlap, inputs)
    of_row = group[rows]
    sizes = copies_in(of_row, clusters)
    # A cluster passes what its first program does.
    at = least_in(of_row, clusters, np.arange(rows.shape[1]))
    first = np.take_along_axis(rows, np.minimum(at, rows.shape[1] - 1), axis=1)
    passed = np.where(at < rows.shape[1], maxpass(executions)[first], 0.0)
    value = (sizes * passed) @ overlap
    among = inputs * max(1, rows.shape[1] * int(executions.votes.sum()))
    return np.asarray(np.take_along_axis(value, of_row, axis=1) / among, np.float64)


def aces_in(executions: Executions, rows: IntArray) -> FloatArray:
    """Score subsets by `agreement.aces`: [subsets, k]."""
    held = executions.holds.astype(np.float64)
    copies = copies_in(rows, len(held))
    votes = executions.votes.astype(np.float64)
    share = copies @ held / max(1.0, float(rows.shape[1]))
    weight = np.maximum(0.0, _left_out_auc_in(executions, copies) - 0.5) * share * (1.0 - share)
    # Sums of fractions: of the same terms in the same order as of one subset.
    scores = np.empty(rows.shape, np.float64)
    for some, first, order in by_count(rows, len(held)):
        of_each = held[first]
        if not held.flags.c_contiguous:
            # The order of a sum is that of the memory.
            of_each = np.ascontiguousarray(of_each.swapaxes(1, 2)).swapaxes(1, 2)
        found = (of_each @ (votes * weight[some])[:, :, None])[:, :, 0]
        scores[some] = np.take_along_axis(found, order, axis=1)
    return scores


def _left_out_auc_in(executions: Executions, copies: FloatArray) -> FloatArray:
    """`agreement._left_out_auc` inside subsets: [subsets, asserts]."""
    total = maxpass(executions)
    columns = np.concatenate([executions.holds.T, executions.votes[:, None]], axis=1)
    _, first, again = np.unique(columns, axis=0, return_index=True, return_inverse=True)
    auc = np.full((len(copies), len(first)), 0.5)
    for number, place in enumerate(first.tolist()):
        passing = executions.holds[:, place]
        mine, theirs = total[passing, None] - executions.votes[place], total[None, ~passing]
        wins: FloatArray = np.greater(mine, theirs) + 0.5 * np.equal(mine, theirs)
        of_passing, of_failing = copies[:, passing], copies[:, ~passing]
        pairs = of_passing.sum(axis=1) * of_failing.sum(axis=1)
        found = ((of_passing @ wins) * of_failing).sum(axis=1)
        np.divide(found, pairs, out=auc[:, number], where=pairs > 0)
    return auc[:, again.reshape(-1)]


def by_count(rows: IntArray, numbers: int) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    """Group subsets by how many distinct ones of `numbers` numbers are in them.

    Yields:
        Places of subsets with m distinct numbers; these numbers in the order of appearance, [them, m]; and the place of
        each candidate's among those, [them, k].
    """
    places = np.arange(rows.shape[1])
    first_at = np.take_along_axis(least_in(rows, numbers, places), rows, axis=1)
    is_first = np.asarray(first_at == places, np.bool_)
    order = np.take_along_axis(np.cumsum(is_first, axis=1) - 1, first_at, axis=1)
    counts = is_first.sum(axis=1)
    for count in np.unique(counts).tolist():
        some = np.flatnonzero(counts == count)
        chosen: IntArray = rows[some][is_first[some]]
        yield some, chosen.reshape(len(some), count), order[some]


def rounded(values: FloatArray, digits: int) -> FloatArray:
    """Round as Python's `round` does, in units of the last digit."""
    unit = 10.0**digits
    scaled = values * unit
    found = np.rint(scaled)
    # The product's own error may decide.
    near = np.abs(np.abs(scaled - np.trunc(scaled)) - 0.5) < 1e-3
    found[near] = [round(round(value, digits) * unit) for value in values[near].tolist()]
    return found


def in_turn(keys: Sequence[FloatArray]) -> FloatArray:
    """Score by the first key, where that ties by the second, and so on: equal scores are ties in all."""
    telling = [key for key in keys if key.size and key.min() != key.max()]
    if len(telling) < 2:
        return (telling or list(keys))[0]
    places, most = np.zeros(telling[0].shape, np.int64), 1
    for key in telling:
        values, again = np.unique(key, return_inverse=True)
        if most * len(values) > _MOST_PLACES:
            found, numbers = np.unique(places, return_inverse=True)
            places, most = numbers.reshape(key.shape), len(found)
        places, most = places * len(values) + again.reshape(key.shape), most * len(values)
    return places.astype(np.float64)
