"""Operations on lists of words."""

from __future__ import annotations

from typing import Final

from .operations import Operation, counted, filtered, joined, mapped, summed

N: Final = "int"
L: Final = "ints"
W: Final = "words"
S: Final = "text"
D: Final = "table"

WORD_OPERATIONS = (
    Operation(
        "longer",
        W,
        W,
        ("count",),
        ("keep the $W with more than $a letters", "drop $W of at most $a letters"),
        filtered("len($e) > $a"),
    ),
    Operation(
        "shorter",
        W,
        W,
        ("count",),
        ("keep the $W with at most $a letters", "drop $W of more than $a letters"),
        filtered("len($e) <= $a"),
    ),
    Operation(
        "starting",
        W,
        W,
        ("letter",),
        ("keep the $W that start with $a", "drop $W that do not begin with $a"),
        filtered("$e.startswith($a)"),
    ),
    Operation(
        "ending",
        W,
        W,
        ("letter",),
        ("keep the $W that end with $a", "drop $W whose last letter is not $a"),
        filtered("$e.endswith($a)"),
    ),
    Operation(
        "containing", W, W, ("letter",), ("keep the $W that contain $a", "drop $W without $a"), filtered("$a in $e")
    ),
    Operation(
        "lacking", W, W, ("letter",), ("keep the $W without $a", "drop $W that contain $a"), filtered("$a not in $e")
    ),
    Operation(
        "upper_each",
        W,
        W,
        (),
        ("write each of the $W in upper case", "turn all $W into capitals"),
        mapped("$e.upper()"),
    ),
    Operation("reverse_each", W, W, (), ("reverse each of the $W", "write all $W backwards"), mapped("$e[::-1]")),
    Operation(
        "cut_each",
        W,
        W,
        ("count",),
        ("cut each of the $W to its first $a letters", "keep $a leading letters of all $W"),
        mapped("$e[:$a]"),
    ),
    Operation(
        "prefix_each",
        W,
        W,
        ("piece",),
        ("put $a in front of each of the $W", "prefix all $W with $a"),
        mapped("$a + $e"),
    ),
    Operation(
        "suffix_each",
        W,
        W,
        ("piece",),
        ("put $a at the end of each of the $W", "suffix all $W with $a"),
        mapped("$e + $a"),
    ),
    Operation(
        "remove_each",
        W,
        W,
        ("letter",),
        ("remove $a from each of the $W", "delete $a wherever it is in the $W"),
        mapped("$e.replace($a, '')"),
    ),
    Operation(
        "double_each", W, W, (), ("write each of the $W twice without a space", "double all $W"), mapped("$e + $e")
    ),
    Operation(
        "sort_words", W, W, (), ("sort the $W alphabetically", "put the $W in alphabetical order"), ("sorted($x)",)
    ),
    Operation(
        "sort_by_length",
        W,
        W,
        (),
        ("sort the $W by length", "put the $W in order of length, shortest first"),
        ("sorted($x, key=len)",),
    ),
    Operation(
        "reverse_words",
        W,
        W,
        (),
        ("reverse the list of $W", "put the $W back to front"),
        ("$x[::-1]", "list(reversed($x))"),
    ),
    Operation(
        "unique_words",
        W,
        W,
        (),
        ("keep only the first of equal $W", "remove duplicate $W, keeping the order"),
        ("list(dict.fromkeys($x))", "$o = []\nfor $e in $x:\n    if $e not in $o:\n        $o.append($e)"),
    ),
    Operation(
        "take_words", W, W, ("count",), ("take the first $a of the $W", "keep only the leading $a $W"), ("$x[:$a]",)
    ),
    Operation("skip_words", W, W, ("count",), ("skip the first $a of the $W", "drop the leading $a $W"), ("$x[$a:]",)),
    Operation(
        "append_word", W, W, ("piece",), ("append $a to the list", "put $a after the $W"), ("$x + [$a]", "[*$x, $a]")
    ),
    Operation(
        "lengths",
        W,
        L,
        (),
        ("take the length of each of the $W", "replace all $W by how many letters they have"),
        ("[len($e) for $e in $x]", "list(map(len, $x))"),
    ),
    Operation(
        "count_letter_each",
        W,
        L,
        ("letter",),
        ("count $a in each of the $W", "find how often $a is in each of the $W"),
        mapped("$e.count($a)"),
    ),
    Operation("how_many", W, N, (), ("count the $W", "find how many $W there are"), ("len($x)",)),
    Operation(
        "total_letters",
        W,
        N,
        (),
        ("add up the lengths of the $W", "count the letters of all $W together"),
        summed("len($e)"),
    ),
    Operation(
        "longest_length",
        W,
        N,
        (),
        (
            "find the length of the longest of the $W, or 0 if there are none",
            "take the largest length of the $W, 0 when empty",
        ),
        ("max((len($e) for $e in $x), default=0)",),
    ),
    Operation(
        "count_containing",
        W,
        N,
        ("letter",),
        ("count the $W that contain $a", "find how many $W have $a in them"),
        counted("$a in $e"),
    ),
    Operation(
        "join",
        W,
        S,
        ("separator",),
        ("join the $W with $a", "write the $W in a row with $a between them"),
        ("$a.join($x)",),
    ),
    Operation(
        "longest",
        W,
        S,
        (),
        ("take the longest of the $W, or '' if there are none", "find the first of the longest $W, '' when empty"),
        ("max($x, key=len, default='')",),
    ),
    Operation(
        "shortest",
        W,
        S,
        (),
        ("take the shortest of the $W, or '' if there are none", "find the first of the shortest $W, '' when empty"),
        ("min($x, key=len, default='')",),
    ),
    Operation(
        "initials",
        W,
        S,
        (),
        ("string together the first letters of the $W", "write the initials of the $W as one string"),
        joined("$e[:1]"),
    ),
    Operation(
        "lengths_table",
        W,
        D,
        (),
        ("make a table from each of the $W to its length", "map all $W to how many letters they have"),
        ("{$e: len($e) for $e in $x}", "$o = {}\nfor $e in $x:\n    $o[$e] = len($e)"),
    ),
    Operation(
        "tally_words",
        W,
        D,
        (),
        ("make a table from each of the $W to its count", "count how often each of the $W occurs"),
        ("{$e: $x.count($e) for $e in $x}", "$o = {}\nfor $e in $x:\n    $o[$e] = $o.get($e, 0) + 1"),
    ),
    Operation(
        "all_contain",
        W,
        "bool",
        ("letter",),
        ("tell whether all $W contain $a", "check that each of the $W has $a in it"),
        ("all($a in $e for $e in $x)",),
    ),
)
