"""Random values, arguments and names of the nano language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from .operations import Kind, Slot

WORDS = (
    "apple", "bank", "cat", "dog", "echo", "fig", "gold", "hat", "ice", "jam", "kiwi", "lamp", "moon", "nest", "oak",
    "pear", "quiz", "rain", "star", "tea", "unit", "van", "wolf", "yak", "zoo", "amber", "basil", "cedar", "delta",
    "ember", "forest", "garden", "harbor", "island", "jacket", "kettle", "lemon", "market", "needle", "orange",
    "pepper", "river", "silver", "tiger", "velvet", "window", "anna", "level", "noon", "radar", "area", "eve",
)  # fmt: skip
PIECES = ("ab", "xy", "end", "pre", "ing", "un", "zz", "new", "old", "key", "tag", "id")
SEPARATORS = ("-", "/", "+", "_", ", ", " ", ":", ";")
LETTERS = "aeiounrstlm"
NOUNS: Mapping[str, tuple[str, ...]] = {
    "N": ("numbers", "values", "integers"),
    "W": ("words", "strings"),
    "C": ("characters", "letters"),
}
ARGUMENT_NAMES: Mapping[Kind, tuple[str, ...]] = {
    "ints": ("numbers", "values", "xs", "data"),
    "words": ("words", "names", "items", "data"),
    "text": ("text", "line", "sentence", "data"),
    "int": ("number", "amount", "start", "x"),
    "table": ("table", "stock", "scores", "data"),
}
ELEMENT_NAMES: Mapping[Kind, tuple[str, ...]] = {
    "ints": ("n", "v", "num"),
    "words": ("w", "s", "word"),
    "text": ("c", "ch"),
    "int": ("n",),
    "table": ("k",),
}
STEP_NAMES = (
    ("a", "b", "y", "z"),
    ("first", "second", "third", "fourth"),
    ("step1", "step2", "step3", "step4"),
    ("result", "result", "result", "result"),
)
FUNCTION_NAMES = (
    "solve", "process", "compute", "convert", "transform", "evaluate", "build", "prepare", "handle", "work_out",
    "make_report", "summarize", "arrange", "derive", "digest", "refine", "shape", "task",
)  # fmt: skip


def draw_argument(slot: Slot, rng: Random) -> int | str:
    """Draw an argument."""
    if slot == "number":
        return rng.randint(0, 9) if rng.random() < 0.8 else rng.randint(10, 30)
    if slot == "factor":
        return rng.randint(2, 5)
    if slot == "count":
        return rng.randint(1, 4)
    if slot == "letter":
        return rng.choice(LETTERS)
    return rng.choice(PIECES if slot == "piece" else SEPARATORS)


def draw_value(kind: Kind, rng: Random, *, most: int = 8) -> Any:
    """Draw an input of a type with at most `most` parts."""
    if kind == "int":
        return rng.randint(-20, 200)
    if kind == "ints":
        high = rng.choice((6, 12, 30))
        return [rng.randint(-high // 2, high) for _ in range(rng.randint(most // 2, most))]
    if kind == "words":
        return [draw_word(rng) for _ in range(rng.randint(most // 2, most))]
    if kind == "text":
        return " ".join(draw_word(rng) for _ in range(rng.randint(1, max(2, most // 2))))
    return {draw_word(rng): rng.randint(-3, 20) for _ in range(rng.randint(most // 2, most))}


def draw_word(rng: Random) -> str:
    """Draw a word, rarely one of the pieces that arguments use."""
    return rng.choice(WORDS) if rng.random() < 0.85 else rng.choice(PIECES)
