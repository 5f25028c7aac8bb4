"""Operations on lists of numbers."""

from __future__ import annotations

from typing import Final

from .operations import Operation, counted, filtered, mapped, summed

N: Final = "int"
L: Final = "ints"
W: Final = "words"
S: Final = "text"
D: Final = "table"

LIST_OPERATIONS = (
    Operation(
        "keep_above",
        L,
        L,
        ("number",),
        ("keep the $N above $a", "keep only $N greater than $a", "drop all $N that are at most $a"),
        filtered("$e > $a"),
    ),
    Operation(
        "keep_below",
        L,
        L,
        ("number",),
        ("keep the $N below $a", "keep only $N smaller than $a", "drop all $N that are at least $a"),
        filtered("$e < $a"),
    ),
    Operation(
        "keep_even",
        L,
        L,
        (),
        ("keep the even $N", "drop the odd $N", "leave only $N that are even"),
        filtered("$e % 2 == 0"),
    ),
    Operation(
        "keep_odd",
        L,
        L,
        (),
        ("keep the odd $N", "drop the even $N", "leave only $N that are odd"),
        filtered("$e % 2 == 1"),
    ),
    Operation(
        "keep_multiples",
        L,
        L,
        ("factor",),
        ("keep the multiples of $a", "keep only $N divisible by $a", "drop $N that $a does not divide"),
        filtered("$e % $a == 0"),
    ),
    Operation(
        "drop_multiples",
        L,
        L,
        ("factor",),
        ("drop the multiples of $a", "remove all $N divisible by $a", "keep $N that $a does not divide"),
        filtered("$e % $a != 0"),
    ),
    Operation("remove_value", L, L, ("number",), ("remove every $a", "drop all $N equal to $a"), filtered("$e != $a")),
    Operation(
        "add",
        L,
        L,
        ("number",),
        ("add $a to each of the $N", "increase every number by $a", "raise all $N by $a"),
        mapped("$e + $a"),
    ),
    Operation(
        "subtract",
        L,
        L,
        ("number",),
        ("subtract $a from each of the $N", "decrease every number by $a", "lower all $N by $a"),
        mapped("$e - $a"),
    ),
    Operation(
        "multiply",
        L,
        L,
        ("factor",),
        ("multiply each of the $N by $a", "scale all $N by $a", "make every number $a times as large"),
        mapped("$e * $a"),
    ),
    Operation(
        "remainder",
        L,
        L,
        ("factor",),
        ("take each of the $N modulo $a", "replace every number by its remainder on division by $a"),
        mapped("$e % $a"),
    ),
    Operation("square", L, L, (), ("square each of the $N", "replace all $N by their squares"), mapped("$e * $e")),
    Operation("negate", L, L, (), ("negate each of the $N", "flip the sign of all $N"), mapped("-$e")),
    Operation(
        "absolute",
        L,
        L,
        (),
        ("take the absolute value of each of the $N", "make all $N positive by dropping their signs"),
        mapped("abs($e)"),
    ),
    Operation(
        "triple_odd",
        L,
        L,
        (),
        ("triple the odd $N", "multiply $N by three where they are odd"),
        mapped("$e * 3 if $e % 2 == 1 else $e"),
    ),
    Operation(
        "sort", L, L, (), ("sort the $N in increasing order", "put the $N in order, smallest first"), ("sorted($x)",)
    ),
    Operation(
        "sort_down",
        L,
        L,
        (),
        ("sort the $N in decreasing order", "put the $N in order, largest first"),
        ("sorted($x, reverse=True)", "sorted($x)[::-1]"),
    ),
    Operation(
        "reverse", L, L, (), ("reverse the list of $N", "put the $N back to front"), ("$x[::-1]", "list(reversed($x))")
    ),
    Operation(
        "unique",
        L,
        L,
        (),
        ("keep only the first of equal $N", "remove duplicate $N, keeping the order"),
        ("list(dict.fromkeys($x))", "$o = []\nfor $e in $x:\n    if $e not in $o:\n        $o.append($e)"),
    ),
    Operation("take", L, L, ("count",), ("take the first $a of the $N", "keep only the leading $a $N"), ("$x[:$a]",)),
    Operation("skip", L, L, ("count",), ("skip the first $a of the $N", "drop the leading $a $N"), ("$x[$a:]",)),
    Operation(
        "take_last", L, L, ("count",), ("take the last $a of the $N", "keep only the trailing $a $N"), ("$x[-$a:]",)
    ),
    Operation(
        "every_other",
        L,
        L,
        (),
        ("take every other one of the $N, starting with the first", "keep the $N at even positions"),
        ("$x[::2]", "[$e for i, $e in enumerate($x) if i % 2 == 0]"),
    ),
    Operation(
        "running_sum",
        L,
        L,
        (),
        ("compute the running sums of the $N", "replace each of the $N by the total so far"),
        (
            "[sum($x[:i + 1]) for i in range(len($x))]",
            "$o = []\ntotal = 0\nfor $e in $x:\n    total += $e\n    $o.append(total)",
        ),
    ),
    Operation(
        "differences",
        L,
        L,
        (),
        ("take the differences of neighbouring $N", "subtract each of the $N from the next one"),
        ("[q - p for p, q in zip($x, $x[1:])]", "[$x[i + 1] - $x[i] for i in range(len($x) - 1)]"),
    ),
    Operation(
        "times_index",
        L,
        L,
        (),
        ("multiply each of the $N by its position", "weight the $N by their index"),
        ("[i * $e for i, $e in enumerate($x)]",),
    ),
    Operation(
        "prepend",
        L,
        L,
        ("number",),
        ("put $a in front of the $N", "insert $a at the start of the list"),
        ("[$a] + $x", "[$a, *$x]"),
    ),
    Operation(
        "append", L, L, ("number",), ("put $a after the $N", "append $a to the list"), ("$x + [$a]", "[*$x, $a]")
    ),
    Operation(
        "mirror", L, L, (), ("append the $N in reverse", "follow the $N by their mirror image"), ("$x + $x[::-1]",)
    ),
    Operation(
        "remove_max",
        L,
        L,
        (),
        ("remove the largest of the $N", "drop $N equal to the maximum"),
        ("[$e for $e in $x if $e != max($x)]",),
    ),
    Operation(
        "remove_min",
        L,
        L,
        (),
        ("remove the smallest of the $N", "drop $N equal to the minimum"),
        ("[$e for $e in $x if $e != min($x)]",),
    ),
    Operation(
        "sum",
        L,
        N,
        (),
        ("add up the $N", "compute the sum of the $N", "find the total of the $N"),
        ("sum($x)", "$o = 0\nfor $e in $x:\n    $o += $e"),
    ),
    Operation(
        "max",
        L,
        N,
        (),
        ("find the largest of the $N, or 0 if there are none", "take the maximum of the $N, 0 when empty"),
        ("max($x, default=0)", "max($x) if $x else 0"),
    ),
    Operation(
        "min",
        L,
        N,
        (),
        ("find the smallest of the $N, or 0 if there are none", "take the minimum of the $N, 0 when empty"),
        ("min($x, default=0)", "min($x) if $x else 0"),
    ),
    Operation("length", L, N, (), ("count the $N", "find how many $N there are"), ("len($x)",)),
    Operation(
        "count_above",
        L,
        N,
        ("number",),
        ("count the $N above $a", "find how many $N are greater than $a"),
        counted("$e > $a"),
    ),
    Operation("count_even", L, N, (), ("count the even $N", "find how many $N are even"), counted("$e % 2 == 0")),
    Operation(
        "count_value",
        L,
        N,
        ("number",),
        ("count how often $a occurs", "find the number of times that $a is there"),
        ("$x.count($a)", *counted("$e == $a")),
    ),
    Operation(
        "distinct", L, N, (), ("count the different $N", "find how many distinct $N there are"), ("len(set($x))",)
    ),
    Operation(
        "sum_squares",
        L,
        N,
        (),
        ("add up the squares of the $N", "compute the sum of the squared $N"),
        summed("$e * $e"),
    ),
    Operation(
        "first",
        L,
        N,
        ("number",),
        ("take the first of the $N, or $a if there are none", "pick the leading number, $a when empty"),
        ("$x[0] if $x else $a",),
    ),
    Operation(
        "last",
        L,
        N,
        ("number",),
        ("take the last of the $N, or $a if there are none", "pick the final number, $a when empty"),
        ("$x[-1] if $x else $a",),
    ),
    Operation(
        "as_words", L, W, (), ("write each of the $N as a string", "turn all $N into strings"), mapped("str($e)")
    ),
    Operation(
        "parity_words",
        L,
        W,
        (),
        ("replace each of the $N by 'even' or 'odd'", "say of each of the $N whether it is 'even' or 'odd'"),
        mapped("'even' if $e % 2 == 0 else 'odd'"),
    ),
    Operation(
        "join_numbers",
        L,
        S,
        ("separator",),
        ("join the $N with $a", "write the $N in a row with $a between them"),
        ("$a.join(str($e) for $e in $x)", "$a.join(map(str, $x))"),
    ),
    Operation(
        "tally_numbers",
        L,
        D,
        (),
        (
            "count how often each of the $N occurs, by its string",
            "make a table from each number as a string to its count",
        ),
        ("{str($e): $x.count($e) for $e in $x}", "$o = {}\nfor $e in $x:\n    $o[str($e)] = $o.get(str($e), 0) + 1"),
    ),
    Operation(
        "all_above",
        L,
        "bool",
        ("number",),
        ("tell whether all $N are above $a", "check that every number is greater than $a"),
        ("all($e > $a for $e in $x)",),
    ),
    Operation(
        "is_sorted",
        L,
        "bool",
        (),
        ("tell whether the $N are in increasing order", "check that the $N never fall"),
        ("$x == sorted($x)", "all(p <= q for p, q in zip($x, $x[1:]))"),
    ),
    Operation(
        "has_duplicates",
        L,
        "bool",
        (),
        ("tell whether any of the $N is repeated", "check the $N for duplicates"),
        ("len(set($x)) < len($x)", "len($x) != len(set($x))"),
    ),
)
