"""Operations on texts."""

from __future__ import annotations

from typing import Final

from .operations import Operation, counted, joined

N: Final = "int"
L: Final = "ints"
W: Final = "words"
S: Final = "text"
D: Final = "table"

TEXT_OPERATIONS = (
    Operation("upper", S, S, (), ("write the text in upper case", "turn the text into capitals"), ("$x.upper()",)),
    Operation(
        "reverse_text",
        S,
        S,
        (),
        ("reverse the text", "write the text backwards"),
        ("$x[::-1]", "''.join(reversed($x))"),
    ),
    Operation(
        "remove_letter",
        S,
        S,
        ("letter",),
        ("remove $a from the text", "delete every $a of the text"),
        ("$x.replace($a, '')", *joined("$e", "$e != $a")),
    ),
    Operation(
        "replace_letter",
        S,
        S,
        ("letter", "letter"),
        ("replace $a by $b in the text", "turn every $a of the text into $b"),
        ("$x.replace($a, $b)", *joined("$b if $e == $a else $e")),
    ),
    Operation(
        "keep_vowels",
        S,
        S,
        (),
        ("keep only the vowels of the text", "drop all $C that are not vowels"),
        joined("$e", "$e in 'aeiou'"),
    ),
    Operation(
        "drop_vowels",
        S,
        S,
        (),
        ("remove the vowels from the text", "drop all $C that are vowels"),
        joined("$e", "$e not in 'aeiou'"),
    ),
    Operation(
        "drop_spaces",
        S,
        S,
        (),
        ("remove the spaces from the text", "drop all $C that are blanks"),
        ("$x.replace(' ', '')", *joined("$e", "$e != ' '")),
    ),
    Operation(
        "double_letters", S, S, (), ("double the $C of the text", "write each of the $C two times"), joined("$e * 2")
    ),
    Operation(
        "take_text", S, S, ("count",), ("take the first $a $C", "cut the text to its leading $a $C"), ("$x[:$a]",)
    ),
    Operation(
        "skip_text", S, S, ("count",), ("skip the first $a $C", "cut the leading $a $C off the text"), ("$x[$a:]",)
    ),
    Operation(
        "last_text", S, S, ("count",), ("take the last $a $C", "cut the text to its trailing $a $C"), ("$x[-$a:]",)
    ),
    Operation(
        "sort_text", S, S, (), ("sort the $C of the text", "put the $C of the text in order"), ("''.join(sorted($x))",)
    ),
    Operation(
        "unique_text",
        S,
        S,
        (),
        ("keep only the first of equal $C", "remove repeated $C from the text"),
        ("''.join(dict.fromkeys($x))", "$o = ''\nfor $e in $x:\n    if $e not in $o:\n        $o += $e"),
    ),
    Operation(
        "append_text",
        S,
        S,
        ("piece",),
        ("append $a to the text", "put $a at the end of the text"),
        ("$x + $a", "f'{$x}' + $a"),
    ),
    Operation(
        "prepend_text", S, S, ("piece",), ("put $a in front of the text", "begin the text with $a"), ("$a + $x",)
    ),
    Operation(
        "mirror_text",
        S,
        S,
        (),
        ("append the text in reverse", "follow the text by its mirror image"),
        ("$x + $x[::-1]",),
    ),
    Operation(
        "reverse_word_order",
        S,
        S,
        (),
        ("reverse the order of the words in the text", "write the words of the text last to first"),
        ("' '.join($x.split()[::-1])", "' '.join(reversed($x.split()))"),
    ),
    Operation("split_words", S, W, (), ("split the text into words", "list the words of the text"), ("$x.split()",)),
    Operation(
        "split_at",
        S,
        W,
        ("letter",),
        ("split the text at each $a", "cut the text apart at every $a"),
        ("$x.split($a)",),
    ),
    Operation(
        "letters",
        S,
        W,
        (),
        ("list the $C of the text", "split the text into single $C"),
        ("list($x)", "[$e for $e in $x]"),
    ),
    Operation(
        "chunks",
        S,
        W,
        ("factor",),
        ("cut the text into chunks of $a $C", "split the text after every $a $C"),
        ("[$x[i:i + $a] for i in range(0, len($x), $a)]",),
    ),
    Operation("text_length", S, N, (), ("count the $C of the text", "find the length of the text"), ("len($x)",)),
    Operation(
        "count_letter",
        S,
        N,
        ("letter",),
        ("count $a in the text", "find how often $a is in the text"),
        ("$x.count($a)", *counted("$e == $a")),
    ),
    Operation(
        "count_vowels",
        S,
        N,
        (),
        ("count the vowels of the text", "find how many vowels the text has"),
        counted("$e in 'aeiou'"),
    ),
    Operation(
        "distinct_letters",
        S,
        N,
        (),
        ("count the different $C of the text", "find how many distinct $C the text has"),
        ("len(set($x))",),
    ),
    Operation(
        "count_words",
        S,
        N,
        (),
        ("count the words of the text", "find how many words the text has"),
        ("len($x.split())",),
    ),
    Operation(
        "word_lengths",
        S,
        L,
        (),
        ("list the lengths of the words of the text", "take how many letters each word of the text has"),
        ("[len($e) for $e in $x.split()]", "list(map(len, $x.split()))"),
    ),
    Operation(
        "positions",
        S,
        L,
        ("letter",),
        ("list the positions of $a in the text", "take every index at which the text has $a"),
        ("[i for i, $e in enumerate($x) if $e == $a]",),
    ),
    Operation(
        "tally_letters",
        S,
        D,
        (),
        ("make a table from each of the $C to its count", "count how often each of the $C occurs"),
        ("{$e: $x.count($e) for $e in $x}", "$o = {}\nfor $e in $x:\n    $o[$e] = $o.get($e, 0) + 1"),
    ),
    Operation(
        "is_palindrome",
        S,
        "bool",
        (),
        ("tell whether the text is a palindrome", "check that the text reads the same backwards"),
        ("$x == $x[::-1]",),
    ),
    Operation(
        "starts_like",
        S,
        "bool",
        ("letter",),
        ("tell whether the text starts with $a", "check that $a is the first letter"),
        ("$x.startswith($a)", "$x[:1] == $a"),
    ),
)
