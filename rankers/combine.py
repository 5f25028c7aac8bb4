"""Rankers over rankers: one after another to break ties or to drop the worst, and equal programs ranked as one."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from .._util.parsing import UNPARSABLE, parse
from ..records import Candidate, PublicTask, Ranking
from .protocol import ranks_scripts, uses_of
from .subsets import by_count, in_turn, least_in, subset_ranking_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..estimators import FloatArray, IntArray
    from ..records import Candidate, PublicTask
    from .protocol import Context, Need, Ranker
    from .subsets import SubsetRanking


class Composite:
    """A ranker that does what its links do."""

    links: tuple[Ranker, ...]


class Chain(Composite):
    """The first ranker's order, with ties broken by the second, what is left by the third, and so on.

    Each link is asked about all candidates that no `Pruning` before it has dropped, until none of those are tied.
    """

    def __init__(self, links: Sequence[Ranker]) -> None:
        self.links = tuple(links)
        self.name = "+".join(link.name for link in links)
        self.version = "+".join(link.version for link in links)
        self.needs: frozenset[Need] = frozenset().union(*(link.needs for link in links))
        self.uses: frozenset[Need] = frozenset().union(*(uses_of(link) for link in links))
        self.pointwise = all(link.pointwise for link in links)
        self.ranks_scripts = all(map(ranks_scripts, links))

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by place in the common order, best tied group highest."""
        keys: list[tuple[float, ...]] = [() for _ in candidates]
        standing = list(range(len(candidates)))
        for link in self.links:
            scores = link.rank(task, [candidates[place] for place in standing], context).scores
            asked = {place: (*keys[place], score) for place, score in zip(standing, scores, strict=True)}
            if isinstance(link, Pruning):
                kept = best_groups(list(asked.values()), link.keep)
                for place, key in asked.items():
                    # What is kept is for the next ranker to order; what is dropped comes after it.
                    keys[place] = (*keys[place], 1.0) if key in kept else (*keys[place], 0.0, key[-1])
                standing = [place for place in standing if asked[place] in kept]
            else:
                for place, key in asked.items():
                    keys[place] = key
            if len({keys[place] for place in standing}) == len(standing):
                break
        places = {key: float(place) for place, key in enumerate(sorted(set(keys)))}
        return Ranking(scores=tuple(places[key] for key in keys))

    def subset_ranking(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> SubsetRanking:
        """See `RanksSubsets`; a link that nothing is left for is not prepared either."""
        prepare = [cache(partial(subset_ranking_of, link, task, candidates, context)) for link in self.links]

        def scores(subsets: IntArray) -> FloatArray:
            found = np.zeros(subsets.shape)
            for prepared in prepare:
                found = in_turn([found, prepared()(subsets)])
                ordered = np.sort(found, axis=1)
                if not (ordered[:, 1:] == ordered[:, :-1]).any():
                    break
            return found

        return scores


KEEP = "keep"
"""Parameter of every ranker that another follows."""


class Pruning(Composite):
    """A link that only drops: what it ranks among the best goes on to the next link, in no order.

    Args:
        ranker: Ranks what has come this far.
        keep: The most that goes on, as a share, in (0, 1]; equal scores are not parted, and the best always go on.
    """

    pointwise = False
    drops = True

    def __init__(self, ranker: Ranker, keep: float) -> None:
        self.links = (ranker,)
        self.keep = keep
        self.name = f"{ranker.name},{KEEP}={keep:g}"
        self.version = ranker.version
        self.needs: frozenset[Need] = ranker.needs
        self.uses: frozenset[Need] = uses_of(ranker)
        self.ranks_scripts = ranks_scripts(ranker)

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by the ranker."""
        return self.links[0].rank(task, candidates, context)


def best_groups(keys: Sequence[tuple[float, ...]], share: float) -> set[tuple[float, ...]]:
    """Find the best distinct keys that together have at most this share of all; the best one whatever it has."""
    kept: set[tuple[float, ...]] = set()
    count = 0
    for key, size in sorted(Counter(keys).items(), reverse=True):
        count += size
        if kept and count > share * len(keys):
            break
        kept.add(key)
    return kept


PARAMETER = "dedupe"
"""Parameter of every ranker besides its own."""


class Distinct(Composite):
    """Ranks one candidate of each form by another ranker; the rest get its score.

    Each form is represented by the alphabetically first text.
    """

    pointwise = False

    def __init__(self, ranker: Ranker) -> None:
        self.links = (ranker,)
        self.name = f"{ranker.name},{PARAMETER}=true"
        self.version = ranker.version
        self.needs: frozenset[Need] = ranker.needs
        self.uses: frozenset[Need] = uses_of(ranker)
        self.ranks_scripts = ranks_scripts(ranker)

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by the other ranker."""
        forms = [form(candidate.program, task.entry_point) for candidate in candidates]
        standing: dict[str, Candidate] = {}
        for candidate, one in zip(candidates, forms, strict=True):
            known = standing.get(one)
            if known is None or (candidate.program, candidate.index) < (known.program, known.index):
                standing[one] = candidate
        ranking = self.links[0].rank(task, list(standing.values()), context)
        score = dict(zip(standing, ranking.scores, strict=True))
        return ranking.model_copy(update={"scores": tuple(score[one] for one in forms)})

    def subset_ranking(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> SubsetRanking:
        """See `RanksSubsets`."""
        rank = subset_ranking_of(self.links[0], task, candidates, context)
        forms = [form(candidate.program, task.entry_point) for candidate in candidates]
        number = {one: place for place, one in enumerate(dict.fromkeys(forms))}
        of_each = np.array([number[one] for one in forms], np.int64)
        texts = [(candidate.program, candidate.index) for candidate in candidates]
        by_text = np.array(sorted(range(len(texts)), key=texts.__getitem__), np.int64)
        turn = np.argsort(by_text)

        def scores(subsets: IntArray) -> FloatArray:
            rows = of_each[subsets]
            standing = least_in(rows, len(number), turn[subsets])
            found = np.empty(subsets.shape)
            for some, first, order in by_count(rows, len(number)):
                stands = by_text[np.take_along_axis(standing[some], first, axis=1)]
                found[some] = np.take_along_axis(rank(stands), order, axis=1)
            return found

        return scores


@lru_cache(maxsize=1 << 14)
def form(program: str, entry_point: str) -> str:
    """Return a text shared by programs that differ only in their own names.

    Comments, layout and standalone strings do not count. Names of attributes and keywords do, and all names that a
    program does not define itself. Text that does not parse is its own form.
    """
    try:
        tree = parse(program)
        own = _own_names(tree).difference(entry_point.split("."))
        _Renaming(own).visit(tree)
        return ast.dump(tree)
    except UNPARSABLE:
        return program


def copies(programs: Sequence[str], entry_point: str) -> tuple[int, ...]:
    """Count, for each program, all that share its form, itself included."""
    forms = [form(program, entry_point) for program in programs]
    counts = Counter(forms)
    return tuple(counts[one] for one in forms)


def _own_names(tree: ast.AST) -> set[str]:
    """Find names that a program defines and that are only referred to as names."""
    bound: set[str] = set()
    fixed: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler)):
            bound.add(node.name or "")
        elif isinstance(node, ast.Attribute):
            fixed.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            fixed.add(node.arg)
        elif isinstance(node, ast.alias):
            fixed.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
            fixed.add(node.name)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            fixed.update(node.names)
    return bound - fixed


class _Renaming(ast.NodeTransformer):
    """Numbers a program's own names in order of appearance, and drops standalone strings."""

    def __init__(self, own: set[str]) -> None:
        self._own = own
        self._numbers: dict[str, str] = {}

    def visit(self, node: ast.AST) -> ast.AST | None:
        """Change one node, then those within."""
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        for field in ("id", "arg", "name"):
            name = getattr(node, field, None)
            if isinstance(name, str) and name in self._own and not isinstance(node, (ast.keyword, ast.alias)):
                setattr(node, field, self._numbers.setdefault(name, f"#{len(self._numbers)}"))
        return self.generic_visit(node)
