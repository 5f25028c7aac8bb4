"""Operations on tables."""

from __future__ import annotations

from typing import Final

from .operations import Operation, table_filtered, table_mapped

N: Final = "int"
L: Final = "ints"
W: Final = "words"
S: Final = "text"
D: Final = "table"

TABLE_OPERATIONS = (
    Operation(
        "values_above",
        D,
        D,
        ("number",),
        ("keep the entries with a value above $a", "drop entries whose value is at most $a"),
        table_filtered("$v > $a"),
    ),
    Operation(
        "values_below",
        D,
        D,
        ("number",),
        ("keep the entries with a value below $a", "drop entries whose value is at least $a"),
        table_filtered("$v < $a"),
    ),
    Operation(
        "keys_starting",
        D,
        D,
        ("letter",),
        ("keep the entries whose key starts with $a", "drop keys that do not begin with $a"),
        table_filtered("$k.startswith($a)"),
    ),
    Operation(
        "keys_containing",
        D,
        D,
        ("letter",),
        ("keep the entries whose key contains $a", "drop keys that lack $a"),
        table_filtered("$a in $k"),
    ),
    Operation(
        "values_plus",
        D,
        D,
        ("number",),
        ("add $a to every value", "increase all values of the table by $a"),
        table_mapped("$k", "$v + $a"),
    ),
    Operation(
        "values_times",
        D,
        D,
        ("factor",),
        ("multiply every value by $a", "scale all values of the table by $a"),
        table_mapped("$k", "$v * $a"),
    ),
    Operation(
        "keys_upper",
        D,
        D,
        (),
        ("write the keys in upper case", "turn all keys into capitals"),
        table_mapped("$k.upper()", "$v"),
    ),
    Operation("keys", D, W, (), ("list the keys", "take the keys of the table"), ("list($x)", "list($x.keys())")),
    Operation(
        "keys_sorted",
        D,
        W,
        (),
        ("list the keys in alphabetical order", "sort the keys"),
        ("sorted($x)", "sorted($x.keys())"),
    ),
    Operation(
        "values",
        D,
        L,
        (),
        ("list the values", "take the values of the table"),
        ("list($x.values())", "[$x[$k] for $k in $x]"),
    ),
    Operation("values_total", D, N, (), ("add up the values", "compute the total of the table"), ("sum($x.values())",)),
    Operation(
        "values_max",
        D,
        N,
        (),
        ("find the largest value, or 0 if there is none", "take the maximum of the table, 0 when empty"),
        ("max($x.values(), default=0)",),
    ),
    Operation(
        "best_key",
        D,
        S,
        (),
        ("find the key with the largest value, or '' if there is none", "pick the key of the maximum, '' when empty"),
        ("max($x, key=lambda $k: $x[$k], default='')",),
    ),
    Operation(
        "write_table",
        D,
        S,
        ("separator",),
        ("write the entries as key=value, joined with $a", "join all key=value pairs with $a"),
        ("$a.join(f'{$k}={$v}' for $k, $v in $x.items())",),
    ),
)
