"""Operations on numbers."""

from __future__ import annotations

from typing import Final

from .operations import Operation

N: Final = "int"
L: Final = "ints"
S: Final = "text"

NUMBER_OPERATIONS = (
    Operation("plus", N, N, ("number",), ("add $a", "increase the number by $a"), ("$x + $a",)),
    Operation("minus", N, N, ("number",), ("subtract $a", "decrease the number by $a"), ("$x - $a",)),
    Operation("times", N, N, ("factor",), ("multiply the number by $a", "make it $a times as large"), ("$x * $a",)),
    Operation(
        "modulo", N, N, ("factor",), ("take the number modulo $a", "find the remainder on division by $a"), ("$x % $a",)
    ),
    Operation(
        "magnitude",
        N,
        N,
        (),
        ("take the absolute value of the number", "drop the sign of the number"),
        ("abs($x)", "-$x if $x < 0 else $x"),
    ),
    Operation(
        "number_square", N, N, (), ("square the number", "multiply the number by itself"), ("$x * $x", "$x ** 2")
    ),
    Operation(
        "digit_sum",
        N,
        N,
        (),
        ("add up the digits of the number", "compute the digit sum of the number"),
        ("sum(int(d) for d in str(abs($x)))",),
    ),
    Operation(
        "digits",
        N,
        L,
        (),
        ("list the digits of the number", "split the number into its digits"),
        ("[int(d) for d in str(abs($x))]",),
    ),
    Operation(
        "table_of",
        N,
        L,
        ("count",),
        ("list the first $a multiples of the number", "list the number times 1 up to times $a"),
        ("[$x * i for i in range(1, $a + 1)]",),
    ),
    Operation("text_of", N, S, (), ("write the number as a string", "turn the number into text"), ("str($x)",)),
    Operation(
        "label",
        N,
        S,
        ("piece",),
        ("write the number after $a", "make a label of $a and the number"),
        ("$a + str($x)", "''.join([$a, str($x)])"),
    ),
    Operation(
        "is_even",
        N,
        "bool",
        (),
        ("tell whether the number is even", "check that two divides the number"),
        ("$x % 2 == 0",),
    ),
    Operation(
        "is_above",
        N,
        "bool",
        ("number",),
        ("tell whether the number is above $a", "check that it is greater than $a"),
        ("$x > $a",),
    ),
)
