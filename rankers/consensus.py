"""Codebudget's own rule: a program's results are weighed by who agrees, and its text by a small prior.

    score(p) = prior(p) * sum over programs q of copies(q) * passed(q) * sqrt(overlap(p, q))

`overlap` is the share of inputs on which both return the same and neither fails, 1 within a cluster of equal outputs;
inputs are those of the asserts and others that are made up (see `inputs`), so that programs which only untested cases
tell apart are not taken for one. `passed` is the share of the generated asserts that q passes, and of as many more as
there is doubt about them, which all pass: where a model wrote few, agreement on the inputs counts for more.

With the asserts' inputs alone, a plain overlap, no doubt and no prior this is SRank (To et al. 2024). The square root
keeps a program that differs from a large cluster on a few inputs close to it: agreement on some inputs is nearly as
telling as on all, because generated inputs are alike. The prior lowers programs whose text shows that they leave the
task undone; where there are no asserts only it counts.
"""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .._util.parsing import Function, find_function, module
from .agreement import agreement_shares, group_numbers, maxpass
from .subsets import by_count, copies_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..estimators import FloatArray, IntArray
    from .agreement import Executions

_FAULT = 2.0
"""Natural logarithm by which a fault in its text lowers a program's odds; from 1 to 4 the choice matters little."""


_DOUBT = 2.0
"""Doubt about N asserts is this over N asserts; see the notes on rankers for larger ones."""

_NAMED = (ast.Name, ast.Attribute)
_WRITERS = frozenset({"print", "write", "writelines", "stdout"})


class TextSigns(NamedTuple):
    """Signs in a program's text, without running it.

    Attributes:
        unused: Share of the entry point's parameters that its body never reads.
        empty: Whether it cannot be parsed, returns nothing, or returns one constant whatever it is given.
    """

    unused: float
    empty: bool


def consensus(executions: Executions, log_prior: FloatArray, rows: IntArray) -> FloatArray:
    """Return the log of the module's score inside subsets: [subsets, k]. Without asserts it is `log_prior`.

    Args:
        executions: Of the distinct programs; see `agreement.Executions`. Their copies are not looked at.
        log_prior: [programs], from `log_prior`, for the same programs in the same order.
        rows: [subsets, k]: the program of each candidate.
    """
    asserts = float(executions.votes.sum())
    prior = log_prior[rows]
    if not asserts:
        return prior
    doubt = _DOUBT / asserts
    passed = (maxpass(executions) + doubt) / (asserts + doubt)
    group = group_numbers(executions.outputs)
    kinship = np.sqrt(agreement_shares(executions.outputs[np.unique(group, return_index=True)[1]]))
    np.fill_diagonal(kinship, 1.0)
    of_row = group[rows]
    weight = copies_in(of_row, len(kinship), passed[rows])
    scores = np.empty(rows.shape, np.float64)
    # Sums of roots: of the same terms in the same order as of one subset.
    for some, first, order in by_count(of_row, len(kinship)):
        near = kinship[first[:, :, None], first[:, None, :]]
        support = (near @ np.take_along_axis(weight[some], first, axis=1)[:, :, None])[:, :, 0]
        scores[some] = np.take_along_axis(np.log(support / rows.shape[1]), order, axis=1)
    return scores + prior


def log_prior(programs: Sequence[str], entry_point: str) -> FloatArray:
    """Return the log of each program's prior, up to a constant: [programs]."""
    signs = [text_signs(program, entry_point) for program in programs]
    return np.array([-_FAULT * (sign.unused + sign.empty) for sign in signs], np.float64)


@lru_cache(maxsize=4096)
def text_signs(program: str, entry_point: str) -> TextSigns:
    """Read the signs in a program's text; one that does not define the entry point is empty.

    So is a script that neither prints nor writes; it has no parameters.
    """
    if not entry_point:
        return TextSigns(unused=0.0, empty=not _writes(module(program)))
    function = _entry(module(program), entry_point)
    if function is None:
        return TextSigns(unused=0.0, empty=True)
    body = [node for node in function.body if not _is_idle(node)]
    inner = [node for statement in body for node in ast.walk(statement)]
    names = _names(inner)
    arguments = function.args
    parameters = [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    if "." in entry_point and parameters[:1] == ["self"]:
        # Most methods have no use for it.
        del parameters[0]
    returned = [
        node.value
        for node in inner
        if isinstance(node, ast.Return | ast.Yield | ast.YieldFrom) and node.value is not None
    ]
    is_constant = len({ast.dump(value) for value in returned}) == 1 and not _names(ast.walk(returned[0]))
    return TextSigns(
        unused=sum(name not in names for name in parameters) / max(1, len(parameters)),
        empty=not returned or is_constant,
    )


def _entry(tree: ast.Module | None, entry_point: str) -> Function | None:
    """Find the entry point; of a method's task also a function of its name, where there is no class."""
    function = find_function(tree, entry_point)
    owner, _, method = entry_point.rpartition(".")
    is_defined = any(isinstance(node, ast.ClassDef) and node.name == owner for node in tree.body) if tree else False
    return find_function(tree, method) if function is None and owner and not is_defined else function


def _writes(tree: ast.Module | None) -> bool:
    nodes = () if tree is None else ast.walk(tree)
    names = (node.id if isinstance(node, ast.Name) else node.attr for node in nodes if isinstance(node, _NAMED))
    return not _WRITERS.isdisjoint(names)


def _names(nodes: Iterable[ast.AST]) -> set[str]:
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def _is_idle(node: ast.stmt) -> bool:
    """Whether a statement does nothing: `pass`, a docstring, an ellipsis."""
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
