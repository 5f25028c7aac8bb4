"""The board of a study: models and recipes, what they are measured by, and the lines of its keys."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..._util.bounded import read_whole
from ..._util.toml_lines import Place, line_of, named_place, parse_board_text, place_in_file
from ...budgets.notation import parse_amount
from ...budgets.recipe import Method, parse_recipe
from ...compression.recipes import check_makeable
from ...errors import CodebudgetError, UserError
from ...settings import DEFAULT_FAMILY, RECORDED, Drawing, Grading, Text, Whole, explained

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ...compression.recipes import Recipe

REFERENCES: Final = "references"
"""The text that is the benchmark's own solutions, each given its prompt."""

_MOST_CHARACTERS: Final = 64 << 10
_MOST_LINE: Final = 8192
"""The time to read a dotted key grows with the square of its line."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Grid(_Table):
    """`[[grids]]`: every combination of these. A group of 0 is a whole row, a rank of 0 no low-rank factors."""

    bits: Annotated[list[Text], Field(min_length=1, max_length=50)]
    groups: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=20)] = [0]
    symmetric: bool = True
    methods: Annotated[list[Method], Field(min_length=1)] = ["rtn"]
    lorc: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=20)] = [0]

    def recipes(self) -> Iterator[str]:
        """Yield the combinations as texts, which need not be recipes."""
        for bits, group, method, rank in product(self.bits, self.groups, self.methods, self.lorc):
            parts = [bits]
            parts += [f"g{group}"] if group else []
            parts += [] if self.symmetric else ["asym"]
            parts += [] if method == "rtn" else [method]
            parts += [f"lorc{rank}"] if rank else []
            yield "-".join(parts)


class StudyBoard(_Table):
    """A whole board of a study.

    `form` says how a recipe's weights are scored: `stored` as the checkpoint that `codebudget quantise` makes, `folded`
    as 16-bit weights of the same values, which needs no llm-compressor and is for weights rounded to nearest. Methods
    that look at texts are run once for each of `seeds`. `texts` are files, relative to the board's folder, or
    `references`; `memory` are budgets for the bytes of all tensors, such as `2MB`. `tokens` is the
    length of the greedy continuations whose tokens are compared with the unquantised model's.
    """

    schema_version: Literal[1]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    description: str = ""
    family: Text = DEFAULT_FAMILY
    models: Annotated[list[Text], Field(min_length=1, max_length=50)]
    recipes: Annotated[list[Text], Field(max_length=500)] = []
    grids: Annotated[list[Grid], Field(max_length=50)] = []
    form: Literal["stored", "folded"] = "stored"
    calibration: Text = "prompts"
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**63)]], Field(min_length=1, max_length=20)] = [0]
    benchmark: Text | None = None
    tasks: Whole | None = None
    samples: Annotated[int, Field(ge=1, le=10_000)] = 16
    ks: Annotated[list[Whole], Field(min_length=1, max_length=20)] = [1]
    texts: Annotated[list[Text], Field(min_length=1, max_length=20)] = [REFERENCES]
    memory: Annotated[list[Text], Field(max_length=50)] = []
    tokens: Annotated[int, Field(ge=1, le=10_000)] = 100
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    sampling: Drawing = Drawing()
    sandbox: Grading = Grading()

    @property
    def memory_bytes(self) -> list[float]:
        """The memory budgets in bytes, ascending."""
        return sorted(parse_amount("memory", text) for text in self.memory)


@dataclass(frozen=True)
class StudyFile:
    """A board with the file that it was read from, and its recipes with the places that they come from."""

    path: Path
    text: str
    board: StudyBoard

    @contextmanager
    def at(self, *place: str | int) -> Iterator[None]:
        """Attribute an error inside to the value at `place`, with its line."""
        try:
            yield
        except CodebudgetError as error:
            kind = UserError if isinstance(error, UserError) else type(error)
            raise kind(f"{self._where(place)}: {_as_keys(str(error))}") from error

    def recipes(self) -> dict[Recipe, Place]:
        """Read all recipes, each once, with its place in the file.

        Raises:
            UserError: One cannot be read or made, or contradicts the form.
        """
        found: dict[Recipe, Place] = {}
        board = self.board
        listed: list[tuple[str, Place]] = [(text, ("recipes", at)) for at, text in enumerate(board.recipes)]
        for at, grid in enumerate(board.grids):
            listed += [(text, ("grids", at)) for text in grid.recipes()]
        for text, place in listed:
            with self.at(*place):
                recipe = parse_recipe(text)
                check_makeable(recipe)
                if board.form == "folded":
                    _check_foldable(recipe)
                found.setdefault(recipe, place)
        return found

    @property
    def calibration(self) -> str:
        """The texts to calibrate with, a file by its path from here."""
        named = self.board.calibration
        return named if named in ("prompts", "self") else str(self.path.parent / named)

    def _where(self, place: Place) -> str:
        return f"{self.path}:{line_of(self.text, place)}: {named_place(place)}"


def load_study(path: Path) -> StudyFile:
    """Read the board of a study.

    Raises:
        UserError: It cannot be read, is not TOML, or says something that a board cannot; the message names the line.
    """
    try:
        text = read_whole(path)
    except UserError as error:
        raise UserError(f"cannot read the board: {error}; give a .toml file") from None
    data = parse_board_text(path, text, most_characters=_MOST_CHARACTERS, most_line=_MOST_LINE)
    try:
        board = StudyBoard.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = place_in_file(data, first["loc"])
        raise UserError(f"{path}:{line_of(text, place)}: {named_place(place)}: {_fault(first)}") from None
    file = StudyFile(path, text, board)
    _check(file)
    return file


def _check(file: StudyFile) -> None:
    """Check what no value alone shows."""
    board = file.board
    for key, values in (("models", board.models), ("texts", board.texts), ("seeds", board.seeds), ("ks", board.ks)):
        for place, value in enumerate(values):
            if value in values[:place]:
                with file.at(key, place):
                    raise UserError(f"{value} is listed twice; remove one")
    for place, k in enumerate(board.ks):
        if k > board.samples:
            with file.at("ks", place):
                raise UserError(f"pass@{k} needs {k} samples, and samples is {board.samples}: raise it or drop this k")
    for place, amount in enumerate(board.memory):
        with file.at("memory", place):
            parse_amount("memory", amount)
    if board.sampling.engine in (RECORDED, "openai"):
        with file.at("sampling", "engine"):
            raise UserError(f"{board.sampling.engine} cannot load a checkpoint: write auto, transformers or vllm")
    if board.sampling.temperature == 0:
        with file.at("sampling", "temperature"):
            raise UserError("samples at temperature 0 are all alike: write more; greedy outputs are drawn in any case")
    if "check" in board.sandbox.model_fields_set:
        with file.at("sandbox", "check"):
            raise UserError("a study does not attack the sandbox: remove this key, and run codebudget sandbox check")
    if not file.recipes():
        with file.at("recipes"):
            raise UserError("there are no recipes: list some, such as w4a16-g32, here or in [[grids]]")


def _check_foldable(recipe: Recipe) -> None:
    """Refuse what 16-bit weights cannot stand for here."""
    stays = recipe.activation_bits == 16 and recipe.method == "rtn" and recipe.format in (None, "fp8")
    if not stays:
        raise UserError(
            f"recipe {recipe.key} cannot be folded into 16-bit weights: that is for weights alone, rounded to nearest; "
            'drop it, or write form = "stored"'
        )


def _fault(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown key; docs/compression.md lists all keys"
    if error["type"] == "missing":
        return "this key is missing; add it"
    return _as_keys(explained(error))


def _as_keys(message: str) -> str:
    """Replace parameters in backticks in a library's message by a board's keys, which have the same names."""
    return re.sub(r"`(\w+)`", r"\1", message)
