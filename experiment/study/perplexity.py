"""Perplexity of texts by an engine: the same pieces of text for every model, whatever its tokenizer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from ...errors import EngineError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..._util.progress import Progress
    from ...records import Task
    from ...sampler.engine import Engine

PIECE_BYTES: Final = 1024
"""Most bytes of a piece: source text has two to four to a token, so that it fits a context of 512."""

_BATCH: Final = 64


class Piece(NamedTuple):
    """A piece of a text, and what stands before it, which is not counted."""

    before: str
    text: str


class Perplexity(NamedTuple):
    """exp of the mean negative logarithm of a token's probability, and the number of tokens."""

    value: float
    tokens: int


def solutions_of(tasks: Sequence[Task]) -> list[Piece]:
    """Take each task's own solution, with its prompt before it; one that does not begin with it is cut as a text is."""
    found: list[Piece] = []
    for task in tasks:
        whole = task.reference or ""
        if whole.startswith(task.prompt) and whole[len(task.prompt) :].strip():
            found.append(Piece(task.prompt, whole[len(task.prompt) :]))
        elif whole.strip():
            found += pieces_of([whole])
    return found


def pieces_of(texts: Sequence[str]) -> list[Piece]:
    """Cut texts at line ends into pieces of at most `PIECE_BYTES`, longer lines within them.

    Of each piece the first line stands before what is scored, or half of it where it has only one: models differ in
    whether a token stands before a text, and all of them can continue one. Blank pieces are not scored.

    Raises:
        UserError: Nothing is left to score.
    """
    found = [_split(piece) for text in texts for piece in _cut(text)]
    pieces = [piece for piece in found if piece is not None]
    if not pieces:
        raise UserError("there is no text to score: name a file with some")
    return pieces


def perplexity(engine: Engine, pieces: Sequence[Piece], progress: Progress) -> Perplexity:
    """Score pieces with an engine.

    Raises:
        EngineError: The engine cannot score, or gives no probability to a token.
    """
    total, tokens = 0.0, 0
    for start in range(0, len(pieces), _BATCH):
        for score in engine.score(pieces[start : start + _BATCH]):
            total -= math.fsum(score.logprobs)
            tokens += len(score.logprobs)
        progress("scoring texts", min(start + _BATCH, len(pieces)), len(pieces))
    if not tokens or not math.isfinite(total):
        raise EngineError(f"{engine.describe().model} gives a text of the study no finite likelihood")
    try:
        return Perplexity(math.exp(total / tokens), tokens)
    except OverflowError:
        raise EngineError(f"{engine.describe().model}: the perplexity is beyond what a number holds") from None


def _cut(text: str) -> Iterator[str]:
    """Cut a text into pieces; none is broken within a character."""
    piece, size = "", 0
    for line in text.splitlines(keepends=True):
        for part in _parts(line):
            length = len(part.encode("utf-8", "replace"))
            if piece and size + length > PIECE_BYTES:
                yield piece
                piece, size = "", 0
            piece, size = piece + part, size + length
    if piece:
        yield piece


def _parts(line: str) -> Iterator[str]:
    # A character has at most four bytes.
    step = PIECE_BYTES if line.isascii() else PIECE_BYTES // 4
    for start in range(0, len(line), step):
        yield line[start : start + step]


def _split(piece: str) -> Piece | None:
    first, end, rest = piece.partition("\n")
    if rest.strip() and first.strip():
        return Piece(first + end, rest)
    half = len(piece) // 2
    if not piece[:half].strip() or not piece[half:].strip():
        return None
    return Piece(piece[:half], piece[half:])
