"""What a task says, as hashes: a verifier knows by them which tasks it was trained on, whatever their ids are."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from ..._util.hashing import key_of
from ..._util.parsing import find_function, module

if TYPE_CHECKING:
    from ...records import PublicTask

_DIGITS: Final = 20
_OPENING: Final = 12
"""Words of a description that tell it from others of functions of the same name."""

_EXAMPLES_BEGIN: Final = re.compile(r">>>|\bexamples?\b|\be\.g\.", re.IGNORECASE)


def hashes_of(task: PublicTask) -> frozenset[str]:
    """Hash a task's content in ways that survive another id, layout or form of its prompt.

    Two tasks that share one are the same: all words of the prompt; of a function also its name with the first words of
    its description, so that leaving out the examples makes no other task; and its name with its examples, so that
    wrapping it in a chat makes none.
    """
    shown = tuple((example.call, example.expected) for example in task.examples)
    return _hashes(task.prompt, task.entry_point, shown)


@lru_cache(maxsize=4096)
def _hashes(prompt: str, entry_point: str, examples: tuple[tuple[str, str], ...]) -> frozenset[str]:
    found = [key_of("prompt", *_words(prompt))]
    if entry_point:
        opening = _words(_EXAMPLES_BEGIN.split(_description(prompt, entry_point), maxsplit=1)[0])[:_OPENING]
        if len(opening) >= _OPENING // 2:
            found.append(key_of("opening", entry_point, *opening))
        if examples:
            found.append(key_of("examples", entry_point, *(side for example in sorted(examples) for side in example)))
    return frozenset(one[:_DIGITS] for one in found)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _description(prompt: str, entry_point: str) -> str:
    """Return the docstring of the prompt's function; the whole prompt where there is none."""
    function = find_function(module(prompt + "\n    pass\n") or module(prompt), entry_point)
    return (function and ast.get_docstring(function)) or prompt
