"""The file of a trained verifier: coefficients as JSON, read without the library that found them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from pydantic import Field, ValidationError, model_validator

from ..._util.bounded import parse_json, read_whole
from ...errors import UserError
from ...records import FileRecord, Record
from .features import GROUPS
from .names import SHIPPED

if TYPE_CHECKING:
    from ...estimators import FloatArray
    from .features import Description

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{20}$")]


class View(Record):
    """A logistic regression on the features of some groups.

    The probability of being right is that of the log-odds `intercept` + sum of `coefficient` times (feature -
    `mean`) / `scale`.

    Attributes:
        groups: See `features.GROUPS`.
        inverse_penalty: Scikit-learn's C, chosen by cross-validation.
        intercept: Log-odds of an average candidate.
        features: By name: mean and scale in training, and the coefficient.
    """

    groups: tuple[str, ...]
    inverse_penalty: Positive
    intercept: Finite
    features: dict[str, tuple[Finite, Positive, Finite]]

    @model_validator(mode="after")
    def _of_known_features(self) -> Self:
        unknown = [name for name in self.groups if name not in GROUPS]
        if unknown or list(self.features) != [name for group in self.groups for name in GROUPS[group]]:
            raise ValueError("its features are not those that this codebudget computes: train it anew")
        return self

    def log_odds(self, described: Description) -> FloatArray:
        """Compute each candidate's log-odds of being right: [candidates]."""
        return self.log_odds_of(described.table(list(self.features)))

    def log_odds_of(self, values: FloatArray) -> FloatArray:
        """Compute them of a table of the view's features, [candidates, features]."""
        mean, scale, coefficient = np.array(list(self.features.values()), np.float64).T
        return np.asarray((values - mean) / scale @ coefficient + self.intercept, np.float64)


class Source(Record):
    """Training samples: the benchmark, and tasks and candidates by file."""

    benchmark: str
    file: str
    tasks: int
    candidates: int
    right: Annotated[float, Field(ge=0, le=1)]


class Coefficients(FileRecord):
    """A trained verifier.

    Attributes:
        views: One per combination of groups that there were, of which the largest that a task has is used.
        tasks: Hashes of the content of the tasks it was trained on; see `identity`.
        sources: What it was trained on.
        made_with: Versions of what trained it.
    """

    views: Annotated[tuple[View, ...], Field(min_length=1)]
    tasks: tuple[Hash, ...]
    sources: tuple[Source, ...] = ()
    made_with: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _reads_texts_alone(self) -> Self:
        if all(set(view.groups) != {"text"} for view in self.views):
            raise ValueError("it has no view on texts alone")
        return self

    def view(self, available: frozenset[str]) -> View:
        """Pick the view on the most groups of those a task has; of equal ones the first in the file."""
        fitting = [view for view in self.views if available.issuperset(view.groups)]
        return max(fitting, key=lambda view: len(view.groups))

    def text(self) -> str:
        """Write the file's text."""
        return json.dumps(_rounded(self.model_dump(mode="json")), indent=1, ensure_ascii=False) + "\n"


def read_coefficients(name: str) -> Coefficients:
    """Read a verifier from a file, or the one of that name that comes with the package.

    Raises:
        UserError: There is no such file, or it is no verifier's.
    """
    path = Path(__file__).with_name(f"{SHIPPED}.json") if name == SHIPPED else Path(name)
    try:
        found = parse_json(read_whole(path), str(path))
        if not isinstance(found, dict):
            raise UserError(f"{path} is no verifier of this codebudget: it holds no JSON object")
        return Coefficients.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{path} is no verifier of this codebudget: {where or 'it'}: {first['msg']}") from None


def _rounded(value: Any) -> Any:
    """Round numbers to nine digits: more say nothing, and differ between machines."""
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else value
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value
