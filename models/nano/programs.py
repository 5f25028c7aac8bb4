"""Chains of operations, and the functions they are written as."""

from __future__ import annotations

import hashlib
import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

from .list_operations import LIST_OPERATIONS
from .number_operations import NUMBER_OPERATIONS
from .operations import ANNOTATIONS, Kind, Operation, fill
from .table_operations import TABLE_OPERATIONS
from .text_operations import TEXT_OPERATIONS
from .values import ARGUMENT_NAMES, ELEMENT_NAMES, FUNCTION_NAMES, NOUNS, STEP_NAMES, draw_argument, draw_value
from .word_operations import WORD_OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

OPERATIONS: tuple[Operation, ...] = (
    *LIST_OPERATIONS, *NUMBER_OPERATIONS, *TABLE_OPERATIONS, *WORD_OPERATIONS, *TEXT_OPERATIONS,
)  # fmt: skip
HELD_OUT_ONE_IN = 12
EASY = {1: 0.6, 2: 0.3, 3: 0.1}
FULL = {1: 0.15, 2: 0.35, 3: 0.35, 4: 0.15}
"""Share of functions by number of operations: at the start of training, and after."""

EXAMPLE_RATE = 0.35
LARGEST_NUMBER = 10**7
LONGEST_TEXT = 70

_FROM: Mapping[Kind, tuple[Operation, ...]] = {
    kind: tuple(operation for operation in OPERATIONS if operation.source == kind) for kind in ANNOTATIONS
}
_SOURCES: tuple[Kind, ...] = ("ints", "ints", "ints", "words", "words", "text", "text", "int", "table")

_REMARKS = (
    "Do not change the input.",
    "The input may be empty.",
    "This is a step of the weekly report.",
    "Speed does not matter here.",
    "Names and units are checked elsewhere.",
    "It is called once for each customer.",
)


class Step(NamedTuple):
    """One operation with its arguments."""

    operation: Operation
    arguments: tuple[int | str, ...]


Chain = tuple[Step, ...]


class Function(NamedTuple):
    """One function: the prompt ends with its docstring, the body follows."""

    name: str
    prompt: str
    body: str


def is_held_out(names: Sequence[str]) -> bool:
    """Whether a composition is reserved for the benchmark.

    A composition is the multiset of its operations; a single operation is none. The choice is a hash, so it needs no
    list and is the same everywhere.
    """
    if len(names) < 2:
        return False
    digest = hashlib.sha256(" ".join(sorted(names)).encode()).digest()
    return int.from_bytes(digest[:4], "big") % HELD_OUT_ONE_IN == 0


def may_train(names: Sequence[str]) -> bool:
    """Whether neither the composition nor any contiguous part of it is held out."""
    count = len(names)
    return not any(is_held_out(names[i:j]) for i in range(count) for j in range(i + 2, count + 1))


def draw_chain(rng: Random, length: int) -> Chain:
    """Draw a chain of different operations whose types fit."""
    kind = rng.choice(_SOURCES)
    steps: list[Step] = []
    while len(steps) < length:
        fitting = [
            operation
            for operation in _FROM[kind]
            if (operation.target != "bool" or len(steps) == length - 1)
            and all(operation is not step.operation for step in steps)
        ]
        # Half of the steps draw their output type, so the many operations within one type do not crowd out the rest.
        if rng.random() < 0.5:
            target = rng.choice(sorted({operation.target for operation in fitting}))
            fitting = [operation for operation in fitting if operation.target == target]
        operation = rng.choice(fitting)
        steps.append(Step(operation, draw_arguments(operation, rng)))
        kind = operation.target
    return tuple(steps)


def draw_arguments(operation: Operation, rng: Random) -> tuple[int | str, ...]:
    """Draw an operation's arguments, all different, numbers in increasing order."""
    while True:
        drawn = [draw_argument(slot, rng) for slot in operation.slots]
        if len(set(map(str, drawn))) == len(drawn):
            if operation.slots == ("number", "number"):
                drawn.sort()
            return tuple(drawn)


def names_of(chain: Chain) -> tuple[str, ...]:
    """List a chain's composition in order."""
    return tuple(step.operation.name for step in chain)


def draw_training_chain(rng: Random, lengths: Mapping[int, float] = FULL) -> Chain:
    """Draw a random chain that contains no held-out composition."""
    while True:
        length = rng.choices(list(lengths), list(lengths.values()))[0]
        chain = draw_chain(rng, length)
        if may_train(names_of(chain)):
            return chain


def write(chain: Chain, rng: Random, *, example: bool) -> Function | None:
    """Phrase and write a chain in one way; None where its example would be too long."""
    name = rng.choice(FUNCTION_NAMES)
    argument = rng.choice(ARGUMENT_NAMES[chain[0].operation.source])
    body = write_body(chain, rng, argument)
    header = (
        f"def {name}({argument}: {ANNOTATIONS[chain[0].operation.source]}) "
        f"-> {ANNOTATIONS[chain[-1].operation.target]}:\n"
    )
    docstring = write_docstring(chain, rng)
    if example:
        value = draw_value(chain[0].operation.source, rng, most=5)
        result = run(header + body, name, value)
        if not is_small(result) or len(repr(value)) > LONGEST_TEXT:
            return None
        docstring += f"\n\n    >>> {name}({value!r})\n    {result!r}"
    return Function(name, f'{header}    """{docstring}\n    """\n', body)


def write_docstring(chain: Chain, rng: Random) -> str:
    """Describe the chain in one of several layouts."""
    nouns = {key: rng.choice(choices) for key, choices in NOUNS.items()}
    said = [
        fill(rng.choice(step.operation.phrases), {**nouns, **dict(zip("ab", map(repr, step.arguments), strict=False))})
        for step in chain
    ]
    text = _lay_out(said, rng)
    if rng.random() < 0.1:
        remark = rng.choice(_REMARKS)
        text = f"{remark} {text}" if rng.random() < 0.5 else f"{text} {remark}"
    return "\n    ".join(line for part in text.split("\n") for line in textwrap.wrap(part, 100))


def _lay_out(said: list[str], rng: Random) -> str:
    if len(said) == 1:
        return _sentence(said[0])
    layout = rng.choice((0, 0, 1, 1, 2, 2, 3, 3, 4))
    if layout == 0:
        return _sentence(", then ".join(said))
    if layout == 1:
        middle = [f"Next, {part}." for part in said[1:-1]]
        return " ".join([f"First {said[0]}.", *middle, f"Finally, {said[-1]}."])
    if layout == 2:
        return "\n".join(["Do this:", *(f"{place}. {part}" for place, part in enumerate(said, 1))])
    if layout == 3:
        return " ".join(_sentence(part) for part in said)
    middle = [f"Before that, {part}." for part in said[-2:0:-1]]
    return " ".join([f"In the end, {said[-1]}.", *middle, f"At the very start, {said[0]}."])


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def write_body(chain: Chain, rng: Random, argument: str) -> str:
    """Write the chain as indented statements in some way."""
    elements = {kind: rng.choice(names) for kind, names in ELEMENT_NAMES.items()}
    outputs = rng.choice(STEP_NAMES)
    loops = rng.random() < 0.5
    lines: list[str] = []
    current = argument
    for place, step in enumerate(chain):
        output = outputs[place]
        codes = step.operation.codes
        # A loop cannot fill the list it iterates over.
        choices = [code for code in codes if "\n" not in code or (loops and output != current)] or list(codes)
        code = rng.choice(choices)
        if "\n" in code and output == current:
            output = "other"
        text = fill(
            code,
            {
                "x": current,
                "o": output,
                "e": elements[step.operation.source],
                "k": "k",
                "v": "v",
                **dict(zip("ab", map(repr, step.arguments), strict=False)),
            },
        )
        last = place == len(chain) - 1
        if "\n" in text:
            lines += text.split("\n")
            if last:
                lines.append(f"return {output}")
        else:
            lines.append(f"return {text}" if last else f"{output} = {text}")
        current = output
    return "".join(f"    {line}\n" for line in lines)


def run(source: str, name: str, value: Any) -> Any:
    """Run a function of this generator on a value."""
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    return namespace[name](value)


def is_small(value: object) -> bool:
    """Whether a value is short enough to show and compare."""
    if isinstance(value, int):
        return abs(value) <= LARGEST_NUMBER
    if isinstance(value, list):
        return len(repr(value)) <= LONGEST_TEXT and all(map(is_small, value))
    return len(repr(value)) <= LONGEST_TEXT


def draw_function(rng: Random, lengths: Mapping[int, float] = FULL) -> Function:
    """Draw a training function."""
    while True:
        function = write(draw_training_chain(rng, lengths), rng, example=rng.random() < EXAMPLE_RATE)
        if function is not None:
            return function
