"""The ranker `verifier`: a learnt probability of being right, weighed by the model's own and by who agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ..._util.hashing import key_of
from ...errors import UserError
from ...records import Candidate, PublicTask, Ranking
from .coefficients import Coefficients, read_coefficients
from .features import describe
from .identity import hashes_of
from .names import SHIPPED, VERIFIER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..protocol import Context, Need

_DIGITS: Final = 9


class Verifier:
    """Programs that a trained verifier finds likely right and that many candidates behave like.

    After LEVER (Ni et al. 2023, arXiv 2302.08468): the probability of the model times that of the verifier, summed over
    the programs that behave alike, which their own probabilities then order. Candidates are draws of the model, so the
    sum over them takes each at its probability. The verifier is a logistic regression on features of the text, the
    logprobs, the execution and the agreement, as far as there are any; programs run on generated tests, or else on the
    examples' inputs and others like them. Tasks that it was trained on are refused.

    Args:
        model: A file that `codebudget verifier train` wrote, or `nano` for the one that comes with the package.
    """

    name = VERIFIER
    needs: frozenset[Need] = frozenset({"execution"})
    uses: frozenset[Need] = frozenset({"tests", "logprobs"})
    ranks_scripts = True
    pointwise = False

    def __init__(self, model: str = SHIPPED) -> None:
        self._use(read_coefficients(model), model)

    @classmethod
    def of(cls, coefficients: Coefficients, name: str) -> Verifier:
        """Make one of coefficients that are in no file."""
        made = cls.__new__(cls)
        made._use(coefficients, name)
        return made

    def _use(self, coefficients: Coefficients, name: str) -> None:
        self._coefficients, self._model = coefficients, name
        self._trained_on = frozenset(coefficients.tasks)
        self.data_sha256 = key_of(coefficients.text())
        self.version = f"2-{self.data_sha256[:8]}"

    def rank(self, task: PublicTask, candidates: Sequence[Candidate], context: Context) -> Ranking:
        """Score by place in the order of the sums, and among those that behave alike in that of the probabilities.

        Raises:
            UserError: The verifier was trained on this task.
        """
        if not self._trained_on.isdisjoint(hashes_of(task)):
            raise UserError(
                f"the verifier {self._model} was trained on this task, so that its score would mean nothing; use one "
                "that was trained on other tasks"
            )
        if not candidates:
            return Ranking(scores=())
        described = describe(task, candidates, context)
        log_odds = self._coefficients.view(described.available).log_odds(described)
        right = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -40.0, 40.0)))
        total = np.bincount(described.cluster, right)[described.cluster] / len(candidates)
        # Equal programs may differ in a sum's last bits, and still tie.
        keys = list(zip(np.round(total, _DIGITS).tolist(), np.round(right, _DIGITS).tolist(), strict=True))
        places = {key: float(place) for place, key in enumerate(sorted(set(keys)))}
        return Ranking(scores=tuple(places[key] for key in keys))
