"""Calls of a function on arguments that were made up."""

from __future__ import annotations

import ast
import itertools
import math
import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ..._util.parsing import expression, find_function, module
from ...records import called_name
from . import constants as named
from .kinds import Guess, Kind, Parameter, guesses, is_open, joined, list_of, of_value, parameters_of
from .values import Draw, literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ...records import PublicTask
    from .constants import Constants

_MOST_PROFILES = 16
_MOST_PRODUCTS = 4096
_UNLIKELY = 2.5
"""Weight that kinds may have less than the likeliest and still be tried."""
_GUESSES_EACH = 4
_POSITIVE = re.compile(r"\bpositive (?:integer|number|int|natural)|\bnatural number|\b1 <= ")
_NOT_NEGATIVE = re.compile(r"\bnon-?\s?negative|\b0 <= |\b0 ≤ |\bno negative")


class Form(NamedTuple):
    """What is known of a function's arguments before any program runs.

    Attributes:
        name: What is called.
        profiles: The kinds of all arguments, likeliest first, with the weight of what speaks for each.
        constants: Those of the prompt.
        least: The least integer, where the prompt names one.
        key: Stands for the task in seeds.
    """

    name: str
    profiles: tuple[tuple[tuple[Kind, ...], float], ...]
    constants: Constants
    least: int | None
    key: str


def form_of(task: PublicTask, programs: Sequence[str]) -> Form | None:
    """Find what a function's arguments may be; None where nothing says how many it takes, or it takes none.

    Where the prompt has no header, those of the programs stand for it, or else the examples' calls.
    """
    calls = tuple(example.call for example in task.examples)
    header = _header(task.prompt, task.entry_point)
    if header is None:
        found = (_header(program, task.entry_point) for program in programs)
        headers = Counter(each for each in found if each is not None)
        header = max(headers, key=lambda each: (headers[each], str(each))) if headers else None
    return _form(task.prompt, task.entry_point, calls, header)


@lru_cache(maxsize=1024)
def _form(prompt: str, entry_point: str, calls: tuple[str, ...], header: tuple[Parameter, ...] | None) -> Form | None:
    shown = [arguments for call in calls if (arguments := arguments_of(call))]
    if header is None:
        counts = Counter(map(len, shown))
        header = tuple(Parameter("", None) for _ in range(counts.most_common(1)[0][0] if counts else 0))
    if not header:
        return None
    shown = [arguments for arguments in shown if len(arguments) == len(header)]
    prose = _prose(prompt, entry_point)
    options = [_options(place, parameter, shown, prose) for place, parameter in enumerate(header)]
    products = itertools.islice(itertools.product(*options), _MOST_PRODUCTS)
    weighed = [(tuple(guess.kind for guess in row), sum(guess.weight for guess in row)) for row in products]
    weighed.sort(key=lambda pair: -pair[1])
    low = prose.lower()
    least = 1 if _POSITIVE.search(low) else 0 if _NOT_NEGATIVE.search(low) else None
    weighed = [pair for pair in weighed if pair[1] >= weighed[0][1] - _UNLIKELY]
    key = f"{entry_point}/{prose}"
    return Form(called_name(entry_point), tuple(weighed[:_MOST_PROFILES]), named.of_prose(prose), least, key)


@lru_cache(maxsize=4096)
def _header(source: str, entry_point: str) -> tuple[Parameter, ...] | None:
    for closing in ("", "\n    pass\n", "\n        pass\n"):
        function = find_function(module(source + closing), entry_point)
        if function is not None:
            return parameters_of(function, is_method="." in entry_point)
    return None


def _prose(prompt: str, entry_point: str) -> str:
    """The prompt's own words: of source the docstring, without examples."""
    function = find_function(module(prompt + "\n    pass\n"), entry_point)
    prose = prompt if function is None else ast.get_docstring(function) or ""
    return "\n".join(line for line in prose.split("\n") if not line.lstrip().startswith(">>>"))


@lru_cache(maxsize=8192)
def arguments_of(call: str) -> tuple[Any, ...] | None:
    """Read the arguments of a call, not to be changed; None where they are not literals, or named."""
    parsed = expression(call)
    tree = None if parsed is None else parsed.body
    if not isinstance(tree, ast.Call) or tree.keywords:
        return None
    try:
        return tuple(ast.literal_eval(argument) for argument in tree.args)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _options(place: int, parameter: Parameter, shown: Sequence[tuple[Any, ...]], prose: str) -> list[Guess]:
    """List what an argument may be; examples and annotations leave one kind, but for items that they leave open."""
    seen = joined([of_value(arguments[place]) for arguments in shown]) if shown else None
    said = seen if parameter.kind is None or (seen is not None and is_open(parameter.kind)) else parameter.kind
    guessed = guesses(parameter.name, prose)
    if said is None:
        return guessed[:_GUESSES_EACH]
    if not is_open(said):
        return [Guess(said, 0.0)]
    fitting = [guess for guess in guessed if guess.kind.name == said.name]
    if said.name == "list" and len(fitting) < _GUESSES_EACH:
        others = [Guess(list_of(Kind(name)), 0.0) for name in ("int", "str", "float")]
        fitting += [guess for guess in others if guess.kind not in {each.kind for each in fitting}]
    return fitting[:_GUESSES_EACH] or [Guess(said, 0.0)]


def written(name: str, arguments: Iterable[Any]) -> str:
    """Write a call."""
    return f"{name}({', '.join(map(literal, arguments))})"


def is_plain(arguments: Any) -> bool:
    """Whether a call written with these reads the same back: no NaN or infinity among them."""
    if isinstance(arguments, float):
        return math.isfinite(arguments)
    if isinstance(arguments, dict):
        return is_plain(list(arguments)) and is_plain(list(arguments.values()))
    return all(map(is_plain, arguments)) if isinstance(arguments, (list, tuple, set, frozenset)) else True


@lru_cache(maxsize=4096)
def drawn(form: Form, kinds: tuple[Kind, ...], count: int, constants: Constants | None = None) -> tuple[str, ...]:
    """Draw so many distinct calls, fewer where there are not so many; those with `constants` are made for them."""
    about = "" if constants is None else repr(constants)
    key = f"{form.key}/{'/'.join(map(str, kinds))}/{about}"
    draw = Draw(key, form.constants if constants is None else constants, least=form.least)
    calls: dict[str, None] = {}
    for _ in range(3 * count):
        if constants is not None:
            draw.focus = 1.0 if len(calls) < count // 2 else 0.5
        arguments = draw.arguments(kinds)
        if constants is not None and constants.types:
            arguments = draw.mistyped(arguments)
        if is_plain(arguments):
            calls.setdefault(written(form.name, arguments))
        if len(calls) == count:
            break
    return tuple(calls)
